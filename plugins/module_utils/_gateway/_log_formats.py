# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access logs that gateways write, as text and as JSON: lines to entries, each format with its own units.

A field that cannot be read is unknown, and the request still counts.
"""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
import json
import re
import typing as t

Json = t.Dict[str, t.Any]
Fields = t.Mapping[str, t.Any]

#: who ended a request that failed, as far as the log tells: the upstream (it answered so, was slow, refused or is not there), the
#: gateway itself (no route, its own limits), the client (it went away before it was answered: often because the upstream is slow)
UPSTREAM, GATEWAY, CLIENT, UNKNOWN = "upstream", "gateway", "client", "unknown"

#: nginx writes one value for each upstream that it tried, and after an internal redirect goes on behind a colon
_LIST = r"[^\s,]+(?:(?:, | : )[^\s,]+)*"
_REQUEST = r'"(?P<request>[^"\\]*(?:\\.[^"\\]*)*)"'
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
#: a host's name before an address, where four words stand before the time
_HOST = r"(?:\S{1,255} (?=[\da-fA-F.:]{2,45} \S+ \S+ \[))?"

#: Named groups: client, forwarded (X-Forwarded-For), route or request (the request line), status, request_id, ms or seconds, upstream,
#: upstream_ms or upstream_seconds, refused (matches only where the gateway refused on purpose), and of single formats flags (Envoy's
#: response flags, HAProxy's termination state), tried (upstreams), upstream_status, retries, and HAProxy's times.
PRESETS: dict[str, str] = {
    "shop": (
        r"INFO access client=(?P<client>\S+) route=(?P<route>\S+) req=(?P<request_id>\S*) status=(?P<status>\d+) "
        r"ms=(?P<ms>[\d.]+)(?: upstream=(?P<upstream>\S+) upstream_ms=(?P<upstream_ms>\S+) "
        r"refused=(?:(?P<refused>shed|rate_limit|circuit)|\S+))?"),
    # What ingress-nginx adds to the combined format.
    "nginx": (
        rf'^{_HOST}(?P<client>\S+) [^\[\]"]{{1,200}}\[(?P<time>[^\]]{{1,60}})\] {_REQUEST} (?P<status>\d+|-) (?:\d+|-) {_QUOTED} {_QUOTED} \d+ '
        rf"(?P<seconds>[\d.]+|-) \[(?P<upstream>[^\]]*)\] \[[^\]]*\] (?P<tried>{_LIST}) {_LIST} (?P<upstream_seconds>{_LIST}) "
        rf"(?P<upstream_status>{_LIST}) (?P<request_id>\S+)"),
    # The common format of Apache, nginx and Kong, with or without referrer and agent, and what people add to it behind.
    "combined": (
        rf'^(?:[\w.-]+:\d+ |{_HOST})(?P<client>\S+) [^\[\]"]{{1,200}}\[(?P<time>[^\]]{{1,60}})\] {_REQUEST} (?P<status>\d+|-) (?:\d+|-)'
        rf"(?: {_QUOTED} {_QUOTED})?(?P<more>.*)$"),
    "traefik": (
        rf'^{_HOST}(?P<client>\S+) [^\[\]"]{{1,200}}\[(?P<time>[^\]]{{1,60}})\] {_REQUEST} (?P<status>\d+|-) (?:\d+|-) {_QUOTED} {_QUOTED} \d+ '
        r'"(?P<upstream>[^"]*)" "(?P<tried>[^"]*)" (?P<ms>\d+)ms'),
    # Envoy's default format, with Ambassador's word before it, and Istio's, which tells more of the reason, and whom it was for.
    "envoy": (
        rf'^(?:ACCESS )?\[(?P<time>[^\]]{{1,60}})\] {_REQUEST} (?P<status>\d+|-) (?P<flags>[\w,-]+)(?:(?: \S+ \S+)? "[^"]*"){{0,2}} '
        r'\d+ \d+ (?P<ms>\d+|-) (?P<upstream_ms>\d+|-) "(?P<forwarded>[^"]*)" "[^"]*" "(?P<request_id>[^"]*)" "[^"]*" '
        r'"(?P<tried>[^"]*)"(?: (?P<upstream>\S+) \S+ \S+ (?P<client>\S+))?'),
    "haproxy": (
        r"(?:^|\s)(?P<client>[\w.:]{2,45}):\d+ \[(?P<time>[^\]]{1,60})\] \S+ (?P<upstream>[^\s/]+)/(?P<server>\S+) "
        r"(?P<tq>-?\d+)/(?P<tw>-?\d+)/(?P<tc>-?\d+)/(?P<tr>-?\d+)/\+?(?P<ms>-?\d+) (?P<status>-?\d+) \+?\d+ \S+ \S+ (?P<flags>[\w-]{4}) "
        r'\d+/\d+/\d+/\d+/\+?(?P<retries>\d+) \d+/\d+ (?:\{[^}]*\} ?){0,2}"(?P<request>[^"]*)'),
    # Application and classic load balancers of AWS.
    "alb": (
        r"^(?:(?:https?|h2|grpcs|wss?) )?(?:(?P<time>\d{4}-\d\d-\d\dT\S+) )?[\w./-]+ (?P<client>[\w.:]{2,45}):\d+ (?P<tried>\S+) "
        rf"(?P<wait>-?[\d.]+) (?P<upstream_seconds>-?[\d.]+) (?P<send>-?[\d.]+) (?P<status>\d+|-) (?P<upstream_status>\d+|-) -?\d+ -?\d+ {_REQUEST}"
        rf'(?: {_QUOTED}(?: \S+ \S+ (?P<upstream>\S+) "(?P<request_id>[^"]*)")?)?'),
    "cloudfront": (
        r"^(?P<date>\d{4}-\d\d-\d\d)\t(?P<clock>\d\d:\d\d:\d\d)\t[^\t]+\t[^\t]+\t(?P<client>[^\t]+)\t[^\t]+\t(?P<upstream>[^\t]+)\t(?P<route>[^\t]+)\t"
        r"(?P<status>\d+|-)\t(?:[^\t]*\t){4}(?P<result>[^\t]+)\t(?P<request_id>[^\t]+)\t(?:[^\t]*\t){3}(?P<seconds>[\d.]+|-)\t(?P<forwarded>[^\t]*)"
        r"(?:\t(?:[^\t]*\t){8}(?P<flags>[^\t]*))?"),
}
#: a text that every line of a format holds: most formats are passed over by it
_HINTS = {"shop": "INFO access ", "nginx": "] [", "traefik": "ms", "cloudfront": "\t", "haproxy": "/", "envoy": "[", "alb": " ", "combined": "["}
#: formats that are tried for each name that a person may ask for
CHOICES: dict[str, tuple[str, ...]] = {
    "auto": ("shop", "nginx", "traefik", "envoy", "haproxy", "alb", "cloudfront", "combined"), "shop": ("shop",), "nginx": ("nginx", "combined"),
    "apache": ("combined",), "kong": ("combined",), "envoy": ("envoy",), "traefik": ("traefik", "combined"), "haproxy": ("haproxy",), "alb": ("alb",),
    "cloudfront": ("cloudfront",), "json": (), "caddy": ()}


@dataclasses.dataclass(frozen=True)
class Keys:
    """One program's JSON: by which keys it is known, and which key holds what (a dot goes into an object)."""

    family: str
    known_by: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]


_ID = ("request_id", "req_id", "x_request_id", "requestId", "x-request-id", "traceparent", "trace_id")
JSON_KEYS = (
    Keys("traefik", ("DownstreamStatus", "OriginStatus"), {
        "client": ("ClientHost", "ClientAddr"), "route": ("RequestPath",), "status": ("DownstreamStatus", "OriginStatus"),
        "request_id": ("request_X-Request-Id", "request_X-Request-ID", "RequestId"), "ns": ("Duration",), "upstream": ("ServiceName", "BackendName"),
        "upstream_ns": ("OriginDuration",), "upstream_status": ("OriginStatus",), "tried": ("ServiceAddr", "ServiceURL", "BackendAddr"),
        "retries": ("RetryAttempts",), "time": ("StartUTC", "time")}),
    Keys("kong", ("latencies",), {
        "client": ("client_ip",), "route": ("request.uri", "upstream_uri"), "status": ("response.status",),
        "request_id": ("request.id", "request.headers.x-request-id", "request.headers.kong-request-id"), "ms": ("latencies.request",),
        "upstream": ("service.name", "service.host", "route.name"), "upstream_ms": ("latencies.proxy",), "upstream_status": ("upstream_status",),
        "tried": ("tries",), "flags": ("source",), "time": ("started_at",)}),
    Keys("caddy", ("request.uri",), {
        "client": ("request.client_ip", "request.remote_ip", "request.remote_addr"), "route": ("request.uri",), "status": ("status",),
        "request_id": ("uuid", "request_id", "request.headers.X-Request-Id"), "seconds": ("duration",), "upstream": ("upstream", "upstream.host"),
        "upstream_ms": ("upstream_duration_ms",), "upstream_seconds": ("upstream_latency", "upstream_duration"), "time": ("ts",)}),
    Keys("envoy", ("response_flags", "response_code", "upstream_service_time", "responseFlags"), {
        "client": ("downstream_remote_address", "downstream_remote", "client_ip", "remote_addr", "client"),
        "forwarded": ("x_forwarded_for", "forwarded_for", "x-forwarded-for"), "route": ("path", "x-envoy-origin-path", "uri", "request_path"),
        "status": ("response_code", "status_code", "status", "code"), "request_id": _ID, "ms": ("duration", "total_duration", "duration_ms"),
        "upstream": ("upstream_cluster", "upstream_host"), "upstream_ms": ("upstream_service_time", "x-envoy-upstream-service-time"),
        "tried": ("upstream_host",), "flags": ("response_flags", "responseFlags"), "attempts": ("upstream_request_attempt_count", "request_attempt_count"),
        "time": ("start_time", "timestamp", "time")}),
    Keys("haproxy", ("termination_state", "term_state"), {
        "client": ("client_ip", "client", "remote_addr"), "forwarded": ("x_forwarded_for",), "route": ("path", "uri", "http_uri"),
        "request": ("http_request", "request"), "status": ("http_status", "status", "status_code"), "request_id": _ID,
        "ms": ("session_duration", "time_duration", "total_time", "active_time"), "upstream": ("backend_name", "backend"),
        "tr": ("upstream_response_time", "time_backend_response"), "server": ("server_name", "server"), "flags": ("termination_state", "term_state"),
        "retries": ("retries",), "time": ("haproxy_timestamp", "time")}),
    Keys("gcp", ("httpRequest.status",), {
        "client": ("httpRequest.remoteIp",), "route": ("httpRequest.requestUrl",), "status": ("httpRequest.status",), "request_id": ("trace", "insertId"),
        "seconds": ("httpRequest.latency",), "upstream": ("resource.labels.backend_service_name",), "flags": ("jsonPayload.statusDetails",),
        "time": ("timestamp",)}),
    # nginx, whose keys each installation names; times are seconds, as nginx knows no others.
    Keys("nginx", ("request_time", "upstream_response_time", "upstream_addr", "proxy_upstream_name", "body_bytes_sent", "request_length"), {
        "client": ("client", "remote_addr", "remote_ip", "client_ip", "clientip"),
        "forwarded": ("x_forwarded_for", "http_x_forwarded_for", "x-forward-for", "x_forward_for", "x-forwarded-for"),
        "route": ("route", "path", "uri", "request_uri", "url"), "request": ("request",), "status": ("status", "response_code", "status_code"),
        "request_id": _ID, "ms": ("ms", "duration_ms"), "seconds": ("request_time", "duration", "request_duration"),
        "upstream": ("upstream", "upstream_cluster", "proxy_upstream_name", "upstream_name", "upstream_host", "upstream_addr"),
        "upstream_ms": ("upstream_ms",), "upstream_seconds": ("upstream_response_time", "upstream_duration"), "upstream_status": ("upstream_status",),
        "tried": ("upstream_addr",), "refused": ("refused",), "time": ("time", "time_iso8601", "timestamp", "@timestamp")}),
    # Anybody's; a duration without a unit is not guessed.
    Keys("", (), {
        "client": ("client", "remote_addr", "client_ip", "remote_ip", "clientip", "ip", "client.ip", "source.ip", "remote_host"),
        "forwarded": ("x_forwarded_for", "http_x_forwarded_for"),
        "route": ("route", "path", "uri", "request_uri", "url", "url.path", "http.url", "requested_uri", "requested_url"), "request": ("request",),
        "status": ("status", "response_code", "status_code", "http_status", "statusCode", "http.status_code", "http.response.status_code"),
        "request_id": _ID, "ms": ("ms", "duration_ms", "latency_ms", "response_time_ms", "elapsed_ms", "elapsed_time"),
        "seconds": ("duration_s", "duration_seconds"),
        "worded": ("duration", "latency", "elapsed"), "upstream": ("upstream", "upstream_cluster", "proxy_upstream_name", "upstream_host"),
        "upstream_ms": ("upstream_ms",), "upstream_seconds": ("upstream_seconds",), "refused": ("refused",),
        "time": ("time", "timestamp", "@timestamp", "ts")}),
)

#: of whom was asked a dash says something: nobody was
_NOTHING = dict.fromkeys(("tried", "upstream_status", "upstream_seconds"), (None,))
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$")
#: what loggers of Java write before a line of an access log, and Caddy's console before its fields
_LOGGER = re.compile(r".{0,300}?AccessLog\S{0,40}\s{0,20}:\s{1,4}")
_CONSOLE = re.compile(r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*\t[^{\n]{1,200}\t(?=\{)")
_CRI = re.compile(r"std(?:out|err) [FP] ")
_VARIABLE = re.compile(r"(?<=/)(?:\d+|[0-9a-f]{8,}|[0-9a-f]{8}-[0-9a-f-]{27})(?=/|$)", re.IGNORECASE)
_ORIGIN = re.compile(r"^[a-z]{2,8}://[^/\s]*", re.IGNORECASE)
_SEVERAL = re.compile(r",\s*|\s+:\s+")
_PORT = re.compile(r"^(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>\d{1,3}(?:\.\d{1,3}){3}))(?::\d+)?$")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)(?![a-z])")
_UNITS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 36e5}
#: what people write behind nginx's combined format
_PAIR = re.compile(r'\b(?P<key>rt|urt|request_time|upstream_response_time|upstream_addr|upstream|ups|us|upstream_status|request_id|rid|req_id|kong_request_id)'
                   r'[=:] ?"?(?P<value>[^"\s]+(?:, [^"\s,]+)*)"?')
_PAIRS = {"rt": "seconds", "request_time": "seconds", "urt": "upstream_seconds", "upstream_response_time": "upstream_seconds", "upstream_addr": "tried",
          "upstream": "tried", "ups": "tried", "us": "upstream_status", "upstream_status": "upstream_status", "request_id": "request_id",
          "rid": "request_id", "req_id": "request_id", "kong_request_id": "request_id"}
#: the address that nginx's own example of a format puts behind the agent, and a time with nginx's three decimals
_FORWARDED = re.compile(r'^ "(?P<forwarded>[0-9a-fA-F][0-9a-fA-F.:]+(?:, [0-9a-fA-F.:]+)*)"')
_NGINX_TIMES = re.compile(r"^(?: \d+)? (?P<seconds>\d+\.\d{3})(?: (?P<upstream_seconds>\d+\.\d{3}(?:(?:, | : )\d+\.\d{3})*))?(?= |$)")
_LOOKS_LIKE = re.compile(r'"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT) |HTTP/[123](?:\.\d)?"|"(?:http_)?status(?:_?[cC]ode)?"\s*:|"response_code"\s*:')

#: Envoy's response flags: what was refused on purpose, and who ended a request; no flag and 5xx is the upstream's own answer
_ENVOY_REFUSED = ("RL", "UO", "OM")
_ENVOY_ENDED = {**dict.fromkeys(("UF", "UC", "UT", "UR", "URX", "UH", "UPE", "LR", "LH", "SI", "DF"), UPSTREAM),
                **dict.fromkeys(("DC", "DPE", "IH", "DR"), CLIENT),
                **dict.fromkeys(("NR", "NC", "NFCF", "RLSE", "UMSDR", "DT", "OM", "UO", "RL", "UAEX", "RFCF", "FI", "DO"), GATEWAY)}
#: statuses by which gateways say that the client went away: nginx and Traefik, load balancers of AWS
_GAVE_UP = (499, 460)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One request.

    :param at: Unix time, from the kubelet's time stamp.
    :param status: 0 where none was sent, or none can be read.
    :param ms: until it was answered, None where the log does not say; ``upstream_ms`` likewise, of all upstreams that were tried.
    :param request_id: empty where the log has none.
    :param refused: why the gateway refused it on purpose, empty otherwise.
    :param ended_by: who ended a request that failed (UPSTREAM, GATEWAY, CLIENT, UNKNOWN), empty for others.
    :param attempts: how many upstreams the gateway tried, None where the log does not say.
    :param flags: what the gateway itself noted of the reason.
    """

    at: float
    client: str
    route: str
    status: int
    request_id: str = ""
    ms: float | None = None
    upstream: str = ""
    upstream_ms: float | None = None
    refused: str = ""
    ended_by: str = ""
    attempts: int | None = None
    flags: str = ""


class Parser:
    """Lines to entries, in the formats given; the one that fitted last is tried first."""

    def __init__(self, name: str = "auto", regex: str = "", fields: t.Mapping[str, t.Sequence[str]] | None = None) -> None:
        """Prepare.

        :param name: one of CHOICES.
        :param regex: another format, with the groups of PRESETS, in the place of them all.
        :param fields: keys of JSON lines, in the place of the built-in ones.
        """
        self._formats = [("", re.compile(regex))] if regex else [(preset, re.compile(PRESETS[preset])) for preset in CHOICES[name]]
        self._json = not regex and name in ("auto", "json", "caddy", "traefik", "kong", "envoy", "haproxy", "nginx")
        self._fields = {group: (keys,) if isinstance(keys, str) else tuple(keys) for group, keys in (fields or {}).items()}

    def parse(self, line: str) -> Entry | None:
        """An entry from a line that begins with the kubelet's time, or has one of its own; None when it is none."""
        stamp, space, text = line.partition(" ")
        if not space or not _STAMP.match(stamp):
            stamp, text = "", line
        elif cri := _CRI.match(text):
            text = text[cri.end():]
        if "AccessLog" in text and (logger := _LOGGER.match(text)):
            text = text[logger.end():]
        family, found = self._read(text)
        if found is None or (request := str(found.get("request") or "")) == "- - -":  # of a connection that was no request
            return None
        at = _time(stamp) if stamp else _own_time(found)
        return None if at is None else _entry(at, family, found, request)

    def _read(self, text: str) -> tuple[str, Json | None]:
        if self._json and text[:1] == "{":
            return self._read_json(text)
        if self._json and (console := _CONSOLE.match(text)):
            family, found = self._read_json(text[console.end():])
            if found is not None:
                found["time"] = found["time"] or console["time"].replace("/", "-")
                return family, found
        return self._match(text)

    def _match(self, text: str) -> tuple[str, Json | None]:
        for position, (name, pattern) in enumerate(self._formats):
            if name and _HINTS[name] not in text:
                continue
            if match := pattern.search(text):
                if name == "combined":  # stays the last: every other one reads more of a line that fits both
                    found = match.groupdict()
                    return "nginx", {**found, **_behind(found["more"])}
                self._formats.insert(0, self._formats.pop(position))
                return name, match.groupdict()
        return "", None

    def _read_json(self, text: str) -> tuple[str, Json | None]:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return "", None
        if not isinstance(data, dict):
            return "", None
        keys = next(keys for keys in JSON_KEYS if not keys.known_by or any(_at(data, key) is not None for key in keys.known_by))
        wanted = {**keys.fields, **self._fields}
        if not any(_at(data, key) is not None for key in wanted["status"]):
            return "", None
        return keys.family, {group: next((value for key in names if (value := _at(data, key)) not in _NOTHING.get(group, (None, "", "-", []))), None)
                             for group, names in wanted.items()}


def looks_like_a_request(line: str) -> bool:
    """Whether a line that no format fits seems to be of an access log all the same."""
    return _LOOKS_LIKE.search(line) is not None


def _at(data: Json, key: str) -> t.Any:
    """What is at a key, or along keys with dots; the first of a list, as headers are written; None where nothing is."""
    value: t.Any = data.get(key)
    if value is None and "." in key:
        value = data
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else value


def _behind(more: str) -> Json:
    """What people write behind the combined format, as far as it can be understood."""
    found = {_PAIRS[match["key"]]: match["value"] for match in _PAIR.finditer(more)}
    if forwarded := _FORWARDED.match(more):
        found["forwarded"] = forwarded["forwarded"]
        more = more[forwarded.end():]
    if times := _NGINX_TIMES.match(more):
        found.update({name: value for name, value in times.groupdict().items() if value})
    return found


def _entry(at: float, family: str, found: Fields, request: str) -> Entry:
    status = _status(found.get("status"))
    flags = _unless_dash(found.get("flags"))
    flags = flags if flags.strip("-") else ""
    attempts = _attempts(family, found)
    ms, upstream_ms = _times(family, found)
    refused = _unless_dash(found.get("refused")) or _refused(family, flags, status, found)
    tried = _unless_dash(found.get("tried"))
    upstream = _unless_dash(found.get("upstream")) or _SEVERAL.split(tried)[-1]
    route = str(found.get("route") or (request.split(" ")[1:2] or ["-"])[0])
    return Entry(at, _client(found), _route(route), status, _unless_dash(found.get("request_id")), ms,
                 "" if upstream == "<NOSRV>" else _SEVERAL.split(upstream)[-1], upstream_ms, refused,
                 "" if refused else _ended_by(family, found, status, flags), attempts, flags)


def _client(found: Fields) -> str:
    """Who asked: the first of X-Forwarded-For, or the other end of the connection, without its port."""
    forwarded = _unless_dash(found.get("forwarded"))
    address = (forwarded or str(found.get("client") or "-")).partition(",")[0].strip()
    if match := _PORT.match(address):
        address = match["v4"] or match["v6"]
    if ":" in address:
        try:
            parsed = ipaddress.IPv6Address(address)
            address = str(parsed.ipv4_mapped or parsed)
        except ValueError:
            pass
    return address or "-"


def _status(value: t.Any) -> int:
    try:
        number = int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 100 <= number <= 999 else 0


def _times(family: str, found: Fields) -> tuple[float | None, float | None]:
    """Milliseconds of the request, and of the upstreams."""
    ms = _ms(found, "ms", "seconds", "ns", "worded")
    upstream = _ms(found, "upstream_ms", "upstream_seconds", "upstream_ns")
    if family == "alb":
        parts = [_number(found.get(name)) for name in ("wait", "upstream_seconds", "send")]
        ms = sum(part * 1000 for part in parts if part is not None) if any(part is not None for part in parts) else None
    elif family == "haproxy":
        queued = sum(_number(found.get(name)) or 0.0 for name in ("tq", "tw"))
        answered = _number(found.get("tr"))
        if answered is not None:
            upstream = answered + (_number(found.get("tc")) or 0.0)
        elif ms is not None and _unless_dash(found.get("flags"))[:1] in ("s", "S") and "tw" in found and _number(found["tw"]) is not None:
            upstream = max(0.0, ms - queued)  # it waited for a server until it gave up
    return ms, upstream


def _ms(found: Fields, *groups: str) -> float | None:
    """The first of the groups that can be read, in milliseconds."""
    factors = {"seconds": 1e3, "ns": 1e-6}
    for group in groups:
        value = found.get(group)
        if value in (None, "", "-"):
            continue
        if isinstance(value, str) and (parts := _DURATION.findall(value)):  # as Go writes it: 1m2.5s
            return sum(float(amount) * _UNITS[unit] for amount, unit in parts)
        number = None if group.endswith("worded") else _sum(value)
        if number is not None:
            return number * factors.get(group.removeprefix("upstream_"), 1.0)
    return None


def _sum(value: t.Any) -> float | None:
    """A number, or the sum of several, as nginx writes them; None where there is none."""
    if not isinstance(value, str):
        return _number(value)
    numbers = [number for part in _SEVERAL.split(value) if (number := _number(part)) is not None]
    return sum(numbers) if numbers else None


def _number(value: t.Any) -> float | None:
    """A number of something, None where it is none: gateways write -1 for what did not happen."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 1e15 else None


def _attempts(family: str, found: Fields) -> int | None:
    if (attempts := _number(found.get("attempts"))) is not None:
        return int(attempts)
    if (retries := _number(found.get("retries"))) is not None:
        return int(retries) + 1
    tried = found.get("tried")
    if isinstance(tried, list):
        return len(tried)
    return len([one for one in _SEVERAL.split(tried) if one != "-"]) if family == "nginx" and isinstance(tried, str) else None


def _refused(family: str, flags: str, status: int, found: Fields) -> str:
    """Why the gateway refused on purpose, in its own word."""
    if family == "envoy":
        return next((flag for flag in flags.split(",") if flag in _ENVOY_REFUSED), "")
    if family == "haproxy":
        return flags if flags[:2] in ("PR", "PT") and status in (403, 429, 503) else ""
    if family == "cloudfront" and found.get("result") == "LimitExceeded":
        return "LimitExceeded"
    return ""


def _ended_by(family: str, found: Fields, status: int, flags: str) -> str:
    """Who ended a request that failed; empty for one that did not."""
    if status in _GAVE_UP or family == "envoy" and "DC" in flags.split(","):
        return CLIENT
    if family == "haproxy" and flags[:1] in ("C", "c"):
        return CLIENT
    if status == 0 and family == "cloudfront":
        return CLIENT
    if status < 500 and not (status == 0 and flags):
        return ""
    return _ENDED.get(family, _by_nobody)(found, status, flags)


def _by_nobody(found: Fields, status: int, flags: str) -> str:
    return UNKNOWN


def _by_envoy(found: Fields, status: int, flags: str) -> str:
    known = [_ENVOY_ENDED[flag] for flag in flags.split(",") if flag in _ENVOY_ENDED]
    if known:
        return known[0]
    return UPSTREAM if status >= 500 and not flags else UNKNOWN


def _by_haproxy(found: Fields, status: int, flags: str) -> str:
    if flags[:2] in ("sQ", "PR", "PQ") or flags[:1] in ("L", "R", "I", "K", "D", "U"):
        return GATEWAY
    return UPSTREAM  # refused, timed out, an answer that cannot be read (PH), or the server's own


def _by_nginx(found: Fields, status: int, flags: str) -> str:
    """What reached an upstream and came back as 5xx is the upstream's; what reached none is nginx' own."""
    told = next((value for name in ("upstream_status", "tried", "upstream_seconds") if (value := found.get(name)) is not None), None)
    if told is None:
        return UNKNOWN
    return UPSTREAM if any(part not in ("-", "") for part in _SEVERAL.split(str(told))) else GATEWAY


def _by_origin(found: Fields, status: int, flags: str) -> str:
    """Traefik and Kong say what the origin answered, or whom they asked."""
    if flags:
        return UPSTREAM if flags in ("upstream", "service") else GATEWAY
    told = next((value for name in ("upstream_status", "tried") if (value := found.get(name)) is not None), None)
    if told is None:
        return UNKNOWN
    return UPSTREAM if told not in ("-", "", "0", 0, []) else GATEWAY


def _by_alb(found: Fields, status: int, flags: str) -> str:
    answered = _unless_dash(found.get("upstream_status"))
    return UPSTREAM if answered or status in (502, 503, 504) else GATEWAY


def _by_cloudfront(found: Fields, status: int, flags: str) -> str:
    if flags.startswith(("Lambda", "Function", "Capacity")):
        return GATEWAY
    return UPSTREAM


def _by_gcp(found: Fields, status: int, flags: str) -> str:
    if flags.startswith(("backend_", "failed_to_", "response_sent_by_backend", "failed_to_pick_backend")):
        return UPSTREAM
    return CLIENT if flags.startswith("client_") else UNKNOWN


_ENDED: dict[str, t.Callable[[Fields, int, str], str]] = {
    "envoy": _by_envoy, "haproxy": _by_haproxy, "nginx": _by_nginx, "traefik": _by_origin, "kong": _by_origin, "alb": _by_alb,
    "cloudfront": _by_cloudfront, "gcp": _by_gcp}


def _time(text: str) -> float | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()


def _own_time(found: Fields) -> float | None:
    """The time that the program itself wrote."""
    if found.get("date"):
        return _time(f"{found['date']}T{found['clock']}")
    value = found.get("time")
    number = _number(value)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    text = str(value or "")
    for form in ("%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S.%f", "%d/%b/%Y:%H:%M:%S"):
        try:
            moment = datetime.datetime.strptime(text, form)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
    return _time(text)


def _route(path: str) -> str:
    return _VARIABLE.sub("*", _ORIGIN.sub("", path).partition("?")[0] or "/")


def _unless_dash(value: t.Any) -> str:
    return "" if value in (None, "-", "") or isinstance(value, (list, dict)) else str(value)
