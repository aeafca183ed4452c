# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies over several lines is removed, however the stream is cut; memory is bounded, time linear."""

from __future__ import annotations

import base64
import random
import time

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import REMOVED, Redactor, _line, _stream, redact
from hypothesis import given, settings
from hypothesis import strategies as st

BODY = [base64.b64encode(random.Random(at).randbytes(48)).decode() for at in range(12)] + ["Zm9vYmFy"]
KEY = ["-----BEGIN RSA PRIVATE KEY-----", *BODY, "-----END RSA PRIVATE KEY-----"]
SECRET = """apiVersion: v1
data:
  password: b3R0ZXI3Nzc=
  note: cGxhaW4=
kind: Secret
metadata:
  name: shop
---
apiVersion: v1
kind: ConfigMap
data:
  level: info
"""


def in_pieces(text: str, *cuts: int) -> str:
    redactor, plain = Redactor(), text.encode("utf-8", "surrogatepass")
    edges = [0, *sorted(cuts), len(plain)]
    return (b"".join(redactor.feed(plain[a:b]) for a, b in zip(edges, edges[1:], strict=False)) + redactor.close()).decode("utf-8", "surrogatepass")


@pytest.mark.parametrize("line", [
    "{}",
    "  {}",
    "2026-11-24T03:00:0{at}.123456789Z stdout F {}",
    "[pod/api-7d9f8c6b5d-x2x9k/api] {}",
    "Nov 24 03:00:0{at} node-1 app[4{at}]: {}",
    '{{"log":"{}\\n","stream":"stderr","time":"2026-11-24T03:00:0{at}Z"}}',
])
def test_a_key_over_lines_goes_whatever_stands_around_its_lines(line):
    log = "".join(line.replace("{}", "{line}").format(line=key, at=at % 10) + "\n" for at, key in enumerate(KEY))
    left = redact(f"before\n{log}after user=ann\n")
    assert not any(body in left for body in BODY)
    assert left.startswith("before\n") and left.endswith("after user=ann\n") and REMOVED in left


def test_what_comes_between_the_lines_of_a_key_stays():
    mixed = [line for pair in zip(KEY, (f"2026-11-24 03:00:0{at % 10} INFO order {at} accepted" for at in range(99)), strict=False) for line in pair]
    left = redact("\n".join(mixed))
    assert left.count("accepted") == len(KEY) and not any(body in left for body in BODY[:-1])


def test_two_keys_at_once():
    mixed = "\n".join(f"[{name}] {line}" for line in KEY for name in ("a", "b"))
    assert not any(body in redact(mixed) for body in BODY)


def test_a_key_without_end_takes_no_more_than_its_lines():
    left = redact("\n".join([*KEY[:5], "2026-11-24 03:00:00 INFO goes on", "2026-11-24 03:00:01 INFO and on"]))
    assert left.endswith("INFO goes on\n2026-11-24 03:00:01 INFO and on") and BODY[2] not in left


def test_certificates_and_public_keys_stay():
    text = "\n".join(["-----BEGIN CERTIFICATE-----", *BODY, "-----END CERTIFICATE-----"])
    assert redact(text) == text


def test_values_of_a_secret_go_and_those_of_a_configuration_stay():
    left = redact(SECRET)
    assert "b3R0" not in left and "cGxh" not in left and "level: info" in left and f"  note: {REMOVED}\n" in left


@pytest.mark.parametrize("manifest", [
    "kind: Secret\nstringData:\n  note: plain words\n",
    "items:\n- apiVersion: v1\n  data:\n    note: cGxhaW4gd29yZHM=\n  kind: Secret\n",
    '{\n  "apiVersion": "v1",\n  "data": {\n    "note": "cGxhaW4gd29yZHM="\n  },\n  "kind": "Secret"\n}\n',
    "data:\n  note: cGxhaW4gd29yZHM=\n",
    "kind: Secret\nstringData:\n  note: |\n    plain words\n    more: of them\n",
    "2026-11-24T03:00:00Z kind: Secret\n2026-11-24T03:00:00Z data:\n2026-11-24T03:00:00Z   note: cGxhaW4gd29yZHM=\n",
])
def test_manifests_of_secrets(manifest):
    left = redact(manifest)
    assert "cGxh" not in left and "plain" not in left and "of them" not in left and "note" in left


def test_a_text_of_yaml_below_a_name():
    assert redact("password: |\n  otter\n  seven\nuser: ann\n") == f"password: |\n  {REMOVED}\nuser: ann\n"


def test_a_value_in_the_line_below_its_name():
    assert redact("- name: DB_PASSWORD\n  value: otter777\n- name: HOST\n  value: db\n") == \
        f"- name: DB_PASSWORD\n  value: {REMOVED}\n- name: HOST\n  value: db\n"


@pytest.mark.parametrize("text", [
    "db:\n  password:\n    \"otter777\"\n  user: ann\n",
    '{\n "password":\n   "otter777",\n "user": "ann"\n}\n',
    "tokens:\n  - otter777abc\n  - otter777abd\nuser: ann\n",
    "passwords:\n- otter777\n- otter778\nuser: ann\n", '"passwords": [\n  "otter777",\n  "otter778"\n],\n"user": "ann"\n',
    "apiKey: >-\n  otter777\n  otter778\nuser: ann\n"])
def test_values_in_deeper_lines_below_their_name(text):
    left = redact(text)
    assert "otter" not in left and "user" in left and "ann" in left


@pytest.mark.parametrize("text", [
    "auth:\n  password:\n    secretKeyRef:\n      name: shop\n      key: password\n",
    "password:\n  must be at least 12\n", "Password:\nnext line 4711\n",
    "  DB_TOKEN:\n  HOST: db\n", "secrets:\n- name: shop-db2\n"])
def test_what_lies_below_a_name_and_is_no_value_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "x", "ab"])
def test_base64_of_a_secret_goes_wherever_the_secret_begins(encode, before):
    coded = encode(f"{before} DB_PASSWORD=otter777, and ?>~ÿ more of it".encode("latin-1")).decode()
    assert redact(f"blob: {coded} end") == f"blob: {REMOVED} end"


def test_base64_of_what_is_no_secret_stays():
    text = "blob: " + base64.b64encode(b"password reset succeeded for 12 users, https://example.org/orders").decode()
    assert redact(text) == text


def test_several_automata_find_what_one_finds(monkeypatch):
    text = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", k=40_000))
    mixed = f"{text} token=a1b2c3d4e5 {text} postgres://ann:otter777@db/x {text} --password otter777 "
    mixed += f"glpat-{'otter777' * 3} password for ann is otter777"
    once = redact(mixed)
    assert once.count(REMOVED) >= 5 and "otter777" not in once
    monkeypatch.setattr(_line, "_LONG", 1 << 30)
    assert redact(mixed) == once


WHOLE = "\n".join(["user=ann password=ötter777 x", *KEY[:3], *KEY[-2:], SECRET,
                   "password: |\n  otter", "- name: DB_PASSWORD\n  value: otter777", "token=a1b2c3d4"])


def test_cut_anywhere_it_is_the_same():
    whole = redact(WHOLE)
    assert all(in_pieces(WHOLE, at) == whole for at in range(len(WHOLE.encode())))
    assert in_pieces(WHOLE, *range(len(WHOLE.encode()))) == whole


PIECES = st.sampled_from(["password", "=", ":", '"', "\\", " ", "\n", "token", "Bearer ", "://", "@", "a:b", "hunter22", REMOVED,
                          "kind: Secret\n", "data:\n", "  a: b\n",
                          "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----",
                          BODY[0], "name: DB_PASSWORD\n", "value: ", "|\n", "{", "}", "[", "]", "<", ">", ",", ";",
                          "&", "%3D", "ey" + "Jhbgciox.eyJhbgciox", "Authorization", "cookie", "\r", "é", "--", "-p", "mysql ", "'"])
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=40).map("".join))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=5))
def test_any_text_in_any_pieces(text, cuts):
    assert in_pieces(text, *(min(cut, len(text.encode("utf-8", "surrogatepass"))) for cut in cuts)) == redact(text)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(TEXTS)
def test_twice_is_once(text):
    once = redact(text)
    assert redact(once) == once


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=400))
def test_any_bytes(data):
    redactor = Redactor()
    redactor.feed(data)
    redactor.close()


@pytest.mark.parametrize("piece", [
    "6080604052", "AbC-_9xY", "key token pass secret ", "password=x ", "a_tokens=5 ", "https://x:y", "://a:b@", "eyJabcdefg.", "--token ",
    '"password\\": \\"', "Authorization: [",
    "name: password\n", "data:\n", "kind: Secret\ndata:\n  a: b\n", "-----BEGIN PRIVATE KEY-----\n", "mysql -p x ",
    "insert into password values (", "password for ",
    "cookie: a=",
    "<password x=1 ", "password|\n ", "sig='a b", "sqlplus a/b@c ", "password for token of ", "set password to ",
    "cGFzc3dvcmQg", "eyJwYXNz", "echo x ",
    "ACL SETUSER a ", "://abcdefghijklmnopqrst1", ":5432:a:bg:x ", "mnemonic: legal winner ", "password:\n - a\n",
    "otp for a ", "credentials a:b ", ".auth(a, ",
])
def test_time_grows_with_the_length(piece):
    text = piece * (10_000 // len(piece))

    def cost(of: str) -> float:
        def once() -> float:
            begun = time.process_time()
            redact(of)
            return time.process_time() - begun
        return min(once() for _turn in range(3))

    redact(text)
    assert cost(text * 2) < 3.2 * cost(text) + 0.01


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(_stream, "LONGEST_LINE", 8192)
    monkeypatch.setattr(_stream, "_MOST_HELD", 8192)
    assert len(Redactor().feed(b"x" * 30_000)) == 24_576
    redactor = Redactor()
    redactor.feed(b"data:\n")
    assert sum(len(redactor.feed(b"  a: b\n")) for _turn in range(1200)) > 8000


def test_the_length_of_a_secret_is_not_told():
    assert redact("password=abc12345") == redact("password=" + "abc12345" * 40)
    assert redact("\n".join(KEY)) == redact("\n".join([*KEY[:-1], *BODY, KEY[-1]]))
