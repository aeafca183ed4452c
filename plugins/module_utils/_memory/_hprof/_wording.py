# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How figures and names stand in the Markdown and on the page."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import CodeArea, HeapAnalysis, Suspect

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """``130.6 MB``: three digits that matter, decimal units."""
    amount, unit = float(count), 0
    while abs(amount) >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or abs(amount) >= 99.95 else f"{amount:.1f} {_UNITS[unit]}"


def number(count: int) -> str:
    """``1 234 567``, the thousands set apart so that they cannot break."""
    return f"{count:,}".replace(",", "\u202f")


def percent(share: float) -> str:
    """``85 %``, and ``0.4 %`` where it is little."""
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def signed(count: int) -> str:
    """``+1.2 MB``."""
    return ("+" if count > 0 else "") + size(count)


def short(class_name: str) -> str:
    """The class without its package: ``HashMap$Node[]``."""
    return class_name.rsplit(".", 1)[-1]


def package(class_name: str) -> str:
    """The package with its last dot, or nothing."""
    return class_name[:len(class_name) - len(short(class_name))]


def what(suspect: Suspect) -> str:
    """A suspect's title."""
    if suspect.kind == "group":
        return f"{number(suspect.instances)} × {short(suspect.class_name)}"
    return suspect.label or short(suspect.class_name)


def place(area: CodeArea) -> str:
    """``Class.field``, or the class where no field is meant."""
    return f"{area.declaring_class}.{area.field}" if area.field else area.declaring_class


def headlines(analysis: HeapAnalysis) -> list[str]:
    """What to know at once; a suspect's whole description stands with the suspect, not here too."""
    told = {suspect.description for suspect in analysis.suspects}
    return [*map(_headline, analysis.suspects), *(line for line in analysis.says if line not in told)]


def _headline(suspect: Suspect) -> str:
    where = f", by {place(suspect.code_areas[0])}" if suspect.code_areas else ""
    full_of = f": {number(suspect.groups[0].instances)} × {short(suspect.groups[0].class_name)}" if suspect.groups else ""
    return f"{what(suspect)} keeps {size(suspect.retained_bytes)}, {percent(suspect.share)} of the heap{where}{full_of}"


def titles(class_name: str, label: str) -> tuple[str, str]:
    """An object's name in bold, and what is said below it: a class that the name already tells is not repeated."""
    if label in ("", class_name, short(class_name)):
        return short(class_name), package(class_name).rstrip(".")
    element = short(class_name).rstrip("[]")
    return (short(label), package(label).rstrip(".")) if element in label and label.endswith("]") else (label, class_name)
