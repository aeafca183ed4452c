# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed before a workload began to ail: one time line, and the changes ranked."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _logs, _mounts, _pod_metrics, _workload
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError
from ansible_collections.sre.runbooks.plugins.module_utils._core._parallel import each
from ansible_collections.sre.runbooks.plugins.module_utils._correlation import _changes, _onset, _rank, _seen
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._changes import Change
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._graph import PEER_LABELS, Graph
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._onset import Line, Log, Onset
from ansible_collections.sre.runbooks.plugins.module_utils._correlation._seen import Seen, named
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Table

#: score from which a change stands out
CLEAR = 40
#: workloads whose logs are read beside the ailing one's, and lines of each pod
CALLERS, LINES = 3, 20000
SHOWN = 3


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked.

    :param onset: when it began; None to estimate it.
    :param window: how long before the onset changes are looked for.
    :param container: of the target, whose log is read; None for its main one.
    :param errors: what lines of a log count as errors.
    :param signals: what was measured: moment and words, for the time line.
    :param metrics_port: port of pods' metrics, 0 for none; ``metrics_path`` is their path.
    :param incident: that asks, if one does: its own changes are no candidates.
    """

    target: Target
    onset: datetime.datetime | None
    window: datetime.timedelta
    errors: t.Pattern[str]
    signals: t.Sequence[Line] = ()
    container: str | None = None
    metrics_port: int = 0
    metrics_path: str = "/metrics"
    incident: str = ""


def answer(cluster: Cluster, question: Question, now: datetime.datetime) -> Json:
    """Read, rank and put in order; keys as ``result`` says."""
    seen = _seen.gather(cluster, question.target.namespace)
    graph = Graph.build(seen)
    not_seen = dict(seen.not_seen)
    _add_metrics(cluster, seen, graph, question, not_seen)
    logs = _read_logs(cluster, seen, graph, question, now, not_seen)
    ailing = named(question.target.kind, question.target.name)
    for workload, log in logs.items():
        graph.add_log(workload, (text for _at, text in log.lines))
        if workload == ailing:
            graph.blame(text for _at, text in log.lines if question.errors.search(text))
    onset = _when(question, ailing, graph, logs)
    return result(question, Seen(seen.objects, not_seen), graph, onset, now)


def result(question: Question, seen: Seen, graph: Graph, onset: Onset, now: datetime.datetime) -> Json:
    """What a module returns.

    Keys: cause (kind and object of the likeliest change, or undetermined), candidates, onset (at, how), timeline (at, kind, object,
    what, by, symptom, relation), graph (source, target, how), not_seen (kind and reason), tables, says.
    """
    ailing = named(question.target.kind, question.target.name)
    moment = onset.at or now
    found = _changes.changes(seen, moment - question.window, now, question.incident)
    ranked = _rank.candidates(found, moment, onset.at is not None, graph, ailing)
    rows = _timeline(found, question.signals, onset, graph, ailing)
    clear = bool(ranked) and ranked[0].score >= CLEAR
    unseen = [{"kind": kind, "reason": reason} for kind, reason in sorted(seen.not_seen.items())]
    return {"cause": ranked[0].name if clear else "undetermined", "candidates": [candidate.to_json() for candidate in ranked],
            "onset": {"at": _text(onset.at) if onset.at else "", "how": onset.how}, "timeline": rows, "graph": graph.edges(),
            "not_seen": unseen, "tables": [table.to_json() for table in _tables(ranked) if table.rows],
            "says": _says(onset, ranked, clear, len(found), question.window, seen.not_seen)}


def _when(question: Question, ailing: str, graph: Graph, logs: t.Mapping[str, Log]) -> Onset:
    """The onset that was given, else what the workload's own log shows, else what those that call it have logged of it."""
    if question.onset:
        return Onset(question.onset, "given")
    addresses = graph.addresses(ailing)
    for workload in sorted(logs, key=lambda name: name != ailing):
        log = logs[workload]
        if workload != ailing:
            log = Log(log.begin, [line for line in log.lines if any(address in line[1] for address in addresses)])
        if found := _onset.estimate(log, question.errors, workload):
            return found
    return Onset(None, "not known, as no log shows more errors than before: changes are ranked by how recent they are")


def _read_logs(cluster: Cluster, seen: Seen, graph: Graph, question: Question, now: datetime.datetime, not_seen: dict[str, str]) -> dict[str, Log]:
    """The newest lines of the ailing workload and of those that call it."""
    ailing = named(question.target.kind, question.target.name)
    wanted = [ailing, *graph.callers(ailing)[:CALLERS]]
    begin = now - question.window
    try:
        logs = each(lambda name: _log(cluster, seen, name, question.container if name == ailing else None, begin, now), wanted)
        return dict(zip(wanted, logs, strict=True))
    except ClusterError as error:
        if error.status != 403:
            raise
        not_seen["Pod logs"] = "permission denied"
        return {}


def _log(cluster: Cluster, seen: Seen, workload: str, container: str | None, begin: datetime.datetime, now: datetime.datetime) -> Log:
    """A workload's log of all its pods; its beginning is that of its first pod, or of what was read where that was cut."""
    item = next((item for kind, item in seen.of(*_seen.WORKLOADS) if named(kind, item["metadata"]["name"]) == workload), None)
    pods = [pod for _kind, pod in seen.of("Pod") if _seen.workload_of(seen, pod) == workload]
    if item is None or not pods:
        return Log(begin, [])
    found = _logs.tail(cluster, pods, _workload.main_container(item, container), int((now - begin).total_seconds()), LINES)
    lines = [(moment, text) for at, _pod, text in found if (moment := _stamp(at))]
    if lines and max(collections.Counter(pod for _at, pod, _text in found).values()) >= LINES:
        return Log(lines[0][0], lines)
    started = min(moment for pod in pods if (moment := _seen.moment(_mounts.started_at(pod))))
    return Log(max(begin, started), lines)


def _stamp(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _add_metrics(cluster: Cluster, seen: Seen, graph: Graph, question: Question, not_seen: dict[str, str]) -> None:
    """Whom workloads talk to, as far as their own metrics name it; one pod of each is asked."""
    if not question.metrics_port:
        return
    asked = {_seen.workload_of(seen, pod): pod for _kind, pod in seen.of("Pod") if _workload.running(pod) and any(
        port.get("containerPort") == question.metrics_port for container in pod["spec"]["containers"] for port in container.get("ports", []))}
    try:
        scraped = each(lambda pod: _pod_metrics.scrape(cluster, pod, question.metrics_port, question.metrics_path), asked.values())
    except ClusterError as error:
        not_seen["Pod metrics"] = "permission denied" if error.status == 403 else str(error)
        return
    for workload, samples in zip(asked, scraped, strict=True):
        graph.add_metrics(workload, samples.label_values(PEER_LABELS) if samples else ())


def _timeline(found: t.Sequence[Change], signals: t.Sequence[Line], onset: Onset, graph: Graph, ailing: str) -> list[Json]:
    rows = [(change.at, {"kind": change.kind, "object": change.object, "what": change.what, "by": change.by, "symptom": change.symptom,
                         "relation": "" if change.object.startswith("incident/") else graph.relation(ailing, change.object).text})
            for change in found]
    marks = [(at, "signal", text) for at, text in signals] + ([(onset.at, "onset", onset.how)] if onset.at else [])
    rows += [(at, {"kind": kind, "object": ailing, "what": text, "by": "", "symptom": True, "relation": ""}) for at, kind, text in marks]
    return [{"at": _text(at), **row} for at, row in sorted(rows, key=lambda entry: entry[0])]


def _tables(ranked: t.Sequence[Candidate]) -> list[Table]:
    return [Table("What changed before", ("score", "change", "for it", "against it"),
                  [(candidate.score, candidate.title, "; ".join(candidate.evidence_for), "; ".join(candidate.evidence_against))
                   for candidate in ranked[:SHOWN] if candidate.score > 0])]


def _says(onset: Onset, ranked: t.Sequence[Candidate], clear: bool, count: int, window: datetime.timedelta,
          not_seen: t.Mapping[str, str]) -> list[str]:
    began = f"onset {_text(onset.at)} ({onset.how})" if onset.at else f"onset {onset.how}"
    seen = f"{count} changes and events since {window.total_seconds() / 60:.0f} min before"
    lines = [began, seen, f"likeliest: {_line(ranked[0])}"] if clear else [f"no change stands out: {began}, {seen}"]
    if clear:
        lines += [f"then: {_line(candidate)}" for candidate in ranked[1:SHOWN] if candidate.score > 0]
    if not_seen:
        lines.append("not seen: " + ", ".join(f"{kind} ({reason})" for kind, reason in sorted(not_seen.items())))
    return lines


def _line(candidate: Candidate) -> str:
    against = f"; against it: {', '.join(candidate.evidence_against)}" if candidate.evidence_against else ""
    return f"{candidate.title}; {', '.join(candidate.evidence_for)}{against} (score {candidate.score})"


def _text(at: datetime.datetime) -> str:
    return at.astimezone(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
