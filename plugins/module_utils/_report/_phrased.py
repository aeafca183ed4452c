# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a language model wrote of an incident: the record keeps its sentences as they came, and each is checked whenever a report is made."""

from __future__ import annotations

import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._checked import Phrased, checked
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._facts import Fact, facts
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._session import Answer
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident

Json = t.Dict[str, t.Any]

_PREFIX = "assistant."
#: pieces of a report whose words others may have written
_OUTSIDE = ("diagnosis.tables", "timeline", "health", "evidence", "dependencies")


def facts_of(document: Json) -> dict[str, Fact]:
    """What a model may speak of.

    :param document: by docs/schema/incident.json; what changes with the moment of its writing is left out.
    """
    lasting = {key: value for key, value in document.items() if key not in ("assistant", "schema_version", "written_at", "follow_ups")}
    return facts(redact_object(lasting), _OUTSIDE)


def keep(incident: Incident, purpose: str, model: str, at: str, answer: Answer) -> None:
    """Put an answer into the record, its sentences as they came."""
    incident.keep({f"{_PREFIX}{at.replace(':', '')}.{purpose}": {
        "purpose": purpose, "model": model, "at": at, "answer": {"sentences": answer.sentences, "more": answer.more, "failed": answer.failed}}})


def phrased(incident: Incident, document: t.Callable[[], Json], written_at: str) -> tuple[Phrased, ...]:
    """The newest answer for each purpose, with the sentences that hold.

    :param document: the report without it, asked for only where there is an answer.
    """
    newest = {kept["purpose"]: kept for kept in incident.kept(_PREFIX).values() if kept["at"] <= written_at}
    known = facts_of(document()) if newest else {}
    return tuple(checked(Answer(**kept["answer"]), known, kept["purpose"], kept["model"], kept["at"]) for kept in newest.values())
