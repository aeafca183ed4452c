# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of long work."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.plugin_utils import progress


@pytest.fixture
def shown(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "display", type("Screen", (), {
        "columns": 40, "display": staticmethod(lambda text, stderr, newline=True: lines.append((text, stderr, newline)))}))
    return lines


@pytest.fixture
def clock(monkeypatch):
    moment = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    return moment


def test_elsewhere_than_on_a_terminal_a_line_comes_every_15_seconds(shown, clock, monkeypatch):
    monkeypatch.setattr(progress, "rewrites", lambda: False)
    tell = progress.teller("lab1")
    for second in range(0, 60, 4):
        clock[0] = float(second)
        tell(f"clear for {second} s")
    assert [text for text, _stderr, _newline in shown] == [f"    … lab1: clear for {second} s" for second in (16, 32, 48)]
    assert all(stderr and newline for _text, stderr, newline in shown)


def test_on_a_terminal_one_line_is_rewritten_and_never_wraps(shown, clock, monkeypatch):
    monkeypatch.setattr(progress, "rewrites", lambda: True)
    tell = progress.teller("lab1")
    tell("short")
    tell("long " * 30)
    assert all(text.startswith(progress.ERASE) and stderr and not newline for text, stderr, newline in shown)
    assert len(shown[1][0].removeprefix(progress.ERASE)) < 40


def test_a_terminal_is_not_enough_where_another_callback_writes(monkeypatch):
    monkeypatch.setattr(progress, "_TERMINAL", True)
    monkeypatch.setattr(progress.C, "DEFAULT_STDOUT_CALLBACK", "default")
    assert not progress.rewrites()
