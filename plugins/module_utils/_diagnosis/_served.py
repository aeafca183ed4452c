# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether customers are served again: how many requests succeed, and which share, against before the change and against the usual.

Nothing is mitigated by an error that is another one now: what is refused on purpose is not served.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._signals import Signal

Json = t.Dict[str, t.Any]

#: so much less than before is no more than chance; so much more than before is more
AS_MANY, MORE = 0.9, 1.1
#: points of the share that are no more than chance
POINTS = 0.05
#: of the usual rate: what is nearly all of it, and less than which is not served again, whatever it was before
USUAL, LEAST = 0.9, 0.5
#: a usual rate that is so many times what comes now was another time's: nobody can be served who does not come
COMPARABLE = 1.5


def served(requests: float, succeeded: float, seconds: float) -> Json:
    """served_per_second and served_share (None where there was no request) of a window."""
    return {"served_per_second": succeeded / seconds if seconds else 0.0, "served_share": succeeded / requests if requests else None}


def served_signal(now: Json, before: Json, usual: float | None = None) -> tuple[Signal, ...]:
    """Whether as many are served as before, and no smaller share; none where one of both was not measured.

    :param now: see :func:`served`.
    :param before: the same from before the change.
    :param usual: requests a second that are ordinary, None where that is not known.
    """
    if now.get("served_per_second") is None or before.get("served_per_second") is None:
        return ()
    rate, earlier = now["served_per_second"], before["served_per_second"]
    worse = _share(now) < _share(before) - POINTS and rate <= MORE * earlier
    enough = usual is not None and rate >= USUAL * usual
    come = rate / now["served_share"] if now.get("served_share") else 0.0
    too_few = rate < AS_MANY * earlier or (usual is not None and usual <= COMPARABLE * come and rate < LEAST * usual)
    text = (f"{rate:.1f} requests a second are served ({_share(now):.0%} of all), {earlier:.1f} before the change ({_share(before):.0%})"
            + (f", {usual:.1f} are usual" if usual is not None else ""))
    return (Signal("served", rate, round(earlier, 1), not enough and (too_few or worse), text),)


def _share(found: Json) -> float:
    return found.get("served_share") or 0.0
