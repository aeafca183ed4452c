# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions compiled to machine code once and kept on disk; a file of kernels may be imported where numba is absent.

``kernel = compiler(__file__)`` in a package gives the decorator for its kernels. What was compiled is kept in a directory of this
user, because a collection's directory may be read-only; its name has a hash of the package's sources, because a kernel that calls
one of another file would otherwise be taken from the cache although that file has changed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import tempfile
import typing as t

try:
    import numba
    import numpy as np
except ImportError:
    numba = np = None

Kernel = t.TypeVar("Kernel", bound=t.Callable[..., t.Any])


def compiler(file: str) -> t.Callable[[Kernel], Kernel]:
    """The decorator for the kernels of the package that ``file`` is in; without numba it changes nothing."""
    if numba is None:
        return lambda function: function
    directory = cache_directory(str(pathlib.Path(file).parent))
    if directory is None:
        return numba.njit(nogil=True)

    def kernel(function: Kernel) -> Kernel:
        before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(directory)
        try:
            return numba.njit(nogil=True, cache=True)(function)
        finally:
            numba.config.CACHE_DIR = before
    return kernel


def compiled_before(file: str) -> bool:
    """Whether kernels of that package are in the cache; if not, the first run compiles them, which takes seconds."""
    directory = cache_directory(str(pathlib.Path(file).parent))
    return directory is not None and any(directory.rglob("*.nbi"))


@functools.lru_cache(maxsize=None)
def cache_directory(package: str) -> pathlib.Path | None:
    """Where the kernels of a package are kept, None where this user has no directory of its own or the package is in an archive."""
    sources = sorted(pathlib.Path(package).glob("*.py"))
    if not sources:
        return None
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    for base in filter(None, (os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"),
                              os.path.join(tempfile.gettempdir(), f"sre.runbooks-{os.getuid()}"))):
        directory = pathlib.Path(base, "sre.runbooks", f"{pathlib.Path(package).name}-{digest}")
        if _is_ours(directory):
            return directory
    return None


def _is_ours(directory: pathlib.Path) -> bool:
    """Create it; code is loaded from it, so no one else may be able to write there."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = directory.stat()
    except OSError:
        return False
    return facts.st_uid == os.getuid() and not facts.st_mode & 0o022 and os.access(directory, os.W_OK)
