# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come of one attempt to deliver a message, besides its receipt."""

from __future__ import annotations


class Undelivered(Exception):
    """Why a message has not gone out, in a sentence without secrets."""


class TryLater(Undelivered):
    """The receiver has surely not taken it, and may do so later.

    :param after: seconds that the receiver asks to wait; None where it does not say.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Rejected(Undelivered):
    """The receiver will never take this message."""


class Unclear(Undelivered):
    """The connection broke after the message was sent: it may have arrived."""
