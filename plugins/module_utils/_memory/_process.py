# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be had of the memory of a process that is no JVM, or none that can be asked: the kernel's own account, and Go's heap profile."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _pod_metrics, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import now
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _jvm, _room
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._room import Entry

#: The cgroup, then the largest process: nothing but what a shell has itself is started where /proc can be read without.
_LOOK = _jvm.CGROUP + r"""
most=0
for p in /proc/[0-9]*; do
  set -- $(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' $p/status 2>/dev/null) 0
  [ "$1" -gt "$most" ] && most=$1 && largest=$p
done
[ -n "$largest" ] || exit 0
echo "process ${largest#/proc/} $(cat $largest/comm)"
sed -nE 's/^Threads:[^0-9]*/number threads /p' $largest/status
set -- $largest/fd/*
[ -e "$1" ] && echo "number files $#"
sed -nE 's/^(Rss|Anonymous|Private_Dirty|Swap): *([0-9]+) kB/smaps \1 \2/p' $largest/smaps_rollup 2>/dev/null
exit 0
"""
PROFILE_PATH = "/debug/pprof/heap?debug=1"
PROFILE_SECONDS = 10.0
#: a site of Go's text profile: objects and bytes in use, then (on lines of their own) the functions that led there
_TOTAL = re.compile(r"heap profile: (\d+): (\d+) ")
_SITE = re.compile(r"^\d+: (\d+) \[\d+: \d+\] @.*\n((?:#\t.*\n?)*)", re.MULTILINE)
_FUNCTION = re.compile(r"^#\t0x[0-9a-f]+\t(\S+?)\+0x", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Profile:
    """What a heap profile of Go shows.

    :param live: bytes in use by the profile, which samples.
    :param site: the function that made most of it; empty where none is named.
    :param holds: bytes of that in use.
    """

    live: int
    site: str
    holds: int


@dataclasses.dataclass(frozen=True)
class Look:
    """One pod, as the kernel accounts for it.

    :param memory: anon, file, shmem, rss (bytes), threads, files (open), as far as known.
    :param process: id and name of the largest process, empty where it is not known.
    :param text: as it was read, for the evidence; empty where nothing was.
    :param profile: as the process gave it, likewise.
    :param why_not: why the pod was not looked into.
    """

    pod: str
    started_at: str | None
    at: str
    memory: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    process: str = ""
    text: str = ""
    profile: str = ""
    why_not: str = ""


def look(cluster: Cluster, target: Target, container: str | None, port: int | str, wanted: t.Sequence[str] = ()) -> list[Look]:
    """Look into every running pod that can bear it, those with room at once.

    :param port: where the process may serve profiles, as ``_pod_metrics.read`` takes it; 0 for nowhere.
    :param wanted: only these pods.
    """
    workload = _workload.read(cluster, target)
    found = _workload.pods(cluster, workload)
    name = _workload.main_container(workload, container, found)
    up = [pod for pod in found if _workload.container_status(pod, name).get("state", {}).get("running")]
    pods = {pod["metadata"]["name"]: pod for pod in up if not wanted or pod["metadata"]["name"] in wanted}
    entries = [entry for entry in _room.entries(_room.read(cluster, workload, up, name), "") if entry.pod in pods]

    def one(entry: Entry) -> Look:
        pod = pods[entry.pod]
        seen = _enter(cluster, pod, name, entry)
        return dataclasses.replace(seen, profile=profile_text(cluster, pod, port))

    together = each(one, [entry for entry in entries if not entry.alone])
    return [*together, *(one(entry) for entry in entries if entry.alone)]


def _enter(cluster: Cluster, pod: Json, container: str, entry: Entry) -> Look:
    started_at = _workload.container_status(pod, container)["state"]["running"].get("startedAt")
    blank = Look(entry.pod, started_at, now())
    if not entry.way:
        return dataclasses.replace(blank, why_not=entry.why_not)
    home = Container(pod["metadata"]["namespace"], entry.pod, container)
    try:
        done = _exec.run(cluster, home, ["sh", "-c", _LOOK])
    except ClusterError as error:
        return dataclasses.replace(blank, why_not=error.message)
    if done.code:
        return dataclasses.replace(blank, why_not=f"{home} has no shell ({done.code})")
    return parse(blank, done.text)


def parse(blank: Look, text: str) -> Look:
    """Read what the look printed."""
    rows = [line.split() for line in text.splitlines()]
    kept = {row[1]: int(row[2]) for row in rows if row[:1] == ["kept"] and len(row) == 3}
    numbers = {row[1]: int(row[2]) for row in rows if row[:1] == ["number"] and len(row) == 3}
    smaps = {row[1]: int(row[2]) << 10 for row in rows if row[:1] == ["smaps"]}
    rss = {"rss": smaps["Rss"]} if "Rss" in smaps else {}
    process = next((" ".join(row[1:]) for row in rows if row[:1] == ["process"]), "")
    return dataclasses.replace(blank, memory={**kept, **numbers, **rss}, process=process, text=text)


def profile_text(cluster: Cluster, pod: Json, port: int | str) -> str:
    """Go's heap profile as text, empty where the process serves none."""
    place = _pod_metrics.proxied(pod, port)
    if place is None or _pod_metrics.endpoint(port)[1] == "0":
        return ""
    try:
        text = cluster.raw("GET", place + PROFILE_PATH, timeout=PROFILE_SECONDS).decode("utf-8", "replace")
    except ClusterError:
        return ""
    return text if text.startswith("heap profile:") else ""


def parse_profile(text: str) -> Profile | None:
    """The site that holds most, of the functions that are not Go's own; None where the text is no profile."""
    total = _TOTAL.match(text)
    if not total:
        return None
    holds: dict[str, int] = {}
    for size, stack in _SITE.findall(text):
        functions = _FUNCTION.findall(stack)
        site = next((name for name in functions if not name.startswith("runtime.")), functions[0] if functions else "")
        holds[site] = holds.get(site, 0) + int(size)
    site = max((name for name in holds if name), key=lambda name: holds[name], default="")
    return Profile(int(total[2]), site, holds.get(site, 0))
