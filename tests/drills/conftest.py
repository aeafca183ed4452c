"""Fixtures of the drills."""

from __future__ import annotations

import pathlib
import time
import typing as t

import pytest
from drill import CLUSTER, Runbook, Shop
from labkit import faults


@pytest.fixture(scope="session")
def shop() -> Shop:
    if not CLUSTER.healthy():
        pytest.fail(f"{CLUSTER.name} is not up: make lab-up")
    return Shop()


@pytest.fixture
def healed(shop: Shop) -> t.Iterator[Shop]:
    """A shop that is set back to its manifests afterwards."""
    yield shop
    faults.restore(CLUSTER)


@pytest.fixture
def runbook(tmp_path: pathlib.Path) -> Runbook:
    return Runbook(tmp_path / "incidents")


@pytest.fixture
def incident_id(shop: Shop, request: pytest.FixtureRequest) -> t.Iterator[str]:
    """An id of its own for each test; its record and lock are removed afterwards."""
    name = f"drill-{request.node.originalname.removeprefix('test_').replace('_', '-')[:30]}-{time.time_ns() % 10**6}"
    yield name
    shop.kubectl("delete", "configmap", f"incident-{name}", "--ignore-not-found")
    shop.kubectl("delete", "leases", "--all")


@pytest.fixture
def now() -> str:
    time.sleep(0.01)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
