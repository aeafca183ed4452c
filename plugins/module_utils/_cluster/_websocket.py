# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Websockets to the API server, with the same server, identity and proxy as its other requests."""

from __future__ import annotations

import ssl
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster

try:
    import certifi
    import urllib3
    import websocket
except Exception:
    pass


def connect(cluster: Cluster, path: str, query: t.Sequence[tuple[str, t.Any]], protocols: str) -> t.Any:
    """Open a stream; the exceptions are those of the websocket package and OSError.

    :param protocols: as the header Sec-WebSocket-Protocol names them.
    """
    url = cluster.configuration.host.replace("http", "ws", 1) + path + "?" + urllib.parse.urlencode(query)
    headers = [f"{name}: {value}" for name, value in cluster.identity.headers()]
    socket = websocket.WebSocket(sslopt=_tls(cluster), skip_utf8_validation=False)
    websocket.setdefaulttimeout(cluster.connection.timeout)  # the only way to bound the connecting
    socket.connect(url, header=[*headers, f"Sec-WebSocket-Protocol: {protocols}"], **_proxy(cluster))
    return socket


def _tls(cluster: Cluster) -> dict[str, t.Any]:
    configuration = cluster.configuration
    options: dict[str, t.Any] = {"cert_reqs": ssl.CERT_NONE}
    if configuration.host.startswith("https://") and configuration.verify_ssl:
        options = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": configuration.ssl_ca_cert or certifi.where()}
    named = {"certfile": configuration.cert_file, "keyfile": configuration.key_file, "server_hostname": configuration.tls_server_name}
    return {**options, **{name: value for name, value in named.items() if value}}


def _proxy(cluster: Cluster) -> dict[str, t.Any]:
    configuration = cluster.configuration
    if not configuration.proxy:
        return {"http_no_proxy": ["*"]}
    address = urllib3.util.parse_url(configuration.proxy)
    options: dict[str, t.Any] = {"http_proxy_host": address.host, "http_proxy_port": address.port, "proxy_type": address.scheme or "http",
                                 "http_no_proxy": (configuration.no_proxy or "").split(",")}
    if address.auth:
        user, _colon, password = address.auth.partition(":")
        options["http_proxy_auth"] = (urllib.parse.unquote(user), urllib.parse.unquote(password))
    return options
