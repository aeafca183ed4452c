# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail with text and HTML; the messages of an incident are one conversation."""

from __future__ import annotations

import contextlib
import datetime
import email.headerregistry
import email.message
import email.utils
import html
import smtplib
import ssl
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._communication._answers import Rejected, TryLater, Undelivered, Unclear
from ansible_collections.sre.runbooks.plugins.module_utils._communication._message import Message, Part
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

Json = t.Dict[str, t.Any]


def payload(channel: t.Mapping[str, t.Any], message: Message, first: Json | None) -> Json:
    """What is sent, for a preview."""
    mail = _mail(channel, message, first)
    return {"subject": mail["Subject"], "from": mail["From"], "to": mail["To"], "text": message.text, "html": as_html(message)}


def send(channel: t.Mapping[str, t.Any], message: Message, first: Json | None, timeout: float) -> Json:
    """Hand it to the server; a repetition has the same Message-ID, by which mail systems drop it."""
    mail = _mail(channel, message, first)
    with _session(channel, timeout) as server:
        try:
            refused = server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPRecipientsRefused as error:
            code, said = next(iter(error.recipients.values()))
            raise _refusal(code, said) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Unclear(f"the connection broke before the server had confirmed it ({_short(error)})") from None
    return {"message_id": mail["Message-ID"], "refused": sorted(refused)}


def as_html(message: Message) -> str:
    """The message as a small page without anything from elsewhere."""
    links = "".join(f'<p><a href="{html.escape(address)}">{html.escape(name)}</a></p>' for name, address in message.links.items())
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"></head>'
            '<body style="font-family:system-ui,sans-serif;line-height:1.5">'
            f"<h2>{html.escape(message.title)}</h2>{''.join(map(_html, message.parts))}{links}"
            f"<p><small>{html.escape(message.incident_id)} on {html.escape(message.cluster)}</small></p></body></html>\n")


def _mail(channel: t.Mapping[str, t.Any], message: Message, first: Json | None) -> email.message.EmailMessage:
    domain = email.utils.parseaddr(channel["from"])[1].partition("@")[2] or "localhost"
    mail = email.message.EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = channel["from"]
    mail["To"] = ", ".join(channel["to"])
    mail["Date"] = datetime.datetime.fromisoformat(message.at)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    if first and first.get("message_id"):
        mail["In-Reply-To"] = mail["References"] = first["message_id"]
    mail.set_content(message.text)
    mail.add_alternative(as_html(message), subtype="html")
    return mail


def _html(part: Part) -> str:
    label = f"<b>{html.escape(part.label)}</b>" if part.label else ""
    if part.is_list:
        return f"{f'<p>{label}</p>' if label else ''}<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in part.lines)}</ul>"
    return f"<p>{label}{': ' if label else ''}{html.escape(' '.join(part.lines))}</p>"


@contextlib.contextmanager
def _session(channel: t.Mapping[str, t.Any], timeout: float) -> t.Iterator[smtplib.SMTP]:
    """A session with the server, encrypted as the channel asks (``always``, ``starttls``, ``try``, ``never``)."""
    try:
        server = _open(channel, timeout)
    except smtplib.SMTPResponseException as error:
        raise TryLater(f"the server answered {error.smtp_code} {_said(error.smtp_error)}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise TryLater(f"no connection ({_short(error)})") from None
    try:
        yield server
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()


def _open(channel: t.Mapping[str, t.Any], timeout: float) -> smtplib.SMTP:
    secure = channel.get("secure") or "try"
    context = ssl.create_default_context()
    if not channel.get("validate_certs", True):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = channel["host"], int(channel.get("port") or (465 if secure == "always" else 25))
    if secure == "always":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
        server.ehlo_or_helo_if_needed()
        if secure == "starttls" or secure == "try" and server.has_extn("starttls"):
            server.starttls(context=context)
    if channel.get("username"):
        server.login(channel["username"], channel.get("password") or "")
    return server


def _refusal(code: int, said: bytes | str) -> Undelivered:
    reason = f"the server answered {code} {_said(said)}"
    return Rejected(reason) if code >= 500 else TryLater(reason)


def _said(text: bytes | str) -> str:
    return _short(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def _short(error: object) -> str:
    return " ".join(redact(str(error) or type(error).__name__).split())[:160]
