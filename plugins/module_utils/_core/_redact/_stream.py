# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text is redacted as it streams by, because a private key, a Secret or a password may lie over several lines.

A line is redacted by itself, except in a region: what begins with a line of its own and goes on below it. A region knows from each
line whether it belongs to it, also where every line has a time before it, and where lines of others come between.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import _names, _places
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._line import Look, name_before, resumed
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import Says
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._values import REMOVED, secret

#: bytes of a line that are looked at as one; a longer line is cut, at a blank where there is one
LONGEST_LINE = 1 << 20
_BLANKS_BEFORE_CUT = 4096
#: lines without a line of the key after which it is over, and bytes of data that wait for the kind of their manifest
_LINES_BETWEEN, _MOST_HELD, _LINES_TO_KIND = 200, 1 << 20, 8
#: pods whose keys come line by line at the same time
_MOST_SHAPES = 16

_KEY = re.compile(_places.KEY.look.encode() + rb"(?:[A-Za-z0-9+/=]|\\+[nr/])*+")
_BEGINNINGS = (b"---", b"kind", b"data", b"stringData", b"name")
_KEY_END = re.compile(rb"-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{0,5}")
_BODY = re.compile(rb"[A-Za-z0-9+/]{40,}={0,2}")
_LAST_OF_BODY = re.compile(rb"[A-Za-z0-9+/]{1,76}={0,2}\s*")
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]+")
_DIGITS = re.compile(rb"\d")
_NAME_ALONE = re.compile(_places.NAME_ALONE.look.encode(), re.M)
_VALUE_ALONE = re.compile(rb"""[^\n]*?\bvalue["']?[ \t]*:""")
_KIND = re.compile(_places.KIND.look.encode(), re.M)
_DATA = re.compile(_places.DATA.look.encode(), re.M)
_SCALAR = re.compile(rb"[ \t]*(?:![\w!]+[ \t]+)?[|>][-+\d]*[ \t\r]*$", re.M)
_NOTHING_BEHIND = re.compile(rb"[ \t\[]*\r?$", re.M)
#: a text alone in its line, or an entry of a list; no name with a value
_ITEM = re.compile(rb"""[ \t]*(?:- +)?(?=[^\s\[\]{}#])(?!["']?[\w.\-/]+["']?[ \t]*[:=](?:\s|$))""")
_ENTRY = re.compile(rb"""([ \t]*["']?[\w.\-/]+["']?:[ \t]*)([^\n]*?)(,?\s*)""")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class _Region(t.Protocol):
    """What goes on below the line that it begins with."""

    over: bool

    def take(self, line: bytes) -> bytes | None:
        """What is left of a line; None where it is none of the region's."""

    def rest(self) -> bytes:
        """What is still held back."""


class _KeyBlock:
    """Lines of a private key: they go with their line, for their number tells the length of the key."""

    def __init__(self, before: bytes) -> None:
        self.over = False
        self._keys, self._between = 1, 0
        self._around = {(_shape(before), b"\n")}

    def take(self, line: bytes) -> bytes | None:
        if ended := _KEY_END.search(line):
            self._keys -= 0 if _KEY.search(line, ended.end()) else 1
            self.over = not self._keys
            return self._without(line, ended)
        if _KEY.search(line):
            self._keys += 1
            return None
        body = next((found for found in _BODY.finditer(line) if not _HEXADECIMAL.fullmatch(found[0])), None)
        if body:
            self._between = 0
            if len(self._around) < _MOST_SHAPES:
                self._around.add((_shape(line[:body.start()]), _shape(line[body.end():])))
            return self._without(line, body)
        if self._is_last(line):
            return b""
        self._between += 1
        self.over = self._between > _LINES_BETWEEN
        return None

    def rest(self) -> bytes:
        return b""

    def _is_last(self, line: bytes) -> bool:
        """A shorter line, with the same around it as another line of the key."""
        plain = _shape(line)
        return any(plain.startswith(before) and plain.endswith(after) and _LAST_OF_BODY.fullmatch(line[len(before):len(line) - len(after)])
                   for before, after in self._around) and not self._between

    @staticmethod
    def _without(line: bytes, found: re.Match[bytes]) -> bytes:
        rest = line[found.end():]
        return _alone(line[:found.start()]) + REMOVED + _alone(rest) if rest.strip() else b""


class _Scalar:
    """A text of YAML below the name of a secret."""

    def __init__(self, column: int) -> None:
        self.over = False
        self._column, self._said = column, False

    def take(self, line: bytes) -> bytes | None:
        if not _deeper(line, self._column):
            self.over = True
            return None
        if self._said or not line.strip():
            return b""
        self._said = True
        kept = line[self._column:]
        return line[:self._column] + kept[:len(kept) - len(kept.lstrip())] + REMOVED + b"\n"

    def rest(self) -> bytes:
        return b""


class _Below:
    """A value, or a list of them, in deeper lines below the name."""

    def __init__(self, column: int, says: Says) -> None:
        self.over = False
        self._column, self._says = column, says

    def take(self, line: bytes) -> bytes | None:
        item = _ITEM.match(line, min(self._column, len(line)))
        if not item or not _deeper(line, self._column) and line[self._column:self._column + 1] != b"-":
            self.over = True
            return None
        span = secret(line, item.end(), self._says, b":")
        return line[:span[0]] + REMOVED + line[span[1]:] if span else None

    def rest(self) -> bytes:
        return b""


class _Beside:
    """The line with the value below the line with the name."""

    over = True

    def take(self, line: bytes) -> bytes | None:
        found = _VALUE_ALONE.match(line)
        span = secret(line, found.end(), Says.SECRET, b":") if found else None
        return line[:span[0]] + REMOVED + line[span[1]:] if span else None

    def rest(self) -> bytes:
        return b""


class _SecretData:
    """The entries of a Secret."""

    def __init__(self, column: int) -> None:
        self.over = False
        self._column = column

    def take(self, line: bytes) -> bytes | None:
        if not _deeper(line, self._column):
            self.over = True
            return None
        entry = _ENTRY.fullmatch(line, self._column)
        if not entry:
            return b""
        quote = entry[2][:1] if entry[2][:1] in (b'"', b"'") else b""
        value = entry[2] if entry[2] in (b"", b'""', b"''") or _SCALAR.fullmatch(entry[2]) else quote + REMOVED + quote
        return line[:self._column] + entry[1] + value + entry[3]

    def rest(self) -> bytes:
        return b""


class _DataBeforeKind:
    """Entries that are held back until it is known whether they are a Secret's: kubectl writes ``data`` before ``kind``."""

    def __init__(self, column: int) -> None:
        self.over = False
        self._column, self._held, self._bytes, self._after = column, list[bytes](), 0, 0

    def take(self, line: bytes) -> bytes | None:
        if not self._after and _deeper(line, self._column):
            return self._hold(line)
        kind = _KIND.search(line)
        if kind or self._after >= _LINES_TO_KIND or not line[:self._column + 1].strip() == line[self._column:self._column + 1].strip():
            self.over = True
            self._decided = kind["kind"] == b"Secret" if kind else None
            return None
        self._after += 1
        return self._hold(line)

    def rest(self) -> bytes:
        is_secret = self._all_base64() if self._decided is None else self._decided
        if not is_secret:
            return redact_bytes(b"".join(self._held), manifests=False)
        data = _SecretData(self._column)
        lines = ((line, data.take(line)) for line in self._held)
        return b"".join(redact_bytes(line, manifests=False) if taken is None else taken for line, taken in lines)

    _decided: bool | None = None

    def _hold(self, line: bytes) -> bytes:
        self._held.append(line)
        self._bytes += len(line)
        self.over = self._bytes > _MOST_HELD
        return b""

    def _all_base64(self) -> bool:
        """Whether a manifest that ends before its kind is to be taken for a Secret."""
        values = [entry[2].strip(b"\"'") for line in self._held if _deeper(line, self._column) and (entry := _ENTRY.fullmatch(line, self._column))]
        return bool(values) and all(map(_BASE64.fullmatch, values)) and any(len(value) >= 16 for value in values)


class Redactor:
    """Redacts a stream of bytes that comes in pieces; how it was cut changes nothing.

    Of the stream it keeps one line, or the data of one manifest, each up to 1 MiB.

    :param manifests: whether data above the kind of a manifest are held back until the kind is known.
    """

    def __init__(self, manifests: bool = True) -> None:
        self._pieces: list[bytes] = []
        self._length = 0
        self._region: _Region | None = None
        self._column_of_secret: int | None = None
        self._manifests = manifests

    def feed(self, piece: bytes) -> bytes:
        """What can be told of the stream with this piece, secrets removed."""
        self._pieces.append(piece)
        self._length += len(piece)
        if b"\n" not in piece and self._length < LONGEST_LINE:
            return b""
        text = b"".join(self._pieces)
        out: list[bytes] = []
        at = 0
        while (end := self._cut(text, at)) > at:
            self._block(text[at:end], out)
            at = end
        self._pieces, self._length = [text[at:]], len(text) - at
        return b"".join(out)

    def close(self) -> bytes:
        """The rest; the stream is over."""
        out: list[bytes] = []
        self._block(b"".join(self._pieces), out)
        if self._region:
            out.append(self._region.rest())
        return b"".join(out)

    @staticmethod
    def _cut(text: bytes, at: int) -> int:
        """Where whole lines end that are at most the longest line together."""
        if newline := text.rfind(b"\n", at, at + LONGEST_LINE) + 1:
            return newline
        if len(text) - at < LONGEST_LINE:
            return at
        return text.rfind(b" ", at + LONGEST_LINE - _BLANKS_BEFORE_CUT, at + LONGEST_LINE) + 1 or at + LONGEST_LINE

    def _block(self, text: bytes, out: list[bytes]) -> None:
        at = 0
        while at < len(text):
            at = self._through(self._region, text, at, out) if self._region else self._until_region(text, at, out)

    def _through(self, region: _Region, text: bytes, at: int, out: list[bytes]) -> int:
        """Lines of a region, up to its end."""
        while at < len(text):
            end = text.find(b"\n", at) + 1 or len(text)
            line = text[at:end]
            left = region.take(line)
            if region.over:
                self._region = None
                out.append(region.rest())
                if left is None:
                    return at
                out.append(left)
                return end
            out.append(_alone(line) if left is None else left)
            at = end
        return at

    def _until_region(self, text: bytes, at: int, out: list[bytes]) -> int:
        """Lines without a region, up to the end of the line that begins one."""
        done, look = at, Look(text)
        while found := look.after(at):
            start, at = found
            for begin, end in self._opened(text, start, at) or look.secrets(start, done):
                out += text[done:begin], REMOVED
                done = end
            if self._region:
                at = max(at, done)
                end = text.find(b"\n", at) + 1 or len(text)
                out += text[done:at], _alone(text[at:end])
                return end
            at = max(resumed(text, start, at), done)
        out.append(text[done:])
        return len(text)

    def _opened(self, text: bytes, start: int, after: int) -> list[tuple[int, int]]:
        """Begin the region that begins here, if one does; what of its first line is a secret."""
        if text[after - 1:after] == b":" and _SCALAR.match(text, after):
            self._begin_scalar(name_before(text, start, after)[0], _column(text, start))
        elif text[after - 1:after] == b":" and _NOTHING_BEHIND.match(text, after):
            self._begin_below(*name_before(text, start, after), text)
        if not text.startswith(_BEGINNINGS, start):
            return []
        if key := _KEY.match(text, start):
            end = _KEY_END.search(text, start, text.find(b"\n", start) % (len(text) + 1))
            if not end:
                self._region = _KeyBlock(text[start - _column(text, start):start])
            return [(start, (end or key).end())]
        if kind := _KIND.match(text, start):
            self._column_of_secret = _column(text, start) if kind["kind"] == b"Secret" else None
        elif _DATA.match(text, start):
            column = _column(text, start)
            if column == self._column_of_secret:
                self._region = _SecretData(column)
            elif self._manifests:
                self._region = _DataBeforeKind(column)
        elif (name := _NAME_ALONE.match(text, start)) and _names.says(name["name"].decode("ascii", "replace")) not in (Says.NOTHING, Says.RANDOM):
            self._region = _Beside()
        return []

    def _begin_below(self, name: str, begin: int, text: bytes) -> None:
        says = _names.says(name)
        if says in (Says.SECRET, Says.TOKEN, Says.KEPT):
            self._region = _Below(_column(text, begin), says)

    def _begin_scalar(self, name: str, column: int) -> None:
        if _names.says(name) in (Says.SECRET, Says.TOKEN, Says.KEPT):
            self._region = _Scalar(column)


def redact_bytes(text: bytes, manifests: bool = True) -> bytes:
    """A whole text, secrets removed."""
    redactor = Redactor(manifests)
    return redactor.feed(text) + redactor.close()


def without_keys(blocks: t.Iterable[bytes]) -> t.Iterator[bytes]:
    """Blocks of whole lines without private keys, and else as they were, for those that redact record by record."""
    region: _KeyBlock | None = None
    for block in blocks:
        if not region and b"PRIVATE KEY" not in block:
            yield block
            continue
        left = []
        for line in block.splitlines(keepends=True):
            taken = region.take(line) if region else None
            region = None if region and region.over else region
            if taken is None and not region and (key := _KEY.search(line)):
                end = _KEY_END.search(line, key.start())
                region = None if end else _KeyBlock(line[:key.start()])
                taken = line[:key.start()] + REMOVED + line[(end or key).end():]
            left.append(line if taken is None else taken)
        yield b"".join(left)


def _alone(text: bytes) -> bytes:
    """A text that begins no region, secrets removed."""
    out, done, at, look = [], 0, 0, Look(text)
    while found := look.after(at):
        start, at = found
        key = text.startswith(_BEGINNINGS[0], start) and _KEY.match(text, start)
        for begin, end in [key.span()] if key else look.secrets(start, done):
            out += text[done:begin], REMOVED
            done = end
        at = max(resumed(text, start, at), done)
    return b"".join([*out, text[done:]])


def _column(text: bytes, start: int) -> int:
    """Bytes between the beginning of a line and a name, of which quotes are part."""
    return start - (text.rfind(b"\n", 0, start) + 1) - (text[start - 1:start] in (b'"', b"'"))


def _shape(text: bytes) -> bytes:
    """What stands around the lines of a key: times and numbers differ."""
    return _DIGITS.sub(b"0", text)


def _deeper(line: bytes, column: int) -> bool:
    return not line.strip() or line[column:column + 1] in (b" ", b"\t")
