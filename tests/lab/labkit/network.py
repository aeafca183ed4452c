"""A network namespace for each cluster, joined to the host by one veth pair.

Addresses: node 10.213.N.2/30, host side 10.213.N.1, pods 10.214.N.0/24, services 10.215.0.0/16 (inside only).
"""

from __future__ import annotations

import dataclasses
import pathlib

from labkit.host import LabError, run


@dataclasses.dataclass(frozen=True)
class Network:
    """The network of the cluster with that number (1, 2, …)."""

    number: int

    @property
    def netns(self) -> str:
        """Name of the network namespace."""
        return f"sre-lab{self.number}"

    @property
    def link(self) -> str:
        """Name of the veth's end on the host."""
        return f"srelab{self.number}"

    @property
    def node(self) -> str:
        """Address of the node and of the API server."""
        return f"10.213.{self.number}.2"

    @property
    def host(self) -> str:
        """Address of the host's end."""
        return f"10.213.{self.number}.1"

    @property
    def pods(self) -> str:
        """Subnet of the pods."""
        return f"10.214.{self.number}.0/24"

    services = "10.215.0.0/16"
    kubernetes_service = "10.215.0.1"

    def up(self) -> None:
        """Make the namespace and the link."""
        self.down()
        run(["ip", "netns", "add", self.netns])
        run(["ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.netns])
        run(["ip", "addr", "add", f"{self.host}/30", "dev", self.link])
        run(["ip", "link", "set", self.link, "up"])
        inside = ["nsenter", f"--net=/run/netns/{self.netns}"]
        for command in (f"ip addr add {self.node}/30 dev eth0", "ip link set eth0 up", "ip link set lo up",
                        f"ip route add default via {self.host}", "sysctl -qw net.ipv4.ip_forward=1"):
            run([*inside, *command.split()])

    def down(self) -> None:
        """Remove both; what is not there is fine."""
        for command, there in ((["ip", "link", "del", self.link], pathlib.Path("/sys/class/net") / self.link),
                               (["ip", "netns", "del", self.netns], pathlib.Path("/run/netns") / self.netns)):
            try:
                if there.exists():
                    run(command)
            except LabError:
                if there.exists():
                    raise
