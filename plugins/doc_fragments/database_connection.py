# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that connect to a database from the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """The database, and the way to it."""

    DOCUMENTATION = r"""
options:
  namespace:
    description: Namespace of the workload whose environment names the database, and of the database's Service.
    type: str
    required: true
  database:
    description:
      - The database. What is not given is what the environment of O(database.workload) says, in C(DB_HOST), C(DB_PORT),
        C(DB_NAME), C(DB_USER) and C(DB_PASSWORD) (or C(PGHOST), C(POSTGRES_HOST) and so on).
    type: dict
    default: {workload: api-server}
    suboptions:
      workload:
        description: Workload that talks to the database; its environment is read by exec in one of its pods.
        type: str
        default: api-server
      container:
        description: Container of that pod; its main one when not set.
        type: str
      host:
        description: Address, or name of the Service.
        type: str
        default: ""
      port:
        description: Port; 5432 when nothing says otherwise.
        type: int
      name:
        description: Name of the database.
        type: str
        default: ""
      user:
        description: Role to connect as. One that may only read does for everything but repairs.
        type: str
        default: ""
      password:
        description: Its password; kept in memory, and handed to programs through their environment.
        type: str
        default: ""
      ssl_mode:
        description: As libpq's C(sslmode).
        type: str
        choices: [disable, allow, prefer, require, verify-ca, verify-full]
        default: prefer
      route:
        description:
          - V(direct) connects from the controller; V(port_forward) through the API server to a pod behind the Service that
            O(database.host) names; V(auto) does the latter where it is a Service of the cluster.
        type: str
        choices: [auto, direct, port_forward]
        default: auto
      connect_timeout:
        description: Seconds to connect.
        type: int
        default: 10
"""
