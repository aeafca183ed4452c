# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64 of what may hold a secret: known by what words become in it, then decoded and looked at like any other text."""

from __future__ import annotations

import base64
import re
import typing as t

#: what a text with a secret holds; upper and lower case are different in base64
_WORDS = (b"password", b"PASSWORD", b"Password", b"passwd", b"secret", b"SECRET", b"Secret", b"token", b"TOKEN", b"Token", b"_key", b"_KEY", b"apiKey",
          b"apikey", b"Authorization", b"Bearer ", b"s://", b"b://", b"p://", b"l://", b"ghp_", b"glpat-", b"AKIA", b"xoxb-", b"sk_live_")
#: characters of base64 before and behind a word that are decoded with it
_BEFORE, _BEHIND = 1024, 4096
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,%d}={0,2}" % _BEHIND)
_STANDARD = bytes.maketrans(b"-_", b"+/")
_TEXT = re.compile(rb"[\t\n\r -~\x80-\xff]*")


def _heads(word: bytes) -> t.Iterator[str]:
    """What a word becomes, for each of the three places in a group of three bytes at which it may begin; without what depends on its neighbours."""
    for place, first in enumerate((0, 2, 3)):
        yield base64.b64encode(bytes(place) + word)[first:(place + len(word)) * 8 // 6].decode()


#: what base64 of such a text is found by
TRIGGER = "|".join(re.escape(head) for word in _WORDS for head in _heads(word))


def around(text: bytes, start: int, done: int) -> tuple[int, int]:
    """Where the base64 around a word begins and ends.

    :param done: where it begins at the earliest.
    """
    before = text[max(done, start - _BEFORE):start]
    begin = start - len(before) + len(before.rstrip(_DIGITS))
    run = _RUN.match(text, begin)
    return run.span() if run else (start, start)


def texts(run: bytes) -> t.Iterator[bytes]:
    """What base64 says, for each way of reading it that gives a text: what was cut or stands before it moves its groups."""
    digits = run.rstrip(b"=").translate(_STANDARD)
    for skipped in range(4):
        whole, rest = divmod(len(digits) - skipped, 4)
        said = base64.b64decode(digits[skipped:skipped + 4 * whole] + (digits[skipped + 4 * whole:] + b"=="[:4 - rest] if rest > 1 else b""))
        if said and _TEXT.fullmatch(said):
            yield said
