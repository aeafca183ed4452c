# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to a model within budgets of tokens, time and money; whatever goes wrong is one line, and the caller goes on without."""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant import _model, _prompts
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._facts import Fact
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._model import Model, NoAnswer, Reply
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._prompts import Purpose
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

Json = t.Dict[str, t.Any]

#: characters for each token, so few that a prompt has hardly ever more tokens than reckoned
_CHARACTERS = 3
#: tokens of one answer
_ANSWER = 2000
NOT_BY_SCHEMA = "its answer is not by the schema"


@dataclasses.dataclass(frozen=True)
class Budget:
    """What all questions of one run may take together.

    :param tokens: of prompts and answers.
    :param seconds: of waiting.
    :param money: in the currency of the prices; None without a limit.
    :param input_price: of a million tokens of prompts; ``output_price`` of answers.
    """

    tokens: int = 40000
    seconds: float = 60.0
    money: float | None = None
    input_price: float = 0.0
    output_price: float = 0.0

    def price(self, prompt: int, answer: int) -> float:
        """Of so many tokens."""
        return (prompt * self.input_price + answer * self.output_price) / 1e6


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of one question.

    :param sentences: each with text and ids, not checked yet.
    :param more: sentences beyond those that were asked for.
    :param failed: why there are none.
    :param prompt: all that was sent; empty where nothing was.
    :param raw: all that came back, without secrets.
    """

    sentences: tuple[Json, ...] = ()
    more: int = 0
    failed: str = ""
    prompt: str = ""
    raw: str = ""


class Session:
    """One run's questions to one model."""

    def __init__(self, model: Model, budget: Budget) -> None:
        self.model, self.budget = model, budget
        self.tokens, self.money = 0, 0.0
        self._ends = time.monotonic() + budget.seconds

    def ask(self, purpose: Purpose, facts: t.Mapping[str, Fact]) -> Answer:
        """Sentences on the facts for one purpose; never raises for what a model does."""
        room = min(_ANSWER, (self.budget.tokens - self.tokens) // 2)
        most = (self.budget.tokens - self.tokens - room) * _CHARACTERS - len(_prompts.RULES) - len(purpose.task) - 100
        shown = _prompts.chosen(purpose, facts, most)
        if not shown:
            return Answer(failed="the budget of tokens is spent" if facts else "there is nothing to phrase")
        message = _prompts.message(purpose, shown)
        reckoned = (len(_prompts.RULES) + len(message)) // _CHARACTERS
        if self.budget.money is not None and self.money + self.budget.price(reckoned, room) > self.budget.money:
            return Answer(failed="the budget of money would be exceeded")
        prompt = f"{_prompts.RULES}\n\n{message}\n"
        try:
            reply = self._patiently(message, room)
        except NoAnswer as error:
            self._spent(reckoned, 0)  # it may have been read
            return Answer(failed=str(error), prompt=prompt)
        self._spent(*(reply.tokens or (reckoned, len(reply.text) // _CHARACTERS)))
        return _read(redact(reply.text), prompt)

    def _patiently(self, message: str, room: int) -> Reply:
        """Once more where the model says when, and there is time for that."""
        try:
            return _model.ask(self.model, _prompts.RULES, message, room, self._ends)
        except NoAnswer as error:
            if error.after is None or time.monotonic() + error.after >= self._ends:
                raise
            time.sleep(error.after)
        return _model.ask(self.model, _prompts.RULES, message, room, self._ends)

    def _spent(self, prompt: int, answer: int) -> None:
        self.tokens += prompt + answer
        self.money += self.budget.price(prompt, answer)


def _read(raw: str, prompt: str) -> Answer:
    """By the schema or not at all; a model may put words or a fence of Markdown around its JSON."""
    try:
        found = json.loads(raw[raw.index("{"):raw.rindex("}") + 1])
    except (ValueError, RecursionError):
        return Answer(failed=NOT_BY_SCHEMA, prompt=prompt, raw=raw)
    sentences = found.get("sentences")
    if set(found) != {"sentences"} or not isinstance(sentences, list) or not all(map(_is_sentence, sentences)):
        return Answer(failed=NOT_BY_SCHEMA, prompt=prompt, raw=raw)
    return Answer(tuple(sentences[:_prompts.MOST_SENTENCES]), len(sentences[_prompts.MOST_SENTENCES:]), "", prompt, raw)


def _is_sentence(one: t.Any) -> bool:
    return (isinstance(one, dict) and set(one) == {"text", "ids"} and isinstance(one["text"], str) and isinstance(one["ids"], list)
            and all(isinstance(name, str) for name in one["ids"]))
