# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever writes the log: one event is one record, of one pattern, with its level."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files

AT = "2026-11-24T03:00:{:02}Z"

PYTHON = """{at} ERROR checkout failed for order {n}
Traceback (most recent call last):
  File "/app/pool.py", line 7, in take
    return self.get()
queue.Empty

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop.py", line 41, in place
    take()
shop.errors.Refused: no connection
[SQL: SELECT 1]
(Background on this error at: https://sqlalche.me/e/20/3o7r)
"""
INNER_CLASS = """{at} ERROR 1 --- [nio-1] c.s.Client : call {n} failed
org.springframework.web.client.HttpServerErrorException$ServiceUnavailable: 503 : [no body]
\tat c.s.Client.call(Client.java:41)
"""
ZAP = """{at}\tERROR\tctrl/reconcile.go:7\treconcile failed\t{{"n": {n}}}
github.com/shop/ctrl.(*R).Reconcile
\t/src/ctrl/reconcile.go:7
main.main
\t/src/main.go:12
"""
PREFIXED = """[pod/api-7d9f-x2k4b/api] {at} ERROR boom
[pod/api-7d9f-x2k4b/api] java.lang.IllegalStateException: no
[pod/api-7d9f-x2k4b/api] \tat c.s.Client.call(Client.java:41)
"""
RUST = """{at} ERROR shop::pay: charge failed order={n}
thread 'worker-{n}' panicked at src/pay.rs:{n}:9:
called `Result::unwrap()` on an `Err` value: Timeout
stack backtrace:
   0: rust_begin_unwind
             at /rustc/x/library/std/src/panicking.rs:1
note: Some details are omitted
"""
HTTP_PANIC = """2026/11/24 03:00:{n:02} GET /orders/{n}
2026/11/24 03:00:{n:02} GET /orders/{n}
2026/11/24 03:00:{n:02} http: panic serving 10.0.0.1:{n}: assignment to entry in nil map
goroutine {n} [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1898 +0xbe
main.(*shop).place(0xc000012345, 0x7)
\t/src/main.go:41 +0x1d
2026/11/24 03:00:{n:02} ERROR database unreachable: dial tcp 10.0.0.9:5432: connection refused
"""
NIL_POINTER = """handling request {n}
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48a1b2]

goroutine 1 [running]:
main.place(...)
\t/src/main.go:7
main.main()
\t/src/main.go:12 +0x1d
exit status 2
"""
SERILOG = """{{"@t":"{at}","@mt":"Order {{Id}} failed","@l":"Error","Id":{n},"@x":"System.Exception: no\\n   at Shop.Pay()"}}
{{"@t":"{at}","@mt":"Order {{Id}} placed","Id":{n}}}
"""
COLOURED = "\x1b[36mINFO\x1b[0m[00{n:02}] request served path=/a{n}\n\x1b[31mERRO\x1b[0m[00{n:02}] database unreachable err=\"dial {n}\"\n"
SPRING = "{at} \x1b[31mERROR\x1b[0m 1 --- [nio-1] \x1b[36mc.s.Orders\x1b[0m : order {n} failed\n"
PIECES = "{at} stdout P ERROR payment \n{at} stdout P ref\n{at} stdout F used\n"
DRAWN = "2026-11-24 03:00:{n:02}-[audit]-INFO[nio-{n}]Sql.println(20) |\n┏━━ Debug [a.select] ━━\n┣ SQL： select 1\n┣ ROWS： {n}\n┗━━\n"


@pytest.mark.parametrize(("events", "levels"), [
    (PYTHON, ["error"]), (INNER_CLASS, ["error"]), (ZAP, ["error"]), (PREFIXED, ["error"]), (RUST, ["error", "error"]),
    (HTTP_PANIC, ["", "", "critical", "error"]), (NIL_POINTER, ["", "", "critical"]), (SERILOG, ["error", "info"]), (COLOURED, ["error", "info"]),
    (SPRING, ["error"]), (PIECES, ["error"]), (DRAWN, ["info"])])
def test_one_event_is_one_record(tmp_path, events, levels):
    path = tmp_path / "app.log"
    path.write_text("".join(events.format(at=AT.format(n), n=n) for n in range(1, 21)))
    found = _files.patterns_of([str(path)])
    assert found["records"] == 20 * len(levels)
    assert {pattern["level"] for pattern in found["patterns"]} == set(levels)
    grave = sum(pattern["since"] for pattern in found["patterns"] if pattern["level"] in ("error", "critical"))
    assert grave == 20 * sum(level in ("error", "critical") for level in levels)
    assert len(found["patterns"]) == len(levels) - (events == HTTP_PANIC)  # its requests are one pattern
    assert found["problems"] == []


def test_a_banner_of_text_leaves_the_objects_their_levels(tmp_path):
    path = tmp_path / "app.log"
    objects = [json.dumps({"timestamp": AT.format(n), "level": level, "message": f"order {n} {what}"})
               for n in range(50) for level, what in [("INFO", "placed") if n % 5 else ("ERROR", "failed")]]
    path.write_text("NOTE: Picked up JDK_JAVA_OPTIONS: -Xmx1g\n" * 30 + "\n".join(objects) + "\n")
    found = {pattern["template"]: (pattern["since"], pattern["level"]) for pattern in _files.patterns_of([str(path)])["patterns"]}
    assert found["ERROR order <*> failed"] == (10, "error")
    assert found["INFO order <*> placed"] == (40, "info")
