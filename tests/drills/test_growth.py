"""A leak that has killed nothing yet."""

from __future__ import annotations

import json

from drill import cause


def test_slow_growth_is_seen_before_anything_is_killed(healed, runbook):
    cause("memory_growth")
    done = runbook.module("sre.runbooks.memory_signals_info", {
        "namespace": "ai-development", "workload": "api-server", "observe": 25})
    signals = {signal["name"]: signal for signal in done["result"]["signals"]}
    assert signals["memory_growth"]["breached"], json.dumps(done["result"]["signals"])
    assert not signals["oom_killed"]["breached"]
