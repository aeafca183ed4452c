# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells why an authentication service is degraded, as facts for the table ``roles/auth_degradation/files/causes.yml``."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _history, _mounts
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._mounts import Use
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._candidates import Table
from ansible_collections.sre.runbooks.plugins.module_utils._diagnosis._facts import FactSheet

DEPENDENCIES = ("redis", "database")
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured.

    :param signals: of ``auth_signals_info``; likewise ``pods`` and ``window`` (its facts).
    :param revisions: of ``rollout_history_info``.
    :param mounted: of ``mounted_config_info``.
    :param rate_limit: of ``log_search_info``: count, groups and lines.
    :param store: the same, of what the service's log says that Redis answered.
    :param usage: rows of pods with cpu_cores and limits.
    :param health: rows of the health check.
    """

    signals: t.Sequence[Json]
    pods: t.Sequence[Json]
    window: Json
    revisions: t.Sequence[Json]
    mounted: t.Sequence[Json]
    rate_limit: Json
    store: Json
    usage: t.Sequence[Json]
    health: t.Sequence[Json]
    moment: datetime.datetime

    def breached(self, name: str) -> bool | None:
        """Whether a signal is, None where it was not measured."""
        found = next((signal for signal in self.signals if signal["name"] == name), None)
        return None if found is None or (found["value"] is None and not found["breached"]) else found["breached"]

    @property
    def reason(self) -> str:
        """The result that most of the failed log-ins have, empty where none fails."""
        failed = {result: count for result, count in (self.window.get("logins") or {}).items() if result != "ok" and count}
        return max(failed, key=failed.__getitem__) if failed and self.breached("login_success") else ""

    @property
    def running_revision(self) -> Json:
        """The newest revision of which a pod answers users: the newest of all, unless no pod of that has come up."""
        started = max((pod.get("started_at", "") for pod in self.pods if pod["logins"] or pod["validations"]), default="")
        return next((row for row in reversed(self.revisions) if row["begun_at"] <= started), self.revisions[-1])

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


def facts(found: Measured) -> FactSheet:
    """Every fact of the table, but for who else reads a Secret (see :func:`tell_readers`)."""
    sheet = FactSheet()
    _tell_signals(sheet, found)
    _tell_release(sheet, found)
    _tell_config(sheet, found)
    _tell_dependencies(sheet, found)
    _tell_limit(sheet, found)
    _tell_cpu(sheet, found)
    return sheet


def tell_readers(sheet: FactSheet, found: Measured, workloads: t.Sequence[Json], pods: t.Sequence[Json]) -> None:
    """Who else reads what has changed, and still runs with what it was.

    :param workloads: those of the namespace, each with kind.
    :param pods: those of the namespace.
    """
    told = []
    for row in found.stale:
        for workload in workloads:
            spec, name = workload["spec"], workload["metadata"]["name"]
            own = {pod["metadata"]["name"] for pod in pods if _owned_by(pod, name)}
            takes = [use for use in _mounts.uses(spec["template"]) if (use.kind, use.name) == (row["kind"], row["name"])]
            if not own or own & {*row["older_pods"], *row["newer_pods"]} or not takes:
                continue
            older = sorted(pod["metadata"]["name"] for pod in pods
                           if pod["metadata"]["name"] in own and _mounts.started_at(pod) < row["changed_at"])
            told.append(f"{workload['kind'].lower()}/{name} reads {row['kind']} {row['name']} too "
                        f"({_how(takes)}); {f'{len(older)} of its {len(own)} pods started before it was written' if older else 'all its pods are newer'}")
    sheet.known("readers", told, "pod templates")


def read_workloads(cluster: Cluster, namespace: str) -> tuple[list[Json], list[Json]]:
    """The workloads of a namespace, each with its kind, and its pods."""
    workloads = [{**item, "kind": kind} for kind in _WORKLOADS for item in cluster.list(kind, namespace)]
    return workloads, cluster.list("Pod", namespace)


def tables(found: Measured) -> list[Table]:
    """The figures behind it."""
    return [
        Table("Pods since they started", ["pod", "since", "log-ins", "failed", "validations", "refused", "mean time"],
              [[pod["pod"], pod.get("started_at", ""), f"{pod['logins']:.0f}", _share(pod["failed_share"]), f"{pod['validations']:.0f}",
                _share(pod["rejected_share"]), "-" if pod["validation_seconds"] is None else f"{pod['validation_seconds']:.3f} s"]
               for pod in found.pods]),
        Table("CPU and memory", ["pod", "CPU (cores)", "memory (MiB)", "restarts"],
              [[row["pod"], _number(row.get("cpu_cores"), 1, 3), _number(row.get("memory_bytes"), 2 ** 20, 0), row.get("restarts", "")]
               for row in found.usage]),
        Table("Rollout history", ["revision"], [[_history.in_words(row)] for row in reversed(found.revisions)]),
        Table("What the pods use", ["object", "how", "version", "written at", "in revision", "older pods"],
              [[f"{row['kind']} {row['name']}", row["how"], row["version"], row["changed_at"] or row["error"],
                _revision_at(found.revisions, row["changed_at"]), ", ".join(row["older_pods"]) or "none"] for row in found.mounted]),
        Table("Certificates", ["certificate", "ends at", "days left"],
              [[f"{row['key']} of {row['kind']} {row['name']}", row["not_after"], f"{row['days']:.0f}"] for row in found.certificates]),
        Table("The last lines about the rate limit", ["line"], [[line] for line in found.rate_limit.get("lines") or ()]),
        Table("What Redis answered, by the service's log", ["line"], [[line] for line in (found.store.get("lines") or ())[-5:]]),
    ]


def _tell_signals(sheet: FactSheet, found: Measured) -> None:
    window = found.window
    for name, signal in (("logins_fail", "login_success"), ("tokens_refused", "tokens_rejected"), ("slow", "validation_seconds"),
                         ("limit_hit", "rate_limit_hits")):
        text = next((one["text"] for one in found.signals if one["name"] == signal), "it was not measured")
        sheet.known_or(name, found.breached(signal), "metrics", text)
    sheet.known_or("login_success", window.get("login_success"), "metrics", "there were no log-ins, or they were not measured", "share")
    sheet.known_or("rejected_share", window.get("rejected_share"), "metrics", "there were no validations, or they were not measured", "share")
    sheet.known_or("p95", window.get("p95_seconds"), "metrics", "there were no validations, or they were not measured", "s")
    sheet.known_or("hits_per_minute", window.get("hits_per_minute") if window.get("limit_measured") else None, "metrics", "it was not measured")
    sheet.known("reason", found.reason, "metrics")
    sheet.known("succeeded", float((window.get("logins") or {}).get("ok", 0.0)), "metrics")


def _tell_release(sheet: FactSheet, found: Measured) -> None:
    if not found.revisions:
        for name in ("revision", "back_to", "stuck", "revisions", "release_changed", "release_age", "release_says", "lowered", "life_bad", "old_bad"):
            sheet.unknown(name, "there is no rollout history", "rollout history")
    else:
        current, newest = found.running_revision, found.revisions[-1]
        stuck = newest is not current
        sheet.known("stuck", _history.in_words(newest) if stuck else "", "rollout history")
        sheet.known("back_to", _something_else(found.revisions, current) if stuck else 0, "rollout history")
        sheet.known("revision", current["revision"], "rollout history")
        sheet.known("revisions", len(found.revisions), "rollout history")
        sheet.known("release_changed", bool(current["changes"]), "rollout history")
        sheet.known("release_age", (found.moment - datetime.datetime.fromisoformat(current["begun_at"])).total_seconds(), "rollout history", "s")
        sheet.known("release_says", _history.in_words(current), "rollout history")
        sheet.known("lowered", _history.lowered(current), "rollout history")
        new = [pod for pod in found.pods if pod.get("started_at", "") >= current["begun_at"]]
        old = [pod for pod in found.pods if pod.get("started_at", "") < current["begun_at"]]
        sheet.known_or("life_bad", _bad(found, new or found.pods), "metrics", "nothing fails, or no pod says what it did since it started", "share")
        sheet.known_or("old_bad", _bad(found, old) if new and old else None, "metrics", "no pod of an earlier revision runs beside them", "share")
    now = (1 - (found.window.get("login_success") or 0.0) if found.breached("login_success")
           else found.window.get("rejected_share") if found.breached("tokens_rejected") else None)
    sheet.known_or("now_bad", now, "metrics", "neither log-ins nor tokens fail", "share")


def _something_else(revisions: t.Sequence[Json], current: Json) -> int:
    """The newest revision before one that ran something else than that; 0 where there is none."""
    rows = list(revisions[:[row["revision"] for row in revisions].index(current["revision"]) + 1])
    while len(rows) > 1 and rows[-1]["restart"]:
        rows.pop()
    return rows[-2]["revision"] if len(rows) > 1 else 0


def _bad(found: Measured, pods: t.Sequence[Json]) -> float | None:
    """The share of what fails now that failed in all the life of these pods."""
    counted, bad = ("logins", "failed_share") if found.breached("login_success") else ("validations", "rejected_share")
    total = sum(pod[counted] for pod in pods)
    if not total or not (found.breached("login_success") or found.breached("tokens_rejected")):
        return None
    return sum(pod[counted] * (pod[bad] or 0) for pod in pods) / total


def _tell_config(sheet: FactSheet, found: Measured) -> None:
    unread = [row["name"] for row in found.mounted if row["error"] and row["kind"] == "Secret"]
    if unread and not found.stale:
        for name in ("stale", "stale_objects", "pods_disagree"):
            sheet.unknown(name, f"{', '.join(unread)} could not be read", "Secrets and ConfigMaps")
    else:
        sheet.known("stale", [f"{row['kind']} {row['name']} was written at {row['changed_at']}, after {', '.join(row['older_pods'])} started"
                              for row in found.stale], "Secrets and ConfigMaps")
        sheet.known("stale_objects", ", ".join(f"{row['kind']} {row['name']}" for row in found.stale), "Secrets and ConfigMaps")
        sheet.known("pods_disagree", any(row["newer_pods"] for row in found.stale), "Secrets and ConfigMaps")
    ended = [row for row in found.certificates if row["days"] <= 0]
    sheet.known("expired", [f"{row['key']} of {row['kind']} {row['name']}" for row in ended], "Secrets and ConfigMaps")
    sheet.known("expired_at", ended[0]["not_after"] if ended else "", "Secrets and ConfigMaps")


def _tell_dependencies(sheet: FactSheet, found: Measured) -> None:
    rows = {row["name"]: row for row in found.health if row["name"] in DEPENDENCIES}
    for name in DEPENDENCIES:
        row = rows.get(name) or {"status": "unknown", "detail": "the health check did not ask it", "value": ""}
        sheet.known_or(name, None if row["status"] == "unknown" else row["status"], "health check", row["detail"])
        sheet.known(f"{name}_says", row["detail"] or row["value"], "health check")
    groups = found.store.get("groups")
    lines = found.store.get("lines") or ()
    sheet.known_or("store_answer", None if groups is None else groups[0]["value"] if groups else "", "log", "the log was not searched")
    sheet.known("store_says", lines[-1] if lines else "", "log")


def _tell_limit(sheet: FactSheet, found: Measured) -> None:
    first = next(iter(found.rate_limit.get("groups") or ()), None)
    sheet.known_or("limit_client", str(first["value"]) if first else None, "log", "the log names no client")
    sheet.known_or("limit_client_share", first["share"] if first else None, "log", "the log names no client", "share")


def _tell_cpu(sheet: FactSheet, found: Measured) -> None:
    """Of the busiest pod the share of its limit; cores only of pods without a limit, which have nothing to compare them with."""
    known = [row for row in found.usage if row.get("cpu_cores") is not None]
    shares = [row["cpu_cores"] / row["cpu_limit"] for row in known if row.get("cpu_limit")]
    sheet.known_or("cpu", max(shares, default=None), "metrics API", "the pods' CPU could not be measured, or has no limit", "share")
    sheet.known_or("cores_without_limit", max((row["cpu_cores"] for row in known), default=None) if not shares else None,
                   "metrics API", "the pods' CPU could not be measured, or has a limit")


def _owned_by(pod: Json, workload: str) -> bool:
    meta = pod["metadata"]
    suffix = "-" + meta.get("labels", {}).get("pod-template-hash", "")
    return any(owner["name"] == workload or owner["kind"] == "ReplicaSet" and owner["name"].removesuffix(suffix) == workload
               for owner in meta.get("ownerReferences", []))


def _how(takes: t.Sequence[Use]) -> str:
    return " and ".join(use.how for use in takes)


def _revision_at(revisions: t.Sequence[Json], moment: str) -> str:
    """The newest revision that was there by then, empty where that is unknown."""
    there = [row for row in revisions if moment and row["begun_at"] <= moment]
    return str(there[-1]["revision"]) if there else ""


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None, unit: float, digits: int) -> str:
    return "-" if value is None else f"{value / unit:.{digits}f}"
