# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as files of a directory: the same content is written once."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput


def write(directory: str, files: t.Mapping[str, str], check_mode: bool) -> tuple[bool, list[str]]:
    """Write what differs.

    :param files: paths below the directory, and text.
    :returns: whether something differed, and every path.
    :raises InvalidInput: the directory cannot be written.
    """
    root = pathlib.Path(directory).expanduser()
    changed = False
    try:
        for name, text in files.items():
            path = root / name
            if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
                continue
            changed = True
            if not check_mode:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"Cannot write into {root}: {error.strerror}.", "Name a directory that this user may write.") from error
    return changed, [str(root / name) for name in files]
