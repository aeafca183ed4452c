# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox of an incident, in its record: each message once per channel, in order, whoever delivers it.

``message.NNNN`` holds a message, ``delivery.NNNN.CHANNEL`` what has become of it there. A delivery is claimed before the first
byte goes out, by a write that fails where another sender was faster, and settled afterwards. A claim that nobody settles is one
whose sender died: the message may have arrived.
"""

from __future__ import annotations

import dataclasses
import datetime
import random
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import Refused
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

Json = t.Dict[str, t.Any]

WAITING, SENDING, SENT = "waiting", "sending", "sent"
#: ``REJECTED``: the receiver will never take it. ``UNCLEAR``: it may have arrived, and nobody can tell.
REJECTED, UNCLEAR = "rejected", "unclear"
FINAL = {SENT, REJECTED, UNCLEAR}

#: a claim that is older than this has no sender any more; longer than an attempt can take
CLAIM_SECONDS = 180
LONGEST_PAUSE = 300.0
_TRIES = 20


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What has become of a message in a channel.

    :param state: one of the words above.
    :param at: when that was written, ISO 8601, UTC, by the cluster's clock.
    :param attempts: how many have begun.
    :param not_before: when the next attempt may begin, empty for at once.
    :param reason: of the last failure, without secrets.
    :param receipt: what the receiver said of it: where it stands, what answers to it.
    :param sender: who has claimed it.
    """

    number: int
    channel: str
    state: str = WAITING
    at: str = ""
    attempts: int = 0
    not_before: str = ""
    reason: str = ""
    receipt: Json = dataclasses.field(default_factory=dict)
    sender: str = ""

    @property
    def key(self) -> str:
        """Where it is kept in the record."""
        return f"delivery.{self.number:04d}.{re.sub('[^A-Za-z0-9_-]', '_', self.channel)[:60]}"


def messages(incident: Incident) -> list[Message]:
    """The messages in the order in which they were written."""
    return [Message.from_json(stored) for stored in incident.kept("message.").values()]


def deliveries(incident: Incident) -> list[Delivery]:
    """What has become of each message in each of its channels."""
    return [Delivery(**stored) for stored in incident.kept("delivery.").values()]


def put(incident: Incident, compose: t.Callable[[Incident, int], Message | None], channels: t.Sequence[str]) -> tuple[Incident, Message | None]:
    """Put a message in; returns the record as it is then.

    :param compose: makes the message of the record and its number, or None where there is nothing to tell. It is called again
        where somebody has written to the record meanwhile.
    """
    for _try in range(_TRIES):
        message = compose(incident, len(incident.kept("message.")) + 1)
        if message is None:
            return incident, None
        waiting = [Delivery(message.number, channel, at=message.at) for channel in channels]
        if incident.keep_if_unchanged({f"message.{message.number:04d}": message.to_json(),
                                       **{one.key: dataclasses.asdict(one) for one in waiting}}):
            return incident, message
        incident = incident.again()
    raise Refused(f"Cluster {incident.cluster_name}: the record of {incident.id} is written to so often that no message could be put in.",
                  "Run the same command again.")


def next_for(incident: Incident, channel: str) -> Delivery | None:
    """The oldest delivery to a channel that is not settled; the later ones wait for it."""
    return next((one for one in deliveries(incident) if one.channel == channel and one.state not in FINAL), None)


def pause(incident: Incident, delivery: Delivery) -> float:
    """Seconds until something can be done about a delivery."""
    moment = incident.clock()
    if delivery.not_before:
        return max(0.0, (_time(delivery.not_before) - moment).total_seconds())
    return max(0.0, CLAIM_SECONDS - (moment - _time(delivery.at)).total_seconds()) if delivery.state == SENDING else 0.0


def claim(incident: Incident, delivery: Delivery, sender: str) -> tuple[Incident, Delivery | None]:
    """Take a delivery before sending it; None where another sender was faster.

    The claim of a sender that died is taken over: the caller must find out first whether its message arrived.
    """
    for _try in range(_TRIES):
        current = next_for(incident, delivery.channel)
        if current != delivery:
            return incident, None
        mine = dataclasses.replace(delivery, state=SENDING, at=_iso(incident.clock()), attempts=delivery.attempts + 1, not_before="", sender=sender)
        if incident.keep_if_unchanged({mine.key: dataclasses.asdict(mine)}):
            return incident, mine
        incident = incident.again()
    return incident, None


def settle(incident: Incident, delivery: Delivery, state: str, reason: str = "", receipt: Json | None = None, after: float | None = None) -> None:
    """Write what came of an attempt.

    :param state: ``SENDING`` for a message that may have arrived, and about which the receiver is to be asked.
    :param after: seconds that the receiver asked to wait before the next one.
    """
    moment = incident.clock()
    not_before = _iso(moment + datetime.timedelta(seconds=after if after is not None else back_off(delivery.attempts))) if state not in FINAL else ""
    settled = dataclasses.replace(delivery, state=state, at=_iso(moment), reason=reason, receipt=receipt or {}, not_before=not_before, sender="")
    incident.keep({settled.key: dataclasses.asdict(settled)})


def back_off(attempts: int) -> float:
    """Seconds before the next attempt: 1, 2, 4, … up to five minutes, a little scattered."""
    return min(LONGEST_PAUSE, 2.0 ** (max(attempts, 1) - 1)) * random.uniform(0.9, 1.1)  # no secret


def first_receipt(incident: Incident, channel: str) -> Json | None:
    """What the receiver said of the incident's first message in a channel: later ones belong to it."""
    return next((one.receipt for one in deliveries(incident) if one.channel == channel and one.state == SENT and one.receipt), None)


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _iso(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
