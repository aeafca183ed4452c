# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request to a receiver, and what its answer means for the message."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import http.client
import json
import typing as t
import urllib.error

from ansible.module_utils.urls import ConnectionError as UrlConnectionError
from ansible.module_utils.urls import open_url

from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Rejected, TryLater, Unclear
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

#: the request itself is at fault: sending it again would be answered the same
MALFORMED = {400, 406, 409, 411, 413, 415, 422}
MOST = 16 * 1024 * 1024

Json = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Answer:
    """A receiver's answer that is not an error.

    :param body: decoded JSON, an empty dictionary where it is none.
    """

    status: int
    body: Json


def ask(method: str, url: str, headers: t.Mapping[str, str], timeout: float, body: t.Any = None, validate_certs: bool = True) -> Answer:
    """Send one request; raises what came of it where the receiver did not take it.

    :param timeout: seconds for connecting, and for each wait for bytes.
    """
    data = None if body is None else encoded(body)
    sent_headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json, */*", **headers}
    try:
        with open_url(url, method=method, data=data, headers=sent_headers, timeout=timeout, validate_certs=validate_certs,
                      http_agent="sre.runbooks", follow_redirects="safe") as response:
            return Answer(response.status, _decoded(response.read(MOST)))
    except urllib.error.HTTPError as error:
        raise _refusal(error) from None
    except (urllib.error.URLError, UrlConnectionError) as error:  # before the request was sent whole
        raise TryLater(f"no connection ({_short(getattr(error, 'reason', error))})") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unclear(f"the connection broke before the answer ({_short(error)})") from None
    except ValueError as error:
        raise Rejected(f"its URL cannot be used ({type(error).__name__})") from None


def encoded(body: t.Any) -> bytes:
    """The bytes of a request's body."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def retry_after(value: str | None, moment: datetime.datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date; None where it says nothing."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - (moment or datetime.datetime.now(datetime.timezone.utc))).total_seconds())


def _refusal(error: urllib.error.HTTPError) -> Exception:
    said = redact(error.read(2000).decode("utf-8", "replace")).split()
    reason = f"it answered {error.code}{': ' + ' '.join(said)[:200] if said else ''}"
    if error.code in MALFORMED:
        return Rejected(reason)
    return TryLater(reason, retry_after(error.headers.get("Retry-After")))


def _decoded(content: bytes) -> Json:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _short(error: object) -> str:
    return " ".join(redact(str(error) or type(error).__name__).split())[:120]
