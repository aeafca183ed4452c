# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a process that is no JVM: the kernel's account, and Go's heap profile."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._memory import _process
from ansible_collections.sre.runbooks.plugins.module_utils._memory._process import Look

BLANK = Look("a", "2026-11-28T01:00:00Z", "2026-11-28T01:10:00Z")
KERNEL = """room 134217728 33554432 inactive_file 0
kept anon 27578368
kept file 4096
kept shmem 0
process 7 python3
number threads 3
number files 9
smaps Rss 35651584
"""
PROFILE = """heap profile: 5: 5242880 [9: 9437184] @ heap/1048576
4: 4194304 [4: 4194304] @ 0x6f1 0x6f2 0x47c
#\t0x6f1\tmain.thumbnail+0x45\t/src/thumbnails.go:26
#\t0x6f2\tmain.thumbnails.func1+0x71\t/src/thumbnails.go:14

1: 1048576 [5: 5242880] @ 0x40a 0x50b
#\t0x40a\truntime.malg+0x1\t/go/proc.go:1
#\t0x50b\tbytes.growSlice+0x7\t/go/buffer.go:2

0: 0 [3: 900] @ 0x60
#\t0x60\tmain.done+0x1\t/src/main.go:1

# runtime.MemStats
# Alloc = 5300000
"""


def test_the_kernels_account_of_the_largest_process():
    look = _process.parse(BLANK, KERNEL)
    assert look.process == "7 python3"
    assert look.memory == {"anon": 27578368, "file": 4096, "shmem": 0, "threads": 3, "files": 9, "rss": 35651584 << 10}


@pytest.mark.parametrize("text", ["", "room x\nkept anon\n", "sh: sed: not found\n"])
def test_what_could_not_be_read_is_left_out(text):
    assert _process.parse(BLANK, text).memory == {}


def test_the_function_that_holds_most_is_the_first_that_is_not_gos_own():
    found = _process.parse_profile(PROFILE)
    assert (found.live, found.site, found.holds) == (5242880, "main.thumbnail", 4194304)
    only = PROFILE.replace("main.thumbnail+", "runtime.gopark+").replace("main.thumbnails.func1+", "runtime.main+")
    assert _process.parse_profile(only).site == "runtime.gopark"


@pytest.mark.parametrize("text", ["", "404 page not found\n", "<html>"])
def test_what_is_no_profile(text):
    assert _process.parse_profile(text) is None


def test_a_profile_without_functions_has_no_site():
    assert _process.parse_profile("heap profile: 1: 10 [1: 10] @ heap/1048576\n1: 10 [1: 10] @ 0x1\n") == _process.Profile(10, "", 10)
