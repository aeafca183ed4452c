# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: clusters
short_description: The hosts of a runbook's play, or an error where there are none
version_added: 0.1.0
author: sre.runbooks contributors (@sre-runbooks)
description:
  - Ansible takes a play without hosts for a success. A runbook that has looked at no cluster has answered nothing, so the playbooks of
    this collection ask this lookup for their C(hosts), which is evaluated before the first task and whatever the configuration is.
  - Refuses also a run of some of the tasks (C(--tags), C(--skip-tags), C(--start-at-task)), which would leave phases out unseen.
options:
  _terms:
    description: One host pattern, or a list of them.
    type: list
    elements: raw
    required: true
"""

EXAMPLES = r"""
- name: A play that fails where there is no cluster
  hosts: "{{ lookup('sre.runbooks.clusters', runbooks_hosts | default('all')) }}"
  tasks: []
"""

RETURN = r"""
_raw:
  description: The pattern, as it was given.
  type: list
  elements: str
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.plugins.lookup import LookupBase


def refuse_part_of_a_run(arguments: t.Mapping[str, t.Any]) -> None:
    """Raise where the command line leaves tasks out."""
    left_out = {"--tags": set(arguments.get("tags") or ()) - {"all"}, "--skip-tags": set(arguments.get("skip_tags") or ()),
                "--start-at-task": {arguments.get("start_at_task") or ""} - {""}}
    for option, values in left_out.items():
        if values:
            raise AnsibleError(f"{option} {','.join(sorted(map(str, values)))} is refused: a runbook runs all of its phases or none, because "
                               "each builds on what those before it have measured and saved. Nothing was looked at, nothing was changed. "
                               "To see what it would do, use --check --diff.")


def refuse_no_cluster(pattern: str, limit: str, groups: t.Mapping[str, t.Sequence[str]], sources: t.Sequence[str]) -> None:
    """Raise where a pattern, within a limit, names no host.

    :param groups: name of a group -> names of its hosts; ``all`` has them all.
    :param sources: the inventories that were asked for.
    """
    inventory = InventoryManager(None, parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group=group)
    inventory.subset(limit or None)
    if inventory.get_hosts(pattern):
        return
    known = sorted(groups.get("all", ()))
    where = ", ".join(sources)
    if not known:
        raise AnsibleError(f"No cluster: {where} names no host, or could not be read (a warning above says why). Nothing was looked at. "
                           "Name an inventory with -i; one host is one cluster.")
    names = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    within = f" within --limit {limit}" if limit else ""
    raise AnsibleError(f"No cluster: {pattern}{within} matches no host of {where}, which has {names}. Nothing was looked at. "
                       "runbooks_hosts and --limit say which of them are meant.")


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: t.Sequence[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """The pattern that was given, unless there is nothing to run on."""
        pattern = terms[0] if isinstance(terms[0], str) else ",".join(terms[0])
        arguments = context.CLIARGS
        if not arguments.get("syntax"):
            refuse_part_of_a_run(arguments)
            refuse_no_cluster(pattern, arguments.get("subset") or "", (variables or {}).get("groups", {}),
                              [source for source in arguments.get("inventory") or () if isinstance(source, str)])
        return [pattern]
