# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication as a client sees it: log in, use the token, and be refused where one must be."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _probe
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._probe import Answer, Request

#: well formed, and signed by nobody that a service knows
FORGED = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJub2JvZHkiLCJleHAiOjQxMDI0NDQ4MDB9.c2lnbmVkLWJ5LW5vYm9keQ"


@dataclasses.dataclass(frozen=True)
class Service:
    """How to talk to an authentication service.

    :param prober: workload from whose pod it is asked.
    :param fields: names of ``user`` and ``password`` in the log-in and of ``token`` in its answer.
    :param user: empty: no log-in is tried.
    :param validations: how often the token is validated, each time by any replica.
    :param slow_ms: a step that takes longer fails.
    """

    namespace: str
    prober: str
    url: str
    login_path: str
    validate_path: str
    fields: t.Mapping[str, str]
    user: str
    password: str = dataclasses.field(repr=False)
    validations: int = 6
    slow_ms: float = 2000.0


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that was tried, and what came of it."""

    name: str
    passed: bool
    ms: float
    text: str

    def to_json(self) -> Json:
        """As module results show it."""
        return dataclasses.asdict(self)


def test(cluster: Cluster, service: Service) -> list[Step]:
    """Log in, validate the token, and be refused with a forged one and with none."""
    container = _probe.prober(cluster, service.namespace, service.prober)
    timeout = service.slow_ms / 1000 + 1
    requests = [_validate(service, FORGED, timeout), _validate(service, "", timeout)]
    if service.user:
        login = json.dumps({service.fields["user"]: service.user, service.fields["password"]: service.password})
        requests.append(Request(service.url + service.login_path, "POST", body=login, timeout=timeout))
    answers = _probe.probe(cluster, container, requests)
    steps = [_refusal("a forged token is refused", answers[0]), _refusal("no token is refused", answers[1])]
    if not service.user:
        return steps
    token = _token(answers[2], service.fields["token"])
    steps.insert(0, _success("log-in", [answers[2]], service.slow_ms, "" if token else "the answer has no token"))
    if token:
        validated = _probe.probe(cluster, container, [_validate(service, token, timeout)] * service.validations)
        steps.insert(1, _success("the token is accepted", validated, service.slow_ms))
    return steps


def _validate(service: Service, token: str, timeout: float) -> Request:
    return Request(service.url + service.validate_path, headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=timeout)


def _token(answer: Answer, field: str) -> str:
    try:
        return str(json.loads(answer.body).get(field) or "") if answer.ok else ""
    except (ValueError, AttributeError):
        return ""


def _success(name: str, answers: t.Sequence[Answer], slow_ms: float, otherwise: str = "") -> Step:
    failed = [answer for answer in answers if not answer.ok]
    slowest = max(answer.ms for answer in answers)
    if failed:
        times = f"{len(failed)} of {len(answers)} times " if len(answers) > 1 else ""
        return Step(name, False, slowest, f"{times}{_outcome(failed[0])}")
    if slowest > slow_ms:
        return Step(name, False, slowest, f"took {slowest:.0f} ms (threshold {slow_ms:.0f} ms)")
    return Step(name, not otherwise, slowest, otherwise or f"{answers[0].status} in {slowest:.0f} ms")


def _refusal(name: str, answer: Answer) -> Step:
    return Step(name, answer.status in (401, 403), answer.ms, _outcome(answer))


def _outcome(answer: Answer) -> str:
    return f"{answer.error}: {answer.detail}" if answer.error else f"answered {answer.status}"
