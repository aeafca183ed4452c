# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a sentence holds: it cites what is there, and each number, unit, time and name in it stands in what it cites.

A program cannot tell whether a sentence is true. It can tell that it says nothing but what it cites says: so most of its words have to be
there, too, and those that turn a sentence over (no, all, resolved) have to be there always. Words that others wrote, such as a line of a
log, support no word of a sentence: they may only be quoted, so what a log asks for is never said in our name.
"""

from __future__ import annotations

import decimal
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._facts import QUOTED, Fact

#: characters of one sentence
LONGEST = 400
#: share of a sentence's words that has to be in what it cites
SUPPORT = 0.5

CITES_NOTHING = "no citation"
CITES_MISSING = "a citation of what is not there"
OTHER_NUMBER = "a number, unit or time that is not in what it cites"
OTHER_NAME = "a name that is not in what it cites"
OTHER_WORDS = "words that are not in what it cites"
NOT_A_SENTENCE = "no plain sentence of its own"

Number = t.Tuple[decimal.Decimal, str]

_MARKUP = re.compile(r"[<>\x00-\x1f\x7f]|://|\]\(")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?Z?")
_NUMBER = re.compile(r"([-+−]?\d+(?:,\d{3})*(?:\.\d+)?)(%|[A-Za-zµ]+(?:/[a-z]+)?)?")
_NAME = re.compile(r"\w[-_./:@$\\+=]\w|[a-z][A-Z]|[A-Z]{2}|[`/_@$#]")
_EDGES = ".,;:!?()[]{}'\u2018\u2019*=~≈<>|"
_UNITS = {"s": "s sec secs second seconds", "ms": "ms millisecond milliseconds", "min": "min mins minute minutes", "h": "h hour hours",
          "d": "d day days", "week": "week weeks", "%": "% percent", "B": "B byte bytes", "KiB": "KiB Ki", "MiB": "MiB Mi", "GiB": "GiB Gi",
          "kB": "kB KB", "MB": "MB", "GB": "GB", "m": "m millicores", "/s": "/s rps req/s requests/s"}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_WORDS = {word: number for number, word in enumerate(
    "zero one two three four five six seven eight nine ten eleven twelve".split())} | {
    "once": 1, "twice": 2, "thrice": 3, "double": 2, "doubled": 2, "triple": 3, "tripled": 3, "dozen": 12, "dozens": 12, "hundred": 100,
    "hundreds": 100, "thousand": 1000, "thousands": 1000, "million": 1000000, "millions": 1000000, "half": decimal.Decimal("0.5"), "third": 3,
    "quarter": decimal.Decimal("0.25")}
#: words that turn a sentence over, or say that it is over
_TURNING = set("""no not never none nobody nothing neither without cannot all every everything everybody always only any safe safely
    resolved fixed solved mitigated contained recovered healthy normal stable ended finished closed confirmed proven certain certainly surely
    must should delete drop disable ignore approve run execute""".split())
_STOP = set("""the and for was were are has had have been being with that this these those from into its their which while when then than there
    here they them what who whose because since until after before between during about also but because did does will would can could may might
    both each more most such very same other""".split())


def refusal(text: str, ids: t.Sequence[str], facts: t.Mapping[str, Fact]) -> str:
    """Why a sentence is dropped, one of the reasons above; empty where it holds."""
    if not text.strip() or len(text) > LONGEST or _MARKUP.search(text):
        return NOT_A_SENTENCE
    if not ids:
        return CITES_NOTHING
    if not all(one in facts for one in ids):
        return CITES_MISSING
    everything = " \n".join(facts[one].text for one in ids)
    if not all(quote in everything for quote in QUOTED.findall(text)):
        return OTHER_WORDS
    return _unsupported(QUOTED.sub(" ", text), everything, _stems(" ".join(facts[one].ours for one in ids)))


def _unsupported(text: str, everything: str, ours: set[str]) -> str:
    """The first reason against a sentence without its quotations."""
    tokens, source = _tokens(text), _Source(everything)
    for token, after in _pairs(tokens):
        if _is_time(token):
            if not source.has_time(token, after):
                return OTHER_NUMBER
        elif found := _NUMBER.fullmatch(token):
            if not source.has_number(found, after):
                return OTHER_NUMBER
        elif token.casefold() in _WORDS:
            if not source.has_word_for_number(token.casefold()):
                return OTHER_NUMBER
        elif _is_name(token) and not source.has_name(token):
            return OTHER_NAME
        elif _is_turning(token) and _stem(token) not in ours:
            return OTHER_WORDS
    words = [token for token in tokens if token.isalpha() and len(token) > 2 and token.casefold() not in _STOP and token not in _UNIT]
    if not words:
        return NOT_A_SENTENCE
    return OTHER_WORDS if sum(_stem(word) in ours for word in words) < SUPPORT * len(words) else ""


class _Source:
    """What the pieces that a sentence cites say, together."""

    def __init__(self, text: str) -> None:
        tokens = _tokens(text)
        self._low = text.casefold()
        self._stems = _stems(text)
        self._times = [token for token in tokens if _is_time(token)]
        self._numbers = {_number(found, after) for token, after in _pairs(tokens) if (found := _NUMBER.fullmatch(token))}

    def has_time(self, said: str, after: str) -> bool:
        """Whether a time is there, or one that begins with it, or whose time of the day does; what follows may be no other zone."""
        if re.fullmatch(r"[AaPp][Mm]|[A-Z]{3,4}", after) and after != "UTC":
            return False
        said = said.removesuffix("Z")
        return any(other == said or other.startswith(said) and not other[len(said)].isdigit()
                   for time in self._times for other in (time.removesuffix("Z"), time.partition("T")[2].removesuffix("Z")))

    def has_number(self, found: re.Match[str], after: str) -> bool:
        """Whether it is there with its unit; of a count, whether what is counted is spoken of, too."""
        number = _number(found, after)
        counted = not number[1] and len(after) > 2 and after.isalpha() and after.casefold() not in _STOP
        return number in self._numbers and (not counted or _stem(after) in self._stems)

    def has_word_for_number(self, word: str) -> bool:
        """Whether a number in words is there, in words or in digits."""
        return _stem(word) in self._stems or any(value == _WORDS[word] for value, _unit in self._numbers)

    def has_name(self, name: str) -> bool:
        """Whether it is there, as a whole."""
        return bool(re.search(rf"(?<![\w-]){re.escape(name.casefold().strip('`'))}(?![\w-])", self._low))


def _is_time(token: str) -> bool:
    return bool(_DATE.fullmatch(token) or _CLOCK.fullmatch(token))


def _is_name(token: str) -> bool:
    return any(letter.isdigit() for letter in token) or bool(_NAME.search(token))


def _is_turning(token: str) -> bool:
    low = token.casefold()
    return low in _TURNING or low.endswith(("n't", "n\u2019t"))


def _tokens(text: str) -> list[str]:
    return [token for word in re.split(r"[\s\"\u201c\u201d]+", text) if (token := word.strip(_EDGES))]


def _pairs(tokens: t.Sequence[str]) -> t.Iterator[tuple[str, str]]:
    """Each with the one after it."""
    return zip(tokens, [*tokens, ""][1:], strict=True)


def _number(found: re.Match[str], after: str) -> Number:
    """A value with its unit, which stands in the same word or is the next one; without a unit it is a count."""
    unit = found[2] if found[2] is not None else after if after in _UNIT else ""
    return decimal.Decimal(found[1].replace(",", "").replace("−", "-")), _UNIT.get(unit, unit)


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in re.findall(r"[^\W\d_]+", text)}


def _stem(word: str) -> str:
    low = word.casefold()
    for end in ("ings", "ing", "ies", "ed", "es", "s", "ly"):
        if low.endswith(end) and len(low) - len(end) >= 3:
            return low.removesuffix(end).rstrip("e")
    return low.rstrip("e")
