# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way to run a module: in the Ansible worker, or on a remote host as an ordinary module.

A module has ``ARGUMENT_SPEC`` and ``run(task) -> dict``. Its ``main()`` calls ``run_module``;
the action plugin of the same name calls ``run`` in the worker (see ``plugin_utils/action.py``).
"""

from __future__ import annotations

import dataclasses
import traceback
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Connection
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import REMOVED, redact
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore

Result = t.Dict[str, t.Any]

#: from -vvv on a traceback is shown, without secrets
TRACEBACK_VERBOSITY = 3

CONNECTION_SPEC: dict[str, dict[str, t.Any]] = {
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_token": {"type": "str", "no_log": True},
    "ca_cert": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "strict_certificates": {"type": "bool", "default": True},
    "proxy": {"type": "str"},
    "request_timeout": {"type": "float", "default": 15.0},
    "retries": {"type": "int", "default": 2},
    "cluster_name": {"type": "str", "default": "cluster"},
}
TARGET_SPEC: dict[str, dict[str, t.Any]] = {
    "namespace": {"type": "str", "required": True},
    "workload": {"type": "str", "required": True},
    "container": {"type": "str"},
}
INCIDENT_SPEC: dict[str, dict[str, t.Any]] = {
    "incident_id": {"type": "str", "required": True},
}
EVIDENCE_SPEC: dict[str, dict[str, t.Any]] = {
    "incident_id": {"type": "str"},
    "incidents_dir": {"type": "path", "default": "incidents"},
}


#: options of every module that reads one incident's record and writes beside its evidence
INCIDENT_SPEC: dict[str, dict[str, t.Any]] = {
    "incident_id": {"type": "str", "required": True},
    "incidents_dir": {"type": "path", "default": "incidents"},
    "namespace": {"type": "str", "required": True},
}


@dataclasses.dataclass
class Task:
    """What a module's ``run`` gets.

    :param params: validated parameters.
    :param check_mode: change nothing.
    :param progress: shows one line to the person who waits (nothing when run remotely).
    :param directory: private to this run, and removed when it ends, however it ends.
    """

    params: dict[str, t.Any]
    check_mode: bool = False
    progress: t.Callable[[str], None] = lambda line: None
    directory: str = ""

    def cluster(self) -> Cluster:
        """Connect to the cluster of this task (no request is sent yet)."""
        p = self.params
        return Cluster(Connection(
            name=p["cluster_name"], kubeconfig=p["kubeconfig"] or "", context=p["context"] or "",
            host=p["host"] or "", token=p["api_token"] or "", ca_cert=p["ca_cert"] or "",
            validate_certs=p["validate_certs"], strict_certificates=p["strict_certificates"], proxy=p["proxy"] or "", timeout=p["request_timeout"],
            retries=p["retries"], directory=self.directory))

    def evidence(self) -> EvidenceStore | None:
        """The evidence store of the task's incident, or None where nothing is to be saved."""
        if not self.params.get("incident_id") or self.check_mode:
            return None
        return EvidenceStore(self.params["incidents_dir"], self.params["incident_id"], self.params["cluster_name"])


def failure(error: RunbookError) -> Result:
    """The module result of an error: one paragraph, and the facts behind it."""
    return {"failed": True, "msg": str(error), "next_step": error.next_step, **error.details}


def attempt(argument_spec: t.Mapping[str, t.Mapping[str, t.Any]], run: t.Callable[[Task], Result], task: Task, verbosity: int) -> Result:
    """What a module's ``run`` returns, or its failure, whatever it raises.

    :param verbosity: how often ``-v`` was given.
    """
    try:
        return {"changed": False, **run(task)}
    except RunbookError as error:
        return {"changed": False, **failure(error), **_keep(task, run, error)}
    except Exception as error:  # the boundary: nothing may reach Ansible, which would print it with what it holds
        return {"changed": False, **_unexpected(argument_spec, run, task.params, error, verbosity)}


def _keep(task: Task, run: t.Callable[[Task], Result], error: RunbookError) -> Result:
    """Save what a tool has printed, where there is an incident to save it for."""
    store = task.evidence() if error.output and "incidents_dir" in task.params else None
    if store is None:
        return {}
    module = run.__module__.rpartition(".")[2]
    item = store.save_text(f"failed-{module}.txt", "tool_output", f"what {module} was told when it failed", error.output)
    return {"evidence": [str(store.path(item.name))]}


def _unexpected(argument_spec: t.Mapping[str, t.Mapping[str, t.Any]], run: t.Callable[[Task], Result], params: t.Mapping[str, t.Any],
                error: Exception, verbosity: int) -> Result:
    """An error that nobody foresaw: one paragraph with what was worked on; its traceback only for those who ask."""
    secrets = [str(params[name]) for name, option in argument_spec.items() if option.get("no_log") and params.get(name)]
    about = " ".join(str(params[name]) for name in ("namespace", "workload", "incident_id") if params.get(name))
    said = " ".join(_without(secrets, str(error)).split())[:300]
    module = run.__module__.rpartition(".")[2]
    next_step = ("This is a fault of the collection or something that it does not know. Run the same command again with -vvv, which adds the "
                 "traceback without secrets, and report it; what had been changed is in the incident's record, and undo takes it back.")
    result = {"failed": True, "next_step": next_step, "msg":
              f"Cluster {params.get('cluster_name', 'cluster')}: {module}{f' of {about}' if about else ''} met an unexpected "
              f"{type(error).__name__}{f': {said}' if said else ''}. {next_step}"}
    if verbosity >= TRACEBACK_VERBOSITY:
        result["traceback"] = _without(secrets, "".join(traceback.format_exception(error)))
    return result


def _without(secrets: t.Sequence[str], text: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    return redact(text)


def run_module(argument_spec: dict[str, dict[str, t.Any]], run: t.Callable[[Task], Result],
               required_if: t.Sequence[t.Sequence[t.Any]] = ()) -> None:
    """Run as an ordinary module (a bastion host)."""
    module = AnsibleModule(argument_spec=argument_spec, required_if=required_if, supports_check_mode=True)
    result = attempt(argument_spec, run, Task(module.params, module.check_mode, directory=module.tmpdir), module._verbosity)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
