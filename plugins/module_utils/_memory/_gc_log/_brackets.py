# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The brackets of a JDK 8 log, put together again.

A collection is written as ``[GC … [ParNew: …] …, 0.04 secs]``, piece by piece while it runs, and whatever else the JVM or the
application has to say meanwhile lands between the pieces: tables of ages, statistics of free lists, heaps, class histograms,
decisions of a sizing policy, phases of a concurrent cycle. What belongs to a collection is told by the brackets alone: sizes and
seconds count for the innermost bracket that is open, and a collection ends where its own bracket does.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._memory._gc_log._model import decimal

Sizes = t.Tuple[str, str, str]

#: all threads stand still inside these
STOPS = r"Full GC|Inc GC|GC (?:pause|remark|cleanup)|GC(?! ?(?:concurrent|ref-proc|Worker|locker))|Pause [A-Z]\w*(?: [A-Za-z]+)*"
#: brackets of a concurrent collector's own threads
CONCURRENT = r"GC concurrent-[\w-]+|CMS-concurrent-[\w-]+|Concurrent [a-z]+(?: [a-z]+)*"
#: other brackets that may lie over several lines; any that is not named here ends with its line
_PARTS = (r"ParNew|DefNew|PSYoungGen|ParOldGen|PSOldGen|Tenured|CMS(?! Perm|-)|Rescan|weak refs|class unloading|scrub|"
          r"Class Histogram|Heap Dump")
#: tell a collection that it is a pause of a CMS cycle
_MARKERS = r"YG occupancy|1 CMS-initial-mark|1 CMS-remark"
_NUMBER, _SIZE = r"\d{1,12}[.,]\d{1,9}", r"\d{1,15}(?:[.,]\d{1,3})?[BKMGT]"
#: the first two lines only say where nothing can begin, which is nearly everywhere
_TOKEN = re.compile(
    r"(?=[\[\](<,\-0-9])(?<![0-9.][0-9.])(?:"
    rf"\[(?:(?P<times>Times: user=(?P<user>{_NUMBER}) sys=(?P<sys>{_NUMBER}),? real=(?P<real>{_NUMBER}) secs\])"
    rf"|(?P<stop>{STOPS})|(?P<concurrent>{CONCURRENT})|(?P<part>{_PARTS})|(?P<marker>{_MARKERS})|(?P<other>(?!0x)))"
    rf"|(?P<sizes>(?P<before>{_SIZE})(?:\({_SIZE}\))?->(?P<after>{_SIZE})\((?P<capacity>{_SIZE})\))"
    rf"|(?P<seconds>(?<=, )(?P<taken>{_NUMBER}) (?P<unit>secs|ms)(?=\]))|(?P<begins>, start\])|(?P<close>\])"
    r"|[(<](?P<group>[A-Za-z][^()<>\[\]]{0,80}(?:\(\))?)[)>]|(?P<dashes>--(?= ?\[)))")
#: when a bracket was opened; the JVM writes it just before
_STAMP = re.compile(rf"(?P<date>\d{{4}}-\d\d-\d\dT[\d:.,]{{8,16}}(?:Z|[+-]\d{{4}}): ?)?(?P<uptime>{_NUMBER}: ?)?(?:#\d{{1,9}}: ?)?$")
_LONGEST_STAMP, _MOST_GROUPS = 80, 20


@dataclasses.dataclass
class Bracket:
    """One bracket.

    :param stops: the whole application stands still while it is open.
    :param concurrent: it is of the collector's own threads.
    :param lasts: it may go on in the next line.
    :param date: as written in front of it, empty where it is not; likewise ``uptime``.
    :param phase: it is a pause inside a CMS cycle; with ``takes_young`` a young collection may follow inside it.
    :param sizes: before, after and capacity, the first that are in this bracket itself.
    :param seconds: the last in this bracket itself.
    :param groups: what stands in round brackets, of the ones within too.
    :param parts: sizes of the brackets within, by name.
    """

    name: str
    stops: bool = False
    concurrent: bool = False
    lasts: bool = False
    date: str = ""
    uptime: str = ""
    phase: bool = False
    takes_young: bool = False
    sizes: Sizes | None = None
    seconds: float | None = None
    groups: list[str] = dataclasses.field(default_factory=list)
    parts: dict[str, Sizes] = dataclasses.field(default_factory=dict)

    @property
    def may_close(self) -> bool:
        """Brackets that last end with sizes or seconds, whatever others lie about."""
        return not self.lasts or self.seconds is not None or not self.stops and self.sizes is not None


@dataclasses.dataclass(frozen=True)
class Times:
    """What a collection took of the processors, and of the clock, in seconds."""

    cpu: float
    real: float


Found = t.Union[Bracket, Times]


class Brackets:
    """Reads line by line; memory is bounded by how deep brackets lie.

    :param lost: collections that began and whose end was not found.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._open: list[Bracket] = []
        self._of_concurrent = False
        self._actions: dict[str, t.Callable[[re.Match[str]], Found | None]] = {
            "times": self._times, "stop": self._stop, "concurrent": self._concurrent, "part": self._part,
            "marker": self._marker, "other": self._other, "sizes": self._sizes, "seconds": self._seconds, "begins": self._begins,
            "close": self._close, "group": self._group, "dashes": self._dashes}

    @property
    def inside(self) -> bool:
        """Whether a collection goes on in the next line."""
        return bool(self._open)

    def read(self, line: str) -> t.Iterator[Found]:
        """What a line finishes, in the order of its ends."""
        self._of_concurrent = False
        actions = self._actions
        for token in _TOKEN.finditer(line):
            found = actions[token.lastgroup or ""](token)
            if found is not None:
                yield found
        self._open = [bracket for bracket in self._open if bracket.lasts] if self._stopped() else []

    def _stopped(self) -> bool:
        return bool(self._open) and self._open[0].stops

    def _times(self, token: re.Match[str]) -> Times | None:
        """Those behind a concurrent phase are of its threads: nobody stood still."""
        if self._of_concurrent or self._open:
            self._of_concurrent = False
            return None
        return Times(decimal(token["user"]) + decimal(token["sys"]), decimal(token["real"]))

    def _stop(self, token: re.Match[str]) -> None:
        # a young collection at the beginning of a CMS remark is part of its stop; in any other place the outer one has lost its end
        if self._stopped() and not self._open[0].takes_young:
            self.lost += 1
            self._open = []
        elif self._stopped():
            self._open[0].takes_young = False
        else:
            self._open = []  # pieces of one whose beginning is not there
        self._open.append(Bracket(token["stop"], stops=True, lasts=True, **_stamp(token)))

    def _concurrent(self, token: re.Match[str]) -> None:
        self._open.append(Bracket(token["concurrent"], concurrent=True, **_stamp(token)))

    def _part(self, token: re.Match[str]) -> None:
        if self._stopped() and token["part"] == "Rescan":
            self._open[0].takes_young = False
        self._open.append(Bracket(token["part"], lasts=True))

    def _marker(self, token: re.Match[str]) -> None:
        if self._stopped():
            self._open[0].phase = True
            self._open[0].takes_young = token["marker"] == "YG occupancy"
        self._open.append(Bracket(""))

    def _other(self, _token: re.Match[str]) -> None:
        self._open.append(Bracket(""))

    def _sizes(self, token: re.Match[str]) -> None:
        if self._open and self._open[-1].sizes is None:
            self._open[-1].sizes = (token["before"], token["after"], token["capacity"])

    def _seconds(self, token: re.Match[str]) -> None:
        # milliseconds are Shenandoah's; elsewhere they are a part's or a plan's, whose bracket a line of another writer has torn off
        if self._open and (token["unit"] == "secs" or self._open[-1].name.startswith(("Pause", "Concurrent"))):
            self._open[-1].seconds = decimal(token["taken"]) / (1000 if token["unit"] == "ms" else 1)

    def _group(self, token: re.Match[str]) -> None:
        if self._open and len(self._open[0].groups) < _MOST_GROUPS:
            self._open[0].groups.append(token["group"])

    def _dashes(self, _token: re.Match[str]) -> None:
        if self._stopped():
            self._open[0].groups.append("promotion failed")

    def _begins(self, _token: re.Match[str]) -> None:
        """Shenandoah says when it begins, too."""
        if self._open:
            self._open.pop()

    def _close(self, _token: re.Match[str]) -> Bracket | None:
        if not self._open or not self._open[-1].may_close:
            return None  # the application's
        bracket = self._open.pop()
        if self._stopped() and bracket.name and bracket.sizes:
            self._open[0].parts[bracket.name] = bracket.sizes
        self._of_concurrent = bracket.concurrent
        return bracket if bracket.concurrent or bracket.stops and not self._open else None


def _stamp(token: re.Match[str]) -> dict[str, str]:
    """What stands in front of a bracket."""
    found = _STAMP.search(token.string, max(0, token.start() - _LONGEST_STAMP), token.start())
    return {"date": found["date"] or "", "uptime": found["uptime"] or ""} if found else {}
