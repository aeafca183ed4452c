# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer of a server that may be slow or endless: so many bytes, so many seconds, no more."""

from __future__ import annotations

import time
import typing as t

CHUNK = 1 << 16


class TooMuch(Exception):
    """More came, or it took longer, than was allowed; the text says which."""


def read_bounded(response: t.Any, most: int, ends: float) -> bytes:
    """The whole body of an answer that urllib3 has not read yet; an answer that is not read to its end is closed.

    :param most: bytes.
    :param ends: on the monotonic clock.
    :raises TooMuch: more bytes, or later.
    """
    chunks, size = [], 0
    try:
        while chunk := response.read1(CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                raise TooMuch(f"more than {most // 2 ** 20} MiB")
            if time.monotonic() > ends:
                raise TooMuch(f"its answer was not complete in time, after {size} bytes")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return b"".join(chunks)
