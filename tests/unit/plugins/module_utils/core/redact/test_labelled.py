# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Precision and recall over lines of many formats, labelled by hand."""

from __future__ import annotations

import pathlib
import re

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

HERE = pathlib.Path(__file__).parent
RECALL, PRECISION = 0.98, 0.95


def lines(name: str) -> list[str]:
    text = (HERE / name).read_text(encoding="utf-8").replace("¦", "")
    return [line for line in text.splitlines() if line and not line.startswith("# ")]


def test_nearly_every_secret_goes_and_nearly_nothing_else():
    labelled, plain = lines("secrets.txt"), lines("plain.txt")
    assert len(labelled) >= 400 <= len(plain)
    missed = [(line, shown) for line in labelled
              if any(secret in (shown := redact(re.sub("[«»]", "", line))) for secret in re.findall("«(.+?)»", line))]
    blanked = [(line, redact(line)) for line in plain if redact(line) != line]
    recall = 1 - len(missed) / len(labelled)
    precision = (len(labelled) - len(missed)) / (len(labelled) - len(missed) + len(blanked))
    told = "\n".join([f"recall {recall:.3f}, precision {precision:.3f}",
                      *(f"stays: {line}\n    -> {shown}" for line, shown in missed), *(f"goes:  {line}\n    -> {shown}" for line, shown in blanked)])
    assert recall >= RECALL and precision >= PRECISION, told
