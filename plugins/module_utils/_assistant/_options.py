# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that ask a language model (``doc_fragments/assistant.py``)."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._model import ANTHROPIC, COMMAND, OPENAI, Model
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._session import Budget, Session

ASSISTANT_SPEC: dict[str, dict[str, t.Any]] = {
    "assistant": {"type": "dict", "required": True, "options": {
        "kind": {"type": "str", "required": True, "choices": [OPENAI, ANTHROPIC, COMMAND]},
        "model": {"type": "str", "default": ""}, "url": {"type": "str", "default": ""}, "api_key": {"type": "str", "default": "", "no_log": True},
        "command": {"type": "list", "elements": "str", "default": []}, "validate_certs": {"type": "bool", "default": True},
        "tokens": {"type": "int", "default": 40000, "no_log": False}, "seconds": {"type": "float", "default": 60.0}, "money": {"type": "float"},
        "input_price": {"type": "float", "default": 0.0}, "output_price": {"type": "float", "default": 0.0}}},
}


def session(given: t.Mapping[str, t.Any]) -> Session:
    """Of the option ``assistant``."""
    return Session(Model(given["kind"], given["model"], given["url"], given["api_key"], tuple(given["command"]), given["validate_certs"]),
                   Budget(given["tokens"], given["seconds"], given["money"], given["input_price"], given["output_price"]))
