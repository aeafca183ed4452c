# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose code a stack trace names: the application's own frames, in the words of six languages."""

from __future__ import annotations

import dataclasses
import re

#: code that nobody fixes in the application: what serves requests, maps objects and holds connections
_JAVA_LIBRARIES = (
    "java.", "javax.", "jdk.", "jakarta.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "clojure.", "groovy.", "akka.", "cats.", "zio.",
    "com.zaxxer.", "com.mchange.", "com.alibaba.druid.", "io.agroal.", "com.vladmihalcea.", "com.p6spy.", "net.ttddyy.",
    "org.postgresql.", "com.mysql.", "org.mariadb.", "com.microsoft.sqlserver.", "oracle.", "com.oracle.", "org.h2.",
    "org.sqlite.", "com.ibm.", "net.sourceforge.jtds.",
    "org.springframework.", "org.hibernate.", "org.mybatis.", "org.apache.", "org.jooq.", "org.jdbi.",
    "com.baomidou.", "com.github.pagehelper.", "com.querydsl.",
    "org.eclipse.", "org.jetbrains.", "org.flywaydb.", "liquibase.", "io.ebean.", "slick.", "doobie.", "org.skife.", "org.seasar.", "org.datanucleus.",
    "org.jboss.", "org.wildfly.", "io.undertow.", "io.quarkus.", "io.smallrye.", "io.vertx.", "io.micronaut.", "io.netty.", "io.grpc.", "io.ktor.",
    "io.micrometer.", "io.opentelemetry.", "io.opentracing.", "io.sentry.", "com.newrelic.", "datadog.", "reactor.", "rx.", "io.reactivex.", "io.r2dbc.",
    "io.dropwizard.", "ratpack.", "play.", "spark.", "org.glassfish.", "org.keycloak.", "org.quartz.", "org.junit.", "org.slf4j.", "ch.qos.",
    "com.google.", "com.fasterxml.", "com.netflix.", "feign.", "org.aspectj.", "net.bytebuddy.", "net.sf.", "com.codahale.", "com.atomikos.", "bitronix.",
    "freemarker.", "graphql.", "org.thymeleaf.", "weblogic.", "com.caucho.", "org.axonframework.", "io.github.resilience4j.")
_DOTNET_LIBRARIES = ("System.", "Microsoft.", "Npgsql.", "MySql.", "MySqlConnector.", "Dapper.", "NHibernate.", "Oracle.")
_FOREIGN_PATHS = ("site-packages", "dist-packages", "/lib/python", "node_modules", "node:", "internal/", "/gems/", "/lib/ruby/", "/go/src/",
                  "/pkg/mod/", "/vendor/", "<frozen", "<internal:", "vendor/bundle")

_JAVA = re.compile(r"\bat (?:[^\s()/]{0,200}/){0,3}(?P<method>[\w.$<>]{1,500})"
                   r"\((?P<place>[\w$-]{1,150}\.\w{2,10}(?::\d+)?|Unknown Source|Native Method|<generated>)\)")
_PYTHON = re.compile(r'File "(?P<path>[^"]{1,500})", line (?P<line>\d+), in (?P<method>\S{1,200})')
_NODE = re.compile(r"^\s*(?:\|\s*)?at (?:(?:async )?(?P<method>[^\s(]{1,200})(?: \[as [^\]]{1,100}\])? \()?"
                   r"(?:file://)?(?P<path>(?:node:|/|internal/|[A-Za-z]:\\|\.{1,2}/|webpack)[^():]{0,500}):(?P<line>\d+):\d+\)?")
_RUBY = re.compile(r"(?:^|[\s'\"])(?P<path>[\w./@+-]{1,300}\.rb):(?P<line>\d+):in [`'](?P<method>[^`']{1,200})'")
_GO = re.compile(r"^\s+(?P<path>/[^\s:]{1,500}\.go):(?P<line>\d+)(?: \+0x[0-9a-f]+)?$")
_DOTNET = re.compile(r"^\s*at (?P<method>[\w.`<>+\[\],|]{1,300})\([^)]{0,500}\)(?: in (?P<path>[^\n]{1,400}):line (?P<line>\d+))?\s*$")
#: what a framework generates around a class is no code of anybody
_GENERATED = re.compile(r"\$\$|\$Proxy\d|GeneratedMethodAccessor|<generated>")


@dataclasses.dataclass(frozen=True)
class Frame:
    """One call.

    :param name: method and place, as far as the trace tells it.
    :param own: whether it is the application's code rather than a library's.
    :param outermost_first: whether the call that comes last in the trace is the innermost.
    """

    name: str
    own: bool
    outermost_first: bool = False


def frame(line: str, before: str = "") -> Frame | None:
    """The call that a line of a stack trace names, None where it names none.

    :param before: the line before, on which Go writes the function.
    """
    if "at " in line:
        return _node(line) or _java(line) or _dotnet(line)
    if 'File "' in line:
        match = _PYTHON.search(line)
        return match and Frame(_named(match["method"], match["path"], match["line"]), not _foreign(match["path"]), outermost_first=True)
    if ".go:" in line:
        match = _GO.search(line)
        return match and Frame(_named(before.rpartition("(")[0].rpartition("/")[2] or "?", match["path"], match["line"]), not _foreign(match["path"]))
    if ".rb:" in line:
        match = _RUBY.search(line)
        return match and Frame(_named(match["method"].rpartition(" in ")[2], match["path"], match["line"]), not _foreign(match["path"]))
    return None


def _java(line: str) -> Frame | None:
    match = _JAVA.search(line)
    if match is None or "." not in match["method"]:
        return None
    method = match["method"]
    own = not method.startswith(_JAVA_LIBRARIES) and not _GENERATED.search(match[0])
    return Frame(f"{method} ({match['place']})" if "." in match["place"] else method, own)


def _node(line: str) -> Frame | None:
    match = _NODE.search(line)
    return match and Frame(_named(match["method"] or "(anonymous)", match["path"], match["line"]), not _foreign(match["path"]))


def _dotnet(line: str) -> Frame | None:
    match = _DOTNET.search(line)
    if match is None or "." not in match["method"]:
        return None
    place = f" ({_base(match['path'])}:{match['line']})" if match["path"] else ""
    return Frame(match["method"] + place, not match["method"].startswith(_DOTNET_LIBRARIES))


def _named(method: str, path: str, line: str) -> str:
    return f"{method} ({_base(path)}:{line})"


def _base(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _foreign(path: str) -> bool:
    return any(part in path for part in _FOREIGN_PATHS)


class Trace:
    """The frames of one record, line by line; :attr:`own` are the application's that matter.

    A record may hold several traces, one for each exception of a chain; the last one that reaches the application's own code
    is nearest to the cause.
    """

    #: as many of the application's own frames as name a helper and its caller
    FRAMES = 2

    def __init__(self) -> None:
        self.own: list[str] = []
        self._block: list[str] = []
        self._before = ""

    def read(self, line: str) -> Frame | None:
        """One more line; the frame that it names, if it names one."""
        found = frame(line, self._before)
        self._before = line
        if found is None:
            if line.lstrip().startswith(("Caused by", "Traceback", "Wrapped by")):
                self._block = []
            return None
        if found.own and (found.outermost_first or len(self._block) < self.FRAMES):
            self._block = [found.name, *self._block][:self.FRAMES] if found.outermost_first else [*self._block, found.name]
            self.own = self._block
        return found

    @property
    def place(self) -> str:
        """The code that is to be looked at, and its caller; empty where no frame is the application's."""
        return ", called by ".join(self.own)
