# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliver what waits in an outbox: every channel for itself, its messages in their order."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _channels, _outbox
from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Rejected, TryLater, Unclear
from ansible_collections.sre.runbooks.plugins.module_utils._communication._channels import Channel
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message
from ansible_collections.sre.runbooks.plugins.module_utils._communication._outbox import REJECTED, SENDING, SENT, UNCLEAR, WAITING, Delivery
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

#: a record that cannot be read or written is tried again after so many seconds
CLUSTER_PAUSE = 2.0
#: how often the claim of another sender is looked at again
LOOK_AGAIN = 1.0


def deliver(incident: Incident, channels: t.Mapping[str, Channel], patience: float, timeout: float) -> None:
    """Deliver to all channels at once, until nothing waits or the patience is over; then it returns, whatever a receiver does.

    :param channels: by name.
    :param patience: seconds for all of it.
    :param timeout: seconds for connecting to a receiver, and for each wait for its bytes.
    """
    ends = time.monotonic() + patience
    wanted = {one.channel for one in _outbox.deliveries(incident) if one.state not in _outbox.FINAL} & set(channels)
    threads = [threading.Thread(target=_channel, args=(incident, name, channels[name], ends, timeout), daemon=True) for name in sorted(wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()) + 0.1)


def _channel(incident: Incident, name: str, channel: Channel, ends: float, timeout: float) -> None:
    sender = secrets.token_hex(6)
    while time.monotonic() < ends:
        try:
            incident = incident.again()
            delivery = _outbox.next_for(incident, name)
            if delivery is None:
                return
            wait = _outbox.pause(incident, delivery)
            if wait > 0:
                if time.monotonic() + wait > ends and delivery.state == WAITING:
                    return
                time.sleep(min(wait, LOOK_AGAIN))
                continue
            incident, mine = _outbox.claim(incident, delivery, sender)
            if mine is not None:
                _attempt(incident, mine, channel, timeout, abandoned=delivery.state == SENDING)
        except ClusterError:
            time.sleep(CLUSTER_PAUSE)


def _attempt(incident: Incident, delivery: Delivery, channel: Channel, timeout: float, abandoned: bool) -> None:
    """One attempt for a delivery that is ours, and what came of it.

    :param abandoned: its last sender died, or its connection broke: the message may have arrived.
    """
    message = next(one for one in _outbox.messages(incident) if one.number == delivery.number)
    first = _outbox.first_receipt(incident, delivery.channel)
    kind = _channels.KINDS[channel["kind"]]
    try:
        receipt = _arrived(kind, channel, message, first, timeout) if abandoned else None
    except (TryLater, Rejected) as error:
        _settle(incident, delivery, SENDING, _without(channel, str(error)))
        return
    except Unclear as error:
        _unclear(incident, delivery, channel, str(error))
        return
    try:
        if receipt is None:
            receipt = kind.send(channel, message, first, timeout)
        _settle(incident, delivery, SENT, receipt=receipt)
    except TryLater as error:
        _settle(incident, delivery, WAITING, _without(channel, str(error)), after=error.after)
    except Rejected as error:
        _settle(incident, delivery, REJECTED, _without(channel, str(error)))
    except Unclear as error:
        _unclear(incident, delivery, channel, str(error))


def _arrived(kind: t.Any, channel: Channel, message: Message, first: t.Any, timeout: float) -> t.Any:
    """The receipt of a message that may have arrived, None where it has not, or where a repetition does no harm."""
    if _channels.askable(channel):
        return kind.find(channel, message, first, timeout)
    if _channels.recognises(channel):
        return None
    raise Unclear("its sender died while it was on its way")


def _unclear(incident: Incident, delivery: Delivery, channel: Channel, reason: str) -> None:
    """A receiver that can be asked is asked by the next attempt; one that recognises a repetition gets it again; else nobody knows."""
    if _channels.askable(channel):
        _settle(incident, delivery, SENDING, _without(channel, reason))
    elif _channels.recognises(channel):
        _settle(incident, delivery, WAITING, _without(channel, reason))
    else:
        _settle(incident, delivery, UNCLEAR, _without(channel, f"{reason}; it is not sent again, because it may have arrived"))


def _settle(incident: Incident, delivery: Delivery, state: str, reason: str = "", receipt: t.Any = None, after: float | None = None) -> None:
    """Write it, patiently: a message that went out and is not marked would go out twice."""
    for _try in range(30):
        with contextlib.suppress(ClusterError):
            _outbox.settle(incident, delivery, state, reason, receipt, after)
            return
        time.sleep(CLUSTER_PAUSE)


def _without(channel: Channel, reason: str) -> str:
    """A reason without what is secret of a channel; the URL of a webhook is often its password."""
    for name in ("url", "token", "password"):
        if channel.get(name):
            reason = reason.replace(str(channel[name]), f"its {name}")
    return reason[:300]
