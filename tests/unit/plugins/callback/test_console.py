# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console under a real ansible-playbook."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import yaml

COLLECTIONS = pathlib.Path(__file__).parents[4] / ".build" / "collections"
ACTION = """
from ansible.plugins.action import ActionBase
import time

class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        time.sleep(arguments.pop("sleep", 0))
        return {**result, "changed": False, **arguments}
"""


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """Starts ansible-playbook on tasks; ``answer`` is an action that returns its arguments."""
    (tmp_path / "action").mkdir()
    (tmp_path / "action" / "answer.py").write_text(ACTION)

    def start(tasks, *options, hosts="lab1,"):
        play = {"name": "Memory leak", "hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_STDOUT_CALLBACK": "sre.runbooks.console",
                       "ANSIBLE_ACTION_PLUGINS": str(tmp_path / "action"), "ANSIBLE_HOME": str(tmp_path), "NO_COLOR": "1",
                       "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}
        return subprocess.Popen([sys.executable, "-m", "ansible", "playbook", "-i", hosts, "-e", f"ansible_python_interpreter={sys.executable}",
                                 *options, "play.yml"], cwd=tmp_path, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return start


def answer(name, **result):
    return {"name": name, "answer": result}


def index(lines, start):
    return next(number for number, line in enumerate(lines) if line.startswith(start))


def test_a_run_is_told_in_phases_and_ends_with_its_outcome(start):
    tasks = [
        {"name": "Remember", "ansible.builtin.set_fact": {"x": 1}},
        answer("detect | Measure", says=["heap full"], outcome="breached", incident_id="INC-1"),
        answer("detect | What the history knows", says=["no history", "heap full"], outcome="breached", incident_id="INC-1"),
        {**answer("capture | Save logs", says=["log of {{ item }}"]), "loop": ["a", "b"]},
        {**answer("plan | Not here", says=["never"]), "when": False},
        answer("mitigate | Change", changed=True, outcome="changed", says=["restarted"],
               plan=[{"summary": "restart it", "temporary": False}], diff={"before": "old\n", "after": "new\n"}),
        {"name": "Tell", "ansible.builtin.debug": {"msg": "by the way"}},
        {"name": "Tell more", "ansible.builtin.debug": {"msg": ["next: look", "ansible-playbook " + "-i a-long-name " * 10 + "--check"]}},
        {"name": "mitigate | Try", "answer": {"failed": True, "msg": "cannot do that"}, "ignore_errors": True},
        {"name": "mitigate | Tell", "answer": {"failed": True, "msg": "cannot reach it"}, "ignore_errors": True, "no_log": True},
    ]
    output, _none = (process := start(tasks, "--diff")).communicate()
    lines = output.splitlines()
    assert process.returncode == 0, output
    order = ["Memory leak", "▸ detect", "    ! heap full", "▸ capture", "    · log of a", "    · log of b", "▸ mitigate", "    -old",
             "    ✓ restarted", "    by the way", "    ! Try: cannot do that (ignored)", "── lab1: changed · incident INC-1",
             "   changed       restart it"]
    assert [index(lines, text) for text in order] == sorted(index(lines, text) for text in order), output
    assert "    ansible-playbook " + "-i a-long-name " * 10 + "--check" in lines, "a command can be copied"
    assert output.count("heap full") == 1, "what a task passes on is told once"
    assert "Remember" not in output and "never" not in output and "plan" not in output and "{" not in output
    assert "hidden" not in output and "cannot reach it" not in output


def test_a_failure_that_the_playbook_repeats_is_shown_once(start):
    failing = answer("mitigate | Change", failed=True, msg="The API server does not answer.", next_step="Try again.")
    repeating = {"name": "Report | The run failed", "ansible.builtin.fail": {"msg": "{{ ansible_failed_result.msg }}"}}
    output, _none = (process := start([{"block": [failing], "rescue": [repeating]}])).communicate()
    assert process.returncode == 2
    assert output.count("The API server does not answer.") == 1
    assert "▸ report" not in output and "report 0" not in output
    assert "── lab1: failed" in output and "   next          Try again." in output


def test_with_many_clusters_each_line_names_its_own(start):
    tasks = [answer("detect | Measure", says=["calm"], outcome="healthy")]
    lines = start(tasks, hosts="lab1,lab10,lab2").communicate()[0].splitlines()
    assert lines.count("  lab10  · calm") == lines.count("  lab2   · calm") == 1
    assert "── healthy (3): lab1, lab2, lab10" in lines
    assert sum(line.startswith("▸ detect") for line in lines) == 1


def test_check_mode_is_marked_at_both_ends(start):
    output = start([{"name": "Write", "ansible.builtin.file": {"path": "x", "state": "touch"}}], "--check").communicate()[0]
    assert "CHECK MODE: nothing will be changed" in output
    assert "── lab1: done · check mode: nothing was changed" in output
    assert "   would change  Write" in output


def test_ctrl_c_still_tells_how_to_go_on(start):
    process = start([answer("detect | Measure", says=["heap full"], incident_id="INC-7", evidence=["i/INC-7/lab1/evidence/a"]),
                     answer("capture | Dump the heap", sleep=60)])
    shown = ""
    while "▸ capture" not in shown:
        line = process.stdout.readline()
        assert line, shown
        shown += line
    time.sleep(1)  # the phase is announced just before its first task begins
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=30)[0]
    assert "── lab1: interrupted · incident INC-7" in output
    assert "   stopped in    capture | Dump the heap" in output
    assert "-e incident_id=INC-7" in output


def test_a_page_of_all_clusters_is_shown_as_it_is_and_judges_them(start):
    page = [{"text": "  cluster  verdict", "mood": "plain"},
            {"text": "  ✗ lab2: " + "the API server does not answer " * 5, "mood": "bad", "hang": 4}]
    tasks = [{**answer("Put all clusters on one page", page=page, verdicts={"lab1": "healthy", "lab2": "unreachable"}), "run_once": True},
             {"name": "Judge the cluster", "ansible.builtin.fail": {"msg": "lab2 is unreachable"}, "when": "inventory_hostname == 'lab2'"}]
    output, _none = (process := start(tasks, hosts="lab1,lab2")).communicate()
    lines = output.splitlines()
    assert process.returncode == 2
    assert lines.count("  cluster  verdict") == 1
    assert lines[index(lines, "  ✗ lab2: the API") + 1].startswith("    ")
    assert "lab2 is unreachable" not in output
    assert lines[-3:-1] == ["── healthy (1): lab1", "── unreachable (1): lab2"] and "1 healthy · 1 unreachable" in lines[-1]
