# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig
short_description: One inventory host per kubeconfig context
version_added: 0.1.0
author: sre.runbooks contributors (@sre-runbooks)
description:
  - Makes every context of a kubeconfig an inventory host, named as the context, so that runbooks can be limited to
    clusters with C(--limit) and run on many at once.
  - In a context's name, what Ansible's host patterns give a meaning (colons, commas, slashes, brackets, blanks, wildcards) becomes
    a dash in the host's name, because a pattern with colons would select groups that are named like its parts. The context
    C(arn:aws:eks:eu-west-1:111122223333:cluster/prod) is the host C(arn-aws-eks-eu-west-1-111122223333-cluster-prod).
    C(runbooks_context) has the context as it is. C(--limit) with such a context is refused, and names the host.
  - Each host gets C(runbooks_kubeconfig) and C(runbooks_context), a local connection, the Python that runs Ansible, and
    C(kubeconfig_context) with the keys C(cluster), C(user) and C(namespace) as the kubeconfig has them.
  - The kubeconfig is read, nothing is asked of the clusters.
options:
  plugin:
    description: Names this plugin.
    type: str
    required: true
    choices: [sre.runbooks.kubeconfig]
  kubeconfig:
    description:
      - Path of the kubeconfig, relative to the current directory; several are separated by colons, and the first one that
        names a context wins. May be a template.
      - A directory stands for every kubeconfig in it (C(*.yml), C(*.yaml), C(*.conf), C(*.config), C(*.kubeconfig) and names without a dot),
        each read by itself. A context that several of them have, as C(default), is told apart by its file, and its host is
        called C(<file>-<context>).
    type: str
    default: ~/.kube/config
    env:
      - name: KUBECONFIG
  prefer_environment:
    description:
      - When the environment variable E(KUBECONFIG) is set, use that file instead of O(kubeconfig), and of it only the current
        context, as C(kubectl) would. O(contexts) and O(exclude) do not apply then.
    type: bool
    default: false
  contexts:
    description:
      - Contexts to take. Shell patterns, or regular expressions after a V(~) as in Ansible's host patterns.
    type: list
    elements: str
    default: ['*']
  exclude:
    description: Contexts to leave out, as patterns like those of O(contexts).
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - ansible.builtin.constructed
"""

EXAMPLES = r"""
# clusters.yml: every context of ~/.kube/config, or of $KUBECONFIG
plugin: sre.runbooks.kubeconfig
---
# One file for each cluster, as they were downloaded
plugin: sre.runbooks.kubeconfig
kubeconfig: ~/.kube/clusters/
---
# Production clusters only, in groups by the user that they are reached as
plugin: sre.runbooks.kubeconfig
kubeconfig: ~/.kube/fleet
contexts:
  - prod-*
  - ~^eu-(west|north)-\d+$
exclude:
  - '*-admin'
keyed_groups:
  - key: kubeconfig_context.user
    prefix: user
"""

import collections
import dataclasses
import fnmatch
import hashlib
import os
import re
import sys
import typing as t

import yaml
from ansible import context as command_line
from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable


#: what means something else to Ansible: groups of all hosts, and the controller
RESERVED = ("all", "ungrouped", "localhost", "127.0.0.1")
_FILE = re.compile(r"[^.][^.]*|[^.].*\.(ya?ml|conf|config|kubeconfig)")
_UNSAFE = re.compile(r"[^\w.@+-]+")


@dataclasses.dataclass(frozen=True)
class Source:
    """A context and where it is from.

    :param paths: the kubeconfig that has it, several as kubectl takes them.
    :param details: its ``cluster``, ``user`` and ``namespace`` (absent keys left out).
    """

    context: str
    paths: str
    details: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Kubeconfig:
    """What kubeconfig files say together.

    :param contexts: context name -> its ``cluster``, ``user`` and ``namespace`` (absent keys left out).
    :param current: name of the current context, empty when none is set.
    """

    contexts: dict[str, dict[str, str]]
    current: str


def read_kubeconfig(paths: t.Sequence[str]) -> Kubeconfig:
    """Merge kubeconfig files as kubectl does: the first file to name something wins, absent files are skipped.

    Raises AnsibleParserError when no file exists or one is not a kubeconfig.
    """
    present = [path for path in paths if os.path.exists(path)]
    if not present:
        raise AnsibleParserError(
            f"No kubeconfig at {' or '.join(paths)}. Start the lab (make lab-up), set KUBECONFIG, "
            "or correct the option kubeconfig of this inventory.")
    contexts: dict[str, dict[str, str]] = {}
    current = ""
    for path in present:
        document = _load(path)
        for entry in document.get("contexts") or []:
            if not isinstance(entry, dict) or "name" not in entry:
                raise AnsibleParserError(f"Cannot read kubeconfig {path}: one of its contexts has no name.")
            contexts.setdefault(str(entry["name"]), entry.get("context") or {})
        current = current or document.get("current-context") or ""
    return Kubeconfig(contexts, current)


def read_all(paths: t.Sequence[str]) -> tuple[dict[str, Source], str]:
    """Every context by the name that tells it apart, and the current one (empty where it is not told).

    :param paths: kubeconfigs and directories of kubeconfigs; the former are one kubeconfig together, as kubectl takes them.
    """
    files = [path for path in paths if not os.path.isdir(path)]
    together: dict[str, Source] = {}
    current_context = ""
    if files:
        config = read_kubeconfig(files)
        current_context = config.current
        together = {name: Source(name, os.pathsep.join(files), details) for name, details in config.contexts.items()}
    each = [source for path in paths if os.path.isdir(path) for source in _of_directory(path)]
    often = collections.Counter([*together, *(source.context for source in each)])
    for source in each:
        own = source.context if often[source.context] == 1 else f"{_stem(source.paths)}-{source.context}"
        together.setdefault(own, source)
    return together, current_context


def _of_directory(directory: str) -> t.Iterator[Source]:
    files = [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if _FILE.fullmatch(name)]
    found = [(path, read_kubeconfig([path])) for path in files if os.path.isfile(path)]
    if not found:
        raise AnsibleParserError(f"{directory} has no kubeconfig: files *.yml, *.yaml, *.conf, *.config, *.kubeconfig, or without a dot.")
    for path, config in found:
        yield from (Source(name, path, details) for name, details in config.contexts.items())


def _stem(path: str) -> str:
    return os.path.basename(path).partition(".")[0]


def _load(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            document = yaml.safe_load(stream)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise AnsibleParserError(f"Cannot read kubeconfig {path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise AnsibleParserError(f"{path} is not a kubeconfig: kind: Config is missing.")
    return document


def matches(name: str, patterns: t.Iterable[str]) -> bool:
    """Whether a name matches a shell pattern, or a regular expression written after ``~``."""
    return any(re.search(pattern[1:], name) if pattern.startswith("~") else fnmatch.fnmatchcase(name, pattern)
               for pattern in patterns)


def select(contexts: t.Collection[str], wanted: t.Sequence[str], unwanted: t.Sequence[str]) -> list[str]:
    """The context names to use, in the kubeconfig's order. Raises AnsibleParserError when none is left."""
    names = [name for name in contexts if matches(name, wanted) and not matches(name, unwanted)]
    if not names:
        raise AnsibleParserError(
            f"No context left of {', '.join(contexts) or 'an empty kubeconfig'}: "
            f"contexts is {', '.join(wanted)}, exclude is {', '.join(unwanted) or 'empty'}.")
    return names


def current(contexts: t.Collection[str], context: str) -> list[str]:
    """The current context. Raises AnsibleParserError when there is none or the kubeconfig does not have it."""
    if context not in contexts:
        raise AnsibleParserError(
            f"KUBECONFIG is set, but its current-context {context or '(none)'} is not one of its contexts "
            f"({', '.join(contexts) or 'none'}). Choose one with: kubectl config use-context NAME")
    return [context]


def host_names(contexts: t.Sequence[str]) -> dict[str, str]:
    """The host name of each context: its own where a pattern can hold it, else a like one that no other context has."""
    safe = {name: _safe(name) for name in contexts}
    often = collections.Counter(safe.values())
    return {name: host if host == name or often[host] == 1 else f"{host}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
            for name, host in safe.items()}


def _safe(name: str) -> str:
    host = _UNSAFE.sub("-", name).strip("-").lstrip("@.+") or "context"
    return f"context-{host}" if host in RESERVED else host


def refuse_unsafe_patterns(hosts: t.Mapping[str, str], patterns: t.Iterable[str]) -> None:
    """Raise where a pattern of the command line is a context that is no host name: its parts would select groups."""
    for pattern in patterns:
        for context, host in hosts.items():
            if context != host and context in pattern:
                raise AnsibleParserError(f"{context} cannot be written as a host pattern: Ansible splits it, and its parts may be groups. "
                                         f"The host of this context is called {host}.")


class ClusterInventory(BaseInventoryPlugin, Constructable):
    """What every inventory of clusters does with a host."""

    def add_cluster(self, host: str, of_cluster: t.Mapping[str, t.Any]) -> None:
        """Add a host whose tasks run on the controller, and put it into the groups that the inventory file composes.

        :param of_cluster: its variables, that lead to the cluster and tell of it.
        """
        self.inventory.add_host(host)
        variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **of_cluster}
        for key, value in variables.items():
            self.inventory.set_variable(host, key, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)


class InventoryModule(ClusterInventory):
    """Hosts from kubeconfig contexts."""

    NAME = "sre.runbooks.kubeconfig"

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the hosts of one inventory file."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        environment = os.environ.get("KUBECONFIG", "") if self.get_option("prefer_environment") else ""
        given = environment or self.templar.template(self.get_option("kubeconfig"))
        sources, chosen = read_all([os.path.abspath(os.path.expanduser(part)) for part in given.split(os.pathsep) if part])
        names = current(sources, chosen) if environment else select(sources, self.get_option("contexts"), self.get_option("exclude"))
        hosts = host_names(names)
        refuse_unsafe_patterns(hosts, [text for text in (command_line.CLIARGS.get("subset"), command_line.CLIARGS.get("args")) if isinstance(text, str)])
        for context, host in hosts.items():
            source = sources[context]
            self.add_cluster(host, {"runbooks_kubeconfig": source.paths, "runbooks_context": source.context, "kubeconfig_context": source.details})
        clash = sorted(set(hosts.values()) & set(self.inventory.groups))
        if clash:
            raise AnsibleParserError(f"{', '.join(clash)} would be a host and a group: --limit would take the whole group. Name the group otherwise.")
