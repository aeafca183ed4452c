"""The lab itself: what a crash in the middle of `up` leaves, `down` removes."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time

from drill import ROOT
from labkit import images, processes
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
    assert processes.of_cluster(SPARE.network.netns, SPARE.cgroup) == set()
    assert not (pathlib.Path("/run/netns") / SPARE.network.netns).exists()
    assert not (pathlib.Path("/sys/class/net") / SPARE.network.link).exists()
    assert not [line for line in pathlib.Path("/proc/mounts").read_text().splitlines() if f"sre-{SPARE.name}/" in line
                or f"/{SPARE.name}/" in line]
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{SPARE.cgroup}"))
    assert not SPARE.state.exists()
    assert not SPARE.runtime.exists()
