# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module's ``run`` inside the Ansible worker: no new interpreter, imports shared by the fork."""

from __future__ import annotations

import concurrent.futures
import contextvars
import types
import typing as t

from ansible import constants as C
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
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
}


def _interruptible(work: t.Callable[[], t.Any]) -> t.Any:
    """Do something in a thread: Ctrl-C is handled in the main one, which would be deaf during a long call into C.

    It has to wake up now and then, because another thread may have been given the signal.
    """
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(contextvars.copy_context().run, work)
        while not concurrent.futures.wait([future], LISTEN_EVERY).done:
            pass
        return future.result()


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
        if self._connection.transport not in ("local", "ansible.builtin.local"):
            result.update(self._execute_module(module_args=arguments, task_vars=variables))
            return result
        validation = ArgumentSpecValidator(
            self.module.ARGUMENT_SPEC, required_if=getattr(self.module, "REQUIRED_IF", None)).validate(arguments)
        if validation.error_messages:
            result.update(failed=True, msg="; ".join(validation.error_messages))
            return result
        # A worker ends without the clean-up of Python's own end, so the client's files are put where Ansible removes them.
        task = Task(validation.validated_parameters, bool(self._task.check_mode), progress.teller(variables.get("inventory_hostname", "")), C.DEFAULT_LOCAL_TMP)
        result.update(_interruptible(lambda: attempt(self.module.ARGUMENT_SPEC, self.module.run, task, display.verbosity)))
        return result

    def _arguments(self, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = dict(self._task.args)
        for option, variable in HOST_VARIABLES.items():
            if option in self.module.ARGUMENT_SPEC and arguments.get(option) is None:
                value = variables.get(variable)
                if value not in (None, ""):
                    arguments[option] = self._templar.template(value)
        return arguments
