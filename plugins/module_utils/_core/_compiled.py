# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels compiled by numba: where their machine code is kept, and what happens where numba is not installed.

Files with kernels import ``np`` and ``njit`` from here, so that they can be imported without either library; whoever runs a kernel
calls ``require_compiler`` first. Importing this file takes half a second: only files that need it do, lazily.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require

__all__ = ["cache_directory", "compiled_before", "njit", "np", "numba", "require_compiler"]

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])

numba: t.Any = None
np: t.Any = None
try:
    import numba
    import numpy as np
except Exception:  # told by require_compiler, when a kernel is needed
    pass


def require_compiler() -> None:
    """Refuse with the install command where numba or numpy is missing."""
    require("numba", "numpy")


def njit(**options: t.Any) -> t.Callable[[Function], Function]:
    """Compile when first called, without the interpreter's lock, and keep the machine code for later runs.

    :param options: further ones of ``numba.njit``.
    """
    def decorate(function: Function) -> Function:
        if numba is None:
            return function
        directory = cache_directory(os.path.dirname(function.__code__.co_filename))
        if directory is None:
            return numba.njit(nogil=True, **options)(function)
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(directory)
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        finally:
            numba.config.CACHE_DIR = before

    return decorate


def compiled_before(file: str) -> bool:
    """Whether kernels of that file's package are kept; if not, the first run compiles them, which takes seconds."""
    directory = cache_directory(os.path.dirname(file))
    return directory is not None and any(directory.rglob("*.nbi"))


@functools.lru_cache(maxsize=None)
def cache_directory(package: str) -> pathlib.Path | None:
    """Where the kernels of a package are kept, None for code in an archive and where this user has no directory of its own.

    Its name has a hash of the package's sources: numba looks only at the file of a kernel, not at those that it calls.
    """
    sources = sorted(pathlib.Path(package).glob("*.py"))
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    for base in filter(None, (os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"),
                              os.path.join(tempfile.gettempdir(), f"sre.runbooks-{os.getuid()}"))):
        directory = pathlib.Path(base, "sre.runbooks", f"{pathlib.Path(package).name}-{digest}")
        if sources and _is_ours(directory):
            return directory
    return None


def _is_ours(directory: pathlib.Path) -> bool:
    """Create it: the collection's own may be read-only, and machine code comes from it, so nobody else may be able to write there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = directory.stat()
    except OSError:
        return False
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022 and os.access(directory, os.W_OK)
