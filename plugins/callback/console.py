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
    in seconds. Tasks without a phase in their name are shown only when they fail or change something.
  - With more than one cluster each line begins with the name of its cluster, and the end names those without news in one line.
  - With C(-v) also the tasks without a phase and their results, with C(-vvv) what the default callback shows.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - default_callback
requirements:
  - set as C(stdout_callback) in the configuration
"""

import atexit
import os
import shlex
import shutil
import sys
import time
import typing as t

import yaml
from ansible import constants as C
from ansible import context
from ansible.parsing.yaml.dumper import AnsibleDumper
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback
from ansible_collections.sre.runbooks.plugins.plugin_utils import console, progress
from ansible_collections.sre.runbooks.plugins.plugin_utils.console import BAD, GOOD, WARN, HostRun, Line, Run

COLOURS = {GOOD: C.COLOR_OK, BAD: C.COLOR_ERROR, WARN: C.COLOR_CHANGED}
INDENT = "    "
LONGEST_DIFF = 40
LONGEST_RESULT = 20
WIDEST_NAME = 30


class CallbackModule(DefaultCallback):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "sre.runbooks.console"

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._hosts: dict[str, HostRun] = {}
        self._told: dict[str, t.Sequence[str]] = {}
        self._begun: dict[tuple[str, str], tuple[str, float]] = {}
        self._phase = ""
        self._names = 0
        self._many = False
        self._finished = False
        self._width = min(shutil.get_terminal_size((110, 40)).columns, 140)
        self._ascii = "utf" not in (getattr(sys.stdout, "encoding", "") or "").lower()

    @property
    def _everything(self) -> bool:
        return self._display.verbosity >= 3

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        """Be ready to say how to go on when the run is broken off."""
        if self._everything:
            super().v2_playbook_on_start(playbook)
        owner = os.getpid()
        atexit.register(lambda: self._tell_interrupted() if os.getpid() == owner else None)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        """Say what runs, and whether it may change anything."""
        names = [host.get_name() for host in play.get_variable_manager()._inventory.get_hosts(play.hosts)]
        self._many = self._many or len(names) > 1
        self._names = min(WIDEST_NAME, max([self._names, *map(len, names)]))
        self._phase = ""
        if self._everything:
            super().v2_playbook_on_play_start(play)
            return
        title = play.get_name().strip() + (f" on {len(names)} clusters" if len(names) > 1 else "")
        self._show(Line(title))
        if context.CLIARGS.get("check"):
            self._show(Line("CHECK MODE: nothing will be changed", WARN))

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        """A phase is announced before its first task, unless that task may have nothing to say."""
        if self._everything:
            super().v2_playbook_on_task_start(task, is_conditional)
        elif getattr(task, "_when", []) == [] and not self._is_verdict(task):
            self._enter(console.phase_of(task.get_name()))

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        """Handlers speak like tasks."""
        if self._everything:
            super().v2_playbook_on_handler_task_start(task)

    def v2_playbook_on_include(self, included_file: t.Any) -> None:
        """Includes are plumbing."""
        if self._everything:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """The summary tells it for each cluster."""
        if self._everything:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        """Remember when a task began on a host."""
        if self._everything:
            super().v2_runner_on_start(host, task)
        self._begun[(host.get_name(), task._uuid)] = (task.get_name(), time.monotonic())

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """Show what the module says; the items of a loop have spoken for themselves."""
        self._spend(result)
        if self._everything:
            super().v2_runner_on_ok(result)
        if not self._is_loop(result):
            self._tell_ok(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        """One line for an item."""
        if self._everything:
            super().v2_runner_item_on_ok(result)
        self._tell_ok(result, f" ({self._get_item_label(result._result)})")

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """Show the error as a paragraph, once."""
        self._spend(result)
        if self._everything:
            super().v2_runner_on_failed(result, ignore_errors)
        if not self._is_loop(result):
            self._tell_failed(result, ignored=ignore_errors)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        """The error of one item."""
        if self._everything:
            super().v2_runner_item_on_failed(result)
        self._tell_failed(result, f" ({self._get_item_label(result._result)})", bool(result._task.ignore_errors))

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A host that cannot be reached fails by itself."""
        self._spend(result)
        if self._everything:
            super().v2_runner_on_unreachable(result)
        self._tell_failed(result, ignored=bool(result._task.ignore_unreachable))

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """What is skipped is not news, and took no time."""
        self._begun.pop((result._host.get_name(), result._task._uuid), None)
        if self._everything:
            super().v2_runner_on_skipped(result)

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        """What is skipped is not news."""
        if self._everything:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_retry(self, result: t.Any) -> None:
        """Say that somebody is waiting."""
        if self._everything:
            super().v2_runner_retry(result)
            return
        again = f"… {console.title_of(result._task.get_name())}: attempt {result._result['attempts']} of {result._result['retries']}"
        self._show_all(self._host(result), result, [Line(again)])

    def v2_on_file_diff(self, result: t.Any) -> None:
        """Show what changes, where --diff asks for it."""
        if self._everything:
            super().v2_on_file_diff(result)
            return
        for one in result._result.get("results", ()) if self._is_loop(result) else [result._result]:
            if one.get("diff") and one.get("changed"):
                self._enter(console.phase_of(result._task.get_name()))
                for line in console.shortened(console.visible(self._get_diff(one["diff"])), LONGEST_DIFF):
                    self._show(Line(self._prefix(self._host(result)) + line))

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        """The end: what came of it on every cluster."""
        self._finished = True
        if self._everything:
            super().v2_playbook_on_stats(stats)
        hosts = [self._hosts.setdefault(name, HostRun(name)) for name in stats.processed]
        for host in hosts:
            count = stats.summarize(host.name)
            host.settle(count["failures"], count["unreachable"])
        for line in console.summary(hosts, self._run()):
            self._show(line)

    def _tell_interrupted(self) -> None:
        if self._finished:
            return
        for (name, _task), (title, _begun) in self._begun.items():
            self._hosts.setdefault(name, HostRun(name)).stopped_in = title
        for line in console.interrupted(list(self._hosts.values()), self._run()):
            self._show(line)

    def _tell_ok(self, result: t.Any, item: str = "") -> None:
        task, facts, host = result._task, result._result, self._host(result)
        title = "" if self._is_ours(task) else console.title_of(task.get_name()) + item
        host.take(facts, title, bool(task.check_mode))
        for name, verdict in facts.get("verdicts", {}).items() if "page" in facts else ():
            self._hosts.setdefault(name, HostRun(name)).judged = verdict
        if self._everything or isinstance(task, TaskInclude) or console.is_conclusion(task.get_name()):
            return
        self._handle_warnings(facts)
        for line in console.page_lines(facts, self._width):
            self._show(line)
        lines = console.ok_lines(facts, title, bool(task.check_mode))
        if task.action in C._ACTION_DEBUG:
            lines = [Line(text) for text in self._debugged(facts)]
        if not lines and self._display.verbosity and "page" not in facts:
            lines = [Line(f"· {console.title_of(task.get_name())}{item}")]
            lines += [Line(f"  {text}") for text in console.shortened(self._as_text(facts), LONGEST_RESULT)]
        self._show_all(host, result, self._news(host, lines))

    def _news(self, host: HostRun, lines: t.Sequence[Line]) -> list[Line]:
        """Without what the task before has told: one that adds to a reading passes the rest of it on."""
        told, self._told[host.name] = self._told.get(host.name, ()), [line.text for line in lines] or self._told.get(host.name, ())
        return [line for line in lines if line.text not in told]

    def _tell_failed(self, result: t.Any, item: str = "", ignored: bool = False) -> None:
        task, facts, host = result._task, result._result, self._host(result)
        if host.judged and self._is_verdict(task):
            return  # the page has told why
        title = "" if self._is_ours(task) else console.title_of(task.get_name()) + item
        message = console.message_of(facts)
        host.take(facts)
        if not ignored:
            host.fail(message, facts.get("next_step", ""))
        hidden = ignored and "censored" in facts  # nothing to tell; the playbook says what it makes of it
        if self._everything or hidden or (message in host.said and self._is_verdict(task)):
            return
        host.said.add(message)
        self._handle_warnings(facts)
        speaks = not title or self._is_verdict(task) or "next_step" in facts
        paragraph = console.failure_line(message if speaks else f"{title}: {message}", ignored)
        self._show_all(host, result, [*console.said_lines(facts), paragraph])

    def _host(self, result: t.Any) -> HostRun:
        name = result._host.get_name()
        return self._hosts.setdefault(name, HostRun(name))

    def _spend(self, result: t.Any) -> None:
        name, begun = self._begun.pop((result._host.get_name(), result._task._uuid), ("", time.monotonic()))
        if not self._is_verdict(result._task):
            self._host(result).spend(console.phase_of(name), time.monotonic() - begun)

    def _run(self) -> Run:
        # The CLI makes absolute paths of what was typed.
        given = [] if context.CLIARGS.get("inventory") == C.DEFAULT_HOST_LIST else context.CLIARGS.get("inventory") or []
        short = [min(path, os.path.relpath(path), key=len) if os.path.exists(path) else path for path in given]
        return Run(time.monotonic() - self._started, self._width, bool(context.CLIARGS.get("check")), self._many,
                   " ".join(f"-i {shlex.quote(path)}" for path in short))

    def _enter(self, phase: str) -> None:
        if phase and phase != self._phase:
            self._phase = phase
            self._show(console.header_line(phase, time.monotonic() - self._started))

    def _prefix(self, host: HostRun) -> str:
        return f"  {host.name:<{self._names}}  " if self._many else INDENT

    def _show_all(self, host: HostRun, result: t.Any, lines: t.Sequence[Line]) -> None:
        if lines:
            self._enter(console.phase_of(result._task.get_name()))
        for line in lines:
            # Text of other modules keeps its own shape.
            pieces = console.wrapped(line, self._prefix(host), self._width) if line.text.startswith(tuple("·✓~!✗…")) else [
                Line(self._prefix(host) + line.text, line.mood)]
            for piece in pieces:
                self._show(piece)

    def _show(self, line: Line) -> None:
        erase = progress.ERASE if progress.rewrites() else ""
        self._display.display(erase + (console.plain_ascii(line.text) if self._ascii else line.text), color=COLOURS.get(line.mood))

    def _debugged(self, facts: t.Mapping[str, t.Any]) -> list[str]:
        if "msg" in facts:
            return self._text_of(facts["msg"])
        return self._as_text(facts)

    def _as_text(self, facts: t.Mapping[str, t.Any]) -> list[str]:
        hidden = ("changed", "failed", "warnings", "deprecations", "diff", "invocation", "exception")
        shown = {name: value for name, value in facts.items() if name not in hidden and not name.startswith("_ansible")}
        return self._text_of(shown) if shown else []

    @staticmethod
    def _text_of(value: t.Any) -> list[str]:
        if not isinstance(value, (dict, list, tuple)):
            return str(value).splitlines()
        if not isinstance(value, dict) and all(isinstance(item, str) for item in value):
            return [line for item in value for line in item.splitlines()]  # sentences and commands, to be read and copied
        return yaml.dump(value, Dumper=AnsibleDumper, default_flow_style=False, allow_unicode=True).splitlines()

    @staticmethod
    def _is_ours(task: t.Any) -> bool:
        return str(getattr(task, "resolved_action", "") or task.action).startswith("sre.runbooks.")

    @staticmethod
    def _is_verdict(task: t.Any) -> bool:
        """Whether the task only judges: who writes such a one writes a whole sentence, often about an earlier failure."""
        return task.action.rpartition(".")[2] in ("fail", "assert")

    @staticmethod
    def _is_loop(result: t.Any) -> bool:
        return bool(result._task.loop) and "results" in result._result
