# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of one line: one pass of RE2 finds where to look, small patterns look there.

RE2 reads every byte once, whatever it is; what is looked at beyond that is either removed, and not read again, or bounded. So time
grows with the length only.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import _encoded, _issuers, _names, _places
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import Says
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._values import REMOVED, Span, secret

re2: t.Any = None
try:
    import re2
except Exception:  # told by trigger(): nothing passes unredacted
    pass

#: bytes before a place where what must stand behind it is looked for, and of a name
_BEHIND, _LONGEST_NAME = 400, 64
_IN_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-$"
#: bytes of an address in which its password may end
_LONGEST_ADDRESS = 2048

_OPENERS = (_places.KEY, _places.NAME_ALONE, _places.KIND, _places.DATA)
#: what is looked for, in the order in which it is preferred where several begin at the same place
_TRIGGERS = [
    "|".join(place.trigger for place in (*_OPENERS, _places.ADDRESS, _places.USER, _places.SENTENCE, _places.DATA_IN_LINE, _places.NAMED)),
    "|".join(place.trigger for place in _places.PLACES),
    "|".join(form.head for form in _issuers.ISSUERS),
    _encoded.TRIGGER]
#: what is read by each of them on its own: a long text of which a sample goes on without a blank, as base64 does
_LONG, _SAMPLES = 1 << 16, 8
_WITHOUT_BLANK = re.compile(rb"(?=[\w+/-]{0,127}[a-z])(?=[\w+/-]{0,127}[G-Z])[\w+/-]{128}")


_GROUP = re.compile(r"\(\?P<\w+>")


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


@functools.cache
def _triggers(apart: bool) -> list[t.Any]:
    require("re2")
    options = re2.Options()
    options.max_mem = 64 << 20  # a table that is thrown away again and again is slower than none
    options.encoding = re2.Options.Encoding.LATIN1
    return [re2.compile(pattern.encode(), options) for pattern in (_TRIGGERS if apart else ["|".join(_TRIGGERS)])]


def finder(text: bytes) -> t.Callable[[int], Span | None]:
    """What finds where to look: the next place that begins at a position or behind it. Positions never go back.

    One automaton of everything is the fastest on lines of a log. Base64 leads it through a product of states that it has to build while
    it reads; there several small ones are faster, and find the same.

    :raises InvalidInput: RE2 is missing.
    """
    if len(text) > _LONG and any(_WITHOUT_BLANK.match(text, at) for at in range(0, len(text), len(text) // _SAMPLES)):
        return _Apart(text).after
    search = _triggers(False)[0].search

    def after(at: int) -> Span | None:
        found = search(text, at)
        return found.span() if found else None
    return after


class _Apart:
    """Finds by several automata."""

    def __init__(self, text: bytes) -> None:
        self._text, self._triggers = text, _triggers(True)
        self._next: list[Span | None] = [(-1, -1)] * len(self._triggers)

    def after(self, at: int) -> Span | None:
        for number, known in enumerate(self._next):
            if known and known[0] < at:
                found = self._triggers[number].search(self._text, at)
                self._next[number] = found.span() if found else None
        return min(filter(None, self._next), key=lambda span: span[0], default=None)


if re2:
    _triggers(False)  # once, before Ansible forks its workers
_NAMED, _ADDRESS, _USER, _DATA_IN_LINE = (_compiled(place.look) for place in (_places.NAMED, _places.ADDRESS, _places.USER, _places.DATA_IN_LINE))
_PLACES = [(_compiled(place.look), _compiled(place.behind) if place.behind else None) for place in _places.PLACES]
#: which is the first that may be here
_ANY_PLACE = _compiled("|".join(f"(?P<_{number}>{_GROUP.sub('(?:', place.look)})" for number, place in enumerate(_places.PLACES)))
_SENTENCE, _VERB = _compiled(_places.SENTENCE.look), _compiled(_places.SENTENCE.behind)
_CODED = _compiled(f"eyJ|{_encoded.TRIGGER}")
_ISSUED = _compiled("|".join(f"(?:{form.head}{form.rest})" for form in _issuers.ISSUERS if not form.before[0]))
_ISSUED_BEFORE = [(form.before[0], _compiled(form.before[1] + form.head + form.rest)) for form in _issuers.ISSUERS if form.before[0]]
#: a class and its method, behind which a number is that of a line
_METHOD = re.compile(r"[A-Z]\w*\.[a-z]\w*$")
#: from one password to another
_TO_ANOTHER = re.compile(rb"""["']?[ \t]+to[ \t]+""")
_FIRST_WORD = re.compile(rb"[\w.-]*")
_SECRET_IN_LINE = re.compile(rb'kind\\{0,7}"[ \t]*:[ \t]*\\{0,7}"Secret\\{0,7}"')
_TEXTS = re.compile(rb':[ \t]*(\\{0,7}")((?:(?!\1)[^\n])*+)')


def secrets(text: bytes, start: int, done: int) -> t.Iterable[Span]:
    """The secrets that stand where a trigger begins, in order.

    :param done: where what was removed last ends; no secret begins before it.
    """
    if named := _NAMED.match(text, start):
        return _named(text, start, named, done)
    if sentence := _SENTENCE.match(text, start):
        return _sentence(text, sentence, done)
    if text.startswith(b"://", start):
        return _address(text, start)
    if issued := _ISSUED.match(text, start):
        return [issued.span()]
    for length, form in _ISSUED_BEFORE:
        if start - length >= done and (found := form.match(text, start - length)):
            return [found.span()]
    if place := _ANY_PLACE.match(text, start):
        for look, behind in _PLACES[int(t.cast("str", place.lastgroup)[1:]):]:
            found = look.match(text, start)
            if found and (behind is None or behind.search(_line_before(text, start))):
                return _placed(text, found, done)
    return _data(text, start)


class Look:
    """Looks through a text from its beginning to its end.

    :param coded: whether base64 is decoded and looked at, too.
    """

    def __init__(self, text: bytes, coded: bool = True) -> None:
        self._text, self._coded, self._decoded = text, coded, 0
        self.after = finder(text)

    def secrets(self, start: int, done: int) -> t.Iterable[Span]:
        """The secrets that stand where a trigger begins, in order.

        :param done: where what was removed last ends; no secret begins before it.
        """
        if not self._coded or start < self._decoded or not _CODED.match(self._text, start):
            return secrets(self._text, start, done)
        found = list(secrets(self._text, start, done))
        return found or self._in_base64(start, done)

    def _in_base64(self, start: int, done: int) -> t.Iterable[Span]:
        begin, self._decoded = _encoded.around(self._text, start, done)
        said = _encoded.texts(self._text[begin:self._decoded])
        return [(begin, self._decoded)] if any(any(all_secrets(one, coded=False)) for one in said) else ()


def all_secrets(text: bytes, at: int = 0, done: int = 0, coded: bool = True) -> t.Iterator[Span]:
    """The secrets of a text, in order."""
    look = Look(text, coded)
    while found := look.after(at):
        at = resumed(text, *found)
        for begin, end in look.secrets(found[0], done):
            yield begin, end
            done = end
        at = max(at, done)


def resumed(text: bytes, start: int, end: int) -> int:
    """Where to go on behind a trigger in which there was no secret: behind its first word, as the next one may be a secret by itself."""
    return max(start + 1, _FIRST_WORD.match(text, start, end).end())


def name_before(text: bytes, start: int, end: int, done: int = 0) -> tuple[str, int]:
    """The whole name that a trigger's word stands in, and where it begins."""
    before = text[max(done, start - _LONGEST_NAME):start]
    begin = start - len(before) + len(before.rstrip(_IN_NAMES))
    return text[begin:end].decode("ascii", "replace"), begin


def _named(text: bytes, start: int, found: re.Match[bytes], done: int) -> t.Iterable[Span]:
    name, begin = name_before(text, start, found.end("name"), done)
    if found["element"] and text[begin - 1:begin] not in (b"<", b":", b";", b'"', b"'"):
        return ()
    if _METHOD.search(name) and text[found.end():found.end() + 1].isdigit():
        return ()
    separator = b">" if found["element"] else found["separator"] or b":"
    span = secret(text, found.end(), _names.says(name), separator)
    return [span] if span else ()


def _placed(text: bytes, found: re.Match[bytes], done: int) -> t.Iterable[Span]:
    groups = found.groupdict()
    if "secret" in groups:
        return [] if text.startswith(REMOVED, found.start("secret")) else [found.span("secret")]
    says = _names.says(name_before(text, *found.span("name"), done)[0]) if "name" in groups else Says.SECRET
    if "option" in groups and says in (Says.TOKEN, Says.KEPT):
        says = Says.SECRET
    if "named" in groups:
        says = Says.NAMED if groups["password"] else Says.NAMED_RANDOM
    elif "told" in groups:
        says = Says.TOLD
    span = secret(text, found.end(), says, groups.get("separator") or b" ")
    return [span] if span else ()


def _sentence(text: bytes, found: re.Match[bytes], done: int) -> t.Iterable[Span]:
    """What a sentence tells of a secret, and what may stand between its name and its value."""
    yield from all_secrets(text[:found.end("whom")], found.start("whom"), done)
    if found["separator"]:
        says = _names.says(name_before(text, *found.span("name"), done)[0])
    elif found["name"].lower().endswith(b"phrase") and text.startswith((b'"', b"'"), found.end()):
        says = Says.SECRET
    elif found["told"] or _VERB.search(_line_before(text, found.start())):
        says = Says.TOLD
    else:
        return
    span = secret(text, found.end(), says, found["separator"] or b" ")
    if span:
        yield span
        another = _TO_ANOTHER.match(text, span[1]) if says is Says.TOLD else None
        if another and (second := secret(text, another.end(), says, b" ")):
            yield second


def _address(text: bytes, start: int) -> t.Iterable[Span]:
    """The password of an address: up to the last @ before the host, for it may have @ and / itself."""
    found = _ADDRESS.match(text, start, start + _LONGEST_ADDRESS)
    if not found:
        return [user.span("secret")] if (user := _USER.match(text, start, start + _LONGEST_ADDRESS)) else ()
    begin, end = found.span("secret")
    query = min((at for at in (text.find(mark, begin, end) for mark in (b"?", b"&")) if at >= 0), default=end)
    before_query = text.rfind(b"@", begin, query)
    return [(begin, before_query if before_query >= 0 and query < end else end)]


def _data(text: bytes, start: int) -> t.Iterable[Span]:
    """The values of a Secret that is JSON in one line."""
    found = _DATA_IN_LINE.match(text, start)
    if not found or not _SECRET_IN_LINE.search(text, max(0, start - (1 << 14)), found.end() + (1 << 14)):
        return ()
    return [value.span(2) for value in _TEXTS.finditer(text, *found.span("data"))]


def _line_before(text: bytes, start: int) -> bytes:
    return text[max(0, start - _BEHIND):start].rpartition(b"\n")[2]
