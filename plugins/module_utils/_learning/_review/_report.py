# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A review in Markdown, as one HTML page, and as a playbook with the tasks that could be used instead."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._page import frame, safe
from ansible_collections.sre.runbooks.plugins.module_utils._learning import _yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning._markup import cell, line
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import ASKS, UNKNOWN

Json = t.Mapping[str, t.Any]
_OWN_STYLE = """
svg .reads { fill: var(--leaf); } svg .waits { fill: var(--card); stroke: var(--edge); } svg .asks { fill: var(--d2); }
svg .changes { fill: var(--d3); } svg .harms { fill: var(--bad); } svg .unknown { fill: var(--fill); }
"""
_CLASSES = {"reads": "reads", "waits": "waits", "asks a person": "asks", "changes reversibly": "changes", "changes irreversibly": "harms",
            "destroys evidence": "harms", "not known": "unknown"}
#: bars that are drawn
_MOST_BARS = 120


def markdown(found: Json) -> str:
    """For a merge request or a ticket."""
    lines = [f"# Review of {line(found['name'])}", "", *(f"- {line(text)}" for text in says(found)), ""]
    lines += ["## Steps", "", "| # | where | step | kind | needs | seconds: median, 9 of 10 below | basis |", "|---|---|---|---|---|---|---|"]
    lines += [f"| {step['number']} | {cell(step['where'])} | {cell(step['title'])} | {step['kind']} | {', '.join(map(str, step['needs']))} "
              f"| {step['seconds']['median']:g}, {step['seconds']['high']:g} | {cell(step['seconds']['basis'])} |" for step in found["steps"]]
    lines += ["", "## Missing checks", ""]
    lines += [f"- step {step['number']} ({line(step['where'])}), **{one['check']}**: {line(one['why'])}; {line(one['advice'])}"
              for step in found["steps"] for one in step["missing"]] or ["None."]
    lines += ["", "## At the same time", ""]
    lines += [f"- steps {', '.join(map(str, group))} need nothing of each other" for group in found["together"]] or ["Nothing."]
    lines += ["", "## Tasks to use instead", ""]
    for step in found["steps"]:
        if step["task"]:
            lines += [f"Step {step['number']}, {line(step['title'])}:", "", "```yaml", _yaml.dump([{"name": _name(step), **step["task"]}]).rstrip(), "```", ""]
    by_hand = [step["number"] for step in found["steps"] if not step["task"] and step["kind"] != ASKS] if found["form"] == "Markdown" else []
    lines += [f"No task of this table does what steps {', '.join(map(str, by_hand))} do."] if by_hand else []
    lines += ["", "## Not read", "", *([f"- {line(text)}" for text in found["unread"]] or ["Everything was read."])]
    return "\n".join(lines) + "\n"


def says(found: Json) -> list[str]:
    """Lines for a person."""
    lacking = sum(len(step["missing"]) for step in found["steps"])
    lines = [f"{found['form']}: {len(found['steps'])} steps, {lacking} missing checks, "
             f"{sum(bool(step['task']) for step in found['steps'])} steps with a task to use instead"]
    if found["together"]:
        lines.append(f"one by one {found['one_by_one']:g} s, at least {found['critical']:g} s with what can run at the same time: {found['saving']:g} s less")
    unknown = sum(step["kind"] == UNKNOWN for step in found["steps"])
    lines += [f"{unknown} steps do something that is not known"] if unknown else []
    lines += [f"{len(found['unread'])} places could not be read"] if found["unread"] else []
    lines += [f"{found['prose']} instructions are words only, and are not judged"] if found["prose"] else []
    return lines


def playbook(found: Json) -> str:
    """A playbook of the tasks to use instead; a step without one is put to a person, word by word."""
    tasks = []
    for step in found["steps"]:
        if step["task"]:
            tasks.append({"name": _name(step), **step["task"]})
        else:
            prompt = f"Step {step['number']} is done by hand: {' '.join(step['text'].split())}".replace("{{", "{ {").replace("{%", "{ %")
            tasks.append({"name": _name(step), "ansible.builtin.pause": {"prompt": prompt}})
    play = {"name": f"{_plain(found['name'])}, rewritten".capitalize(), "hosts": "all", "gather_facts": False, "tasks": tasks}
    return "---\n# Made by the review of a runbook. Read every task before you run it.\n" + _yaml.dump([play])


def page(found: Json) -> str:
    """One page that needs nothing from anywhere."""
    rows = "".join(f"<tr><td class=\"n\">{step['number']}</td><td>{safe(step['where'])}</td><td><code>{safe(step['text'])}</code></td><td>{step['kind']}</td>"
                   f"<td>{', '.join(map(str, step['needs']))}</td><td class=\"n\">{step['seconds']['median']:g}</td>"
                   f"<td class=\"n\">{step['seconds']['high']:g}</td><td>{safe(step['seconds']['basis'])}</td><td>{_lacks(step)}</td></tr>"
                   for step in found["steps"])
    head = "".join(f'<th scope="col">{name}</th>' for name in ("#", "where", "step", "kind", "needs", "median s", "9 of 10 s", "basis", "missing"))
    unread = "".join(f"<li>{safe(text)}</li>" for text in found["unread"]) or "<li>Everything was read.</li>"
    title = f"Review of {found['name']}"
    return frame(title, f"<h1>{safe(title)}</h1>",
                 f"{''.join(f'<p>{safe(text)}</p>' for text in says(found))}"
                 f"<h2>As it is</h2>{_bars(found, False)}<h2>As it could be</h2>{_bars(found, True)}"
                 f'<h2>Steps</h2><div class="wide" tabindex="0" role="region" aria-label="Steps">'
                 f'<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
                 f"<h2>Not read</h2><ul>{unread}</ul>", _OWN_STYLE)


def _bars(found: Json, parallel: bool) -> str:
    """Each step as a bar over time."""
    steps = found["steps"][:_MOST_BARS]
    begins, at, ends = [], 0.0, {}
    for step in steps:
        begin = max((ends[number] for number in step["needs"]), default=0.0) if parallel else at
        at = begin + step["seconds"]["median"]
        ends[step["number"]] = at
        begins.append(begin)
    whole = max([found["one_by_one"], 0.001])
    bars = "".join(
        f'<rect class="{_CLASSES[step["kind"]]}" x="{40 + 820 * begin / whole:.1f}" y="{4 + 18 * row}" height="13" '
        f'width="{max(2.0, 820 * step["seconds"]["median"] / whole):.1f}"><title>{step["number"]}: {safe(step["title"])} ({step["kind"]})</title>'
        f'</rect><text x="2" y="{15 + 18 * row}">{step["number"]}</text>'
        for row, (step, begin) in enumerate(zip(steps, begins, strict=True)))
    more = f'<p class="dim">The first {_MOST_BARS} steps.</p>' if len(found["steps"]) > _MOST_BARS else ""
    words = f"{found['critical'] if parallel else found['one_by_one']:g} seconds; the table below has the same"
    return f'<svg role="img" aria-label="{words}" viewBox="0 0 900 {10 + 18 * len(steps)}">{bars}</svg><p class="dim">{words}</p>{more}'


def _lacks(step: Json) -> str:
    return "<br>".join(f"<b>{safe(one['check'])}</b>: {safe(one['why'])}; {safe(one['advice'])}" for one in step["missing"])


def _name(step: Json) -> str:
    title = _plain(step["title"])
    return f"Step {step['number']}, {title}"[:120]


def _plain(text: str) -> str:
    """Without what Ansible would take for a template."""
    return " ".join(text.replace("{{", "").replace("}}", "").replace("{%", "").replace("%}", "").split())
