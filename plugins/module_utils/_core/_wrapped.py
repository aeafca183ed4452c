# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs as the application wrote them: without what terminals, container runtimes and kubectl put around them."""

from __future__ import annotations

import io
import json
import re
import typing as t

#: characters of a line whose pieces are joined; what is longer comes as several
LONGEST = 1 << 20

#: ECMA-48: colours and other control sequences, and the titles and links that terminals know
COLOUR = r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)|[@-Z\\^_])"
#: a pod's name as Kubernetes makes it: the letters and digits of its random endings
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"
#: who wrote a line: ``kubectl logs --prefix``, ``docker compose logs``, ``stern``
SOURCE = (r"(?:\[pod/[\w.-]+/[\w.-]+\] |[\w.-]{1,64}[-_]\d{1,4} {1,64}\| "
          rf"|[a-z0-9](?:[a-z0-9.-]{{0,200}})-{_RANDOM}{{5}} [a-z0-9][a-z0-9-]{{0,62}} )")
#: what the runtime writes into the node's files; the last tag tells whether the line ends here
RUNTIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP][\w:]* "
#: how a line of docker's own files begins
DOCKER = '{"log":"'

_COLOUR, _SOURCE, _RUNTIME = re.compile(COLOUR), re.compile(SOURCE), re.compile(RUNTIME)


class Line(t.NamedTuple):
    """What one line, or a piece of one, holds.

    :param source: who wrote it, as the line says, empty where it does not.
    :param stream: stdout or stderr, empty where the line does not say.
    :param at: the time that the runtime gave it, nine digits behind the second as the kubelet shows it, empty where there is none.
    :param text: of the application.
    :param ends: whether the line ends with it; else the next one of its source and stream goes on.
    """

    source: str
    stream: str
    at: str
    text: str
    ends: bool


def uncoloured(text: str) -> str:
    """The text without control sequences of terminals."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def opened(line: str) -> Line:
    """Tell what is in a line, which may have no line end."""
    line = uncoloured(line)
    found = _SOURCE.match(line)
    source = found[0].rstrip(" |") if found else ""
    if found:
        line = line[found.end():]
    runtime = _RUNTIME.match(line)
    if runtime:
        at, stream, tag, *_rest = runtime[0].split(" ")
        return Line(source, stream, _nine_digits(at), line[runtime.end():], tag[0] == "F")
    docker = _of_docker(line) if line.startswith(DOCKER) else None
    if docker:
        text = docker["log"]
        return Line(source, docker.get("stream", ""), _nine_digits(docker["time"]), uncoloured(text.rstrip("\r\n")), text.endswith("\n"))
    return Line(source, "", "", line, True)


def unwrapped(lines: t.Iterable[str]) -> t.Iterator[str]:
    """The application's lines, pieces of one joined; the time of the runtime stays in front, as ``kubectl logs --timestamps`` shows it.

    :param lines: without line ends, such as those of a TextFile.
    """
    return (line for _source, line in told_apart(lines))


def told_apart(lines: t.Iterable[str]) -> t.Iterator[tuple[str, str]]:
    """The same, each with its source."""
    pending: dict[tuple[str, str], io.StringIO] = {}
    for line in map(opened, lines):
        writer = (line.source, line.stream)
        begun = pending.pop(writer, None) or io.StringIO()
        begun.write(f"{line.at} {line.text}" if line.at and not begun.tell() else line.text)
        if line.ends or begun.tell() > LONGEST:
            yield line.source, begun.getvalue()
        else:
            pending[writer] = begun
    yield from ((source, begun.getvalue()) for (source, _stream), begun in pending.items())


def _of_docker(line: str) -> dict[str, str] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(isinstance(found.get(key), str) for key in ("log", "time")) else None


def _nine_digits(at: str) -> str:
    second, zone = at[:19], at[19:].lstrip(".0123456789")
    return f"{second}.{at[20:len(at) - len(zone)]:0<9}{zone}"
