# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's clock, from the dates of its answers: a controller that slept, or a virtual machine, may be minutes off.

Every answer bounds the difference: its date, in whole seconds, was taken between the request and the answer.
"""

from __future__ import annotations

import datetime
import email.utils
import math


class Clock:
    """How far the cluster's clock is from this one, as far as answers tell."""

    def __init__(self) -> None:
        self._least, self._most = -math.inf, math.inf

    @property
    def known(self) -> bool:
        """Whether an answer with a date has come."""
        return not math.isinf(self._least)

    @property
    def ahead(self) -> float:
        """Seconds by which the cluster is ahead; 0 while what has been seen allows that they agree."""
        if not self.known or self._least <= 0 <= self._most:
            return 0.0
        return (self._least + self._most) / 2

    def learn(self, date: str, sent: float, received: float) -> None:
        """Take in an answer: its header Date, and when it was asked for and came, in seconds since 1970."""
        try:
            told = email.utils.parsedate_to_datetime(date).timestamp()
        except (TypeError, ValueError):
            return
        least, most = told - received, told + 1 - sent
        if least > self._most or most < self._least:  # one of the clocks was set meanwhile
            self._least, self._most = least, most
        else:
            self._least, self._most = max(self._least, least), min(self._most, most)

    def now(self) -> datetime.datetime:
        """The cluster's time."""
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.ahead)
