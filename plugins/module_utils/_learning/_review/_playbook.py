# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Ansible playbook, task file or role, read by Ansible's own loader; no template is evaluated, and nothing is run."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import re
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _commands, _shell
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import (
    ASKS, CHANGES, CLUSTER, DESTROYS, DRY_RUN, EVIDENCE, IRREVERSIBLE, NOTHING, READS, REVERSIBLE, STATE, UNKNOWN, WAITS, Act, Runbook, Step, Time)

KEYWORDS = frozenset("""
action any_errors_fatal args async become become_exe become_flags become_method become_user changed_when check_mode collections connection
debugger delay delegate_facts delegate_to diff environment failed_when ignore_errors ignore_unreachable listen local_action loop loop_control
module_defaults name no_log notify poll port register remote_user retries run_once tags throttle timeout until vars when""".split())
_BLOCKS = ("block", "rescue", "always")
_SHELLS = frozenset({"shell", "command", "raw", "script"})
_INCLUDES = frozenset({"include_tasks", "import_tasks"})
#: the phases of this collection's roles, which are found by file name
_PHASES = ("detect", "capture", "diagnose", "analyse", "plan", "mitigate", "verify")
_WORDS = re.compile(r"[A-Za-z_]\w*")
_UNDO = re.compile(r"(?i)undo|roll[ _-]?back|revert|restore")

_CONTROLLER = Time(0.05, 0.2, "estimate: on the controller")
_READ = Time(1.0, 5.0, "estimate: one module that reads")
_WRITE = Time(1.5, 10.0, "estimate: one module that writes")
_PERSON = Time(120.0, 600.0, "estimate: a person reads and answers")

#: names of modules -> what they do; the first row that matches the whole name
_MODULES: tuple[tuple[str, Act], ...] = (
    (r"sre\.runbooks\.(workload_logs|heap_dump|data_snapshot|archive)", Act(READS, EVIDENCE, Time(10.0, 60.0, "estimate: a few pods"), guarded=True)),
    (r"sre\.runbooks\.(workload_snapshot_info|\w+_facts_info)", Act(READS, EVIDENCE, _READ, guarded=True)),
    (r"sre\.runbooks\.rollout_info", Act(WAITS, STATE, Time(60.0, 300.0, "estimate: a rollout of a few pods"), guarded=True)),
    (r"sre\.runbooks\.\w+_info", Act(READS, STATE, _READ, guarded=True)),
    (r"sre\.runbooks\.workload_restart", Act(DESTROYS, NOTHING, _WRITE, guarded=True)),
    (r"sre\.runbooks\.(workload_\w+|mitigate|manifest|config_values|undo)", Act(REVERSIBLE, NOTHING, _WRITE, guarded=True)),
    # What keeps the record and tells people says itself whether it worked.
    (r"sre\.runbooks\.(incident|report|alert_claim|outbox|announce|aftermath|health_report)", Act(REVERSIBLE, STATE, _WRITE, guarded=True)),
    (r"sre\.runbooks\.(data_repair|db_sessions_terminate)", Act(IRREVERSIBLE, NOTHING, _WRITE, guarded=True)),
    (r"assert|fail|validate_argument_spec", Act(READS, STATE, _CONTROLLER)),
    (r"debug|set_fact|set_stats|include_vars|add_host|group_by|meta|import_playbook", Act(READS, NOTHING, _CONTROLLER)),
    (r"setup|gather_facts|stat|slurp|find|ping|getent|service_facts|package_facts|mount_facts|uri|fetch", Act(READS, STATE, _READ)),
    (r"[\w.]*_(info|facts)", Act(READS, STATE, _READ)),
    (r"kubernetes\.core\.k8s_log", Act(READS, EVIDENCE, _READ, asks_cluster=True)),
    (r"wait_for|wait_for_connection|async_status", Act(WAITS, STATE, Time(10.0, 300.0, "estimate; 300 s is its time-out"))),
    (r"copy|template|lineinfile|blockinfile|replace|file|user|group|cron|sysctl|mount|unarchive|get_url|git|service|systemd|systemd_service|package|apt|dnf|"
     r"yum|hostname|iptables|community\.docker\.\w+|ansible\.posix\.\w+", Act(REVERSIBLE, NOTHING, _WRITE)),
    (r"kubernetes\.core\.(k8s|k8s_json_patch|k8s_scale|k8s_rollback|k8s_taint|helm)", Act(REVERSIBLE, NOTHING, _WRITE, asks_cluster=True)),
    (r"kubernetes\.core\.k8s_drain", Act(DESTROYS, NOTHING, Time(60.0, 300.0, "estimate: the pods of a node"), asks_cluster=True)),
    (r"kubernetes\.core\.k8s_cp", Act(READS, EVIDENCE, Time(30.0, 180.0, "estimate: a file of 1 GB"), asks_cluster=True)),
    (r"reboot", Act(DESTROYS, NOTHING, Time(120.0, 600.0, "estimate; 600 s is its time-out"))),
)


@dataclasses.dataclass
class _Place:
    """Where tasks stand."""

    name: str
    section: str
    file: pathlib.Path
    lines: list[str]
    undone: bool = False
    ours: bool = False


def read(path: pathlib.Path) -> Runbook:
    """The steps of a playbook, a task file, or a role's directory.

    :raises InvalidInput: it is none of these.
    """
    reader = _read(path)
    names = [step.title for step in reader.steps] + [file.stem for file in reader.seen]
    return Runbook(path.name, "role" if path.is_dir() else "playbook", tuple(reader.steps), any(_UNDO.search(name) for name in names), tuple(reader.unread))


def files(path: pathlib.Path) -> list[pathlib.Path]:
    """The files that a playbook, a task file or a role has its steps in."""
    return _read(path).seen


def _read(path: pathlib.Path) -> _Reader:
    reader = _Reader()
    if path.is_dir():
        if not (path / "tasks" / "main.yml").is_file():
            raise InvalidInput(f"{path} is no role: it has no tasks/main.yml.", "Name a playbook, a role's directory or a Markdown file.")
        reader.role(path)
    else:
        reader.file(path)
    return reader


class _Reader:
    """Follows includes whose name is written out."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.unread: list[str] = []
        self.seen: list[pathlib.Path] = []

    def role(self, path: pathlib.Path) -> None:
        tasks = path / "tasks"
        self.file(tasks / "main.yml")
        others = sorted(tasks.glob("*.yml"), key=lambda file: (_PHASES.index(file.stem) if file.stem in _PHASES else len(_PHASES), file.stem))
        for file in others:
            begin = len(self.steps)
            self.file(file)
            self._phase(begin, len(self.seen))

    def _phase(self, begin: int, number: int) -> None:
        """The steps of a file of its own begin when those of the files before have ended."""
        for at in range(begin, len(self.steps)):
            step = self.steps[at]
            self.steps[at] = dataclasses.replace(step, needs=step.needs | {f"files before {number}"})
        for at, step in enumerate(self.steps):
            self.steps[at] = dataclasses.replace(step, gives=step.gives | {f"files before {number + 1}"})

    def file(self, path: pathlib.Path, section: str = "", undone: bool = False) -> None:
        path = path.resolve()
        if path in self.seen:
            return
        self.seen.append(path)
        try:
            content = load(path)
        except Exception as error:  # of the loader and of what is no text, of many types
            self.unread.append(f"{path.name}: it is not read ({' '.join(str(error).split())[:160]})")
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
            self.unread.append(f"{path.name}: it is no list of plays or tasks")
            return
        for item in content:
            if "hosts" in item:
                self._play(item, path, lines)
            else:
                self._tasks([item], _Place(path.name, section or path.stem, path, lines, undone))

    def _play(self, play: dict[str, t.Any], path: pathlib.Path, lines: list[str]) -> None:
        place = _Place(path.name, _text(play.get("name") or play["hosts"]), path, lines)
        for part in ("pre_tasks", "roles", "tasks", "post_tasks", "handlers"):
            items = play.get(part) or []
            if part == "roles":
                for item in items:
                    self._role_of(_text(item.get("role", item.get("name", ""))) if isinstance(item, dict) else _text(item), place)
            elif isinstance(items, list):
                self._tasks(items, place)

    def _role_of(self, name: str, place: _Place) -> None:
        short = name.rpartition(".")[2]
        candidates = [place.file.parent / "roles" / short, place.file.parent.parent / "roles" / short, place.file.parent.parent.parent / "roles" / short]
        found = next((one for one in candidates if (one / "tasks" / "main.yml").is_file()), None)
        if found and (found / "tasks" / "main.yml").resolve() not in self.seen:
            self.role(found)
        elif not found:
            self.unread.append(f"{place.name}: role {name} is another one, so its tasks are not judged here")

    def _tasks(self, items: t.Sequence[t.Any], place: _Place) -> None:
        for item in items:
            if not isinstance(item, dict):
                self.unread.append(f"{place.name}: something that is no task stands among the tasks")
                continue
            if "block" in item:
                undone = place.undone or bool(item.get("rescue") or item.get("always"))
                for part in _BLOCKS:
                    self._tasks(item.get(part) or [], dataclasses.replace(place, undone=undone or part != "block"))
                continue
            self._task(item, place)

    def _task(self, task: dict[str, t.Any], place: _Place) -> None:
        module, arguments = module_of(task)
        short = module.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.")
        where = f"{place.name}{_line(task, place)}"
        title = _text(task.get("name") or module)
        if short in _INCLUDES:
            name = _text(arguments.get("file", arguments.get("_raw", "")))
            target = place.file.parent / name
            if name and "{{" not in name and target.is_file():
                self.file(target, place.section, place.undone)
            else:
                self.unread.append(f"{where}: {name or 'a file'} is included, and which one it is cannot be told without a run")
            return
        if short in ("include_role", "import_role"):
            self._role_of(_text(arguments.get("name", "")), place)
            return
        if not module:
            self.unread.append(f"{where}: no module is found in this task")
            return
        shell = _text(arguments.get("_raw", arguments.get("cmd", arguments.get("argv", "")))) if short in _SHELLS else ""
        act, problem = _act(short, arguments, shell)
        if problem:
            self.unread.append(f"{where}: {problem}; nothing is said of this command")
        text = shell or f"{module} {_text({key: value for key, value in arguments.items() if key != '_raw'})}"
        shown = redact(text)
        given = {_text(task["register"])} if task.get("register") else set()
        if short == "set_fact":
            given |= {str(key) for key in arguments}
        undone = place.undone or act.guarded or bool(arguments.get("backup"))
        self.steps.append(Step(where, place.section, title, shown, _waiting(act, task, arguments), frozenset(_WORDS.findall(_text(task))), frozenset(given),
                               shown != text and not task.get("no_log"), undone))


def load(path: pathlib.Path) -> t.Any:
    """A file as Ansible's own loader reads it."""
    try:
        loader = importlib.import_module("ansible.parsing.dataloader")  # by its name: a module's code may run where there is no Ansible
    except ImportError:
        raise InvalidInput("Ansible's loader is not on this host.", "Run the review on the controller (connection: local).") from None
    return loader.DataLoader().load_from_file(str(path))


def module_of(task: dict[str, t.Any]) -> tuple[str, dict[str, t.Any]]:
    """The module of a task and its arguments; what is free text is ``_raw``."""
    name = next((key for key in task if key not in KEYWORDS and not str(key).startswith("with_")), "")
    value: t.Any = task.get(name) if name else None
    for key in ("action", "local_action"):
        if not name and key in task:
            value = task[key]
            if isinstance(value, dict):
                value = dict(value)
                name = _text(value.pop("module", ""))
            else:
                name, _space, value = _text(value).partition(" ")
    arguments = dict(value) if isinstance(value, dict) else {"_raw": value} if value is not None else {}
    extra = task.get("args")
    return str(name), {**arguments, **(extra if isinstance(extra, dict) else {})}


def _act(short: str, arguments: dict[str, t.Any], shell: str) -> tuple[Act, str]:
    """What a task does, and why that cannot be told."""
    if short in _SHELLS:
        try:
            pieces = _shell.parse(shell)
        except _shell.NotRead as error:
            return Act(UNKNOWN, time=_WRITE), str(error)
        act = _commands.worst([piece.act for piece in pieces]) if pieces else Act(UNKNOWN, time=_WRITE)
        return dataclasses.replace(act, dry_run=act.dry_run or "a module that knows check mode") if act.kind in CHANGES else act, ""
    if short == "pause":
        seconds = _number(arguments.get("seconds")) + 60 * _number(arguments.get("minutes"))
        return (Act(WAITS, time=Time(seconds, seconds, "as written")) if seconds else Act(ASKS, time=_PERSON)), ""
    act = next((act for pattern, act in _MODULES if re.fullmatch(pattern, short)), Act(UNKNOWN, time=Time(1.0, 60.0, "a guess: what it does is not known")))
    if short in ("kubernetes.core.k8s_exec",):
        inner = _commands.act_of(_text(arguments.get("command", "")).split())
        return dataclasses.replace(inner, asks_cluster=True), ""
    if short.startswith("kubernetes.core.") and short.endswith("_info"):
        act = dataclasses.replace(act, asks_cluster=True)
        act = dataclasses.replace(act, topic=CLUSTER) if short.endswith("cluster_info") else act
    if short == "uri" and _text(arguments.get("method", "GET")).upper() not in ("GET", "HEAD"):
        act = Act(UNKNOWN, time=_WRITE)
    if short in ("service", "systemd", "systemd_service") and arguments.get("state") == "restarted":
        act = Act(DESTROYS, time=_WRITE)
    if arguments.get("state") == "absent" and act.kind == REVERSIBLE and short in ("file", "kubernetes.core.k8s", "kubernetes.core.helm"):
        act = dataclasses.replace(act, kind=DESTROYS if arguments.get("kind") == "Pod" else IRREVERSIBLE)
    if any(arguments.get(name) for name in ("context", "kubeconfig", "host")):
        act = dataclasses.replace(act, asks_cluster=False)
    return act, ""


def _waiting(act: Act, task: dict[str, t.Any], arguments: dict[str, t.Any]) -> Act:
    """A task that is repeated until something holds takes so long, and checks what it did."""
    if task.get("check_mode") is True:
        return dataclasses.replace(act, kind=READS, topic=DRY_RUN)
    if not task.get("until"):
        return dataclasses.replace(act, kind=WAITS) if arguments.get("until_clear") else act
    retries, delay = _number(task.get("retries")) or 3, _number(task.get("delay")) or 5
    time = Time(act.time.median, act.time.high + retries * delay, f"{act.time.basis}; {retries:g} times every {delay:g} s at most")
    return dataclasses.replace(act, time=time, kind=WAITS if act.kind == READS else act.kind, topic=act.topic if act.topic != NOTHING else STATE)


def _line(task: dict[str, t.Any], place: _Place) -> str:
    """Where the task's name stands; empty where it has none."""
    name = _text(task.get("name") or "")
    found = next((number for number, line in enumerate(place.lines, 1) if name and line.strip(" -").startswith("name:") and name[:60] in line), 0)
    return f":{found}" if found else ""


def _text(value: t.Any) -> str:
    """Any value as text; what is encrypted stays so."""
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value))
    return str(value) if isinstance(value, (str, int, float)) or value is None else "(encrypted)"


def _number(value: t.Any) -> float:
    try:
        return float(_text(value))
    except ValueError:
        return 0.0
