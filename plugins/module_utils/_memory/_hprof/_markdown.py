# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A heap analysis as Markdown: what is wrong first, then why, then the tables."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import Group, HeapAnalysis, Step, Suspect
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import headlines, number, percent, place, short, signed, size, titles, what

_HISTOGRAM, _ROWS, _THREADS, _FRAMES = 25, 15, 10, 12

Row = t.Sequence[str]


def render(analysis: HeapAnalysis) -> str:
    """The document; sections without content are left out."""
    parts = [f"# Heap: {_plain(analysis.file.path.rsplit('/', 1)[-1])}", *(f"{mark}{_plain(line)}{mark}" for line, mark in _headlines(analysis))]
    parts += [f"> **Note:** {_plain(warning)}" for warning in analysis.warnings]
    for position, suspect in enumerate(analysis.suspects, 1):
        parts += _suspect(position, suspect)
    for title, header, rows in _tables(analysis):
        if rows:
            parts += [f"## {title}", _table(header, rows)]
    parts += _stacks(analysis)
    parts.append(_about(analysis))
    return "\n\n".join(parts) + "\n"


def _headlines(analysis: HeapAnalysis) -> list[tuple[str, str]]:
    """The first line is set in bold."""
    return [(line, "" if position else "**") for position, line in enumerate(headlines(analysis))]


def _suspect(position: int, suspect: Suspect) -> list[str]:
    parts = [f"## Suspect {position}: {_plain(what(suspect))}, {size(suspect.retained_bytes)} ({percent(suspect.share)})",
             _plain(suspect.description)]
    if suspect.code_areas:
        parts.append("Code to look at:\n\n" + "\n".join(
            f"- `{_code(place(area))}`: {_plain(area.why)}" for area in suspect.code_areas))
    if suspect.path:
        parts.append(f"Kept by ({_plain(suspect.root_kind)}):\n\n```text\n{_path(suspect.path)}\n```")
    if suspect.groups:
        parts.append(f"Directly below `{_code(suspect.accumulation_point.class_name)}`:\n\n" + _table(
            ["class", "objects", "retained"], _groups(suspect.groups)))
    return parts


def _path(steps: list[Step]) -> str:
    width = max(len(_reference(step)) for step in steps)
    return "\n".join(f"{size(step.retained_bytes):>9}  {_reference(step):<{width}}  {_label(step)}".rstrip()
                     for step in steps)


def _reference(step: Step) -> str:
    """``HashMap.table`` with a word for what is no ordinary field."""
    name = step.field if not step.field or step.field.startswith("[") else f".{step.field}"
    owner = step.declaring_class if step.kind == "static" and step.declaring_class else step.class_name
    kind = f" ({step.kind})" if step.kind not in ("field", "element", "") else ""
    return _code(f"{short(owner)}{name}{kind}")


def _label(step: Step) -> str:
    return _code(step.label) if titles(step.class_name, step.label)[1] == step.class_name and step.kind != "static" else ""


def _tables(analysis: HeapAnalysis) -> list[tuple[str, Row, list[Row]]]:
    growth = analysis.growth
    return [
        ("Ways to save memory", ["saves at most", "where", "how"], [
            [size(one.bytes), one.where, one.advice] for one in analysis.savings[:_ROWS]]),
        ("Growing collections", ["held by", "collection", "entries", "before", "more on the heap", "retained"], [
            [one.held_by, one.class_name, number(one.entries), "" if one.entries_before is None else number(one.entries_before),
             f"{one.content_grown:+d} {one.content}" if one.content_grown else "", size(one.retained_bytes)]
            for one in growth.collections[:_ROWS]] if growth else []),
        (f"Grown since {_plain(growth.before.rsplit('/', 1)[-1])}" if growth else "", ["class", "bytes", "grown by", "objects more"], [
            [row.class_name, size(row.bytes), signed(row.grown), f"{row.instances - row.instances_before:+d}"]
            for row in growth.rows[:_ROWS]] if growth else []),
        ("Histogram", ["class", "objects", "shallow", "retained"], [
            [row.class_name, number(row.instances), size(row.shallow_bytes), _optional_size(row.retained_bytes)]
            for row in analysis.histogram[:_HISTOGRAM]]),
        ("Large collections", ["collection", "held by", "entries", "filled", "retained", "of"], [
            [one.class_name, one.held_by, number(one.entries), "" if one.fill is None else percent(one.fill), size(one.retained_bytes),
             _types(one.key_types, one.value_types)] for one in analysis.collections[:_ROWS]]),
        ("Duplicate strings", ["text", "times", "wasted"], [
            [one.text, number(one.count), size(one.wasted_bytes)] for one in analysis.duplicate_strings[:_ROWS]]),
        ("Class loaders", ["loader", "classes", "same classes loaded by", "retained"], [
            [one.label or one.class_name, number(one.classes), f"{number(one.twins)} loaders" if one.twins > 1 else "", size(one.retained_bytes)]
            for one in analysis.class_loaders[:_ROWS]]),
        ("ThreadLocals", ["thread", "value", "retained", ""], [
            [one.thread, one.value_class, size(one.retained_bytes), "the ThreadLocal itself is gone" if one.key_collected else ""]
            for one in analysis.thread_locals[:_ROWS]]),
        ("Weak, soft, phantom and final references", ["kind", "references", "only so referred to", "their own bytes"], [
            [one.kind, number(one.references), number(one.only), size(one.only_bytes)] for one in analysis.references]),
        ("Threads", ["thread", "retained", "frames", "locals"], [
            [one.name, size(one.retained_bytes), number(len(one.frames)), number(one.local_roots)] for one in analysis.threads[:_THREADS]])]


def _stacks(analysis: HeapAnalysis) -> list[str]:
    """The stack of the thread that keeps most, if it is the place to look at."""
    kept = [thread for thread in analysis.threads if thread.frames
            and thread.retained_bytes * 20 > (analysis.totals.reachable_bytes or analysis.totals.shallow_bytes)]
    return [f"Thread `{_code(thread.name)}`:\n\n```text\n" + "\n".join(
        f"at {_code(frame.method)}" + "".join(f"\n     local: {_code(local.label)}, {size(local.retained_bytes)}" for local in frame.locals)
        for frame in thread.frames[:_FRAMES]) + "\n```" for thread in kept[:2]]


def _about(analysis: HeapAnalysis) -> str:
    file, totals, layout = analysis.file, analysis.totals, analysis.layout
    whole = f", unpacked from {file.compression}" if file.compression else ""
    seconds = sum(timing.seconds for timing in analysis.timings)
    return (f"{size(file.bytes)} of {_plain(file.format)}{whole}, taken {_plain(file.taken_at) or 'at an unknown time'}; "
            f"{number(totals.objects)} objects of {number(totals.classes)} classes; "
            f"references of {layout.reference_bytes} bytes, objects aligned to {layout.alignment_bytes}; "
            f"analysed in {seconds:.1f} s with {size(analysis.peak_memory_bytes)} of memory.")


def _groups(groups: list[Group]) -> list[Row]:
    return [[group.class_name, number(group.instances), size(group.retained_bytes)] for group in groups]


def _types(keys: list[Group], values: list[Group]) -> str:
    sides = [", ".join(short(group.class_name) for group in side[:2]) for side in (keys, values) if side]
    return " to ".join(sides)


def _optional_size(count: int | None) -> str:
    return "" if count is None else size(count)


def _table(header: Row, rows: t.Iterable[Row]) -> str:
    lines = ["| " + " | ".join(map(_plain, row)) + " |" for row in [header, ["---"] * len(header), *rows]]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """One line of text in which nothing is markup."""
    line = " ".join(redact(text).split())
    for character in "\\`*_|<>[]#":
        line = line.replace(character, "\\" + character)
    return line


def _code(text: str) -> str:
    return " ".join(redact(text).split()).replace("`", "'")
