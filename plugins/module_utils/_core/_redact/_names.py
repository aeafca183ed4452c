# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name says about its value: whether it is a secret, and how sure one can be of it."""

from __future__ import annotations

import enum
import functools
import re

#: words that a secret's name has, as they stand in a name of which upper case and dashes are gone
_KEY_OF = (r"api|app|access|account|admin|aes|auth|client|consumer|crypto|data|deploy|enc|encr|encryption|encrypt|functions?|hmac|host|"
           r"instrumentation|jwt|kms|license|licence|master|priv|private|root|rsa|secret|service|shared|sign|signing|ssh|ssl|storage|"
           r"subscription|tls|unseal|recovery|webhook|webhooks")
WORDS = (r"pass(?:word|wd|phrase|code)|passwort|pwd|pword|secret|token|credential|(?:" + _KEY_OF + r")[_. -]?key|key[_-]data|"
         r"(?:tls|ssl|server|client|ca|private)\.key|dockercfg|dockerconfigjson|cookie|(?:php|j|asp\.net_)?sess(?:ion)?[_-]?id|"
         r"authorization|authori[sz]ation[_-]code|assertion|saml[_-]?response|connection[_-]?string|[_-]pass|"
         r"\b(?:pass|sig|signature|sid|auth|x[_-]auth|_auth|jwt|otp|totp|cvv|dsn|sas|code|creds|bearer)|"
         r"x-amz-signature|requirepass|masterauth|pepper|(?:store|key|user|db|bind|src|dest)pass\b|(?:bind|root|user|admin|db|\b)pw\b|"
         r"basic[_-]?auth|userinfo|[a-z]_auth\b|\bencrypt|saml[_-]?request|signature[_-]?value|code[_-]verifier|device[_-]code|\bhmac|"
         r"mot[ _]de[ _]passe|contrase(?:\xc3\xb1|n)a|\bsenha")

_SECRET = re.compile(
    r"(?:pass(?:word|wd|phrase|code)|passwort|pwd|pword|credential|creds|(?:" + _KEY_OF + r")_?key(?!words?\b)|"
    r"(?:^|_)(?:key_data|(?:tls|ssl|server|client|ca)_key)$|"
    r"secret(?!ar(?:y|ia))|mot_de_passe|contrase_?n?a$|^senha$|"
    r"dockercfg|dockerconfigjson|requirepass|masterauth|pepper|(?:^|_)(?:assertion|saml_?response|connection_?string|jwt|cvv|sas|"
    r"otp|totp)$|"
    r"(?:^|_)[a-z]+_pass$|(?:^|_)(?:db|user|admin|root|mysql|smtp|ftp|ldap|redis|mail|key|store|bind|sasl|src|dest)pass$|"
    r"(?:^|_)(?:bind|root|user|admin|db)_?pw$|_(?:auth_)?token|"
    r"(?:^|_)(?:access|auth|api|bearer|refresh|session|id|csrf|xsrf|bot|app|user|client|service|deploy|vault|github|gitlab|slack|npm|jwt|oauth)token)")
_TOKEN = re.compile(r"(?:^|_|[a-z])token(?!i[sz])|^pass$|_cookie$")
_RANDOM = re.compile(r"(?:^|_)(?:auth|sid|sig|signature(?:_value|_\d+)?|code(?:_verifier)?|x_auth|dsn|authori[sz]ation_code|bearer|hmac|encrypt|"
                     r"(?:php|j)?sess(?:ion)?id)$|amz_signature$")
#: what is a secret although its name ends like what is only about one
_RANDOM_ALL_THE_SAME = re.compile(r"(?:^|_)(?:(?:php_?|j_?|asp_net_)sess(?:ion)?_?id|saml_?request)$")
_KEPT_ALL_THE_SAME = re.compile(r"(?:^|_)secret_id$")
_PAIR = re.compile(r"(?:^|_)(?:basic_?auth|userinfo|[a-z]+_auth)$")
#: what is said about a secret, and is none
_ABOUT = re.compile(
    r"(?:^|_)(?:algorithm|alg|arn|at|attempts?|audience|bits|bucket|budget|bytes|cache|changed?|class|config|controller|count(?:er)?s?|"
    r"created|date|delay|dirs?|directory|disabled|enabled|encoder|encoding|encryption|endpoint|"
    r"engine|errors?|exp|expir(?:es?|y|ed|ation)(?:_(?:at|in|on))?|factory|"
    r"fields?|file(?:name)?s?|fingerprint|format|generation|handler|hint|ids?|index|interval|invalid|issued|issuer|kind|label|last|left|len(?:gth)?|lifetime|"
    r"limits?|location|manager|max|metadata|method|min|mode|mount(?:_path)?|missing|names?|namespace|num|ok|optional|paths?|per_(?:second|minute|"
    r"request)|policy|prefix|present|provider|"
    r"rate|reads?|ref|refs|refresh|remaining|requests?|required|reset|resolver|retries|review|rotated|rotation|rules?|scopes?|service|services|size|"
    r"source|state|"
    r"status|store|strategy|strength|sum|time|timeout|total|ttl|types?|updated|uri|url|usage|usages|used|valid(?:ator|ation|ity)?|version|volume|"
    r"keyref|key_ref|default_mode|items|seconds|ms|millis|days|hours|minutes|generator|service_impl|repository|filter|java|kt|scala|groovy|py|go|rb|"
    r"php|cs|js|ts|interceptor|exception)$|secret_?name|secret_?key_?ref|"
    r"(?:^|_)(?:max|min|num|total|n)_[a-z_]*tokens?$|(?:page|continuation|cancell?ation|fencing|resume)_?token$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\W_]+")


class Says(enum.Enum):
    """What a name says of its value."""

    NOTHING = "no secret"
    SECRET = "any value is a secret"
    GIVEN = "a value that is no number is a secret"
    KEPT = "a value that is no number and no name of an object is a secret"
    TOKEN = "a value that is no word and no number is a secret; behind = any but a number is one"
    RANDOM = "a value that looks random is a secret"
    HEADER = "a scheme and its credentials"
    COOKIE = "a list of cookies, to the end"
    PAIR = "a user, a colon and a password"
    TOLD = "in a sentence: a value that is no word, number, moment or place is a secret"
    NAMED = "in a sentence, right behind its name: letters and digits that name nothing else are a secret"
    NAMED_RANDOM = "the same, and it must be long"


@functools.lru_cache(maxsize=4096)
def says(name: str) -> Says:
    """What a name says; ``DB_PASSWORD``, ``apiKey`` and ``x-auth-token`` are all names."""
    plain = _SEPARATORS.sub("_", _CAMEL.sub("_", name)).lower().strip("_")
    if plain in ("set_cookie", "cookie", "cookies"):
        return Says.COOKIE
    if plain.endswith("authorization"):
        return Says.HEADER
    if _KEPT_ALL_THE_SAME.search(plain):
        return Says.KEPT
    if _RANDOM_ALL_THE_SAME.search(plain):
        return Says.RANDOM
    if _PAIR.search(plain):
        return Says.PAIR
    if _ABOUT.search(plain):
        return Says.NOTHING
    if name.startswith("_auth") or plain in ("npmrc_auth", "docker_auth"):
        return Says.TOKEN
    if _SECRET.search(plain) and not plain.endswith(("tokens", "secrets", "credentials", "secret")):
        return Says.SECRET
    if plain.endswith("secret") and plain != "secret":
        return Says.SECRET
    if plain == "secret":
        return Says.KEPT
    if _TOKEN.search(plain) or _SECRET.search(plain):
        return Says.TOKEN
    if plain == "pw":
        return Says.GIVEN
    return Says.RANDOM if _RANDOM.search(plain) else Says.NOTHING
