# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes per second of redaction, for the kinds of line that decide it, now and before, in one run.

    tests/benchmarks/redact.py

Both are given the same line in the same process, one after the other, in the processor's time. The code before (commit 5d1f435, read
with git) takes time by the square of a line's length, so it gets a shorter line and a limit, and its figure is that of the shorter line.
"""

from __future__ import annotations

import argparse
import multiprocessing
import pathlib
import random
import subprocess
import sys
import time
import types
import typing as t

BEFORE = "5d1f435:plugins/module_utils/_redact.py"
ROOT = pathlib.Path(__file__).parents[2]
#: bytes of a text; of the text that the code before is given, and how long it may take, seconds
SIZE, SIZE_BEFORE, LIMIT = 2_000_000, 8_000, 60
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Redact = t.Callable[[str], str]


def lines(size: int) -> dict[str, str]:
    """Texts of about that many bytes, by kind."""
    chance = random.Random(1)
    ordinary = ("2026-11-24T03:00:{0:02d}.{1:03d}Z INFO [http-nio-8080-exec-{0}] c.s.OrderService - order {1} accepted in {0} ms "
                "req=ab{1:x} user={1} path=/orders/{1} status=200\n")
    secret = "2026-11-24T03:00:00Z INFO login user=ann password=otter777 from 10.0.0.1, session opened, and what else a line of a log has to tell us\n"
    return {
        "ordinary log": "".join(ordinary.format(at % 60, at % 997) for at in range(size // 130)),
        "one line, long hex": "decode failed, key not found: 0x" + chance.randbytes(size // 2).hex(),
        "one line, base64url": "token rejected " + "".join(chance.choices(BASE64URL, k=size)),
        "one line, words with hints": "key token pass secret credential auth cookie " * (size // 45),
        "one line, addresses": "https://api:8080/x?page=2 " * (size // 26),
        "log with a secret in every line": secret * (size // len(secret)),
        "one line, nothing but secrets": "token=a1b2c3d4e5 " * (size // 17),
    }


def before() -> Redact:
    """The code before."""
    source = subprocess.run(["git", "show", BEFORE], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    module = types.ModuleType("before")
    exec(compile(source, BEFORE, "exec"), module.__dict__)
    return module.redact  # type: ignore[no-any-return]


def now() -> Redact:
    """The code of this checkout."""
    from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
    redact("password=warm")
    return redact


def _measure(code: t.Callable[[], Redact], text: str, told: t.Any) -> None:
    redact = code()
    begun = time.process_time()
    redact(text)
    told.put(time.process_time() - begun)


def rate(code: t.Callable[[], Redact], text: str) -> str:
    """Megabytes per second, or that the limit was reached."""
    told: t.Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=_measure, args=(code, text, told))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.terminate()
        return f"< {len(text) / LIMIT / 1e6:.5f}"
    return f"{len(text) / told.get() / 1e6:.4g}"


def main() -> int:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(f"| kind | before, MB/s (line of {SIZE_BEFORE // 1000} KB) | now, MB/s ({SIZE // 1_000_000} MB) |\n|---|---|---|")
    short = lines(SIZE_BEFORE)
    for kind, text in lines(SIZE).items():
        print(f"| {kind} | {rate(before, short[kind])} | {rate(now, text)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
