# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that connect to a Redis from the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """The cache, and the way to it."""

    DOCUMENTATION = r"""
options:
  cache:
    description:
      - The Redis of the rules of kind C(cache). What is not given is what the environment of O(cache.workload) says (C(REDIS_HOST),
        C(REDIS_PORT), C(REDIS_PASSWORD), C(REDIS_URL) and so on); without any host it is C(redis).
    type: dict
    suboptions:
      workload:
        description: Workload that talks to it; that of the database where it is empty.
        type: str
        default: ""
      container:
        description: Container of its pod; its main one when not set.
        type: str
      host:
        description: Address, or name of the Service.
        type: str
        default: ""
      port:
        description: Port; 6379 when nothing says otherwise.
        type: int
      user:
        description: User of its access control list.
        type: str
        default: ""
      password:
        description: Its password; kept in memory.
        type: str
        default: ""
      database:
        description: Number of the database.
        type: int
      tls:
        description: Whether to connect with TLS. Through a forwarded port the certificate's chain is verified and its name is not.
        type: bool
      ca_file:
        description: Authority of its certificate, on the controller.
        type: path
        default: ""
      route:
        description:
          - V(direct) connects from the controller; V(port_forward) through the API server to a pod behind the Service that
            the host names; V(auto) chooses the latter where there is such a Service.
        type: str
        choices: [auto, direct, port_forward]
        default: auto
"""
