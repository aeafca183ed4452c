# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation tells a reader to type: each command at least as far as its usage. `make package` parses every playbook."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import unittest.mock

import pytest
from labkit import cli

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("roles/*/README.md"), ROOT / "tests/lab/shop/README.md",
         *ROOT.glob("tests/tools/*.sh")]
WORDS = "\n".join(path.read_text() for path in PAGES)
PLAYBOOKS = sorted(path for path in ROOT.glob("playbooks/**/*.yml") if not {"vars", "tasks", "group_vars"} & set(path.parts))
BENCHMARKS = sorted(ROOT.glob("tests/benchmarks/*.py"))


def named(pattern: str, text: str = WORDS) -> list[str]:
    """What the pattern's group finds, once each."""
    found = sorted(set(re.findall(pattern, text)))
    assert found, "the documentation names none: is the pattern still right?"
    return found


def run(*argv: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, argv)), cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", named(r"python -m (ansible_collections\.\S+\w)"))
def test_a_command_of_the_collection_shows_its_usage(module):
    shown = run(sys.executable, "-m", module, "--help", PYTHONPATH=str(ROOT / ".build" / "collections"))
    assert shown.returncode == 0 and "usage: " in shown.stdout, shown.stderr


def test_a_make_target_is_there_and_so_is_what_it_runs():
    listed = named(r"(?m)^([a-z%-]+):.*## ", (ROOT / "Makefile").read_text())
    examples = {"drill-%": "drill-memory_leak", "drills-%": "drills-data"}
    for target in sorted({examples.get(target, target) for target in listed} | set(named(r"(?m)(?:`|^)make ([a-z_-]+)"))):
        planned = run("make", "--dry-run", target, MAKEFLAGS="")
        assert planned.returncode == 0, f"make {target}: {planned.stderr}"
        for path in re.findall(r"\btests/[\w./-]+", planned.stdout):
            assert (ROOT / path).exists() or path == "tests/output", f"make {target} names {path}"


def test_every_make_target_says_what_it_is_for():
    makefile = (ROOT / "Makefile").read_text()
    silent = [target for target, rest in re.findall(r"(?m)^([a-z%-]+):(.*)$", makefile) if not re.search(r"## \w", rest)]
    assert not silent, f"no line of help: {', '.join(silent)}"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT / "playbooks")))
def test_every_playbook_says_how_it_is_run(path):
    """Those at the top are there only because ansible-rulebook finds no others, and say so."""
    comment = "".join(re.findall(r"(?m)^#.*\n", path.read_text()))
    mine = str(path.relative_to(ROOT / "playbooks"))
    imported = re.search(r"import_playbook: (\S+)", path.read_text())
    if imported:
        assert (path.parent / imported[1]).exists() and "ansible-rulebook" in comment
    else:
        assert mine in comment or f"sre.runbooks.{path.stem}" in comment or "docs/" in comment, f"{mine} does not say how to run it"


@pytest.mark.parametrize("words", named(r"tests/lab/lab ([a-z]+)"))
def test_the_lab_knows_the_command(words):
    with pytest.raises(SystemExit) as ended:
        cli._parser().parse_args([words, "--help"])
    assert ended.value.code == 0


def test_a_playbook_is_there():
    for path in named(r"ansible-playbook (?:[^\n`]*? )?(?:playbooks/)?((?:incident|analysis|learning)/\w+\.yml)"):
        assert (ROOT / "playbooks" / path).exists(), path
    for name in named(r"ansible-playbook (?:[^\n`]*? )?sre\.runbooks\.([\w.]+)"):
        assert (ROOT / "playbooks" / f"{name.replace('.', '/')}.yml").exists(), name


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_shows_its_usage(path):
    shown = run(sys.executable, path, "--help", PYTHONPATH=str(ROOT / ".build" / "collections"))
    assert shown.returncode == 0 and "usage: " in shown.stdout, shown.stderr


def test_the_benchmark_of_the_runbook_calls_the_lab_as_it_is(monkeypatch, capsys):
    """It needs a cluster; here everything that it calls only checks how it is called."""
    spec = importlib.util.spec_from_file_location("bench", ROOT / "tests/benchmarks/run.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    for name in ("faults", "Bench", "Cluster"):
        monkeypatch.setattr(bench, name, unittest.mock.create_autospec(getattr(bench, name)))
    sizes = {"file": 2.0 ** 20, "kubectl cp": 1.0, **{f"ours, {name}": 0.5 for name in ("zstd", "gzip")},
             **{f"ours, {name}, bytes": 2.0 ** 19 for name in ("zstd", "gzip")}}
    bench.Bench.return_value.retrieval.return_value = sizes
    bench.Bench.return_value.work = unittest.mock.Mock()
    monkeypatch.setattr(bench, "_fullest", lambda _cluster: "api-server-1")
    monkeypatch.setattr(sys, "argv", ["run.py", "--rounds", "1"])
    bench.main()
    assert "kubernetes.core" in capsys.readouterr().out
    assert bench.faults.cause.called and bench.faults.restore.called
