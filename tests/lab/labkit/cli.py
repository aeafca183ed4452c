"""The lab's commands."""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import sys
import typing as t

from labkit import audit, binaries, faults, host, images, monitoring, shop, strays
from labkit.cluster import Cluster
from labkit.host import CACHE, HOME, KUBECONFIG, TUNABLES, LabError, say

PACKAGES = {"ip": "iproute2", "iptables": "iptables", "nsenter": "util-linux", "sysctl": "procps",
            "mount": "mount", "dpkg-deb": "dpkg"}


def main() -> int:
    """Run one command; a LabError is shown as one paragraph."""
    parser = _parser()
    options, words = parser.parse_known_args()
    options.words = words
    if options.words and options.run is not kubectl:
        parser.error(f"unknown arguments: {' '.join(options.words)}")
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", "-E", sys.executable, *sys.argv])
    try:
        return options.run(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted. Running it again continues or begins anew; tests/lab/lab down removes all.", file=sys.stderr)
        return 130


@host.alone()
def up(options: argparse.Namespace) -> None:
    """Bring clusters up, with the shop on them; those that are healthy stay as they are."""
    host.need_packages(PACKAGES)
    if not any(CACHE.glob("kubernetes-*")):
        say("the first time takes 15 to 25 minutes: Kubernetes is built from source and images are made, then cached "
            f"in {CACHE}")
    binaries.kubernetes(), binaries.containers()
    archive = images.archive()
    wanted = [Cluster(number) for number in range(1, options.clusters + 1)]
    missing = [cluster for cluster in wanted if not cluster.healthy()]
    strays.remember_tunables(TUNABLES)
    _each(missing, lambda cluster: cluster.up(archive))
    changed = [cluster for cluster in wanted if cluster not in missing and cluster.refresh(archive)]
    bare = [cluster for cluster in wanted if not shop.deployed(cluster.kubectl)]
    _each({*missing, *changed, *bare}, lambda cluster: shop.deploy(cluster.kubectl))
    _each(changed, lambda cluster: _replace_pods(cluster, archive))
    if missing or bare or not KUBECONFIG.exists():
        shop.write_kubeconfig([cluster for cluster in _present() if cluster.healthy() and shop.deployed(cluster.kubectl)])
    if options.monitoring:
        _each(wanted, monitoring.up)
    say(f"up: {', '.join(cluster.name for cluster in wanted)}")


def _replace_pods(cluster: Cluster, archive: pathlib.Path) -> None:
    """Let the pods run new images; only then are they known to, so that an interruption leaves nothing half done."""
    shop.restart(cluster.kubectl)
    cluster.runs(archive)


@host.alone()
def down(_options: argparse.Namespace) -> None:
    """End every cluster and remove all that they left."""
    for cluster in _present(leftovers=True):
        with host.step(f"taking {cluster.name} down"):
            cluster.down()
    strays.restore_tunables(TUNABLES)
    KUBECONFIG.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # what is not the lab's stays, and so does its directory
        HOME.rmdir()


def status(_options: argparse.Namespace) -> int:
    """Say what is up; exit 1 when nothing is."""
    clusters = _present()
    if not clusters:
        print("no cluster: tests/lab/lab up")
        return 1
    healthy = True
    for cluster in clusters:
        healthy = healthy and cluster.healthy()
        if not cluster.healthy():
            print(f"{cluster.name}  {cluster.server}  does not answer (logs: {cluster.logs})")
            continue
        print(f"{cluster.name}  {cluster.server}  ready, fault: {', '.join(cluster.faults()) or 'none'}")
        for name, available, replicas in shop.deployments(cluster.kubectl):
            print(f"  {name:<16} {available}/{replicas}")
    return 0 if healthy else 1


def fault(options: argparse.Namespace) -> None:
    """Cause a fault."""
    cluster = _cluster(options)
    with host.step(f"fault {options.name}"):
        faults.cause(cluster, options.name)


def heal(options: argparse.Namespace) -> None:
    """Bring the shop back to what its manifests say."""
    cluster = _cluster(options)
    with host.step("healing the shop"):
        faults.restore(cluster)


def load(options: argparse.Namespace) -> None:
    """Set how many customer requests a second the load generator makes."""
    faults.set_load(_cluster(options).kubectl, options.rate)


def deploy(options: argparse.Namespace) -> None:
    """Put the shop on the cluster of KUBECONFIG."""
    shop.deploy(shop.of_kubeconfig(_user_kubeconfig()), options.image_prefix)


def save_images(options: argparse.Namespace) -> None:
    """Save the shop's images, for ``kind load image-archive`` or a registry."""
    target = pathlib.Path(options.out)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(images.archive(), target / "shop-images.tar")
    print(target / "shop-images.tar")


def kubectl(options: argparse.Namespace) -> int:
    """Run kubectl on a lab cluster, as its administrator."""
    cluster = _cluster(options)
    command = str(cluster.programs / "kubectl")
    os.execv(command, [command, "--kubeconfig", str(cluster.kubeconfig()), *options.words])


def show_audit(options: argparse.Namespace) -> None:
    """Print what the API server's audit log says, as a JSON list."""
    print(json.dumps(audit.read(_cluster(options).state / "audit.log", options.user, options.since)))


def show_settings(options: argparse.Namespace) -> None:
    """Print what a runbook could change, as JSON: two outputs that are equal say that all of it is back."""
    print(json.dumps(shop.settings(_cluster(options).kubectl), sort_keys=True))


def write_targets(options: argparse.Namespace) -> None:
    """Keep the file of what Prometheus scrapes true; up --monitoring starts it."""
    monitoring.write_targets(_cluster(options))


def kill(options: argparse.Namespace) -> None:
    """End a cluster's API server, so that the cluster is dead for its clients."""
    _cluster(options).stop_api_server()


def revive(options: argparse.Namespace) -> None:
    """Start a dead cluster's API server again."""
    _cluster(options).start_api_server()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="Real Kubernetes clusters with a demo shop, on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: t.Callable[[argparse.Namespace], int | None], cluster: bool = False
                ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=(run.__doc__ or "").strip().splitlines()[0])
        sub.set_defaults(run=run)
        if cluster:
            sub.add_argument("--cluster", default="lab1", help="which cluster (default: %(default)s)")
        return sub

    bring_up = command("up", up)
    bring_up.add_argument("--clusters", type=int, default=1, help="how many (default: %(default)s)")
    bring_up.add_argument("--monitoring", action="store_true", help="with Prometheus and Alertmanager, which sends alerts to port 5050 of this host")
    command("down", down)
    command("status", status)
    command("fault", fault, cluster=True).add_argument("name", choices=sorted(faults.FAULTS))
    command("heal", heal, cluster=True)
    command("load", load, cluster=True).add_argument("rate", type=float, help="requests a second")
    command("deploy", deploy).add_argument("--image-prefix", default="", help="registry that holds the images")
    command("images", save_images).add_argument("--out", default=".", help="directory (default: this one)")
    command("kubectl", kubectl, cluster=True)
    listing = command("audit", show_audit, cluster=True)
    listing.add_argument("--user", default="", help="only of users whose name ends so")
    listing.add_argument("--since", default="", help="only after this time (ISO 8601, UTC)")
    command("settings", show_settings, cluster=True)
    command("targets", write_targets, cluster=True)
    command("kill", kill, cluster=True)
    command("revive", revive, cluster=True)
    return parser


def _present(leftovers: bool = False) -> list[Cluster]:
    """The clusters that exist, or of which anything is left."""
    numbers = {int(path.name.removeprefix("lab")) for path in HOME.glob("lab[0-9]*")}
    if leftovers:
        for pattern in ("/run/netns/sre-lab[0-9]*", "/run/sre-lab[0-9]*"):
            numbers |= {int(path.name.removeprefix("sre-lab")) for path in pathlib.Path("/").glob(pattern[1:])}
    return [Cluster(number) for number in sorted(numbers)]


def _cluster(options: argparse.Namespace) -> Cluster:
    known = {cluster.name: cluster for cluster in _present()}
    if options.cluster not in known:
        raise LabError(f"There is no cluster {options.cluster}; there are: {', '.join(known) or 'none'}. "
                       "Bring it up with tests/lab/lab up.")
    return known[options.cluster]


def _user_kubeconfig() -> str:
    path = os.environ.get("KUBECONFIG")
    if not path:
        raise LabError("Set KUBECONFIG to the cluster that the shop goes to.")
    return path


def _each(clusters: t.Collection[Cluster], action: t.Callable[[Cluster], None]) -> None:
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(clusters))) as pool:
        list(pool.map(action, clusters))
