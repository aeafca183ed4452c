# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten incidents of the lab, two kinds of them without a runbook: both are found and drafted, and the drafts answer the next incident on the cluster.

Four are records of other drills (tests/output/incidents), six are caused and answered by hand here, with the record that a person leaves.
"""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import time
import typing as t
import urllib.parse
import urllib.request

import pytest
import real_prometheus
from drill import CLUSTER, NAMESPACE, ROOT, Runbook, Shop, until
from labkit.pki import Authority

HERE = pathlib.Path(__file__).resolve().parent
RECORDS = ROOT / "tests" / "output" / "incidents"
EACH = 3


@dataclasses.dataclass(frozen=True)
class Kind:
    """Incidents of one type: what is measured, what causes it, and what ends it."""

    type: str
    workload: str
    signal: str
    side: str
    threshold: float
    cause: str
    broken: dict[str, str]
    mended: dict[str, str]

    @property
    def query(self) -> str:
        return f'max(runbooks:{self.signal}{{namespace="{NAMESPACE}"}})'


VOLUME = Kind("volume_filling", "archive", "volume_in_use", ">", 90.0, "retention_too_long", {"KEEP_SEGMENTS": "1000"}, {"KEEP_SEGMENTS": "5"})
CERTIFICATE = Kind("certificate_expiry", "edge", "certificate_seconds_left", "<", 86400.0, "certificate_not_renewed", {"TLS_PAIR": "first"},
                   {"TLS_PAIR": "second"})


@pytest.fixture(scope="module", name="shop")
def shop_fixture(tmp_path_factory):
    shop = Shop()
    if not CLUSTER.healthy():
        pytest.fail(f"{CLUSTER.name} is not up: make lab-up")
    if len(list(RECORDS.glob("drill-*/*/report.json"))) < 10 - 2 * EACH:
        pytest.fail(f"{RECORDS} has too few records of other drills: run {10 - 2 * EACH} of them first, such as make drill-db_pool_leak")
    tls = tmp_path_factory.mktemp("tls")
    ended = Authority(tls, valid=datetime.timedelta(days=3650))
    ended.issue("second", "edge", hosts=["localhost"])
    ended._valid = datetime.timedelta(seconds=0)
    ended.issue("first", "edge", hosts=["localhost"])
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "edge-tls"}, "data": {
        name: base64.b64encode((tls / name).read_bytes()).decode() for name in ("ca.crt", "first.crt", "first.key", "second.crt", "second.key")}}
    shop.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
    try:
        shop.kubectl("apply", "-f", HERE / "services.yml")
        for kind in (VOLUME, CERTIFICATE):
            shop.kubectl("rollout", "status", f"deployment/{kind.workload}", "--timeout=180s")
        yield shop
    finally:
        shop.kubectl("delete", "-f", HERE / "services.yml", "--ignore-not-found", "--wait=false")
        shop.kubectl("delete", "secret", "edge-tls", "--ignore-not-found")
        shop.kubectl("delete", "configmap", "-l", "runbooks.sre/incident", "--ignore-not-found")
        shop.kubectl("delete", "leases", "--all")


@pytest.fixture(scope="module", name="prometheus")
def prometheus_fixture(shop, tmp_path_factory):
    """The URL of one that scrapes both services, and has the recording rules that a draft asks for."""
    directory = tmp_path_factory.mktemp("prometheus")
    proxy = subprocess.Popen([CLUSTER.programs / "kubectl", "--kubeconfig", CLUSTER.kubeconfig(), "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        address = proxy.stdout.readline().split()[-1]
        shutil.copy(HERE / "rules.yml", directory)
        (directory / "prometheus.yml").write_text((HERE / "prometheus.yml").read_text().replace("ADDRESS", address).replace("NAMESPACE", NAMESPACE))
        with real_prometheus.serving(directory) as (url, _process):
            yield url
    finally:
        proxy.terminate()
        proxy.wait(10)


def measure(prometheus: str, query: str) -> float | None:
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?query={urllib.parse.quote(query)}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def fail(shop: Shop, prometheus: str, kind: Kind) -> float:
    """Break it, and wait until the signal and its error are there."""
    shop.kubectl("set", "env", f"deployment/{kind.workload}", *(f"{name}={value}" for name, value in kind.broken.items()))
    shop.kubectl("rollout", "status", f"deployment/{kind.workload}", "--timeout=180s")
    until(lambda: "ERROR" in shop.kubectl("logs", f"deployment/{kind.workload}", "--tail=5"), timeout=180, pause=1)
    return until(lambda: measure(prometheus, f"{kind.query} {kind.side} {kind.threshold}"), timeout=180, pause=1)


@pytest.fixture(scope="module", name="records")
def records_fixture(shop, prometheus, tmp_path_factory):
    """The folder with ten incidents."""
    folder = tmp_path_factory.mktemp("records")
    known = sorted(RECORDS.glob("drill-*/*/report.json"))[:10 - 2 * EACH]
    for path in known:
        shutil.copytree(path.parent, folder / path.parents[1].name)
    with concurrent.futures.ThreadPoolExecutor() as both:
        list(both.map(lambda kind: [by_hand(shop, prometheus, kind, folder, number) for number in range(EACH)], (VOLUME, CERTIFICATE)))
    return folder


def by_hand(shop: Shop, prometheus: str, kind: Kind, folder: pathlib.Path, number: int) -> None:
    """Cause an incident, and answer it as a person does who has no runbook."""
    value = fail(shop, prometheus, kind)
    measured = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "signals": [
        {"name": kind.signal, "value": value, "threshold": kind.threshold, "breached": True, "pods": [], "text": f"{kind.signal} is {value:.0f}"}]}
    done = Runbook(folder).run(
        str(HERE / "by_hand.yml"), incident_id=f"learn-{kind.workload}-{number}-{time.time_ns() % 10**6}", incident_type=kind.type, target_namespace=NAMESPACE,
        workload=kind.workload, title=f"{kind.workload}: {kind.signal} is {value:.0f}", measured=measured, env=kind.mended, cause=kind.cause,
        prometheus=prometheus, query=kind.query, side=kind.side)
    assert done.returncode == 0


@pytest.fixture(scope="module", name="drafts")
def drafts_fixture(records, tmp_path_factory):
    """What the playbook proposes, and the collection with it laid over."""
    dest = tmp_path_factory.mktemp("drafts")
    done = subprocess.run(["ansible-playbook", "-i", "localhost,", "learning/propose_runbooks.yml", "-e",
                           json.dumps({"incidents": str(records), "dest": str(dest)})],
                          cwd=ROOT / "playbooks", capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    collection = dest / "laid-over" / "ansible_collections" / "sre" / "runbooks"
    collection.mkdir(parents=True)
    for name in ("plugins", "meta", "galaxy.yml", "pyproject.toml", "inventories", "docs", "requirements.txt"):
        (collection / name).symlink_to(ROOT / name)
    for name in ("roles", "playbooks", "extensions", "tests/unit/causes"):
        shutil.copytree(ROOT / name, collection / name)
    shutil.copy(ROOT / ".ansible-lint", collection) if (ROOT / ".ansible-lint").exists() else None
    subprocess.run(["git", "init", "-q"], cwd=collection, check=True)
    with (dest / "proposal.diff").open() as diff:
        subprocess.run(["git", "apply", "-p1", "--include=roles/*", "--include=playbooks/*", "--include=extensions/*", "--include=tests/*"],
                       cwd=collection, stdin=diff, check=True)
    return dest, collection, done.stdout


def environment(collection: pathlib.Path) -> dict[str, str]:
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collection.parents[2]), "COLUMNS": "120", "NO_COLOR": "1"}


def play(collection: pathlib.Path, *words: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["ansible-playbook", "-i", "../inventories/lab", "--limit", CLUSTER.name, *words, "-e", json.dumps(variables)],
                          cwd=collection / "playbooks", env=environment(collection), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    print(done.stdout, done.stderr)
    return done


def test_two_kinds_are_found_drafted_and_replayed(drafts):
    _dest, _collection, said = drafts
    assert "10 incidents, 2 kinds without a runbook" in said
    for kind in (VOLUME, CERTIFICATE):
        assert f"{kind.type}: {EACH} incidents" in said
        assert said.count(f"the table of causes says {kind.cause} (likely)") == EACH
    assert said.count("detected, clear at its end, its cause is the first candidate") == 2 * EACH
    assert "NOT detected" not in said


@pytest.mark.parametrize("kind", [VOLUME, CERTIFICATE], ids=lambda kind: kind.type)
def test_a_draft_passes_lint_syntax_check_and_promtool(drafts, kind):
    _dest, collection, _said = drafts
    linted = subprocess.run(["ansible-lint", "--offline", "--profile", "production", "--project-dir", ".", f"roles/{kind.type}", f"playbooks/{kind.type}.yml",
                             f"playbooks/incident/{kind.type}.yml"], cwd=collection, env=environment(collection), capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert play(collection, "--syntax-check", f"incident/{kind.type}.yml").returncode == 0
    tested = subprocess.run([real_prometheus.BIN / "promtool", "test", "rules", f"{kind.type}_test.yml"],
                            cwd=collection / "extensions" / "prometheus" / "proposed", capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("kind", [VOLUME, CERTIFICATE], ids=lambda kind: kind.type)
def test_a_draft_ends_the_next_incident_and_takes_itself_back(shop, prometheus, drafts, tmp_path, kind):
    _dest, collection, _said = drafts
    fail(shop, prometheus, kind)
    incident_id = f"learnt-{kind.workload}-{time.time_ns() % 10**6}"
    given = {"incident_id": incident_id, "runbooks_incidents_dir": str(tmp_path), "runbooks_cooldown": 0, "runbooks_prometheus": prometheus,
             f"{kind.type}_sustained_seconds": 10}
    planned = play(collection, f"incident/{kind.type}.yml", "--check", "--diff", **given)
    assert planned.returncode == 0 and env(shop, kind) == kind.broken
    done = play(collection, f"incident/{kind.type}.yml", **given)
    assert done.returncode == 0 and env(shop, kind) == kind.mended
    report = json.loads((tmp_path / incident_id / CLUSTER.name / "report.json").read_text())
    assert (report["outcome"], report["diagnosis"]["cause"], report["type"]) == ("mitigated", kind.cause, kind.type)
    assert measure(prometheus, f"{kind.query} {kind.side} {kind.threshold}") is None
    again = play(collection, f"incident/{kind.type}.yml", **{**given, "incident_id": f"{incident_id}-again"})
    assert again.returncode == 0 and not (tmp_path / f"{incident_id}-again" / CLUSTER.name / "report.json").exists()
    assert play(collection, "incident/undo.yml", incident_id=incident_id).returncode == 0
    assert env(shop, kind) == kind.broken


def env(shop: Shop, kind: Kind) -> dict[str, str]:
    return {one["name"]: one["value"] for one in shop.get("deployment", kind.workload)["spec"]["template"]["spec"]["containers"][0]["env"]}
