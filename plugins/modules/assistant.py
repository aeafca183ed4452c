#!/usr/bin/python
# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: assistant
short_description: Have a language model phrase what a report says
version_added: 0.1.0
description:
  - Asks a language model about the report of an incident, which M(sre.runbooks.report) has written before, one question for each purpose, and keeps
    what it answers in the incident's record. M(sre.runbooks.report) then writes the report again, with those of its sentences that hold.
  - A sentence holds where it cites what is in the report, and where each number, unit, time and name in it is in what it cites. Others are dropped
    and counted. The same is checked whenever the report is verified.
  - Prompts and answers are saved as evidence. Whatever the model does, the task does not fail for it.
author: sre.runbooks contributors (@sre-runbooks)
extends_documentation_fragment:
  - sre.runbooks.attributes
  - sre.runbooks.cluster
  - sre.runbooks.incident
  - sre.runbooks.assistant
attributes:
  diff_mode:
    description: What a model writes is not a change to the application.
    support: none
"""

EXAMPLES = r"""
- name: Have a local model phrase the report
  sre.runbooks.assistant:
    incident_id: INC-1234
    namespace: ai-development
    assistant:
      kind: openai
      url: http://127.0.0.1:11434/v1
      model: llama3.3

- name: Write the report again, with what holds of it
  sre.runbooks.report:
    incident_id: INC-1234
    namespace: ai-development
"""

RETURN = r"""
phrased:
  description: For each purpose what was written, with C(purpose), C(model), C(at), C(sentences) (text and refs), C(dropped) (count and why), C(failed).
  type: list
  elements: dict
  returned: outside check mode
tokens:
  description: Tokens that it took, as the model counts them, or reckoned where it does not.
  type: int
  returned: outside check mode
money:
  description: What it cost by the given prices.
  type: float
  returned: outside check mode
says:
  description: Lines for a person.
  type: list
  elements: str
  returned: success
"""

import dataclasses

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._options import ASSISTANT_SPEC, session
from ansible_collections.sre.runbooks.plugins.module_utils._assistant._prompts import OF_INCIDENT
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, now
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _model, _phrased, _proof
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import CONNECTION_SPEC, INCIDENT_SPEC, Result, Task, run_module

ARGUMENT_SPEC = {
    **CONNECTION_SPEC,
    **INCIDENT_SPEC,
    **ASSISTANT_SPEC,
}


def run(task: Task) -> Result:
    """Ask for each purpose, save what was said, and put the answers into the record."""
    p = task.params
    asked = session(p["assistant"])
    if task.check_mode:
        return {"says": []}
    incident = Incident.load(task.cluster(), p["namespace"], p["incident_id"])
    store = EvidenceStore(p["incidents_dir"], p["incident_id"], p["cluster_name"])
    facts = _phrased.facts_of(_model.build(incident, p["cluster_name"], now()).to_json())
    for name, purpose in OF_INCIDENT.items():
        if not purpose.types or incident.head["type"] in purpose.types:
            task.progress(f"asking {asked.model.shown}: {name}")
            answer, at = asked.ask(purpose, facts), now()
            if answer.prompt:
                saved = f"assistant/{at.replace(':', '')}-{name}"  # an earlier report keeps what it was made with
                store.save_text(f"{saved}.prompt.txt", "assistant", f"prompt to {asked.model.shown}", answer.prompt)
                store.save_text(f"{saved}.answer.txt", "assistant", f"answer of {asked.model.shown}", answer.raw or answer.failed)
            _phrased.keep(incident, name, asked.model.shown, at, answer)
    incident.captured([dataclasses.asdict(item) for item in store.items() if item.kind != _proof.RECORD_KIND])
    phrased = _model.build(incident, p["cluster_name"], now()).assistant
    return {"phrased": [dataclasses.asdict(one) for one in phrased], "tokens": asked.tokens, "money": asked.money,
            "says": [f"{one.purpose}: {one.says}" for one in phrased]}


def main() -> None:
    """Run as an ordinary module."""
    run_module(ARGUMENT_SPEC, run)


if __name__ == "__main__":
    main()
