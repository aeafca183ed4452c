# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message to people: rendered text, and what its lines mean, so that every channel can show it in its own form.

The first line is the title. A line ``Label: value`` is a field, ``Label:`` with lines ``- …`` below it a list, anything
else a paragraph.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

Json = t.Dict[str, t.Any]

#: in the order in which an incident has them
KINDS = ("initial", "update", "resolved", "reminder", "thanks", "digest")
_FIELD = re.compile(r"([A-Z][\w /()-]{0,40}):(?: +(.+))?")


@dataclasses.dataclass(frozen=True)
class Part:
    """A piece of a message below its title.

    :param label: empty for a paragraph.
    :param lines: the value of a field or the text of a paragraph, one line; or the items of a list.
    :param is_list: whether they are items.
    """

    label: str
    lines: tuple[str, ...]
    is_list: bool = False


@dataclasses.dataclass(frozen=True)
class Message:
    """One message of an incident, as it lies in the outbox.

    :param incident_id: with ``number`` its identity, the same in every attempt.
    :param number: 1, 2, … in the order of the incident's messages.
    :param kind: one of ``KINDS``.
    :param status: what it says of the incident: Investigating, Identified, Monitoring or Resolved.
    :param at: when it was written, ISO 8601, UTC.
    :param text: title, empty line, body.
    :param cluster: where the incident is.
    :param severity: P1 to P4.
    :param named: numbers of the ledger's changes that it tells as done; their undo needs a correction.
    :param links: address by what it leads to.
    """

    incident_id: str
    number: int
    kind: str
    status: str
    at: str
    text: str
    cluster: str = ""
    severity: str = ""
    named: tuple[int, ...] = ()
    links: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> str:
        """What receivers recognise a repetition by."""
        return f"{self.cluster}.{self.incident_id}.{self.number}"

    @property
    def title(self) -> str:
        """The first line."""
        return self.text.strip().partition("\n")[0].strip()

    @property
    def body(self) -> str:
        """Everything below the title."""
        return self.text.strip().partition("\n")[2].strip()

    @property
    def parts(self) -> list[Part]:
        """What the lines of the body mean, in their order."""
        return parse(self.body)

    @property
    def first(self) -> bool:
        """Whether the incident has no earlier message."""
        return self.number == 1

    def to_json(self) -> Json:
        """As it is stored."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: Json) -> "Message":
        """As it was stored."""
        return cls(**{**stored, "named": tuple(stored.get("named", ()))})


def parse(body: str) -> list[Part]:
    """The parts of a message's body."""
    parts: list[Part] = []
    for line in (line.strip() for line in body.splitlines()):
        if not line:
            continue
        field = _FIELD.fullmatch(line)
        last = parts[-1] if parts else None
        if line.startswith("- ") and last and (last.is_list or last.label and not last.lines):
            parts[-1] = Part(last.label, (*last.lines, line[2:]), True)
        elif line.startswith("- "):
            parts.append(Part("", (line[2:],), True))
        elif field:
            parts.append(Part(field[1], (field[2],) if field[2] else ()))
        else:
            parts.append(Part("", (line,)))
    return parts


def check_text(text: str) -> str:
    """Refuse a text without a title."""
    if not text.strip():
        raise InvalidInput("The message is empty.", "Its template must give a title in the first line, and below it what is to be told.")
    return text.strip() + "\n"
