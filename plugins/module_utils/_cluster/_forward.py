# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port of a pod on a loopback port of the controller, through the API server.

The client library's own port-forward keeps what a slow reader has not taken yet in memory without a bound. Here each
connection is one websocket and one thread that passes on a frame before it reads the next, so the database waits
for a slow reader as it would on a plain socket.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import threading
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _websocket
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, resource_path
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    import websocket
except ImportError:
    pass

DATA, ERROR = 0, 1
CHUNK = 1 << 18
#: the first frame of each channel repeats the port's number
GREETING = 2


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, pod: str, port: int) -> t.Iterator["Forwarder"]:
    """While the context lasts, connections to ``port`` of the forwarder on 127.0.0.1 reach the pod's port."""
    forwarder = Forwarder(cluster, namespace, pod, port)
    try:
        yield forwarder
    finally:
        forwarder.close()


class Forwarder:
    """Accepts connections on a free loopback port; each goes to the pod by a stream of its own.

    :ivar port: on 127.0.0.1.
    :ivar failure: why the last connection could not be passed on, None while all is well.
    """

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self.failure: ClusterError | None = None
        self._cluster, self._pod_port = cluster, port
        self._where = f"port {port} of pod {namespace}/{pod}"
        self._path = resource_path("Pod", namespace, pod, "portforward")
        self._streams: set[t.Any] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"forward {self._where}", daemon=True).start()

    def close(self) -> None:
        """Accept no more, and end the connections that are open."""
        # Only a shutdown wakes the thread that waits in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for stream in list(self._streams):  # whose threads then close them
            with contextlib.suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name=f"connection to {self._where}", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                stream = self._open()
            except ClusterError as error:
                self.failure = error
                return
            self._streams.add(stream)
            try:
                self._pass_on(client, stream)
            except (websocket.WebSocketException, OSError) as error:
                logging.getLogger(__name__).debug("%s: %s", self._where, error)
            finally:
                self._streams.discard(stream)
                stream.shutdown()

    def _open(self) -> t.Any:
        try:
            stream = _websocket.connect(self._cluster, self._path, [("ports", self._pod_port)], "v4.channel.k8s.io")
        except websocket.WebSocketBadStatusException as error:
            denied = error.status_code == 403
            raise ClusterError(f"Cluster {self._cluster.name}: may not or cannot forward {self._where} ({error.status_code}).",
                               "Grant create on pods/portforward with the Role in docs/rbac/." if denied else "",
                               status=error.status_code) from error
        except (websocket.WebSocketException, OSError) as error:
            raise ClusterError(f"Cluster {self._cluster.name}: cannot forward {self._where} ({error}).",
                               "Check that the pod runs and that its node answers the API server.") from error
        stream.settimeout(None)
        return stream

    def _pass_on(self, client: socket.socket, stream: t.Any) -> None:
        greeted = {DATA: False, ERROR: False}
        while True:
            ready = [stream.sock] if _buffered(stream) else select.select([client, stream.sock], [], [])[0]
            if client in ready:
                data = client.recv(CHUNK)
                if not data:
                    return
                stream.send_binary(bytes([DATA]) + data)
            if stream.sock in ready:
                opcode, frame = stream.recv_data_frame(True)
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return
                if opcode != websocket.ABNF.OPCODE_BINARY or not frame.data:
                    continue
                channel, data = frame.data[0], frame.data[1:]
                if not greeted[channel] and len(data) == GREETING:
                    greeted[channel] = True
                elif channel == DATA:
                    client.sendall(data)
                else:
                    self.failure = ClusterError(f"Cluster {self._cluster.name}: {self._where} cannot be reached: "
                                                f"{data.decode('utf-8', 'replace').strip()[:300]}.")
                    return


def _buffered(stream: t.Any) -> bool:
    """Whether TLS has decrypted bytes that select() does not see."""
    return isinstance(stream.sock, ssl.SSLSocket) and stream.sock.pending() > 0
