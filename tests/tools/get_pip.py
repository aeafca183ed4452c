# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py in ansible-test's cache: installs pip from the wheel that lies beside this file.

ansible-test downloads the real one from a host of its own, which build machines often cannot reach; the wheel
comes from the package index like everything else.
"""

from __future__ import annotations

import pathlib
import sys

WHEEL = next(pathlib.Path(__file__).parent.glob("pip-*.whl"))
sys.path.insert(0, str(WHEEL))


def install() -> int:
    """Install the wheel with the pip that is inside it, with the options that pip itself knows."""
    from pip._internal.cli.main import main

    options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
    return main(["install", *(str(WHEEL) if option.startswith("pip==") else option for option in options)])


if __name__ == "__main__":
    sys.exit(install())
