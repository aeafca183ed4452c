# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The right server, as the right user; and an error that helps and keeps secrets for everything else."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import ssl
import sys
import threading
import traceback

import pytest
import urllib3
import websocket
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from fake_api import FakeApi, serving
from labkit import pki

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _websocket
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._clock import Clock
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import STRICT_FAILURES, Cluster, Connection
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput, RunbookError

SECRET = "sesame-4711"


@pytest.fixture(name="api")
def api_fixture():
    with serving() as api:
        yield api


@pytest.fixture(name="connect")
def connect_fixture(api, tmp_path):
    def connect(user, cluster=None, **connection):
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig(api.url, user, **(cluster or {}))))
        return Cluster(Connection(**{"name": "prod", "kubeconfig": str(path), "directory": str(tmp_path), "retries": 0, **connection}))
    return connect


def kubeconfig(url, user, context="x", **cluster):
    return {"kind": "Config", "current-context": context, "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
            "users": [{"name": "u", "user": user}], "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}]}


def plugin(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "installHint": "Get it at the shop."}}


def credential(**status):
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def jwt(expires):
    parts = ({"alg": "none"}, {"exp": expires})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


def test_impersonation_goes_with_every_request(api, connect):
    connect({"token": SECRET, "as": "oncall", "as-groups": ["sre", "eu"], "as-uid": "7", "as-user-extra": {"Why/what": ["INC-1"]}}).list("Pod", "shop")
    assert api.sent("Authorization") == [f"Bearer {SECRET}"]
    assert (api.sent("Impersonate-User"), api.sent("Impersonate-Group"), api.sent("Impersonate-Uid")) == (["oncall"], ["sre", "eu"], ["7"])
    assert api.sent("Impersonate-Extra-why%2Fwhat") == ["INC-1"]


def test_impersonation_goes_with_streams(api, connect):
    cluster = connect({"token": SECRET, "as": "oncall", "as-groups": ["sre", "eu"]})
    with pytest.raises(websocket.WebSocketBadStatusException):  # the server knows no websockets
        _websocket.connect(cluster, "/exec", [("command", "id")], "v4.channel.k8s.io")
    assert (api.sent("Impersonate-User"), api.sent("Impersonate-Group"), api.sent("Authorization")) == (
        ["oncall"], ["sre", "eu"], [f"Bearer {SECRET}"])


def test_groups_without_a_user_are_refused_as_kubectl_refuses_them(connect):
    with pytest.raises(InvalidInput, match="as-groups without as"):
        connect({"token": SECRET, "as-groups": ["sre"]})


@pytest.mark.parametrize("text", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n"])
def test_white_space_around_a_token_is_left_out(api, connect, tmp_path, text):
    (tmp_path / "token").write_text(text)
    for cluster in (connect({"tokenFile": "token", "token": "the file wins"}), connect({"token": text}),
                    Cluster(Connection(host=api.url, token=text, retries=0))):
        cluster.list("Pod", "shop")
        assert api.sent("Authorization") == [f"Bearer {SECRET}"]


@pytest.mark.parametrize("token", [f"{SECRET}\n{SECRET}", f"{SECRET} x", f"{SECRET}\u2028x", " \n"])
def test_a_token_that_no_header_holds_is_refused_without_being_shown(api, connect, token):
    for attempt in (lambda: connect({"token": token}), lambda: Cluster(Connection(host=api.url, token=token))):
        with pytest.raises(InvalidInput) as caught:
            attempt()
        assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kubeconfig", ["", "/there/is/none"])
def test_a_token_without_a_host_is_refused_because_a_kubeconfig_would_count(kubeconfig):
    with pytest.raises(InvalidInput, match="runbooks_token goes with runbooks_host"):
        Cluster(Connection(kubeconfig=kubeconfig, token="of-somebody"))


def test_a_token_file_is_read_again(api, connect, tmp_path):
    (tmp_path / "token").write_text("first")
    cluster = connect({"tokenFile": "token"})
    (tmp_path / "token").write_text("second")
    past = datetime.datetime.now(datetime.timezone.utc)
    cluster.identity.credential = type(cluster.identity.credential)("Bearer first", expires=past)
    cluster.list("Pod", "shop")
    assert api.sent("Authorization") == ["Bearer second"]


def test_an_exec_plugin_gives_a_token_and_is_asked_again_when_that_ends(api, connect, tmp_path):
    answer = credential(token=SECRET, expirationTimestamp="2020-01-01T00:00:00Z")
    cluster = connect(plugin(tmp_path / "login", f"echo x >> {tmp_path}/runs\necho '{answer}'\n"))
    cluster.list("Pod", "shop")
    assert api.sent("Authorization") == [f"Bearer {SECRET}"]
    assert (tmp_path / "runs").read_text() == "x\nx\n"


@pytest.mark.parametrize("text, why", [
    ("echo 'token: sesame-4711 expired, sso login needed' >&2; exit 3", "ended with 3: token: .* sso login needed"),
    (f"echo '{SECRET}'", "no ExecCredential"),
    (f"echo '{credential()}'", "neither a token nor a client certificate"),
    (f"echo '{credential(token=SECRET)}' | sed s,io/v1,io/v1beta1,", "v1beta1"),
])
def test_an_exec_plugin_that_fails_is_never_an_anonymous_user(api, connect, tmp_path, text, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        connect(plugin(tmp_path / "login", text))
    assert SECRET not in str(caught.value) and "Log in again" in str(caught.value)
    assert api.requests == []


def test_an_exec_plugin_that_is_not_installed_names_its_hint(connect, tmp_path):
    user = plugin(tmp_path / "login", "")
    (tmp_path / "login").unlink()
    with pytest.raises(InvalidInput, match="cannot be started .*Get it at the shop"):
        connect(user)


@pytest.mark.parametrize("provider, why", [
    ({"name": "oidc", "config": {"id-token": jwt(1000000000)}}, "OIDC token expired at 2001-09-09"),
    ({"name": "oidc", "config": {}}, "OIDC token is missing"),
    ({"name": "gcp", "config": {}}, "gke-gcloud-auth-plugin"),
    ({"name": "azure", "config": {}}, "kubelogin"),
])
def test_auth_providers(connect, provider, why):
    with pytest.raises(InvalidInput, match=why):
        connect({"auth-provider": provider})


def test_an_oidc_token_that_holds_is_used(api, connect):
    token = jwt(4000000000)
    connect({"auth-provider": {"name": "oidc", "config": {"id-token": token}}}).list("Pod", "shop")
    assert api.sent("Authorization") == [f"Bearer {token}"]


def test_the_first_file_with_a_current_context_wins_as_with_kubectl(api, tmp_path):
    (tmp_path / "a").write_text(yaml.safe_dump(kubeconfig(api.url, {"token": "mine"}, context="mine")))
    (tmp_path / "b").write_text(yaml.safe_dump(kubeconfig("http://127.0.0.1:1", {"token": "other"}, context="other")))
    Cluster(Connection(kubeconfig=f"{tmp_path}/a:{tmp_path}/absent:{tmp_path}/b", retries=0)).list("Pod", "shop")
    assert api.sent("Authorization") == ["Bearer mine"]


@pytest.mark.parametrize("text, why", [
    ("clusters:\n\t- x\n", "is not YAML at line 2"), ("- a", "not a kubeconfig"), ("", "no current context"),
    ("current-context: gone", "no context gone"),
    ("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'http://h'}}]", "no user u"),
    ("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 10.0.0.1}}]", "no server that is a URL"),
])
def test_a_broken_kubeconfig_is_named(tmp_path, text, why):
    (tmp_path / "bad").write_text(text)
    with pytest.raises(InvalidInput, match=why) as caught:
        Cluster(Connection(name="prod", kubeconfig=str(tmp_path / "bad")))
    assert "prod" in str(caught.value) and "Nothing was sent" in str(caught.value)


def test_certificates_as_data_and_as_files_and_the_name_that_they_must_have(connect, tmp_path):
    (tmp_path / "ca.pem").write_text("ca")
    data = base64.b64encode(b"key").decode()
    cluster = connect({"client-certificate-data": data, "client-key-data": data},
                      {"certificate-authority": "ca.pem", "tls-server-name": "api.internal", "proxy-url": "http://me:pass@10.0.0.1:3128"})
    made = cluster.configuration
    assert (made.ssl_ca_cert, made.tls_server_name) == (str(tmp_path / "ca.pem"), "api.internal")
    assert (tmp_path / made.key_file).read_bytes() == b"key"
    assert (tmp_path / made.key_file).stat().st_mode & 0o077 == 0
    assert made.proxy_headers == {"proxy-authorization": "Basic bWU6cGFzcw=="}


def test_socks_without_pysocks_says_what_to_install(connect, monkeypatch):
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", None)
    with pytest.raises(InvalidInput, match="PySocks"):
        connect({"token": SECRET}, {"proxy-url": "socks5://127.0.0.1:1"})


def test_a_proxy_that_does_not_answer_is_named(api):
    with pytest.raises(ClusterError, match=r"no answer from http://\S+ through the proxy http://\S+:1 to GET /version") as caught:
        Cluster(Connection(host=api.url, proxy=f"http://me:{SECRET}@127.0.0.1:1", retries=0)).request("GET", "/version")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("answer, why", [
    ((200, b"<html>Sign in</html>", {"Content-Type": "text/html"}), "a web page"),
    ((302, b"", {"Location": "https://sso.example.com/login"}), "redirected .302. to https://sso.example.com"),
    ((200, b"[1]", {}), "no JSON object"),
    ((403, json.dumps({"message": 'pods is forbidden: User "system:anonymous" cannot list'}).encode(), {}), "log in again"),
    ((403, json.dumps({"message": 'users "x" is forbidden: User "y" cannot impersonate resource'}).encode(), {}), "verb impersonate"),
])
def test_what_is_no_answer_of_an_api_server(api, answer, why):
    api.answers["/api/v1/namespaces/shop/pods"] = answer
    with pytest.raises(ClusterError, match=why):
        api.cluster.list("Pod", "shop")


def test_advice_is_never_to_grant_rights_to_nobody(api):
    api.answers["/api/v1/namespaces/shop/pods"] = (403, b'{"message": "User \\"system:anonymous\\" cannot list"}', {})
    with pytest.raises(ClusterError) as caught:
        api.cluster.list("Pod", "shop")
    assert "Grant the verb" not in str(caught.value)


def test_a_list_that_is_null_is_empty(api):
    assert api.cluster.list("Secret", "shop") == []
    assert api.cluster.list_metadata("Secret", "shop") == []


def test_no_secret_of_the_connection_is_in_its_repr():
    assert SECRET not in repr(Connection(token=SECRET, proxy=f"http://me:{SECRET}@proxy:1"))


@pytest.mark.parametrize("words", STRICT_FAILURES)
def test_a_certificate_that_only_strict_verification_refuses_names_the_option(api, words):
    error = urllib3.exceptions.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words} (_ssl.c:1028)")
    assert "runbooks_strict_certificates=false" in str(api.cluster._unreachable("GET", "/version", error))


@pytest.mark.usefixtures("strictly")
def test_strictness_alone_is_relaxed():
    settings = Cluster(Connection(host="https://127.0.0.1:1", strict_certificates=False))._pool.connection_pool_kw
    assert not settings["ssl_context"].verify_flags & ssl.VERIFY_X509_STRICT
    assert settings["ssl_context"].check_hostname and settings["cert_reqs"] == ssl.CERT_REQUIRED
    for other in (Connection(host="https://127.0.0.1:1"), Connection(host="https://127.0.0.1:1", strict_certificates=False, validate_certs=False)):
        assert "ssl_context" not in Cluster(other)._pool.connection_pool_kw


@pytest.fixture(name="older")
def fixture_older(tmp_path):
    """An API server with certificates as some clusters make them: without key identifiers and key usage; its URL and CA."""
    authority = pki.Authority(tmp_path / "pki")
    authority.issue("server", "kube-apiserver", (), ("127.0.0.1",))
    key = serialization.load_pem_private_key(authority.path("ca.key").read_bytes(), None)
    for path in authority.directory.glob("*.crt"):
        made = x509.load_pem_x509_certificate(path.read_bytes())
        builder = x509.CertificateBuilder(made.issuer, made.subject, made.public_key(), made.serial_number, made.not_valid_before_utc,
                                          made.not_valid_after_utc)
        for extension in made.extensions:
            if isinstance(extension.value, (x509.BasicConstraints, x509.SubjectAlternativeName)):
                builder = builder.add_extension(extension.value, extension.critical)
        path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.path("server.crt"), authority.path("server.key"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Version)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"host": f"https://127.0.0.1:{server.server_port}", "ca_cert": str(authority.path("ca.crt")), "retries": 0}
    server.shutdown()
    server.server_close()


class Version(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"major": "1"}')

    def log_message(self, *arguments):
        pass


@pytest.fixture(name="strictly")
def fixture_strictly(monkeypatch):
    """Verify as Python does from 3.13 on."""
    def strict(*arguments, **options):
        context = ordinary(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    ordinary = urllib3.util.ssl_.create_urllib3_context
    for module in (urllib3.util.ssl_, urllib3.connection):
        monkeypatch.setattr(module, "create_urllib3_context", strict)


@pytest.mark.usefixtures("strictly")
def test_an_older_clusters_certificates_are_accepted_only_where_that_is_asked_for(older, tmp_path):
    with pytest.raises(ClusterError, match="runbooks_strict_certificates=false for this host"):
        Cluster(Connection(**older)).request("GET", "/version")
    assert Cluster(Connection(**older, strict_certificates=False)).request("GET", "/version") == {"major": "1"}
    strangers = pki.Authority(tmp_path / "strangers").path("ca.crt")
    with pytest.raises(ClusterError, match="Check runbooks_ca_cert"):
        Cluster(Connection(**{**older, "ca_cert": str(strangers)}, strict_certificates=False)).request("GET", "/version")


@pytest.mark.parametrize("ahead", [-3600.0, -180.0, 0.0, 180.0, 3600.0])
def test_the_clusters_time_is_read_from_its_answers(ahead):
    with serving(FakeApi(seconds_ahead=ahead)) as api:
        away = (api.cluster.now() - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    assert abs(away - ahead) < 30  # whatever the machine does meanwhile


def test_the_clock_narrows_with_every_answer_and_begins_anew_when_one_was_set():
    clock = Clock()
    assert not clock.known and clock.ahead == 0
    clock.learn("Thu, 01 Jan 1970 00:01:40 GMT", 39.0, 41.0)
    assert 59 <= clock.ahead <= 61
    clock.learn("Thu, 01 Jan 1970 00:01:41 GMT", 40.1, 40.2)
    assert clock.ahead == pytest.approx(61.35)
    clock.learn("Thu, 01 Jan 1970 00:00:50 GMT", 50.0, 50.1)
    assert clock.ahead == 0
    clock.learn("rubbish", 0.0, 0.0)
    assert clock.ahead == 0


def test_every_refusal_is_a_runbook_error():
    for connection in (Connection(host="10.0.0.1"), Connection(host="https://h", ca_cert="/nowhere"), Connection(context="x", kubeconfig="/nowhere"),
                       Connection(host="https://h", proxy="10.0.0.1:3128")):
        with pytest.raises(RunbookError):
            Cluster(connection)


@pytest.mark.parametrize("changed", [
    {"clusters": 1}, {"clusters": [{"name": "c", "cluster": "https://h"}]}, {"contexts": [{"name": "x", "context": [1]}]},
    {"users": [{"name": "u", "user": "secret-word"}]}, {"users": [{"name": "u", "user": {"as": "a", "as-groups": 1, "token": "secret-word"}}]},
    {"users": [{"name": "u", "user": {"exec": {"apiVersion": "v1", "command": "true", "env": ["secret-word"]}}}]},
    {"users": [{"name": "u", "user": {"exec": {"apiVersion": "v1", "command": "a\0b"}}}]}])
def test_a_kubeconfig_of_another_form_is_refused_without_its_content(tmp_path, changed):
    whole = {"current-context": "x", "clusters": [{"name": "c", "cluster": {"server": "https://h"}}], "users": [{"name": "u", "user": {"token": "t"}}],
             "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], **changed}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(whole))
    with pytest.raises(InvalidInput, match="not of the form of a kubeconfig") as refused:
        Cluster(Connection(kubeconfig=str(path)))
    assert "secret-word" not in str(refused.value)
