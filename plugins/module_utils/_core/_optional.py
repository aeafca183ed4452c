# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Third-party libraries that may be absent on a host that runs a module."""

from __future__ import annotations

import importlib.util

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput


def require(*packages: str) -> None:
    """Refuse with the install command when a Python package cannot be imported."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InvalidInput(
            f"The Python package {', '.join(missing)} is missing on the host that runs this task.",
            "Install the collection's requirements: pip install -r requirements.txt")
