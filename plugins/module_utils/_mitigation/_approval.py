# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed approval: a file that lists the changes, and an SSH signature of somebody who may approve.

Signatures are those of ``ssh-keygen -Y``: people have the keys, and an ``allowed_signers`` file says whose count. The approval holds no
value that could be a secret: of each field what is shown to people, and a digest of the whole.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import write_private
from ansible_collections.sre.runbooks.plugins.module_utils._mitigation._plan import Plan

#: what a signature is for: one that was made for something else does not count
PURPOSE = "sre.runbooks"
#: how long a request that nobody has changed may be approved
LASTS = datetime.timedelta(hours=1)
MOST_BYTES = 1 << 20
SECONDS = 10


@dataclasses.dataclass(frozen=True)
class Approved:
    """Who approved, how, and until when."""

    by: str
    how: str
    expires: str


def request(plan: Plan, cluster: str, incident_id: str, now: datetime.datetime) -> Json:
    """What is to be signed: this plan, on this cluster, for this incident, for an hour."""
    return {"plan": plan.hash, "cluster": cluster, "incident_id": incident_id,
            "expires": (now + LASTS).isoformat(timespec="seconds").replace("+00:00", "Z"), "changes": _changes(plan)}


def write_request(path: str, plan: Plan, cluster: str, incident_id: str, now: datetime.datetime) -> list[str]:
    """Put the request where somebody can sign it; lines that say how."""
    written = write_private(pathlib.Path(path).expanduser(), json.dumps(request(plan, cluster, incident_id, now), indent=1) + "\n")
    return [f"to approve: look at {written}, then ssh-keygen -Y sign -n {PURPOSE} -f ~/.ssh/id_ed25519 {written}"]


def verify(path: str, approvers: str, plan: Plan, cluster: str, incident_id: str, now: datetime.datetime) -> Approved:
    """Refuse unless every change of the plan stands in an approval that somebody who may approve has signed.

    A part of what was approved may be made: a ladder makes one step at a time.

    :param path: of the approval; its signature lies beside it, with ``.sig`` behind its name.
    :param approvers: path of the ``allowed_signers``.
    """
    if not path:
        raise Refused(f"Cluster {cluster}: plan {plan.hash} needs a signed approval (runbooks_approvers is set). Nothing was changed.",
                      "Run with --check and -e runbooks_approval_request=FILE, have FILE signed, and run with -e runbooks_approval=FILE.")
    content = _content(path)
    by, key = _signer(path, content, approvers)
    try:
        approval = json.loads(content)
        approved, expires = approval["changes"], datetime.datetime.fromisoformat(approval["expires"].replace("Z", "+00:00"))
        if expires.tzinfo is None:
            raise ValueError("no time zone")
        digests = {change["digest"] for change in approved}
        about = (approval["cluster"], approval["incident_id"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path} is signed by {by}, but is no approval ({type(error).__name__}). Nothing was changed.", "") from None
    if about != (cluster, incident_id):
        raise Refused(f"The approval {path} of {by} is for incident {about[1]} on {about[0]}, not for {incident_id} on {cluster}. Nothing was changed.",
                      "Have this run's plan approved, with the same incident_id.")
    if expires < now:
        raise Refused(f"The approval {path} of {by} expired at {approval['expires']}. Nothing was changed.", "Have the plan approved again.")
    drifted = [change for change in _changes(plan) if change["digest"] not in digests]
    if drifted:
        raise Refused(f"The plan is not what {by} approved: {'; '.join(_drift(change, approved) for change in drifted)}. Nothing was changed.",
                      "Look at it, and have it approved as it is now.")
    return Approved(by, key, approval["expires"])


def _changes(plan: Plan) -> list[Json]:
    """Each field of each change: what is shown of it, and a digest of all of it with the identity of the object."""
    rows = []
    for change in plan.changes:
        for field in change.fields:
            content = json.dumps([change.action, str(change.target), change.uid, dataclasses.asdict(field)], sort_keys=True)
            rows.append({"action": change.action, "target": str(change.target), "summary": redact(change.summary), "path": field.path,
                         "shown": [f"{path}: {before} -> {after}" for path, before, after in field.shown()],
                         "digest": hashlib.sha256(content.encode()).hexdigest()})
    return rows


def _drift(change: Json, approved: t.Sequence[Json]) -> str:
    before = next((other for other in approved if (other.get("target"), other.get("path")) == (change["target"], change["path"])), None)
    if before is None:
        return f"{change['summary']} was not approved"
    if before.get("shown") == change["shown"]:
        return f"{change['target']} is another object or another value now ({change['path']})"
    return f"{change['target']} {', '.join(change['shown'])}, where {', '.join(map(str, before.get('shown') or ()))} was approved"


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"The approval {path} cannot be read ({error.strerror}).", "Check runbooks_approval; nothing was changed.") from None
    if len(content) > MOST_BYTES:
        raise InvalidInput(f"The approval {path} is larger than {MOST_BYTES} bytes.", "Check runbooks_approval; nothing was changed.")
    return content


def _signer(path: str, content: bytes, approvers: str) -> tuple[str, str]:
    """Who signed exactly these bytes, and with which key."""
    if not shutil.which("ssh-keygen"):
        raise InvalidInput("Signed approvals need ssh-keygen, which is not on this controller.", "Install the OpenSSH client. Nothing was changed.")
    if not pathlib.Path(approvers).is_file():
        raise InvalidInput(f"There is no {approvers}, which is to say who may approve.", "Check runbooks_approvers; nothing was changed.")
    signature = f"{path}.sig"
    found = _ssh_keygen("find-principals", content, "-s", signature, "-f", approvers)
    by = found.stdout.split("\n", 1)[0].strip()
    checked = _ssh_keygen("verify", content, "-s", signature, "-f", approvers, "-I", by, "-n", PURPOSE) if found.returncode == 0 and by else found
    if checked.returncode != 0 or not by:
        raise Refused(f"{path} has no signature of somebody in {approvers} that counts. Nothing was changed.",
                      f"Sign it with ssh-keygen -Y sign -n {PURPOSE} -f KEY {path}, after its last change.")
    key = re.search(r"SHA256:\S+", checked.stdout)
    return by, f"SSH key {key[0]}" if key else "SSH key"


def _ssh_keygen(what: str, content: bytes, *options: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", what, *options], input=content.decode("utf-8", "surrogateescape"), errors="surrogateescape",
                              capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(f"ssh-keygen did not end within {SECONDS} s. Nothing was changed.", "") from None
