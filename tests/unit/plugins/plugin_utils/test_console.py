# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console shows, as text."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.plugin_utils import console
from ansible_collections.sre.runbooks.plugins.plugin_utils.console import BAD, GOOD, PLAIN, WARN, HostRun, Line, Run

RESTART = {"summary": "restart Deployment/api-server", "temporary": False}
LIMIT = {"summary": "memory limit 512Mi -> 1Gi", "temporary": True}
ALONE = Run(seconds=47.31, width=100)
MANY = Run(seconds=125, width=100, many=True)


def texts(lines):
    return [line.text for line in lines]


def answered(name="lab1", outcome="mitigated", plan=(RESTART,)):
    host = HostRun(name)
    host.take({"incident_id": "INC-1"})
    host.take({"evidence": [f"incidents/INC-1/{name}/evidence/heap/a.hprof", f"incidents/INC-1/{name}/evidence/logs/a.log"]})
    host.take({"outcome": "changed", "changed": True, "plan": list(plan)})
    host.take({"outcome": outcome, "report": f"incidents/INC-1/{name}/report.md", "next_steps": ["analyse the dump"]})
    host.spend("detect", 1.23)
    return host


@pytest.mark.parametrize("name, phase, title", [
    ("sre.runbooks.memory_leak : detect | Measure the signals", "detect", "Measure the signals"),
    ("Report | Escalate", "report", "Escalate"),
    ("Remember the id", "", "Remember the id"),
    ("role : Remember the id", "", "Remember the id"),
])
def test_a_task_name_gives_phase_and_title(name, phase, title):
    assert (console.phase_of(name), console.title_of(name)) == (phase, title)


@pytest.mark.parametrize("result, line", [
    ({"says": ["calm"]}, Line("· calm", PLAIN)),
    ({"says": ["restarted"], "changed": True}, Line("✓ restarted", GOOD)),
    ({"says": ["heap full"], "outcome": "breached"}, Line("! heap full", WARN)),
    ({"changed": True}, Line("✓ Write a file", GOOD)),
    ({"msg": "no jcmd there", "next_step": ""}, Line("! no jcmd there", WARN)),
])
def test_a_result_is_marked_by_what_it_means(result, line):
    assert console.ok_lines(result, "Write a file") == [line]


def test_check_mode_marks_what_would_be_changed_as_not_done():
    assert console.ok_lines({"says": ["would restart"], "changed": True}, check_mode=True) == [Line("~ would restart", WARN)]
    assert console.ok_lines({"changed": True}, "Write a file", check_mode=True) == [Line("~ Write a file", WARN)]


def test_what_changes_nothing_and_says_nothing_is_not_shown():
    assert console.ok_lines({"ansible_facts": {"x": 1}, "msg": "facts"}, "Set facts") == []
    assert console.ok_lines({"changed": True}, title="") == []


@pytest.mark.parametrize("result, message", [
    ({"msg": "Task failed: Action failed: no such file"}, "no such file"),
    ({"msg": "two\n  lines"}, "two lines"),
    ({"msg": "non-zero return code", "rc": 1, "stderr": "a\nb\nc\nd\n"}, "non-zero return code: b / c / d"),
    ({"msg": "non-zero return code", "rc": 2, "stdout": "usage"}, "non-zero return code: usage"),
    ({"msg": "", "censored": "the output has been hidden"}, "the output has been hidden"),
    ({}, "failed"),
])
def test_a_failure_is_one_paragraph(result, message):
    assert console.message_of(result) == message


def test_long_lines_hang_below_their_text_and_keep_the_cluster_in_front():
    lines = console.wrapped(Line("✗ " + "word " * 20, BAD), "  lab1  ", 60)
    assert len(lines) > 1
    assert lines[0].text.startswith("  lab1  ✗ word")
    assert all(line.text.startswith("  lab1    word") for line in lines[1:])
    assert all(len(line.text) <= 60 and line.mood == BAD for line in lines)


def test_the_summary_tells_changes_evidence_report_and_next_steps():
    assert texts(console.summary([answered()], ALONE)) == [
        "── lab1: mitigated · incident INC-1 · 47.3 s " + "─" * 55,
        "   changed       restart Deployment/api-server",
        "   evidence      incidents/INC-1/lab1/evidence (2 files)",
        "   report        incidents/INC-1/lab1/report.md",
        "   phases        detect 1.2 s",
        "   next          analyse the dump",
    ]


def test_temporary_changes_come_with_the_command_in_one_piece():
    run = Run(seconds=1, width=60, inventory="-i ../inventories/lab")
    shown = texts(console.summary([answered(plan=[RESTART, LIMIT])], run))
    assert shown[-1].endswith(" ansible-playbook -i ../inventories/lab sre.runbooks.clear_temporary_fixes -e incident_id=INC-1")


def test_one_of_many_clusters_is_named_in_the_command():
    shown = texts(console.summary([answered(plan=[LIMIT])], MANY))
    assert any(line.endswith("--limit lab1 sre.runbooks.clear_temporary_fixes -e incident_id=INC-1") for line in shown)


def test_what_was_restored_is_temporary_no_longer():
    host = answered(plan=[LIMIT])
    host.take({"changed": True, "restored": ["INC-1: memory limit 512Mi -> 1Gi"], "refused": []})
    assert not host.temporary
    assert host.changed[-1] == "restored: INC-1: memory limit 512Mi -> 1Gi"


def test_what_could_not_be_restored_stays_temporary():
    host = answered(plan=[LIMIT])
    host.take({"changed": True, "restored": ["INC-1: x"], "refused": [{"object": "Deployment/api-server"}]})
    assert host.temporary


@pytest.mark.parametrize("result", [
    {"changed": True, "plan": [LIMIT], "outcome": "planned"},
    {"changed": True, "restored": ["memory limit 512Mi -> 1Gi"]},
])
def test_check_mode_plans_and_never_claims_a_change(result):
    host = HostRun("lab1")
    host.take(result, check_mode=True)
    host.take(result, check_mode=True)
    assert host.changed == [] and not host.temporary
    shown = texts(console.summary([host], Run(seconds=1, width=100, check_mode=True)))
    assert "check mode: nothing was changed" in shown[0]
    assert [line for line in shown if "memory limit" in line] == [shown[1]]
    assert shown[1].startswith("   would change  ")


def test_a_plan_that_is_carried_out_counts_once_and_as_a_change():
    host = HostRun("lab1")
    host.take({"outcome": "planned", "plan": [RESTART]})
    host.take({"outcome": "changed", "changed": True, "plan": [RESTART]})
    assert host.changed == ["restart Deployment/api-server"]
    assert texts(console.summary([host], ALONE))[1] == "   changed       restart Deployment/api-server"


def test_an_early_step_does_not_hide_the_outcome():
    host = HostRun("lab1")
    host.take({"outcome": "mitigated"})
    host.take({"outcome": "unchanged"})
    assert host.outcome == "mitigated"


@pytest.mark.parametrize("before, failures, unreachable, after, mood", [
    ("mitigated", 0, 0, "mitigated", GOOD),
    ("mitigated", 1, 0, "failed", BAD),
    ("not_mitigated", 1, 0, "not_mitigated", BAD),
    ("healthy", 0, 1, "unreachable", BAD),
    ("cooldown", 0, 0, "cooldown", WARN),
])
def test_ansibles_count_has_the_last_word(before, failures, unreachable, after, mood):
    host = HostRun("lab1", outcome=before)
    host.settle(failures, unreachable)
    assert (host.outcome, host.mood) == (after, mood)


def test_a_failed_run_says_how_to_go_on():
    host = answered()
    host.next_steps = []
    host.fail("no answer", next_step="")
    host.settle(failures=1, unreachable=0)
    assert "   next          continue: the same command with -e incident_id=INC-1;" in " ".join(texts(console.summary([host], ALONE)))


def test_a_failure_that_names_the_next_step_says_it_once():
    host = answered()
    host.fail("no answer", next_step="Run it again with -e incident_id=INC-1.")
    host.settle(failures=1, unreachable=0)
    assert texts(console.summary([host], ALONE))[-1] == "   next          Run it again with -e incident_id=INC-1."


def test_a_hundred_clusters_are_short_and_the_worst_is_last():
    healthy = [HostRun(f"lab{number}", outcome="healthy") for number in range(1, 99)]
    broken = HostRun("aa", outcome="failed", error="API server does not answer")
    shown = texts(console.summary([broken, *healthy, answered("lab99")], MANY))
    assert len(shown) < 25
    assert shown[0].startswith("── healthy (98): lab1, lab2, lab3,")
    titles = [line for line in shown if line.startswith("── ") and ":" in line]
    assert [title.split(":")[0] for title in titles] == ["── healthy (98)", "── lab99", "── aa", "── 100 clusters in 2 min 05 s"]
    assert shown[-1] == "── 100 clusters in 2 min 05 s: 98 healthy · 1 mitigated · 1 failed"
    assert "   error         API server does not answer" in shown


def test_an_interrupted_run_says_where_it_stopped_and_how_to_go_on():
    host = HostRun("lab1", incident_id="INC-1", evidence=["i/INC-1/lab1/evidence/a"], stopped_in="role : mitigate | Make the changes")
    shown = texts(console.interrupted([host], ALONE))
    assert shown[0].startswith("── lab1: interrupted · incident INC-1")
    assert shown[1:3] == ["   stopped in    mitigate | Make the changes", "   changed       nothing before that"]
    assert "-e incident_id=INC-1" in " ".join(shown[3:])


def test_an_interruption_before_the_first_look_needs_no_words():
    assert console.interrupted([HostRun("lab1", stopped_in="open | Check")], ALONE) == []


def test_a_finished_cluster_is_not_called_interrupted():
    assert "lab1: mitigated" in texts(console.interrupted([answered()], ALONE))[0]


@pytest.mark.parametrize("seconds, text", [(0.04, "0.0 s"), (99.9, "99.9 s"), (99.96, "1 min 40 s"), (185, "3 min 05 s")])
def test_durations_for_people(seconds, text):
    assert console.duration(seconds) == text


def test_diffs_lose_empty_colour_lines_and_say_what_is_cut():
    assert console.visible("\x1b[31m-a\x1b[0m\n\x1b[0m\n") == ["\x1b[31m-a\x1b[0m"]
    assert console.shortened(["a", "b", "c"], 2) == ["a", "b", "… 1 more lines, shown with -vvv"]
    assert console.shortened(["a", "b"], 2) == ["a", "b"]


def test_plain_terminals_get_ascii():
    lines = console.summary([answered()], ALONE) + [console.header_line("detect", 1), console.failure_line("x"),
                                                    *console.ok_lines({"says": ["x"], "changed": True})]
    assert all(console.plain_ascii(line.text).isascii() for line in lines)


def test_the_conclusion_for_other_callbacks_is_no_phase_here():
    assert console.is_conclusion("sre.runbooks.runbook : Conclude | What came of it") and console.phase_of("Conclude | What came of it") == ""
    assert not console.is_conclusion("Conclude") and not console.is_conclusion("Detect | Measure")
