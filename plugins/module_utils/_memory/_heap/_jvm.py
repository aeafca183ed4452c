# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a pod's JVM and a way to talk to it."""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import first_sentence
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _debug, _room
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap._room import Entry

#: jcmd is a JVM too, and counts against the container's limit: a small heap and no compiler. What the application's JVM is told by the
#: environment (its heap, its agents) is not meant for it, and may contradict.
SMALL = ("-J-Xms2m", "-J-Xmx16m", "-J-XX:+UseSerialGC", "-J-Xint", "-J-XX:-UsePerfData")
UNSET = "unset JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS"

#: what every refusal to read a heap ends with
_WITHOUT = "To go on without a heap dump: memory_leak_heap_dump=false, or memory_leak_allow_missing_evidence=true."
#: cgroup v1 writes no limit as the largest number that it has
_UNLIMITED = 1 << 60

#: The container's room, and what its memory is made of, by its cgroup.
CGROUP = r"""
cd /sys/fs/cgroup 2>/dev/null && {
  [ -r memory.max ] && echo "room $(cat memory.max) $(cat memory.current) $(grep ^inactive_file memory.stat)" &&
    sed -nE 's/^(anon|file|shmem) /kept \1 /p' memory.stat
  cd memory 2>/dev/null && [ -r memory.limit_in_bytes ] &&
    echo "room $(cat memory.limit_in_bytes) $(cat memory.usage_in_bytes) $(grep ^total_inactive_file memory.stat)" &&
    sed -nE 's/^total_rss /kept anon /p; s/^total_cache /kept file /p; s/^total_shmem /kept shmem /p' memory.stat
}
"""
#: One look at a container: the room, then the JVMs, the tools, and where there is room. ROOT is "" or /proc/PID/root.
_PROBE = CGROUP + r"""
for p in /proc/[0-9]*; do
  [ "$(cat $p/comm 2>/dev/null)" = java ] && echo "jvm ${p#/proc/} $(readlink $p/exe)"
done
for tool in jcmd jmap zstd pigz gzip sha256sum dd; do
  where=$(command -v $tool) && echo "tool $tool $where"
done
for home in "$JAVA_HOME" $(dirname "$(readlink /proc/1/exe 2>/dev/null)")/..; do
  for tool in jcmd jmap; do [ -x "$home/bin/$tool" ] && echo "tool $tool $home/bin/$tool"; done
done
pid=$(for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = java ] && echo ${p#/proc/} && break; done)
root=$1
if [ "$root" = auto ]; then
  root=/proc/$pid/root
  # jcmd looks for the JVM's socket and leaves its trigger in its own /tmp, which is not the JVM's.
  ln -sfn "$root/tmp/.java_pid$pid" "/tmp/.java_pid$pid"
  touch "$root/tmp/.attach_pid$pid"
fi
shift
for dir in "$@"; do
  [ -w "$root$dir" ] && echo "dir $(df -Pk "$root$dir" | tail -n 1 | awk '{print $4}') $(stat -f -c %T "$root$dir" 2>/dev/null || echo unknown) $dir"
done
exit 0
"""


@dataclasses.dataclass(frozen=True)
class Directory:
    """A directory that the JVM can write to.

    :param free: bytes free.
    :param in_memory: whether it counts against the container's memory limit.
    """

    path: str
    free: int
    in_memory: bool


@dataclasses.dataclass(frozen=True)
class Jvm:
    """A JVM and the container from which it is reached (its own, or an ephemeral one beside it).

    :param pid: as seen from that container.
    :param root: prefix of the JVM's files as seen from that container.
    :param memory: what that container's memory is made of, by its cgroup: anon, file, shmem, in bytes; empty where it does not say.
    """

    via: Container
    pid: int
    tools: t.Mapping[str, str]
    directories: tuple[Directory, ...]
    root: str = ""
    memory: t.Mapping[str, int] = dataclasses.field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """The arguments of a diagnostic command; they want an environment without ``UNSET``."""
        return [self.tools["jcmd"], *SMALL, str(self.pid), *words]

    def jcmd(self, cluster: Cluster, *words: str, timeout: float = 60.0) -> str:
        """Run a diagnostic command and return its output."""
        done = _exec.run(cluster, self.via, ["sh", "-c", f'{UNSET}; exec "$@"', "jcmd", *self.command(*words)], timeout)
        if done.code:
            said = done.stderr or done.text
            raise RunbookError(
                f"Cluster {cluster.name}: jcmd {' '.join(words)} failed in {self.via} ({done.code}): "
                f"{first_sentence(said)}.",
                "The JVM may be dying or refuse to be attached to (is /tmp writable for it?); look at its log.", output=said)
        return done.text


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a look at a container showed.

    :param jvm: None where it runs none.
    :param limit: of the container's memory, bytes; infinite where it has none.
    :param left: bytes until it; None where the container does not say.
    """

    jvm: Jvm | None
    limit: float = math.inf
    left: float | None = None


def find(cluster: Cluster, pod: Json, container: str, debug_image: str, entry: Entry) -> Jvm:
    """The JVM of a pod's container, reached in the container itself or through a debug container.

    :param debug_image: image with a shell and jcmd; empty for no debug container.
    :param entry: how the pod may be entered.
    :raises RunbookError: there is no way, with what to do.
    """
    home = Container(pod["metadata"]["namespace"], pod["metadata"]["name"], container)
    directories = _writable_candidates(pod, container)
    if not entry.way:
        raise RunbookError(f"Cluster {cluster.name}: {entry.why_not}.", _WITHOUT)
    if entry.way == _room.INSIDE:
        seen = _probe(cluster, home, "", directories)
        if seen and seen.jvm is None:
            raise RunbookError(f"Cluster {cluster.name}: {home} runs no JVM (no process called java), so there is no Java heap to read.", _WITHOUT)
        tight = seen is not None and seen.left is not None and seen.left < entry.floor
        if seen and tight:
            _refuse_without_room_beside(cluster, home, seen, entry)
        if seen and seen.jvm and "jcmd" in seen.jvm.tools and not tight:
            return seen.jvm
        if not debug_image:
            raise RunbookError(
                f"Cluster {cluster.name}: {home} has no {'JDK tools (jcmd)' if seen else 'shell'}, so its JVM cannot be "
                "asked for a histogram or a dump from inside.",
                "Set memory_leak_debug_image to an image with a shell and a JDK (such as eclipse-temurin:21-jdk): an "
                f"ephemeral debug container will be used. {_WITHOUT}")
    beside = _debug.attach(cluster, pod, container, debug_image)
    seen = _probe(cluster, beside, "auto", directories)
    if seen and seen.jvm and "jcmd" in seen.jvm.tools:
        return seen.jvm
    if seen and seen.jvm is None:
        raise RunbookError(f"Cluster {cluster.name}: the debug container sees no JVM in {home} (no process called java).", _WITHOUT)
    raise RunbookError(f"Cluster {cluster.name}: the debug image {debug_image} has no shell with jcmd.",
                       "Use an image with a JDK, such as eclipse-temurin:21-jdk.")


def _refuse_without_room_beside(cluster: Cluster, home: Container, seen: Seen, entry: Entry) -> None:
    """The metrics API is some seconds behind; the container itself is not, and is asked before a JVM is started in it.

    An ephemeral container has what the container has, and what the pod has besides.
    """
    if seen.left is not None and seen.left + entry.spare < entry.floor:
        raise RunbookError(f"Cluster {cluster.name}: {_room.refusal(home.pod, seen.left, seen.limit, seen.left >= _room.NEEDED)} with jcmd.", _WITHOUT)


@dataclasses.dataclass(frozen=True)
class HeapInfo:
    """What a JVM says of its heap, in bytes.

    :param used: garbage included.
    :param committed: what it has taken of the system, 0 where it does not say.
    :param metaspace: in use, likewise.
    """

    used: int
    committed: int
    metaspace: int


def heap_info(cluster: Cluster, jvm: Jvm) -> HeapInfo:
    """What the heap takes now, without a collection."""
    return parse_heap_info(jvm.jcmd(cluster, "GC.heap_info"))


def parse_heap_info(text: str) -> HeapInfo:
    """The output of ``GC.heap_info`` (Serial, Parallel, G1, Shenandoah, ZGC), generations together."""
    heap = [line for line in text.splitlines() if not re.match(r"\s*(Metaspace|class space)", line)]
    metaspace = [line for line in text.splitlines() if re.match(r"\s*Metaspace", line)]
    return HeapInfo(_amounts(r"used (\d+)([KMG])", heap), _amounts(r"(?:total|(?<!max )capacity) (\d+)([KMG])", heap),
                    _amounts(r"used (\d+)([KMG])", metaspace))


def _amounts(pattern: str, lines: t.Sequence[str]) -> int:
    """The sum of an amount over lines."""
    return sum(int(match[1]) << {"K": 10, "M": 20, "G": 30}[match[2]] for line in lines if (match := re.search(pattern, line)))


def _probe(cluster: Cluster, via: Container, root: str, directories: t.Sequence[str]) -> Seen | None:
    """None where the container has no shell."""
    try:
        done = _exec.run(cluster, via, ["sh", "-c", _PROBE, "probe", root, *directories])
    except ClusterError as error:
        if error.status in (0, 403, 404):
            raise
        return None
    if done.code in (126, 127):
        return None
    return parse_probe(via, done.text, root)


def parse_probe(via: Container, text: str, root: str) -> Seen:
    """Read what the probe printed."""
    rows = [line.split() for line in text.splitlines()]
    pids = [int(row[1]) for row in rows if row[0] == "jvm"]
    limit, left = _parse_room(rows)
    if not pids:
        return Seen(None, limit, left)
    tools = {row[1]: row[2] for row in reversed(rows) if row[0] == "tool"}
    found = {row[3]: Directory(row[3], int(row[1]) << 10, row[2] in ("tmpfs", "ramfs")) for row in rows
             if row[0] == "dir" and row[1].isdigit()}
    jvm = Jvm(via, pids[0], tools, tuple(found.values()), f"/proc/{pids[0]}/root" if root == "auto" else root,
              {row[1]: int(row[2]) for row in rows if row[:1] == ["kept"] and root != "auto"})
    return Seen(jvm, limit, left)


def _parse_room(rows: t.Sequence[t.Sequence[str]]) -> tuple[float, float | None]:
    """The limit, and what is left of it, by the container's cgroup; what the kernel can take back at once counts as left."""
    row = next((row for row in rows if row[:1] == ["room"] and len(row) >= 5), None)
    if row is None or not (row[2].isdigit() and row[4].isdigit()):
        return math.inf, None
    if not row[1].isdigit() or int(row[1]) >= _UNLIMITED:
        return math.inf, math.inf
    return float(row[1]), float(int(row[1]) - (int(row[2]) - int(row[4])))


def _writable_candidates(pod: Json, container: str) -> list[str]:
    """Where a dump could go: volumes of the pod first, then the usual places."""
    mounts = _workload.container_spec(pod, container).get("volumeMounts", [])
    volumes = [mount["mountPath"] for mount in mounts if not mount.get("readOnly")
               and not mount["mountPath"].startswith("/var/run/secrets")]
    return list(dict.fromkeys([*volumes, "/tmp", "/var/tmp"]))
