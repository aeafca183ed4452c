# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A heap dump of one pod: room checked, made, brought out, verified, and removed there."""

from __future__ import annotations

import concurrent.futures
import shutil
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import first_sentence
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, Item
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _transfer
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._candidates import Candidate
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._jvm import UNSET, Directory, Jvm

try:
    from kubernetes.utils.quantity import parse_quantity
except Exception:
    pass

#: a dump writes more than the objects' own bytes: headers, and 8 bytes for each reference
DUMP_PER_HEAP = 1.4
DUMP_SECONDS = 900.0
Tell = t.Callable[[str], None]


def choose_directory(cluster: Cluster, candidate: Candidate, wanted: str) -> Directory:
    """Where the dump fits: not in memory, not over a volume's size limit.

    :raises RunbookError: there is no such directory, with how much is needed and what was found.
    """
    jvm = t.cast(Jvm, candidate.jvm)
    needed = int(candidate.heap_used * DUMP_PER_HEAP)
    limits = _size_limits(candidate.pod)
    fitting = [place for place in jvm.directories if (not wanted or place.path == wanted) and not place.in_memory
               and min(place.free, limits.get(place.path, place.free)) >= needed]
    if fitting:
        return max(fitting, key=lambda place: place.free)
    seen = ", ".join(f"{place.path} {place.free >> 20} MiB{' in memory' if place.in_memory else ''}"
                     for place in jvm.directories) or "no writable directory"
    raise RunbookError(
        f"Cluster {cluster.name}: no room for a heap dump of about {needed >> 20} MiB in pod {candidate.name} "
        f"({wanted or 'found'}: {seen}). Nothing was written; the class histogram is saved.",
        "Mount an emptyDir on disk and set memory_leak_heap_dump_directory, or choose another pod with "
        "memory_leak_heap_dump_pod.")


def refuse_without_room_here(store: EvidenceStore, candidate: Candidate) -> None:
    """Refuse before anything is dumped when the controller's disk could not take it."""
    store.path("heap/x")
    free = shutil.disk_usage(store.directory).free
    if free < candidate.heap_used:
        raise RunbookError(
            f"The controller has {free >> 20} MiB free in {store.directory}, and the heap dump of pod {candidate.name} "
            f"may need {candidate.heap_used >> 20} MiB. Nothing was dumped; what was captured so far is kept.",
            "Free space, or set runbooks_incidents_dir to a directory with room.")


def capture(cluster: Cluster, store: EvidenceStore, incident_id: str, candidate: Candidate, place: Directory,
            live: bool, target: str, tell: Tell) -> tuple[Item, Json]:
    """Dump, pull, verify and register; the file in the pod is removed whatever happens.

    :param target: the workload, for the manifest.
    :returns: the evidence and the seconds that dump and pull took.
    """
    jvm = t.cast(Jvm, candidate.jvm)
    inside = f"{place.path.rstrip('/')}/runbooks-{incident_id}.hprof"
    compression = _transfer.choose(jvm.tools)
    name = f"heap/{candidate.name}.hprof{compression.suffix}"
    try:
        dump_seconds = _make(cluster, jvm, inside, live, tell)
        pulled = _transfer.pull(cluster, jvm.via, jvm.root + inside, compression, store.path(name), tell,
                                streams=1 if candidate.tight else _transfer.STREAMS)
    finally:
        _remove(cluster, jvm, inside)
    item = store.add(name, "heap_dump", f"jcmd {jvm.pid} GC.heap_dump{'' if live else ' -all'} in {jvm.via}",
                     pulled.stored_sha256, plain_sha256=pulled.sha256, plain_bytes=pulled.bytes, live=live,
                     target=target,
                     sensitive="a memory image: it may hold secrets and cannot be redacted")
    return item, {"dump": dump_seconds, "pull": pulled.seconds}


#: Makes the dump under a temporary name, so that a file of the final name is always a whole one; one trip for all of it.
_MAKE = f"""
{UNSET}""" + """
partial=$1$2.partial
[ -e "$1$2" ] && { echo there; exit 0; }
rm -f "$partial"
shift 2
out=$("$@") || { echo "$out" >&2; exit 1; }
case $out in *"dump file created"*) ;; *) echo "$out" >&2; rm -f "$partial"; exit 1 ;; esac
mv "$partial" "${partial%.partial}"
"""


def _make(cluster: Cluster, jvm: Jvm, inside: str, live: bool, tell: Tell) -> float:
    """Make the dump, or find the one that an interrupted run of this incident has made; returns the seconds."""
    started = time.monotonic()
    jcmd = jvm.command("GC.heap_dump", *(() if live else ("-all",)), f"{inside}.partial")
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        dump = pool.submit(lambda: _exec.run(
            cluster, jvm.via, ["sh", "-c", _MAKE, "make", jvm.root, inside, *jcmd], DUMP_SECONDS))
        while not concurrent.futures.wait([dump], timeout=3).done:
            tell(f"dumping the heap of {jvm.via.pod}: {time.monotonic() - started:.0f} s (the JVM stands still)")
        done = dump.result()
    if done.code:
        if done.code == _transfer.KILLED:
            raise ClusterError(f"Cluster {cluster.name}: {jvm.via} was killed while its heap was dumped")
        raise RunbookError(f"Cluster {cluster.name}: {jvm.via} made no heap dump: {first_sentence(done.stderr)}.",
                           "Look for room and permissions in that directory; the class histogram is saved.", output=done.stderr)
    if done.text.strip() == "there":
        tell("a dump of this incident is there already: continuing with it")
    return round(time.monotonic() - started, 2)


def _remove(cluster: Cluster, jvm: Jvm, inside: str) -> None:
    """Best effort: a pod that has died has taken the file with it."""
    try:
        _exec.run(cluster, jvm.via, ["rm", "-f", jvm.root + inside, jvm.root + inside + ".partial",
                                     f"{jvm.root}/tmp/.attach_pid{jvm.pid}"])
    except ClusterError:
        pass


def _size_limits(pod: Json) -> dict[str, int]:
    """Size limits of the pod's emptyDirs by mount path: a file over it gets the pod evicted."""
    limits = {volume["name"]: int(parse_quantity(volume["emptyDir"]["sizeLimit"])) for volume in
              pod["spec"].get("volumes", []) if (volume.get("emptyDir") or {}).get("sizeLimit")}
    return {mount["mountPath"]: limits[mount["name"]] for container in pod["spec"]["containers"]
            for mount in container.get("volumeMounts", []) if mount["name"] in limits}
