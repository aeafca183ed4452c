# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A heap analysis as one HTML page that needs nothing from anywhere: what is wrong first, then why, then everything else."""

from __future__ import annotations

import html
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._model import GrowingCollection, Group, HeapAnalysis, Node, Suspect, ThreadStack
from ansible_collections.sre.runbooks.plugins.module_utils._core._page import frame, safe
from ansible_collections.sre.runbooks.plugins.module_utils._core._page_style import SCRIPT
from ansible_collections.sre.runbooks.plugins.module_utils._core._treemap import treemap
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._areas import areas
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._picture import picture
from ansible_collections.sre.runbooks.plugins.module_utils._memory._hprof._wording import headlines, number, percent, place, short, signed, size, titles, what

_HISTOGRAM, _ROWS, _THREADS = 500, 40, 60


class Column(t.NamedTuple):
    """A column of a table; ``kind`` is empty for text, ``n`` for a number, ``bar`` for a number with a bar as long as its share."""

    title: str
    kind: str = ""


class Bar(t.NamedTuple):
    """A cell with a bar behind it."""

    text: str
    share: float


Cell = t.Union[str, Bar]


def render(analysis: HeapAnalysis) -> str:
    """The page; sections without content are left out."""
    name = analysis.file.path.rsplit("/", 1)[-1]
    sections = [(title, anchor, body) for title, anchor, body in _sections(analysis) if body]
    links = "".join(f'<a href="#{anchor}">{title}</a>' for title, anchor, _body in sections)
    body = "".join(f'<section id="{anchor}" aria-label="{title}"><h2>{title}</h2>{body}</section>' for title, anchor, body in sections)
    title = f"Heap: {redact(name)}"
    return frame(title, f"<h1>{safe(title)}</h1>{_facts(analysis)}", f"{_verdict(analysis)}{_tiles(analysis)}"
                 f"<nav aria-label=\"Sections\">{links}</nav>{body}", foot=_footer(analysis), script=SCRIPT)


def _sections(analysis: HeapAnalysis) -> list[tuple[str, str, str]]:
    total = analysis.totals.reachable_bytes or 0
    return [
        ("Suspects", "suspects", "".join(_suspect(position, suspect, total) for position, suspect in enumerate(analysis.suspects, 1))),
        ("Ways to save memory", "savings", _savings(analysis, total)),
        ("What keeps the memory", "dominators", _dominators(analysis, total)),
        ("Growth", "growth", _growth(analysis)),
        ("Histogram", "histogram", _histogram(analysis)),
        ("Large collections", "collections", _collections(analysis)),
        ("Threads", "threads", "".join(_thread(thread) for thread in analysis.threads[:_THREADS])),
        ("ThreadLocals", "threadlocals", _table(
            [Column("thread"), Column("value"), Column("key"), Column("retained", "n")],
            [[one.thread, one.value_class, "collected: the value is lost but kept" if one.key_collected else one.key_class,
              size(one.retained_bytes)] for one in analysis.thread_locals[:_ROWS]])),
        ("Class loaders", "loaders", _table(
            [Column("loader"), Column("classes", "n"), Column("loaders of the same classes", "n"), Column("objects", "n"), Column("retained", "n")],
            [[one.label or one.class_name, number(one.classes), number(one.twins) if one.twins > 1 else "", number(one.instances),
              size(one.retained_bytes)] for one in analysis.class_loaders[:_ROWS]])),
        ("Duplicate strings", "strings", _table(
            [Column("text"), Column("times", "n"), Column("characters", "n"), Column("wasted", "n")],
            [[one.text, number(one.count), number(one.characters), size(one.wasted_bytes)] for one in analysis.duplicate_strings[:_ROWS]])),
        ("Weak, soft, phantom and final references", "references", _table(
            [Column("kind"), Column("references", "n"), Column("only so referred to", "n"), Column("their own bytes", "n")],
            [[one.kind, number(one.references), number(one.only), size(one.only_bytes)] for one in analysis.references]))]


def _facts(analysis: HeapAnalysis) -> str:
    file = analysis.file
    facts = [file.path, file.format, f"{size(file.bytes)} {f'unpacked from {file.compression}' if file.compression else ''}".strip(),
             f"taken {file.taken_at}" if file.taken_at else ""]
    return f'<p class="dim">{" · ".join(_safe(fact) for fact in facts if fact)}</p>'


def _verdict(analysis: HeapAnalysis) -> str:
    lines = "".join(f"<p>{_safe(line)}</p>" for line in headlines(analysis))
    notes = "".join(f'<div class="verdict note"><p>{_safe(warning)}</p></div>' for warning in analysis.warnings)
    return f'<div class="verdict {_safe(analysis.outcome)}" role="status">{lines}</div>{notes}'


def _tiles(analysis: HeapAnalysis) -> str:
    totals = analysis.totals
    tiles = [("reachable", None if totals.reachable_bytes is None else size(totals.reachable_bytes)),
             ("largest suspect keeps", percent(analysis.suspects[0].share) if analysis.suspects else None),
             ("in the dump", size(totals.shallow_bytes)), ("objects", number(totals.objects)), ("classes", number(totals.classes)),
             ("grown", signed(analysis.growth.bytes - analysis.growth.bytes_before) if analysis.growth else None)]
    return '<dl class="tiles">' + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in tiles if value is not None) + "</dl>"


def _suspect(position: int, suspect: Suspect, total: int) -> str:
    areas = "".join(f"<li><code>{_safe(place(area))}</code> {_safe(area.why)}</li>" for area in suspect.code_areas)
    return (f'<article class="card"><h3>{position}. {_safe(what(suspect))} keeps {size(suspect.retained_bytes)}, '
            f"{percent(suspect.share)} of the heap</h3><p>{_safe(suspect.description)}</p>"
            + (f'<h3>Code to look at</h3><ul class="areas">{areas}</ul>' if areas else "")
            + (f"<h3>What keeps it from being collected</h3>{picture(suspect, total)}" if suspect.path else "") + "</article>")


def _dominators(analysis: HeapAnalysis, total: int) -> str:
    nodes = analysis.dominators
    if not nodes or not total:
        return ""
    return (treemap(areas(analysis, total)) + '<p class="dim">Area: bytes that would go if the object went. Point at a rectangle for its name.</p>'
            '<details><summary>The same as a list</summary>' + "".join(_node(node, total) for node in nodes) + "</details>")


def _node(node: Node, total: int) -> str:
    name = titles(node.class_name, node.label)[0]
    line = f'<span class="mono">{_safe(name)}</span> {size(node.retained_bytes)} <span class="dim">{percent(node.retained_bytes / total)}</span>'
    if not node.children:
        return f'<div class="leafnode">{line}</div>'
    more = node.child_count - len(node.children)
    rest = f'<div class="leafnode dim">and {number(more)} smaller</div>' if more > 0 else ""
    return f"<details><summary>{line}</summary>{''.join(_node(child, total) for child in node.children)}{rest}</details>"


def _growth(analysis: HeapAnalysis) -> str:
    growth = analysis.growth
    if not growth:
        return ""
    between = f" in {growth.seconds:.0f} s" if growth.seconds else ""
    return (f"<p>{signed(growth.bytes - growth.bytes_before)}{between} since <code>{_safe(growth.before)}</code>: "
            f"{size(growth.bytes_before)} then, {size(growth.bytes)} now.</p>" + _growing(growth.collections)
            + _table([Column("class"), Column("objects before", "n"), Column("now", "n"), Column("bytes now", "n"), Column("grown by", "bar")],
                     [[row.class_name, number(row.instances_before), number(row.instances), size(row.bytes),
                       Bar(signed(row.grown), row.grown / max(growth.rows[0].grown, 1))] for row in growth.rows[:_ROWS]]))


def _growing(collections: list[GrowingCollection]) -> str:
    return _table([Column("growing collection"), Column("held by"), Column("entries before", "n"), Column("now", "n"), Column("more on the heap"),
                   Column("retained", "n")],
                  [[one.class_name, one.held_by, "" if one.entries_before is None else number(one.entries_before), number(one.entries),
                    f"{one.content_grown:+d} {one.content}" if one.content_grown else "", size(one.retained_bytes)]
                   for one in collections[:_ROWS]])


def _savings(analysis: HeapAnalysis, total: int) -> str:
    return _table([Column("saves at most", "bar"), Column("where"), Column("how")],
                  [[Bar(size(one.bytes), one.bytes / max(total, 1)), one.where, one.advice] for one in analysis.savings[:_ROWS]])


def _histogram(analysis: HeapAnalysis) -> str:
    rows = analysis.histogram[:_HISTOGRAM]
    whole = max(analysis.totals.shallow_bytes, 1)
    graph = any(row.retained_bytes is not None for row in rows)
    table = _table(
        [Column("class"), Column("objects", "n"), Column("shallow", "bar"), *([Column("retained", "bar")] if graph else [])],
        [[row.class_name, number(row.instances), Bar(size(row.shallow_bytes), row.shallow_bytes / whole),
          *([Bar(size(row.retained_bytes or 0), (row.retained_bytes or 0) / whole)] if graph else [])] for row in rows], "classes")
    more = len(analysis.histogram) - len(rows)
    rest = f'<p class="dim">and {number(more)} classes with less</p>' if more > 0 else ""
    return ('<input type="search" hidden data-table="classes" placeholder="part of a class name" aria-label="Show only classes with this in their name">'
            + table + rest)


def _collections(analysis: HeapAnalysis) -> str:
    return _table(
        [Column("collection"), Column("held by"), Column("entries", "n"), Column("filled", "n"), Column("of"), Column("retained", "n")],
        [[one.class_name, one.held_by, number(one.entries),
          "" if one.fill is None else f"{percent(one.fill)} of {number(one.capacity or 0)}",
          " → ".join(_types(side) for side in (one.key_types, one.value_types) if side), size(one.retained_bytes)]
         for one in analysis.collections[:_ROWS]])


def _types(groups: list[Group]) -> str:
    return ", ".join(short(group.class_name) for group in groups[:3])


def _thread(thread: ThreadStack) -> str:
    line = f'<span class="mono">{_safe(thread.name)}</span> {size(thread.retained_bytes)}'
    if not thread.frames:
        return f'<div class="leafnode">{line} <span class="dim">no Java frames</span></div>'
    frames = "".join(f"<li><code>{_safe(frame.method)}</code>" + "".join(
        f'<br><span class="dim">local</span> <code>{_safe(local.label or local.class_name)}</code> {size(local.retained_bytes)}'
        for local in frame.locals) + "</li>" for frame in thread.frames)
    return f"<details><summary>{line}</summary><ul>{frames}</ul></details>"


def _table(columns: list[Column], rows: list[list[Cell]], anchor: str = "") -> str:
    if not rows:
        return ""
    head = "".join(f'<th scope="col"{_class("n" if column.kind else "")}>{column.title}</th>' for column in columns)
    body = "".join("<tr>" + "".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True)) + "</tr>" for row in rows)
    name = f' id="{anchor}"' if anchor else ""
    return f'<div class="wide"><table{name}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell, column: Column) -> str:
    if isinstance(cell, Bar):
        return f'<td class="bar" style="--part:{100 * min(max(cell.share, 0), 1):.1f}%">{_safe(cell.text)}</td>'
    # Long names break after a dot rather than anywhere.
    return f"<td{_class(column.kind)}>{_safe(cell) if column.kind else _safe(cell).replace('.', '.<wbr>')}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _footer(analysis: HeapAnalysis) -> str:
    layout = analysis.layout
    steps = ", ".join(f"{_safe(timing.step)} {timing.seconds:.2f} s" for timing in analysis.timings)
    return (f"<footer><p>Sizes as the JVM laid objects out: references of {layout.reference_bytes} bytes, headers of "
            f"{layout.object_header_bytes}, alignment {layout.alignment_bytes}. Peak memory of the analysis {size(analysis.peak_memory_bytes)}."
            f"</p><p>{steps}</p></footer>")


def _safe(text: str) -> str:
    return html.escape(redact(text))
