# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a pod's JVM and a way to talk to it."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._wording import first_sentence
from ansible_collections.sre.runbooks.plugins.module_utils._memory._heap import _debug

#: One look at a container: the JVMs, the tools, and where there is room. ROOT is "" or /proc/PID/root.
_PROBE = r"""
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
    """

    via: Container
    pid: int
    tools: t.Mapping[str, str]
    directories: tuple[Directory, ...]
    root: str = ""

    def jcmd(self, cluster: Cluster, *words: str, timeout: float = 60.0) -> str:
        """Run a diagnostic command and return its output."""
        done = _exec.run(cluster, self.via, [self.tools["jcmd"], str(self.pid), *words], timeout)
        if done.code:
            said = done.stderr or done.text
            raise RunbookError(
                f"Cluster {cluster.name}: jcmd {' '.join(words)} failed in {self.via} ({done.code}): "
                f"{first_sentence(said)}.",
                "The JVM may be dying or refuse to be attached to (is /tmp writable for it?); look at its log.", output=said)
        return done.text


def find(cluster: Cluster, pod: Json, container: str, debug_image: str) -> Jvm:
    """The JVM of a pod's container, reached in the container itself or through a debug container.

    :param debug_image: image with a shell and jcmd; empty for no debug container.
    :raises RunbookError: there is no way, with what to do.
    """
    home = Container(pod["metadata"]["namespace"], pod["metadata"]["name"], container)
    directories = _writable_candidates(pod, container)
    found = _probe(cluster, home, "", directories)
    if found and "jcmd" in found.tools:
        return found
    if not debug_image:
        raise RunbookError(
            f"Cluster {cluster.name}: {home} has no {'JDK tools (jcmd)' if found else 'shell'}, so its JVM cannot be "
            "asked for a histogram or a dump from inside.",
            "Set memory_leak_debug_image to an image with a shell and a JDK (such as eclipse-temurin:21-jdk): an "
            "ephemeral debug container will be used. Without it, set memory_leak_heap_dump=false.")
    beside = _debug.attach(cluster, pod, container, debug_image)
    found = _probe(cluster, beside, "auto", directories)
    if not found or "jcmd" not in found.tools:
        raise RunbookError(f"Cluster {cluster.name}: the debug image {debug_image} has no shell with jcmd, or sees no "
                           f"JVM in {home}.", "Use an image with a JDK, such as eclipse-temurin:21-jdk.")
    return found


def heap_used(cluster: Cluster, jvm: Jvm) -> int:
    """Bytes of heap in use now, garbage included, without a collection."""
    return parse_heap_info(jvm.jcmd(cluster, "GC.heap_info"))


def parse_heap_info(text: str) -> int:
    """Sum of the generations' use in the output of ``GC.heap_info`` (Serial, Parallel, G1, Shenandoah, ZGC)."""
    total = 0
    for line in text.splitlines():
        if re.match(r"\s*(Metaspace|class space)", line):
            continue
        match = re.search(r"used (\d+)([KMG])", line)
        if match:
            total += int(match[1]) << {"K": 10, "M": 20, "G": 30}[match[2]]
    return total


def _probe(cluster: Cluster, via: Container, root: str, directories: t.Sequence[str]) -> Jvm | None:
    try:
        done = _exec.run(cluster, via, ["sh", "-c", _PROBE, "probe", root, *directories])
    except ClusterError as error:
        if error.status in (0, 403, 404):
            raise
        return None
    if done.code in (126, 127):
        return None
    return parse_probe(via, done.text, root)


def parse_probe(via: Container, text: str, root: str) -> Jvm | None:
    """Read what the probe printed, None where it saw no JVM."""
    rows = [line.split() for line in text.splitlines()]
    pids = [int(row[1]) for row in rows if row[0] == "jvm"]
    if not pids:
        return None
    tools = {row[1]: row[2] for row in reversed(rows) if row[0] == "tool"}
    found = {row[3]: Directory(row[3], int(row[1]) << 10, row[2] in ("tmpfs", "ramfs")) for row in rows
             if row[0] == "dir" and row[1].isdigit()}
    return Jvm(via, pids[0], tools, tuple(found.values()), f"/proc/{pids[0]}/root" if root == "auto" else root)


def _writable_candidates(pod: Json, container: str) -> list[str]:
    """Where a dump could go: volumes of the pod first, then the usual places."""
    mounts = _workload.container_spec(pod, container).get("volumeMounts", [])
    volumes = [mount["mountPath"] for mount in mounts if not mount.get("readOnly")
               and not mount["mountPath"].startswith("/var/run/secrets")]
    return list(dict.fromkeys([*volumes, "/tmp", "/var/tmp"]))
