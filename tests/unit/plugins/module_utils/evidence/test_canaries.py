# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries of every kind go in where logs are captured; none comes out in evidence, report, message or on the console."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from ansible_collections.sre.runbooks.plugins.filter.redact import FilterModule
from ansible_collections.sre.runbooks.plugins.module_utils._archive import _archive
from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._communication import _compose
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import REMOVED
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import DONE, Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _proof, _timeline
from ansible_collections.sre.runbooks.plugins.plugin_utils import console
from fake_api import serving

LABELLED = pathlib.Path(__file__).parents[1] / "core" / "redact" / "secrets.txt"
MARKED = [line for line in LABELLED.read_text(encoding="utf-8").replace("¦", "").splitlines() if line and not line.startswith("# ")]
LINES = [re.sub("[«»]", "", line) for line in MARKED]
#: what is long enough to be found nowhere else
CANARIES = sorted({canary for line in MARKED for canary in re.findall("«(.+?)»", line) if len(canary) >= 8})
POD = {"metadata": {"name": "api-1", "namespace": "shop"}, "status": {"containerStatuses": [{"name": "api", "restartCount": 1}]}}


class FakeCluster:
    def raw(self, *_request, **_options):
        return "".join(f"2026-11-24T03:00:00.5Z {line}\n" for line in LINES).encode()


@pytest.fixture
def captured():
    return _logs.fetch(FakeCluster(), [POD], None, 60, 1 << 20)


def none_in(text: str) -> bool:
    found = [canary for canary in CANARIES if canary in text]
    assert not found, found
    return REMOVED in text


def test_there_are_canaries_of_many_kinds():
    assert len(CANARIES) >= 100


def test_logs_lose_their_secrets_where_they_are_captured(captured):
    assert all(none_in(log.text) for log in captured) and len(captured) == 2
    assert none_in("\n".join(text for _at, _pod, text in _logs.tail(FakeCluster(), [POD], "api", 60, 1000)))


def test_no_secret_reaches_evidence_or_report(tmp_path, captured):
    store = EvidenceStore(str(tmp_path), "INC-1", "lab1")
    raw = "\n".join(LINES)
    store.save_text("logs/raw.log", "logs", "a pod", raw)
    store.save_text("logs/captured.log", "logs", "a pod", captured[0].text)
    store.save_json("raw.json", "snapshot", "a pod", {"lines": LINES, "env": [{"name": "DB_PASSWORD", "value": CANARIES[0]}]})
    store.write_document("report.md", "\n".join(f"| {line} |" for line in LINES))
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("manifest.json", ".lock")]
    assert len(written) == 4 and all(none_in(path.read_text()) for path in written)
    assert all(store.verify(item) for item in store.items())


def test_no_secret_reaches_a_message_or_the_console(captured):
    message = FilterModule().filters()["redact"]({"text": "\n".join(LINES), "facts": LINES})
    assert none_in(json.dumps(message))
    said = console.ok_lines({"says": captured[0].text.splitlines()})
    assert none_in("\n".join(line.text for line in said))


def test_what_was_captured_is_not_changed_again(tmp_path, captured):
    store = EvidenceStore(str(tmp_path), "INC-1", "lab1")
    store.save_text("a.log", "logs", "a pod", captured[0].text)
    assert store.path("a.log").read_text() == captured[0].text


#: one of each kind that leads to something: what a log, an environment, an event, a label or an annotation may hold; the secret between « and »
KINDS = {
    "AWS secret key": "AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMIK7MDENGbPxRfiCYcanaryKEY01»", "database URL": "postgres://shop:«canary-Pw2x9»@db:5432/shop",
    "bearer": "Authorization: Bearer «canary03eyQm9x7Zk2»", "cookie": "Cookie: «session=canary04Zk2Qm9x7»",
    "URL with a user": "https://ci:«canary05Hx8p»@git.example.org/x",
    "JWT": "token «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkwNiJ9.c2lnbmF0dXJlY2FuYXJ5MDY»", "Slack": "«xoxb¦-210987654321-canary07ZkQm»",
    "GitHub": "«ghp¦_canary08aB3dE5fG7hI9jK1lM3nO5pQ7rS9t»", "Stripe": "«sk_live¦_canary09aB3dE5fG7hI9jK1l»",
    "private key": "-----BEGIN PRIVATE¦ KEY-----\\n«MIIcanary10AB»\\n-----END PRIVATE¦ KEY-----", "password": "password=«canary11-Hx8p»",
    "Redis URL": "redis://:«canary12Hx8p»@redis:6379/0", "GitLab": "«glpat¦-canary13aB3dE5fG7hI9»", "Google": "«AIza¦Sycanary14aB3dE5fG7hI9jK1lM3nO5pQ7rS»",
    "kubeconfig": "client-key-data: «Y2FuYXJ5MTVjYW5hcnkxNWNhbmFyeTE1»", "API key": "X-Api-Key: «canary16aB3dE5fG7hI9»",
    "MySQL URL": "mysql://root:«canary17Hx8p»@db/shop", "MongoDB URL": "mongodb+srv://app:«canary18Hx8p»@cluster0/shop",
    "SASL": "sasl.jaas.config=x password=\"«canary19Hx8p»\";", "AMQP URL": "amqp://guest:«canary20Hx8p»@mq:5672",
    "sentence": "reset password for bob to «canary21Hx8p!»", "sentence of a change": "password changed from «canary22Hx8p» to «canary23Hx8p»",
    "basic auth": "basic_auth: ann:«canary24Hx8p»", "htpasswd": "ann:«$apr1$abcdefgh$canary25canary25canary»",
    "netrc": "machine x login ann password «canary26Hx8p»",
    "pgpass": "db:5432:shop:ann:«canary27Hx8p»", "process list": "root 42 0.0 PGPASSWORD=«canary28Hx8p» psql -h db",
    "AUTH of Redis": "redis> AUTH «canary29Hx8p»",
    "redis.conf": "requirepass «canary30Hx8p»",
    "SQL": "CREATE ROLE app LOGIN PASSWORD '«canary31Hx8p»'",
    "LDAP": "ldapsearch -x -D cn=admin -w «canary32Hx8p» -b x",
    "JDBC": "jdbc:mysql://db/shop?user=ann&password=«canary33Hx8p»&useSSL=true", "set-cookie": "Set-Cookie: «sid=canary34Zk2Qm9x7; Path=/; HttpOnly»",
    "SAML": "SAMLResponse=«PHNhbWxwOlJlc3Bvbmcanary35G1z»&RelayState=x", "TOTP": "otpauth://totp/Shop:ann?secret=«CANARY36EHPK3PXP»&issuer=Shop",
    "one-time code": "Your verification code is «482937»", "signed URL of AWS": "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=«fe5f80f77d5fcanary38»",
    "signed URL of Azure": "GET https://a.blob.core.windows.net/c?sv=2022&sig=«canary39MjIaHVudGVyMjI%3D»",
    "signed URL of Google": "GET https://storage.googleapis.com/b/k?Expires=1&Signature=«canary40N4x7Lw0Pq8Zk2%3D»",
    "service account": '{"type":"service_account","private_key":"-----BEGIN PRIVATE¦ KEY-----\\n«MIIcanary41AB»\\n-----END PRIVATE¦ KEY-----\\n"}',
    "docker config": '{"auths":{"r.example.org":{"auth":"«Y2FuYXJ5NDI6Y2FuYXJ5NDI=»"}}}', "npm": "//registry.npmjs.org/:_authToken=«npmcanary43aB3dE5»",
    "PyPI": "password = «pypi-¦AgEIcanary44canary44canary44canary44canary44canary44canary44»",
    "JSON in JSON": '{"body":"{\\"passwd\\":\\"«canary45Hx8p»\\"}"}',
    "base64": "config: «eyJwYXNzd29yZCI6ImNhbmFyeTQ2In0=»", "command line": "mysqldump --user root --password «canary47Hx8p» shop",
    "user of a command": "curl -u deploy:«canary48Hx8p» https://nexus/x", "XML": "<wsse:Password>«canary49Hx8p»</wsse:Password>",
    "map of Go": "map[Authorization:[Bearer «canary50-abcdefghijk0123»] Host:[x]]",
    "environment of a container": "[EnvVar{Name:DB_PASSWORD,Value:«canary51Hx8p»,}]",
    "Vault": "login «hvs¦.CAESIJcanary52canary52canary52»", "unseal key": "Unseal Key 1: «canary53Pq8Zk2mN4x7Lw0Pq8Zk2mN4»",
    "webhook": "https://hooks.slack.com/«services/T0/B0/canary54canary54canary»",
    "connection string": "Server=db;User Id=ann;Password=«canary55;Hx8p»;Encrypt=True"}


def test_there_are_forty_kinds():
    assert len(KINDS) >= 40


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_of_a_record_reaches_report_message_or_archive(tmp_path, kind):
    marked = KINDS[kind].replace("¦", "")
    line, canaries = re.sub("[«»]", "", marked), re.findall("«(.+?)»", marked)

    def tells(text: str) -> bool:
        return any(canary in text for canary in canaries)

    class Logging(FakeCluster):
        def raw(self, *_request, **_options):
            return f"2026-11-24T03:00:00.5Z INFO before\n2026-11-24T03:00:00.6Z {line}\n".encode()

    logs = _logs.fetch(Logging(), [POD], None, 60, 1 << 20)
    assert logs and not any(tells(log.text) for log in logs) and all("INFO before" in log.text for log in logs)
    with serving() as api:
        incident = Incident.open(api.cluster, "INC-1", "memory_leak", Target("shop", "Deployment", "api"), title="Memory grows", severity="P2")
        incident.note("detect", f"read {line}")
        signal = {"name": "memory_use", "value": 0.97, "threshold": 0.9, "breached": True, "text": f"label {line}"}
        incident.measured("detect", [{"at": "2026-01-02T10:00:00.000Z", "signals": [signal]}])
        entry = incident.intend(Change("env", incident.target, "u1", (Field("spec.x", line, None),), f"set {line}"))
        incident.mark(entry, DONE)
        candidate = {"name": "leak", "title": f"cause {line}", "evidence_for": [line], "evidence_against": [line]}
        store = EvidenceStore(str(tmp_path), "INC-1", "prod")
        store.save_text("logs/api.log", "logs", "a pod", f"{logs[0].text}{line}\n")
        incident.found({"outcome": "mitigated", "diagnosis": {"cause": "leak", "candidates": [candidate], "fixes": [line],
                                                              "tables": [{"title": "x", "header": ["a"], "rows": [[line]]}]},
                        "next_steps": [line], "impact": [{"question": "q", "answer": line, "how": line}],
                        "changed": _timeline.by_others([{"at": "2026-01-02T09:00:00Z", "kind": "config", "object": "x", "what": line, "by": line}]),
                        "rehearsal": {"at": "T", "refused": [{"change": 1, "why": line}]}}, [])
        _proof.save(store, incident, _proof.derive(incident, "prod", "2999-01-01T00:00:00.000Z"))
        archived = _archive.files(store.root)
        assert len(archived) >= 6 and not [name for name, path in archived.items() if tells(path.read_text())]
        assert not tells(json.dumps(incident.without_secrets(), ensure_ascii=False))
        told = []
        for template in ("{{ impact }}", "{{ root_cause }}", "{{ events }}", "{{ actions }}", "{{ next_steps }}", "{{ prevention }}"):
            names = _compose.facts(incident, "update", [], [incident], _compose.Said(), 15, "2999-01-01T00:00:00.000Z")
            try:
                told.append(_compose.message(incident, 1, template, names, "2999-01-01T00:00:00.000Z", {}).text)
            except Refused as refused:
                told.append(refused.message)
        assert not tells("".join(told))
