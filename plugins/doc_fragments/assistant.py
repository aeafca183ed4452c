# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of modules that ask a language model."""

from __future__ import annotations


class ModuleDocFragment:
    """Which model, on which terms."""

    DOCUMENTATION = r"""
options:
  assistant:
    description:
      - Which language model is asked, and what that may take. It is given findings without secrets, and each of its sentences is checked by a program.
    type: dict
    required: true
    suboptions:
      kind:
        description:
          - V(openai) for any endpoint with the form of OpenAI's chat completions, V(anthropic) for Anthropic's API, V(command) for a local program,
            which is given the prompt on its standard input and prints its answer.
        type: str
        required: true
        choices: [openai, anthropic, command]
      model:
        description: Name of the model; for V(command) only for the report.
        type: str
        default: ""
      url:
        description: >-
          Of the API, without C(/chat/completions) or C(/v1/messages), such as C(http://127.0.0.1:11434/v1); for V(anthropic) only where it is another.
        type: str
        default: ""
      api_key:
        description: Its key.
        type: str
        default: ""
      command:
        description: For V(command), the program and its arguments.
        type: list
        elements: str
        default: []
      validate_certs:
        description: Verify the endpoint's certificate.
        type: bool
        default: true
      tokens:
        description: Most tokens of all prompts and answers of one task.
        type: int
        default: 40000
      seconds:
        description: Most seconds that one task waits for answers.
        type: float
        default: 60
      money:
        description: The most that the answers of one task may cost, in the currency of the prices; without a limit when not set.
        type: float
      input_price:
        description: Price of a million tokens of prompts.
        type: float
        default: 0
      output_price:
        description: Price of a million tokens of answers.
        type: float
        default: 0
"""
