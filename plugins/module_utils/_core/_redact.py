# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are removed as evidence is captured, so that they reach no file, log, report or message."""

from __future__ import annotations

import re
import typing as t

REMOVED = "[REDACTED]"

#: what Kubernetes calls a volume's source, or a Secret's name, is no secret
_SECRET_NAME = (r"(?:pass(?:word|wd|phrase)?|pwd|secret(?!Name\b|KeyRef\b|\.(?:secretName|defaultMode|optional)\b)|token|api[_-]?key|"
                r"access[_-]?key|private[_-]?key|credential|signing[_-]?key)")
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REMOVED),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"), REMOVED),
    (re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token|digest)\s+)?)[^\s\"',;]+"),
     r"\1" + REMOVED),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), r"\1" + REMOVED),
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*)[^\r\n\"']+"), r"\1" + REMOVED),
    (re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@\"']*):[^\s@/\"']+@"), r"\1:" + REMOVED + "@"),
    (re.compile(r"(?i)([\w.-]*" + _SECRET_NAME + r"[\w.-]*[\"']?\s*(?:=>|[:=])\s*)(\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s,;&\"'})\]]+)"),
     r"\1" + REMOVED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REMOVED),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|glpat-[\w-]{20,})\b"), REMOVED),
)
#: what every pattern needs in a line; most lines have none of it, and the patterns are slow
_HINTS = ("eyj", "authori", "bearer", "cookie", "://", "pass", "pwd", "secret", "token", "key", "credential", "akia", "asia",
          "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xox", "glpat")
_KEY_BLOCK = _PATTERNS[0]
_SENSITIVE_KEY = re.compile(r"(?i)[\w.-]*" + _SECRET_NAME)


def redact(text: str) -> str:
    """Text with tokens, passwords, keys, connection-string passwords, JWTs and cookies removed."""
    if "PRIVATE KEY-----" in text:
        text = _KEY_BLOCK[0].sub(_KEY_BLOCK[1], text)
    return "".join(_redact_line(line) if _hints_at_a_secret(line.lower()) else line
                   for line in text.splitlines(keepends=True))


def _hints_at_a_secret(lowered: str) -> bool:
    return any(hint in lowered for hint in _HINTS)


def _redact_line(line: str) -> str:
    for pattern, replacement in _PATTERNS:
        line = pattern.sub(replacement, line)
    return line


def redact_object(value: t.Any) -> t.Any:
    """JSON-like data with its strings redacted, and with the values of sensitive names removed.

    Also covers environment lists, where the name and the value stand side by side:
    ``{"name": "DB_PASSWORD", "value": "x"}``.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_object(item) for item in value]
    if not isinstance(value, dict):
        return value
    names_a_secret = isinstance(value.get("name"), str) and _SENSITIVE_KEY.search(value["name"])
    return {key: REMOVED if _is_secret(key, item, bool(names_a_secret)) else redact_object(item)
            for key, item in value.items()}


def _is_secret(key: t.Any, item: t.Any, beside_secret_name: bool) -> bool:
    if not isinstance(item, str) or not item:
        return False
    return (key == "value" and beside_secret_name) or bool(isinstance(key, str) and key != "name"
                                                           and _SENSITIVE_KEY.fullmatch(key))
