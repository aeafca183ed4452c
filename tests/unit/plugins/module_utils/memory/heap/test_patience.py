# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked again while a dump is brought out: a container that is killed starts again, with the file still there."""

from __future__ import annotations

import types

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container, ExecResult
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _transfer

CLUSTER, VIA = types.SimpleNamespace(name="prod"), Container("shop", "a", "app")
GONE = ClusterError("the container is not running", status=404)


@pytest.fixture
def answers(monkeypatch):
    """What the container answers, one after the other: an exit status, or an error."""
    monkeypatch.setattr(_transfer.time, "sleep", lambda _seconds: None)
    left = []

    def run(*_arguments):
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return ExecResult(answer, b"abc  file", "")

    monkeypatch.setattr(_transfer._exec, "run", run)
    return left


@pytest.mark.parametrize("before", [[], [137], [137, GONE], [GONE, GONE, 137]])
def test_a_hash_is_taken_again_when_its_container_was_killed(answers, before):
    answers.extend([*before, 0])
    assert _transfer._shell(CLUSTER, VIA, "sha256sum", "file").split()[0] == "abc"


def test_it_is_not_asked_for_ever(answers):
    answers.extend([137] * _transfer.ATTEMPTS)
    with pytest.raises(RunbookError, match="137.*4 attempts"):
        _transfer._shell(CLUSTER, VIA, "sha256sum", "file")


@pytest.mark.parametrize("code", [1, 2, 126, 127])
def test_what_fails_for_another_reason_is_not_asked_again(answers, code):
    answers.append(code)
    with pytest.raises(RunbookError, match=f"failed .*{code}"):
        _transfer._shell(CLUSTER, VIA, "sha256sum", "file")
    assert answers == []
