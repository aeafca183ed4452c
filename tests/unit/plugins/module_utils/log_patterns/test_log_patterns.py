# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log patterns: grouping, times, structured records, stack traces, and broken input."""

from __future__ import annotations

import datetime
import gzip
import json

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _command as command_line
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files, _group, _header, _mine, _read, _times

START = datetime.datetime(2026, 11, 24, 2, tzinfo=datetime.timezone.utc)
WRITTEN = datetime.datetime(2005, 12, 1).timestamp()
SINCE = "2026-11-24T03:00:00Z"
JAVA = "java.lang.IllegalStateException: pool of {} is empty\n\tat shop.Pool.take(Pool.java:{})\n\tat shop.Orders.place(Orders.java:44)"


def log(tmp_path, text, name="app.log"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def hours(*messages, before=60, since=60):
    """A record of each message every minute, before and since the incident."""
    return "".join(f"{(START + datetime.timedelta(minutes=minute)).strftime('%Y-%m-%dT%H:%M:%SZ')} {message.format(minute, minute % 7)}\n"
                   for minute in range(60 - before, 60 + since) for message in messages)


def by_template(found):
    return {pattern["template"]: pattern for pattern in found["patterns"]}


@pytest.mark.parametrize(("text", "words"), [
    ("took 12 ms for order-7", "took <*> for <*>"),
    ("user=root from 10.0.0.1:443, retry in 3 seconds", "user <*> from <*> retry in <*>"),
    ('GET "/orders/7" by api.example.com:8443', "GET <*> by <*>"),
    ('"Error syncing" key="a b" took: "1 s"', "Error syncing key <*> took <*>"),
    ("connected at Fri Jun 17 07:07:00 2005", "connected at <*>"),
    ("synchronized to LOCAL(0), stratum 10", "synchronized to <*> stratum <*>"), ("session of su(pam_unix)", "session of su pam_unix"),
    ("logname= uid=0 tty= host=a.b", "logname uid <*> tty host <*>"),
    ('10.0.0.1 "GET /orders/7 HTTP/1.1" 17', "<*> GET <*> HTTP <*>"), ('"GET /orders HTTP/2" 503', "GET /orders HTTP <*>")])
def test_values_are_masked_by_their_form(text, words):
    assert " ".join(_group.words(text)) == words


def test_what_varies_little_is_text_and_what_varies_much_is_a_value():
    texts = [_group.words(f"{verb} the connection of {name}") for verb in ("opened", "closed") for name in "ann bob cid dan eve".split()]
    assert set(_group.group(texts)) == {tuple("opened the connection of <*>".split()), tuple("closed the connection of <*>".split())}


def test_names_without_number_are_one_pattern_even_in_a_short_text():
    names = ["".join(chr(97 + number // 26 ** place % 26) for place in range(3)) for number in range(1000)]
    texts = [_group.words(f"user {name} likes {other}") for name, other in zip(names, reversed(names), strict=True)]
    assert set(_group.group(texts)) == {tuple("user <*> likes <*>".split())}


def test_what_only_the_order_of_the_places_has_told_apart_is_one_pattern():
    others = [f"{word} ready {number}th of {word}s" for number, word in enumerate("disk node port link card fan bus".split())]
    texts = [_group.words(text) for text in [*others, *(f"session closed for user {name}" for name in ("root", "news", "cyrus", "test"))]]
    assert tuple("session closed for user <*>".split()) in _group.group(texts)
    assert len(set(_group.group(texts))) <= 1 + len(others)


def test_requests_of_several_routes_have_as_many_words_whatever_is_in_the_route(tmp_path):
    routes = ["/v2/7/servers", "/latest/meta-data/", "/latest/user-data", "/latest/ami-id", "/health"]
    text = "".join(f'{SINCE} INFO 10.0.0.1 "GET {route} HTTP/1.1" status: 200 len: {number}\n' for number, route in enumerate(routes * 3))
    assert by_template(_files.patterns_of([log(tmp_path, text)])).keys() == {"INFO <*> GET <*> HTTP status <*> len <*>"}


def test_every_text_gets_a_pattern_that_fits_it():
    texts = [tuple(f"{a}{b} {b} {c}".split()) for a in "pq" for b in "abcdefg" for c in "xyz"]
    for text, pattern in zip(texts, _group.group(texts), strict=True):
        assert all(word in (value, _group.WILD) for word, value in zip(pattern, text, strict=True))


@pytest.mark.parametrize("line", [
    "2005-06-03T15:42:50Z up", "2005-06-03 17:42:50,000+02:00 up", "[03/Jun/2005:15:42:50 +0000] up", "[Fri Jun 03 15:42:50 2005] up",
    "05/06/03 15:42:50 up", "050603 154250 up", "Jun  3 15:42:50 host up", "I0603 15:42:50.000 up", "1117813370 up", "- 1117813370.000 up",
    "03-Jun-2005 15:42:50.123 INFO [main] up", "7:M 03 Jun 2005 15:42:50.123 * up", "[03-Jun-2005 15:42:50] NOTICE: up", "[03-Jun-2005 15:42:50 UTC] up"])
def test_times_in_common_forms(line):
    assert _times.iso(_times.moment(line, WRITTEN)) == "2005-06-03T15:42:50Z"


def test_an_hour_of_one_digit():
    assert _times.iso(_times.moment("2005-06-03  5:42:50 0 [Note] up", WRITTEN)) == "2005-06-03T05:42:50Z"


@pytest.mark.parametrize(("line", "level"), [
    ("ERROR no", "error"), ("[error] no", "error"), ("level WARN x", "warning"), ("2026 I/Zygote: up", "info"), ("E0603 15:42:50 no", "error"),
    ("java.io.IOException: no", "error"), ("all is well", ""), ("no errors found", ""),
    ("ERRO[0012] no", "error"), ("FATA[0012] no", "critical"), ("3:00AM WRN slow", "warning"), ("[03:00:00 FTL] no", "critical"),
    ("2026-11-24 03:00:00,1: ERROR/ForkPoolWorker-1] no", "error"), ("GET /ERROR/Page", ""), ("INFO/system is up", ""),
    ("0 [Warning] [MY-010068] [Server] self signed", "warning"), ("0 [Note] InnoDB: up", "info"), ("7 [System] up", "info"), ("of System and Note", ""),
    ("2026-11-24T03:00:00.123+0000 E NETWORK  [conn1] no", "error"), ("7:M 24 Nov 2026 03:00:00.1 # no memory", "warning"),
    ("7:C 24 Nov 2026 03:00:00.1 * up", "info")])
def test_levels(line, level):
    assert _header.level(line) == level


def test_errors_that_are_new_or_grew_come_first(tmp_path):
    calm = hours("INFO order {} placed", "ERROR card {} refused")
    path = log(tmp_path, calm + hours(*["ERROR card {} refused"] * 4, "ERROR pool of {} is empty", "INFO scaled to {}", before=0))
    found = _files.patterns_of([path], SINCE)
    first, second = found["patterns"][:2]
    assert (first["template"], first["since"], first["new"]) == ("ERROR card <*> refused", 300, False)
    assert (second["template"], second["since"], second["new"], second["before"]) == ("ERROR pool of <*> is empty", 60, True, 0)
    assert 4.5 < first["growth"] < 5.5 and first["surprise"] > second["surprise"]
    assert by_template(found)["INFO order <*> placed"]["surprise"] < 1
    assert any("new, 60 × since 2026-11-24T03:00:00Z: ERROR pool of <*> is empty" in line for line in found["says"])


def test_older_records_than_the_baseline_are_left_out(tmp_path):
    found = _files.patterns_of([log(tmp_path, hours("order {} placed"))], SINCE, baseline=600)
    assert [(pattern["before"], pattern["since"]) for pattern in found["patterns"]] == [(10, 60)]


@pytest.mark.parametrize("forms", ["json", "logfmt"])
def test_structured_records_are_read_like_plain_ones(tmp_path, forms):
    def record(minute):
        at = (START + datetime.timedelta(minutes=minute)).isoformat()
        if forms == "json":
            return json.dumps({"ts": at, "level": "error", "msg": f"order {minute} failed", "stack": "boom\n  at a.B (c.js:7)"})
        return f'ts={at} level=error msg="order {minute} failed" err="boom\\n  at a.B (c.js:7)"'

    found = _files.patterns_of([log(tmp_path, "\n".join(map(record, range(120))))], SINCE)
    (pattern,) = found["patterns"]
    assert (pattern["template"], pattern["level"], pattern["before"], pattern["since"]) == ("ERROR order <*> failed", "error", 60, 60)
    assert pattern["frames"] == ["boom", "at a.B (c.js:)"]


def test_stack_traces_are_one_record_and_told_apart_by_their_frames(tmp_path):
    other = JAVA.replace("Orders.place", "Carts.fill")
    found = _files.patterns_of([log(tmp_path, hours("ERROR " + JAVA, "ERROR " + other))], SINCE)
    assert sorted((pattern["frames"][1], pattern["since"]) for pattern in found["patterns"]) == [
        ("at shop.Carts.fill(Orders.java:)", 60), ("at shop.Orders.place(Orders.java:)", 60)]


def test_a_python_traceback_ends_with_its_exception(tmp_path):
    trace = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()\nValueError: 7\n'
    (pattern,) = _files.patterns_of([log(tmp_path, trace * 5)])["patterns"]
    assert (pattern["since"], pattern["level"], pattern["frames"][-1]) == (5, "error", "ValueError:")


def test_the_kubelets_times_stand_before_every_line():
    miner = _mine.Miner(START.timestamp() + 3600, START.timestamp() + 7200)
    text = "".join(f"{line[:19]}.123456789Z {part}\n" for line in hours("x").splitlines() for part in ("ERROR " + JAVA).split("\n"))
    miner.add("api-1", _read.of_text(text))
    (pattern,) = miner.result()["patterns"]
    assert (pattern["before"], pattern["since"], pattern["sources"]) == (60, 60, ["api-1"])
    assert pattern["frames"][0] == "at shop.Pool.take(Pool.java:{})"


def test_memory_is_bounded_by_the_number_of_shapes(tmp_path):
    words = ["".join(chr(97 + number // 26 ** place % 26) for place in range(4)) for number in range(5000)]
    found = _files.patterns_of([log(tmp_path, "\n".join(words))], most=100)
    assert (found["records"], found["shapes"], found["others"]) == (5000, 100, 4900)
    assert "4900 records of more than 100 shapes are counted but not told apart." in found["says"]


def test_blocks_join_to_the_whole_log_whatever_their_size(tmp_path, monkeypatch):
    text = hours("ERROR " + JAVA, "INFO order {} placed")
    whole = _files.patterns_of([log(tmp_path, text)], SINCE)
    monkeypatch.setattr(_read, "BLOCK", 1000)
    assert _files.patterns_of([log(tmp_path, text)], SINCE)["patterns"] == whole["patterns"]


def test_gzip_cut_short(tmp_path):
    packed = gzip.compress(hours("order {} placed", "ERROR {} failed").encode() * 50)
    found = _files.patterns_of([log(tmp_path, packed[:len(packed) * 2 // 3], "app.log.gz")])
    assert found["records"] > 1000
    assert any(line.startswith("app.log.gz can be read only in part") for line in found["says"])


def test_a_line_of_megabytes_and_noise(tmp_path):
    noise = bytes(range(256)) * 40
    text = noise + b"\n" + b"y" * 3_000_000 + b"\n" + hours("order {} placed").encode()
    found = _files.patterns_of([log(tmp_path, text)], SINCE)
    assert by_template(found)["order <*> placed"]["since"] == 60
    assert any("does not look like text" in line for line in found["says"])
    assert all(len(example) <= 500 for pattern in found["patterns"] for example in pattern["examples"])
    json.dumps(found).encode()


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings(tmp_path, encoding):
    found = _files.patterns_of([log(tmp_path, hours("ERROR für {} fehlt").encode(encoding))], SINCE)
    (pattern,) = found["patterns"]
    assert (pattern["before"], pattern["since"], pattern["level"]) == (60, 60, "error")


def test_a_clock_that_jumps(tmp_path):
    lines = hours("order {} placed").splitlines(keepends=True)
    found = _files.patterns_of([log(tmp_path, "".join(lines[80:] + lines[:80]))], SINCE)
    assert [(pattern["before"], pattern["since"]) for pattern in found["patterns"]] == [(60, 60)]
    assert any("the clock goes back from" in line for line in found["says"])


def test_no_times_at_all(tmp_path):
    found = _files.patterns_of([log(tmp_path, "up\ndown\n" * 5)], SINCE)
    assert any("no times were understood" in line for line in found["says"])
    assert {pattern["since"] for pattern in found["patterns"]} == {5}


def test_refusals_say_what_to_do(tmp_path):
    for path, message in ((log(tmp_path, b""), "is empty"), (str(tmp_path / "none"), "Cannot read")):
        with pytest.raises(InvalidInput, match=message):
            _files.patterns_of([path])
    with pytest.raises(InvalidInput, match="'yesterday' is no time"):
        _files.patterns_of([log(tmp_path, "x\n")], "yesterday")


@pytest.mark.parametrize(("line", "text"), [
    ("2026-11-24 03:00:00,123 INFO [main] shop.Orders: order 7 placed", "INFO order 7 placed"),
    ("2026-11-24 03:00:00,123 - WARN  [Quorum[myid=1]/0:0:Peer@774] - slow", "WARN slow"),
    ("[Tue Nov 24 03:00:00 2026] [error] [client 10.0.0.1] no such file", "error no such file"),
    ("11-24 03:00:00.123  1702  2395 D WindowManager: focus lost", "D focus lost"),
    ("Nov 24 03:00:00 node-a sshd(pam_unix)[199]: session opened", "session opened"),
    ("2026-11-24 03:00:00,123 - shop.orders - order placed", "order placed"),
    ("nova.log.1 2026-11-24 03:00:00.1 77 INFO nova.api.server [req-7 - - -] [instance: 8] started", "INFO [instance: 8] started"),
    ("24-Nov-2026 03:00:00.123 SEVERE [main] o.a.Context: one failed", "SEVERE one failed"),
    ("10.0.0.1 opened, at 2026-11-24 03:00:00", "10.0.0.1 opened, at 2026-11-24 03:00:00")])
def test_a_header_is_taken_off_but_for_its_level(line, text):
    message = _header.message(line)
    assert " ".join(f"{message.level} {message.text}".split()) == text


STATES = [(component, state) for component in ("node", "fan", "switch", "disk") for state in ("status", "error", "up")]


def test_a_layout_that_puts_the_component_before_the_time_is_learnt_from_the_whole_log(tmp_path):
    lines = [f"{number} node-{number % 9} {component} {state} 11178{number:05} 1 not responding" for number, (component, state) in enumerate(STATES * 3)]
    (pattern,) = _files.patterns_of([log(tmp_path, "\n".join(lines))])["patterns"]
    assert (pattern["template"], pattern["since"]) == ("<*> not responding", 36)


@pytest.mark.parametrize("lines", [
    ["10.0.0.1 opened, at 2026-11-24 03:00:00 by ann", "10.0.0.2 closed, at 2026-11-24 03:00:00 by ann"] * 9,
    [f"{component} {state} since 1117813370 ok" for component, state in STATES],
    [f"7 {component} {state} {'of all ' * (number % 2)}1117813370 ok" for number, (component, state) in enumerate(STATES)]])
def test_a_time_in_a_sentence_is_no_layout(lines):
    assert _header.layout(lines) == 0


def test_a_log_of_which_nothing_is_understood_says_so(tmp_path):
    values = _files.patterns_of([log(tmp_path, "".join(f"{SINCE} INFO {number}\n" for number in range(300)))])
    one = _files.patterns_of([log(tmp_path, "begin\n" + "".join(f"  ERROR refused {number}\n" for number in range(300)))])
    assert ["without any text" in problem for problem in values["problems"]] == [True]
    assert ["One record holds 100%" in problem for problem in one["problems"]] == [True]


@pytest.mark.parametrize("text", [
    "".join(f"{SINCE} INFO up {number}\n" for number in range(300)), hours("INFO {}") + hours(*["INFO up {}"] * 30),
    f"{SINCE} ERROR no\n" + "\tat a.B(C.java:1)\n" * 200 + f"{SINCE} INFO order placed by a customer\n" * 200])
def test_a_log_that_is_understood_raises_no_doubt(tmp_path, text):
    assert _files.patterns_of([log(tmp_path, text)])["problems"] == []


def test_the_same_event_of_two_components_threads_and_hosts_is_one_pattern(tmp_path):
    lines = [f"Nov 24 0{hour}:00:00 {host} {program}[{hour}{hour}]: session of {hour} closed" for hour in range(1, 9)
             for host in ("web-a", "db") for program in ("sshd", "cron")]
    (pattern,) = _files.patterns_of([log(tmp_path, "\n".join(lines))])["patterns"]
    assert (pattern["template"], pattern["since"]) == ("session of <*> closed", 32)


def test_an_exception_on_the_next_line_belongs_to_the_record(tmp_path):
    text = "".join(f"{line}\n{JAVA}\nCaused by: a.B: no {minute}\n\tat c.D(E.java:{minute})\n\t... {minute} more\n"
                   for minute, line in enumerate(hours("INFO cannot place order {}").splitlines()))
    (pattern,) = _files.patterns_of([log(tmp_path, text)], SINCE)["patterns"]
    assert (pattern["template"], pattern["level"], pattern["before"]) == ("INFO cannot place order <*>", "error", 60)
    assert pattern["frames"] == ["java.lang.IllegalStateException", "at shop.Pool.take(Pool.java:{})", "at shop.Orders.place(Orders.java:)",
                                 "Caused by: a.B: no", "at c.D(E.java:)"]


def test_a_panic_is_one_record(tmp_path):
    panic = "panic: boom\n\ngoroutine {0} [running]:\nmain.f(0x{0})\n\t/app/main.go:{0} +0x1d\n\n"
    (pattern,) = _files.patterns_of([log(tmp_path, "".join(panic.format(number) for number in range(10, 30)))])["patterns"]
    assert (pattern["since"], pattern["level"], pattern["frames"][1]) == (20, "critical", "main.f()")


def test_the_runtimes_own_log_files(tmp_path):
    stamp = "2026-11-24T02:00:00.12345Z stderr F "
    (pattern,) = _files.patterns_of([log(tmp_path, f"{stamp}ERROR no\n{stamp}  at a.B(c.js:1)\n" * 3)])["patterns"]
    assert (pattern["template"], pattern["since"], pattern["frames"]) == ("ERROR no", 3, ["at a.B(c.js:)"])


def test_a_hexadecimal_number_without_digits_is_a_value_where_numbers_stand(tmp_path):
    found = _files.patterns_of([log(tmp_path, "read block 1f2e3d of x\nread block abcdef of x\nhas been added\n")])
    assert found["shapes"] == 2


def test_answers_of_a_server_that_failed_are_errors(tmp_path):
    line = '10.0.0.1 - - [24/Nov/2026:03:00:00 +0000] "{0} /orders/7 HTTP/1.1" {1} 17\n'
    text = "".join(line.format(*one) for one in (("GET", 200), ("GET", 503), ("GET", 502), ("POST", 200), ("GET", 404)) * 5)
    found = {pattern["template"]: (pattern["level"], pattern["since"]) for pattern in _files.patterns_of([log(tmp_path, text)])["patterns"]}
    assert sorted(found.values()) == [("", 5), ("", 5), ("", 5), ("error", 10)]


def test_secrets_are_in_no_template_frame_or_example(tmp_path):
    text = hours("ERROR login with password=open-sesame-{} refused", "ERROR Authorization: Bearer abcdefghijkl refused",
                 "ERROR a.BException: token=swordfish\n\tat a.B(C.java:1)\nCaused by: a.CException: secret: swordfish")
    found = json.dumps(_files.patterns_of([log(tmp_path, text)], SINCE))
    assert "[REDACTED]" in found
    assert not any(secret in found for secret in ("sesame", "abcdefghijkl", "swordfish"))


def test_times_without_a_year_are_of_the_last_one_that_fits():
    january = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc).timestamp()
    assert _times.iso(_times.moment("Dec 31 23:00:00 host a: up", january)) == "2025-12-31T23:00:00Z"
    assert _times.iso(_times.moment("Jan  1 23:00:00 host a: up", january)) == "2026-01-01T23:00:00Z"


def test_the_beginning_is_where_errors_rise(tmp_path):
    found = _files.patterns_of([log(tmp_path, hours("INFO order {} placed") + hours("ERROR pool {} is empty", before=0))], _files.ERRORS)
    assert found["since"] == SINCE and found["patterns"][0]["new"]
    assert found["tables"][0]["rows"][0][:4] == ["ERROR pool <*> is empty", 0, 60, "new"]
    calm = _files.patterns_of([log(tmp_path, hours("ERROR pool {} is empty"))], _files.ERRORS)
    assert not calm["since"] and calm["says"][0].endswith("; errors did not rise, so that nothing is compared")


def test_every_record_can_have_the_number_of_its_pattern(tmp_path, monkeypatch, capsys):
    path, numbers = log(tmp_path, "INFO a 1\nERROR b 2\n  more\nINFO a 3\n"), tmp_path / "numbers"
    monkeypatch.setattr("sys.argv", ["logs", path, "--assign", str(numbers)])
    assert command_line.main() == 0
    assert numbers.read_text() == "2\n1\n2\n"
    monkeypatch.setattr("sys.argv", ["logs", path, "--assign", str(numbers), "--since", SINCE])
    assert command_line.main() == 1


def test_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["logs", log(tmp_path, hours("ERROR {} failed")), "--since", SINCE])
    assert command_line.main() == 0
    assert "ERROR <*> failed" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["logs", str(tmp_path / "none")])
    assert command_line.main() == 1
    assert "Cannot read" in capsys.readouterr().err
