# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.errors import AnsibleParserError

from ansible_collections.sre.runbooks.plugins.inventory import kubeconfig as plugin


def write(path: pathlib.Path, current: str, **contexts: str) -> str:
    """Write a kubeconfig whose keywords are context name=user; returns its path."""
    path.write_text(yaml.safe_dump({
        "kind": "Config", "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}} for name, user in contexts.items()],
    }))
    return str(path)


def test_the_first_file_to_name_a_context_wins(tmp_path: pathlib.Path) -> None:
    first = write(tmp_path / "a", "", one="first")
    second = write(tmp_path / "b", "two", one="second", two="second")

    config = plugin.read_kubeconfig([first, str(tmp_path / "absent"), second])

    assert {name: context["user"] for name, context in config.contexts.items()} == {"one": "first", "two": "second"}
    assert config.current == "two"


def test_no_file_at_all_names_every_path_tried() -> None:
    with pytest.raises(AnsibleParserError, match="No kubeconfig at /nowhere/a or /nowhere/b"):
        plugin.read_kubeconfig(["/nowhere/a", "/nowhere/b"])


@pytest.mark.parametrize("text", ["kind: Pod", "- a list", "a: b: c", "\udcff"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(AnsibleParserError, match=str(path)):
        plugin.read_kubeconfig([str(path)])


@pytest.mark.parametrize(("pattern", "found"), [
    ("*", ["lab1", "lab1-admin", "LAB2"]),
    ("lab*", ["lab1", "lab1-admin"]),
    ("lab1", ["lab1"]),
    (r"~\d$", ["lab1", "LAB2"]),
    ("~^1", []),
])
def test_patterns(pattern: str, found: list[str]) -> None:
    assert [name for name in ("lab1", "lab1-admin", "LAB2") if plugin.matches(name, [pattern])] == found


def config(*names: str, current: str = "") -> plugin.Kubeconfig:
    """A kubeconfig with these contexts."""
    return plugin.Kubeconfig({name: {} for name in names}, current)


def test_exclusion_beats_selection_and_order_is_kept() -> None:
    assert plugin.select(config("lab2", "lab1", "lab1-admin"), ["lab*"], ["*-admin"]) == ["lab2", "lab1"]


def test_an_empty_selection_is_an_error_that_lists_the_contexts() -> None:
    with pytest.raises(AnsibleParserError, match="No context left of lab1, lab2: contexts is prod-"):
        plugin.select(config("lab1", "lab2"), ["prod-*"], [])


def test_the_current_context_must_exist() -> None:
    assert plugin.current(config("a", "b", current="b")) == ["b"]
    with pytest.raises(AnsibleParserError, match=r"current-context gone is not one of its contexts \(a, b\)"):
        plugin.current(config("a", "b", current="gone"))
