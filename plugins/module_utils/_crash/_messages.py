# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kubelet, the runtime, the scheduler and the API server say when a pod does not come up, told apart by their own words.

Each function returns a short name that the table of causes knows, ``other`` for a message of no known form.
"""

from __future__ import annotations

import re
import typing as t

OTHER = "other"

Forms = t.Sequence[t.Tuple[str, t.Pattern[str]]]


def _forms(**patterns: str) -> Forms:
    return [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in patterns.items()]


#: in this order: an unreachable token server is no refusal, and a broken layer that is "not found" is no missing image
_PULLS = _forms(
    rate_limited=r"toomanyrequests|\b429\b|too many requests|pull rate limit|rate limit exceeded|pull QPS exceeded|registry pull qps",
    no_space=r"no space left on device|disk quota exceeded",
    broken=r"failed to extract layer|unexpected commit digest|failed size validation|invalid tar header|layer .* is (?:corrupt|invalid)"
           r"|failed to unpack image on snapshotter|filesystem layer verification failed|unexpected EOF in archive",
    platform=r"no match(?:ing manifest)? for (?:platform|\w+/\w+)|no matching manifest for|does not match the (?:specified|detected host) platform"
             r"|no image found in (?:manifest list|image index) for architecture",
    certificate=r"\bx509:|tls: failed to verify certificate|certificate (?:has expired|signed by unknown authority|is not trusted)"
                r"|server gave HTTP response to HTTPS client|remote error: tls",
    unreachable=r"no such host|i/o timeout|connection refused|connection reset by peer|connection timed out|TLS handshake timeout|no route to host"
                r"|network is unreachable|server misbehaving|context deadline exceeded|deadline exceeded|Client\.Timeout|temporary failure in name"
                r"|unexpected status[^:]*:? ?(?:[^:]*: )?5\d\d|\b50[0234] (?:Internal|Bad|Service|Gateway)|service unavailable|proxyconnect"
                r"|\": ?(?:unexpected )?EOF\b|failed to do request: .*EOF|RegistryUnavailable",
    invalid_name=r"InvalidImageName|couldn't parse image (?:name|reference)|failed to parse image|invalid reference format"
                 r"|repository name must be lowercase|invalid image name",
    never_pulled=r"ErrImageNeverPull|is not present with pull policy of Never",
    signature=r"signature (?:validation|verification) failed|SignatureValidationFailed|source image rejected|no (?:matching )?signatures",
    absent_or_denied=r"pull access denied|repository does not exist or may require|may require 'docker login'|does not exist or no pull access"
                     r"|name invalid: .*unauthorized",
    denied=r"unauthorized|authentication required|authorization failed|\b401\b|\b403\b|forbidden|no basic auth credentials|access denied|\bdenied\b"
           r"|insufficient_scope|authorization token has expired|failed to fetch (?:oauth|anonymous) token|unable to retrieve auth token"
           r"|invalid username/password",
    not_found=r"not found|manifest unknown|manifest_unknown|name unknown|name_unknown|no such manifest|manifest invalid|NotFound|\b404\b"
              r"|manifest tagged by .* is not found|does not exist",
)

_STARTS = _forms(
    exec_format=r"exec format error|cannot execute binary file",
    not_found=r"executable file not found in \$?PATH|exec: \"?[^\"]*\"?: (?:stat [^:]*: )?no such file or directory|stat [^:]+: no such file or directory"
              r"|not found in \$PATH|no command specified|no such file or directory: unknown|command not found|: not found$",
    permission=r"permission denied|operation not permitted",
    read_only=r"read-only file system",
    user=r"runAsNonRoot|runAsUser|non-root policy|unable to find user|no users found|no matching entries in passwd|unable to find group",
    mount=r"error mounting|not a directory|are you trying to mount a directory|failed to prepare subPath|subPath",
    limit=r"memory limit too low|minimum memory limit|container init was OOM-killed|possibly low memory limit",
    chdir=r"chdir to cwd|mkdir .*: ",
    name_taken=r"failed to reserve container name|name .* is reserved for",
)

_SCHEDULING = _forms(
    room=r"Insufficient (?!.*volume)[\w./-]+|Too many pods|exceed max volume count|would exceed .*capacity|Node(?:Resources|Pods)?(?:Full|Pressure)",
    taints=r"untolerated taint|had taint .*? that the pod didn't tolerate",
    affinity=r"didn't match (?:Pod's )?node (?:affinity|selector)|MatchNodeSelector|didn't match pod (?:anti-)?affinity"
             r"|didn't satisfy existing pods anti-affinity|didn't match pod topology spread|node\(s\) didn't match pod",
    volume=r"unbound immediate PersistentVolumeClaims|volume node affinity conflict|persistentvolumeclaim \"[^\"]*\" (?:not found|is being deleted)"
           r"|didn't find available persistent volumes|volume zone|bound claim|no available volume zone|did not have enough free storage"
           r"|PersistentVolumeClaim is not bound|unable to bind|pvc\(s\)|Failed to bind volumes",
    ports=r"didn't have free ports",
    cordoned=r"node\(s\) were unschedulable|had no resources|NodeUnschedulable",
    no_nodes=r"no nodes available to schedule pods|0/0 nodes are available",
    gated=r"scheduling gates",
    devices=r"cannot allocate all claims|resourceclaim|waiting for (?:dynamic )?resource",
)

_REFUSALS = _forms(
    quota=r"exceeded quota|failed quota|insufficient quota",
    limit_range=r"(?:maximum|minimum) (?:cpu|memory|[\w./-]+) usage per (?:Container|Pod)|limit to request ratio per|is forbidden: \[?(?:maximum|minimum)",
    pod_security=r"violates PodSecurity|security context constraint|PodSecurityPolicy|unable to validate against any",
    webhook_down=r"failed calling webhook|failed to call webhook|no endpoints available for service .*webhook|Internal error occurred: .*webhook",
    service_account=r"serviceaccount \"?[^\"]*\"? not found|error looking up service account",
    priority_class=r"no PriorityClass with name",
    admission=r"admission webhook .* denied the request|denied request|ValidatingAdmissionPolicy|admission plugin|admission controller|\[gatekeeper|denied by",
    invalid=r"is invalid:|unprocessable|field is immutable",
    permission=r"is forbidden: User|cannot create resource",
)

_MOUNTS = _forms(
    missing_key=r"references non-existent (?:secret|config) key",
    missing_object=r"(?:secret|secrets|configmap|configmaps) \"[^\"]*\" not found|(?:secret|configmap) [\w./-]+ not found",
    service_account=r"serviceaccounts? \"[^\"]*\" not found|failed to fetch token",
    claim=r"persistentvolumeclaim \"[^\"]*\" not found|PersistentVolumeClaim .* (?:not found|is being deleted)|volume is lost|ClaimLost",
    attached_elsewhere=r"Multi-Attach error|already (?:exclusively )?attached|already used by pod|is in use by another|VolumeInUse|is currently being used",
    driver=r"not found in the list of registered CSI drivers|driver name .* not found|no volume plugin matched|failed to get plugin from volumeSpec"
           r"|dial unix .*csi|CSINode .* does not contain driver",
    host_path=r"hostPath type check failed",
    remote=r"mount\.nfs|nfs: |access denied by server|mount error\(\d+\)|mount\.cifs|Host is down|ceph|rbd|iscsi|portal",
    filesystem=r"wrong fs type|bad superblock|fsck|corrupt|read-only file system|applyFSGroup failed|structure needs cleaning|input/output error",
    no_space=r"no space left on device",
    not_registered=r"object \"[^\"]*\"/\"[^\"]*\" not registered|failed to sync (?:secret|configmap) cache",
    permission=r"permission denied|UnauthorizedOperation|AccessDenied|AuthorizationFailed|is not authorized to perform",
    timeout=r"timed out|deadline exceeded|unmounted volumes=",
)

_PROBES = _forms(
    refused=r"connection refused|connect: no route|cannot assign requested address",
    timeout=r"context deadline exceeded|Client\.Timeout|i/o timeout|timed out|timeout: failed to connect|deadline exceeded",
    status=r"statuscode: \d+|HTTP probe failed with status",
    unhealthy=r"service unhealthy|NOT_SERVING|responded with \"?NOT_SERVING",
    reset=r"\bEOF\b|connection reset|malformed HTTP|server closed|broken pipe|http: server gave HTTP response to HTTPS client|first record does not look like",
    command=r"command .* (?:failed|timed out)|executable file not found|OCI runtime exec failed|exit status|sh: |cat: |: not found|No such file",
)

_KILLS = re.compile(r"Container (?:runtime.*?\")?(?P<container>[\w.-]+) failed (?P<probe>liveness|startup|readiness) probe, will be restarted")
_KEY = re.compile(r"couldn't find key (?P<key>[\w.-]+) in (?P<kind>Secret|ConfigMap) (?:[\w.-]+/)?(?P<name>[\w.-]+)")
_OBJECT = re.compile(r"(?P<kind>secret|configmap)s? \"(?P<name>[^\"]+)\" not found", re.IGNORECASE)
_REFERENCED_KEY = re.compile(r"references non-existent (?P<kind>secret|config) key: ?(?P<key>[\w.-]+)")
_VOLUME = re.compile(r"for volume \"(?P<volume>[^\"]+)\"|volumes=\[(?P<volumes>[^\]]+)\]")
_STATUS = re.compile(r"statuscode: (\d+)")


def pull(message: str) -> str:
    """Why an image cannot be pulled."""
    return _first(_PULLS, message)


def start(message: str) -> str:
    """Why a container cannot be started."""
    return _first(_STARTS, message)


def scheduling(message: str) -> list[str]:
    """Why no node takes a pod; a message counts its nodes by reason, so there may be several."""
    told = message.partition("preemption:")[0]
    return [name for name, pattern in _SCHEDULING if pattern.search(told)] or [OTHER]


def refusal(message: str) -> str:
    """Why the API server refuses to create a pod."""
    return _first(_REFUSALS, message)


def mount(message: str) -> str:
    """Why a volume cannot be attached or mounted."""
    return _first(_MOUNTS, message)


def probe(message: str) -> str:
    """How a probe failed."""
    return _first(_PROBES, message)


def probe_status(message: str) -> int | None:
    """The HTTP status that a probe got."""
    found = _STATUS.search(message)
    return int(found[1]) if found else None


def killed_by_probe(message: str) -> tuple[str, str] | None:
    """Container and probe of a Killing event, None where no probe was the reason."""
    found = _KILLS.search(message)
    return (found["container"], found["probe"]) if found else None


def missing_object(message: str) -> str:
    """The ConfigMap, Secret or key that a message misses: ``Secret db``, ``key url of Secret db``, ``key url of a Secret``; empty for none."""
    if found := _KEY.search(message):
        return f"key {found['key']} of {found['kind']} {found['name']}"
    if found := _REFERENCED_KEY.search(message):
        return f"key {found['key']} of a {'Secret' if found['kind'] == 'secret' else 'ConfigMap'}"
    if found := _OBJECT.search(message):
        return f"{'Secret' if found['kind'].lower() == 'secret' else 'ConfigMap'} {found['name']}"
    return ""


def volume(message: str) -> str:
    """The volume that a message is about, empty where it names none."""
    found = _VOLUME.search(message)
    return (found["volume"] or found["volumes"] or "") if found else ""


def _first(forms: Forms, message: str) -> str:
    return next((name for name, pattern in forms if pattern.search(message)), OTHER)
