# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that a person reads."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import first_sentence

TRACE = """com.sun.tools.attach.AttachNotSupportedException: Unable to open socket file /proc/1/root/tmp/.java_pid1: target process 1 doesn't respond
\tat jdk.attach/sun.tools.attach.VirtualMachineImpl.<init>(VirtualMachineImpl.java:103)
\tat jdk.jcmd/sun.tools.jcmd.JCmd.main(JCmd.java:113)
"""


@pytest.mark.parametrize(("text", "sentence"), [
    (TRACE, TRACE.splitlines()[0]),
    ("\n  at java.base/a.B.c(B.java:1)\njava.io.IOException: no room\n", "java.io.IOException: no room"),
    ("sh: 1: jcmd: not found\n", "sh: 1: jcmd: not found"),
    ("It is full. Free some room.\nThen try again.", "It is full"),
    ("", ""),
    ("----\n====\n", ""),
])
def test_of_a_tool_s_complaint_the_first_sentence_is_told(text, sentence):
    assert first_sentence(text) == sentence


def test_a_sentence_without_an_end_is_cut():
    assert len(first_sentence("word " * 1000)) == 200
