# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module needs beside its own file."""

from __future__ import annotations

import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


def names(directory: str) -> list[str]:
    """The plugins in a directory."""
    return sorted(path.stem for path in (ROOT / "plugins" / directory).glob("*.py"))


def test_every_module_runs_in_the_worker():
    assert names("action") == names("modules"), "only an action plugin of the module's own name is loaded before the fork"


def test_every_module_is_in_the_action_group():
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["runbooks"]) == names("modules")
