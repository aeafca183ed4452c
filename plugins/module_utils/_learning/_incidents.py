# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Past incidents from a folder of files: this collection's reports, exports of other tools, post-mortems. What cannot be read is said."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
import pathlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

Json = t.Dict[str, t.Any]

#: bytes of a file that are read, and incidents of a folder
MOST_BYTES, MOST_INCIDENTS = 16 << 20, 20_000


@dataclasses.dataclass(frozen=True)
class Past:
    """One incident that is over, or was at the time of the export.

    :param type: incident type, empty where nobody has said one.
    :param opened: seconds since 1970; ``ended`` None where it is not known.
    :param target: workload or service, empty where it is not known.
    :param signals: names of signals over their threshold.
    :param causes: what people or the diagnosis found, most certain first.
    :param changes: what was changed, in the order of time; ``ended_it`` whether it is known that this ended the incident.
    :param follow_ups: what was to be done afterwards.
    :param patterns: errors of the logs, as patterns.
    :param record: the whole report, where it is one of this collection.
    """

    id: str
    title: str
    opened: float
    source: str
    type: str = ""
    ended: float | None = None
    severity: str = ""
    target: str = ""
    signals: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()
    ended_it: bool = False
    patterns: tuple[str, ...] = ()
    record: Json | None = dataclasses.field(default=None, repr=False, compare=False)


class NotRead(Exception):
    """Why something is no incident, in a few words."""


def load(folder: str) -> tuple[list[Past], list[str]]:
    """The incidents of a folder and its subfolders, oldest first, and what could not be read.

    The same incident in several files counts once; this collection's own report comes before what others export. In the directory of such a report it
    alone is read: beside it lie the same report in words, the manifest and the evidence.

    :raises InvalidInput: there is no such folder.
    """
    root = pathlib.Path(folder).expanduser()
    if not root.is_dir():
        raise InvalidInput(f"{root} is no folder.", "Name the folder with the reports and exports of past incidents.")
    found: list[Past] = []
    problems: list[str] = []
    reports = {path.parent for path in root.rglob("report.json") if _is_ours(path)}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in (".json", ".csv", ".md") or not path.is_file():
            continue
        if not reports.isdisjoint(path.parents) and not (path.name == "report.json" and path.parent in reports):
            continue
        name = str(path.relative_to(root))
        try:
            if path.stat().st_size > MOST_BYTES:
                raise NotRead(f"it has more than {MOST_BYTES} bytes")
            incidents, wrong = read(name, path.read_text(encoding="utf-8-sig", errors="replace"))
        except (NotRead, OSError) as error:
            problems.append(f"{name}: {error}")
            continue
        found += incidents
        problems += wrong
    found.sort(key=lambda one: one.record is None)
    once = {one.id: one for one in reversed(found)}
    kept = sorted(once.values(), key=lambda one: (one.opened, one.id))
    if len(kept) > MOST_INCIDENTS:
        problems.append(f"{len(kept)} incidents were found; the newest {MOST_INCIDENTS} are used")
    return kept[-MOST_INCIDENTS:], problems


def _is_ours(path: pathlib.Path) -> bool:
    try:
        return path.stat().st_size <= MOST_BYTES and "schema_version" in json.loads(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def read(name: str, text: str) -> tuple[list[Past], list[str]]:
    """The incidents of one file, and the rows of it that are none.

    :raises NotRead: nothing of it is an incident.
    """
    if name.lower().endswith(".md"):
        return [_post_mortem(name, text)], []
    rows = _rows_of_csv(text) if name.lower().endswith(".csv") else _rows_of_json(text)
    found, problems = [], []
    for number, (reader, row) in enumerate(rows, 1):
        try:
            found.append(reader(row, name))
        except (NotRead, KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{name}, incident {number}: {error if isinstance(error, NotRead) else f'{type(error).__name__} {error}'}")
    return found, problems


_Reader = t.Callable[[Json, str], Past]


def _rows_of_json(text: str) -> list[tuple[_Reader, Json]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotRead(f"it is no JSON ({str(error)[:80]})") from None
    if isinstance(content, dict) and "schema_version" in content:
        return [(_ours, content)]
    for key, reader in (("incidents", _pager_duty), ("issues", _jira), ("data", _opsgenie)):
        if isinstance(content, dict) and isinstance(content.get(key), list):
            return [(reader, row) for row in content[key]]
    raise NotRead("it is neither a report of this collection nor an export of PagerDuty, Opsgenie or Jira")


def _ours(row: Json, name: str) -> Past:
    diagnosis = row["diagnosis"]
    causes = [diagnosis.get("cause") or "", *(one["name"] for one in diagnosis.get("candidates", []) if one.get("verdict") in ("established", "likely"))]
    made = [change["action"] for change in row["changes"] if change["state"] in ("done", "undone")]
    return Past(row["id"], row["title"], moment(row["opened_at"]), name, row["type"], _moment_or_none(row["ended_at"]), row["severity"], row["target"],
                tuple(dict.fromkeys(signal["name"] for signal in row["signals"] if signal["breached"])), tuple(dict.fromkeys(filter(None, causes))),
                tuple(made), tuple(one["action"] for one in row["follow_ups"]), row["outcome"].startswith("mitigated"), _patterns(diagnosis), row)


def _patterns(diagnosis: Json) -> tuple[str, ...]:
    """Of the report's table of errors in the logs."""
    rows = [row for table in diagnosis.get("tables", []) if str(table.get("title", "")).startswith("Errors in the logs") for row in table.get("rows", [])]
    return tuple(dict.fromkeys(str(row[0]) for row in rows if row and row[0]))


def _pager_duty(row: Json, name: str) -> Past:
    ended = row.get("resolved_at") or (row.get("last_status_change_at") if row.get("status") == "resolved" else "")
    return _foreign(name, str(row.get("incident_number") or row["id"]), row.get("title") or row.get("summary"), row["created_at"], ended,
                    severity=_named(row.get("priority")) or row.get("urgency", ""), target=_named(row.get("service")),
                    type_=_named(row.get("incident_type")).removeprefix("incident_default"))


def _opsgenie(row: Json, name: str) -> Past:
    return _foreign(name, str(row.get("tinyId") or row["id"]), row["message"], row.get("impactStartDate") or row["createdAt"],
                    row.get("impactEndDate") or row.get("closedAt") or "", severity=row.get("priority", ""),
                    target=next(iter(row.get("impactedServices") or []), "") or row.get("entity", ""), type_=_type_of(row.get("tags") or []))


def _jira(row: Json, name: str) -> Past:
    fields = row["fields"]
    return _foreign(name, row["key"], fields["summary"], fields["created"], fields.get("resolutiondate") or "", severity=_named(fields.get("priority")),
                    target=_named(next(iter(fields.get("components") or []), None)), type_=_type_of(fields.get("labels") or []))


def _foreign(name: str, key: str, title: t.Any, opened: str, ended: str, severity: str = "", target: str = "", type_: str = "") -> Past:
    if not isinstance(title, str) or not title.strip():
        raise NotRead("it has no title")
    return Past(key, redact(title.strip()), moment(opened), name, _slug(type_), _moment_or_none(ended), severity, target)


def _named(value: t.Any) -> str:
    return str(value.get("summary") or value.get("name") or "") if isinstance(value, dict) else ""


def _type_of(labels: t.Sequence[str]) -> str:
    """Of labels such as ``type:memory_leak``."""
    return next((label.partition(":")[2] for label in map(str, labels) if label.startswith("type:")), "")


#: heading of a column, in lower case without spaces and lines -> what it is
_COLUMNS = {name: what for what, names in {
    "id": ("id", "incidentid", "incidentnumber", "number", "key", "issuekey", "alertid", "tinyid"),
    "title": ("title", "summary", "description", "message", "name", "shortdescription"),
    "opened": ("opened", "openedat", "created", "createdat", "createdon", "start", "startedat", "starttime", "date", "opentime"),
    "ended": ("ended", "endedat", "resolved", "resolvedat", "resolvedon", "closed", "closedat", "end", "endtime", "resolutiondate"),
    "type": ("type", "incidenttype", "category"), "severity": ("severity", "priority", "urgency"),
    "target": ("target", "service", "servicename", "component", "components", "workload"),
    "cause": ("cause", "rootcause"), "change": ("resolution", "fix", "remediation", "change", "changes"),
    "follow_up": ("followup", "followups", "actionitems")}.items() for name in names}


def _rows_of_csv(text: str) -> list[tuple[_Reader, Json]]:
    try:
        dialect: t.Any = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        head, *rows = list(csv.reader(io.StringIO(text), dialect)) or [[]]
    except csv.Error as error:
        raise NotRead(f"it is no CSV ({error})") from None
    columns = {}
    for at, heading in enumerate(head):
        columns.setdefault(_COLUMNS.get(re.sub(r"[^a-z]", "", heading.lower()), ""), at)
    columns.pop("", None)
    if not {"title", "opened"} <= set(columns):
        raise NotRead(f"no column is a title and a time of opening; there are {', '.join(head)[:120] or 'none'}")
    return [(_table_row, {what: row[at] if at < len(row) else "" for what, at in columns.items()} | {"row": number}) for number, row in enumerate(rows, 1)
            if any(cell.strip() for cell in row)]


def _table_row(row: Json, name: str) -> Past:
    one = _foreign(name, row.get("id") or f"{name}:{row['row']}", row["title"], row["opened"], row.get("ended", ""), row.get("severity", ""),
                   row.get("target", ""), row.get("type", ""))
    return dataclasses.replace(one, causes=_parts(row.get("cause", "")), changes=_parts(row.get("change", "")), follow_ups=_parts(row.get("follow_up", "")),
                               ended_it=bool(row.get("change")))


def _parts(text: str) -> tuple[str, ...]:
    return tuple(redact(part.strip()) for part in re.split(r"[;\n]", text) if part.strip())


_DAY = re.compile(r"\b(20\d\d-\d\d-\d\d)\b")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+(?:\[.\]\s*)?(.+)")
_AT = re.compile(r"\s*(?:[-*+|]\s*)?(?:\*\*)?(?:(20\d\d-\d\d-\d\d)[T ])?(\d{1,2}:\d\d)(?::\d\d)?")


def _post_mortem(name: str, text: str) -> Past:
    """As teams write them: a title, a date, a timeline with times, sections for cause, resolution and action items."""
    title, section, day = "", "", ""
    held: dict[str, list[str]] = {}
    fields: dict[str, str] = {}
    times: list[float] = []
    for line in text.splitlines():
        heading = re.match(r"#{1,6}\s+(.*)", line)
        if heading:
            title, section = title or heading[1].strip(), heading[1].lower()
            day = day or (_DAY.search(heading[1]) or [""])[0]
            continue
        named = re.match(r"[-*|\s]*\**([A-Za-z][A-Za-z /-]{2,30}?)\**\s*[:|]\**\s*(.+?)[\s|]*$", line)
        if named:
            fields.setdefault(re.sub(r"[^a-z]", "", named[1].lower()), named[2].strip(" *"))
        day = day or (_DAY.search(line) or [""])[0]
        at = _AT.match(line)
        if at and "timeline" in section and (at[1] or day):
            seconds = moment(f"{at[1] or day}T{at[2].zfill(5)}:00Z")
            # A timeline that goes past midnight writes times only.
            times.append(seconds + 86400 if not at[1] and times and seconds < times[-1] else seconds)
            continue
        if line.strip() and not line.startswith(("|--", "| --")):
            held.setdefault(section, []).append((_ITEM.match(line) or [line, line.strip()])[1])
    if not title:
        raise NotRead("it has no heading, so it is no post-mortem")
    opened = _moment_or_none(next((fields[key] for key in ("started", "start", "opened", "detected") if key in fields), "")) or (times[0] if times else None)
    if opened is None and day:
        opened = moment(day)
    if opened is None:
        raise NotRead("no time is found in it: neither a date nor a timeline")

    def under(*words: str) -> tuple[str, ...]:
        return tuple(redact(text) for heading, texts in held.items() if any(word in heading for word in words) for text in texts)[:20]

    changes = under("resolution", "remediation", "mitigation", "what we did")
    return Past(fields.get("incidentid") or fields.get("incident") or name, redact(title), opened, name, _slug(fields.get("type", "")),
                times[-1] if len(times) > 1 else None, fields.get("severity", ""), fields.get("service", fields.get("services", "")), (),
                under("cause"), changes, under("action item", "follow-up", "follow up", "lessons"), bool(changes))


def moment(text: t.Any) -> float:
    """Seconds since 1970 of a time as tools write it; without a zone it is UTC.

    :raises NotRead: it is none.
    """
    if not isinstance(text, str):
        raise NotRead(f"{text!r} is no time")
    plain = re.sub(r"\s*(UTC|GMT)$", "Z", text.strip())
    plain = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", plain)
    for read_one in (datetime.datetime.fromisoformat, lambda value: datetime.datetime.strptime(value, "%m/%d/%Y %H:%M"),
                     lambda value: datetime.datetime.strptime(value, "%d.%m.%Y %H:%M")):
        try:
            found = read_one(plain.replace("Z", "+00:00") if plain.endswith("Z") else plain)
        except ValueError:
            continue
        return (found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)).timestamp()
    raise NotRead(f"{text[:40]!r} is no time that is understood")


def _moment_or_none(text: t.Any) -> float | None:
    try:
        return moment(text) if text else None
    except NotRead:
        return None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60]
