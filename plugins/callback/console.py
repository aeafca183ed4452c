# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: console
type: stdout
short_description: Shows a runbook to the person who waits for it
version_added: 0.1.0
description:
  - Shows phases, what was found, what was changed, where the evidence lies and what to do next, in lines that are read
    in seconds. Tasks without a phase in their name are shown only when they fail or with C(-v).
  - With C(-vvv) it shows what the default callback shows.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - default_callback
requirements:
  - set as C(stdout_callback) in the configuration
"""

import atexit
import os
import shutil
import sys
import time
import typing as t

from ansible import constants as C
from ansible import context
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.sre.runbooks.plugins.plugin_utils import console
from ansible_collections.sre.runbooks.plugins.plugin_utils.console import BAD, GOOD, WARN, HostRun, Line

COLOURS = {GOOD: C.COLOR_OK, BAD: C.COLOR_ERROR, WARN: C.COLOR_CHANGED}
INDENT = "    "


class CallbackModule(DefaultCallback):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "sre.runbooks.console"

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._hosts: dict[str, HostRun] = {}
        self._begun: dict[tuple[str, str], float] = {}
        self._many = False
        self._finished = False
        self._width = min(shutil.get_terminal_size((110, 40)).columns, 140)
        self._ascii = "utf" not in (getattr(sys.stdout, "encoding", "") or "").lower()

    @property
    def _everything(self) -> bool:
        return self._display.verbosity >= 3

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Be ready to say how to go on when the run is broken off."""
        super().v2_playbook_on_start(playbook)
        owner = os.getpid()
        atexit.register(lambda: self._tell_interrupted() if os.getpid() == owner else None)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Say what runs, and whether it may change anything."""
        if self._everything:
            super().v2_playbook_on_play_start(play)
            return
        self._many = len(play.get_variable_manager()._inventory.get_hosts(play.hosts)) > 1
        title = play.get_name().strip()
        if context.CLIARGS.get("check"):
            title += "   CHECK MODE: nothing will be changed"
        self._show(Line(title, WARN if context.CLIARGS.get("check") else "plain"))

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """Tasks announce themselves by what they say."""
        if self._everything:
            super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        """Includes are plumbing."""
        if self._everything:
            super().v2_playbook_on_include(included_file)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Remember when a task began on a host."""
        self._begun[(host.get_name(), task._uuid)] = time.monotonic()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Show what the module says."""
        if self._everything:
            super().v2_runner_on_ok(result)
        host, phase = self._take(result)
        if self._everything:
            return
        self._handle_warnings_and_exception(result)
        lines = console.said_lines(result._result)
        if not lines and self._is_message(result):
            lines = [Line(str(result._result.get("msg", "")))]
        if not lines and self._display.verbosity:
            lines = [Line(f"· {result._task.get_name()}")]
        self._show_all(host, phase, lines)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Show the error as a paragraph, once."""
        if self._everything:
            super().v2_runner_on_failed(result, ignore_errors)
        host, phase = self._take(result)
        message = str(result._result.get("msg", "failed")).removeprefix("Task failed: ").removeprefix("Action failed: ")
        if not ignore_errors:
            host.outcome = host.outcome if host.outcome in ("not_mitigated", "unknown") else "failed"
        if not self._everything and message not in host.said:
            host.said.add(message)
            self._show_all(host, phase, console.said_lines(result._result)
                           + console.failure_lines(message, self._width))

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A host that cannot be reached fails by itself."""
        if self._everything:
            super().v2_runner_on_unreachable(result)
        host, phase = self._take(result)
        host.outcome = "unreachable"
        self._show_all(host, phase, console.failure_lines(str(result._result.get("msg", "unreachable")), self._width))

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """What is skipped is not news."""
        if self._everything:
            super().v2_runner_on_skipped(result)

    def v2_on_file_diff(self, result: t.Any) -> None:
        """Show what changes, where --diff asks for it."""
        if self._everything:
            super().v2_on_file_diff(result)
            return
        diff = result._result.get("diff")
        if diff and (result._result.get("changed") or context.CLIARGS.get("check")):
            for line in self._get_diff(diff).rstrip().splitlines():
                self._display.display(INDENT + line)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """The end: what came of it on every cluster."""
        self._finished = True
        if self._everything:
            super().v2_playbook_on_stats(stats)
            return
        check = bool(context.CLIARGS.get("check"))
        for name in sorted(stats.processed):
            for line in console.summary_lines(self._hosts.get(name, HostRun(name)), check, self._width):
                self._show(line)

    def _take(self, result: t.Any) -> tuple[HostRun, str]:
        name, task = result._host.get_name(), result._task
        host = self._hosts.setdefault(name, HostRun(name))
        phase = console.phase_of(task.get_name())
        now = time.monotonic()
        host.take(result._result, phase, now - self._begun.pop((name, task._uuid), now))
        return host, phase

    def _show_all(self, host: HostRun, phase: str, lines: t.Sequence[Line]) -> None:
        if not lines:
            return
        if phase and phase != host.phase and not self._many:
            self._show(Line(f"▸ {phase:<10} {time.monotonic() - self._started:6.1f} s"))
        host.phase = phase or host.phase
        prefix = f"{host.name:<12} {phase:<9} " if self._many else INDENT
        for line in lines:
            self._show(Line(prefix + line.text, line.mood))

    def _show(self, line: Line) -> None:
        self._display.display(console.plain_ascii(line.text) if self._ascii else line.text, color=COLOURS.get(line.mood))

    def _tell_interrupted(self) -> None:
        if not self._finished and any(host.incident_id for host in self._hosts.values()):
            for line in console.interrupted_lines(self._hosts.values(), self._width):
                self._show(line)

    @staticmethod
    def _is_message(result: t.Any) -> bool:
        return result._task.action in C._ACTION_DEBUG
