# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook, task file or role with the tasks to use instead of its commands. What cannot be replaced for sure stays as it is.

A command is replaced where it is the only one of its task and nothing reads what it printed.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._learning import _yaml
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _playbook, _shell

#: of a task with a command, what makes no sense for a module, or would be read of what the command printed
_OF_COMMANDS = frozenset({"args", "changed_when"})
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_NAMES = re.compile(r"\{\{ (\w+) \}\}")


def rewritten(path: pathlib.Path) -> tuple[dict[str, str], list[str]]:
    """Files with a task that was replaced, by their path below the role or beside the playbook, and why a file is not rewritten."""
    root = path if path.is_dir() else path.parent
    files: dict[str, str] = {}
    kept: list[str] = []
    for file in _playbook.files(path):
        try:
            name = str(file.relative_to(root.resolve()))
        except ValueError:  # a role or an include somewhere else
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            content = _playbook.load(file)
        except Exception:  # the review says why it is not read
            continue
        if re.search(r"!(unsafe|vault)\b", text):
            kept.append(f"{name}: it is not rewritten, because it has values that are encrypted or marked as unsafe")
            continue
        new: set[str] = set()
        made = _tasks(_plain(content), text, new)
        if made != _plain(content):
            needs = f"# It needs {', '.join(sorted(new))}.\n" if new else ""
            files[name] = ("---\n# Rewritten by the review of a runbook, without its comments. Read every task before you run it.\n" + needs + _yaml.dump(made))
    return files, kept


def _tasks(items: t.Any, text: str, new: set[str]) -> t.Any:
    """Plays and tasks with what was replaced; the variables that this adds are put into ``new``."""
    if not isinstance(items, list):
        return items
    found = []
    for item in items:
        if not isinstance(item, dict):
            found.append(item)
            continue
        parts = {key: _tasks(value, text, new) if key in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always") else value
                 for key, value in item.items()}
        found.append(parts if "hosts" in item or "block" in item else _task(parts, text, new))
    return found


def _task(task: dict[str, t.Any], text: str, new: set[str]) -> dict[str, t.Any]:
    module, arguments = _playbook.module_of(task)
    command = arguments.get("_raw", arguments.get("cmd"))
    if module.rpartition(".")[2] not in ("shell", "command") or not isinstance(command, str) or set(arguments) - {"_raw", "cmd"} or _is_read(task, text):
        return task
    instead = _instead(command)
    if not instead:
        return task
    new |= {name for name in _NAMES.findall(str(instead)) if f"{{{{ {name} }}}}" not in command}
    kept = {key: value for key, value in task.items() if key in _playbook.KEYWORDS and key not in _OF_COMMANDS and key not in ("action", "local_action")}
    title = {"name": kept.pop("name")} if "name" in kept else {"name": " ".join(command.split())[:80].replace("{", "").replace("}", "")}
    return {**title, **instead, **kept}


def _is_read(task: dict[str, t.Any], text: str) -> bool:
    """Whether something reads the result of a task, itself among them."""
    name = task.get("register")
    return bool(name) and len(re.findall(rf"(?<!\w){re.escape(str(name))}(?!\w)", text)) > 1


def _instead(command: str) -> dict[str, t.Any]:
    """The task to use instead of one command, with its templates as they were; empty where there is none."""
    templates = _TEMPLATE.findall(command)
    if "{%" in command:
        return {}
    words = command
    for number, template in enumerate(templates):
        words = words.replace(template, f"template-{number}-x", 1)
    try:
        pieces = _shell.parse(words)
    except _shell.NotRead:
        return {}
    if len(pieces) != 1 or re.search(r"[|;&<>`$\n]", words.strip()):
        return {}
    return t.cast("dict[str, t.Any]", _put_back(dict(pieces[0].act.task), templates))


def _put_back(value: t.Any, templates: t.Sequence[str]) -> t.Any:
    if isinstance(value, dict):
        return {key: _put_back(item, templates) for key, item in value.items()}
    return re.sub(r"template-(\d+)-x", lambda found: templates[int(found[1])], value) if isinstance(value, str) else value


def _plain(value: t.Any) -> t.Any:
    """What Ansible's loader gives, as what YAML has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
