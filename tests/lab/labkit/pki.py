"""Certificates of one cluster: a CA of its own, and everything signed by it."""

from __future__ import annotations

import datetime
import ipaddress
import os
import pathlib
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = datetime.timedelta(days=3650)
KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
              "encipher_only", "decipher_only")


class Authority:
    """A CA that keeps its certificates and keys as PEM files in one directory."""

    def __init__(self, directory: pathlib.Path, valid: datetime.timedelta = VALID) -> None:
        self.directory, self._valid = directory, valid
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key = self._load_or_make_key("ca")
        self._name = _name("sre-runbooks-lab", [])
        if not self.path("ca.crt").exists():
            builder = self._builder(self._name, self._key.public_key(), "key_cert_sign", "crl_sign")
            self._sign("ca.crt", builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True))

    def path(self, name: str) -> pathlib.Path:
        """Where a PEM file lies."""
        return self.directory / name

    def issue(self, name: str, common_name: str, groups: t.Sequence[str] = (), hosts: t.Sequence[str] = ()) -> None:
        """Make ``name.crt`` and ``name.key`` for a client, and for a server when there are hosts."""
        if self.path(f"{name}.crt").exists():
            return
        key = self._load_or_make_key(name)
        builder = self._builder(_name(common_name, groups), key.public_key(), "digital_signature")
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] + ([ExtendedKeyUsageOID.SERVER_AUTH] if hosts else [])
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        self._sign(f"{name}.crt", builder)

    def make_key(self, name: str) -> None:
        """Make ``name.key`` and its public half ``name.pub`` (service account tokens)."""
        public = self._load_or_make_key(name).public_key()
        self._write(f"{name}.pub", public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *usages: str) -> x509.CertificateBuilder:
        """A certificate with what RFC 5280 asks for, and Python from 3.13 on: who signed which key, and what the key may do."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + self._valid)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
                .add_extension(x509.KeyUsage(**{usage: usage in usages for usage in KEY_USAGES}), critical=True))

    def _sign(self, name: str, builder: x509.CertificateBuilder) -> None:
        self._write(name, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _load_or_make_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self.path(f"{name}.key")
        if path.exists():
            return t.cast(ec.EllipticCurvePrivateKey, serialization.load_pem_private_key(path.read_bytes(), None))
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(path.name, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption()))
        return key

    def _write(self, name: str, content: bytes) -> None:
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)


def _name(common_name: str, groups: t.Sequence[str]) -> x509.Name:
    return x509.Name([*(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
                      x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
