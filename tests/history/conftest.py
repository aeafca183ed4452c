# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus that has what a test gives it."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import time
import typing as t
import urllib.request

import pytest

BIN = pathlib.Path(__file__).resolve().parents[2] / ".build" / "prometheus" / "usr" / "bin"


@pytest.fixture(scope="session", name="serving")
def serving_fixture(tmp_path_factory):
    """A function of OpenMetrics lines that gives the URL of a Prometheus that has them as blocks."""
    with contextlib.ExitStack() as stack:
        yield lambda lines: stack.enter_context(_prometheus(tmp_path_factory.mktemp("prometheus"), lines))


@contextlib.contextmanager
def _prometheus(directory: pathlib.Path, lines: t.Iterable[str]) -> t.Iterator[str]:
    with (directory / "samples").open("w") as file:
        file.writelines(lines)
    subprocess.run([BIN / "promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", directory / "samples", directory / "data"], check=True)
    (directory / "prometheus.yml").write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen([BIN / "prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                                f"--web.listen-address={address}", "--storage.tsdb.retention.time=60d", "--log.level=error"])
    try:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)
