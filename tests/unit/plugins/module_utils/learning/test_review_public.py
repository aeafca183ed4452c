# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten runbooks as teams publish them for their alerts, and five playbooks: each is clean, and each fault that is planted in it is found, alone."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _review

CONTEXT = "kubectl config current-context\n"

DOCUMENTS = {
    "KubePodCrashLooping": f"""# KubePodCrashLooping
## Diagnosis
```shell
{CONTEXT}kubectl -n $NAMESPACE get pod $POD
kubectl -n $NAMESPACE describe pod $POD
kubectl -n $NAMESPACE logs $POD --previous
```
## Mitigation
```shell
kubectl -n $NAMESPACE rollout undo deployment/$NAME
kubectl -n $NAMESPACE rollout status deployment/$NAME --timeout=180s
```
## Revert
Undo again, to the revision of before.
""",
    "etcdMembersDown": f"""# etcdMembersDown
## Diagnosis
```
$ {CONTEXT}$ oc -n openshift-etcd get pods -l k8s-app=etcd -o wide
$ oc -n openshift-etcd logs etcd-master-0 -c etcd --tail=200
$ oc -n openshift-etcd rsh etcd-master-0
```
```shell
etcdctl endpoint health --cluster
etcdctl snapshot save /tmp/etcd.db
etcdctl member remove 8211f1d0f64f3269
etcdctl member list
```
## Restore
Start a new member from the snapshot.
""",
    "KubePersistentVolumeFillingUp": f"""# KubePersistentVolumeFillingUp
## Diagnosis
```bash
{CONTEXT}kubectl -n shop get pvc
kubectl -n shop exec deploy/api -- df -h /data
kubectl -n shop exec deploy/api -- du -sh /data
kubectl -n shop describe pvc data
```
## Mitigation
```bash
kubectl -n shop patch pvc data -p '{{"spec":{{"resources":{{"requests":{{"storage":"40Gi"}}}}}}}}' --dry-run=server
kubectl -n shop patch pvc data -p '{{"spec":{{"resources":{{"requests":{{"storage":"40Gi"}}}}}}}}'
kubectl -n shop get pvc data
```
## Roll back
A volume does not shrink: copy the data to a smaller one.
""",
    "KubeNodeNotReady": f"""# KubeNodeNotReady
## Diagnosis
```sh
{CONTEXT}kubectl get nodes
kubectl describe node <node>
```
## Mitigation
```sh
kubectl cordon <node>
kubectl get node <node>
kubectl drain <node> --ignore-daemonsets --timeout=300s --dry-run=server
kubectl drain <node> --ignore-daemonsets --timeout=300s
kubectl get pods -A -o wide
```
## Undo
```sh
kubectl uncordon <node>
kubectl get node <node>
```
""",
    "CertificateExpiry": f"""# KubeClientCertificateExpiration
## Diagnosis
```console
$ {CONTEXT}$ kubectl -n shop get secret gateway-tls
$ openssl x509 -in gateway.crt -noout -enddate
$ kubectl -n shop describe ingress gateway
```
## Mitigation
```console
$ kubectl -n shop apply -f gateway-tls.yml --dry-run=server
$ kubectl -n shop apply -f gateway-tls.yml
$ openssl s_client -connect gateway:443
```
## Roll back
Apply the Secret of before.
""",
    "KubeAPILatencyHigh": f"""# KubeAPILatencyHigh
## Diagnosis
```bash
{CONTEXT}kubectl get --raw /metrics | grep apiserver_request_duration
kubectl top nodes
kubectl -n kube-system logs kube-apiserver-0 --tail=500 > api.log
grep -c slow api.log
```
## Mitigation
```bash
kubectl -n noisy scale deployment/lister --replicas=0
kubectl -n noisy get deployment lister
```
## Roll back
```bash
kubectl -n noisy scale deployment/lister --replicas=3
kubectl -n noisy get deployment lister
```
""",
    "TargetDown": f"""# TargetDown
## Diagnosis
```bash
{CONTEXT}kubectl -n monitoring get servicemonitors
kubectl -n shop get endpoints api
curl --max-time 5 http://api.shop:8080/metrics
```
## Mitigation
```bash
kubectl -n shop label service api release=prometheus
kubectl -n shop get service api
```
## Revert
```bash
kubectl -n shop label service api release-
kubectl -n shop get service api
```
""",
    "ErrorBudgetBurn": f"""# HighErrorRate
## Diagnosis
```bash
{CONTEXT}kubectl -n shop logs deploy/api --since=10m | grep -c ' 500 '
kubectl -n shop rollout history deployment/api
kubectl -n shop get events --sort-by=.lastTimestamp
```
## Mitigation
```bash
helm -n shop rollback api 12 --dry-run
helm -n shop rollback api 12
helm -n shop status api
```
## Roll back
Upgrade to the release of before.
""",
    "NodeFilesystemSpaceFillingUp": """# NodeFilesystemSpaceFillingUp
## Diagnosis
```bash
df -h /
du -xsh /var/log
journalctl --since -10m > before.log
```
## Mitigation
```bash
rm -f /var/log/app/debug.log.1
df -h /
```
## Restore
The file is in the archive of logs.
""",
    "BackupFailed": f"""# BackupJobFailed
## Diagnosis
```bash
{CONTEXT}kubectl -n backup get jobs
kubectl -n backup logs job/nightly --tail=200
psql -c "SELECT pg_database_size('shop')"
```
## Mitigation
```bash
kubectl -n backup create job nightly-again --from=cronjob/nightly --dry-run=server
kubectl -n backup create job nightly-again --from=cronjob/nightly
kubectl -n backup wait --for=condition=complete job/nightly-again --timeout=1800s
```
## Undo
```bash
kubectl -n backup get job nightly-again
```
""",
}

#: what is planted: document, what stands there, what then does, and the check that is missing then
PLANTED = (
    ("KubePodCrashLooping", " --timeout=180s", "", "timeout"),
    ("KubePodCrashLooping", CONTEXT, "", "wrong-cluster guard"),
    ("KubePodCrashLooping", "## Revert", "## More", "undo"),
    ("etcdMembersDown", "etcdctl member list\n", "", "success criterion"),
    ("KubePersistentVolumeFillingUp", "kubectl -n shop get pvc data\n", "", "success criterion"),
    ("KubePersistentVolumeFillingUp", "}}}' --dry-run=server\n", "}}}'\nkubectl -n shop get pvc data\n", "dry run"),
    ("KubeNodeNotReady", "kubectl describe node <node>\n", "", "evidence"),
    ("KubeNodeNotReady", "--timeout=300s\nkubectl get pods", "\nkubectl get pods", "timeout"),
    ("KubeNodeNotReady", "kubectl drain <node> --ignore-daemonsets --timeout=300s --dry-run=server\n", "", "dry run"),
    ("CertificateExpiry", "$ openssl s_client -connect gateway:443\n", "", "success criterion"),
    ("CertificateExpiry", "$ kubectl -n shop apply -f gateway-tls.yml --dry-run=server\n", "", "dry run"),
    ("CertificateExpiry", "## Roll back", "## Notes", "undo"),
    ("KubeAPILatencyHigh", CONTEXT, "", "wrong-cluster guard"),
    ("KubeAPILatencyHigh", "kubectl top nodes\n",
     "curl -k -H 'Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzcmUifQ.c2lnbmF0dXJl' --max-time 5 https://api\n",
     "secret on the command line"),
    ("TargetDown", "curl --max-time 5 ", "curl ", "timeout"),
    ("TargetDown", "release=prometheus\nkubectl -n shop get service api\n", "release=prometheus\n", "success criterion"),
    ("ErrorBudgetBurn", "helm -n shop rollback api 12 --dry-run\n", "", "dry run"),
    ("ErrorBudgetBurn", "helm -n shop status api\n", "", "success criterion"),
    ("NodeFilesystemSpaceFillingUp", "journalctl --since -10m > before.log\n", "", "evidence"),
    ("NodeFilesystemSpaceFillingUp", "debug.log.1\ndf -h /\n", "debug.log.1\n", "success criterion"),
    ("BackupFailed", " --timeout=1800s\n", " --timeout=1800s\nkubectl -n backup logs job/nightly-again -f\n", "timeout"),
    ("BackupFailed", "psql -c", "PGPASSWORD=correct-horse-battery psql -c", "secret on the command line"),
)

GUARD = "    - {name: Which cluster, kubernetes.core.k8s_cluster_info: }\n"
PODS = "    - {name: Pods, kubernetes.core.k8s_info: {kind: Pod, namespace: shop}}\n"
LOGS = "    - {name: Logs, kubernetes.core.k8s_log: {kind: Deployment, name: api, namespace: shop}}\n"
HEALTH = "        - {name: Served, ansible.builtin.uri: {url: http://api/health}}\n"
HEAD = "- name: Play\n  hosts: clusters\n  tasks:\n"
BLOCK = "    - name: Change and take back\n      block:\n"
RESCUE = "      rescue:\n        - {name: As before, kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 2}}\n" + HEALTH

PLAYBOOKS = {
    "scale": HEAD + GUARD + PODS + BLOCK
    + "        - {name: More, kubernetes.core.k8s_scale: {kind: Deployment, name: api, namespace: shop, replicas: 5}}\n" + HEALTH + RESCUE,
    "restart a service": HEAD + "    - {name: Facts, ansible.builtin.service_facts: }\n"
    "    - {name: Journal, ansible.builtin.shell: 'journalctl -u api > /tmp/api.log'}\n"
    "    - {name: Again, ansible.builtin.systemd_service: {name: api, state: restarted}}\n"
    "    - {name: It is up, ansible.builtin.wait_for: {port: 8080, timeout: 60}}\n",
    "delete a volume": HEAD + GUARD + PODS + LOGS + BLOCK
    + "        - {name: Gone, kubernetes.core.k8s: {kind: PersistentVolumeClaim, name: old, namespace: shop, state: absent}}\n" + HEALTH + RESCUE,
    "change a file": HEAD + "    - {name: There, ansible.builtin.stat: {path: /etc/api.conf}}\n"
    "    - {name: Limit, ansible.builtin.lineinfile: {path: /etc/api.conf, line: 'limit=5', backup: true}}\n"
    "    - {name: Served, ansible.builtin.uri: {url: http://api/health}}\n",
    "commands": HEAD + "    - {name: Which cluster, ansible.builtin.command: kubectl config current-context}\n"
    "    - {name: Pods, ansible.builtin.command: kubectl -n shop get pods}\n"
    "    - {name: Tried, ansible.builtin.command: kubectl -n shop apply -f api.yml --dry-run=server}\n" + BLOCK
    + "        - {name: Applied, ansible.builtin.command: kubectl -n shop apply -f api.yml}\n"
    "        - {name: Waited, ansible.builtin.command: kubectl -n shop rollout status deployment/api --timeout=60s}\n"
    "      rescue:\n        - {name: Back, ansible.builtin.command: kubectl -n shop rollout undo deployment/api}\n" + HEALTH,
}

PLANTED_IN_PLAYBOOKS = (
    ("scale", GUARD, "", "wrong-cluster guard"),
    ("scale", "replicas: 5}}\n" + HEALTH, "replicas: 5}}\n", "success criterion"),
    ("restart a service", "    - {name: Journal, ansible.builtin.shell: 'journalctl -u api > /tmp/api.log'}\n", "", "evidence"),
    ("restart a service", "    - {name: It is up, ansible.builtin.wait_for: {port: 8080, timeout: 60}}\n", "", "success criterion"),
    ("delete a volume", LOGS, "", "evidence"),
    ("change a file", "    - {name: There, ansible.builtin.stat: {path: /etc/api.conf}}\n", "", "precondition"),
    ("change a file", ", backup: true", "", "undo"),
    ("commands", " --timeout=60s", "", "timeout"),
    ("commands", "    - {name: Tried, ansible.builtin.command: kubectl -n shop apply -f api.yml --dry-run=server}\n", "", "dry run"),
)


def checks(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = _review.review(str(tmp_path / name))
    assert found.runbook.unread == ()
    return sorted({one.check for missing in found.missing for one in missing})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_clean_document_has_no_finding(tmp_path, name):
    assert checks(tmp_path, "runbook.md", DOCUMENTS[name]) == []


@pytest.mark.parametrize(("name", "before", "after", "check"), PLANTED)
def test_what_is_planted_in_a_document_is_found_alone(tmp_path, name, before, after, check):
    assert DOCUMENTS[name].count(before)
    assert checks(tmp_path, "runbook.md", DOCUMENTS[name].replace(before, after, 1)) == [check]


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_a_clean_playbook_has_no_finding(tmp_path, name):
    assert checks(tmp_path, "play.yml", PLAYBOOKS[name]) == []


@pytest.mark.parametrize(("name", "before", "after", "check"), PLANTED_IN_PLAYBOOKS)
def test_what_is_planted_in_a_playbook_is_found_alone(tmp_path, name, before, after, check):
    assert PLAYBOOKS[name].count(before)
    assert checks(tmp_path, "play.yml", PLAYBOOKS[name].replace(before, after, 1)) == [check]


#: the five procedures of the written playbook, with the commands that a person types for them, and their longest way in seconds drawn by hand
PROCEDURES = {
    "pool": ("kubectl exec deploy/api-server -- curl -s --max-time 5 localhost:9090/metrics\nkubectl logs deploy/api-server --tail=1000 > pool.log\n"
             "grep -Ei 'connection|pool|timeout' pool.log\nkubectl set env deploy/api-server DB_POOL_SIZE=50 DB_POOL_OVERFLOW=20\n"
             "kubectl rollout status deploy/api-server --timeout=300s\n", 2.1 + 0.5 + 60),
    "authentication": ("kubectl get pods -l app=auth-service\nkubectl top pods -l app=auth-service\nkubectl rollout history deploy/auth-service\n"
                       "kubectl logs deploy/auth-service > auth.log\ngrep 'rate limit' auth.log\nkubectl scale deploy/auth-service --replicas=5\n"
                       "kubectl rollout undo deploy/auth-service\nkubectl rollout status deploy/auth-service --timeout=300s\n", 2.1 + 0.5 + 0.5 + 60),
    "memory": ("kubectl get pods\nkubectl top pods\nkubectl get events\nkubectl exec deploy/api-server -- jmap -dump:format=b,file=/tmp/heap.hprof 1\n"
               "kubectl rollout restart deploy/api-server\nkubectl rollout status deploy/api-server --timeout=300s\n", 30.3 + 0.5 + 60),
    "gateway": ("kubectl get pods -l app=api-gateway\nkubectl top pods -l app=api-gateway\nkubectl logs deploy/api-gateway > gateway.log\n"
                "kubectl patch configmap api-gateway-config -p '{}'\nkubectl scale deploy/api-gateway --replicas=10\n"
                "kubectl rollout status deploy/api-gateway --timeout=300s\n", 2.0 + 0.5 + 0.5 + 60),
    "data": ("kubectl set env deploy/api-server READ_ONLY_MODE=true\npsql -c 'SELECT count(*) FROM orders'\n"
             "psql -c 'SELECT min(created_at), max(created_at) FROM audit_log'\npg_dump -Fc shop > shop.dump\n", 0.5 + 30),
}


@pytest.mark.parametrize("name", PROCEDURES)
def test_each_of_the_five_procedures_has_a_parallel_plan_that_is_the_one_drawn_by_hand(tmp_path, name):
    commands, longest = PROCEDURES[name]
    (tmp_path / "runbook.md").write_text(f"# {name}\n```bash\n{commands}```\n")
    plan = _review.review(str(tmp_path / "runbook.md")).plan
    assert plan.critical == pytest.approx(longest)
    assert plan.together and plan.saving > 0.5, (plan.one_by_one, plan.critical)
