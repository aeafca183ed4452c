# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a value begins and ends, whatever syntax it stands in, and whether it is a secret."""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import Says

REMOVED = b"[REDACTED]"
#: bytes of a value that are looked at where only what looks random is a secret
_LONGEST_LOOK = 4096

Span = tuple[int, int]

_OPENING = re.compile(rb"""[ \t]{0,16}(?:N(?=')|(?:Some|Just|Secret|SecretString|String|Optional)\((?=["']))?"""
                      rb"""(\[?\\{0,15}["'`]|\[?&(?:quot|#34|#39|apos);|\[?%2[27]|\[?\\u0022|\[\]string\{"|\[|\{)?""")
_PLAIN = {b'"': re.compile(rb'[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+'), b"'": re.compile(rb"[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*+")}
#: a comma or a bracket ends a value only where something else begins behind it
_BARE = re.compile(rb"""(?:[^\s"'`\\&,;<>)}\]]++|[,;)}\]&](?![\s"'`\\,;)}\]&<>]|\Z|[\w.%-]{1,40}[ ]?[=:\[(])|[<](?!/)|\\(?![\\nrtu"'])|\\\\(?![nrtu"']))*+""")
_ENCODED = re.compile(rb"""(?:[^\s"'&%\\]++|%(?!26|22|27|3[Bb]|2[Cc]|0[AaDd]))*+""")
_ELEMENT = re.compile(rb"(?:(?!&lt;)[^<\n])*+")
_BRACKETS = {b"[": re.compile(rb"""[^\]\n"']*+"""), b"{": re.compile(rb"""[^}\n"':{]+(?=\})""")}
_BRACED = re.compile(rb"[^}\n]*+")
_TO_THE_END = re.compile(rb"""[^\r\n"'\]]*+""")
_SCHEME = re.compile(rb"(?i)(?:bearer|basic|token|digest|apikey|api-key|negotiate|ntlm|kerberos|splunk|genie-?key|sso-key|key|bot|jwt|mac|oauth|dpop|"
                     rb"sharedkey(?:lite)?|sharedaccesssignature|aws4-hmac-sha256|aws|hawk|signature|hmac[\w-]*|googlelogin|snowflake)"
                     rb"(?:[ \t]+|%20|\+)(?=[^\s])")
#: schemes whose credentials are a list of parameters
_OF_PARAMETERS = re.compile(rb"(?i)(?:digest|aws4-hmac-sha256|hawk|signature|oauth|mac|googlelogin)")
_OTHER_SCHEME = re.compile(rb"[A-Z][A-Za-z0-9-]{1,20}[ \t]+(?=[\w+/=.~-]*[\d=+/A-Z])")

_NO_VALUE = re.compile(
    rb"(?i)(?:(?:\xe2\x80\xa6)+|null|none|nil|<nil>|true|false|yes|no|on|off|undefined|"
    rb"empty|unset|n/a|nan|\(null\)|[*x.\-_#\xe2\x80\xa2]{2,}\w{0,4}|[.\-_:=]+|[|>][-+\d]*|"
    rb"\[?<?\(?(?:redacted|filtered|masked|hidden|removed|protected|secret|sensitive|sanitized|scrubbed|omitted|unknown|not[ _-]?set)\)?>?\]?|"
    rb"<[\w. -]+>?|\$\{[^}]*\}?|\$\([^)]*\)?|\$[A-Z_]\w*|\{\{.*|%[sdvq]|%\(\w+\)s|\{\w*\}?|"
    rb"os\.(?:environ|getenv).*|System\.getenv.*|process\.env.*|vault:.*|secretref:.*)")
_NO_PASSWORD = re.compile(
    rb"(?i)(?:in)?(?:correct|valid|validated|expired|expires|wrong|missing|required|changed|failed|failure|ok|success|successful|accepted|rejected|"
    rb"unknown|present|absent|set|default|unchanged|updated|reset|mismatch|denied|blank|provided|stored|loaded|rotated|created|deleted|disabled|enabled|"
    rb"optional|string|str|bool|boolean|int|integer|text|bytes|object|error|found|not|must|cannot|could|should|is|was|has|for|and|the|a|an|needs|too|"
    rb"please|enter|password|token|authentication|authorization|plaintext|encrypted|hashed|verified|refreshed|revoked|renewed|granted|issued|skipped|"
    rb"ignored|checked|matched|matches|sent|used)[.,:;!]?")
_WORD = re.compile(rb"[A-Za-z]+[.,:;!?]?")
_WORD_FOLLOWS = re.compile(rb"[ \t]+(?:[A-Za-z(]|\[REDACTED)")
_NUMBER = re.compile(rb"[-+]?\d+(?:[.,]\d+)*(?:[%a-zA-Z]{1,2})?")
_DIGIT_OR_SIGN = re.compile(rb"\d|[^\w.,:;/-]")
_NAME_OF_OBJECT = re.compile(rb"(?:[a-z0-9]+(?:[-.][a-z0-9]+)*/)?[a-z]+(?:[-.][a-z]+)*")
_PATH = re.compile(rb"(?:~?/|[A-Za-z]:\\|\./|file:)[\w./\\ -]*")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RANDOM = re.compile(rb"[\w+/=.~%:-]{12,}")
_PAIR = re.compile(rb"[^\s:/]{1,128}:(?=[^\s/])(?!\d{1,5}(?:\D|\Z))")
#: what sentences have in the place of a value: moments, durations, versions, addresses, names of hosts, constants, sizes
_NO_VALUE_IN_WORDS = re.compile(
    rb"(?i)\d{4}-\d\d-\d\d.*|\d\d:\d\d.*|\d+(?:\.\d+)*[a-z]{1,3}[.,;]?|v?\d+(?:[._]\d+)+[.,;]?|[a-z][a-z0-9+.-]*://.*|[\w.+-]+@[\w-]+\.[\w.-]+|"
    rb"\d{1,3}(?:\.\d{1,3}){3}.*|0x[0-9a-f]+|[\w-]+(?:\.[\w-]+){2,}[.,;]?|(?:md|sha|aes|rsa|hs|rs|es|ed|bcrypt|argon|pbkdf|scrypt|oauth|base|utf|http|ipv?)"
    rb"-?\d[\w-]*[.,;]?|[a-z]+\(.*|#\d+|[\w.-]+=.*")
_MIXED = re.compile(rb"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])")
_CONSTANT = re.compile(rb"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
#: lower case and digits in pieces, as objects and hosts are named
_PIECES = re.compile(rb"[a-z0-9]+(?:[-_./:][a-z0-9]+)+[.,;:]?")


def secret(text: bytes, at: int, says: Says, separator: bytes) -> Span | None:
    """The secret that a name announces, or None.

    :param at: where the separator ends.
    :param separator: what stands between the name and the value: ``=``, ``:``, ``>`` of an element, ``%3D``…
    """
    if separator == b">":
        begin, end, quoted = at, _ELEMENT.match(text, at).end(), True
    else:
        found = _value(text, at, says, separator)
        if found is None:
            return None
        begin, end, quoted = found
    value = text[begin:min(end, begin + _LONGEST_LOOK)]
    if not value.strip() or value.startswith(REMOVED):
        return None
    if says is Says.TOKEN and separator == b"=":
        says = Says.GIVEN
    return (begin, end) if _JUDGES[says](value, quoted, text, end) else None


def _value(text: bytes, at: int, says: Says, separator: bytes) -> tuple[int, int, bool] | None:
    opening = _OPENING.match(text, at)
    opened, begin = opening[1] or b"", opening.end()
    if says is Says.HEADER:
        return _header(text, begin, opened)
    if says is Says.COOKIE:
        return begin, (_BRACED if opened == b"{" else _TO_THE_END).match(text, begin).end(), bool(opened)
    begin = scheme.end() if (scheme := _SCHEME.match(text, begin)) else begin
    if opened in _BRACKETS:
        inside = _BRACKETS[opened].match(text, begin)
        return (begin, inside.end(), True) if inside else None
    if opened:
        end = _closing(text, begin, opened.removeprefix(b"[]string{").lstrip(b"["))
        pair = _PAIR.match(text, begin, end) if says is Says.PAIR else None
        return (pair.end() if pair else begin), end, True
    if says is Says.PAIR and (pair := _PAIR.match(text, begin)):
        begin = pair.end()
    bare = (_ENCODED if separator.startswith(b"%") else _BARE).match(text, begin)
    return begin, bare.end(), False


def _header(text: bytes, begin: int, opened: bytes) -> tuple[int, int, bool] | None:
    """Credentials of an Authorization header, without the scheme."""
    scheme = _SCHEME.match(text, begin) or _OTHER_SCHEME.match(text, begin)
    start = scheme.end() if scheme else begin
    if opened and opened not in _BRACKETS:
        return start, _closing(text, start, opened.removeprefix(b"[]string{").lstrip(b"[")), True
    if scheme and _OF_PARAMETERS.match(scheme[0]):
        return start, _parameters(text, start), True
    if opened:
        inside = _BRACKETS[opened].match(text, start)
        return (start, inside.end(), True) if inside else None
    return start, _BARE.match(text, start).end(), bool(scheme)


def _parameters(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return end if end >= 0 else len(text)


def _closing(text: bytes, at: int, opened: bytes) -> int:
    """Where a quoted value ends: at the same quotes, or with the line where they are missing."""
    if opened in _PLAIN:
        return _PLAIN[opened].match(text, at).end()
    return _quoted_as(opened).match(text, at).end()


@functools.lru_cache(maxsize=64)
def _quoted_as(opened: bytes) -> re.Pattern[bytes]:
    """Up to the same quotes; with a backslash more, quotes belong to the value."""
    quotes = re.escape(opened)
    return re.compile(rb"(?:(?!(?<!\\)" + quotes + rb")[^\n])*+" if opened.startswith(b"\\") else rb"(?:(?!" + quotes + rb")[^\n])*+")


def _nothing(_value: bytes, _quoted: bool, _text: bytes, _end: int) -> bool:
    return False


def _anything(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    if _NO_VALUE.fullmatch(value) or _NO_PASSWORD.fullmatch(value) or _PATH.fullmatch(value):
        return False
    return quoted or not (_WORD.fullmatch(value) and _WORD_FOLLOWS.match(text, end))


def _no_number(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return _anything(value, quoted, text, end) and len(value) >= 4 and not _NUMBER.fullmatch(value)


def _no_number_and_no_name(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    if not _anything(value, quoted, text, end) or len(value) < 4 or _NUMBER.fullmatch(value) or (b" " in value and quoted):
        return False
    return not (_NAME_OF_OBJECT.fullmatch(value) and re.search(rb"[-/]", value))


def _no_word_and_no_number(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    if not _anything(value, quoted, text, end) or len(value) < 6 or _NUMBER.fullmatch(value) or (b" " in value and quoted):
        return False
    mixed = bool(_DIGIT_OR_SIGN.search(value)) or value not in (value.lower(), value.upper())
    return (mixed and not _WORD.fullmatch(value) or len(value) >= 20) and not _NAME_OF_OBJECT.fullmatch(value)


def _random(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return bool(_RANDOM.fullmatch(value)) and b"://" not in value and _no_word_and_no_number(value, quoted, text, end) and not _UUID.fullmatch(value)


def _header_value(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return len(value) >= 4 and _anything(value, quoted, text, end) and (quoted or not _WORD.fullmatch(value))


def _cookies(value: bytes, _quoted: bool, _text: bytes, _end: int) -> bool:
    return b"=" in value or b'":' in value or bool(_RANDOM.fullmatch(value.strip()))


def _of_pair(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    begin = end - len(value)
    if text[begin - 1:begin] == b":" and _PAIR.search(text, max(0, begin - 130), end):
        return _anything(value, quoted, text, end)
    return _random(value, quoted, text, end)


def _told(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return _no_word_and_no_number(value, quoted, text, end) and not _NO_VALUE_IN_WORDS.fullmatch(value) and not _CONSTANT.fullmatch(value)


def _named(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return bool(_MIXED.match(value)) and not _PIECES.fullmatch(value) and not _UUID.fullmatch(value) and _told(value, quoted, text, end)


def _named_random(value: bytes, quoted: bool, text: bytes, end: int) -> bool:
    return len(value) >= 12 and _named(value, quoted, text, end)


_JUDGES: dict[Says, t.Callable[[bytes, bool, bytes, int], bool]] = {
    Says.NOTHING: _nothing, Says.SECRET: _anything, Says.GIVEN: _no_number, Says.KEPT: _no_number_and_no_name,
    Says.TOKEN: _no_word_and_no_number, Says.RANDOM: _random,
    Says.HEADER: _header_value, Says.COOKIE: _cookies, Says.PAIR: _of_pair, Says.TOLD: _told, Says.NAMED: _named,
    Says.NAMED_RANDOM: _named_random}


def is_secret(value: bytes, says: Says) -> bool:
    """Whether a whole text is the secret that its name announces."""
    return bool(value.strip()) and _JUDGES[says](value, True, value, len(value))
