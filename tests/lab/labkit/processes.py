"""Processes of one cluster: started in its network namespace, and found again without any pid file."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
import typing as t

from labkit.host import LabError

NETNS = pathlib.Path("/run/netns")


def start(netns: str, name: str, argv: t.Sequence[object], logs: pathlib.Path,
          env: dict[str, str] | None = None) -> int:
    """Start a long-running process in a network namespace; its output goes to ``logs/name.log``.

    nsenter rather than ``ip netns exec``: the latter hides the cgroup mounts from the kubelet.
    """
    with open(logs / f"{name}.log", "ab") as log:
        process = subprocess.Popen(["nsenter", f"--net={NETNS / netns}", *map(str, argv)], stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **(env or {})})
    (logs / f"{name}.pid").write_text(str(process.pid))
    return process.pid


def alive(logs: pathlib.Path, name: str) -> bool:
    """Whether a started process still runs."""
    try:
        pid = int((logs / f"{name}.pid").read_text())
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, ValueError):
        return False


def last_words(logs: pathlib.Path, name: str) -> str:
    """The end of a process's log."""
    try:
        return "\n  ".join((logs / f"{name}.log").read_text(errors="replace").strip().splitlines()[-6:])
    except OSError:
        return "(no log)"


def of_cluster(netns: str, cgroup: str) -> set[int]:
    """The pids that are in a cluster's network namespace or under its cgroup."""
    try:
        inode = (NETNS / netns).stat().st_ino
    except OSError:
        inode = None
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            in_netns = inode is not None and (entry / "ns/net").stat().st_ino == inode
            if in_netns or f":/{cgroup}/" in (entry / "cgroup").read_text():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def end(pids: t.Callable[[], set[int]], timeout: float = 20.0) -> None:
    """End processes by their ids, again and again until none is left."""
    deadline = time.monotonic() + timeout
    while left := pids():
        if time.monotonic() > deadline:
            raise LabError(f"Processes {sorted(left)} do not end.")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _reap()
        time.sleep(0.1)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
