"""What kubelet and containerd write outside the cluster's own directories, whatever they are configured to."""

from __future__ import annotations

import contextlib
import json
import pathlib

SYSCTL = pathlib.Path("/proc/sys")
#: Settings of the whole machine that the kubelet changes when it starts.
TUNABLES = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
            "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")
CONTAINER_LOGS = pathlib.Path("/var/log/containers")
CNI_RESULTS = pathlib.Path("/var/lib/cni/results")


def remember_tunables(file: pathlib.Path) -> None:
    """Keep the machine's settings as they were before the first cluster; a later cluster finds them changed."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({name: (SYSCTL / name).read_text().strip() for name in TUNABLES}))


def restore_tunables(file: pathlib.Path) -> None:
    """Give the machine its settings back."""
    if file.exists():
        for name, value in json.loads(file.read_text()).items():
            (SYSCTL / name).write_text(value)
        file.unlink()


def remove(state: pathlib.Path, runtime: pathlib.Path) -> None:
    """Remove one cluster's log links, results of network plugins and sockets of containers' shims.

    :param state: the cluster's directory, still whole.
    :param runtime: containerd's directory for sockets, still whole.
    """
    for link in CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{state}/"):
            link.unlink()
    for result in CNI_RESULTS.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # another cluster removes its own at the same time
            if f'"{runtime}/' in result.read_text(errors="replace"):
                result.unlink()
    for address in runtime.glob("containerd/io.containerd.runtime.v2.task/*/*/address"):
        pathlib.Path(address.read_text().strip().removeprefix("unix://")).unlink(missing_ok=True)
