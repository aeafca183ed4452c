# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of kubelets, runtimes, registries, schedulers and the API server, in the forms in which they are met."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._crash import _messages

RPC = "rpc error: code = Unknown desc = "
PULLED = 'Failed to pull image "registry.example/shop/api:1.2": ' + \
    'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/shop/api:1.2": '
RESOLVE = PULLED + 'failed to resolve reference "registry.example/shop/api:1.2": '


@pytest.mark.parametrize("kind, messages", [
    ("not_found", [
        RESOLVE + "registry.example/shop/api:1.2: not found",
        "Back-off pulling image \"a:1\": ErrImagePull: failed to pull and unpack image \"docker.io/library/a:1\": docker.io/library/a:1: not found",
        RPC + "Error response from daemon: manifest for ghcr.io/shop/api:1.0 not found: manifest unknown",
        RPC + "Error response from daemon: manifest for a:1 not found: manifest unknown: manifest unknown",
        RPC + "reading manifest v9 in quay.io/shop/api: manifest unknown",
        RPC + "Error reading manifest 1.2 in registry.example/shop/api: name unknown: Repository not found",
        RPC + "reading manifest 9 in quay.io/shop/api: unknown: Tag 9 was deleted or has expired. To pull, revive via time machine: manifest unknown",
        "failed to resolve image: unexpected status from HEAD request to https://r/v2/a/manifests/1: 404 Not Found",
        "name unknown: The repository with name 'shop' does not exist in the registry with id '123456789012'",
        "GET https://eu-docker.pkg.dev/v2/p/r/api/manifests/1: NAME_UNKNOWN: Repository \"r\" not found",
        RPC + "artifact unknown: artifact shop/api:1.2 not found",
        RPC + "Error response from daemon: no such manifest: a:1"]),
    ("absent_or_denied", [
        RESOLVE + "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        RPC + "Error response from daemon: pull access denied for shop, repository does not exist or may require 'docker login': denied: requested "
        "access to the resource is denied",
        "Error response from daemon: pull access denied for suedost-web, repository does not exist or may require 'docker login'",
        "repository registry.example/shop does not exist or no pull access"]),
    ("denied", [
        RESOLVE + "failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://r/token: 401 Unauthorized",
        RESOLVE + "failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden",
        RPC + "Error response from daemon: unauthorized: authentication required",
        RPC + "Error response from daemon: Head \"https://123.dkr.ecr.eu-west-1.amazonaws.com/v2/shop/manifests/1\": no basic auth credentials",
        RPC + "Error response from daemon: Head \"https://ghcr.io/v2/shop/api/manifests/1\": denied: denied",
        "reading manifest 1 in quay.io/shop/api: unauthorized: access to the requested resource is not authorized",
        RPC + "denied: Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \"projects/p\" (or it may not exist)",
        "failed to pull and unpack image: unexpected status from HEAD request to https://shop.azurecr.io/v2/api/manifests/1: 401 Unauthorized",
        RPC + "denied: Your authorization token has expired. Reauthenticate and try again.",
        RPC + "unable to retrieve auth token: invalid username/password: unauthorized",
        "authorization failed: no basic auth credentials",
        "unexpected status from HEAD request to https://mcr.example/v2/a/manifests/8: 403 Forbidden"]),
    ("rate_limited", [
        RPC + "Error reading manifest latest in docker.io/library/busybox: toomanyrequests: You have reached your pull rate limit. You may increase "
        "the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit",
        RESOLVE + "failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/a: 429 Too Many Requests - "
        "Server message: toomanyrequests: You have reached your unauthenticated pull rate limit.",
        "received unexpected HTTP status: 429 Too Many Requests", "toomanyrequests: Rate exceeded", "pull QPS exceeded",
        "toomanyrequests: Data limit exceeded", "denied: toomanyrequests: Quota exceeded for quota metric"]),
    ("unreachable", [
        RESOLVE + "failed to do request: Head \"https://registry.example/v2/a/manifests/1\": dial tcp: lookup registry.example: no such host",
        RESOLVE + "failed to do request: Head \"https://r/v2/a\": dial tcp 10.0.0.1:443: i/o timeout",
        RESOLVE + "failed to do request: Head \"https://r/v2/a\": dial tcp 10.0.0.1:443: connect: connection refused",
        RESOLVE + "failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=x\": net/http: TLS handshake timeout",
        RESOLVE + "failed to authorize: failed to fetch anonymous token: Get \"https://auth.docker.io/token?scope=repository\": EOF",
        RESOLVE + "unexpected status from HEAD request to https://r/v2/a/manifests/1: 503 Service Unavailable",
        RESOLVE + "failed to do request: Get \"https://r/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded)",
        RPC + "Error response from daemon: Get \"https://r/v2/\": dial tcp: lookup r on 10.96.0.10:53: server misbehaving",
        RPC + "context deadline exceeded", "pinging container registry r: Get \"https://r/v2/\": dial tcp 1.2.3.4:443: connect: no route to host",
        "failed to pull image: read tcp 10.0.0.2:3000->1.2.3.4:443: read: connection reset by peer",
        "error pinging docker registry r: received unexpected HTTP status: 502 Bad Gateway"]),
    ("certificate", [
        RESOLVE + "failed to do request: Head \"https://r/v2/a\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
        RPC + "Error response from daemon: Get \"https://r/v2/\": x509: certificate has expired or is not yet valid",
        RESOLVE + "failed to do request: Head \"https://10.0.0.1:5000/v2/a\": http: server gave HTTP response to HTTPS client"]),
    ("platform", [
        'failed to pull and unpack image "r/a:1": no match for platform in manifest: not found',
        RPC + "choosing image instance: no image found in manifest list for architecture arm64, variant \"v8\", OS linux",
        "no matching manifest for linux/arm64/v8 in the manifest list entries"]),
    ("no_space", ["failed to pull and unpack image \"a\": failed to copy: write /var/lib/containerd/x: no space left on device"]),
    ("broken", [
        PULLED + "failed to unpack image on snapshotter overlayfs: failed to extract layer sha256:ea: failed to get reader from content store: "
        "content digest sha256:9a: not found", "failed size validation: 100 != 200: failed precondition"]),
    ("invalid_name", [
        'Failed to apply default image tag "Shop/API:1": couldn\'t parse image name "Shop/API:1": invalid reference format: repository name '
        "(library/Shop/API) must be lowercase", "InvalidImageName"]),
    ("never_pulled", ['Container image "a:1" is not present with pull policy of Never', "ErrImageNeverPull"]),
    ("signature", ["Source image rejected: A signature was required, but no signature exists", "SignatureValidationFailed: image pull failed for a"]),
    ("other", ["", "Back-off pulling image \"a:1\""]),
])
def test_why_an_image_cannot_be_pulled(kind, messages):
    assert {message: _messages.pull(message) for message in messages} == dict.fromkeys(messages, kind)


NODES = "0/5 nodes are available: "
PREEMPTION = ". preemption: 0/5 nodes are available: 5 No preemption victims found for incoming pod."


@pytest.mark.parametrize("kinds, messages", [
    (["room"], [
        NODES + "5 Insufficient memory" + PREEMPTION, NODES + "3 Insufficient cpu, 2 Insufficient memory" + PREEMPTION, NODES + "5 Too many pods" + PREEMPTION,
        NODES + "5 Insufficient nvidia.com/gpu" + PREEMPTION, NODES + "5 Insufficient ephemeral-storage" + PREEMPTION,
        NODES + "5 node(s) exceed max volume count" + PREEMPTION, "No nodes are available that match all of the predicates: Insufficient cpu (3)."]),
    (["taints"], [
        NODES + "5 node(s) had untolerated taint {dedicated: db}. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.",
        NODES + "5 node(s) had taint {dedicated: db}, that the pod didn't tolerate.", NODES + "5 node(s) had untolerated taint(s)" + PREEMPTION,
        NODES + "1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }" + PREEMPTION]),
    (["affinity"], [
        NODES + "5 node(s) didn't match Pod's node affinity/selector" + PREEMPTION, NODES + "5 node(s) didn't match pod anti-affinity rules" + PREEMPTION,
        NODES + "5 node(s) didn't match pod affinity rules" + PREEMPTION, NODES + "5 node(s) didn't match pod topology spread constraints" + PREEMPTION,
        NODES + "5 node(s) didn't match node selector."]),
    (["volume"], [
        NODES + "pod has unbound immediate PersistentVolumeClaims" + PREEMPTION, NODES + "5 node(s) had volume node affinity conflict" + PREEMPTION,
        NODES + 'persistentvolumeclaim "data" not found' + PREEMPTION, 'persistentvolumeclaim "data" is being deleted',
        NODES + "5 node(s) didn't find available persistent volumes to bind" + PREEMPTION, NODES + "5 node(s) did not have enough free storage"]),
    (["ports"], [NODES + "5 node(s) didn't have free ports for the requested pod ports" + PREEMPTION]),
    (["cordoned"], [NODES + "5 node(s) were unschedulable" + PREEMPTION]),
    (["no_nodes"], ["no nodes available to schedule pods", "0/0 nodes are available"]),
    (["gated"], ["Scheduling is blocked due to non-empty scheduling gates"]),
    (["devices"], [NODES + "5 cannot allocate all claims. still not schedulable"]),
    (["room", "taints", "affinity"], [
        NODES + "1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint {a: b}" + PREEMPTION]),
    (["taints", "cordoned"], [NODES + "1 node(s) were unschedulable, 4 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }" + PREEMPTION]),
    (["other"], ["", "skip schedule deleting pod"]),
])
def test_why_no_node_takes_a_pod(kinds, messages):
    assert {message: _messages.scheduling(message) for message in messages} == dict.fromkeys(messages, kinds)


FORBIDDEN = 'Error creating: pods "api-5f-x" is forbidden: '


@pytest.mark.parametrize("kind, messages", [
    ("quota", [
        FORBIDDEN + "exceeded quota: tight, requested: limits.memory=1Gi, used: limits.memory=7Gi, limited: limits.memory=7Gi",
        FORBIDDEN + "failed quota: tight: must specify limits.cpu for: api",
        FORBIDDEN + "exceeded quota: pods, requested: pods=1, used: pods=5, limited: pods=5"]),
    ("limit_range", [FORBIDDEN + "maximum memory usage per Container is 1Gi, but limit is 2Gi",
                     FORBIDDEN + "[minimum cpu usage per Pod is 1, but request is 100m]"]),
    ("pod_security", [
        FORBIDDEN + 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "api" must set ...)',
        FORBIDDEN + "unable to validate against any security context constraint: [provider \"anyuid\": Forbidden: not usable by user or serviceaccount]"]),
    ("webhook_down", [
        'Error creating: Internal error occurred: failed calling webhook "inject.istio.io": failed to call webhook: Post "https://istiod.istio-system.svc": '
        "dial tcp 10.1.1.1:443: connect: connection refused",
        'Error creating: Internal error occurred: failed calling webhook "v": context deadline exceeded']),
    ("admission", [
        'Error creating: admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/shop/api was blocked due to the following policies',
        'Error creating: admission webhook "validation.gatekeeper.sh" denied the request: [no-latest] tag latest is not allowed',
        FORBIDDEN + "ValidatingAdmissionPolicy 'no-root' with binding 'all' denied request: runAsNonRoot is required"]),
    ("service_account", [FORBIDDEN + 'error looking up service account shop/api: serviceaccount "api" not found']),
    ("priority_class", [FORBIDDEN + "no PriorityClass with name high was found"]),
    ("invalid",
        ['Error creating: Pod "api-5f-x" is invalid: spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit']),
    ("permission", [FORBIDDEN + 'User "system:serviceaccount:kube-system:replicaset-controller" cannot create resource "pods"']),
    ("other", ["Error creating: etcdserver: request timed out"]),
])
def test_why_the_api_server_refuses_a_pod(kind, messages):
    assert {message: _messages.refusal(message) for message in messages} == dict.fromkeys(messages, kind)


SETUP = 'MountVolume.SetUp failed for volume "data" : '


@pytest.mark.parametrize("kind, messages", [
    ("missing_object", [SETUP + 'secret "db" not found', SETUP + 'configmap "settings" not found', SETUP + 'secrets "db" not found']),
    ("missing_key", [SETUP + "references non-existent secret key: url", SETUP + "references non-existent config key: app.yml"]),
    ("attached_elsewhere", [
        'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) db-0',
        'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t be attached to another',
        'AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = FailedPrecondition desc = disk is already attached to node n1',
        "AttachVolume.Attach failed for volume \"pvc\" : googleapi: Error 400: The disk resource is already being used by pod(s)... is already used by pod"]),
    ("driver", [
        "MountVolume.MountDevice failed for volume \"pvc-1\" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name "
        "ebs.csi.aws.com not found in the list of registered CSI drivers",
        SETUP + "failed to get plugin from volumeSpec for volume: no volume plugin matched"]),
    ("host_path", [SETUP + "hostPath type check failed: /data is not a directory"]),
    ("remote", [
        SETUP + "mount failed: exit status 32\nMounting command: mount\nOutput: mount.nfs: Connection timed out",
        SETUP + "mount failed: exit status 32 Output: mount.nfs: access denied by server while mounting 10.0.0.1:/export",
        SETUP + "rpc error: code = Internal desc = mount failed: exit status 32 Output: mount error(13): Permission denied"]),
    ("filesystem", [SETUP + "mount: wrong fs type, bad option, bad superblock on /dev/sdb",
                    SETUP + "applyFSGroup failed for vol pvc-1: lchown: input/output error"]),
    ("not_registered", [SETUP + 'object "shop"/"kube-root-ca.crt" not registered', SETUP + "failed to sync secret cache: timed out waiting for the condition"]),
    ("service_account", [SETUP + 'failed to fetch token: serviceaccounts "api" not found']),
    ("timeout", [
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[kube-api-access-x data]: timed out waiting for the condition",
        "AttachVolume.Attach failed for volume \"pvc-1\" : rpc error: code = DeadlineExceeded desc = context deadline exceeded"]),
    ("permission", ['AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = Internal desc = UnauthorizedOperation: You are not authorized']),
    ("other", ["something else"]),
])
def test_why_a_volume_cannot_be_mounted(kind, messages):
    assert {message: _messages.mount(message) for message in messages} == dict.fromkeys(messages, kind)


CREATE = ("failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ")


@pytest.mark.parametrize("kind, messages", [
    ("not_found", [
        CREATE + 'exec: "serve": executable file not found in $PATH: unknown',
        CREATE + 'error during container init: exec: "/app/run": stat /app/run: no such file or directory: unknown',
        'failed to generate container "a" spec: failed to generate spec: no command specified',
        "container create failed: executable file `serve` not found in $PATH: No such file",
        'Error: failed to start container "api": Error response from daemon: OCI runtime create failed: container_linux.go:380: starting container process '
        'caused: exec: "serve": executable file not found in $PATH: unknown']),
    ("permission", [CREATE + 'exec: "/app/run": permission denied: unknown', CREATE + "exec /entrypoint.sh: operation not permitted"]),
    ("exec_format", [CREATE + "exec /app/run: exec format error", "standard_init_linux.go:228: exec user process caused: exec format error"]),
    ("user", [
        "container has runAsNonRoot and image will run as root (pod: \"api\", container: api)",
        'failed to create containerd container: unable to find user app: no matching entries in passwd file',
        "container's runAsUser breaks non-root policy"]),
    ("read_only", [CREATE + 'error mounting "/x" to rootfs: mkdir /x: read-only file system: unknown']),
    ("mount", [CREATE + 'error mounting "/var/lib/x" to rootfs at "/etc/app.yml": not a directory: Are you trying to mount a directory onto a file',
               'failed to prepare subPath for volumeMount "data" of container "api"']),
    ("limit", [CREATE + "container init was OOM-killed (memory limit too low?): unknown"]),
    ("name_taken", ['failed to reserve container name "api_api-5f_shop_1": name "api_api" is reserved for "abc"']),
    ("other", ["context canceled"]),
])
def test_why_a_container_cannot_be_started(kind, messages):
    assert {message: _messages.start(message) for message in messages} == dict.fromkeys(messages, kind)


@pytest.mark.parametrize("message, kind, status", [
    ("Liveness probe failed: HTTP probe failed with statuscode: 503", "status", 503), ("Startup probe failed: HTTP probe failed with statuscode: 404",
                                                                                       "status", 404),
    ('Liveness probe failed: Get "http://10.1.1.1:8080/healthz": dial tcp 10.1.1.1:8080: connect: connection refused', "refused", None),
    ('Liveness probe failed: Get "http://10.1.1.1:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)', "timeout", None),
    ("Liveness probe failed: dial tcp 10.1.1.1:5432: i/o timeout", "timeout", None), ('Liveness probe failed: command "pg_isready" timed out', "timeout", None),
    ("Liveness probe errored: rpc error: code = DeadlineExceeded desc = failed to exec in container: timeout 1s exceeded: context deadline exceeded",
        "timeout", None),
    ("Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory", "command", None),
    ('Liveness probe failed: timeout: failed to connect service ":9000" within 1s', "timeout", None),
    ('Liveness probe failed: service unhealthy (responded with "NOT_SERVING")', "unhealthy", None),
    ('Liveness probe failed: Get "http://10.1.1.1:8080/": EOF', "reset", None), ("Liveness probe failed: ", "other", None)])
def test_how_a_probe_failed(message, kind, status):
    assert (_messages.probe(message), _messages.probe_status(message)) == (kind, status)


@pytest.mark.parametrize("message, killed", [
    ("Container api failed liveness probe, will be restarted", ("api", "liveness")), ("Container api failed startup probe, will be restarted", ("api",
                                                                                                                                                "startup")),
    ("Stopping container api", None), ("Container api definition changed, will be restarted", None)])
def test_kills_by_probes(message, killed):
    assert _messages.killed_by_probe(message) == killed


@pytest.mark.parametrize("message, missing", [
    ("couldn't find key url in Secret shop/db", "key url of Secret db"), ("couldn't find key app.yml in ConfigMap shop/settings",
                                                                          "key app.yml of ConfigMap settings"),
    ('secret "db" not found', "Secret db"), ('configmap "settings" not found', "ConfigMap settings"), ('configmaps "settings" not found', "ConfigMap settings"),
    (SETUP + 'secret "db" not found', "Secret db"), (SETUP + "references non-existent secret key: url", "key url of a Secret"),
    (SETUP + "references non-existent config key: app.yml", "key app.yml of a ConfigMap"), ("container has runAsNonRoot and image will run as root", "")])
def test_what_is_missing_by_name(message, missing):
    assert _messages.missing_object(message) == missing


@pytest.mark.parametrize("message, volume", [
    (SETUP + "x", "data"), ("Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[]: timed out", "a b"), ("none", "")])
def test_the_volume_by_name(message, volume):
    assert _messages.volume(message) == volume
