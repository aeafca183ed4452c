# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _shell


def block(text):
    return f"# Title\n\n```bash\n{text}\n```\n"


@pytest.mark.parametrize(("command", "kind"), [
    ("kubectl -n shop get pods", "reads"),
    ("kubectl --context=east rollout history deployment/api", "reads"),
    ("kubectl scale deployment/api --replicas=5", "changes reversibly"),
    ("kubectl rollout restart deployment/api", "destroys evidence"),
    ("kubectl delete pod api-1 -n shop", "destroys evidence"),
    ("kubectl delete pvc data", "changes irreversibly"),
    ("sleep 30", "waits"),
    ("frobnicate --all", "not known"),
])
def test_a_command_has_the_kind_of_its_first_words(command, kind):
    steps, unread = _shell.review(block(command))
    assert [(step.command, step.kind, step.line) for step in steps] == [(command, kind, 4)]
    assert unread == []


def test_a_hostile_block_is_read_and_not_run(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("here")
    steps, _unread = _shell.review(block(f"echo $(rm -rf {kept})"))
    assert kept.exists()
    assert [step.kind for step in steps] == ["reads", "changes irreversibly"]


def test_a_block_that_does_not_parse_is_said_and_the_next_is_read():
    steps, unread = _shell.review(block("if true; then (") + block("kubectl get pods"))
    assert [step.kind for step in steps] == ["reads"]
    assert [found.line for found in unread] == [4]


def test_a_document_of_5_mb_is_refused():
    with pytest.raises(ValueError, match="at most"):
        _shell.review("x" * 5_000_000)


@pytest.mark.parametrize(("text", "kinds"), [
    ("echo x > /etc/hosts", ["not known"]),
    ("kubectl get pods 2>/dev/null", ["reads"]),
    ("kubectl get pods 2>&1 | grep api", ["reads", "reads"]),
    ("cat < <(rm -rf data)", ["reads", "changes irreversibly"]),
])
def test_a_read_that_writes_a_file_is_not_called_a_read(text, kinds):
    assert [step.kind for step in _shell.review(block(text))[0]] == kinds


def test_a_block_inside_a_list_is_found():
    steps, unread = _shell.review("1. Look:\n   ```sh\n   kubectl get pods\n   ```\n")
    assert [step.kind for step in steps] == ["reads"]
    assert unread == []
