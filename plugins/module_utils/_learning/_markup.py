# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from outside in Markdown."""

from __future__ import annotations

import html


def line(text: str) -> str:
    """One line, which is no HTML."""
    return html.escape(" ".join(str(text).split()), quote=False)


def cell(text: str) -> str:
    """The same in a table."""
    return line(text).replace("|", "\\|")
