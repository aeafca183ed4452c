# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Megabytes a second of the readers of connection and access logs, by kind of line, before and now, in one run.

    tests/benchmarks/readers.py

Both codes get the same lines, each in processes of its own, in turns; the figure is the best of them, of the processor's time. The code before
(commit ac523a6) is read with git.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

BEFORE = "ac523a6"
ROOT = pathlib.Path(__file__).parents[2]
LINES, TURNS, RUNS = 10_000, 2, 2

Read = t.Callable[[t.Sequence[str]], t.Any]


def connection_lines(count: int) -> dict[str, list[str]]:
    """Lines of connection logs by kind."""
    stamps = [f"2026-11-24T03:{at // 60 % 60:02}:{at % 60:02}.123Z " for at in range(count)]
    plain = [f"INFO GET /orders/{at} 200 {at % 90}ms user=u{at % 1000} trace=abcdef{at:08x}" for at in range(count)]
    taken = [f"INFO acquire conn=c{at} req=r{at} at=shop/orders.go:{at % 40}" for at in range(count)]
    given = [f"INFO release conn=c{at} req=r{at} held_ms=12" for at in range(count)]
    said = [f"ERROR c.z.h.pool.HikariPool - HikariPool-1 - Connection is not available, request timed out after 3000{at % 10}ms "
            f"(total=8, active=8, idle=0, waiting={at % 200})" for at in range(count)]
    frames = [f"\tat com.shop.orders.Service{at % 7}.call{at % 5}(Service.java:{at % 300})" for at in range(count)]

    def stamped(texts: t.Iterable[str]) -> list[str]:
        return [stamp + text for stamp, text in zip(stamps, texts, strict=True)]
    return {"plain": stamped(plain),
            "plain, without a time": plain,
            "one line in five taken or given back": stamped([{0: taken, 5: given}.get(at % 10, plain)[at - at % 10] for at in range(count)]),
            "nothing but failures": stamped(said),
            "failures with 40 frames": [stamps[at] + said[at] if at % 41 == 0 else frames[at] for at in range(count)]}


def access_lines(count: int) -> dict[str, list[str]]:
    """Lines of access logs by kind."""
    clients = [f"10.1.{at % 7}.{at % 200}" for at in range(count)]
    clocks = [f"24/Nov/2026:03:{at // 60 % 60:02}:{at % 60:02} +0000" for at in range(count)]
    return {"nginx, combined": [f'{client} - - [{clock}] "GET /orders/{at} HTTP/1.1" 200 {at % 900} "-" "curl/8.1"'
                                for at, (client, clock) in enumerate(zip(clients, clocks, strict=True))],
            "nginx, JSON": [json.dumps({"time": "2026-11-24T03:00:00+00:00", "remote_addr": client, "request": f"GET /orders/{at} HTTP/1.1", "status": 200,
                                        "request_time": 0.012, "upstream_response_time": "0.011", "upstream_addr": "10.2.0.1:8080"})
                            for at, client in enumerate(clients)],
            "Envoy": [f'[2026-11-24T03:00:00.123Z] "GET /orders/{at} HTTP/1.1" 200 - 0 512 12 11 "{client}" "curl/8.1" "id-{at}" "shop" "10.2.0.1:8080"'
                      for at, client in enumerate(clients)],
            "no request": [f"2026-11-24T03:00:00.123Z INFO order {at} of {client} placed in {at % 90} ms" for at, client in enumerate(clients)]}


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="print the figures of the code on the path, as JSON")
    if parser.parse_args().measure:
        print(json.dumps(measured()))
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder, "ansible_collections/sre/runbooks")
        tree.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", BEFORE, "plugins/module_utils"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
        turns = [(_figures(folder), _figures(str(ROOT / ".build/collections"))) for _turn in range(TURNS)]
    print("| lines | before, MB/s | now, MB/s | |\n|---|---|---|---|")
    for kind in turns[0][1]:
        before, now = (max(turn[side][kind] for turn in turns) for side in (0, 1))
        print(f"| {kind} | {before:.1f} | {now:.1f} | {now / before:.1f} × |")


def _figures(path: str) -> dict[str, float]:
    found = subprocess.run([sys.executable, __file__, "--measure"], env={"PYTHONPATH": path}, check=True, capture_output=True, text=True).stdout
    return t.cast("dict[str, float]", json.loads(found))


def measured() -> dict[str, float]:
    """Megabytes for each second of processor time."""
    from ansible_collections.sre.runbooks.plugins.module_utils._gateway import _access_log, _log_formats
    from ansible_collections.sre.runbooks.plugins.module_utils._pool import _connection_log

    def connections(lines: t.Sequence[str]) -> t.Any:
        analysis = _connection_log.Analysis(_connection_log.Patterns.parse(_connection_log.ACQUIRE, _connection_log.RELEASE, _connection_log.TIMEOUT))
        analysis.read("api-1", lines)
        return analysis.findings(60)

    def requests(lines: t.Sequence[str]) -> t.Any:
        parser, traffic = _log_formats.Parser(), _access_log.Traffic(0, 4e9)
        for entry in filter(None, map(parser.parse, lines)):
            traffic.add(entry)
        return traffic.summary()
    return {**{f"connections: {kind}": _speed(connections, lines) for kind, lines in connection_lines(LINES).items()},
            **{f"access log: {kind}": _speed(requests, lines) for kind, lines in access_lines(LINES).items()}}


def _speed(read: Read, lines: t.Sequence[str]) -> float:
    best = float("inf")
    for _run in range(RUNS):
        started = time.process_time()
        read(lines)
        best = min(best, time.process_time() - started)
    return sum(map(len, lines)) / 1e6 / best


if __name__ == "__main__":
    main()
