# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Third-party libraries that may be absent, or broken, on a host that runs a module.

A file that uses one imports it in ``try … except Exception: pass``, because one that is half installed raises whatever it likes, and
calls ``require`` before it uses it.
"""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

#: requirements.txt, by the names that Python imports
REQUIREMENTS = ("bashlex", "cel_expr_python", "re2", "icalendar", "isal", "jsonpatch", "kubernetes", "numba", "numpy", "prometheus_client", "psycopg2", "redis",
                "zstandard")
#: those of them that a runbook does not use: whoever does requires them
OF_LEARNING = ("bashlex",)
OF_RUNBOOKS = tuple(package for package in REQUIREMENTS if package not in OF_LEARNING)


def absent(packages: t.Iterable[str]) -> dict[str, str]:
    """The packages that cannot be imported, each with the reason in words."""
    reasons = {package: _why_not(package) for package in packages}
    return {package: reason for package, reason in reasons.items() if reason}


def refuse(reasons: t.Mapping[str, str]) -> None:
    """Raise InvalidInput with the install command where a package is absent."""
    if reasons:
        raise InvalidInput(f"On the host that runs this task, {'; '.join(f'the Python package {name} {reason}' for name, reason in reasons.items())}.",
                           "Install the collection's requirements: pip install -r requirements.txt")


def require(*packages: str) -> None:
    """Refuse with the install command when a Python package cannot be imported."""
    refuse(absent(packages))


def _why_not(package: str) -> str:
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        return "is missing" if error.name == package else f"is broken ({error})"
    except BaseException as error:  # one that is half installed may raise whatever it likes
        return f"is broken ({type(error).__name__}: {str(error)[:200]})"
    return ""
