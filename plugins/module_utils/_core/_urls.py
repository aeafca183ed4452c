# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs of databases and caches, as people write them: passwords may have signs in them that should have been escaped."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

#: what follows ``user:password@``
_PLACE = re.compile(r"(?P<host>\[[^\]]*\]|[^:/?#@\s]*)(?::(?P<port>\d*))?(?:/(?P<path>[^?#@]*))?(?:\?(?P<query>[^#]*))?(?:#.*)?")


class Url(t.NamedTuple):
    """The parts of a URL, unescaped; empty for what it does not have.

    :param host: also several, with commas.
    """

    scheme: str
    user: str
    password: str
    host: str
    port: str
    path: str
    options: dict[str, str]


def split(url: str) -> Url | None:
    """The parts; None where it is no URL. What is wrong with it is not said, for it may hold a password.

    The sign ``@`` that ends the password is the first after which everything is a place.
    """
    scheme, colon, rest = url.strip().partition("://")
    signs = [-1, *(at for at, sign in enumerate(rest) if sign == "@")]
    found = next(((at, place) for at in signs if (place := _PLACE.fullmatch(rest, at + 1))), None)
    if not colon or found is None:
        return None
    at, place = found
    user, between, password = rest[:max(at, 0)].partition(":")
    return Url(scheme.lower(), urllib.parse.unquote(user), urllib.parse.unquote(password) if between else "",
               urllib.parse.unquote(place["host"]).strip("[]"), place["port"] or "", urllib.parse.unquote(place["path"] or ""),
               dict(urllib.parse.parse_qsl(place["query"] or "")))
