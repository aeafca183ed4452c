# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a model's answer once each of its sentences was checked."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._claims import refusal
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._facts import Fact
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._session import Answer
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

_TOO_MANY = "more than was asked for"


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence that holds.

    :param refs: the pieces of this document that it comes from, named as the verification of a report names them.
    """

    text: str
    refs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Dropped:
    """How many sentences were dropped for one reason."""

    count: int
    why: str


@dataclasses.dataclass(frozen=True)
class Phrased:
    """What a language model wrote for one purpose.

    :param failed: why it wrote nothing; empty where it answered.
    """

    purpose: str
    model: str
    at: str
    sentences: tuple[Sentence, ...]
    dropped: tuple[Dropped, ...]
    failed: str

    @property
    def says(self) -> str:
        """Who wrote it, and what became of it, in a sentence."""
        dropped = "; ".join(f"{one.count} for {one.why}" for one in self.dropped)
        held = f"{len(self.sentences)} of {len(self.sentences) + sum(one.count for one in self.dropped)} sentences hold"
        held += f", dropped were {dropped}" if dropped else ""
        return f"Written by the language model {self.model} at {self.at}: {f'nothing, because {self.failed}' if self.failed else held}."


def checked(answer: Answer, known: t.Mapping[str, Fact], purpose: str, model: str, at: str) -> Phrased:
    """The sentences that hold; the others are counted by why they do not."""
    dropped = collections.Counter({_TOO_MANY: answer.more} if answer.more else {})
    held = []
    for sentence in answer.sentences:
        if why := refusal(sentence["text"], sentence["ids"], known):
            dropped[why] += 1
        else:
            held.append(Sentence(redact(sentence["text"]), tuple(dict.fromkeys(sentence["ids"]))))
    return Phrased(purpose, redact(model), at, tuple(held), tuple(Dropped(count, why) for why, count in dropped.items()), redact(answer.failed))
