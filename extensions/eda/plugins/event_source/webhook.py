# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-rulebook's own webhook, whose options may come from variables that are not set."""

from __future__ import annotations

import typing as t

from ansible_rulebook.event_source.webhook import main as listen

DOCUMENTATION = r"""
---
short_description: Receive events via ansible-rulebook's webhook, with what is set of its options.
description:
  - A rulebook can fill an option from a variable, but it cannot leave an option out. To eda.builtin.webhook an option that is there counts,
    also an empty one - an empty hmac_secret would let in whoever signs with nothing. Here an empty option is one that is not there.
options:
  host:
    description: As of eda.builtin.webhook, as are all the others.
    type: str
  port:
    type: str
    required: true
  token:
    description: Without one the source does not start, whatever else is set.
    type: str
    required: true
  certfile:
    type: str
  keyfile:
    type: str
  password:
    type: str
  cafile:
    type: str
  hmac_secret:
    type: str
  hmac_algo:
    type: str
  hmac_header:
    type: str
  hmac_format:
    type: str
"""


def given(args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The options that are set.

    :raises ValueError: there is no token, or only a part of what TLS needs: it would listen without.
    """
    found = {name: value for name, value in args.items() if value not in (None, "")}
    if "token" not in found:
        raise ValueError("The webhook has no token: set RUNBOOKS_WEBHOOK_TOKEN.")
    if "certfile" not in found and {"keyfile", "cafile", "password"} & set(found):
        raise ValueError("The webhook has a key, a password or a CA, but no certificate: set RUNBOOKS_WEBHOOK_CERTFILE.")
    return found


async def main(queue: t.Any, args: dict[str, t.Any]) -> None:
    """Listen until it is cancelled."""
    await listen(queue, given(args))
