"""The lab itself: what a cluster, or a crash in the middle of `up`, leaves, `down` removes."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time

from drill import ROOT
from labkit import images, processes, strays
from labkit.cluster import Cluster

SPARE = Cluster(9)
BRING_UP = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests" / "lab")!r})
from labkit import images
from labkit.cluster import Cluster
Cluster({SPARE.number}).up(images.archive())
"""


def test_down_after_a_crash_leaves_nothing():
    images.archive()
    up = subprocess.Popen([sys.executable, "-c", BRING_UP], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (SPARE.logs / "kubelet.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    up.send_signal(signal.SIGKILL)
    up.wait()
    assert processes.of_cluster(SPARE.network.netns, SPARE.cgroup), "the crash should have left something"

    SPARE.down()
    _assert_nothing_left()


def test_down_leaves_the_machine_as_it_was():
    firewall = subprocess.check_output(["iptables-save"], text=True).count("\n-A")
    links = _links()
    SPARE.up(images.archive())
    SPARE.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    SPARE.kubectl("run", "pause", "--image=docker.io/shop/pause:lab", "--image-pull-policy=Never")
    SPARE.kubectl("wait", "--for=condition=Ready", "pod/pause", "--timeout=60s")
    addresses = list(SPARE.runtime.glob("containerd/io.containerd.runtime.v2.task/*/*/address"))
    sockets = [pathlib.Path(address.read_text().removeprefix("unix://")) for address in addresses]
    assert sockets and all(socket.exists() for socket in sockets)

    SPARE.down()
    _assert_nothing_left()
    assert not [socket for socket in sockets if socket.exists()]
    assert _links() == links
    assert subprocess.check_output(["iptables-save"], text=True).count("\n-A") == firewall


def _links() -> set[str]:
    return {link.name for link in pathlib.Path("/sys/class/net").iterdir()}


def _assert_nothing_left() -> None:
    assert processes.of_cluster(SPARE.network.netns, SPARE.cgroup) == set()
    assert not (pathlib.Path("/run/netns") / SPARE.network.netns).exists()
    assert not (pathlib.Path("/sys/class/net") / SPARE.network.link).exists()
    assert not [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if f"sre-{SPARE.name}/" in line
                or f"/{SPARE.name}/" in line]
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{SPARE.cgroup}"))
    assert not SPARE.state.exists()
    assert not SPARE.runtime.exists()
    assert not [link for link in strays.CONTAINER_LOGS.glob("*.log") if f"/{SPARE.name}/" in str(link.readlink())]
    assert not [result for result in strays.CNI_RESULTS.glob("*") if f"/sre-{SPARE.name}/" in result.read_text()]
