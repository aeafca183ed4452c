# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels compiled by numba: where their machine code is kept, and what happens where numba is not installed.

Files with kernels import ``np`` and ``njit`` from here, so that they can be imported without either library; whoever runs a kernel
calls ``require_compiler`` first. Importing this file takes half a second: only files that need it do, lazily.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._optional import require

__all__ = ["njit", "np", "numba", "require_compiler"]

Function = t.TypeVar("Function", bound=t.Callable[..., t.Any])

numba: t.Any = None
np: t.Any = None
try:
    import numba
    import numpy as np
except ImportError:  # told by require_compiler, when a kernel is needed
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
        # Code that runs from a zip archive has no file that a cache could be checked against.
        kept = os.path.exists(function.__code__.co_filename)
        return numba.njit(cache=kept, nogil=True, **options)(function)

    return decorate


def _cache_directory() -> str:
    """A directory of this user: the collection's own may be read-only, and nobody else may put machine code there."""
    base = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path("~/.cache").expanduser())
    directory = base / "sre.runbooks" / "kernels"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return str(directory)
    except (OSError, RuntimeError):
        return tempfile.mkdtemp(prefix="sre-runbooks-")


if numba is not None and not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = _cache_directory()
