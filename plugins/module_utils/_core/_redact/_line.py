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
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import _issuers, _names, _places
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import Says
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._values import Span, secret

re2: t.Any = None
try:
    import re2
except ImportError:  # told by trigger(): nothing passes unredacted
    pass

#: bytes before a place where what must stand behind it is looked for, and of a name
_BEHIND, _LONGEST_NAME = 400, 64
_IN_NAMES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-$"
#: bytes of an address in which its password may end
_LONGEST_ADDRESS = 2048

_OPENERS = (_places.KEY, _places.NAME_ALONE, _places.KIND, _places.DATA)
_TRIGGERS = "|".join([*(place.trigger for place in (*_OPENERS, _places.ADDRESS, _places.DATA_IN_LINE, _places.NAMED, *_places.PLACES)),
                      *(form.head for form in _issuers.ISSUERS)])


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())


@functools.cache
def trigger() -> t.Any:
    """What finds where to look.

    :raises InvalidInput: RE2 is missing.
    """
    require("re2")
    options = re2.Options()
    options.max_mem = 64 << 20  # a table that is thrown away again and again is slower than none
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(_TRIGGERS.encode(), options)


if re2:
    trigger()  # once, before Ansible forks its workers
_NAMED, _ADDRESS, _DATA_IN_LINE = (_compiled(place.look) for place in (_places.NAMED, _places.ADDRESS, _places.DATA_IN_LINE))
_PLACES = [(_compiled(place.look), _compiled(place.behind) if place.behind else None) for place in _places.PLACES]
_ISSUED = _compiled("|".join(f"(?:{form.head}{form.rest})" for form in _issuers.ISSUERS if not form.before[0]))
_ISSUED_BEFORE = [(form.before[0], _compiled(form.before[1] + form.head + form.rest)) for form in _issuers.ISSUERS if form.before[0]]
_SECRET_IN_LINE = re.compile(rb'kind\\{0,7}"[ \t]*:[ \t]*\\{0,7}"Secret\\{0,7}"')
_TEXTS = re.compile(rb':[ \t]*(\\{0,7}")((?:(?!\1)[^\n])*+)')


def secrets(text: bytes, start: int, done: int) -> t.Iterable[Span]:
    """The secrets that stand where a trigger begins, in order.

    :param done: where what was removed last ends; no secret begins before it.
    """
    named = _NAMED.match(text, start)
    if named:
        return _named(text, start, named, done)
    if text.startswith(b"://", start):
        return _address(text, start)
    if issued := _ISSUED.match(text, start):
        return [issued.span()]
    for length, form in _ISSUED_BEFORE:
        if start - length >= done and (found := form.match(text, start - length)):
            return [found.span()]
    for look, behind in _PLACES:
        found = look.match(text, start)
        if found and (behind is None or behind.search(_line_before(text, start))):
            return _placed(text, found, done)
    return _data(text, start)


def name_before(text: bytes, start: int, end: int, done: int = 0) -> tuple[str, int]:
    """The whole name that a trigger's word stands in, and where it begins."""
    before = text[max(done, start - _LONGEST_NAME):start]
    begin = start - len(before) + len(before.rstrip(_IN_NAMES))
    return text[begin:end].decode("ascii", "replace"), begin


def _named(text: bytes, start: int, found: re.Match[bytes], done: int) -> t.Iterable[Span]:
    name, begin = name_before(text, start, found.end("name"), done)
    if found["element"] and text[begin - 1:begin] not in (b"<", b":", b";", b'"', b"'"):
        return ()
    separator = b">" if found["element"] else found["separator"] or b":"
    span = secret(text, found.end(), _names.says(name), separator)
    return [span] if span else ()


def _placed(text: bytes, found: re.Match[bytes], done: int) -> t.Iterable[Span]:
    groups = found.groupdict()
    if "secret" in groups:
        return [found.span("secret")]
    says = _names.says(name_before(text, *found.span("name"), done)[0]) if "name" in groups else Says.SECRET
    if "option" in groups and says in (Says.TOKEN, Says.KEPT):
        says = Says.SECRET
    if "told" in groups and says is Says.SECRET:
        says = Says.TOKEN
    span = secret(text, found.end(), says, groups.get("separator") or b" ")
    return [span] if span else ()


def _address(text: bytes, start: int) -> t.Iterable[Span]:
    """The password of an address: up to the last @ before the host, for it may have @ and / itself."""
    found = _ADDRESS.match(text, start, start + _LONGEST_ADDRESS)
    if not found:
        return ()
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
