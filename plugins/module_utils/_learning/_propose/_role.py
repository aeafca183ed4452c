# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft of a role in this collection's own skeleton (docs/adding-a-runbook.md), with the files that belong to one.

Paths are those of the collection, so that the draft can be laid over it. What the records do not say is marked as such, and never made up.
Nothing that somebody wrote into a record becomes a template: what looks like one is broken up, and a change with such a value is left out.
"""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning import _yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning._incidents import Json
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose import _learnt, _rules
from ansible_collections.sre.runbooks.plugins.module_utils._learning._propose._group import Group

FILL_IN = "not in the records: fill in"


def files(group: Group) -> dict[str, str]:
    """Every file of the role and what belongs to it, by its path in the collection."""
    name, role = group.name, f"roles/{group.name}"
    table = _rules.table(group)
    texts = {f"{role}/tasks/{phase}.yml": text for phase, text in _TASKS.items()}
    texts |= {f"{role}/meta/main.yml": _META, f"{role}/vars/main.yml": _VARS, f"playbooks/incident/{name}.yml": _PLAYBOOK, f"playbooks/{name}.yml": _TOP}
    return {
        **{path: text.replace("TYPE", name).replace("TITLE", _words(group)).replace("CHANGES\n", _actions(group)) for path, text in texts.items()},
        f"{role}/README.md": _readme(group),
        f"{role}/defaults/main.yml": _defaults(group),
        f"{role}/meta/argument_specs.yml": _specs(group),
        f"{role}/files/causes.yml": f"---\n{_comment(f'A draft from the records of {_ids(group)}.')}"
                                    f"# Records prove nothing: what would establish a cause is {FILL_IN}.\n{_yaml.dump(table)}",
        f"tests/unit/causes/{name}.yml": _stories(group, table),
        f"extensions/prometheus/proposed/{name}.yml": _alert(group),
        f"extensions/prometheus/proposed/{name}_test.yml": _alert_test(group),
        f"extensions/molecule/{name}/molecule.yml": "--- {}\n",
        f"extensions/molecule/{name}/vars/incident.yml": _drill(group),
    }


def _words(group: Group) -> str:
    return group.name.replace("_", " ").capitalize()


def _title(group: Group) -> str:
    return f"{_words(group)}: {{{{ {group.name}_workload }}}} in {{{{ {group.name}_namespace }}}}"


def _ids(group: Group) -> str:
    return ", ".join(_learnt.plain(one.id) for one in group.incidents)


def _comment(text: str) -> str:
    """As lines that a linter lets stand; identifiers may be long, and many."""
    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 110, break_on_hyphens=False))


def _defaults(group: Group) -> str:
    name = group.name
    namespace, workload = _learnt.target(group.incidents)
    found = _learnt.numbers(group.incidents)
    signals = [{"name": _rules.slug(signal), "query": f"max(runbooks:{_rules.slug(signal)}{{namespace=\"{{{{ {name}_namespace }}}}\"}})",
                "side": number.side, "threshold": number.threshold} for signal, number in found.items()]
    lines = ["---", f"# A draft, from {len(group.incidents)} incidents. What the incident is about." + ("" if workload else f" The target is {FILL_IN}."),
             _entry(f"{name}_namespace", namespace), _entry(f"{name}_workload", workload.removeprefix("deployment/")), _entry(f"{name}_container", ""),
             "# P1 to P4; computed from the signals when empty.", _entry(f"{name}_severity", ""),
             _entry(f"{name}_title", _title(group)), "",
             "# The URL of a Prometheus (http://host:9090), and what it is asked. Thresholds are those of the records, by median.",
             f"# By which expression each was measured is {FILL_IN}, here or as a recording rule of that name.",
             _entry(f"{name}_prometheus_url", "{{ runbooks_prometheus | default('') }}"), _entry(f"{name}_signals", signals),
             "" if signals else f"# No record has a measured signal: {FILL_IN}, as {{name: …, query: …, side: \">\", threshold: …}}.", "",
             "# What is saved before anything is changed.", _entry(f"{name}_log_seconds", 3600), "",
             "# Tables of causes beside the role's own. A signal of your own needs its fact and its limit in one of them.",
             _entry(f"{name}_causes_files", []), "",
             "# The change that fits the cause (auto), one of the changes below whatever the cause, or none.", _entry(f"{name}_mitigation", "auto")]
    lines += [_entry(f"{name}_{change}", _wanted(one)) for change, one in _learnt.changes(group.incidents).items()]
    lines += ["", f"# When it counts as mitigated. How long that must hold is {FILL_IN}; these are the collection's usual seconds.",
              _entry(f"{name}_rollout_timeout", 300), _entry(f"{name}_sustained_seconds", 60), _entry(f"{name}_verify_timeout", 240),
              _entry(f"{name}_undo_if_not_mitigated", True)]
    return "\n".join(line for at, line in enumerate(lines) if line or lines[at - 1]) + "\n"


def _entry(key: str, value: t.Any) -> str:
    return _yaml.dump({key: value}).rstrip()


def _wanted(one: _learnt.Made) -> t.Any:
    return dict(one.after)["replicas"] if one.action == "scale" else dict(one.after)


def _actions(group: Group) -> str:
    """The changes, as sre.runbooks.mitigate takes them."""
    name = group.name
    actions: Json = {}
    for change, one in _learnt.changes(group.incidents).items():
        key = "replicas" if one.action == "scale" else "env"
        actions[change] = [{"action": one.action, "workload": f"{{{{ {name}_workload }}}}", key: f"{{{{ {name}_{change} }}}}"}]
    return _entry(f"__{name}_actions", {**actions, "none": []}) + "\n"


def _specs(group: Group) -> str:
    name = group.name

    def option(description: str, kind: str, default: t.Any, **more: t.Any) -> Json:
        return {"description": description, "type": kind, **more, "default": default}

    namespace, workload = _learnt.target(group.incidents)
    options = {
        "namespace": option("Namespace of the workload.", "str", namespace),
        "workload": option("A Deployment's name, or C(statefulset/NAME) or C(daemonset/NAME).", "str", workload.removeprefix("deployment/")),
        "container": option("The container; the main one when empty.", "str", ""),
        "severity": option("Severity of the incident, P1 to P4; computed from the signals when empty.", "str", "", choices=["", "P1", "P2", "P3", "P4"]),
        "title": option("Title of the incident.", "str", _title(group)),
        "prometheus_url": option("URL of the Prometheus that is asked for the signals.", "str", "{{ runbooks_prometheus | default('') }}"),
        "signals": {"description": "The signals, each an expression of Prometheus and the threshold on one side of which it counts.", "type": "list",
                    "elements": "dict", "options": {
                        "name": {"description": "Name, also of the fact C(signal_NAME).", "type": "str", "required": True},
                        "query": {"description": "The expression; it gives one number.", "type": "str", "required": True},
                        "side": {"description": "Where it counts.", "type": "str", "choices": [">", ">=", "<", "<="], "required": True},
                        "threshold": {"description": "The threshold.", "type": "float", "required": True}}},
        "log_seconds": option("How much of the logs is saved and read.", "int", 3600),
        "causes_files": option("Tables of causes beside the role's own, YAML files on the controller.", "list", [], elements="path"),
        "mitigation": option("The change that fits the cause (V(auto)), one of the others whatever the cause, or none.", "str", "auto",
                             choices=["auto", *_learnt.changes(group.incidents), "none"]),
        **{change: option(f"What {change} sets; from the records.", "int" if one.action == "scale" else "dict", _wanted(one))
           for change, one in _learnt.changes(group.incidents).items()},
        "rollout_timeout": option("Seconds that the rollout may take.", "float", 300),
        "sustained_seconds": option("Seconds during which every signal must stay clear.", "float", 60),
        "verify_timeout": option("Seconds after which the last look decides.", "float", 240),
        "undo_if_not_mitigated": option("Take a change back that did not help.", "bool", True),
    }
    return "---\n" + _yaml.dump({"argument_specs": {"main": {
        "short_description": f"{_words(group)} - a draft from the records of {len(group.incidents)} incidents",
        "description": ["Measures the signals; where none counts, says so and changes nothing.",
                        "Otherwise saves the evidence, holds signals and logs against a table of causes, makes the change that ended such incidents "
                        "where it fits, and watches until every signal stays clear."],
        "options": {f"{name}_{key}": value for key, value in options.items()}}}})


def _readme(group: Group) -> str:
    name, count = group.name, len(group.incidents)
    found = _learnt.numbers(group.incidents)
    signals = [f"- `{_rules.slug(signal)}` {number.side} {number.threshold:g}; in these incidents {number.measured:g} (median). Its expression is {FILL_IN}."
               for signal, number in found.items()] or [f"- The signals are {FILL_IN}."]
    signals += [f"- an error in the logs: {_learnt.plain(pattern)} ({seen} incidents)" for pattern, seen in _learnt.patterns(group.incidents)]
    causes = [f"- {_learnt.plain(cause)}: {seen} of {count} incidents" for cause, seen in _learnt.causes(group.incidents)] or [f"- {FILL_IN}"]
    made = [f"- `{change}`: {one.action} of {one.target}, {_learnt.plain(', '.join(f'{key}={value}' for key, value in one.after))}; before it was "
            f"{_learnt.plain(', '.join(f'{key}={value}' for key, value in one.before))}" for change, one in _learnt.changes(group.incidents).items()]
    return "\n".join([
        f"# {name}", "", f"A draft, made from the records of {_ids(group)}. A person has to read it, and to fill in what the records do not say: "
        "`grep -r 'not in the records'`.", "",
        "```", f"ansible-playbook sre.runbooks.incident.{name} -i clusters.yml --limit CLUSTER --check --diff", "```", "",
        f"Expected duration: {_learnt.duration(group.incidents)}.", "", "## Signals", "", *signals, "", "## Candidate causes", "", *causes, "",
        "## Changes", "", *(made or ["None: no change on record ended such an incident and can be taken back. A person decides."]), "",
        "Before each change: evidence is saved, the guardrails are asked, and the plan is shown. After it: every signal clear for "
        f"`{name}_sustained_seconds`, otherwise it is taken back. To take it back later: `incident/undo.yml`.", "",
        "## Before it is used", "",
        f"- `make causes lint`; the stories in `tests/unit/causes/{name}.yml` are the incidents on record.",
        f"- The fault of the drill `extensions/molecule/{name}` is {FILL_IN}; without a drill nobody has seen this role end an incident.",
        "- Permissions beyond `docs/rbac/runbooks.yml`, if its changes need any.", ""])


def _stories(group: Group, table: Json) -> str:
    unknown = {fact["name"]: {"not_known": "not in the records"} for fact in table["facts"]}
    stories = []
    for one in group.incidents:
        facts = _rules.facts(one, table)
        if facts and one.causes:
            title = _learnt.plain(f"{one.id}, where people found {one.causes[0]}")
            stories.append({"story": title, "facts": facts, "verdicts": _rules.expected(group, one)})
    return "---\n# The incidents on record as stories: what was measured, and what the table must say.\n" + _yaml.dump(
        {"defaults": unknown, "stories": stories})


def _alert(group: Group) -> str:
    found = _learnt.numbers(group.incidents)
    alert = "".join(part.capitalize() for part in group.name.split("_"))
    rules = [{"alert": f"{alert}{''.join(part.capitalize() for part in _rules.slug(signal).split('_'))}",
              "expr": f"runbooks:{_rules.slug(signal)} {number.side} {number.threshold:g}", "for": "5m",
              "labels": _labels(group),
              "annotations": {"summary": f"{_rules.slug(signal)} is {{{{ $value }}}}, {number.side} {number.threshold:g}"}} for signal, number in found.items()]
    return (f"---\n# The recording rules runbooks:… , and for how long it must last, are {FILL_IN}. Thresholds: the records.\n"
            + _yaml.dump({"groups": [{"name": f"runbooks-{group.name}", "rules": rules}]}))


def _labels(group: Group) -> Json:
    return {"incident_type": group.name, "severity": "ticket", "runbook": f"incident/{group.name}.yml"}


def _alert_test(group: Group) -> str:
    """For promtool: each incident's values when it was found, and when it was over."""
    found = _learnt.numbers(group.incidents)
    alert = "".join(part.capitalize() for part in group.name.split("_"))
    tests = []
    for one in group.incidents:
        for signal, number in found.items():
            values = [row["value"] for row in (one.record or {}).get("signals", []) if row["name"] == signal and isinstance(row.get("value"), (int, float))]
            if not values:
                continue
            name = _rules.slug(signal)
            rule = f"{alert}{''.join(part.capitalize() for part in name.split('_'))}"
            fires = {"exp_labels": {**_labels(group), "namespace": "test"},
                     "exp_annotations": {"summary": f"{name} is {_shown(values[0])}, {number.side} {number.threshold:g}"}}
            tests.append({"name": f"{_learnt.plain(one.id)}: {name}", "interval": "1m",
                          "input_series": [{"series": f'runbooks:{name}{{namespace="test"}}', "values": f"{values[0]!r}x10 {values[-1]!r}x10"}],
                          "alert_rule_test": [
                              {"eval_time": "10m", "alertname": rule, "exp_alerts": [fires] if number.breached(values[0]) else []},
                              *([] if number.breached(values[-1]) else [{"eval_time": "20m", "alertname": rule, "exp_alerts": []}])]})
    return f"---\n# promtool test rules {group.name}_test.yml\n{_yaml.dump({'rule_files': [f'{group.name}.yml'], 'tests': tests})}"


def _shown(value: float) -> str:
    """A number as Prometheus writes it."""
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _drill(group: Group) -> str:
    name = group.name
    _namespace, workload = _learnt.target(group.incidents)
    first = next(iter(_learnt.causes(group.incidents)), ("", 0))[0]
    return (f"---\n# The fault that causes it, and what is seen of it in the report, are {FILL_IN}.\n"
            + _yaml.dump({"runbook": name, "fault": "", "incident_id": f"drill-{name.replace('_', '-')}", "expected_cause": _rules.slug(first) if first else "",
                          "expected_changes": [], "expected_evidence": ["logs", "snapshot"], f"{name}_workload": workload.removeprefix("deployment/")}))


_META = """---
galaxy_info:
  author: sre.runbooks contributors
  description: TITLE - a draft from the records of past incidents
  license: GPL-3.0-or-later
  min_ansible_version: "2.18"
  galaxy_tags: [kubernetes, sre, incident]
dependencies: []
"""

_PLAYBOOK = """---
# TITLE: ansible-playbook incident/TYPE.yml [-e incident_id=INC-1234] [--check --diff]
- name: TITLE
  hosts: "{{ lookup('sre.runbooks.clusters', runbooks_hosts | default('all')) }}"
  gather_facts: false
  roles:
    - role: sre.runbooks.TYPE
"""

_TOP = """---
# ansible-rulebook finds playbooks of a collection only at the top level.
- name: TITLE
  ansible.builtin.import_playbook: incident/TYPE.yml
"""

_TASKS = {
    "main": """---
# The phases stand in role runbook; detect, capture, diagnose and verify are here.
- name: Run the phases of the incident
  ansible.builtin.include_role:
    name: sre.runbooks.runbook
  vars:
    runbook_spec: "{{ __TYPE_runbook }}"
""",
    "measure": """---
- name: measure | Ask Prometheus for each signal
  ansible.builtin.uri:
    url: "{{ TYPE_prometheus_url }}/api/v1/query?query={{ item.query | urlencode }}"
    timeout: 10
  loop: "{{ TYPE_signals }}"
  loop_control:
    label: "{{ item.name }}"
  register: __TYPE_asked
  failed_when: false
  check_mode: false

- name: measure | Hold each answer against its threshold
  ansible.builtin.set_fact:
    __TYPE_measured: >-
      {{ (__TYPE_measured if __TYPE_index | int > 0 else [])
         + [{'name': item.0.name, 'threshold': item.0.threshold | float, 'breached': __TYPE_over | bool, 'pods': [],
             'value': (item.1 | float) if item.1 is match(__TYPE_number) else none,
             'text': item.0.name ~ ' is ' ~ (item.1 if item.1 is match(__TYPE_number) else 'not known')
                     ~ ', and counts where it is ' ~ item.0.side ~ ' ' ~ item.0.threshold}] }}
  vars:
    __TYPE_number: "[-+]?[0-9.]+(e[-+]?[0-9]+)?$"
    __TYPE_over: >-
      {{ item.1 is match(__TYPE_number)
         and {'>': item.1 | float > item.0.threshold | float, '>=': item.1 | float >= item.0.threshold | float,
              '<': item.1 | float < item.0.threshold | float, '<=': item.1 | float <= item.0.threshold | float}[item.0.side] }}
  loop: "{{ TYPE_signals | zip(__TYPE_answers) }}"
  loop_control:
    index_var: __TYPE_index
    label: "{{ item.0.name }}"
""",
    "detect": """---
- name: detect | Measure the signals
  ansible.builtin.include_tasks: measure.yml

- name: detect | Keep what was measured
  ansible.builtin.set_fact:
    __TYPE_before: "{{ __TYPE_reading }}"
""",
    "capture": """---
- name: capture | Snapshot of pods, usage, events and history
  sre.runbooks.workload_snapshot_info:
    namespace: "{{ TYPE_namespace }}"
    workload: "{{ TYPE_workload }}"
    container: "{{ TYPE_container | default(omit, true) }}"
    incident_id: "{{ runbook_incident_id }}"

- name: capture | Logs of all replicas
  sre.runbooks.workload_logs:
    namespace: "{{ TYPE_namespace }}"
    workload: "{{ TYPE_workload }}"
    container: "{{ TYPE_container | default(omit, true) }}"
    since_seconds: "{{ TYPE_log_seconds }}"
    incident_id: "{{ runbook_incident_id }}"

- name: capture | What the logs say, as patterns
  sre.runbooks.log_patterns_info:
    namespace: "{{ TYPE_namespace }}"
    workload: "{{ TYPE_workload }}"
    container: "{{ TYPE_container | default(omit, true) }}"
    since_seconds: "{{ TYPE_log_seconds }}"
  register: __TYPE_logs
  failed_when: false
""",
    "diagnose": """---
- name: diagnose | Hold what was measured against the table of causes
  sre.runbooks.diagnosis_info:
    causes: "{{ __TYPE_causes }}"
    facts: "{{ __TYPE_facts }}"
    thresholds: "{{ __TYPE_limits }}"
  register: __TYPE_diagnosis
""",
    "verify": """---
- name: verify | Wait until every signal stays clear
  ansible.builtin.uri:
    url: "{{ TYPE_prometheus_url }}/api/v1/query?query={{ __TYPE_lasting | urlencode }}"
    timeout: 10
  vars:
    __TYPE_lasting: >-
      count_over_time((({{ item.query }}) {{ item.side }} {{ item.threshold }})[{{ TYPE_sustained_seconds | int }}s:5s])
  loop: "{{ TYPE_signals }}"
  loop_control:
    label: "{{ item.name }}"
  register: __TYPE_waited
  until: __TYPE_waited.json.data.result | default(['no answer']) | length == 0
  retries: "{{ (runbook_patience | int / 15) | int }}"
  delay: 15
  ignore_errors: true

- name: verify | Measure the signals
  ansible.builtin.include_tasks: measure.yml

- name: verify | Keep what was measured
  ansible.builtin.set_fact:
    __TYPE_after: >-
      {{ __TYPE_reading
         | combine({'outcome': 'unknown' if __TYPE_reading.outcome == 'unknown'
                    else 'not_mitigated' if __TYPE_reading.outcome == 'breached'
                    else 'not_mitigated' if __TYPE_waited is failed else 'mitigated'}) }}
""",
}

_VARS = """---
# What the shared phases need to know of this runbook.
__TYPE_runbook:
  type: TYPE
  namespace: "{{ TYPE_namespace }}"
  workload: "{{ TYPE_workload }}"
  container: "{{ TYPE_container }}"
  severity: "{{ TYPE_severity }}"
  title: "{{ TYPE_title }}"
  required_evidence: [snapshot, logs]
  rollout_timeout: "{{ TYPE_rollout_timeout }}"
  verify_timeout: "{{ TYPE_verify_timeout }}"
  undo_if_not_mitigated: "{{ TYPE_undo_if_not_mitigated }}"
  permissions:
    - get pods
    - list pods
    - get pods/log
    - list events
    - get deployments.apps
    - patch deployments.apps
    - list replicasets.apps
    - list configmaps
    - create configmaps
    - patch configmaps
    - get leases.coordination.k8s.io
    - create leases.coordination.k8s.io
    - patch leases.coordination.k8s.io
    - delete leases.coordination.k8s.io

# What Prometheus answered to each, empty where it did not.
__TYPE_answers: >-
  {{ __TYPE_asked.results | map(attribute='json.data.result.0.value.1', default='') }}

# The last look at the signals. What did not answer is not known, and no sign of health.
__TYPE_reading:
  outcome: >-
    {{ 'breached' if __TYPE_measured | default([]) | selectattr('breached') | list
       else 'unknown' if not __TYPE_measured | default([])
       else 'unknown' if __TYPE_measured | selectattr('value', 'none') | list
       else 'healthy' }}
  signals: "{{ __TYPE_measured | default([]) }}"
  readings:
    - at: "{{ now(utc=true).strftime('%Y-%m-%dT%H:%M:%SZ') }}"
      signals: "{{ __TYPE_measured | default([]) }}"
  says: "{{ __TYPE_measured | default([]) | map(attribute='text') | list }}"

# Facts and limits of the table, by the names of the signals.
__TYPE_facts: >-
  {{ dict(__TYPE_known | map(attribute='name') | map('regex_replace', '^', 'signal_')
          | zip(__TYPE_known | map(attribute='value'))) | dict2items(key_name='name')
     + ([{'name': 'log_patterns', 'value': __TYPE_errors}]
        if __TYPE_logs.patterns is defined else []) }}
__TYPE_errors: >-
  {{ __TYPE_logs.patterns | selectattr('level', 'in', ['error', 'critical'])
     | map(attribute='template') }}
__TYPE_known: "{{ __TYPE_before.signals | selectattr('value', 'number') | list }}"
__TYPE_limits: >-
  {{ dict(TYPE_signals | map(attribute='name') | map('regex_replace', '^', 'limit_')
          | zip(TYPE_signals | map(attribute='threshold') | map('float'))) }}

# The role's own table first; later ones add to it or override it.
__TYPE_causes: >-
  {{ query('ansible.builtin.file', role_path ~ '/files/causes.yml', *TYPE_causes_files)
     | map('from_yaml') }}

# Only what ended an incident on record and can be taken back.
CHANGES
__TYPE_chosen: >-
  {{ (__TYPE_diagnosis.recommendation or 'none') if TYPE_mitigation == 'auto'
     else TYPE_mitigation }}
__TYPE_changes: >-
  {{ __TYPE_actions[__TYPE_chosen] }}

__TYPE_findings:
  outcome: "{{ runbook_outcome }}"
  before: "{{ __TYPE_before.signals }}"
  after: "{{ runbook_after.signals | default([]) }}"
  diagnosis: "{{ __TYPE_diagnosis }}"
  next_steps: "{{ __TYPE_next_steps }}"

__TYPE_next_steps: >-
  {{ __TYPE_diagnosis.advice + __TYPE_diagnosis.no_mitigation
     + (['Escalate: the mitigation did not hold.'] if runbook_outcome in ['not_mitigated', 'cooldown'] and runbook_acts | bool else [])
     + (['Measure by hand: the signals could not be read after the change.'] if runbook_outcome == 'unknown' else []) }}
"""
