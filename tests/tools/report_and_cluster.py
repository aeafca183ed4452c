# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a report says of a cluster is so there: ``kubectl get KINDS -o json --show-managed-fields | report_and_cluster.py REPORT.json``.

It knows nothing of the collection's code. Changes that are done have the values that the report names, were written when it says so, and a
rollback's revision is the one that runs, and services that it draws are there.
"""

from __future__ import annotations

import datetime
import json
import pathlib
import re
import sys
import typing as t

Json = dict[str, t.Any]
_STEP = re.compile(r'\["([^"]+)"\]|\[([^\]]+)\]|([^.\[\]]+)')
_REVISION, _HISTORY = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
#: what is asked of the cluster; a change of anything else, such as a role of a database, is not looked at
KINDS = {"deployment", "statefulset", "daemonset", "cronjob", "configmap", "replicaset"}
#: seconds between a write in the cluster and its line in the record
SLACK = 5.0


def differences(report: Json, objects: t.Sequence[Json]) -> list[str]:
    """Each thing that the report says and the cluster does not."""
    there = {(one["kind"].lower(), one["metadata"]["name"]): one for one in objects}
    services = [tuple(service.split("/", 1)) for service in sorted(_services(report))]
    found = [f"{'/'.join(one)} is in the report and not in the cluster" for one in services if one[0] in KINDS and one not in there]
    later: set[tuple[str, str]] = set()
    for change in reversed(report["changes"]):
        kind, _slash, name = change["target"].partition("/")[2].partition("/")
        if change["state"] == "done" and kind.lower() in KINDS:
            one = there.get((kind.lower(), name))
            alone = sum(other["target"] == change["target"] for other in report["changes"]) == 1
            fields = [field for field in change["fields"] if (change["target"], field["path"]) not in later]
            told = [*_of_fields(fields, one), *_of_time(change["at"], one, alone), *_of_revision(change, one, objects)] if one else ["its object is not there"]
            found += [f"change {change['number']}: {why}" for why in told]
        later |= {(change["target"], field["path"]) for field in change["fields"]}
    return found


def _services(report: Json) -> set[str]:
    return {edge[end] for edge in report["dependencies"] for end in ("source", "target")} | {one["service"] for one in report["affected"]}


def _of_fields(fields: t.Iterable[Json], one: Json) -> t.Iterator[str]:
    for field in fields:
        value = _at(one, field["path"])
        if not _same(value, field["after"]):
            yield f"{field['path']} is {value!r}, and the report says {field['after']!r}"


def _of_time(at: str, one: Json, alone: bool) -> t.Iterator[str]:
    """The API server keeps the last write of a manager only, so a time is compared exactly where the object was changed once."""
    times = [_moment(entry["time"]) for entry in one["metadata"].get("managedFields", []) if "runbooks" in entry["manager"] and "time" in entry]
    if times:
        ahead = (_moment(at) - max(times)).total_seconds()
        if ahead > SLACK or alone and ahead < -SLACK:
            yield f"was written at {max(times)}, and the report says {at}"


def _of_revision(change: Json, one: Json, objects: t.Sequence[Json]) -> t.Iterator[str]:
    back = re.search(r"back to revision (\d+)", change["summary"])
    if back and back[1] not in _revisions(one, objects):
        yield f"what runs is not what revision {back[1]} was"


def _revisions(deployment: Json, objects: t.Sequence[Json]) -> set[str]:
    """The numbers that the revision that runs has had."""
    running = deployment["metadata"]["annotations"].get(_REVISION)
    for one in objects:
        notes = one["metadata"].get("annotations", {})
        owners = [owner["name"] for owner in one["metadata"].get("ownerReferences", [])]
        if one["kind"] == "ReplicaSet" and deployment["metadata"]["name"] in owners and notes.get(_REVISION) == running:
            return {running, *notes.get(_HISTORY, "").split(",")}
    return set()


def _at(value: t.Any, path: str) -> t.Any:
    """The value at ``spec.containers[app].env[name=NAME]`` or ``metadata.annotations["a.b/c"]``; None where there is none."""
    for quoted, name, key in _STEP.findall(path):
        name = name.removeprefix("name=")
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict) and item.get("name") == (name or quoted)), None)
        elif isinstance(value, dict):
            value = value.get(quoted or name or key)
        else:
            return None
    return _bare(value)


def _bare(value: t.Any) -> t.Any:
    """Of a variable of the environment its text."""
    return value.get("value", value) if isinstance(value, dict) and set(value) <= {"name", "value"} else value


def _same(value: t.Any, said: t.Any) -> bool:
    """Also where the report has the value as text, and quantities in another form."""
    said = _bare(said)
    if value == said or str(value) == str(said) or value is None and said in ("", None):
        return True
    if isinstance(said, str):
        try:
            return json.loads(said) == value
        except ValueError:
            return "removed" in said
    return False


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


if __name__ == "__main__":
    wrong = differences(json.loads(pathlib.Path(sys.argv[1]).read_text()), json.load(sys.stdin)["items"])
    sys.exit("\n".join(wrong) or 0)
