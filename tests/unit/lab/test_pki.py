"""The lab's certificates pass the strict verification of Python 3.13; a home that has some keeps them."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from cryptography import x509
from labkit import pki


@pytest.fixture(name="authority")
def fixture_authority(tmp_path):
    authority = pki.Authority(tmp_path)
    authority.issue("server", "kube-apiserver", (), ("127.0.0.1", "kubernetes.default.svc"))
    authority.issue("client", "oncall", ("sre",))
    return authority


def context(authority, purpose, name):
    made = ssl.create_default_context(purpose, cafile=str(authority.path("ca.crt")))
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(authority.path(f"{name}.crt"), authority.path(f"{name}.key"))
    return made


def shake_hands(authority):
    """Both sides verify the other one strictly; the client's certificate as the server saw it."""
    ours, theirs = socket.socketpair()
    seen = {}

    def serve():
        try:
            with context(authority, ssl.Purpose.CLIENT_AUTH, "server").wrap_socket(theirs, server_side=True) as stream:
                seen.update(stream.getpeercert())
        except OSError as error:
            seen["refused"] = error

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context(authority, ssl.Purpose.SERVER_AUTH, "client").wrap_socket(ours, server_hostname="127.0.0.1") as stream:
            stream.unwrap() if stream.version() == "TLSv1.2" else stream.recv(1)
    finally:
        ours.close()
        thread.join()
    return seen


def test_both_sides_verify_strictly(authority):
    assert (("commonName", "oncall"),) in shake_hands(authority)["subject"]


def test_a_key_may_do_no_more_than_it_is_for(authority):
    usages = {name: x509.load_pem_x509_certificate(authority.path(f"{name}.crt").read_bytes()).extensions.get_extension_for_class(x509.KeyUsage).value
              for name in ("ca", "server", "client")}
    assert [usage.key_cert_sign for usage in usages.values()] == [True, False, False]
    assert [usage.digital_signature for usage in usages.values()] == [False, True, True]


def test_a_home_keeps_what_it_has(authority):
    before = {path.name: path.read_bytes() for path in authority.directory.iterdir()}
    again = pki.Authority(authority.directory)
    again.issue("server", "kube-apiserver", (), ("127.0.0.1",))
    assert {path.name: path.read_bytes() for path in authority.directory.iterdir()} == before
