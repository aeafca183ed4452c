"""Real heap dumps: small Java programs are compiled, started, and dumped with jcmd while they wait."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
BUILD = ROOT / ".build" / "heap"
#: as many objects as it takes for any leak to stand out, and few enough for a test
TEST_MEGABYTES = 24


@dataclasses.dataclass(frozen=True)
class Dump:
    """One program's dump and what the JVM itself counted right before it.

    :param histogram: class name, as in Java source, to instances and shallow bytes.
    """

    hprof: pathlib.Path
    histogram: dict[str, tuple[int, int]]


def make(program: str, megabytes: int = TEST_MEGABYTES, *arguments: str, jvm_options: tuple[str, ...] = (),
         folder: pathlib.Path = BUILD / "dumps") -> Dump:
    """The dump of a program; made once, and again only when a source file is newer.

    :param megabytes: what the program is to keep, about.
    """
    name = "-".join([program, str(megabytes), *arguments, *(re.sub(r"\W+", "", option) for option in jvm_options)])
    hprof, counted = folder / f"{name}.hprof", folder / f"{name}.histogram"
    newest = max(source.stat().st_mtime for source in PROGRAMS.glob("*.java"))
    if not counted.exists() or counted.stat().st_mtime < newest:
        folder.mkdir(parents=True, exist_ok=True)
        hprof.unlink(missing_ok=True)
        counted.write_text(_run_and_dump([program, str(megabytes), *arguments], jvm_options, hprof))
    return Dump(hprof, parse_histogram(counted.read_text()))


def parse_histogram(text: str) -> dict[str, tuple[int, int]]:
    """The table of ``jcmd GC.class_histogram`` (the same as of ``jmap -histo``); classes of one name are added up."""
    counts: dict[str, tuple[int, int]] = {}
    for instances, size, name in re.findall(r"^\s*\d+:\s+(\d+)\s+(\d+)\s+(\S+)", text, re.MULTILINE):
        before = counts.get(java_name(name), (0, 0))
        counts[java_name(name)] = (before[0] + int(instances), before[1] + int(size))
    return counts


def java_name(name: str) -> str:
    """``[[I`` is ``int[][]``; the address in a hidden class's name differs between tools and is left out."""
    dimensions = len(name) - len(name.lstrip("["))
    if dimensions:
        element = name[dimensions:]
        primitives = {"Z": "boolean", "B": "byte", "C": "char", "S": "short", "I": "int", "J": "long", "F": "float", "D": "double"}
        name = primitives.get(element) or element[1:].rstrip(";")
    return re.sub(r"[/+.]0x[0-9a-f]+", "", name.replace("/", ".") if "/0x" not in name and "+0x" not in name else name) + "[]" * dimensions


def _run_and_dump(command: list[str], jvm_options: tuple[str, ...], hprof: pathlib.Path) -> str:
    classes = _compiled()
    heap = f"-Xmx{int(command[1]) * 3 + 64}m"
    process = subprocess.Popen([_tool("java"), heap, "-XX:+UseSerialGC", *jvm_options, "-cp", str(classes), *command],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"java {' '.join(command)} ended before it could be dumped (exit status {process.wait()})")
        # The first attach loads classes that the dump would have and the histogram would not.
        _jcmd(process.pid, "GC.class_histogram")
        histogram = _jcmd(process.pid, "GC.class_histogram")
        _jcmd(process.pid, "GC.heap_dump", str(hprof))
        return histogram
    finally:
        process.stdin.close()
        process.wait(timeout=60)
        process.stdout.close()


def _compiled() -> pathlib.Path:
    classes, sources = BUILD / "classes", sorted(PROGRAMS.glob("*.java"))
    stamp = classes / ".compiled"
    if not stamp.exists() or stamp.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        classes.mkdir(parents=True, exist_ok=True)
        subprocess.run([_tool("javac"), "-Xlint:all", "-Werror", "-d", classes, *sources], check=True)
        stamp.touch()
    return classes


def _jcmd(pid: int, *command: str) -> str:
    return subprocess.run([_tool("jcmd"), str(pid), *command], check=True, capture_output=True, text=True).stdout


def _tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise RuntimeError(f"{name} is not on this machine: install a JDK, version 17 or newer (Debian: openjdk-17-jdk-headless)")
    return found
