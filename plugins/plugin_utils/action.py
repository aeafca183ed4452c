# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's ``run`` inside the Ansible worker: no new interpreter, imports shared by the fork."""

from __future__ import annotations

import concurrent.futures
import contextvars
import re
import types
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt
from ansible_collections.sre.runbooks.plugins.plugin_utils import progress

display = Display()
LISTEN_EVERY = 0.5

#: module option -> host variable that supplies it when the task does not
HOST_VARIABLES = {
    "kubeconfig": "runbooks_kubeconfig",
    "context": "runbooks_context",
    "host": "runbooks_host",
    "api_token": "runbooks_token",
    "ca_cert": "runbooks_ca_cert",
    "validate_certs": "runbooks_validate_certs",
    "strict_certificates": "runbooks_strict_certificates",
    "proxy": "runbooks_proxy",
    "request_timeout": "runbooks_request_timeout",
    "retries": "runbooks_retries",
    "cluster_name": "inventory_hostname",
    "incidents_dir": "runbooks_incidents_dir",
    "respect_owners": "runbooks_respect_owners",
    "prometheus": "runbooks_prometheus",
    "approvers": "runbooks_approvers",
    "approval": "runbooks_approval",
    "approval_request": "runbooks_approval_request",
    "assistant": "runbooks_assistant",
}


#: how the validator says it, and what the types are in plain words, with an example
_INCONVERTIBLE = re.compile(r"argument '(\w+)' is of type .* unable to convert to (float|int|bool)\b", re.DOTALL)
_TYPES = {"float": ("a number", "30"), "int": ("a whole number", "3"), "bool": ("a truth value", "true, false")}


def _interruptible(work: t.Callable[[], t.Any]) -> t.Any:
    """Do something in a thread: Ctrl-C is handled in the main one, which would be deaf during a long call into C.

    It has to wake up now and then, because another thread may have been given the signal.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(contextvars.copy_context().run, work)
        while not concurrent.futures.wait([future], LISTEN_EVERY).done:
            pass
        return future.result()


def _plainly(message: str, arguments: t.Mapping[str, t.Any], called: t.Mapping[str, str]) -> str:
    """An error of validation with the value, and with the variable that a person has set instead of the option that nobody has."""
    inconvertible = _INCONVERTIBLE.match(message)
    if inconvertible:
        option, wanted = inconvertible.groups()
        what, example = _TYPES[wanted]
        return f"{called.get(option, option)} is {str(arguments.get(option, ''))[:80]!r}, which is not {what}. For example: {example}."
    for option, variable in called.items():
        message = message.replace(f"'{option}'", f"'{variable}'")
    return f"{message}."


def _not_run(why: str, next_step: str) -> dict[str, t.Any]:
    return {"failed": True, "msg": f"{why} {next_step}", "next_step": next_step}


class WorkerAction(ActionBase):
    """Runs ``module`` in the worker when the connection is local, else as an ordinary module."""

    module: t.ClassVar[types.ModuleType]
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the task and return its result."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self._arguments(variables)
        called = {option: variable for option, variable in HOST_VARIABLES.items()
                  if option in arguments and option not in self._task.args and option != "cluster_name"}
        if self._connection.transport not in ("local", "ansible.builtin.local"):
            result.update(self._remotely(arguments, variables))
            return result
        validation = ArgumentSpecValidator(
            self.module.ARGUMENT_SPEC, required_if=getattr(self.module, "REQUIRED_IF", None)).validate(arguments)
        if validation.error_messages:
            result.update(failed=True, msg=" ".join(_plainly(message, arguments, called) for message in validation.error_messages))
            return result
        # A worker ends without the clean-up of Python's own end, so the client's files are put where Ansible removes them.
        task = Task(validation.validated_parameters, bool(self._task.check_mode), progress.teller(variables.get("inventory_hostname", "")), C.DEFAULT_LOCAL_TMP)
        result.update(_interruptible(lambda: attempt(self.module.ARGUMENT_SPEC, self.module.run, task, display.verbosity, called)))
        return result

    def _remotely(self, arguments: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """The module's result with the host that it ran on; a failure where that does not answer, which would end without a word or outcome."""
        name = variables.get("inventory_hostname", "")
        host = variables.get("ansible_host") or name
        try:
            result = self._execute_module(module_args=arguments, task_vars=variables)
        except AnsibleConnectionFailure as error:
            return _not_run(f"Cluster {name}: {host}, on which its tasks were to run ({self._connection.transport}), does not answer: {error}.",
                            "A cluster that is reached from here needs ansible_connection: local; where it is reached from another host, that is "
                            "ansible_host, and must let you in.")
        if result.get("failed") and "module_stdout" in result:
            said = " ".join(redact(f"{result['module_stdout']} {result.get('module_stderr') or ''}").split())[-300:]
            return _not_run(f"Cluster {name}: the task did not run on {host}: {said}.",
                            "ansible_python_interpreter names a Python 3.11 or newer there, with the collection's requirements.")
        return {**result, "ran_on": host}

    def _arguments(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = dict(self._task.args)
        for option, variable in HOST_VARIABLES.items():
            if option in self.module.ARGUMENT_SPEC and arguments.get(option) is None:
                value = variables.get(variable)
                if value not in (None, ""):
                    arguments[option] = self._templar.template(value)
        return arguments
