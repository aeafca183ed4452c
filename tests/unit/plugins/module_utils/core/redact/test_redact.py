# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets do not survive capture; what a person needs does."""

from __future__ import annotations

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import REMOVED, redact, redact_object

JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbGljZSJ9." + "c2lnbmF0dXJlc2lnbmF0dXJl"


@pytest.mark.parametrize("text, secret", [
    (f"token {JWT} accepted", JWT),
    ("Authorization: Bearer abc.def-123456", "abc.def-123456"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("postgres://shop:hunter22@postgres:5432/shop", "hunter22"),
    ("password=hunter22 user=shop", "hunter22"),
    ('{"db_password": "hunter22"}', "hunter22"),
    ("DB_PASSWORD: hunter22", "hunter22"),
    ("Set-Cookie: session=abcdef; Path=/", "abcdef"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ("key AKIA" + "ABCDEFGHIJKLMNOP used", "AKIA" + "ABCDEFGHIJKLMNOP"),
    ("GET /x?api_key=s3cr3t99&page=2", "s3cr3t99"),
])
def test_secrets_are_removed(text, secret):
    assert secret not in redact(text)
    assert REMOVED in redact(text)


@pytest.mark.parametrize("text", [
    "2026-11-23T03:04:05Z ERROR pool connection timeout req=ab12 held_ms=3001",
    "GET http://api-server:8080/orders/17 200 13ms",
    "java.lang.OutOfMemoryError: Java heap space",
    "page=2&sort=created_at",
])
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_environment_of_a_pod():
    env = [{"name": "DB_PASSWORD", "value": "hunter22"}, {"name": "DB_HOST", "value": "postgres"}]
    assert redact_object(env) == [{"name": "DB_PASSWORD", "value": REMOVED}, {"name": "DB_HOST", "value": "postgres"}]


def test_keys_that_name_a_secret():
    assert redact_object({"data": {"api-token": "abc", "replicas": 3}}) == {"data": {"api-token": REMOVED, "replicas": 3}}


def test_names_of_secrets_stay():
    reference = {"secretName": "shop-db", "secretKeyRef": {"name": "shop-db", "key": "password"}}
    assert redact_object(reference) == reference


def test_the_name_of_a_secret_is_no_secret():
    for text in ("volumes[tls].secret.secretName: none -> auth-service-tls", "volumes[tls].secret.defaultMode: none -> 420"):
        assert redact(text) == text
    assert redact("client_secret: hush") == "client_secret: [REDACTED]"
    assert redact("secret.value: hush") == "secret.value: [REDACTED]"
