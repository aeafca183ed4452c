# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are removed as evidence is captured, so that they reach no file, log, report or message (docs/redaction.md)."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import _line, _names, _stream, _values
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import Says

Redactor = _stream.Redactor
without_keys = _stream.without_keys
REMOVED = _values.REMOVED.decode()


def redact(text: str) -> str:
    """Text with tokens, passwords, keys, connection-string passwords, JWTs and cookies removed."""
    plain = text.encode("utf-8", "surrogatepass")
    if not _line.finder(plain)(0):
        return text
    return _stream.redact_bytes(plain).decode("utf-8", "surrogatepass")


def redact_object(value: t.Any) -> t.Any:
    """JSON-like data with its strings redacted, and with the values of sensitive names removed.

    Also covers environment lists, where the name and the value stand side by side, ``{"name": "DB_PASSWORD", "value": "x"}``,
    and Kubernetes Secrets.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_object(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_secret = value.get("kind") == "Secret"
    return {key: _without_values(item) if is_secret and key in ("data", "stringData") else _entry(key, item, value)
            for key, item in value.items()}


def _entry(key: t.Any, item: t.Any, beside: dict[t.Any, t.Any]) -> t.Any:
    name = beside.get("name") if key == "value" else key
    if not isinstance(item, str) or not isinstance(name, str) or key == "name":
        return redact_object(item)
    return REMOVED if _is_secret(name, item) else redact(item)


def _is_secret(name: str, text: str) -> bool:
    says = _names.says(name)
    if says in (Says.TOKEN, Says.KEPT):
        says = Says.SECRET
    return _values.is_secret(text.encode("utf-8", "surrogatepass"), says)


def _without_values(data: t.Any) -> t.Any:
    return dict.fromkeys(data, REMOVED) if isinstance(data, dict) else data
