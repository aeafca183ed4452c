"""Counters over a window."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _windows
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._pod_metrics import Samples, Scraped, Series
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._windows import Window


RUNNING = {"metadata": {"name": "pod"}, "status": {"phase": "Running"}}


def window(before: str | None, after: str | None, seconds: float = 10.0) -> Window:
    return Window("pod", seconds, None if before is None else Samples(before), None if after is None else Samples(after))


def test_a_counter_counts_by_its_growth():
    grown = window('hits_total{code="200"} 5\n', 'hits_total{code="200"} 25\n')
    assert grown.delta(["hits_total"]) == 20
    assert _windows.per_second([grown, grown], ["hits_total"]) == 4


def test_a_process_that_restarted_counts_from_zero():
    assert window("hits_total 500\n", "hits_total 3\n").delta(["hits_total"]) == 3


def test_a_label_that_is_new_counts_from_zero():
    assert window("other 1\n", 'hits_total{code="502"} 7\n').delta(['hits_total{code="502"}']) == 7


def test_a_pod_that_did_not_answer_is_not_zero():
    silent = window(None, "hits_total 5\n")
    assert silent.delta(["hits_total"]) is None and not silent.measured
    assert _windows.total([silent], ["hits_total"]) is None


def test_the_first_series_that_is_there_wins():
    assert window("b 1\n", "b 4\n").gauge(["a", "b"]) == 4


@pytest.mark.parametrize(("enough", "grown"), [(0, 1), (1, 1), (3, 3), (99, _windows.LONGEST)])
def test_a_window_grows_until_it_decides_and_not_for_ever(monkeypatch, enough, grown):
    looks = iter(range(100))
    monkeypatch.setattr(_windows.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(_windows, "_scrape", lambda *target: [(look := next(looks), Scraped(Samples(f"hits_total {look}\n")))])
    seen, = _windows.watch(None, [RUNNING], 9090, "/metrics", 5, lambda windows: _windows.total(windows, ["hits_total"]) >= enough)
    assert (seen.seconds, seen.delta(["hits_total"])) == (grown, grown)


BEFORE = 's_bucket{le="0.1"} 100\ns_bucket{le="1"} 100\ns_bucket{le="+Inf"} 100\ns_count 100\ns_sum 5\n'
AFTER = 's_bucket{le="0.1"} 150\ns_bucket{le="1"} 190\ns_bucket{le="+Inf"} 200\ns_count 200\ns_sum 65\n'


@pytest.mark.parametrize(("q", "expected"), [(0.5, 0.1), (0.7, 0.55), (0.99, 1.0)])
def test_a_quantile_is_of_the_window_only(q, expected):
    assert _windows.quantile([window(BEFORE, AFTER)], "s", q) == pytest.approx(expected)


def test_a_mean_is_of_the_window_only():
    assert _windows.mean([window(BEFORE, AFTER)], "s") == pytest.approx(0.6)


def test_nothing_observed_is_not_a_quantile_of_zero():
    assert _windows.quantile([window(BEFORE, BEFORE)], "s", 0.95) is None
    assert _windows.mean([window(BEFORE, BEFORE)], "s") is None


@pytest.mark.parametrize("text", [
    "# TYPE hits counter\nhits 5\n", "\ufeffhits 5\n", "# TYPE hits counter\r\nhits 5\r\n# EOF\r\n", 'hits 5 # {trace_id="a"} 0.5 1605281325.1\n',
    '# TYPE "hits" counter\n{"hits",method="a"} 5\n', "not a line{\n# TYPE hits counter\nhits 5\n"])
def test_a_series_has_the_name_that_its_exporter_gave_it(text):
    """The parser of OpenMetrics adds to a counter the end that its name does not have."""
    assert Samples(text).sum(Series.parse("hits")) == 5 and Samples(text).sum(Series.parse("hits_total")) is None
