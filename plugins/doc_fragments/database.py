# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that ask a database."""

from __future__ import annotations


class ModuleDocFragment:
    """Ways to the database."""

    DOCUMENTATION = r"""
options:
  database_ways:
    description:
      - Where in the cluster C(psql) is run to ask the database, in the order in which they are tried.
      - What a way does not say is what the environment of its container says, in C(DB_HOST), C(DB_USER), C(DB_NAME) and
        C(DB_PASSWORD). The default tries the application first, then the database's own pod.
    type: list
    elements: dict
    default:
      - workload: api-server
      - workload: postgres
        host: /tmp
        user: postgres
        name: postgres
    suboptions:
      workload:
        description: From one of whose pods it is asked; it needs C(sh), C(printenv) and C(psql).
        type: str
        required: true
      container:
        description: Container of that pod; its main one when not set.
        type: str
      host:
        description: Address of the database or directory of its socket.
        type: str
        default: ""
      user:
        description: User of the database.
        type: str
        default: ""
      name:
        description: Name of the database.
        type: str
        default: ""
      password:
        description: Password, which goes to C(psql) through its standard input.
        type: str
        default: ""
      password_env:
        description: Environment variable of the container that has the password.
        type: str
        default: DB_PASSWORD
"""

    # The same, where no way is the usual one. (Annotated, since the sanity tests read a plain assignment as a text.)
    FOUND: str = DOCUMENTATION.replace("""
    default:
      - workload: api-server
      - workload: postgres
        host: /tmp
        user: postgres
        name: postgres
""", """
    default: []
""").replace("The default tries the application first, then the database's own pod.", """
        Where it is empty, it is asked in the pod of a workload that is PostgreSQL; in the namespace V(ai-development) from V(api-server), then
        from V(postgres).""")
