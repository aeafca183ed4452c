# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that tell people about incidents."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the incidents' records.
    type: str
    required: true
  channels:
    description: Where messages go.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: What it is.
        type: str
        required: true
        choices: [slack, slack_webhook, teams, mail, webhook, statuspage]
      name:
        description: What the outbox calls it; its kind when not set. No two may have the same.
        type: str
      messages:
        description: Which messages go there; all but reminders when not set.
        type: list
        elements: str
        choices: [initial, update, resolved, reminder, thanks, digest]
      url:
        description: For V(slack_webhook), V(teams) and V(webhook), the URL to post to; for V(slack) and V(statuspage), of the API where it is another.
        type: str
      token:
        description: For V(slack) and V(statuspage), the token.
        type: str
      channel:
        description: For V(slack), the channel.
        type: str
      page_id:
        description: For V(statuspage), the page.
        type: str
      component_ids:
        description: For V(statuspage), the components that the incident hits.
        type: list
        elements: str
      headers:
        description: For V(webhook), more HTTP headers.
        type: dict
      body:
        description: >-
          For V(webhook), the JSON body where the receiver wants its own, with C({title}), C({text}), C({status}), C({severity}), C({kind}),
          C({incident_id}), C({cluster}), C({number}), C({at}), C({id}), C({fields}) and C({links}) in it.
        type: dict
      idempotent:
        description: For V(webhook), whether the receiver drops what comes twice with the same C(Idempotency-Key).
        type: bool
      host:
        description: For V(mail), the SMTP server.
        type: str
      port:
        description: For V(mail), its port; 25, or 465 with O(channels[].secure=always), when not set.
        type: int
      secure:
        description: For V(mail), whether to encrypt; V(try) when not set.
        type: str
        choices: [always, never, starttls, try]
      username:
        description: For V(mail), the user.
        type: str
      password:
        description: For V(mail), the password.
        type: str
      from:
        description: For V(mail), the sender.
        type: str
      to:
        description: For V(mail), the recipients.
        type: list
        elements: str
      validate_certs:
        description: Verify the receiver's certificate.
        type: bool
        default: true
  cadence:
    description: Severity and minutes between two messages, where it is not 15.
    type: dict
    default: {}
  wait:
    description: Seconds to wait for the receivers; what they have not taken by then goes on in a process of its own.
    type: float
    default: 20
  receiver_timeout:
    description: Seconds for connecting to a receiver, and for each wait for its answer.
    type: float
    default: 10
"""
