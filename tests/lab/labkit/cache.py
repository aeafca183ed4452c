"""Slow steps are done once: their results are kept outside the checkout, by the hash of their inputs."""

from __future__ import annotations

import fcntl
import hashlib
import pathlib
import shutil
import typing as t

from labkit.host import CACHE, step


def digest(*inputs: object) -> str:
    """A short hash of texts and of files (a directory counts with all that is in it)."""
    total = hashlib.sha256()
    for item in inputs:
        for path in _files(item):
            total.update(f"{path.name}\0{path.stat().st_mode & 0o111}\0".encode() + path.read_bytes())
        if not isinstance(item, pathlib.Path):
            total.update(str(item).encode() + b"\0")
    return total.hexdigest()[:16]


def cached(name: str, inputs: t.Sequence[object], title: str, build: t.Callable[[pathlib.Path], object]) -> pathlib.Path:
    """The directory that ``build`` fills, from the cache when the inputs have not changed.

    :param name: what it is called in the cache.
    :param title: what a person reads while it is made.
    :param build: fills the directory that it is given.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    final = CACHE / f"{name}-{digest(*inputs)}"
    with open(CACHE / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not final.is_dir():
            partial = final.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            with step(title):
                build(partial)
            partial.rename(final)
    return final


def _files(item: object) -> list[pathlib.Path]:
    if not isinstance(item, pathlib.Path):
        return []
    if item.is_file():
        return [item]
    return sorted(path for path in item.rglob("*") if path.is_file() and "target" not in path.parts)
