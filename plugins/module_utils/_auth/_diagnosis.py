# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why authentication is degraded: a bad release, a stale secret, a certificate, a dependency, a burst of log-ins, or too few pods."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Json
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Candidate, Table, rank

#: share of a pod's CPU limit from which it is busy, and cores that are little where there is no limit
BUSY, LITTLE_CPU = 0.9, 0.5
#: share of the lines about the rate limit that make one client stand out
DOMINANT = 0.5
DEPENDENCIES = ("redis", "database")

FIXES = {
    "bad_release": "Try a log-in and a validation against each release before it takes traffic, and roll out by a canary.",
    "stale_secret": "Restart the pods whenever a Secret changes (a checksum annotation, or a reloader), and accept the old key beside "
                    "the new one for the life of a token.",
    "expired_certificate": "Let a controller renew certificates (cert-manager), and alert a fortnight before one ends.",
    "dependency": "Decide what a log-in does without its dependency, and make it do that on purpose; alert on the dependency itself.",
    "login_burst": "Let the client keep its token for as long as it is valid; give it a rate limit of its own.",
    "overload": "Set the number of pods for the load at peak, or an autoscaler.",
}


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was measured.

    :param signals: of ``auth_signals_info``; likewise ``pods`` and ``window`` (its facts).
    :param revisions: of ``rollout_history_info``.
    :param mounted: of ``mounted_config_info``.
    :param rate_limit: of ``log_search_info``: count, groups and lines.
    :param usage: rows of pods with cpu_cores and limits.
    :param health: rows of the health check.
    :param recent_minutes: how old the release may be that an incident of now is laid to.
    """

    signals: t.Sequence[Json]
    pods: t.Sequence[Json]
    window: Json
    revisions: t.Sequence[Json]
    mounted: t.Sequence[Json]
    rate_limit: Json
    usage: t.Sequence[Json]
    health: t.Sequence[Json]
    recent_minutes: float
    moment: datetime.datetime

    def breached(self, name: str) -> bool:
        """Whether a signal is."""
        return any(signal["name"] == name and signal["breached"] for signal in self.signals)

    def text(self, name: str) -> str:
        """What a signal says."""
        return next((signal["text"] for signal in self.signals if signal["name"] == name), name)

    @property
    def reason(self) -> str:
        """The result that most of the failed log-ins have, empty where none fails."""
        failed = {result: count for result, count in (self.window.get("logins") or {}).items() if result != "ok" and count}
        return max(failed, key=failed.__getitem__) if failed and self.breached("login_success") else ""

    @property
    def ill(self) -> list[Json]:
        """The dependencies that the health check found bad."""
        return [row for row in self.health if row["name"] in DEPENDENCIES and row["status"] == "bad"]

    @property
    def stale(self) -> list[Json]:
        """What is newer than pods that use it and do not see it change."""
        return [row for row in self.mounted if row["older_pods"] and (row["kind"] == "Secret" or row["how"] == "environment")]

    @property
    def certificates(self) -> list[Json]:
        """The certificates that the pods mount: kind, name, key, not_after and days (that are left), the next to end first."""
        found = [{"kind": row["kind"], "name": row["name"], **certificate,
                  "days": (datetime.datetime.fromisoformat(certificate["not_after"]) - self.moment).total_seconds() / 86400}
                 for row in self.mounted for certificate in row["certificates"]]
        return sorted(found, key=lambda row: row["days"])

    @property
    def expired(self) -> list[Json]:
        """Those that have ended."""
        return [row for row in self.certificates if row["days"] <= 0]

    @property
    def cpu(self) -> tuple[float | None, float | None]:
        """Of the busiest pod: share of its limit, and cores."""
        known = [row for row in self.usage if row.get("cpu_cores") is not None]
        shares = [row["cpu_cores"] / row["cpu_limit"] for row in known if row.get("cpu_limit")]
        return max(shares, default=None), max((row["cpu_cores"] for row in known), default=None)


def diagnose(facts: Facts) -> list[Candidate]:
    """The causes with the evidence for and against each, the likeliest first."""
    release = Candidate("bad_release", "the release that runs is bad", "rollback")
    secret = Candidate("stale_secret", "pods run with a Secret or ConfigMap that has changed since", "restart")
    certificate = Candidate("expired_certificate", "a certificate that the pods use has expired")  # a person must renew it
    dependency = Candidate("dependency", "a dependency does not answer",
                           "emergency" if [row["name"] for row in facts.ill] == ["redis"] else "")
    burst = Candidate("login_burst", "a client logs in far more often than it may")  # the limit does what it is for
    overload = Candidate("overload", "the pods are too few for the load", "scale")
    _weigh_release(facts, release)
    _weigh_secret(facts, secret)
    _weigh_certificates(facts, certificate)
    _weigh_dependencies(facts, dependency, release)
    _weigh_rate_limit(facts, burst, dependency)
    _weigh_cpu(facts, overload, release)
    return rank([dependency, certificate, burst, overload, secret, release])  # of equal ones what changes least comes first


def who(facts: Facts, cause: str) -> str:
    """Whom or what it is about, empty when that cannot be told."""
    if cause == "dependency":
        return ", ".join(row["name"] for row in facts.ill)
    if cause == "login_burst":
        groups = facts.rate_limit.get("groups") or [{"value": ""}]
        return str(groups[0]["value"])
    if cause == "stale_secret":
        return ", ".join(f"{row['kind']} {row['name']}" for row in facts.stale)
    if cause == "expired_certificate":
        return ", ".join(f"{row['key']} of {row['kind']} {row['name']}" for row in facts.expired)
    return f"revision {facts.revisions[-1]['revision']}" if cause == "bad_release" and facts.revisions else ""


def tables(facts: Facts) -> list[Table]:
    """The figures behind it."""
    return [
        Table("Pods since they started", ["pod", "since", "log-ins", "failed", "validations", "refused", "mean time"],
              [[pod["pod"], pod.get("started_at", ""), f"{pod['logins']:.0f}", _share(pod["failed_share"]), f"{pod['validations']:.0f}",
                _share(pod["rejected_share"]), "-" if pod["validation_seconds"] is None else f"{pod['validation_seconds']:.3f} s"]
               for pod in facts.pods]),
        Table("CPU and memory", ["pod", "CPU (cores)", "memory (MiB)", "restarts"],
              [[row["pod"], _number(row.get("cpu_cores"), 1, 3), _number(row.get("memory_bytes"), 2 ** 20, 0), row.get("restarts", "")]
               for row in facts.usage]),
        Table("Rollout history", ["revision"], [[_history.in_words(row)] for row in reversed(facts.revisions)]),
        Table("What the pods use", ["object", "how", "version", "written at", "in revision", "older pods"],
              [[f"{row['kind']} {row['name']}", row["how"], row["version"], row["changed_at"] or row["error"],
                _revision_at(facts.revisions, row["changed_at"]), ", ".join(row["older_pods"]) or "none"] for row in facts.mounted]),
        Table("Certificates", ["certificate", "ends at", "days left"],
              [[f"{row['key']} of {row['kind']} {row['name']}", row["not_after"], f"{row['days']:.0f}"] for row in facts.certificates]),
        Table("The last lines about the rate limit", ["line"], [[line] for line in facts.rate_limit.get("lines") or ()]),
    ]


def _weigh_release(facts: Facts, release: Candidate) -> None:
    if not facts.revisions:
        release.opposes("there is no rollout history", 1)
        return
    current = facts.revisions[-1]
    made = datetime.datetime.fromisoformat(current["created_at"])
    age = (facts.moment - made).total_seconds() / 60
    if len(facts.revisions) == 1:
        release.opposes(f"there was no rollout: {_history.in_words(current)} is the only one", 4)
    elif not current["changes"]:
        release.opposes(f"the last rollout changed nothing that runs: {_history.in_words(current)}", 3)
    elif age <= facts.recent_minutes:
        release.supports(f"{age:.0f} min ago {_history.in_words(current)}", 3)
    else:
        release.opposes(f"the release is {age / 60:.0f} h old: {_history.in_words(current)}", 2)
    _weigh_lives(facts, release)


def _weigh_lives(facts: Facts, release: Candidate) -> None:
    """A bad release is bad from the first minute of its pods; trouble that began later has another cause."""
    since = facts.revisions[-1]["created_at"]
    pods = [pod for pod in facts.pods if pod.get("started_at", "") >= since] or facts.pods
    for signal, counted, bad, now_bad in (
            ("login_success", "logins", "failed_share", 1 - (facts.window.get("login_success") or 0)),
            ("tokens_rejected", "validations", "rejected_share", facts.window.get("rejected_share") or 0)):
        total = sum(pod[counted] for pod in pods)
        if not facts.breached(signal) or not total:
            continue
        life = sum(pod[counted] * (pod[bad] or 0) for pod in pods) / total
        what = "log-ins failed" if signal == "login_success" else "tokens were refused"
        text = f"since these pods started {life:.0%} of the {what}, now {now_bad:.0%}"
        if life >= 0.75 * now_bad:
            release.supports(f"{text}: from the beginning")
        elif life < 0.4 * now_bad:
            release.opposes(f"{text}: it began later", 4)  # outweighs that there was a release at all


def _weigh_secret(facts: Facts, secret: Candidate) -> None:
    unread = [row["name"] for row in facts.mounted if row["error"] and row["kind"] == "Secret"]
    for row in facts.stale:
        secret.supports(f"{row['kind']} {row['name']} was written at {row['changed_at']}, after {', '.join(row['older_pods'])} started", 4)
        if row["newer_pods"]:
            secret.supports(f"the pods do not agree: {', '.join(row['newer_pods'])} started after that", 2)
    if unread:
        secret.opposes(f"unknown: {', '.join(unread)} could not be read", 0)
    elif not facts.stale:
        secret.opposes("every pod is newer than the Secrets and ConfigMaps that it uses", 4)
    if facts.breached("tokens_rejected"):
        secret.supports(facts.text("tokens_rejected"), 2)
    else:
        secret.opposes("tokens are not refused", 1)


def _weigh_certificates(facts: Facts, certificate: Candidate) -> None:
    for row in facts.expired:
        certificate.supports(f"{row['key']} of {row['kind']} {row['name']} ended at {row['not_after']}", 4)
    if not facts.expired:
        first = facts.certificates[0] if facts.certificates else None
        certificate.opposes(f"the first certificate to end, {first['key']} of {first['kind']} {first['name']}, is good until "
                            f"{first['not_after']}" if first else "the pods mount no certificate that could be read", 4)


def _weigh_dependencies(facts: Facts, dependency: Candidate, release: Candidate) -> None:
    known = [row for row in facts.health if row["name"] in DEPENDENCIES and row["status"] != "unknown"]
    for row in facts.ill:
        dependency.supports(f"{row['name']}: {row['detail'] or row['value']}", 5)
        release.opposes(f"{row['name']} does not answer", 2)
    if known and not facts.ill:
        dependency.opposes(f"{' and '.join(row['name'] for row in known)} answer", 4)
        if facts.reason in ("wrong_password", "error"):
            release.supports(f"most failed log-ins end as {facts.reason} although {' and '.join(row['name'] for row in known)} answer")
    if not known:
        dependency.opposes("unknown: the health check could not ask Redis or the database", 0)


def _weigh_rate_limit(facts: Facts, burst: Candidate, dependency: Candidate) -> None:
    hits, text = facts.window.get("rate_limit_hits") or 0, facts.text("rate_limit_hits")
    if facts.breached("rate_limit_hits"):
        burst.supports(text, 3)
        groups = facts.rate_limit.get("groups") or []
        if groups and groups[0]["share"] >= DOMINANT:
            burst.supports(f"{groups[0]['value']} is in {groups[0]['share']:.0%} of the {facts.rate_limit['count']} lines about it", 2)
        if facts.reason not in ("", "rate_limited"):
            burst.opposes(f"most failed log-ins end as {facts.reason}, which no limit causes", 3)
    else:
        burst.opposes(text, 4)
    if facts.reason == "rate_limited" and not hits:
        dependency.supports("log-ins are turned away by a rate limit that nobody has exceeded: it cannot count", 2)


def _weigh_cpu(facts: Facts, overload: Candidate, release: Candidate) -> None:
    share, cores = facts.cpu
    slow, busy = facts.breached("validation_seconds"), share is not None and share >= BUSY
    if slow:
        overload.supports(facts.text("validation_seconds"), 1 if busy else 0)
    else:
        overload.opposes("validations are not slow", 2)
    if busy:
        overload.supports(f"the busiest pod uses {share:.0%} of its CPU limit", 3)
        return
    if share is None and (cores is None or cores >= LITTLE_CPU):
        overload.opposes("unknown: the pods' CPU could not be measured, or has no limit to compare it with", 0)
        return
    text = f"the busiest pod uses {f'{share:.0%} of its CPU limit' if share is not None else f'{cores:.2f} cores'}"
    overload.opposes(text, 3)
    if slow:
        release.supports(f"{text} while validations are slow: they wait for something in the code", 2)


def _revision_at(revisions: t.Sequence[Json], moment: str) -> str:
    """The newest revision that was there by then, empty where that is unknown."""
    there = [row for row in revisions if moment and row["created_at"] <= moment]
    return str(there[-1]["revision"]) if there else ""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
