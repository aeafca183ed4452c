# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by where they stand: behind a name, an option, a scheme, in an address, a statement, a manifest.

Each place is found by a trigger in one pass over the text, then looked at by a pattern of ``re`` that begins where the trigger does.
A pattern's group ``name`` is judged like any other name, with the value behind the match; its group ``secret`` is the secret itself.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact._names import WORDS

_CLOSING = r"""(?:["'`\\\]]|&quot;|&#34;|%22){0,6}"""
_SEPARATOR = r"(?:={1,3}>?|:=|:|%3[DdAa])"
_BESIDE = r"""[ \t,"'\\]{1,16}[Vv]alue["'\\]{0,6}[ \t]{0,3}[:=]"""


class Place(t.NamedTuple):
    """Where a secret stands.

    :param trigger: what it is found by, in the syntax that RE2 and ``re`` share.
    :param look: what is there, beginning where the trigger begins.
    :param behind: what must stand before it in the same line.
    """

    about: str
    trigger: str
    look: str
    behind: str = ""


#: a name, a separator and a value, in JSON (in JSON), YAML, properties, forms, headers, maps of Go, elements of XML, lists of name and value
NAMED = Place("name and value",
              rf"(?i:{WORDS})[\w.\-]*{_CLOSING}(?:[ \t]{{0,32}}{_SEPARATOR}|[ \t]-{{1,2}}>|(?:>|&gt;)[^<>\s=]|{_BESIDE})",
              rf"(?P<name>(?i:{WORDS})[\w.\-]*?){_CLOSING}(?:[ \t]*(?P<separator>{_SEPARATOR}|[ \t]-{{1,2}}>)(?!:)|(?<!-)(?P<element>>|&gt;)|{_BESIDE})")

PLACES: tuple[Place, ...] = (
    Place("option", rf"-(?i:{WORDS})[ \t]+[^\s=:-]", rf"-(?P<name>(?i:{WORDS}))(?P<option>[ \t]+)(?![=:-])"),
    Place("bearer", r"(?i:\bbearer)[ \t]+[\w~+/-]", r"(?i:bearer)[ \t]+(?P<secret>(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}|[\w.~+/=-]{24,})"),
    Place("basic", r"\b[Bb]asic[ \t]+[A-Za-z0-9+/]{8}", r"[Bb]asic[ \t]+(?P<secret>(?=[a-z]*[A-Z])(?=[A-Za-z+/]*[\d=])[A-Za-z0-9+/]{8,}={0,2})"),
    Place("user and password of an option",
          r"""[ \t"'](?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?[^\s:"'-][^\s:"']*:[^\s]""",
          r"""[ \t"'](?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?(?!\d+:\d+)[^\s:"']+:(?P<secret>[^\s"']+)"""),
    Place("mysql -p", r"[ \t]-p[^\s]", r"[ \t]-p(?P<secret>[^\s]+)", r"\b(?:mysql|mariadb)[\w-]*[ \t]"),
    Place("login -p", r"[ \t]-p[ \t]*[^\s]", r"""[ \t]-p[ \t]*(?P<secret>"[^"\n]*|'[^'\n]*|[^\s]+)""",
          r"\b(?:docker|podman|nerdctl|helm|oras|crane|skopeo|oc|az|argocd)[ \t].*\blogin\b|\bsshpass$"),
    Place("redis-cli", r"[ \t]-a[ \t]+[^\s]", r"[ \t]-a[ \t]+(?P<secret>[^\s]+)", r"\bredis-cli\b"),
    Place("ldap", r"[ \t]-w[ \t]*[^\s]", r"[ \t]-w[ \t]*(?P<secret>[^\s]+)", r"\bldap\w+[ \t]"),
    Place("statement", r"(?i:\bpassword|\bidentified[ \t]+by|\bidentified[ \t]+with[ \t]+[^\s]+[ \t]+(?:by|as))[ \t]+\\{0,7}['\"]",
          r"(?i:password|identified[ \t]+by|identified[ \t]+with[ \t]+[^\s]+[ \t]+(?:by|as))(?P<option>[ \t]+)(?=\\{0,7}['\"])"),
    Place("statement without quotes", r"(?i:\bidentified[ \t]+by)[ \t]+\w", r"(?i:identified[ \t]+by)(?P<option>[ \t]+)"),
    Place("function", r"(?i:\bpassword|\bcrypt|\bpgp_sym_encrypt)\([ \t]*'", r"(?i:password|crypt|pgp_sym_encrypt)(?P<option>\()"),
    Place("inserted row", r"(?i:\bvalues)[ \t]*\(", r"(?i:values)[ \t]*\((?P<secret>[^;\n)]+)", r"(?i:\binsert[ \t]+into\b.*(?:passw|secret|token))"),
    Place("element with attributes",
          rf"<(?:\w+:)?(?i:{WORDS})[\w.\-]*[ \t][^<>\n]*>[^<>\s]",
          rf"<(?P<name>(?:\w+:)?(?i:{WORDS})[\w.\-]*)[ \t][^<>\n]*(?P<separator>>)"),
    Place("redis.conf", r"\b(?:requirepass|masterauth)[\"']?[ \t]+[\"']?[^\s]", r"(?:requirepass|masterauth)[\"']?(?P<option>[ \t]+)"),
    Place("netrc", r"\blogin[ \t]+[^\s]+[ \t]+password[ \t]+[^\s]", r"login[ \t]+[^\s]+[ \t]+password(?P<option>[ \t]+)"),
    Place("SMTP", r"\bAUTH[ \t]+(?:PLAIN|LOGIN)[ \t]+[A-Za-z0-9+/]{8}", r"AUTH[ \t]+(?:PLAIN|LOGIN)[ \t]+(?P<secret>[A-Za-z0-9+/=]+)"),
    Place("redis MONITOR", r'"(?i:auth)" "', r'"(?i:auth)" (?:"[^"\n]*" )?"(?P<secret>[^"\n]+)'),
    Place("Oracle", r"\bthin:[^\s/@:\"']+/[^\s\"']*@", r"thin:[^\s/@:\"']+/(?P<secret>[^\s\"']+)@"),
    Place("sqlplus", r"\b\w+/[^\s@/]+@[\w/]", r"\w+/(?P<secret>[^\s@/]+)@", r"\b(?:sqlplus|expdp|impdp|rman)\b"),
    Place("data source of Go", r"\b[\w.\-]+:[^\s\"']*@(?:tcp|unix|udp)\(", r"[\w.\-]+:(?P<secret>[^\s\"']+)@(?:tcp|unix|udp)\("),
    Place("setting", r"_(?i:key|token|secret|password)[ \t]+[A-Za-z0-9+/=_-]{16}",
          r"_(?P<name>(?i:key|token|secret|password))(?P<told>[ \t]+)(?=[A-Za-z+/=_-]*\d)"),
    Place("in words", r"(?i:\bpass(?:word|phrase|code)|\btoken|secret|_key)[ \t]+(?:is|was|set[ \t]+to|changed[ \t]+to)[ \t]+[^\s]",
          r"(?P<name>(?i:pass(?:word|phrase|code)|token|secret|_key))[ \t]+(?:is|was|set[ \t]+to|changed[ \t]+to)(?P<told>[ \t]+)"),
    Place("of whom", r"(?i:\bpass(?:word|phrase|code))[ \t]+(?:for|of)[ \t][^\n:=]*[:=][ \t]*[^\s]",
          r"(?P<name>(?i:pass(?:word|phrase|code)))[ \t]+(?:for|of)[ \t][^\n:=]*(?P<separator>[:=])"),
    Place("link that lets in", r"/(?i:reset|verify|confirm|invite|magic)(?:[-_]?(?:password|email|link|token))?/[\w-]{20}",
          r"/(?i:reset|verify|confirm|invite|magic)(?:[-_]?(?:password|email|link|token))?/(?P<secret>(?=[\w-]*\d)[\w-]{20,})"),
)

#: user and password of an address; a port is none
ADDRESS = Place("address", r"""://[^\s/?#"'<>@:\[]*:\d*(?:@|[^\s\d/?#"'<>,;)}\]@][^\s"'<>@]*@)""", r"""://[^\s/?#"'<>@:]*:(?P<secret>[^\s"'<>]*)@""")
KEY = Place("private key", r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY", r"-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{0,5}")
#: in YAML and in JSON over several lines
NAME_ALONE = Place("name, with the value in the next line",
                   rf"""\bname["']?:[ \t]*["']?[\w.\-]*(?i:{WORDS})[\w.\-]*["']?,?[ \t\r]*(?m:$)""",
                   r"""name["']?:[ \t]*["']?(?P<name>[\w.\-]+)["']?,?[ \t\r]*$""")
KIND = Place("kind of a manifest", r"""\bkind["']?:[ \t]*["']?[A-Z]\w*["']?,?[ \t\r]*(?m:$)""",
             r"""kind["']?:[ \t]*["']?(?P<kind>[A-Z]\w*)["']?,?[ \t\r]*$""")
DATA = Place("data of a manifest", r"""\b(?:data|stringData)["']?:[ \t]*\{?[ \t\r]*(?m:$)""", r"""(?:data|stringData)["']?:[ \t]*(?P<brace>\{?)[ \t\r]*$""")
DATA_IN_LINE = Place("data of a manifest in one line", r"""\b(?:data|stringData)\\{0,7}"[ \t]*:[ \t]*\{\\{0,7}\"""",
                     r"""(?:data|stringData)\\{0,7}"[ \t]*:[ \t]*\{(?P<data>[^{}\n]*)\}""")
