# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value must look like, by the name of its option: found out before the first request, and not by the API server.

Types and choices are the argument spec's. A role's variables are called like the modules' options that they end up in, after the name of
the role, so the same table judges both.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _quantity
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput

Spec = t.Mapping[str, t.Mapping[str, t.Any]]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LONGEST_LABEL, _LONGEST_NAME, _LONGEST_ID, _LAST_PORT = 63, 253, 52, 65535
_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Form:
    """How the values of some options look.

    :param options: the names, of which a variable may have a part in front.
    :param holds: whether a value that is not empty is one.
    :param is_a: what it has to be, after "is not".
    :param example: values that are.
    :param needed: whether an empty value is refused where the option is required or has a default.
    """

    options: str
    holds: t.Callable[[t.Any], bool]
    is_a: str
    example: str
    needed: bool = False

    def names(self, option: str) -> bool:
        """Whether it is about this option."""
        return re.fullmatch(rf"(.*_)?({self.options})", option) is not None


def _label(value: t.Any) -> bool:
    return len(value) <= _LONGEST_LABEL and re.fullmatch(_LABEL, value) is not None


def _name(value: t.Any) -> bool:
    return len(value) <= _LONGEST_NAME and re.fullmatch(_SUBDOMAIN, value) is not None


def _workload(value: t.Any) -> bool:
    return _name(value.rpartition("/")[2])  # which kinds there are is Target's to say


def _incident_id(value: t.Any) -> bool:
    return len(value) <= _LONGEST_ID and re.fullmatch(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*", value.lower()) is not None


def _quantity_of_memory(value: t.Any) -> bool:
    try:
        return _quantity.parse(value) > 0
    except InvalidInput:
        return False


def _port(value: t.Any) -> bool:
    port = str(value).removeprefix("https:")
    return int(port) <= _LAST_PORT if re.fullmatch("[0-9]{1,9}", port) else re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?", port) is not None


def _url(schemes: str) -> t.Callable[[t.Any], bool]:
    def holds(value: t.Any) -> bool:
        try:
            parts = urllib.parse.urlsplit(value)
            return parts.scheme in schemes.split() and bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", value)
        except ValueError:  # a port that is no number, a bracket that is not closed
            return False
    return holds


def _path(value: t.Any) -> bool:
    return value.startswith("/") and not re.search(r"\s", value)


FORMS = (
    Form("namespace", _label, "the name of a namespace (small letters, digits and '-', at most 63)", "shop", needed=True),
    Form("workload", _workload, "the name of a workload (small letters, digits, '-' and '.')", "checkout, statefulset/db", needed=True),
    Form("container", _label, "the name of a container (small letters, digits and '-', at most 63)", "app"),
    Form("config_map|heap_dump_pod|pod", _name, "the name of an object (small letters, digits, '-' and '.')", "api-gateway-config"),
    Form("incident_id", _incident_id, "an id of an incident (1 to 52 letters, digits, '.', '_' and '-'; each part between dots begins and "
         "ends with a letter or digit)", "INC-1234"),
    Form("memory_limit|memory_request|max_memory", _quantity_of_memory, "a quantity of memory", "512Mi, 2Gi"),
    Form("metrics_port|redis_port", _port, "a port (0 to 65535, or the name of one)", "9090, metrics, https:8443"),
    Form("(?<!redis_)host", _url("http https"), "the URL of an API server", "https://kubernetes.example.com:6443"),
    Form("proxy", _url("http https socks4 socks4a socks5 socks5h"), "the URL of a proxy", "http://proxy.example.com:3128"),
    Form("smoke_url|url|prometheus_url", _url("http https"), "a URL", "http://auth-service:8080"),
    Form("metrics_path|login_path|validate_path", _path, "a path of a URL", "/metrics"),
)
_SHARES = re.compile(r"(.*_)?(near_limit|near_capacity|heap_full|login_success|tokens_rejected|(cpu|gc|error|throttled)_share)|(health_check_)?full")
_NUMBERS = ("int", "float")


def complaint(option: str, value: t.Any, spec: t.Mapping[str, t.Any]) -> str:
    """What is wrong with a value as one sentence with an example, empty where it is in order.

    :param option: of a module, or a role's variable.
    :param spec: the option's own; its type is taken as checked.
    """
    if value is None or spec.get("no_log") or spec.get("choices"):
        return ""
    if spec.get("type") in _NUMBERS:
        return _complaint_about_number(option, float(value))
    if spec.get("type", "str") not in ("str", "raw") or not isinstance(value, (str, int)):
        return ""
    form = next((form for form in FORMS if form.names(option)), None)
    if form is None or (str(value) == "" and not (form.needed and (spec.get("required") or spec.get("default")))) or form.holds(str(value)):
        return ""
    return f"{option} is {_shown(value)}, which is not {form.is_a}. For example: {form.example}."


def refuse(spec: Spec, params: t.Mapping[str, t.Any], called: t.Mapping[str, str]) -> None:
    """Raise InvalidInput with all that is wrong with a module's parameters.

    :param called: option -> the variable that its value came from.
    """
    wrong = [complaint(called.get(option, option), params.get(option), row) for option, row in spec.items()]
    if any(wrong):
        raise InvalidInput(" ".join(filter(None, wrong)), "Nothing was looked at, nothing was changed.")


def _complaint_about_number(option: str, value: float) -> str:
    if not math.isfinite(value) or value < 0:
        return f"{option} is {value:g}, which is not a number from 0 on. For example: 30."
    if _SHARES.fullmatch(option) and value > 1:
        return f"{option} is {value:g}, which is not a share from 0 to 1. For example: 0.9."
    return ""


def _shown(value: t.Any) -> str:
    text = str(value)
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN - 1] + "…") if text else "empty"
