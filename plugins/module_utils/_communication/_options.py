# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that tell people about incidents (``doc_fragments/communication.py``)."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import KINDS
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import KINDS as MESSAGES

_TEXT: dict[str, t.Any] = {"type": "str"}
_SECRET: dict[str, t.Any] = {"type": "str", "no_log": True}
_TEXTS: dict[str, t.Any] = {"type": "list", "elements": "str"}

OUTBOX_SPEC: dict[str, dict[str, t.Any]] = {
    "namespace": {"type": "str", "required": True},
    "channels": {"type": "list", "elements": "dict", "default": [], "options": {
        "kind": {"type": "str", "required": True, "choices": list(KINDS)},
        "name": _TEXT, "messages": {**_TEXTS, "choices": list(MESSAGES)}, "url": _SECRET, "token": _SECRET, "channel": _TEXT,
        "page_id": _TEXT, "component_ids": _TEXTS, "headers": {"type": "dict", "no_log": True}, "body": {"type": "dict"},
        "idempotent": {"type": "bool"}, "host": _TEXT, "port": {"type": "int"},
        "secure": {"type": "str", "choices": ["always", "never", "starttls", "try"]}, "username": _TEXT, "password": _SECRET,
        "from": _TEXT, "to": _TEXTS, "validate_certs": {"type": "bool", "default": True}}},
    "cadence": {"type": "dict", "default": {}},
    "wait": {"type": "float", "default": 20.0},
    "receiver_timeout": {"type": "float", "default": 10.0},
}
