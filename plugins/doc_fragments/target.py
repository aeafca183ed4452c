# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that work on one workload."""

from __future__ import annotations


class ModuleDocFragment:
    """The workload."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  workload:
    description:
      - The workload, as a Deployment's name or as C(deployment/NAME), C(statefulset/NAME) or C(daemonset/NAME); also as C(deploy/NAME),
        C(sts/NAME) and C(ds/NAME). Its pods are those that its controller made.
    type: str
    required: true
  container:
    description:
      - The container; by default the one in the annotation C(kubectl.kubernetes.io/default-container), the one
        named like the workload, or the only one. Among several others, what is read is that of the one which was killed for its
        memory, which declares the port of the metrics, or the first; a change goes to none that was guessed and is refused until one is
        named, unless it is of memory and only one was killed for it.
    type: str
"""
