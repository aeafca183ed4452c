# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that change a workload through the ledger."""

from __future__ import annotations


class ModuleDocFragment:
    """Incident, approval, evidence and caps."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the workloads and of the incident's record.
    type: str
    required: true
  incident_id:
    description: The incident that the changes belong to; it must be open, except in check mode.
    type: str
    required: true
  plan_hash:
    description: Refuse when the plan is not the one with this hash.
    type: str
  approval_expires:
    description: Refuse after this time (ISO 8601).
    type: str
  approvers:
    description:
      - An C(allowed_signers) file as C(ssh-keygen) has it, or the host variable C(runbooks_approvers). With it a plan is made only if
        O(approval) lists its changes and is signed by somebody in this file, who is noted in the incident's record.
    type: path
  approval:
    description: The approval; its signature lies beside it as C(.sig). Or the host variable C(runbooks_approval).
    type: path
  approval_request:
    description: In check mode, write here what is to be approved; or the host variable C(runbooks_approval_request).
    type: path
  require_evidence:
    description:
      - Kinds of evidence, such as V(heap_dump), of which at least one verified item of this incident must exist
        before a change that replaces pods.
    type: list
    elements: str
    default: []
  incidents_dir:
    description: Where evidence lies, or the host variable C(runbooks_incidents_dir).
    type: path
    default: incidents
  cooldown:
    description: Seconds in which the same mitigation of the same target by another incident is not repeated.
    type: float
    default: 1800.0
  max_memory:
    description: Largest memory limit or request that may be set.
    type: str
    default: 4Gi
  max_replicas:
    description: Most pods that a workload may be scaled to.
    type: int
    default: 20
  denied_namespaces:
    description: Namespaces that are never changed.
    type: list
    elements: str
    default: [kube-system, kube-public, kube-node-lease]
  respect_owners:
    description:
      - Refuse a change that somebody else is known to take back (Argo CD that heals itself, Flux, KEDA, a VerticalPodAutoscaler, an
        operator), with what to write in its source; or the host variable C(runbooks_respect_owners). Who is not certain to take it
        back is told before the change.
    type: bool
    default: true
  respect_disruption_budgets:
    description: Refuse a rolling restart that may go below what a PodDisruptionBudget asks for.
    type: bool
    default: true
  lock_seconds:
    description: How long the lock on each target lasts if nobody gives it back.
    type: int
    default: 3600
attributes:
  diff_mode:
    description: Returns the fields before and after.
    support: full
"""
