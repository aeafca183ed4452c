# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a container that ended, classified by their own words."""

from __future__ import annotations

import dataclasses
import re
import typing as t

#: the last lines of a life that are looked at
LAST_LINES, LONGEST_LINE = 60, 2000

_HOST = r"(?P<host>[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])"
_ADDRESSES = [re.compile(pattern, re.IGNORECASE) for pattern in (
    r"(?P<host>[a-z][\w.-]*)/(?:\d{1,3}\.){3}\d{1,3}:(?P<port>\d{2,5})",
    r"(?:dial|connect(?:ion)?(?: to)?|ECONNREFUSED|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|lookup|reach(?:ing)?|server at|host[=:]?|address[=:]?|failed:)"
    r"[\s\"'=:(]+(?:tcp\s+|udp\s+)?(?:\w+://)?(?:[^\s/@]*@)?" + _HOST + r"(?:(?:[:/]|\"?,? port[= ]+)(?P<port>\d{2,5}))",
    r"(?:\w+://)(?:[^\s/@]*@)?" + _HOST + r"(?::(?P<port>\d{2,5}))?",
    r"host=['\"]?" + _HOST + r"['\"]?,?\s+port=(?P<port>\d{2,5})",
    r"server at \"" + _HOST + r"\"(?: \([^)]*\))?, port (?P<port>\d{2,5})",
    r"Can't connect to MySQL server on '" + _HOST + r"(?::(?P<port>\d{2,5}))?'",
    r"(?P<host>[\w-]+(?:\.[\w-]+)*)[:/](?P<port>\d{2,5})\b.{0,80}?(?:refused|timed? ?out|unreachable)",
    r"(?:could not translate host name|getaddrinfo \w+|lookup|UnknownHostException:?|resolve(?: host)?:?|Name or service not known:?|host)\s+"
    r"[\"']?(?P<host>[\w-]+(?:\.[\w-]+)*)(?P<port>)",
    r"(?P<host>[\w-]+(?:\.[\w-]+)+): (?:nodename nor|Name or service not known|no such host|Temporary failure)(?P<port>)",
)]
#: not a dependency: the process itself, or a word that the patterns above take for a host
_NO_HOST = re.compile(r"^(?:0\.0\.0\.0|::|\[::\]|to|the|on|at|for|host|server|a|is|name|tcp|udp|on|of|with|and)$", re.IGNORECASE)

_SETTING = r"(?:env(?:ironment)?(?: var\w*)?|config(?:uration)?(?: file)?|settings?|option|flag|property|properties|argument|parameter|directive)\b"
_WRONG = (r"(?:missing|required|undefined|unset|(?:is |not )set|must be|invalid|unknown|unrecogni[sz]ed|unsupported|illegal|is empty|blank"
          r"|not (?:found|defined|valid|provided|allowed))")
#: a setting that is missing or wrong, as people and the common frameworks and parsers put it
_CONFIGURATION = "|".join((
    rf"(?i:\b{_SETTING}[^\n]{{0,80}}?\b{_WRONG})", rf"(?i:\b{_WRONG}[^\n]{{0,60}}?\b{_SETTING})",
    r"(?i:could not resolve placeholder|failed to (?:parse|load|read|bind)[\w\s]{0,30}(?:config|properties|settings))",
    r"(?i:\byaml: |while parsing|error parsing|unexpected (?:token|character|end of)[^\n]{0,40}(?:JSON|config)|invalid literal for int)",
    r"strconv\.\w+: parsing|unknown (?:command|directive)|flag provided but not defined|error: unknown option|unknown (?:shorthand )?flag",
    r"unrecognized arguments",
    r"ConfigException|ConfigurationError|ConfigError|ImproperlyConfigured|ValidationError|InvalidConfiguration|BeanCreationException",
    r"UnsatisfiedDependencyException|\[emerg\] |KeyError: '[A-Z][A-Z0-9_]+'",
    r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b[^\n]{0,40}\b(?:set|required|empty|missing|defined|provided|invalid)\b",
    r"panic: [^\n]*(?:config|flag|env)"))

#: in this order: the more particular word decides
_PROBLEMS: tuple[tuple[str, t.Pattern[str]], ...] = tuple((name, re.compile(pattern)) for name, pattern in (
    ("out_of_memory", r"java\.lang\.OutOfMemoryError|(?i:heap out of memory)|\bMemoryError\b|std::bad_alloc|fatal error: runtime: out of memory"
                      r"|(?i:cannot allocate memory)|(?i:out of memory)|FATAL ERROR: .*Allocation failed"),
    ("exec_format", r"(?i:exec format error|cannot execute binary file)"),
    ("port_in_use", r"(?i:address already in use|EADDRINUSE|port \d+ (?:was|is) already in use|bind: address|only one usage of each socket)"),
    ("dependency_auth", r"(?i:password authentication failed|access denied for user|\bNOAUTH\b|\bWRONGPASS\b|authentication failed|no pg_hba\.conf entry"
                        r"|role \"[^\"]*\" does not exist|SASL authentication|invalid_client|login failed for user)"),
    ("dependency_limit", r"(?i:too many (?:clients|connections)|remaining connection slots|max_client_conn|ERR max number of clients)"),
    ("unknown_host", r"(?i:no such host|\bENOTFOUND\b|EAI_AGAIN|UnknownHostException|could not translate host name|name or service not known"
                     r"|temporary failure in name resolution|nodename nor servname|getaddrinfo|NXDOMAIN|failed to resolve host|could not resolve host"
                     r"|no address associated|NameResolutionError|gaierror)"),
    ("refused", r"(?i:connection refused|ECONNREFUSED|connect: refused|actively refused|Connection to \S+ refused|Can't connect to MySQL server"
                r"|connection to server at .* failed)"),
    ("timeout", r"(?i:i/o timeout|ETIMEDOUT|connect(?:ion)? timed out|connect timeout|ConnectTimeout|timed out (?:while )?connect|no route to host"
                r"|EHOSTUNREACH|network is unreachable|dial tcp .*deadline exceeded|timeout expired|ServerSelectionTimeoutError|NoBrokersAvailable)"),
    ("configuration", _CONFIGURATION),
    ("permission", r"(?i:permission denied|EACCES|EPERM|operation not permitted|AccessDeniedException|PermissionError|read-only file system|EROFS)"),
    ("missing_file", r"(?i:no such file or directory|ENOENT|FileNotFound(?:Error|Exception)|NoSuchFileException|cannot find module|ModuleNotFoundError"
                     r"|ClassNotFoundException|NoClassDefFoundError|cannot open shared object|error while loading shared libraries|unable to access jarfile"
                     r"|cannot load such file|could not find or load main class|can't open file)"),
    ("exception", r"\bpanic: |Traceback \(most recent call last\)|\b\w+(?:Exception|Error)\b|^Caused by: |\bFATAL\b|\bfatal error\b|unhandled"
                  r"|Segmentation fault|SIGSEGV|\bCRITICAL\b"),
))
_DEPENDENCY = ("dependency_auth", "dependency_limit", "unknown_host", "refused", "timeout")
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) ")


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the last lines of a log say.

    :param problem: ``configuration``, ``refused``…; empty where no line says anything that is known.
    :param line: the line that says it, without the kubelet's time.
    :param dependency: host, or host and port, where the problem is about another process that the line names.
    """

    problem: str = ""
    line: str = ""
    dependency: str = ""

    @property
    def about_a_dependency(self) -> bool:
        """Whether another process is missed or refuses."""
        return self.problem in _DEPENDENCY


def read(text: str) -> Reading:
    """Classify the end of a log: the most particular problem that its last lines name, of two alike the later.

    A stack trace ends in lines that say less than its cause does, so that the order of the problems counts before that of the lines;
    an attempt that was refused and retried before the end counts as well.
    """
    lines = [_TIME.sub("", line).strip()[:LONGEST_LINE] for line in text.splitlines()[-LAST_LINES:]]
    for problem, pattern in _PROBLEMS:
        for line in reversed(lines):
            if pattern.search(line):
                return Reading(problem, line[:400], dependency(line) or _near(lines, line) if problem in _DEPENDENCY else "")
    return Reading(line=next((line[:400] for line in reversed(lines) if line), ""))


def dependency(line: str) -> str:
    """The host, or host and port, that a line is about; empty where it names none."""
    for pattern in _ADDRESSES:
        for found in pattern.finditer(line):
            host = found["host"].strip("[]").rstrip(".")
            if host and not _NO_HOST.match(host) and not host.isdigit():
                return f"{host}:{found['port']}" if found["port"] else host
    return ""


def _near(lines: t.Sequence[str], line: str) -> str:
    """The address in the lines around one that names none."""
    at = len(lines) - 1 - lines[::-1].index(line)
    return next((found for other in reversed(lines[max(0, at - 5):at + 6]) if (found := dependency(other))), "")
