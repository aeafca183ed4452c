# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a container, with its output streamed as bytes."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _websocket
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    import websocket
except Exception:
    pass

STDIN, STDOUT, STDERR, STATUS, CLOSED = 0, 1, 2, 3, 255
PROTOCOLS = "v5.channel.k8s.io,v4.channel.k8s.io"


@dataclasses.dataclass(frozen=True)
class Container:
    """A container to run commands in."""

    namespace: str
    pod: str
    name: str

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.pod} container {self.name}"


@dataclasses.dataclass(frozen=True)
class ExecResult:
    """What a finished command left.

    :param code: exit status of the command.
    """

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "replace")


def run(cluster: Cluster, container: Container, argv: t.Sequence[str], timeout: float = 30.0,
        stdin: bytes = b"") -> ExecResult:
    """Run a command to its end and keep its output.

    :param timeout: seconds without any output after which the command counts as hung.
    :param stdin: see ``stream``.
    :raises ClusterError: the command could not be run; a non-zero exit is a result, not an error.
    """
    chunks: list[bytes] = []
    code, stderr = stream(cluster, container, argv, chunks.append, timeout, stdin)
    return ExecResult(code, b"".join(chunks), stderr)


def stream(cluster: Cluster, container: Container, argv: t.Sequence[str],
           write: t.Callable[[bytes], object], timeout: float = 30.0, stdin: bytes = b"") -> tuple[int, str]:
    """Run a command and hand over its standard output as it comes.

    :param write: takes each chunk of standard output.
    :param timeout: seconds without any output after which the stream counts as broken.
    :param stdin: standard input of the command. Secrets belong here: the arguments stand in the API server's audit
        log and in the process list. Its end is not signalled, so the command must know how much to read.
    :returns: exit status and standard error.
    :raises ClusterError: the stream broke before the command's exit status arrived.
    """
    socket = _connect(cluster, container, argv, timeout, bool(stdin))
    stderr: list[bytes] = []
    try:
        if stdin:
            socket.send_binary(bytes([STDIN]) + stdin)
        for channel, data in _frames(socket):
            if channel == STDOUT:
                write(data)
            elif channel == STDERR:
                stderr.append(data)
            elif channel == STATUS:
                return _exit_code(cluster, container, json.loads(data)), b"".join(stderr).decode("utf-8", "replace")
    except (websocket.WebSocketException, OSError) as error:
        raise ClusterError(
            f"Cluster {cluster.name}: the stream from {container} broke while running "
            f"{argv[0]!r} ({error or type(error).__name__}).", "Run the same command again.") from error
    finally:
        socket.close(timeout=1)
    raise ClusterError(f"Cluster {cluster.name}: the stream from {container} ended before {argv[0]!r} had an "
                       "exit status (the container may have died).", "Check the pod's state and events.")


def _connect(cluster: Cluster, container: Container, argv: t.Sequence[str], timeout: float, stdin: bool) -> t.Any:
    query = [("container", container.name), ("stdin", str(stdin).lower()), ("stdout", "true"), ("stderr", "true"),
             *(("command", word) for word in argv)]
    path = resource_path("Pod", container.namespace, container.pod, "exec")
    for attempt in range(cluster.connection.retries + 1):
        try:
            socket = _websocket.connect(cluster, path, query, PROTOCOLS)
            socket.settimeout(timeout)
            return socket
        except websocket.WebSocketBadStatusException as error:
            if error.status_code < 500:
                raise _rejected(cluster, container, argv, error) from error
            failure: Exception = error
        except (websocket.WebSocketException, OSError) as error:
            failure = error
        time.sleep(0.3 * 2 ** attempt)
    raise ClusterError(f"Cluster {cluster.name}: cannot open a stream to {container} ({failure}).",
                       "Check that the pod is running and that its node answers the API server.")


def _rejected(cluster: Cluster, container: Container, argv: t.Sequence[str], error: t.Any) -> ClusterError:
    body = error.resp_body or b""
    try:
        reason = json.loads(body).get("message", "")
    except ValueError:
        reason = body.decode("utf-8", "replace")[:300]
    return ClusterError(
        f"Cluster {cluster.name}: may not or cannot run {argv[0]!r} in {container} "
        f"({error.status_code}: {reason}).", status=error.status_code,
        next_step="Grant create on pods/exec with the Role in docs/rbac/." if error.status_code == 403 else "")


def _frames(socket: t.Any) -> t.Iterator[tuple[int, bytes]]:
    while True:
        opcode, frame = socket.recv_data_frame(True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return
        if opcode in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT) and len(frame.data) > 1:
            yield frame.data[0], frame.data[1:]


def _exit_code(cluster: Cluster, container: Container, status: dict[str, t.Any]) -> int:
    if status.get("status") == "Success":
        return 0
    causes = status.get("details", {}).get("causes", [])
    codes = [cause["message"] for cause in causes if cause.get("reason") == "ExitCode"]
    if codes:
        return int(codes[0])
    message = status.get("message", "unknown error")
    if "executable file not found" in message or "no such file" in message:
        return 127
    raise ClusterError(f"Cluster {cluster.name}: command failed to start in {container}: {message}.")
