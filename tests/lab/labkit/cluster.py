"""One real Kubernetes cluster: control plane, node, DNS and metrics in a network namespace of its own."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import shutil
import time
import typing as t

import yaml

from labkit import binaries, cgroups, processes, strays
from labkit.host import HOME, LAB, LabError, run, say
from labkit.network import Network
from labkit.pki import Authority


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster with that number."""

    number: int

    @property
    def name(self) -> str:
        """What kubeconfigs and inventories call it."""
        return f"lab{self.number}"

    @property
    def network(self) -> Network:
        """Its addresses."""
        return Network(self.number)

    @property
    def state(self) -> pathlib.Path:
        """Where it keeps everything."""
        return HOME / self.name

    @property
    def programs(self) -> pathlib.Path:
        """Its Kubernetes binaries; those that it was brought up with, so that asking a cluster never builds anything."""
        return self.state / "programs"

    @property
    def runtime(self) -> pathlib.Path:
        """Short-lived files of containerd: sockets need short paths."""
        return pathlib.Path("/run") / f"sre-{self.name}"

    @property
    def logs(self) -> pathlib.Path:
        """Output and pids of its processes."""
        return self.state / "logs"

    @property
    def cgroup(self) -> str:
        """Parent of all its pods' cgroups."""
        return f"sre-{self.name}"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.network.node}:6443"

    @property
    def pki(self) -> Authority:
        """Its certificates."""
        return Authority(self.state / "pki")

    def kubeconfig(self, user: str = "admin") -> pathlib.Path:
        """The kubeconfig of one of the cluster's own users (a client certificate)."""
        path = self.state / f"{user}.kubeconfig"
        if not path.exists():
            path.write_text(yaml.safe_dump(self._kubeconfig(user)))
            path.chmod(0o600)
        return path

    def kubectl(self, *words: object, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl as the cluster's administrator."""
        return run([self.programs / "kubectl", "--kubeconfig", self.kubeconfig(), *words],
                   stdin=stdin.encode() if stdin is not None else None, timeout=timeout)

    def healthy(self) -> bool:
        """Whether the API server answers and every process runs."""
        if not all(processes.alive(self.logs, name) for name in PROCESSES):
            return False
        try:
            self.kubectl("get", "--raw", "/readyz", "--request-timeout=3s", timeout=10)
        except (LabError, OSError):
            return False
        return True

    def up(self, archive: pathlib.Path) -> None:
        """Bring it up from nothing, whatever an earlier run left.

        :param archive: the images, as a docker archive.
        """
        self.down()
        for directory in (self.logs, self.runtime, self.state / "cni"):
            directory.mkdir(parents=True, exist_ok=True)
        self.programs.symlink_to(binaries.kubernetes())
        cgroups.make(self.cgroup)
        self.network.up()
        self._make_certificates()
        self._start_control_plane()
        self._start_node(archive)
        self._start_addons()
        self._wait("node Ready", lambda: "True" in self.kubectl(
            "get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'))

    def down(self) -> None:
        """End its processes and remove every mount, link, namespace, cgroup and file of it."""
        processes.end(lambda: processes.of_cluster(self.network.netns, self.cgroup))
        self._unmount()
        self.network.down()
        cgroups.remove(self.cgroup)
        strays.remove(self.state, self.runtime)
        for directory in (self.state, self.runtime):
            shutil.rmtree(directory, ignore_errors=True)

    def refresh(self, archive: pathlib.Path) -> bool:
        """Import the images of a cluster that is up, if its pods run others; returns whether they do."""
        if (self.state / "images").read_text() == str(archive):
            return False
        self._import_images(binaries.containers(), archive)
        return True

    def runs(self, archive: pathlib.Path) -> None:
        """Remember that the pods run these images."""
        self._write("images", str(archive))

    def faults(self) -> list[str]:
        """The names of the faults that were caused since the shop was healed."""
        path = self.state / "faults"
        return path.read_text().split() if path.exists() else []

    def remember(self, fault: str) -> None:
        """Note that a fault is caused."""
        self._write("faults", "\n".join([*self.faults(), fault]))

    def forget_faults(self) -> None:
        """Note that the shop is healed."""
        self._write("faults", "")

    def stop_api_server(self) -> None:
        """End the API server only, so that the cluster is dead for its clients."""
        pid = int((self.logs / "kube-apiserver.pid").read_text())
        processes.end(lambda: {pid} & processes.of_cluster(self.network.netns, self.cgroup))

    def start_api_server(self) -> None:
        """Start the API server again."""
        self._start("kube-apiserver", *self._api_server_flags())
        self._wait("API server ready", lambda: "ok" in self.kubectl("get", "--raw", "/readyz"))

    def _start(self, name: str, *flags: object, env: dict[str, str] | None = None) -> None:
        processes.start(self.network.netns, name, [self.programs / name, *flags], self.logs, env)

    def _start_control_plane(self) -> None:
        self._start("etcd", "--data-dir", self.state / "etcd", "--unsafe-no-fsync",
                    "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
                    "--listen-peer-urls", "http://127.0.0.1:2380", "--logger", "zap", "--log-level", "warn")
        self.start_api_server()
        self._start("kube-controller-manager", f"--kubeconfig={self.kubeconfig('controller-manager')}",
                    f"--service-account-private-key-file={self.pki.path('sa.key')}",
                    f"--root-ca-file={self.pki.path('ca.crt')}", "--use-service-account-credentials=true",
                    "--leader-elect=false", "--horizontal-pod-autoscaler-sync-period=5s",
                    "--concurrent-resource-quota-syncs=1")
        self._start("kube-scheduler", f"--kubeconfig={self.kubeconfig('scheduler')}", "--leader-elect=false")

    def _api_server_flags(self) -> list[str]:
        pki = self.pki.path
        return [
            "--etcd-servers=http://127.0.0.1:2379", f"--bind-address={self.network.node}",
            f"--advertise-address={self.network.node}", "--secure-port=6443", "--allow-privileged=true",
            f"--client-ca-file={pki('ca.crt')}", f"--tls-cert-file={pki('apiserver.crt')}",
            f"--tls-private-key-file={pki('apiserver.key')}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--anonymous-auth=false",
            f"--kubelet-certificate-authority={pki('ca.crt')}",
            f"--kubelet-client-certificate={pki('apiserver-kubelet.crt')}",
            f"--kubelet-client-key={pki('apiserver-kubelet.key')}", "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={pki('sa.pub')}", f"--service-account-signing-key-file={pki('sa.key')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={self.network.services}", "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={pki('front-proxy.crt')}", f"--proxy-client-key-file={pki('front-proxy.key')}",
            f"--requestheader-client-ca-file={pki('ca.crt')}", "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--audit-policy-file={LAB / 'manifests' / 'audit-policy.yml'}",
            f"--audit-log-path={self.state / 'audit.log'}", "--audit-log-maxsize=200", "--audit-log-maxbackup=1",
        ]

    def _start_node(self, archive: pathlib.Path) -> None:
        tools = binaries.containers()
        path = {"PATH": f"{tools}/usr/bin:{tools}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self._write("cni/10-bridge.conflist", json.dumps(_cni(self.network, self.state)))
        self._write("containerd.toml", _containerd_config(self, tools))
        processes.start(self.network.netns, "containerd",
                        [tools / "usr/bin/containerd", "--config", self.state / "containerd.toml"], self.logs, {**path, **NO_REGISTRY})
        self._import_images(tools, archive)
        self.runs(archive)
        self._write("kubelet.yaml", yaml.safe_dump(self._kubelet_config()))
        self._start("kubelet", f"--config={self.state / 'kubelet.yaml'}",
                    f"--kubeconfig={self.kubeconfig('kubelet')}", f"--root-dir={self.state / 'kubelet'}",
                    f"--node-ip={self.network.node}", f"--hostname-override={self.name}-node", env=path)
        self._write("proxy.yaml", yaml.safe_dump({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "iptables",
            "clusterCIDR": self.network.pods, "hostnameOverride": f"{self.name}-node",
            "clientConnection": {"kubeconfig": str(self.kubeconfig("proxy"))}, "conntrack": {"maxPerCore": 0},
            "metricsBindAddress": "127.0.0.1:10249", "healthzBindAddress": "127.0.0.1:10256"}))
        self._start("kube-proxy", f"--config={self.state / 'proxy.yaml'}")

    def _start_addons(self) -> None:
        ca = base64.b64encode(self.pki.path("ca.crt").read_bytes()).decode()
        manifest = (LAB / "manifests" / "addons.yml").read_text().replace("$CA", ca).replace("$NODE", self.network.node)
        self.kubectl("apply", "-f", "-", stdin=manifest)
        self._write("Corefile", f".:53 {{\n  bind {self.network.node}\n  errors\n  kubernetes cluster.local {{\n"
                                f"    kubeconfig {self.kubeconfig('dns')}\n  }}\n  cache 5\n}}\n")
        self._start("coredns", "-conf", self.state / "Corefile")
        client = self.kubeconfig("metrics-server")
        self._start("metrics-server", f"--kubeconfig={client}", f"--authentication-kubeconfig={client}",
                    f"--authorization-kubeconfig={client}", f"--bind-address={self.network.node}", "--secure-port=4443",
                    f"--tls-cert-file={self.pki.path('metrics-server.crt')}",
                    f"--tls-private-key-file={self.pki.path('metrics-server.key')}",
                    f"--kubelet-certificate-authority={self.pki.path('ca.crt')}",
                    "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=10s",
                    "--kubelet-request-timeout=5s")

    def _import_images(self, tools: pathlib.Path, archive: pathlib.Path) -> None:
        control = [tools / "usr/bin/ctr", "-a", self.runtime / "containerd.sock", "-n", "k8s.io"]
        self._wait("containerd ready", lambda: run([*control, "version"]))
        run([*control, "images", "import", archive])

    def _wait(self, what: str, check: t.Callable[[], object], timeout: float = 90) -> None:
        deadline, failure = time.monotonic() + timeout, ""
        while time.monotonic() < deadline:
            try:
                if check():
                    say(f"{self.name}: {what}")
                    return
            except LabError as error:
                failure = str(error)
            time.sleep(0.3)
        dead = [name for name in PROCESSES if (self.logs / f"{name}.pid").exists()
                and not processes.alive(self.logs, name)]
        words = "".join(f"\n{name} has ended:\n  {processes.last_words(self.logs, name)}" for name in dead)
        raise LabError(f"{self.name}: no {what} after {timeout:.0f} s. {failure}{words}\nLogs: {self.logs}")

    def _make_certificates(self) -> None:
        network = self.network
        self.pki.make_key("sa")
        for name, common_name, groups in CLIENTS:
            self.pki.issue(name, common_name.format(self.name), groups)
        self.pki.issue("apiserver", "kube-apiserver", (), (
            network.node, network.kubernetes_service, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local"))
        self.pki.issue("kubelet-server", f"{self.name}-node", (), (network.node, f"{self.name}-node"))
        self.pki.issue("metrics-server", "system:metrics-server", (), ("metrics-server.kube-system.svc", network.node))

    def _kubeconfig(self, user: str) -> dict[str, t.Any]:
        files = {"client-certificate": self.pki.path(f"{user}.crt"), "client-key": self.pki.path(f"{user}.key")}
        return {"apiVersion": "v1", "kind": "Config", "current-context": "lab",
                "clusters": [{"name": "lab", "cluster": {
                    "server": self.server, "certificate-authority": str(self.pki.path("ca.crt"))}}],
                "users": [{"name": user, "user": {key: str(path) for key, path in files.items()}}],
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}]}

    def _kubelet_config(self) -> dict[str, t.Any]:
        pki = self.pki.path
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": str(pki("ca.crt"))}},
            "authorization": {"mode": "Webhook"}, "address": self.network.node,
            "tlsCertFile": str(pki("kubelet-server.crt")), "tlsPrivateKeyFile": str(pki("kubelet-server.key")),
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}", "failCgroupV1": False, "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{self.runtime}/containerd.sock",
            "clusterDNS": [self.network.node], "clusterDomain": "cluster.local",
            "podLogsDir": str(self.state / "pod-logs"), "volumePluginDir": str(self.state / "volume-plugins"),
            "healthzBindAddress": "127.0.0.1", "syncFrequency": "10s", "nodeStatusUpdateFrequency": "4s",
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100, "maxPods": 100, "registryPullQPS": 0, "eventRecordQPS": 0,
        }

    def _unmount(self) -> None:
        ours = (f"{self.state}/", f"{self.runtime}/")
        mounts = [line.split()[1] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(ours)]):
            run(["umount", "--lazy", mount])

    def _write(self, name: str, content: str) -> None:
        (self.state / name).write_text(content)


PROCESSES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet",
             "kube-proxy", "coredns", "metrics-server")

#: Images are there or nowhere: a pull ends at once, and not when some resolver gives up.
NO_REGISTRY = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}

#: (file, common name with the cluster's name for {}, groups)
CLIENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("admin", "admin", ("system:masters",)),
    ("controller-manager", "system:kube-controller-manager", ()),
    ("scheduler", "system:kube-scheduler", ()),
    ("kubelet", "system:node:{}-node", ("system:nodes",)),
    ("proxy", "system:kube-proxy", ()),
    ("dns", "system:coredns", ()),
    ("apiserver-kubelet", "kube-apiserver-kubelet-client", ("system:masters",)),
    ("front-proxy", "front-proxy", ()),
)


def _cni(network: Network, state: pathlib.Path) -> dict[str, t.Any]:
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
         "ipam": {"type": "host-local", "dataDir": str(state / "ipam"), "ranges": [[{"subnet": network.pods}]],
                  "routes": [{"dst": "0.0.0.0/0"}]}}]}


def _containerd_config(cluster: Cluster, tools: pathlib.Path) -> str:
    """restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox starts otherwise."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f'''version = 2
root = "{cluster.state}/containerd"
state = "{cluster.runtime}/containerd"
[grpc]
  address = "{cluster.runtime}/containerd.sock"
[{cri}]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "docker.io/shop/pause:lab"
  [{cri}.cni]
    bin_dir = "{tools}/usr/lib/cni"
    conf_dir = "{cluster.state}/cni"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [{cri}.containerd.runtimes.runc.options]
    BinaryName = "{tools}/usr/bin/runc"
    Root = "{cluster.runtime}/runc"
'''
