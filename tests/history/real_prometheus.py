# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus that has what it is given, as blocks."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import subprocess
import time
import typing as t
import urllib.request

BIN = pathlib.Path(__file__).resolve().parents[2] / ".build" / "prometheus" / "usr" / "bin"


def create_blocks(samples: pathlib.Path, data: pathlib.Path, longest: str = "2h") -> None:
    """Blocks from OpenMetrics. promtool reads the whole file for each block, so many samples want few long ones."""
    subprocess.run([BIN / "promtool", "tsdb", "create-blocks-from", f"--max-block-duration={longest}", "openmetrics", "--quiet", samples, data], check=True)


@contextlib.contextmanager
def serving(directory: pathlib.Path) -> t.Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The URL and the process of a Prometheus on the blocks below ``directory/data``; a ``prometheus.yml`` that is there is used."""
    config = directory / "prometheus.yml"
    if not config.is_file():
        config.write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen([BIN / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                                f"--web.listen-address={address}", "--storage.tsdb.retention.time=60d", "--log.level=error"])
    try:
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://{address}", process
    finally:
        process.terminate()
        process.wait(30)
