# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clean runbook has no finding; each fault that is planted in it is found, and nothing else is."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _report, _review, _rewrite
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.modules import runbook_review

ROOT = pathlib.Path(__file__).resolve().parents[5]

CLEAN = """# The API is slow

## Look

```bash
kubectl config current-context
kubectl -n shop get pods
kubectl -n shop top pods
kubectl -n shop logs deploy/api --tail=500 > api.log
kubectl -n shop describe deployment/api
grep ERROR api.log
```

## Act

```bash
kubectl -n shop apply -f limit.yml --dry-run=server
kubectl -n shop apply -f limit.yml
kubectl -n shop rollout status deployment/api --timeout=120s
kubectl -n shop delete pvc old-cache
kubectl -n shop get pvc
```

## Roll back

```bash
kubectl -n shop rollout undo deployment/api
kubectl -n shop rollout status deployment/api --timeout=120s
```
"""

PLAYBOOK = """---
- name: Slow API
  hosts: clusters
  tasks:
    - name: Which cluster
      kubernetes.core.k8s_cluster_info:
      register: cluster
    - name: Pods
      kubernetes.core.k8s_info: {kind: Pod, namespace: shop}
      register: pods
    - name: Logs
      kubernetes.core.k8s_log: {kind: Deployment, name: api, namespace: shop}
      register: logs
    - name: Change and take back
      block:
        - name: More replicas
          kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 5}
        - name: It is served
          ansible.builtin.uri: {url: "http://api/health"}
          register: served
          until: served.status == 200
          retries: 5
          delay: 2
        - name: The old cache
          kubernetes.core.k8s: {kind: PersistentVolumeClaim, name: old, namespace: shop, state: absent}
        - name: Still served
          ansible.builtin.uri: {url: "http://api/health"}
      rescue:
        - name: As before
          kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 2}
        - name: Served as before
          ansible.builtin.uri: {url: "http://api/health"}
"""

LOGS = "    - name: Logs\n      kubernetes.core.k8s_log: {kind: Deployment, name: api, namespace: shop}\n      register: logs\n"
STILL = '        - name: Still served\n          ansible.builtin.uri: {url: "http://api/health"}\n'


def reviewed(tmp_path, text, name="runbook.md"):
    path = tmp_path / name
    path.write_text(text)
    return _review.to_json(_review.review(str(path)))


def checks(found):
    return {one["check"] for step in found["steps"] for one in step["missing"]}


def test_a_clean_document_has_no_finding(tmp_path):
    found = reviewed(tmp_path, CLEAN)
    assert checks(found) == set()
    assert found["unread"] == []
    assert len(found["steps"]) == 13


@pytest.mark.parametrize(("before", "after", "check"), [
    ("kubectl -n shop get pods\nkubectl -n shop top pods\nkubectl -n shop logs deploy/api --tail=500 > api.log\nkubectl -n shop describe deployment/api\n", "",
     "precondition"),
    ("kubectl -n shop get pvc\n", "", "success criterion"),
    (" --timeout=120s\nkubectl -n shop delete", "\nkubectl -n shop delete", "timeout"),
    ("## Roll back", "## More", "undo"),
    ("logs deploy/api --tail=500 > api.log\nkubectl -n shop describe deployment/api\n", "get events.example.com\n", "evidence"),
    ("kubectl -n shop apply -f limit.yml --dry-run=server\n", "", "dry run"),
    ("kubectl config current-context\n", "", "wrong-cluster guard"),
    ("kubectl -n shop get pvc\n", "PGPASSWORD=hunter2hunter2 psql -c 'SELECT 1'\n", "secret on the command line"),
])
def test_a_planted_fault_of_a_document_is_found(tmp_path, before, after, check):
    assert before in CLEAN
    found = checks(reviewed(tmp_path, CLEAN.replace(before, after, 1)))
    assert check in found
    assert found <= {check, "evidence"} if check == "precondition" else found == {check}


def test_a_clean_playbook_has_no_finding(tmp_path):
    found = reviewed(tmp_path, PLAYBOOK, "play.yml")
    assert checks(found) == set()
    assert found["unread"] == []
    assert [step["kind"] for step in found["steps"]] == [
        "reads", "reads", "reads", "changes reversibly", "waits", "changes irreversibly", "reads", "changes reversibly", "reads"]


@pytest.mark.parametrize(("before", "after", "check"), [
    (LOGS, "", "evidence"),
    (STILL, "", "success criterion"),
    ("      kubernetes.core.k8s_cluster_info:\n", "      ansible.builtin.debug: {msg: x}\n", "wrong-cluster guard"),
    ("          kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 5}\n",
     "          ansible.builtin.shell: kubectl scale deployment/api --replicas=5\n", "dry run"),
    ("          kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 5}\n",
     "          ansible.builtin.shell: kubectl rollout status deployment/api && kubectl apply --dry-run=server -f x.yml\n", "timeout"),
])
def test_a_planted_fault_of_a_playbook_is_found(tmp_path, before, after, check):
    assert before in PLAYBOOK
    assert checks(reviewed(tmp_path, PLAYBOOK.replace(before, after, 1), "play.yml")) == {check}


def test_a_secret_is_found_and_not_shown(tmp_path):
    found = reviewed(tmp_path, "```bash\nmysql --password=hunter2hunter2 -e 'select 1'\n```\n")
    assert checks(found) == {"secret on the command line"}
    for text in (_report.markdown(found), _report.page(found), _report.playbook(found)):
        assert "hunter2" not in text


def test_the_graph_of_a_document_is_the_one_drawn_by_hand(tmp_path):
    found = reviewed(tmp_path, CLEAN)
    assert {step["number"]: step["needs"] for step in found["steps"]} == {
        1: [], 2: [], 3: [], 4: [], 5: [], 6: [4], 7: [], 8: [1, 2, 3, 5, 6, 7], 9: [8], 10: [9], 11: [10], 12: [11], 13: [12]}
    assert found["together"][0] == [1, 2, 3, 4, 5, 7]
    assert found["saving"] == pytest.approx(sum(step["seconds"]["median"] for step in found["steps"][:7]) - 2.1)


def test_what_changes_the_shell_stays_in_front(tmp_path):
    found = reviewed(tmp_path, "```bash\nls\ncd /srv\nls\nX=1\necho $X\nX=2\n```\n")
    assert {step["number"]: step["needs"] for step in found["steps"]} == {1: [], 2: [1], 3: [2], 4: [2], 5: [4], 6: [5]}


def test_times_come_from_earlier_runs_where_there_are_any(tmp_path):
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    for number, seconds in enumerate((3, 5, 40)):
        (tmp_path / f"run-{number}.log").write_text(f"TASKS RECAP ****\nPods ------------------------------- {seconds}.00s\nOther ---- 1.0s\n")
    found = _review.to_json(_review.review(str(tmp_path / "play.yml"), [str(tmp_path / f"run-{number}.log") for number in range(3)]))
    assert found["steps"][1]["seconds"] == {"median": 5.0, "high": 33.0, "basis": "measured in 3 runs"}
    assert "estimate" in found["steps"][2]["seconds"]["basis"]


@pytest.mark.parametrize("role", ["memory_leak", "db_pool_exhaustion", "crash_loop"])
def test_our_own_roles_are_clean(role):
    found = _review.to_json(_review.review(str(ROOT / "roles" / role)))
    assert checks(found) == set()
    assert found["saving"] > 0


def test_five_megabytes_are_read_within_bounds(tmp_path):
    found = reviewed(tmp_path, CLEAN + "".join(f"```bash\nkubectl get pods {'x' * 9000}\n```\n" for _number in range(550)))
    assert 40 < len(found["steps"]) < 100
    assert any("most that is parsed in one document" in text for text in found["unread"])
    with pytest.raises(InvalidInput, match="at most"):
        reviewed(tmp_path, "x" * (17 << 20))


@pytest.mark.parametrize(("name", "text", "says"), [
    ("a.yml", "a: [", "it is not read"), ("a.yml", "just text", "no list of plays"), ("a.yml", "- name: x\n  when: true\n", "no module"),
    ("a.yml", "- ansible.builtin.shell: 'if ('\n", "does not parse"), ("a.yml", "- ansible.builtin.include_tasks: \"{{ x }}\"\n", "cannot be told"),
    ("a.yml", "", "no list of plays"), ("a.md", "```sh\nif (\n```\n", "nothing is said of this block"),
])
def test_what_cannot_be_read_is_said(tmp_path, name, text, says):
    found = reviewed(tmp_path, text, name)
    assert says in " ".join(found["unread"])


def test_nothing_of_a_hostile_playbook_is_run(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("here")
    template = f"\"{{{{ lookup('pipe', 'rm {kept}') }}}}\""
    found = reviewed(tmp_path, f"- name: {template}\n  ansible.builtin.shell: echo {template}\n", "a.yml")
    assert kept.exists()
    assert len(found["steps"]) == 1


def test_markup_of_a_document_stays_text(tmp_path):
    found = reviewed(tmp_path, "# <script>alert(1)</script>\n```bash\necho '<script>alert(1)</script>'\n```\n")
    assert "<script" not in _report.page(found)
    assert "<script" not in _report.markdown(found).replace("    ", "")


def test_the_playbook_has_a_task_or_a_person_for_each_step(tmp_path):
    found = reviewed(tmp_path, CLEAN)
    (play,) = yaml.safe_load(_report.playbook(found))
    assert len(play["tasks"]) == len(found["steps"])
    assert {"sre.runbooks.workload_logs", "ansible.builtin.pause"} <= {key for task in play["tasks"] for key in task}


def test_the_module_writes_once_and_not_in_check_mode(tmp_path):
    (tmp_path / "runbook.md").write_text(CLEAN)

    def run(check_mode):
        params = {"path": str(tmp_path / "runbook.md"), "runs": [], "dest": str(tmp_path / "out")}
        return attempt(runbook_review.ARGUMENT_SPEC, runbook_review.run, Task(params, check_mode), 0)

    assert run(True)["changed"] and not (tmp_path / "out").exists()
    assert run(False)["changed"] and {path.name for path in (tmp_path / "out").iterdir()} == {"review.md", "review.html", "playbook.yml"}
    assert not run(False)["changed"]


COMMANDS = """---
# A comment.
- name: Slow API
  hosts: clusters
  tasks:
    - name: More pods
      ansible.builtin.shell: kubectl -n {{ ns }} scale deployment/{{ app }} --replicas=5
      when: busy | bool
    - name: Change and take back
      block:
        - name: Environment
          ansible.builtin.command:
            cmd: kubectl -n shop set env deployment/api DB_POOL_SIZE=50
          changed_when: true
      rescue:
        - ansible.builtin.command: kubectl -n shop rollout undo deployment/api
    - name: What is read later
      ansible.builtin.command: kubectl -n shop get pods
      register: pods
    - name: Shown
      ansible.builtin.debug: {msg: "{{ pods.stdout }}"}
    - name: Two commands
      ansible.builtin.shell: kubectl -n shop get pods && kubectl -n shop scale deployment/api --replicas=1
    - name: In another directory
      ansible.builtin.command: {cmd: kubectl apply -f api.yml, chdir: /srv}
"""


def test_a_playbook_is_rewritten_where_nothing_reads_what_its_command_printed(tmp_path):
    (tmp_path / "play.yml").write_text(COMMANDS)
    files, kept = _rewrite.rewritten(tmp_path / "play.yml")
    assert kept == []
    before, (after,) = yaml.safe_load(COMMANDS)[0], yaml.safe_load(files["play.yml"])
    scale, block, *rest = after["tasks"]
    assert scale == {"name": "More pods", "when": "busy | bool", "sre.runbooks.workload_scale": {
        "namespace": "{{ ns }}", "workload": "{{ app }}", "incident_id": "{{ incident_id }}", "replicas": 5}}
    assert block["block"] == [{"name": "Environment", "sre.runbooks.workload_env": {
        "namespace": "shop", "workload": "api", "incident_id": "{{ incident_id }}", "env": {"DB_POOL_SIZE": "50"}}}]
    assert list(block["rescue"][0]) == ["name", "sre.runbooks.workload_rollback"]
    assert rest == before["tasks"][2:]
    assert "# It needs incident_id.\n" in files["play.yml"]
    assert _review.review(str(_written(tmp_path / "again.yml", files["play.yml"]))).runbook.unread == ()


def _written(path, text):
    path.write_text(text)
    return path


def test_a_file_whose_marks_would_be_lost_is_not_rewritten_and_that_is_said(tmp_path):
    text = "- ansible.builtin.debug: {msg: !unsafe '{{ x }}'}\n- ansible.builtin.command: kubectl -n a scale deploy/b --replicas=1\n"
    files, kept = _rewrite.rewritten(_written(tmp_path / "tasks.yml", text))
    assert files == {} and "not rewritten" in kept[0]


def test_a_role_without_commands_has_nothing_to_rewrite():
    assert _rewrite.rewritten(ROOT / "roles" / "crash_loop") == ({}, [])
