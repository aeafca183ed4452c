# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model where the user has one: an OpenAI-compatible endpoint, Anthropic's API or a local command, asked once and never waited for long."""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._assistant._prompts import SCHEMA
from ansible_collections.sre.runbooks.plugins.module_utils._core._bounded import CHUNK, TooMuch, read_bounded
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import urllib3
except Exception:
    pass

Json = t.Dict[str, t.Any]

OPENAI, ANTHROPIC, COMMAND = "openai", "anthropic", "command"
#: bytes of one answer
MOST_BYTES = 2 ** 20
_ANTHROPIC_URL, _ANTHROPIC_VERSION = "https://api.anthropic.com", "2023-06-01"
_TOOL = "phrase"


class NoAnswer(Exception):
    """Why a model says nothing, in words without secrets.

    :param after: seconds after which it may be asked again; None where that would not help.
    """

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


@dataclasses.dataclass(frozen=True)
class Model:
    """A model and how it is asked.

    :param url: of the API, without ``/chat/completions`` or ``/v1/messages``.
    :param command: a program and its arguments, given the prompt on its standard input.
    """

    kind: str
    model: str = ""
    url: str = ""
    api_key: str = dataclasses.field(default="", repr=False)
    command: tuple[str, ...] = ()
    validate_certs: bool = True

    def __post_init__(self) -> None:
        wanted = {OPENAI: self.url and self.model, ANTHROPIC: self.model, COMMAND: self.command}[self.kind]
        if not wanted or self.url and not self.url.startswith(("http://", "https://")):
            raise InvalidInput(f"runbooks_assistant of kind {self.kind} is not complete: openai needs url (http or https) and model, anthropic model, "
                               "command a program.", "Nothing was sent. docs/assistant.md has examples.")

    @property
    def shown(self) -> str:
        """For the report."""
        return self.model or os.path.basename(self.command[0])


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back.

    :param tokens: of prompt and answer, as the model counts them; None where it does not.
    """

    text: str
    tokens: tuple[int, int] | None


def ask(model: Model, rules: str, message: str, most_tokens: int, ends: float) -> Reply:
    """One question.

    :param most_tokens: of the answer.
    :param ends: on the monotonic clock.
    :raises NoAnswer: for whatever reason.
    """
    if model.kind == COMMAND:
        return Reply(_run(model.command, f"{rules}\n\n{message}\n", ends), None)
    answer = _post(model, *_request(model, rules, message, most_tokens), ends)
    try:
        return _of_anthropic(answer) if model.kind == ANTHROPIC else _of_openai(answer)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise NoAnswer("its answer has not the form of this API") from None


def _request(model: Model, rules: str, message: str, most_tokens: int) -> tuple[str, dict[str, str], Json]:
    """URL, headers and body."""
    if model.kind == ANTHROPIC:
        return (f"{(model.url or _ANTHROPIC_URL).rstrip('/')}/v1/messages", {"x-api-key": model.api_key, "anthropic-version": _ANTHROPIC_VERSION}, {
            "model": model.model, "max_tokens": most_tokens, "system": rules, "messages": [{"role": "user", "content": message}],
            "tools": [{"name": _TOOL, "description": "Takes the sentences.", "input_schema": SCHEMA}], "tool_choice": {"type": "tool", "name": _TOOL}})
    return (f"{model.url.rstrip('/')}/chat/completions", {"Authorization": f"Bearer {model.api_key}"} if model.api_key else {}, {
        "model": model.model, "max_tokens": most_tokens, "temperature": 0,
        "messages": [{"role": "system", "content": rules}, {"role": "user", "content": message}],
        "response_format": {"type": "json_schema", "json_schema": {"name": _TOOL, "strict": True, "schema": SCHEMA}}})


def _of_openai(answer: Json) -> Reply:
    usage = answer.get("usage") or {}
    return Reply(str(answer["choices"][0]["message"]["content"]), _tokens(usage.get("prompt_tokens"), usage.get("completion_tokens")))


def _of_anthropic(answer: Json) -> Reply:
    usage = answer.get("usage") or {}
    used = next(block for block in [*answer["content"], {}] if block.get("type") == "tool_use" or not block)
    return Reply(json.dumps(used["input"]), _tokens(usage.get("input_tokens"), usage.get("output_tokens")))


def _tokens(prompt: t.Any, answer: t.Any) -> tuple[int, int] | None:
    return (prompt, answer) if isinstance(prompt, int) and isinstance(answer, int) and prompt >= 0 and answer >= 0 else None


def _post(model: Model, url: str, headers: dict[str, str], body: Json, ends: float) -> Json:
    left = max(0.1, ends - time.monotonic())
    verify = {} if model.validate_certs else {"cert_reqs": "CERT_NONE"}
    try:
        with urllib3.PoolManager(timeout=urllib3.Timeout(connect=min(5.0, left), read=left), **verify) as pool:
            response = pool.request("POST", url, body=json.dumps(body).encode(), headers={"Content-Type": "application/json", "User-Agent": "sre.runbooks",
                                    **headers}, preload_content=False, redirect=False, retries=False)
            content = read_bounded(response, MOST_BYTES, ends)
    except TooMuch as error:
        raise NoAnswer(str(error)) from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(error, urllib3.exceptions.NewConnectionError):
            raise NoAnswer("it did not answer in time") from None
        raise NoAnswer(f"it cannot be reached ({_one_line(getattr(error, 'reason', None) or error)})") from None
    if response.status != 200:
        after = _seconds(response.headers.get("Retry-After")) if response.status in (429, 500, 502, 503, 504, 529) else None
        raise NoAnswer(f"it answered {response.status}: {_one_line(content.decode('utf-8', 'replace'))}", after)
    try:
        return json.loads(content)
    except ValueError:
        raise NoAnswer("its answer is no JSON") from None


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or 1))
    except ValueError:
        return 1.0


def _run(command: t.Sequence[str], prompt: str, ends: float) -> str:
    """What a program prints; it and what it has started are killed where that takes too long."""
    with tempfile.TemporaryFile() as given:
        given.write(prompt.encode("utf-8", "replace"))
        given.seek(0)
        try:
            process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            raise NoAnswer(f"{command[0]} cannot be run: {error.strerror}") from None
    try:
        printed = _printed(process, ends)
        status = process.wait(timeout=max(0.1, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise NoAnswer("it did not answer in time") from None
    finally:
        _end(process)
    if status:
        raise NoAnswer(f"{command[0]} ended with status {status}")
    return printed.decode("utf-8", "replace")


def _printed(process: "subprocess.Popen[bytes]", ends: float) -> bytes:
    chunks, size = [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while selector.select(max(0.0, ends - time.monotonic())):
            chunk = os.read(process.stdout.fileno(), CHUNK)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise NoAnswer(f"more than {MOST_BYTES // 2 ** 20} MiB")
    raise NoAnswer("it did not answer in time")


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.stdout.close()
    process.wait()


def _one_line(text: object) -> str:
    return " ".join(redact(str(text)).split()).rstrip(".")[:200]
