"""Other people's readers of heap dumps: VisualVM's library and LeakCanary's shark, built by Maven; caches of theirs are removed."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess

import dumps

_PROJECT = pathlib.Path(__file__).resolve().parent / "reference"
_TARGET = dumps.BUILD / "reference"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What VisualVM's library says.

    :param histogram: class name to instances and bytes; its sizes take no account of alignment, and of 8-byte references.
    :param retained: of the largest objects, by address.
    :param roots: class of the next object on the way to the nearest root, by address.
    """

    histogram: dict[str, tuple[int, int]]
    retained: dict[int, int]
    roots: dict[int, str]


def visualvm(hprof: pathlib.Path, what: str = "all") -> Answer:
    """Ask it.

    :param what: ``histogram`` or ``all``.
    """
    forget(hprof)
    text = subprocess.run(visualvm_command(hprof, what), check=True, capture_output=True, text=True).stdout
    answer = Answer({}, {}, {})
    for line in text.splitlines():
        kind, *cells = line.split("\t")
        if kind == "class":
            name = dumps.java_name(cells[0])
            before = answer.histogram.get(name, (0, 0))
            answer.histogram[name] = (before[0] + int(cells[1]), before[1] + int(cells[2]))
        else:
            answer.retained[int(cells[0], 16)] = int(cells[2])
            answer.roots[int(cells[0], 16)] = cells[3]
    forget(hprof)
    return answer


def visualvm_command(hprof: pathlib.Path, what: str, heap: str = "10g") -> list[str]:
    """The command line; ``heap`` is the most that its JVM may take."""
    return ["java", f"-Xmx{heap}", "-cp", _class_path(), "reference.VisualVm", what, str(hprof)]


def shark_command(hprof: pathlib.Path, leaking_class: str, heap: str = "10g") -> list[str]:
    """The command line of LeakCanary's analysis, which has to be told what leaks."""
    return ["java", f"-Xmx{heap}", "-cp", _class_path(), "reference.Shark", str(hprof), leaking_class]


def forget(hprof: pathlib.Path) -> None:
    """Remove what VisualVM's library keeps beside a dump for the next time."""
    shutil.rmtree(f"{hprof}.nbcache", ignore_errors=True)


def _class_path() -> str:
    sources = [_PROJECT / "pom.xml", *_PROJECT.rglob("*.java")]
    stamp = _TARGET / ".built"
    if not stamp.exists() or stamp.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        subprocess.run(["mvn", "-q", "-B", f"-Dtarget={_TARGET}", "package"], cwd=_PROJECT, check=True)
        stamp.touch()
    return f"{_TARGET}/classes:{_TARGET}/lib/*"
