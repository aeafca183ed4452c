# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether customers are served again: how many requests succeed, and which share, against before the change and against the usual.

Nothing is mitigated by an error that is another one now: what is refused on purpose is not served.
"""

from __future__ import annotations

import math
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Signal

Json = t.Dict[str, t.Any]

#: so much of what was served before is as much; so much more than that is more
AS_MANY, MORE = 0.9, 1.1
#: a share of the requests that is served from which nobody needs to ask what it was before, and by so many points more is better
FINE, POINTS = 0.9, 0.05
#: of the usual rate: what is enough, and less than which is not served again, whatever it was before
ENOUGH, LEAST = 0.7, 0.5
#: a usual rate that is so many times what comes now was another time's: nobody can be served who does not come
COMPARABLE = 1.5


def served(requests: float, succeeded: float, seconds: float) -> Json:
    """served_per_second, served_share (None where there was no request) and served_seconds (how long that was looked at) of a window."""
    return {"served_per_second": succeeded / seconds if seconds else 0.0, "served_share": succeeded / requests if requests else None,
            "served_seconds": seconds}


def served_signal(now: Json, before: Json, usual: float | None = None) -> tuple[Signal, ...]:
    """Whether customers are served better than before, or well; none where that was not measured.

    Better is: more of them, or a larger share and no fewer; what windows of seconds differ by chance does not count.

    :param now: see :func:`served`.
    :param before: the same from before the change; where it is empty nothing is compared, and the signal only tells.
    :param usual: requests a second that are ordinary, None where that is not known.
    """
    if now.get("served_per_second") is None:
        return ()
    rate, seconds = now["served_per_second"], now["served_seconds"]
    share = now["served_share"]
    text = "no request comes" if share is None else f"{rate:.1f} requests a second are served ({share:.0%} of all)"
    if before.get("served_per_second") is None:
        return (Signal("served", rate, 0.0, False, text),)
    earlier = before["served_per_second"]
    chance = math.sqrt(max(rate, earlier) * seconds) / seconds if seconds else 0.0
    share_before = before.get("served_share") or 0.0
    well = share is None or share >= FINE or share >= share_before + POINTS
    fewer, more = rate < AS_MANY * earlier - 2 * chance, rate > MORE * earlier + chance
    come = rate / share if share else 0.0
    too_few = usual is not None and usual <= COMPARABLE * come and rate < LEAST * usual
    enough = usual is not None and rate >= ENOUGH * usual
    text += f", {earlier:.1f} before the change ({share_before:.0%})" + (f", {usual:.1f} are usual" if usual is not None else "")
    return (Signal("served", rate, round(earlier, 1), not enough and (fewer or too_few or not (more or well)), text),)
