# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How figures stand in text that a person reads."""

from __future__ import annotations

import re


def size(count: float) -> str:
    """Bytes for a person."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def first_sentence(text: str, most: int = 200) -> str:
    """What a tool complains about: the first line that has words, to its first full stop, without a Java stack frame."""
    lines = (line.strip() for line in text.splitlines())
    line = next((line for line in lines if re.search(r"[A-Za-z]{3}", line) and not re.match(r"at [\w.$/]+\(", line)), "")
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= most else sentence[:most - 2] + " …"
