# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of every page that people open: one file that loads nothing, whatever stands in it."""

from __future__ import annotations

import html
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._page_style import STYLE

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def frame(title: str, header: str, main: str, style: str = "", foot: str = "", script: str = "") -> str:
    """A whole page.

    :param title: of the window, as text; everything else is markup, ``style`` and ``script`` without their tags.
    """
    policy, scripted = (f"{_POLICY}; script-src 'unsafe-inline'", f"<script>{script}</script>") if script else (_POLICY, "")
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{safe(title)}</title><style>{STYLE}{style}</style></head>'
            f"<body><header>{header}</header><main>{main}</main>{foot}{scripted}</body></html>\n")


def safe(text: t.Any) -> str:
    """Text that is no markup."""
    return html.escape(str(text))
