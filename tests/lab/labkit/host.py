"""Commands on this machine, progress on the terminal, and what both need."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAB = ROOT / "tests" / "lab"
HOME = pathlib.Path(os.environ.get("SRE_LAB_HOME", "/var/lib/sre-runbooks-lab"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sre-runbooks"
KUBECONFIG = HOME / "kubeconfig"
#: The machine's kernel settings before the first cluster changed them.
TUNABLES = HOME / "tunables.json"
NAMESPACE = "ai-development"
LOCK = pathlib.Path("/run/sre-runbooks-lab.lock")

_started = time.monotonic()


class LabError(Exception):
    """What went wrong and what to do, for a person."""


def say(text: str) -> None:
    """One line of progress, with the time since the start."""
    print(f"[{time.monotonic() - _started:5.0f} s] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(title: str) -> t.Iterator[None]:
    """Say when a slow step begins, every minute that it goes on, and how long it took."""
    say(f"{title} …")
    began, ended = time.monotonic(), threading.Event()
    threading.Thread(target=_say_every_minute, args=(title, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    say(f"{title}: {time.monotonic() - began:.0f} s")


def _say_every_minute(title: str, ended: threading.Event) -> None:
    minutes = 0
    while not ended.wait(60):
        minutes += 1
        say(f"{title.partition(' (')[0]}: still at it, {minutes} min so far")


@contextlib.contextmanager
def alone() -> t.Iterator[None]:
    """One at a time on this machine: two that bring the same cluster up would end each other's processes."""
    with open(LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lab up or down is at work; waiting for its end …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(argv: t.Sequence[object], *, stdin: bytes | None = None, env: dict[str, str] | None = None,
        cwd: pathlib.Path | None = None, timeout: float | None = None) -> str:
    """Run a command to its end and return its output; a failure becomes a LabError with its last words."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, env={**os.environ, **(env or {})}, cwd=cwd, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words[:6])} did not end within {timeout:.0f} s.") from error
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not there: {error}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()[-12:]
        raise LabError(f"{' '.join(words[:6])} failed ({done.returncode}):\n  " + "\n  ".join(last))
    return done.stdout.decode("utf-8", "replace")


def need_packages(commands: t.Mapping[str, str]) -> None:
    """Install the Debian packages of commands that are missing.

    :param commands: command -> package.
    """
    missing = sorted({package for command, package in commands.items() if not shutil.which(command)})
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise LabError(f"Missing: {', '.join(missing)}. Install them with this system's package manager.")
    with step(f"installing {', '.join(missing)}"):
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        apt_update()
        run(["apt-get", "install", "-y", "--no-install-recommends", *missing], env=environment)


def apt_update() -> None:
    """Fetch the package lists, where there are none."""
    if not any(pathlib.Path("/var/lib/apt/lists").glob("*_Packages*")):
        run(["apt-get", "update"])
