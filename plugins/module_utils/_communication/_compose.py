# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message says: facts of the record, put into words by a Jinja template."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication import _standing
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message, check_text
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, Refused
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _model
from ansible_collections.sre.runbooks.plugins.module_utils._report._impact import NOT_MEASURED

try:
    import jinja2
    import jinja2.sandbox
except Exception:
    pass

Json = t.Dict[str, t.Any]

#: minutes between two messages
CADENCE = {"P1": 15, "P2": 15, "P3": 15, "P4": 15}


@dataclasses.dataclass(frozen=True)
class Said:
    """What a person, or the runbook that runs, adds to the record's facts.

    :param impact: who is hit and how.
    :param next_steps: what is done next.
    :param root_cause: in words, instead of the name of the cause.
    :param prevention: what keeps it from coming back.
    :param postmortem_at: when the post-mortem is.
    :param commander: instead of who has acknowledged it.
    :param note: one more paragraph.
    """

    impact: str = ""
    next_steps: tuple[str, ...] = ()
    root_cause: str = ""
    prevention: tuple[str, ...] = ()
    postmortem_at: str = ""
    commander: str = ""
    note: str = ""


def facts(incident: Incident, kind: str, told: t.Sequence[Message], others: t.Sequence[Incident], said: Said, cadence: int, moment: str) -> Json:
    """The names that a template may use.

    :param told: the earlier messages.
    :param others: the incidents of the namespace, for the ETA.
    :param cadence: minutes between two messages.
    :param moment: now, ISO 8601, UTC.
    """
    head, seconds = incident.head, _standing.duration(incident)
    document = _model.build(incident, incident.cluster_name, moment)
    made = _standing.in_force(incident)
    undone = _standing.taken_back(incident, told)
    wrong = _standing.wrongly_resolved(incident, told)
    since = told[-1].at if told else ""
    acknowledged = incident.acknowledged or {}
    return {
        "kind": kind, "incident_id": incident.id, "cluster": incident.cluster_name, "type": head["type"], "target": str(incident.target),
        "title": head.get("title") or head["type"].replace("_", " "), "severity": head.get("severity", "P2"),
        "status": _status(incident, kind, told),
        "detected_at": _standing.clock(head["opened_at"]), "now": _standing.clock(moment),
        "commander": said.commander or acknowledged.get("by") or "nobody yet",
        "cadence_minutes": cadence, "impact": said.impact or impact(document) or _detected(incident),
        "actions": [redact(entry.change.summary) for entry in made],
        "events": [event["text"] for event in incident.timeline() if event["at"] > since and event["phase"] not in ("communicate", "open")][-10:],
        "corrections": [*([f"the message of {_standing.clock(wrong.at)} said Resolved; it is not: {_standing.why_not_resolved(incident)}"] if wrong else []),
                        *(f"{redact(entry.change.summary)} – told as done, taken back at {_standing.clock(entry.at)}" for entry in undone)],
        "temporary": [redact(entry.change.summary) for entry in made if entry.change.temporary],
        "next_steps": list(said.next_steps) or _next_steps(incident, document), "note": said.note,
        "eta": "over" if _standing.status(incident) == _standing.RESOLVED else _standing.eta(incident, others, moment),
        "resolved_at": _standing.clock(_standing.ended_at(incident)) if seconds is not None else "",
        "duration": _standing.words(seconds) if seconds is not None else "",
        "root_cause": said.root_cause or root_cause(document) or (head.get("cause") or "").replace("_", " ") or "not established",
        "prevention": list(said.prevention) or [str(fix) for fix in document.diagnosis.get("fixes", [])],
        "postmortem_at": said.postmortem_at or incident.kept("meeting").get("meeting", {}).get("at", ""),
        "people": people(incident),
    }


def message(incident: Incident, number: int, template: str, names: Json, moment: str, links: t.Mapping[str, str]) -> Message:
    """A message that holds no secret.

    :raises Refused: where it holds one, naming where.
    """
    text = check_text(render(template, names))
    _refuse_secrets(text, names, links)
    tells = names["kind"] in ("update", "resolved")
    return Message(incident.id, number, names["kind"], names["status"], moment, text, incident.cluster_name, names["severity"],
                   tuple(entry.number for entry in _standing.in_force(incident)) if tells else (), dict(links))


def render(template: str, names: Json) -> str:
    """The text that a template makes of the facts; a name that it misspells is refused."""
    require("jinja2")
    environment = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                                                      autoescape=False)  # the channels escape, each in its own way
    try:
        return environment.from_string(template).render(names)
    except jinja2.TemplateSyntaxError as error:
        raise InvalidInput(f"The message template has an error in line {error.lineno}: {error.message}.", "Nothing was sent.") from None
    except jinja2.TemplateError as error:
        raise InvalidInput(f"The message template cannot be rendered: {error}.", f"It may use {', '.join(sorted(names))}.") from None


def people(incident: Incident) -> list[str]:
    """Who has acted, by the record: who acknowledged it, and who wrote its events; the first one first."""
    acknowledged = [incident.acknowledged["by"]] if incident.acknowledged else []
    wrote = [event["by"] for event in incident.timeline() if event.get("by")]
    return list(dict.fromkeys([*acknowledged, incident.head["opened_by"], *wrote]))


def impact(document: _model.Document) -> str:
    """What is known of customers, each with its question; empty where nothing was measured."""
    return "; ".join(f"{row.question}: {row.answer}" for row in document.impact if row.answer != NOT_MEASURED)


def root_cause(document: _model.Document) -> str:
    """The cause that the diagnosis has chosen, in its words; empty where it has chosen none."""
    chosen = [row["title"] for row in document.diagnosis.get("candidates", []) if row["name"] == document.diagnosis.get("cause")]
    return str(chosen[0]) if chosen else ""


def _refuse_secrets(text: str, names: Json, links: t.Mapping[str, str]) -> None:
    found = [f"line {number} of the text" for number, line in enumerate(text.splitlines(), 1) if redact(line) != line]
    if not found and redact(text) != text:
        found = ["the text, over several lines"]
    found += [f"the link {name!r}" for name, address in links.items() if redact(address) != address]
    if found:
        where = [name for name, value in names.items() if any(redact(one) != one for one in _texts(value))]
        raise Refused(f"The message is not sent: what looks like a secret stands in {', '.join(found)}"
                      f"{' (it comes from ' + ', '.join(where) + ')' if where else ' (it stands in the template)'}.",
                      "Say it without the secret, then run the same command again.")


def _texts(value: t.Any) -> list[str]:
    return [value] if isinstance(value, str) else [text for one in value for text in _texts(one)] if isinstance(value, (list, tuple)) else []


def _status(incident: Incident, kind: str, told: t.Sequence[Message]) -> str:
    """What a message says of the incident. Only the resolution notice begins to call it resolved."""
    found = _standing.status(incident)
    if kind == "initial":
        return _standing.INVESTIGATING
    if kind == "update" and found == _standing.RESOLVED and not any(message.status == found for message in told):
        return _standing.MONITORING
    return found


def _detected(incident: Incident) -> str:
    """What was measured when it was declared, where nobody has said who is hit."""
    said = [event["text"] for event in incident.timeline() if event["phase"] == "detect"]
    return "; ".join(said[:3]) or "not measured"


def _next_steps(incident: Incident, document: _model.Document) -> list[str]:
    why = _standing.why_not_resolved(incident)
    if document.next_steps:
        return list(document.next_steps)
    if not why:
        return [f"clear the temporary fix: {redact(entry.change.summary)}" for entry in _standing.in_force(incident) if entry.change.temporary] \
            or ["none; the post-mortem follows"]
    return ["verify that the signals stay clear"] if _standing.status(incident) == _standing.MONITORING else [f"a person looks at it: {why}"]
