# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of its own that delivers, so that no receiver holds up a runbook. What it is to do comes on its standard input,
because arguments can be read by everybody on the machine."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _channels, _delivery, _outbox
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import Channel
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, Task

Json = t.Dict[str, t.Any]

#: seconds that a sender goes on by itself; the next announcement or `incident/remind.yml` takes over what still waits then
PATIENCE = 300.0


def start(task: Task, incident_ids: t.Sequence[str], channels: t.Sequence[Channel], wait: float, timeout: float) -> None:
    """Begin to deliver what waits in the outboxes, and wait so many seconds for it.

    A module that was copied to a bastion host is gone with its task, so there it delivers itself, for that long.
    """
    if not incident_ids:
        return
    order = {"connection": {name: task.params[name] for name in CONNECTION_SPEC}, "namespace": task.params["namespace"],
             "incident_ids": list(incident_ids), "channels": [dict(channel) for channel in channels], "timeout": timeout, "patience": PATIENCE}
    here = pathlib.Path(__file__)
    if not here.is_file():
        work({**order, "patience": wait}, task.directory)
        return
    process = subprocess.Popen(  # it outlives this one on purpose
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here.parents[6]), *filter(None, sys.path)])})
    with contextlib.suppress(BrokenPipeError), t.cast(t.IO[bytes], process.stdin) as order_of_work:
        order_of_work.write(json.dumps(order).encode())
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(wait)


def work(order: Json, directory: str) -> None:
    """Deliver as ordered; a record that cannot be reached is left to the next sender."""
    cluster = Task(order["connection"], directory=directory).cluster()
    channels = _channels.checked(order["channels"])
    for incident_id in order["incident_ids"]:
        incident = Incident.load(cluster, order["namespace"], incident_id)
        _delivery.deliver(incident, channels, order["patience"], order["timeout"])


def waiting(incident: Incident) -> bool:
    """Whether anything in its outbox is not settled."""
    return any(one.state not in _outbox.FINAL for one in _outbox.deliveries(incident))


def main() -> None:
    """Read the order, and deliver. Threads that a receiver still holds up end with the process."""
    order = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as directory:
        with contextlib.suppress(RunbookError):
            work(order, directory)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
