# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP requests from inside the cluster: curl in a pod, several requests in one exec, all at once.

What a request carries (a password, a token) goes to curl as a configuration through standard input: it stands neither
in the API server's audit log, which records the arguments of an exec, nor in the pod's process list, nor in a file.
"""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _exec, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._exec import Container
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

#: curl's exit status -> what went wrong, in one word
CURL_ERRORS = {5: "dns", 6: "dns", 7: "refused", 28: "timeout", 35: "tls", 52: "closed", 55: "closed", 56: "closed", 60: "tls"}

#: Reads one configuration of a known length after the other ($1: most bytes of a body; $2, …: lengths) and starts its
#: request before it reads the next. An answer waits in its pipe until those after it are in, so none are mixed.
_SCRIPT = r"""
most=$1; shift; exec 3<&0
all() {
  [ $# -gt 0 ] || return 0
  config=$(head -c "$1" <&3); shift
  one | { rest=$(all "$@"); cat; printf '%s\n' "$rest"; }
}
one() {
  { body=$(printf '%s' "$config" | curl -q -sS -K - 2>&4 | { head -c "$most"; cat >/dev/null; } | base64); } 4>&1
  printf '\nbody\n%s\nend\n' "$body"
}
all "$@"
"""
_STATUS = re.compile(r"^status (\d+) ([\d.,]+)$", re.MULTILINE)
_FAILURE = re.compile(r"^curl: \((\d+)\) (.*)$", re.MULTILINE)
_HEADER = re.compile(r"[A-Za-z0-9-]+")


@dataclasses.dataclass(frozen=True)
class Request:
    """An HTTP request to make.

    :param headers: their values may be secret.
    :param body: sent as it is, as JSON unless ``headers`` has a Content-Type; may be secret.
    :param timeout: seconds for the whole request.
    """

    url: str
    method: str = "GET"
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    body: str | None = dataclasses.field(default=None, repr=False)
    timeout: float = 5.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a request.

    :param status: HTTP status; 0 when there was no answer.
    :param ms: milliseconds for the whole request.
    :param body: the answer's body, cut to the bound that was asked for; may be secret.
    :param error: ``dns``, ``refused``, ``timeout``, ``tls``, ``closed`` or ``failed``; empty when there was an answer.
    :param detail: the error in curl's words, without secrets.
    """

    status: int
    ms: float
    body: str = dataclasses.field(default="", repr=False)
    error: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the answer is a 2xx."""
        return 200 <= self.status < 300


def prober(cluster: Cluster, namespace: str, workload: str = "debug-pod", container: str | None = None) -> Container:
    """The container to ask from: the main one of the workload's first pod that is ready.

    :raises ClusterError: there is no such workload, or none of its pods is ready.
    """
    found = _workload.read(cluster, Target.parse(namespace, workload))
    ready = [pod for pod in _workload.pods(cluster, found) if _workload.ready(pod)]
    if not ready:
        raise ClusterError(f"Cluster {cluster.name}: no pod of {namespace}/{workload} is ready, so nothing can be asked "
                           "from inside the cluster.", f"Look at it: kubectl -n {namespace} describe pods")
    return Container(namespace, ready[0]["metadata"]["name"], _workload.main_container(found, container))


def probe(cluster: Cluster, container: Container, requests: t.Sequence[Request], body_bytes: int = 16384) -> list[Answer]:
    """Make all requests at once, in one exec; the answers are in the requests' order.

    :param body_bytes: most bytes of each body to keep.
    :raises ClusterError: nothing could be asked (no permission, no curl); a request that fails is an answer.
    """
    if not requests:
        return []
    configs = [_config(request).encode() for request in requests]
    argv = ["sh", "-c", _SCRIPT, "sh", str(body_bytes), *(str(len(config)) for config in configs)]
    result = _exec.run(cluster, container, argv, max(request.timeout for request in requests) + 5, b"".join(configs))
    records = result.text.split("\nend\n")[:-1]
    if result.code or len(records) != len(requests):
        raise ClusterError(f"Cluster {cluster.name}: {container} cannot make HTTP requests (exit {result.code}): "
                           f"{redact(result.stderr.strip())[-300:] or 'it did not answer in full'}.",
                           "It needs sh, curl 7.63 or newer, head and base64.")
    return [_answer(cluster, container, record) for record in records]


def _config(request: Request) -> str:
    """A curl configuration; it ends with a word that ``$(…)`` leaves alone."""
    if not request.url.startswith(("http://", "https://")):
        raise InvalidInput(f"{redact(request.url)!r} is not an HTTP URL.", "For example: http://api-gateway:8080/health")
    headers = dict(request.headers)
    if request.body is not None and "content-type" not in map(str.lower, headers):
        headers["Content-Type"] = "application/json"
    options = [("url", request.url), ("request", request.method), ("max-time", f"{request.timeout:g}"),
               ("proto", "=http,https"), *(("header", _header(*header)) for header in headers.items())]
    if request.body is not None:
        options.append(("data-raw", request.body))
    options.append(("write-out", r"%{stderr}\nstatus %{http_code} %{time_total}\n"))
    lines = [f"{name} = {_quoted(value)}" for name, value in options]
    return "\n".join([*lines, "globoff"])


def _header(name: str, value: str) -> str:
    if not _HEADER.fullmatch(name) or re.search(r"[\r\n]", value):
        raise InvalidInput(f"{name!r} is not an HTTP header of one line.", "Give a name and a value, such as Accept: text/plain")
    return f"{name}: {value}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{escaped}"'


def _answer(cluster: Cluster, container: Container, record: str) -> Answer:
    told, _separator, body = record.partition("\nbody\n")
    status, failure = _STATUS.search(told), _FAILURE.search(told)
    if status is None:
        raise ClusterError(f"Cluster {cluster.name}: {container} cannot make HTTP requests: "
                           f"{redact(told.strip())[-300:] or 'no output'}.", "It needs curl 7.63 or newer.")
    milliseconds = float(status[2].replace(",", ".")) * 1000
    if failure and status[1] == "000":
        return Answer(0, milliseconds, "", CURL_ERRORS.get(int(failure[1]), "failed"), redact(failure[2]))
    text = base64.b64decode(body).decode("utf-8", "replace")
    return Answer(int(status[1]), milliseconds, text)
