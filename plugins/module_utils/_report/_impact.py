# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was hit: questions about customers, each with its answer and how that was obtained, or that it was not measured."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._report._timeline import Measurement

Json = t.Dict[str, t.Any]

NOT_MEASURED = "not measured"
CUSTOMERS, FAILED, FEATURES, RECORDS, AMOUNT = (
    "customers affected", "requests that failed", "features that failed", "records that are wrong", "amount at stake")
#: what every report must answer, or say that it was not measured
ASKED = (CUSTOMERS, FAILED, FEATURES, AMOUNT)
#: signals that tell of customers, and the question that they answer
_SIGNALS = {"error_share": FAILED, "served": "requests that were served", "login_success": "log-ins that succeeded",
            "tokens_rejected": "sessions that were refused", "connection_timeouts": "requests that got no database connection",
            "response_seconds": "how long customers waited", "data_mismatch": RECORDS, "oom_killed": "processes that were killed while they served"}
_MOST_FEATURES = 5


@dataclasses.dataclass(frozen=True)
class Impact:
    """One question about customers.

    :param how: how the answer was obtained; empty where it was not measured.
    """

    question: str
    answer: str
    how: str = ""


def impact(given: t.Iterable[Json], first: t.Mapping[str, Measurement]) -> tuple[Impact, ...]:
    """What was measured, then what was not.

    :param given: what a runbook found, each with question, answer and how.
    :param first: by signal its first measurement.
    """
    answers = {str(row["question"]): Impact(redact(str(row["question"])), redact(str(row["answer"])), redact(str(row.get("how", "")))) for row in given}
    for name, question in _SIGNALS.items():
        if name in first and first[name].value is not None:
            answers.setdefault(question, Impact(question, first[name].text, f"signal {name} at {first[name].at}"))
    return (*answers.values(), *(Impact(question, NOT_MEASURED) for question in ASKED if question not in answers))


def of_traffic(traffic: Json, evidence: str) -> list[Json]:
    """What an access log tells; nothing where it does not tell what became of the requests.

    :param traffic: as ``gateway_traffic_info`` returns it.
    :param evidence: name of the piece that has it.
    """
    if traffic.get("withheld") or not traffic.get("requests"):
        return []
    refused, seconds = sum(traffic["refused"].values()), traffic["seconds"]
    meant = f"; {refused} more were refused on purpose" if refused else ""
    failed = f"{traffic['errors']} of {traffic['requests']} in {seconds:g} s ({traffic['error_share']:.1%}){meant}"
    routes = sorted((route for route in traffic.get("routes", ()) if route["errors"]), key=lambda route: -route["errors"])
    features = ", ".join(f"{route['route']} ({route['errors']} of {route['requests']})" for route in routes[:_MOST_FEATURES])
    more = f" and {len(routes) - _MOST_FEATURES} more" if len(routes) > _MOST_FEATURES else ""
    how = f"access logs of every replica{f', {evidence}' if evidence else ''}"
    return [{"question": FAILED, "answer": failed, "how": how}, {"question": FEATURES, "answer": f"{features}{more}" if features else "none", "how": how}]


def of_rows(checked: Json) -> list[Json]:
    """What the checks of a database tell, which are at least that many where one could not be made.

    :param checked: as ``data_snapshot`` returns it.
    """
    least = "at least " if checked["errors"] else ""
    broken = [finding for finding in checked["findings"] if finding["count"]]
    how = f"consistency rules on the database's snapshot of {checked['snapshot']['taken_at']}"
    records = ", ".join(f"{finding['count']} break {finding['rule']}" for finding in broken) or "none"
    answers = [{"question": RECORDS, "answer": f"{least}{records}", "how": how}]
    if any(finding["customers"] is not None for finding in broken):
        answers.append({"question": CUSTOMERS, "answer": f"{least}{checked['customers']}", "how": f"{how}: whose records they are, each once"})
    if any(finding["amount"] is not None for finding in broken):
        answers.append({"question": AMOUNT, "answer": f"{least}{checked['amount']}", "how": f"{how}: differences of the rule with the largest sum"})
    return answers
