# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _commands, _shell


@pytest.mark.parametrize(("command", "kind"), [
    ("kubectl -n shop get pods", "reads"),
    ("kubectl --context=east rollout history deployment/api", "reads"),
    ("oc get pods", "reads"),
    ("sudo kubectl get nodes", "reads"),
    ("timeout 10 kubectl get nodes", "reads"),
    ("kubectl scale deployment/api --replicas=5", "changes reversibly"),
    ("kubectl rollout restart deployment/api", "destroys evidence"),
    ("kubectl delete pod api-1 -n shop", "destroys evidence"),
    ("kubectl -n shop delete pods --all", "destroys evidence"),
    ("kubectl delete pvc data", "changes irreversibly"),
    ("kubectl delete podmonitors.monitoring.coreos.com api", "changes irreversibly"),
    ("kubectl apply -f x.yml --dry-run=server", "reads"),
    ("kubectl exec api-1 -- rm -rf /data", "changes irreversibly"),
    ("kubectl exec api-1 -- sh -c 'rm -rf /data'", "changes irreversibly"),
    ("kubectl exec api-1 -- df -h", "reads"),
    ("ssh -i key core@node1 sudo systemctl restart kubelet", "destroys evidence"),
    ("ssh node1 'df -h; rm -rf /data'", "not known"),
    ("oc adm drain node1 --delete-emptydir-data", "destroys evidence"),
    ("oc debug node/node1 -- chroot /host journalctl -u kubelet", "reads"),
    ("etcdctl --endpoints=$EP endpoint health", "reads"),
    ("psql -c 'SELECT 1'", "reads"),
    ("psql -c 'SELECT 1; DELETE FROM orders'", "changes irreversibly"),
    ("psql -c 'WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone'", "changes irreversibly"),
    ("psql -c 'SELECT pg_terminate_backend(7)'", "destroys evidence"),
    ("psql -f repair.sql", "not known"),
    ("curl http://api/health", "reads"),
    ("curl -X POST http://api/flush", "not known"),
    ("sed -i s/a/b/ file", "not known"),
    ("find . -name x -delete", "not known"),
    ("sleep 30", "waits"),
    ("read -p 'Go on?' answer", "asks a person"),
    ("frobnicate --all", "not known"),
    ("echo $(rm -rf data)", "changes irreversibly"),
    ("cat < <(rm -rf data)", "changes irreversibly"),
    ("kubectl get pods 2>&1 | grep api", "reads"),
    ("kubectl get pods | xargs kubectl delete pvc", "changes irreversibly"),
    ("for pod in a b; do kubectl delete pod $pod; done", "destroys evidence"),
    ("echo x > /etc/hosts", "changes irreversibly"),
    ("kubectl get pods > pods.txt", "reads"),
    ("kubectl logs <pod-name> -n <namespace>", "reads"),
])
def test_a_command_does_what_the_worst_of_it_does(command, kind):
    (piece,) = _shell.parse(command)
    assert piece.act.kind == kind


def test_a_hostile_block_is_read_and_not_run(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("here")
    for text in (f"echo $(rm -rf {kept})", f"`rm {kept}`", f"eval 'rm {kept}'", f"{{{{ lookup('pipe', 'rm {kept}') }}}}"):
        _shell.parse(text)
    assert kept.exists()


@pytest.mark.parametrize("text", ["if true; then (", "echo " + "$(" * 3000 + ")" * 3000, "x" * 30_000, "case $x in a) ls;; esac", "echo 'open"])
def test_what_does_not_parse_is_said(text):
    with pytest.raises(_shell.NotRead, match="does not parse|most that is parsed"):
        _shell.parse(text)


@pytest.mark.parametrize(("text", "endless"), [
    ("kubectl rollout status deployment/api", True),
    ("kubectl rollout status deployment/api --timeout=60s", False),
    ("while true; do sleep 5; done", True),
    ("while [ $n -lt 5 ]; do sleep 5; done", False),
    ("kubectl logs -f api-1", True),
    ("curl http://api", True),
    ("curl --max-time 5 http://api", False),
])
def test_what_may_never_end_is_known(text, endless):
    assert bool(_shell.parse(text)[0].act.endless) == endless


def test_variables_and_files_join_the_steps():
    first, second, third = _shell.parse("POD=$(kubectl get pods -o name)\nkubectl logs $POD > /tmp/log\ngrep ERROR /tmp/log")
    assert "$POD" in first.gives & second.needs
    assert "/tmp/log" in second.gives & third.needs


@pytest.mark.parametrize(("command", "module", "arguments"), [
    ("kubectl -n shop scale deployment/api --replicas=5", "sre.runbooks.workload_scale", {"namespace": "shop", "workload": "api", "replicas": 5}),
    ("kubectl set env deploy/api A=1", "sre.runbooks.workload_env", {"workload": "api", "env": {"A": "1"}}),
    ("kubectl get nodes", "kubernetes.core.k8s_info", {"kind": "Node", "api_version": "v1"}),
    ("kubectl get pods -n $NS", "kubernetes.core.k8s_info", {"kind": "Pod", "namespace": "{{ target_ns }}"}),
])
def test_the_task_to_use_instead_is_written_out(command, module, arguments):
    ((name, found),) = _commands.act_of(command.split()).task.items()
    assert name == module
    assert {key: found[key] for key in arguments} == arguments


def test_a_loop_has_no_task_and_no_known_time():
    (piece,) = _shell.parse("for i in $(seq 1 10); do kubectl get pvc; sleep 5; done")
    assert not piece.act.task and piece.act.time.basis.startswith("estimate: one round")


def test_nothing_is_proposed_for_what_is_not_known():
    assert not _commands.act_of(["frobnicate"]).task
