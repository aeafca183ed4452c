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
_END = r"""(?=["'\\,;)\]]|[ \t\r]*(?m:$)|[ \t]+\|)"""
_BESIDE = r"""(?:[ \t,"'\\]{1,16}[Vv]alue["'\\]{0,6}[ \t]{0,3}[:=]|[ \t]*>[ \t]*<[Vv]alue>)"""


#: what a sentence calls a secret
_NOUN = (r"(?:pass(?:words?|wd|phrase|code)|passwort|token|\bsecret|(?:api|access|secret|license|private|signing|encryption|account|_)[ _-]?key)")
_PASSWORD = r"(?:pass(?:word|wd|phrase|code)|passwort)"
_BECOMES = (r"(?:is|was|are|is[ \t]+now|lautet|(?:(?:is|was|has[ \t]+been|have[ \t]+been)[ \t]+)?"
            r"(?:(?:re)?set[ \t]+to|(?:changed|updated|rotated)[ \t]+(?:to|from)))"
            r":?[ \t]+")
_CODE = (r"(?:\b(?:verification|confirmation|security|recovery|backup|authenti[a-z]{1,9}|log-?in|sign-?in|access|sms|2fa|mfa|otp|pin|tan)[ \t]+code|"
         r"\b(?:one[- ]time|single[- ]use)[ \t]+(?:code|password|pin)|\b(?:otp|totp|pin|tan))")


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
              rf"(?P<name>(?i:{WORDS})[\w.\-]*?){_CLOSING}(?:[ \t]*(?P<separator>{_SEPARATOR}|[ \t]-{{1,2}}>)(?!:)|{_BESIDE}|(?<!-)(?P<element>>|&gt;))")

PLACES: tuple[Place, ...] = (
    Place("option", rf"-(?i:{WORDS})[ \t]+[^\s=:-]", rf"-(?P<name>(?i:{WORDS}))(?P<option>[ \t]+)(?![=:-])"),
    Place("bearer", r"(?i:\bbearer)(?:[ \t]+|,[ \t]*)[\w~+/-]", r"(?i:bearer)(?:[ \t]+|,[ \t]*)(?P<secret>(?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}|[\w.~+/=-]{24,})"),
    Place("basic", r"\b[Bb]asic[ \t]+[A-Za-z0-9+/]{8}", r"[Bb]asic[ \t]+(?P<secret>(?=[a-z]*[A-Z])(?=[A-Za-z+/]*[\d=])[A-Za-z0-9+/]{8,}={0,2})"),
    Place("user and password of an option",
          r"""[ \t"'](?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?[^\s:"'-][^\s:"']*:[^\s]""",
          r"""[ \t"'](?:-u|-U|--user|--proxy-user)(?:[ \t]+|=)["']?(?!\d+:\d+)[^\s:"']+:(?P<secret>[^\s"']+)"""),
    Place("mysql -p", r"[ \t]-p[^\s]", r"[ \t]-p(?P<secret>[^\s]+)", r"\b(?:mysql|mariadb)[\w-]*[ \t]"),
    Place("-P", r"[ \t]-P[ \t]*[^\s]", r"""[ \t]-P[ \t]*(?P<secret>"[^"\n]*|'[^'\n]*|[^\s]+)""", r"\b(?:zip|unzip|sqlcmd|bcp|isql|mosquitto_\w+)\b"),
    Place("-p of archives and MongoDB", r"[ \t]-p[ \t]*[^\s]", r"""[ \t]-p[ \t]*(?P<secret>"[^"\n]*|'[^'\n]*|[^\s]+)""",
          r"\b(?:7z[ar]?[ \t]+[a-z]|mongo(?:sh|dump|restore|export|import)?|rar[ \t]+[a-z])\b"),
    Place("openssl -k", r"[ \t]-k[ \t]+[^\s]", r"[ \t]-k[ \t]+(?P<secret>[^\s]+)", r"\bopenssl[ \t]"),
    Place("community", r"[ \t]-c[ \t]*[^\s]", r"[ \t]-c[ \t]*(?P<secret>[^\s]+)", r"\bsnmp\w+[ \t]"),
    Place("community of a device", r"\bsnmp-server[ \t]+community[ \t]+[^\s]", r"snmp-server[ \t]+community[ \t]+(?P<secret>[^\s]+)"),
    Place("piped", r"\becho[ \t]+[^\s|]", r"""echo[ \t]+(?:-[a-z]+[ \t]+)?(?P<secret>"[^"\n]{1,200}"|'[^'\n]{1,200}'|[^\s|]{1,200})[ \t]*"""
          r"\|[^\n]{0,200}?(?:-stdin|\bsudo[ \t]+-\w*S|\bchpasswd|\bpasswd)\b"),
    Place("users of RabbitMQ", r"\b(?:add_user|change_password)[ \t]+[^\s]",
          r"(?:add_user|change_password)[ \t]+[^\s]+[ \t]+(?P<secret>[^\s]+)", r"\brabbitmqctl\b"),
    Place("net use", r"(?i:/user:)[^\s]+[ \t]+[^\s/]", r"(?i:/user:)[^\s]+[ \t]+(?P<secret>[^\s/][^\s]*)", r"\bnet[ \t]+use\b"),
    Place("login -p", r"[ \t]-p[ \t]*[^\s]", r"""[ \t]-p[ \t]*(?P<secret>"[^"\n]*|'[^'\n]*|[^\s]+)""",
          r"\b(?:docker|podman|nerdctl|helm|oras|crane|skopeo|oc|az|argocd)[ \t].*\blogin\b|\bsshpass$"),
    Place("redis-cli", r"[ \t]-a[ \t]+[^\s]", r"[ \t]-a[ \t]+(?P<secret>[^\s]+)", r"\bredis-cli\b"),
    Place("ldap", r"[ \t]-w[ \t]*[^\s]", r"[ \t]-w[ \t]*(?P<secret>[^\s]+)", r"\bldap\w+[ \t]"),
    Place("statement", r"(?i:\bpassword|\bidentified[ \t]+by(?:[ \t]+password)?|\bidentified[ \t]+with[ \t]+[^\s]+[ \t]+(?:by|as))[ \t]+\\{0,7}['\"]",
          r"(?i:password|identified[ \t]+by(?:[ \t]+password)?|identified[ \t]+with[ \t]+[^\s]+[ \t]+(?:by|as))(?P<option>[ \t]+)(?=\\{0,7}['\"])"),
    Place("statement without quotes", r"(?i:\bidentified[ \t]+by)[ \t]+\w", r"(?i:identified[ \t]+by)[ \t]+(?!(?i:password)\b)(?P<secret>[^\s;]+)"),
    Place("CREATE SECRET", r"(?i:\bsecret)[ \t]+'", r"(?i:secret)[ \t]+'(?P<secret>[^'\n]+)", r"(?i:\bcreate\b.{0,80}\bsecret\b)"),
    Place("db.auth", r"\.auth\(", r"""\.auth\([^)\n,]{1,80},[ \t]*["'](?P<secret>[^"'\n]+)"""),
    Place("function", r"(?i:\bpassword|\bcrypt|\bpgp_sym_encrypt)\([ \t]*'", r"(?i:password|crypt|pgp_sym_encrypt)(?P<option>\()"),
    Place("inserted row", r"(?i:\bvalues)[ \t]*\(", r"(?i:values)[ \t]*\((?P<secret>[^;\n)]+)", r"(?i:\binsert[ \t]+into\b.*(?:passw|secret|token))"),
    Place("element with attributes",
          rf"<(?:\w+:)?(?i:{WORDS})[\w.\-]*[ \t][^<>\n]*>[^<>\s]",
          rf"<(?P<name>(?:\w+:)?(?i:{WORDS})[\w.\-]*)[ \t][^<>\n]*(?P<separator>>)"),
    Place("settings with a blank", r"\b(?:requirepass|masterauth|bindpw|rootpw)[\"']?[ \t]+[\"']?[^\s:=]",
          r"(?:requirepass|masterauth|bindpw|rootpw)[\"']?(?P<option>[ \t]+)"),
    Place("AUTH of Redis", r"\bAUTH[ \t]+[^\s]",
          rf"AUTH[ \t]+(?!PLAIN|LOGIN|CRAM|XOAUTH|NTLM|GSSAPI|TLS)(?:[\w.-]+[ \t]+)?(?P<secret>(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[^\s:='\"|]{{6,}}){_END}"),
    Place("AUTH at a prompt", r"[\w\])]> (?i:auth)[ \t]+[^\s]", rf".> (?i:auth)[ \t]+(?:[\w.-]+[ \t]+)?(?P<secret>[^\s'\"|]+){_END}"),
    Place("AUTH of Redis, as bytes", r"(?i:AUTH)\\r\\n\$", r"(?i:AUTH)\\r\\n(?:\$\d+\\r\\n[^\\\n]+\\r\\n(?=\$))?\$\d+\\r\\n(?P<secret>[^\\\n]+)"),
    Place("ACL of Redis", r"\b(?:(?i:setuser)[ \t]+[^\s]+|user[ \t]+[^\s]+[ \t]+(?:on|off))[ \t]",
          r"(?:(?i:setuser)|user)[ \t]+[^\s]+[ \t][^>\n]{0,200}>(?P<secret>[^\s]+)"),
    Place("pgpass", r":(?:\d{4,5}|\*):(?:\*|[A-Za-z_][\w-]*):[A-Za-z_][\w.-]*:[^\s]",
          rf":(?:\d{{4,5}}|\*):(?:\*|[A-Za-z_][\w-]*):(?=[\w.-]*[g-zG-Z_])[A-Za-z_][\w.-]*:(?P<secret>[^\s'\"|]{{4,}}){_END}", r"(?:^|[\s\"'])(?:\*|[\w.-]+)$"),
    Place("password of a device", r"(?i:password|secret)[ \t]+[05789][ \t]+[^\s]",
          r"(?i:password|secret)[ \t]+[05789][ \t]+(?P<secret>(?=[^\s]*\d)[\w$./]{6,})"),
    Place("key of an unsealing", r"(?i:unseal|recovery)[ \t]+(?i:key)[ \t]+\d{1,2}[ \t]*:[ \t]*[^\s]",
          r"(?i:unseal|recovery)[ \t]+(?i:key)[ \t]+\d{1,2}[ \t]*:[ \t]*(?P<secret>[^\s]+)"),
    Place("phrase of a wallet", r"(?i:\bmnemonic|\b(?:seed|recovery|wallet)[ _-]phrase)\W{1,6}[a-z]+ ",
          r"""(?i:mnemonic|(?:seed|recovery|wallet)[ _-]phrase)\W{1,6}(?P<secret>[a-z]{3,8}(?: [a-z]{3,8}){11,23})\b"""),
    Place("user and password in words", r"(?i:\bcredentials?)[ \t]+(?:(?:are|were|is|was|used)[ \t]+)?[\w.@-]+(?::|[ \t]+/[ \t]+)[^\s/]",
          r"(?i:credentials?)[ \t]+(?:(?:are|were|is|was|used)[ \t]+)?[\w.@-]+(?::|[ \t]+/[ \t]+)(?P<told>)"),
    Place("netrc", r"\blogin[ \t]+[^\s]+[ \t]+password[ \t]+[^\s]", r"login[ \t]+[^\s]+[ \t]+password(?P<option>[ \t]+)"),
    Place("SMTP", r"\bAUTH[ \t]+(?:PLAIN|LOGIN)[ \t]+[A-Za-z0-9+/]{8}", r"AUTH[ \t]+(?:PLAIN|LOGIN)[ \t]+(?P<secret>(?=[A-Za-z+/]*[\dA-Z=])[A-Za-z0-9+/=]+)"),
    Place("redis MONITOR", r'"(?i:auth)" "', r'"(?i:auth)" (?:"[^"\n]*" )?"(?P<secret>[^"\n]+)'),
    Place("Oracle", r"\bthin:[^\s/@:\"']+/[^\s\"']*@", r"thin:[^\s/@:\"']+/(?P<secret>[^\s\"']+)@"),
    Place("sqlplus", r"\b\w+/[^\s@/]+@[\w/]", r"\w{1,64}+/(?P<secret>[^\s@/]+)@", r"\b(?:sqlplus|expdp|impdp|rman)\b"),
    Place("data source of Go", r"\b[\w.\-]+:[^\s\"']*@(?:tcp|unix|udp)\(", r"[\w.\-]{1,128}+:(?P<secret>[^\s\"']+)@(?:tcp|unix|udp)\("),
    Place("setting", r"_(?i:key|token|secret|password)[ \t]+[A-Za-z0-9+/=_-]{16}",
          r"_(?P<name>(?i:key|token|secret|password))(?P<told>[ \t]+)(?=[A-Za-z+/=_-]*\d)"),
    Place("signature of a webhook", r"\b(?:sha(?:1|256|512)|v[01])=[0-9a-f]{8}", r"(?:sha(?:1|256|512)|v[01])=(?P<secret>[0-9a-f]{32,})", r"(?i:signature)"),
    Place("address without a scheme", r"\b[\w.-]+:[^\s:@/\"']+@[\w.-]+(?:/|:\d)", r"[\w.-]{1,64}+:(?P<secret>(?=[^\s@]*\d)[^\s:@/\"']{6,})@",
          r"(?i:\bdsn\b|connect|database)"),
    Place("passphrase", r"(?i:passphrase)[ \t]+[\"'][^\s]", r"""(?i:passphrase)[ \t]+["'](?P<secret>[^"'\n]+)"""),
    Place("right behind its name", rf"(?i:{_NOUN})[ \t]+[^\s:=\d]*\d", rf"(?i:(?P<password>{_PASSWORD})|{_NOUN})(?P<named>[ \t]+)"),
    Place("code", rf"(?i:{_CODE})(?:[ \t]*[:=]|[ \t]+(?:is|was):?|[ \t]+(?:for|of)(?:[ \t]+[^\s:=]+){{1,4}}?(?:[ \t]*[:=]|[ \t]+is))?[ \t]+['\"]?[A-Za-z-]*\d",
          rf"(?i:{_CODE})(?:[ \t]+(?:for|of)[ \t]+[^\n:=]{{1,80}}(?=[:=]|[ \t]is))?(?:[ \t]*[:=]|[ \t]+(?:is|was):?)?[ \t]+['\"]?"
          r"(?P<secret>\d{3}[ -]\d{3}\b|\d{4,8}\b(?![.,:/-]?\d)(?!s\b|ms\b)|(?=[A-Za-z-]*\d)[A-Za-z0-9]{4,6}(?:-[A-Za-z0-9]{4,6})+)"),
    Place("link that lets in", r"/(?i:reset|verify|confirm|invite|magic)(?:[-_]?(?:password|email|link|token))?/[\w-]{20}",
          r"/(?i:reset|verify|confirm|invite|magic)(?:[-_]?(?:password|email|link|token))?/(?P<secret>(?=[\w-]*\d)[\w-]{20,})"),
)

#: user and password of an address; a port is none
ADDRESS = Place("address", r"""://[^\s/?#"'<>@:\[]*:\d*(?:@|[^\s\d/?#"'<>,;)}\]@][^\s"'<>@]*@)""", r"""://[^\s/?#"'<>@:]*:(?P<secret>[^\s"'<>]*)@""")
#: a token in the place of the user
USER = Place("user of an address", r"://[A-Za-z0-9_-]{20,}@", r"://(?P<secret>(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,})@")
_WHOM = r"[ \t]+(?:for|of)(?:[ \t]+[^\s:=]+){1,6}?"
#: sentences that say what a secret is, whose, and what it becomes; "to" and "from" alone need a verb before them
SENTENCE = Place("in words",
                 rf"(?i:{_NOUN})(?:(?:{_WHOM})?[ \t]+(?:{_BECOMES}|to[ \t]+|from[ \t]+[^\s]+[ \t]+to[ \t]+)[^\s]|{_WHOM}[ \t]*[:=])",
                 rf"(?P<name>(?i:{_NOUN}))(?P<whom>(?:{_WHOM})?)"
                 rf"(?:[ \t]+(?:(?P<told>{_BECOMES})|(?P<verb>(?:to|from)[ \t]+))(?=[^\s])|(?<=[^\s:=])[ \t]*(?P<separator>[:=]))",
                 r"(?i:\b(?:re)?set|\bchang|\bupdat|\brotat|\bassign|\bmodif)")
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
