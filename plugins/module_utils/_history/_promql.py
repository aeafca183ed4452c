# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PromQL from the rows of the table: for one workload's pods, and for alert rules over every workload."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target
from ansible_collections.sre.runbooks.plugins.module_utils._history import _table
from ansible_collections.sre.runbooks.plugins.module_utils._history._table import Row

#: kind -> what its controller puts behind its name in a pod's
SUFFIX = {"Deployment": "-[a-z0-9]{1,10}-[a-z0-9]{5}", "StatefulSet": "-[0-9]+", "DaemonSet": "-[a-z0-9]{5}"}
#: the workload in a pod's name, whatever made it; a ReplicaSet's hash has digits and consonants only
WORKLOAD = r"(.+?)(?:-[0-9bcdfghjklmnpqrstvwxz]{6,10}-[0-9bcdfghjklmnpqrstvwxz]{5}|-[0-9]+|-[0-9bcdfghjklmnpqrstvwxz]{5})"
_RATE = "5m"
#: kinds that put all pods together
_TOGETHER = (_table.EVENTS, _table.SLOW, _table.SHARE)
#: labels that the incident's target is made of, in the alerts
TARGET = ("cluster", "namespace", "workload")


@dataclasses.dataclass(frozen=True)
class Scope:
    """Which pods, and what is kept apart.

    :param conditions: on every series.
    :param workload: put the label ``workload`` on every series, from the pod's name.
    """

    conditions: tuple[str, ...]
    workload: bool = False

    @property
    def pod(self) -> tuple[str, ...]:
        """The labels that tell pods apart."""
        return ("cluster", "namespace", "pod") if self.workload else ("namespace", "pod")

    @property
    def together(self) -> tuple[str, ...]:
        """The labels that are left when pods are put together."""
        return TARGET if self.workload else ("namespace",)

    def vector(self, series: str, function: str = "", window: str = _RATE) -> str:
        """A series with the conditions, as a rate or an increase if wanted; a comparison behind it stays behind it."""
        text, _space, compared = series.partition(" > ")
        chosen = _with(text, self.conditions)
        found = f"{function}({chosen}[{window}])" if function else chosen
        return f"({found} > {compared})" if compared else found

    def named(self, expression: str) -> str:
        """Pods with the label of their workload, where that is wanted."""
        return f'label_replace({expression}, "workload", "$1", "pod", "{_quoted(WORKLOAD)}")' if self.workload else expression


#: every workload, for rules
EVERYWHERE = Scope(('namespace!=""', 'pod!=""'), workload=True)


def of_workload(target: Target, container: str, labels: t.Mapping[str, str]) -> Scope:
    """The pods of one workload, those before its last rollout too."""
    pods = _literally(target.name) + SUFFIX[target.kind]
    conditions = [f'namespace="{_quoted(target.namespace)}"', f'pod=~"{_quoted(pods)}"']
    conditions += [f'{name}="{_quoted(str(value))}"' for name, value in labels.items()]
    return Scope(tuple(conditions + ([f'container=~"{_quoted(_literally(container))}|"'] if container else [])))


def measured(row: Row, scope: Scope, window: str = _RATE) -> str:
    """What a row measures: one series for each pod (or for all together, see the row's kind)."""
    chain = " or ".join(dict.fromkeys(_one(row, candidate, scope, window) for candidate in row.series))
    return chain if row.kind in _TOGETHER else scope.named(chain)


def started(scope: Scope) -> str:
    """When each pod's process started, seconds since 1970."""
    return f"max by ({', '.join(scope.pod)}) ({scope.vector(_table.START)})"


def _one(row: Row, series: tuple[str, ...], scope: Scope, window: str) -> str:
    pod, together = ", ".join((*scope.pod, *row.apart)), ", ".join(scope.together)
    if row.kind in (_table.FULL, _table.GROWTH):
        # Without the container's name where a metrics page has none; with it two containers are not mixed up.
        apart = ", ".join((*scope.pod, "container", *row.apart))
        used, maximum = (f"sum by ({apart}) ({scope.vector(text)})" for text in series[:2])
        return f"max by ({pod}) ({used} / ({maximum} > 0))"
    if row.kind == _table.BUSY:
        return f"sum by ({pod}) ({scope.vector(series[0], 'rate', window)})"
    if row.kind == _table.GAUGE:
        return f"sum by ({pod}) ({scope.vector(series[0])})"
    if row.kind == _table.EVENTS:
        counted, *only = (scope.vector(series[0], "increase", window), *map(scope.vector, series[1:]))
        if only:
            counted = f"({counted} * on ({', '.join((*scope.pod, 'container'))}) {only[0]})"
        return f"sum by ({together}) ({scope.named(counted)})"
    if row.kind == _table.SLOW:
        return f"histogram_quantile(0.95, sum by ({together}, le) ({scope.named(scope.vector(series[0], 'rate', window))}))"
    bad, total, *intended = (f"sum by ({together}) ({scope.named(scope.vector(text, 'rate', window))})" for text in series)
    # Without one failure there is no series of failures.
    failed = f"({bad} or 0 * {total})"
    if intended:
        failed = f"clamp_min({failed} - ({intended[0]} or 0 * {total}), 0)"
    return f"{failed} / ({total} > 0)"


def _with(series: str, conditions: t.Sequence[str]) -> str:
    name, _brace, inside = series.partition("{")
    return f"{name}{{{','.join([*([inside[:-1]] if inside.strip('}') else []), *conditions])}}}"


def _literally(name: str) -> str:
    """A name of Kubernetes in a regular expression: only its dots mean something there."""
    return name.replace(".", "[.]")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
