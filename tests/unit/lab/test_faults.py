"""What faults read of the shop's metrics."""

from __future__ import annotations

import pytest
from labkit import faults
from labkit.host import LabError

METRICS = """# TYPE logins_total counter
logins_total{result="ok"} 7
logins_total{result="wrong_password"} 3
"""


def kubectl(*words, **_options):
    if "pods" in words:
        return "pod/one pod/two pod/dead"
    if "/dead:" in words[-1]:
        raise LabError("no answer")
    return METRICS


def test_a_series_is_the_sum_over_the_pods_that_answer():
    assert faults._series(kubectl, "auth-service", "logins_total", {"result": "wrong_password"}) == 6
    assert faults._series(kubectl, "auth-service", "logins_total", {}) == 20
    assert faults._series(kubectl, "auth-service", "other_total", {}) == 0


def test_a_counter_has_to_grow_by_ten(monkeypatch):
    values = iter([5.0, 9.0, 14.0, 15.0])
    monkeypatch.setattr(faults, "_series", lambda *_words: next(values))
    monkeypatch.setattr(faults.time, "sleep", lambda _seconds: None)
    faults._more(kubectl, "auth-service", "logins_total", {}, "it grows")
    assert next(values, None) is None


@pytest.mark.parametrize(("caused", "annotation", "stale"), [
    ([], "{}", None),
    (["auth_bad_release"], "{}", "auth-service"),
    (["gateway_overload"], "{}", "auth-service"),
    (["auth_login_burst", "pool_leak"], "{}", "auth-service, api-server"),
    (["data_corrupted"], f'{{"{faults.SPOILED}": "true"}}', "auth-service, api-server, postgres"),
])
def test_pods_that_a_fault_has_spoilt_start_anew(monkeypatch, caused, annotation, stale):
    monkeypatch.setattr(faults.time, "sleep", lambda _seconds: None)
    asked = []

    def kubectl(*words, **_options):
        asked.append(words)
        return annotation if "deployment/postgres" in words else ""

    faults.heal(kubectl, caused)
    deleted = [words[words.index("-l") + 1] for words in asked if "delete" in words and "pods" in words]
    assert deleted == ([f"app in ({stale})"] if stale else [])
