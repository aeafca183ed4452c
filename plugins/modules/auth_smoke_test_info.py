#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_smoke_test_info
short_description: Try authentication as a client would, from inside the cluster
version_added: 0.1.0
description:
  - Logs in, has the token validated several times (each time by any replica), and makes sure that a forged token and a request
    without one are refused. Asks with C(curl) from the O(prober); password and token appear in no log and on no command line.
  - Without O(user) only the refusals are tried.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes.info
  - sre.runbooks.cluster
options:
  namespace:
    description: Namespace of the O(prober).
    type: str
    required: true
  prober:
    description: Workload from whose pod it is asked.
    type: str
    default: debug-pod
  url:
    description: Base URL of the service as the O(prober) sees it.
    type: str
    default: http://auth-service:8080
  login_path:
    description: Path to POST the log-in to.
    type: str
    default: /login
  validate_path:
    description: Path to GET with a bearer token.
    type: str
    default: /validate
  user:
    description: A user who may log in.
    type: str
  password:
    description: The user's password.
    type: str
  login_fields:
    description: Names of the fields for user and password in the log-in, and of the token in its answer.
    type: dict
    default: {user: user, password: password, token: token}
  validations:
    description: How often the token is validated.
    type: int
    default: 6
  slow_ms:
    description: A step that takes more milliseconds fails.
    type: float
    default: 2000.0
  attempts:
    description: How often to try until everything passes, with O(pause) between.
    type: int
    default: 1
  pause:
    description: Seconds between two attempts.
    type: float
    default: 3.0
"""

EXAMPLES = r"""
- name: verify | Log in as a client would
  sre.runbooks.auth_smoke_test_info:
    namespace: ai-development
    user: "{{ smoke_test_user | default(omit) }}"
    password: "{{ smoke_test_password | default(omit) }}"
"""

RETURN = r"""
passed:
  description: Whether every step was as it should be.
  type: bool
  returned: success
complete:
  description: Whether a log-in was tried.
  type: bool
  returned: success
steps:
  description: Each with name, passed, ms and text.
  type: list
  elements: dict
  returned: success
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import time

from ansible_collections.sre.runbooks.plugins.module_utils._auth import _smoke_test
from ansible_collections.sre.runbooks.plugins.module_utils._auth._smoke_test import Service
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    "namespace": {"type": "str", "required": True},
    "prober": {"type": "str", "default": "debug-pod"},
    "url": {"type": "str", "default": "http://auth-service:8080"},
    "login_path": {"type": "str", "default": "/login"},
    "validate_path": {"type": "str", "default": "/validate"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "login_fields": {"type": "dict", "default": {"user": "user", "password": "password", "token": "token"}},
    "validations": {"type": "int", "default": 6},
    "slow_ms": {"type": "float", "default": 2000.0},
    "attempts": {"type": "int", "default": 1},
    "pause": {"type": "float", "default": 3.0},
}


def run(task: Task) -> Result:
    """Try until everything passes, or as often as allowed."""
    p, cluster = task.params, task.cluster()
    service = Service(p["namespace"], p["prober"], p["url"].rstrip("/"), p["login_path"], p["validate_path"], p["login_fields"],
                      p["user"] or "", p["password"] or "", p["validations"], p["slow_ms"])
    steps = _smoke_test.test(cluster, service)
    for _attempt in range(1, p["attempts"]):
        if all(step.passed for step in steps):
            break
        time.sleep(p["pause"])
        steps = _smoke_test.test(cluster, service)
    passed = all(step.passed for step in steps)
    says = [f"{step.name}: {step.text}" for step in steps if not step.passed] or [f"passed: {', '.join(step.name for step in steps)}"]
    return {"passed": passed, "complete": bool(p["user"]), "steps": [step.to_json() for step in steps],
            "says": says if p["user"] else [*says, "no log-in was tried: no user is given"]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
