"""The parent cgroup of all pods of one cluster, on hosts with cgroup v1 and with v2."""

from __future__ import annotations

import pathlib
import time

from labkit.host import LabError

ROOT = pathlib.Path("/sys/fs/cgroup")
#: What the kubelet insists on, where the kernel has it.
NEEDED = ("cpu", "cpuset", "memory", "hugetlb", "pids")
#: The pods of a cluster need little CPU, but when they need it: a drill must not see how busy the machine is otherwise.
#: So many times as much as one other process, in the words of cgroup v1 and v2.
FIRST = {"cpu/{name}/cpu.shares": 16 * 1024, "{name}/cpu.weight": 16 * 100}


def make(name: str) -> None:
    """Make the cgroup, in every hierarchy, with the controllers that the kubelet needs."""
    if (ROOT / "cgroup.controllers").exists():
        _enable_controllers()
        (ROOT / name).mkdir(exist_ok=True)
        _put_first(name)
        return
    for controller in ROOT.iterdir():
        if (controller / "cgroup.procs").exists() or (controller / "tasks").exists():
            (controller / name).mkdir(exist_ok=True)
    cpuset = ROOT / "cpuset"
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if (cpuset / setting).exists():
            (cpuset / name / setting).write_text((cpuset / setting).read_text())
    _put_first(name)


def remove(name: str) -> None:
    """Remove the cgroup and all below it; its processes have ended."""
    for top in [*ROOT.glob(f"*/{name}"), ROOT / name]:
        for directory in sorted(top.rglob("*/"), key=lambda path: -len(path.parts)) if top.is_dir() else []:
            _remove_empty(directory)
        _remove_empty(top)


def _put_first(name: str) -> None:
    for setting, value in FIRST.items():
        if (path := ROOT / setting.format(name=name)).exists():
            path.write_text(str(value))


def _enable_controllers() -> None:
    """A v2 cgroup has a controller only when its parent passes it on, and systemd passes on what its units use."""
    available = (ROOT / "cgroup.controllers").read_text().split()
    passed_on = (ROOT / "cgroup.subtree_control").read_text().split()
    missing = [f"+{name}" for name in NEEDED if name in available and name not in passed_on]
    try:
        if missing:
            (ROOT / "cgroup.subtree_control").write_text(" ".join(missing))
    except OSError as error:
        raise LabError(f"The cgroup controllers {', '.join(missing)} cannot be passed on in {ROOT}: {error.strerror}. Inside a "
                       "container, start the lab on the host, or give the container a cgroup namespace of the host.") from error


def _remove_empty(directory: pathlib.Path) -> None:
    for _attempt in range(20):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)
