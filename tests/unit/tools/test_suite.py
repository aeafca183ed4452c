"""The runner of `make test`, with a make and a lab that only write down what they are asked."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

SUITE = pathlib.Path(__file__).resolve().parents[2] / "tools" / "suite.py"
spec = importlib.util.spec_from_file_location("suite", SUITE)
suite = importlib.util.module_from_spec(spec)
sys.modules["suite"] = suite
spec.loader.exec_module(suite)

MAKE = """#!/bin/sh
echo "$2 ${LAB_CLUSTER-}" >>"$ASKED"
case $2 in
  drill-memory_leak)
    [ -z "${FLAKY-}" ] || [ ! -e "$ASKED.tried" ] || exit 0
    touch "$ASKED.tried"; echo 'fatal: [lab1]: FAILED! => {"msg": "the reason"}'; exit 2 ;;
  drills-data) [ -z "${SLOW-}" ] || { trap 'echo told >>"$ASKED"; exit 3' INT; touch "$ASKED.slow"; sleep 250 & wait; } ;;
esac
"""


@pytest.fixture(name="environment")
def fixture_environment(tmp_path):
    """Of a run with a make of its own, and a lab that is not up."""
    program = tmp_path / "make"
    program.write_text(MAKE)
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ASKED": str(tmp_path / "asked"), "SRE_LAB_HOME": str(tmp_path / "lab")}


def begin(environment, *flags):
    # A run in the background has been told to ignore interrupts.
    return subprocess.Popen(["env", "--default-signal=INT", sys.executable, SUITE, *flags], env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def asked(environment):
    return [tuple(line.split()) for line in pathlib.Path(environment["ASKED"]).read_text().splitlines()]


def test_every_stage_runs_once_and_a_failure_is_told_at_the_end(environment):
    run = begin(environment, "--lanes", "2")
    output, _none = run.communicate(timeout=300)
    stages = [stage for stage, *_cluster in asked(environment)]
    drills = suite.every_drill()
    assert sorted(stages) == sorted([*suite.STATIC, "lab-up", *drills, "fleet", "lab-down"])
    assert {"drill-memory_leak", "drills-data", suite.ON_A_NEW_CLUSTER} < set(drills)
    assert stages[-2:] == ["fleet", "lab-down"] or stages[-1] in suite.STATIC
    on = {stage: cluster for stage, *clusters in asked(environment) for cluster in clusters}
    assert set(on) == set(drills) and set(on.values()) == {"lab1", "lab2"}
    assert next(stage for stage, cluster in on.items() if cluster == "lab2") == suite.ON_A_NEW_CLUSTER
    assert run.returncode == 1
    end = output[output.index("==> make test took"):]
    assert end.index("drill-memory_leak failed:\nfatal: [lab1]") < end.index("passed")
    assert output.endswith(f"\n{len(stages) - 1} passed, 1 failed\n")


@pytest.mark.parametrize(("flaky", "status", "figures"), [("yes", 0, "0 failed"), ("", 1, "1 failed")])
def test_where_it_is_asked_for_what_failed_is_run_once_more_alone_and_named(environment, flaky, status, figures):
    run = begin({**environment, "FLAKY": flaky}, "--lanes", "1", "--again")
    output, _none = run.communicate(timeout=300)
    stages = [stage for stage, *_cluster in asked(environment)]
    assert stages.count("drill-memory_leak") == 2 and len(stages) == len(set(stages)) + 1
    assert run.returncode == status
    assert output.endswith(f"{figures}\n") and "drill-memory_leak            failed beside the other lanes" in output


def test_an_interrupt_ends_what_runs_and_takes_the_lab_down(environment):
    run = begin({**environment, "SLOW": "yes"}, "--lanes", "1")
    while not pathlib.Path(environment["ASKED"] + ".slow").exists():
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, _none = run.communicate(timeout=300)
    stages = [stage for stage, *_cluster in asked(environment)]
    assert stages[-2:] == ["told", "lab-down"]
    assert run.returncode == 130
    assert "drills-runbooks              was not run" in output


def test_what_takes_longest_begins_first():
    assert suite.in_order(["drill-b", "drills-data", "drill-a", suite.ON_A_NEW_CLUSTER]) == ["drills-data", "drill-a", "drill-b"]
    assert set(suite.LONGEST) <= set(suite.every_drill()), "a drill was renamed"
