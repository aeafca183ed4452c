# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack traces as a dump has them."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._scan import Scan

_LINES = {0: "", -1: "", -2: "compiled", -3: "native"}


def frames(scan: Scan, trace: int) -> list[str]:
    """The frames of a trace by its serial number, the innermost first: ``Class.method(File.java:12)``."""
    body = scan.traces.get(trace, b"")
    return [_frame(scan, int.from_bytes(body[p:p + scan.id_bytes], "big", signed=scan.id_bytes == 8))
            for p in range(12, len(body), scan.id_bytes)]


def _frame(scan: Scan, frame: int) -> str:
    body, size = scan.frames.get(frame, b""), scan.id_bytes
    if len(body) < 4 * size + 8:
        return f"frame {frame}"
    method, _signature, source = (int.from_bytes(body[i * size:(i + 1) * size], "big", signed=size == 8) for i in (1, 2, 3))
    class_id = scan.class_serials.get(int.from_bytes(body[4 * size:4 * size + 4], "big"), 0)
    line = int.from_bytes(body[4 * size + 4:4 * size + 8], "big", signed=True)
    where = scan.texts[source] if source else "unknown source"
    detail = str(line) if line > 0 else _LINES.get(line, "")
    return f"{scan.class_names.get(class_id, '?')}.{scan.texts[method]}({where}{':' if detail else ''}{detail})"
