# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout history, and what is newer than the pods that use it."""

from __future__ import annotations

import base64
import datetime

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _mounts, _revisions
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._mounts import Use
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._revisions import Revision

TEMPLATE = {"metadata": {"labels": {"app": "auth"}}, "spec": {
    "containers": [{"name": "auth", "image": "auth:1", "args": ["serve"],
                    "env": [{"name": "LEVEL", "value": "1"}, {"name": "DB_PASSWORD", "value": "hunter2"},
                            {"name": "USER", "valueFrom": {"secretKeyRef": {"name": "user", "key": "name"}}}],
                    "envFrom": [{"configMapRef": {"name": "settings"}}]}],
    "volumes": [{"name": "key", "secret": {"secretName": "signing-key"}}, {"name": "tmp", "emptyDir": {}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "ca"}}, {"secret": {"name": "tls"}}]}}]}}


def revision(number, template):
    return Revision(number, f"auth-{number}", f"2026-11-24T0{number}:00:00Z", "", template)


def changed(**container):
    first = {**TEMPLATE["spec"]["containers"][0], **container}
    return {**TEMPLATE, "spec": {**TEMPLATE["spec"], "containers": [first]}}


def test_each_revision_says_what_it_changed_and_no_secret_is_shown():
    env = [{"name": "LEVEL", "value": "2"}, {"name": "DB_PASSWORD", "value": "other"}, TEMPLATE["spec"]["containers"][0]["env"][2]]
    restarted = {**changed(image="auth:2", env=env),
                 "metadata": {"labels": {"app": "auth"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    rows = _history.rows([revision(1, TEMPLATE), revision(2, changed(image="auth:2", env=env)), revision(3, restarted)])
    assert [change["path"] for change in rows[1]["changes"]] == [
        "spec.containers[auth].env[DB_PASSWORD].value", "spec.containers[auth].env[LEVEL].value", "spec.containers[auth].image"]
    assert _history.in_words(rows[1]) == (
        "revision 2 of 2026-11-24T02:00:00Z: containers[auth].env[DB_PASSWORD]: [REDACTED] -> [REDACTED]; "
        "containers[auth].env[LEVEL]: 1 -> 2; containers[auth].image: auth:1 -> auth:2")
    assert [row["restart"] for row in rows] == [False, False, True]
    assert [row["current"] for row in rows] == [False, False, True]
    assert "hunter2" not in str(rows) and "other" not in str(rows[1])


def replica_set(number, created, *earlier):
    annotations = {"deployment.kubernetes.io/revision": str(number), **({_revisions.HISTORY: ",".join(map(str, earlier))} if earlier else {})}
    return {"metadata": {"name": f"auth-{created}", "creationTimestamp": f"2026-11-24T{created}:00Z", "annotations": annotations,
                         "labels": {"pod-template-hash": created}}, "spec": {"template": TEMPLATE}}


def pod_of(item, born):
    return {"metadata": {"creationTimestamp": f"2026-11-24T{born}:00Z", "labels": {"pod-template-hash": item["metadata"]["labels"]["pod-template-hash"]}}}


def rolled_out(revision, progress):
    return {"metadata": {"annotations": {"deployment.kubernetes.io/revision": str(revision)}},
            "status": {"conditions": [{"type": "Progressing", "lastUpdateTime": f"2026-11-24T{progress}:00Z"}] if progress else []}}


@pytest.mark.parametrize(("pods", "progress", "begun"), [
    (["05:00", "05:01"], "05:02", "05:00"),  # its oldest pod
    (["07:00"], "05:02", "05:02"),           # which took another's place later
    ([], "05:02", "05:02"),
    ([], "", "")])
def test_a_template_that_is_used_again_began_when_it_was_rolled_out_again(pods, progress, begun):
    used, other = replica_set(3, "01:00", 1), replica_set(2, "02:00")
    found = [other, used]
    assert [_revisions.used_again(item, found) for item in found] == [False, True]
    at = _revisions.begun_again(used, [pod_of(other, "00:30"), *(pod_of(used, born) for born in pods)], rolled_out(3, progress))
    assert at == (f"2026-11-24T{begun}:00Z" if begun else "")
    assert _revisions.revision(used, at).begun_at == (at or "2026-11-24T01:00:00Z")


def test_everything_that_pods_take_from_secrets_and_configmaps():
    assert _mounts.uses(TEMPLATE) == [
        Use("ConfigMap", "ca", "volume"), Use("ConfigMap", "settings", "environment"), Use("Secret", "signing-key", "volume"),
        Use("Secret", "tls", "volume"), Use("Secret", "user", "environment")]


def test_when_the_content_of_an_object_was_written():
    meta = {"creationTimestamp": "2026-11-24T01:00:00Z", "managedFields": [
        {"time": "2026-11-24T02:00:00Z", "fieldsV1": {"f:data": {}}},
        {"time": "2026-11-24T03:00:00Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}}]}
    assert _mounts.changed_at({"metadata": meta}) == "2026-11-24T02:00:00Z"
    assert _mounts.changed_at({"metadata": {"creationTimestamp": "2026-11-24T01:00:00Z"}}) == "2026-11-24T01:00:00Z"


@pytest.mark.parametrize("year", [2027, 2055])
def test_until_when_a_certificate_is_valid(year):
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "auth")])
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(datetime.datetime(2026, 1, 1))
                   .not_valid_after(datetime.datetime(year, 2, 3, 4, 5, 6)).sign(key, hashes.SHA256()))
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = {"kind": "Secret", "data": {"tls.crt": base64.b64encode(pem + pem).decode(), "tls.key": base64.b64encode(b"x").decode()}}
    assert _mounts.certificates(secret) == [{"key": "tls.crt", "not_after": f"{year}-02-03T04:05:06Z"}] * 2


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", b"no certificate"])
def test_what_is_no_certificate_has_no_end(der):
    assert _mounts.not_after(der) == ""
