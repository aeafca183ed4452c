# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands do: one table, by the words with which a command begins. What stands in no row is not known.

The words are a command's own, without sudo and the like, without flags that choose a cluster or a namespace.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import (
    ASKS, CLUSTER, DESTROYS, DRY_RUN, EVIDENCE, IRREVERSIBLE, KINDS, NOTHING, READS, REVERSIBLE, STATE, UNKNOWN, WAITS, Act, Time)

_API = Time(0.3, 1.0, "estimate: one kubectl and one request")
_LOGS = Time(2.0, 10.0, "estimate: logs of one pod")
_WRITE = Time(0.5, 2.0, "estimate: one write of the API")
_ROLLOUT = Time(60.0, 300.0, "estimate: a rollout of a few pods")
_DUMP = Time(30.0, 180.0, "estimate: a dump of 1 GB")
_SQL = Time(0.5, 30.0, "estimate: one statement; a large table takes longer")
_LOCAL = Time(0.1, 0.5, "estimate: a local command")
_PERSON = Time(120.0, 600.0, "estimate: a person reads and answers")
_HTTP = Time(0.5, 10.0, "estimate: one HTTP request")
_NOT_KNOWN = Time(1.0, 60.0, "a guess: what it does is not known")

#: names of what Kubernetes cannot bring back, or can
_PODS = r"(pods?|po)\b"

#: first words -> kind, topic, time
_ROWS: tuple[tuple[str, str, str, Time], ...] = (
    (r"kubectl (config (current-context|view|get-contexts|use-context)|cluster-info)\b(?! dump)", READS, CLUSTER, _LOCAL),
    (r"kubectl (diff)\b|kubectl .*--dry-run(=client|=server)?\b|helm (diff|template|lint)\b|helm .*--dry-run\b|terraform plan\b|ansible-playbook .*--check\b",
     READS, DRY_RUN, _API),
    (r"kubectl (logs|events|cluster-info dump)\b|kubectl get (events?|ev)(?= |$)|kubectl describe\b|(journalctl|dmesg)\b", READS, EVIDENCE, _LOGS),
    (r"kubectl cp\b [^ ]*:", READS, EVIDENCE, _DUMP),
    (r"kubectl (get|top|explain|version|api-resources|auth can-i|rollout history)\b", READS, STATE, _API),
    (r"kubectl (rollout status|wait)\b", WAITS, STATE, _ROLLOUT),
    (r"kubectl (scale|autoscale|set|label|annotate|taint|cordon|uncordon|patch|apply|rollout (undo|pause|resume))\b", REVERSIBLE, NOTHING, _WRITE),
    (r"kubectl (create|expose|run)\b", REVERSIBLE, NOTHING, _WRITE),
    (r"kubectl rollout restart\b", DESTROYS, NOTHING, _WRITE),
    (rf"kubectl delete (-\S+ )*{_PODS}|kubectl delete (-\S+ )*pods?/", DESTROYS, NOTHING, _ROLLOUT),
    (r"kubectl drain\b", DESTROYS, NOTHING, _ROLLOUT),
    (r"kubectl (delete|replace)\b", IRREVERSIBLE, NOTHING, _WRITE),
    (r"helm (list|ls|status|history|get)\b", READS, STATE, _API),
    (r"helm (upgrade|install|rollback)\b", REVERSIBLE, NOTHING, _ROLLOUT),
    (r"helm (uninstall|delete)\b", IRREVERSIBLE, NOTHING, _ROLLOUT),
    (r"terraform (apply|destroy)\b", IRREVERSIBLE, NOTHING, _ROLLOUT),
    (r"systemctl (status|is-active|list-units|show|cat)\b", READS, STATE, _LOCAL),
    (r"systemctl (restart|kill)\b", DESTROYS, NOTHING, _WRITE),
    (r"systemctl (start|stop|reload|enable|disable|mask|unmask)\b", REVERSIBLE, NOTHING, _WRITE),
    (r"(docker|podman|crictl|nerdctl) (ps|images|inspect|stats|version|info)\b", READS, STATE, _LOCAL),
    (r"(docker|podman|crictl|nerdctl) logs\b", READS, EVIDENCE, _LOGS),
    (r"(docker|podman|nerdctl) (restart|kill|rm)\b|crictl (rm|rmp|stop)\b", DESTROYS, NOTHING, _WRITE),
    (r"(jmap|jcmd|jstack|gcore|pg_dump|pg_dumpall|mysqldump|etcdctl snapshot save|perf record|tcpdump)\b", READS, EVIDENCE, _DUMP),
    (r"etcdctl (get|endpoint|member list|alarm list)\b", READS, STATE, _API),
    (r"etcdctl (del|snapshot restore|member remove|compact)\b", IRREVERSIBLE, NOTHING, _WRITE),
    (r"redis-cli .*\b(FLUSHALL|FLUSHDB|DEL|UNLINK)\b", IRREVERSIBLE, NOTHING, _WRITE),
    (r"redis-cli .*\b(INFO|GET|TTL|PING|DBSIZE|SLOWLOG|CLIENT LIST|MEMORY|CONFIG GET)\b", READS, STATE, _LOCAL),
    (r"(reboot|shutdown|halt|poweroff|kill|pkill|killall)\b", DESTROYS, NOTHING, _ROLLOUT),
    (r"(rm|rmdir|unlink|dropdb|mkfs\S*|shred|truncate|dd|wipefs)\b", IRREVERSIBLE, NOTHING, _LOCAL),
    (r"git (status|log|diff|show|fetch|clone|pull)\b", READS, NOTHING, _HTTP),
    (r"sleep\b", WAITS, NOTHING, _LOCAL),
    (r"(wait)\b", WAITS, NOTHING, _LOCAL),
    (r"read\b", ASKS, NOTHING, _PERSON),
    (r"(cp|mkdir|touch|tee|ln|mv|chmod|chown)\b", REVERSIBLE, NOTHING, _LOCAL),
    (r"(ps|df|du|free|top|uptime|ls|stat|ss|netstat|lsof|ping|dig|nslookup|host|hostname|id|whoami|date|uname|nproc|lsblk)\b|"
     r"openssl (x509|s_client|verify)\b|ip (-\S+ )*(a|addr|r|route|link|neigh)\b(?!.* (add|del|set|flush)\b)", READS, STATE, _LOCAL),
    (r"(grep|egrep|zgrep|cat|zcat|head|tail|jq|yq|wc|sort|uniq|awk|cut|tr|column|less|sed(?! .*-i\b)|echo|printf|cd|pwd|export|set|true|false|:|test|"
     r"\[|\[\[|source|\.|base64|"
     r"xargs|exit|return|break|continue|local|declare|shift|basename|dirname|seq|find(?! .*(-delete|-exec)\b))(?= |$)", READS, NOTHING, _LOCAL),
)
_READING_SQL = re.compile(r"\s*(select|show|explain(?! analyze)|with\b(?!.*\b(insert|update|delete)\b)|table|\\[dlz?])", re.IGNORECASE | re.DOTALL)
_ENDS_SESSIONS = re.compile(r"pg_(terminate|cancel)_backend|\bkill\s+\d", re.IGNORECASE)
_PREFIXES = frozenset({"sudo", "time", "nohup", "command", "exec", "nice", "ionice", "stdbuf", "env", "builtin", "xargs", "!"})
_CLUSTER_FLAGS = re.compile(r"(?<= )(-n|--namespace|--context|--kubeconfig|--cluster) ?[ =]\S+ ?|(?<= )(-A|--all-namespaces)\b ?")
#: flags between a tool and its subcommand, and the word with which oc has kubectl's drain
_GLOBAL_FLAGS = re.compile(r"^(kubectl|etcdctl|helm|docker|systemctl) (?:--[\w-]+=\S+ |--user |adm (?=drain|cordon|uncordon))+")
_DRY_RUN = ((r"kubectl (apply|patch|replace|drain|create)\b", "--dry-run=server"),
            (rf"kubectl delete (?!{_PODS}|pods?/)", "--dry-run=server"),
            (r"helm (upgrade|install|uninstall|rollback)\b", "--dry-run"),
            (r"terraform (apply|destroy)\b", "terraform plan"), (r"ansible-playbook\b", "--check"))


def act_of(words: t.Sequence[str]) -> Act:
    """What a command does, from its words."""
    words = _own(words)
    if not words:
        return Act(READS)
    inner = _inside(words)
    if inner:
        return _worse(act_of(inner), Act(READS, time=_API, asks_cluster=words[0] in ("kubectl", "oc")))
    line = " ".join(" ".join(["kubectl" if words[0] == "oc" else words[0].rsplit("/", 1)[-1], *words[1:]]).split())
    plain = _GLOBAL_FLAGS.sub(r"\1 ", " ".join(_CLUSTER_FLAGS.sub("", line).split()))
    kind, topic, time = _known(plain, words)
    asks_cluster = words[0] in ("kubectl", "oc", "helm") and not re.search(r"--(context|kubeconfig|kube-context)\b", line) and topic != CLUSTER
    return Act(kind, topic, _waited(plain, time), _task(plain, line), _endless(plain), _dry_run(plain, kind), asks_cluster)


def worst(acts: t.Sequence[Act]) -> Act:
    """What commands do together: as bad as the worst; the first that is good for something says for what."""
    found = acts[0]
    for act in acts[1:]:
        found = _worse(found, act)
    return found


def _worse(one: Act, other: Act) -> Act:
    leading, second = (one, other) if KINDS.index(one.kind) >= KINDS.index(other.kind) else (other, one)
    topic = leading.topic if leading.topic != NOTHING or leading.kind in (REVERSIBLE, IRREVERSIBLE, DESTROYS) else second.topic
    time = Time(one.time.median + other.time.median, one.time.high + other.time.high, leading.time.basis)
    return Act(leading.kind, topic, time, leading.task or second.task, one.endless or other.endless, leading.dry_run, one.asks_cluster or other.asks_cluster)


def _known(plain: str, words: t.Sequence[str]) -> tuple[str, str, Time]:
    if words[0] in ("psql", "mysql"):
        return _sql(words)
    if words[0] in ("curl", "wget"):
        writes = re.search(r" (-X|--request)[ =]?(POST|PUT|PATCH|DELETE)\b| (-d|--data\S*|-F|-T|--post-\S+)\b", plain)
        return (UNKNOWN, NOTHING, _HTTP) if writes else (READS, STATE, _HTTP)
    for pattern, kind, topic, time in _ROWS:
        if re.match(pattern, plain):
            return kind, topic, time
    return UNKNOWN, NOTHING, _NOT_KNOWN


def _sql(words: t.Sequence[str]) -> tuple[str, str, Time]:
    """By its statement; without one nobody can tell."""
    said = next((words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-c", "-e", "--command", "--execute") or re.fullmatch(r"-\w*[ce]", word)),
                next((word.partition("=")[2] for word in words if re.match(r"--(command|execute)=", word)), ""))
    if not said:
        return UNKNOWN, NOTHING, _SQL
    if _ENDS_SESSIONS.search(said):
        return DESTROYS, NOTHING, _SQL
    statements = [text for text in said.split(";") if text.strip()]
    return (READS, STATE, _SQL) if all(_READING_SQL.match(text) for text in statements) else (IRREVERSIBLE, NOTHING, _SQL)


def _own(words: t.Sequence[str]) -> list[str]:
    """Without what stands before the command."""
    words = list(words)
    while words and (words[0] in _PREFIXES or words[0] == "timeout"):
        limited = words.pop(0) == "timeout"
        while words and (words[0].startswith("-") or re.match(r"\w+=", words[0])):
            words.pop(0)
        if limited and words:
            words.pop(0)
    return words


def _inside(words: t.Sequence[str]) -> list[str]:
    """The command that another one runs somewhere else."""
    if words[0] == "ssh":
        # Options with a value of their own come before the host.
        at = 1
        while at < len(words) and words[at].startswith("-"):
            at += 2 if re.fullmatch(r"-[bcDEeFIiJLlmOopQRSWw]", words[at]) else 1
        return shlex.split(" ".join(words[at + 1:])) if _is_plain(words[at + 1:]) else []
    if words[0] == "chroot" and len(words) > 2:
        return list(words[2:])
    if words[0] in ("kubectl", "oc") and words[1:2] == ["debug"] and "--" in words:
        return list(words[list(words).index("--") + 1:])
    if words[0] in ("kubectl", "oc", "docker", "podman", "crictl") and "exec" in words[:4]:
        if "--" in words:
            return list(words[words.index("--") + 1:])
        after = list(words[list(words).index("exec") + 1:])
        return [] if words[0] in ("kubectl", "oc") else [word for word in after if not word.startswith("-")][1:]
    return []


def _is_plain(words: t.Sequence[str]) -> bool:
    """Whether a command for a shell elsewhere is one command, without what that shell would make of it."""
    return not any(re.search(r"[;&|<>`$()\n'\"]", word) for word in words)


def _waited(plain: str, time: Time) -> Time:
    pause = re.match(r"sleep (\d+(?:\.\d+)?)([smh]?)$", plain)
    if pause:
        seconds = float(pause[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[pause[2]]
        return Time(seconds, seconds, "as written")
    limit = re.search(r"--timeout[= ](\d+)([smh]?)", plain)
    if limit:
        seconds = float(limit[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[limit[2]]
        return Time(min(time.median, seconds), seconds, f"{time.basis}; its own time-out bounds it")
    return time


def _endless(plain: str) -> str:
    if re.match(r"kubectl rollout status\b(?!.*--timeout)(?!.*--watch=false)", plain):
        return "kubectl rollout status waits for as long as the rollout does not end"
    if re.match(r"(kubectl logs|tail|journalctl)\b.* (-f|-F|--follow)\b", plain) or re.match(r"(watch|top(?! .*-b))(?= |$)", plain):
        return "it follows until somebody stops it"
    if re.match(r"kubectl get\b.* (-w|--watch)\b", plain):
        return "it watches until somebody stops it"
    if re.match(r"curl\b(?!.*(--max-time|-m \d|--connect-timeout))", plain):
        return "curl waits for an answer without an end"
    if re.match(r"kubectl drain\b(?!.*--timeout)", plain):
        return "a drain waits for a disruption budget without an end"
    return ""


def _dry_run(plain: str, kind: str) -> str:
    return next((how for pattern, how in _DRY_RUN if re.match(pattern, plain)), "") if kind != READS else ""


#: what to use instead -> the command's words; named groups become arguments
_TASKS: tuple[tuple[str, str, dict[str, t.Any]], ...] = (
    (r"kubectl (?:rollout restart|delete pods?)\b", "sre.runbooks.workload_restart", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl scale\b", "sre.runbooks.workload_scale", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl rollout undo\b", "sre.runbooks.workload_rollback", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl set env\b", "sre.runbooks.workload_env", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl set resources\b", "sre.runbooks.workload_resources", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl rollout status\b", "sre.runbooks.rollout_info", {}),
    (r"kubectl rollout history\b", "sre.runbooks.rollout_history_info", {}),
    (r"kubectl logs\b", "sre.runbooks.workload_logs", {"incident_id": "{{ incident_id }}"}),
    (r"kubectl (?:top|describe) pods?\b", "sre.runbooks.workload_snapshot_info", {}),
)


def _task(plain: str, line: str) -> dict[str, t.Any]:
    """The task to use instead, written out; empty where nothing here does the same."""
    found = re.search(r" (?:-n|--namespace)[ =](\S+)", line)
    namespace = _word(found[1]) if found else "{{ target_namespace }}"
    target = re.search(r"\b(?:deployments?|deploy)(?:\.apps)?[/ ]([\w.-]+)", plain)
    for pattern, module, arguments in _TASKS:
        if re.match(pattern, plain):
            task: dict[str, t.Any] = {"namespace": namespace, "workload": _word(target[1]) if target else "{{ target_workload }}", **arguments}
            replicas, pairs = re.search(r"--replicas[= ](\d+)", plain), re.findall(r" ([A-Z_][A-Z0-9_]*)=(\S+)", plain)
            if module.endswith("scale"):
                task["replicas"] = int(replicas[1]) if replicas else "{{ replicas }}"
            if module.endswith("env"):
                task["env"] = dict(pairs) or "{{ env }}"
            return {module: task}
    objects = re.match(r"kubectl get ([a-z][\w.]*)(?: ([\w.-]+))?(?= |$)", plain)
    if objects and objects[1] in _OBJECTS:
        api, kind = _OBJECTS[objects[1]]
        named = {"name": objects[2]} if objects[2] and not objects[2].startswith("-") else {}
        place = {} if kind == "Node" or re.search(r" (-A|--all-namespaces)\b", line) else {"namespace": namespace}
        return {"kubernetes.core.k8s_info": {"api_version": api, "kind": kind, **named, **place}}
    file = re.match(r"kubectl (?:apply|create) .*-f ([\w./][\w./-]*)", plain)
    if file:
        return {"kubernetes.core.k8s": {"state": "present", "src": file[1], "namespace": namespace}}
    url = re.search(r"https?://\S+", plain) if plain.startswith("curl ") else None
    if url and not re.search(r" (-X|--request|-d|--data\S*|-F|-T)\b", plain):
        return {"ansible.builtin.uri": {"url": _word(url[0]), "timeout": 10}}
    unit = re.match(r"systemctl (restart|start|stop|reload) ([\w@.-]+)", plain)
    if unit:
        states = {"restart": "restarted", "start": "started", "stop": "stopped", "reload": "reloaded"}
        return {"ansible.builtin.systemd_service": {"name": unit[2], "state": states[unit[1]]}}
    pause = re.match(r"sleep (\d+)s?$", plain)
    return {"ansible.builtin.pause": {"seconds": int(pause[1])}} if pause else {}


_OBJECTS = {name: found for names, found in (
    (("pod", "pods", "po"), ("v1", "Pod")), (("node", "nodes", "no"), ("v1", "Node")), (("service", "services", "svc"), ("v1", "Service")),
    (("event", "events", "ev"), ("v1", "Event")), (("configmap", "configmaps", "cm"), ("v1", "ConfigMap")), (("pvc",), ("v1", "PersistentVolumeClaim")),
    (("endpoints", "ep"), ("v1", "Endpoints")), (("deployment", "deployments", "deploy"), ("apps/v1", "Deployment")),
    (("statefulset", "statefulsets", "sts"), ("apps/v1", "StatefulSet")), (("daemonset", "daemonsets", "ds"), ("apps/v1", "DaemonSet")),
    (("job", "jobs"), ("batch/v1", "Job")), (("hpa",), ("autoscaling/v2", "HorizontalPodAutoscaler")),
    (("ingress", "ingresses", "ing"), ("networking.k8s.io/v1", "Ingress"))) for name in names}


def _word(text: str) -> str:
    """A shell variable or a placeholder, which the parser has as ``_name_``, becomes a variable of Ansible."""
    return re.sub(r"\$\{?(\w+)\}?|^_(\w+)_$", lambda found: f"{{{{ target_{(found[1] or found[2]).lower()} }}}}", text.strip("'\""))
