# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert rules, by promtool: each fires for what it is about, and for nothing else in the same series."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / ".build" / "prometheus" / "usr" / "bin"
RULES = ROOT / "extensions" / "prometheus" / "rules.yml"
POD = 'namespace="ai-development",pod="api-server-6f7c9b8d5-x2x4z",container="api"'
MIB = 2 ** 20


def memory(values: str) -> dict[str, str]:
    """A pod's memory in MiB, its limit 512 MiB."""
    return {f"container_memory_working_set_bytes{{{POD}}}": values, f'kube_pod_container_resource_limits{{{POD},resource="memory"}}': "512x10000"}


#: what it is -> series, minutes after which one looks, alerts that fire then; series are per minute
STORIES = {
    "memory near its limit": (memory("300x5 480x20"), 12, {"RunbooksMemoryNearLimit"}),
    "memory near its limit for a moment": (memory("300x9 480 300x20"), 12, set()),
    "old objects fill their room": ({f'jvm_memory_used_bytes{{{POD},area="heap",id="G1 Old Gen"}}': "95x30",
                                     f'jvm_memory_used_bytes{{{POD},area="heap",id="G1 Survivor Space"}}': "0x30",
                                     f'jvm_memory_max_bytes{{{POD},area="heap",id="G1 Old Gen"}}': "100x30"}, 10, {"RunbooksHeapFull"}),
    "a young generation that is full": ({f'jvm_memory_used_bytes{{{POD},area="heap",id="ZGC Young Generation"}}': "95x30",
                                         f'jvm_memory_max_bytes{{{POD},area="heap",id="ZGC Young Generation"}}': "100x30"}, 10, set()),
    "a container killed for its memory": ({f"kube_pod_container_status_restarts_total{{{POD}}}": "0x9 1x9",
                                           f'kube_pod_container_status_last_terminated_reason{{{POD},reason="OOMKilled"}}': "_x9 1x9"},
                                          12, {"RunbooksOomKilled"}),
    "a container killed long ago": ({f"kube_pod_container_status_restarts_total{{{POD}}}": "1x60",
                                     f'kube_pod_container_status_last_terminated_reason{{{POD},reason="OOMKilled"}}': "1x60"}, 30, set()),
    "a pool that is exhausted": ({f'db_connections_active{{{POD},pool="main"}}': "10x30", f'db_connections_max{{{POD},pool="main"}}': "10x30",
                                  f'db_connections_active{{{POD},pool="audit"}}': "0x30", f'db_connections_max{{{POD},pool="audit"}}': "10x30",
                                  f'db_connections_pending{{{POD},pool="main"}}': "4x30"}, 10, {"RunbooksPoolInUse", "RunbooksPoolWaiting"}),
    "another pool": ({f'hikaricp_connections_active{{{POD},pool="main"}}': "10x30", f'hikaricp_connections_max{{{POD},pool="main"}}': "10x30",
                      f'hikaricp_connections_timeout_total{{{POD},pool="main"}}': "0+3x30"}, 10, {"RunbooksPoolInUse", "RunbooksConnectionTimeouts"}),
    "a pool with room": ({f'db_connections_active{{{POD},pool="main"}}': "8x30", f'db_connections_max{{{POD},pool="main"}}': "10x30"}, 10, set()),
    "log-ins fail": ({f'auth_login_attempts_total{{{POD},result="ok"}}': "0+60x90", f'auth_login_attempts_total{{{POD},result="error"}}': "0+20x90",
                      f'auth_login_attempts_total{{{POD},result="bad_request"}}': "0+500x90"}, 80,
                     {"RunbooksLoginFailures", "RunbooksLoginFailuresSlowly"}),
    "log-ins failed, and no longer do": ({f'auth_login_attempts_total{{{POD},result="ok"}}': "0+60x90",
                                          f'auth_login_attempts_total{{{POD},result="error"}}': "0+20x30 600x60"}, 80, set()),
    "one log-in in fifty fails for hours": ({f'auth_login_attempts_total{{{POD},result="ok"}}': "0+60x400",
                                             f'auth_login_attempts_total{{{POD},result="error"}}': "0+1.2x400"}, 380, {"RunbooksLoginFailuresSlowly"}),
    "no log-in at all fails": ({f'auth_login_attempts_total{{{POD},result="ok"}}': "0+60x90"}, 80, set()),
    "a gateway fails": ({f'gateway_request_seconds_count{{{POD},status="200"}}': "0+60x90", f'gateway_request_seconds_count{{{POD},status="503"}}': "0+40x90",
                         f"gateway_queue_length{{{POD}}}": "80x90"}, 80,
                        {"RunbooksErrorShare", "RunbooksErrorShareSlowly", "RunbooksQueueLength"}),
    "a gateway that refuses on purpose": ({f'gateway_request_seconds_count{{{POD},status="200"}}': "0+60x90",
                                           f'gateway_request_seconds_count{{{POD},status="503"}}': "0+40x90",
                                           f'gateway_refused_total{{{POD},reason="shed"}}': "0+40x90"}, 80, set()),
    "slow answers": ({f'gateway_request_seconds_bucket{{{POD},status="200",le="1"}}': "0+10x90",
                      f'gateway_request_seconds_bucket{{{POD},status="200",le="10"}}': "0+100x90",
                      f'gateway_request_seconds_bucket{{{POD},status="200",le="+Inf"}}': "0+100x90"}, 20, {"RunbooksResponseSeconds"}),
    "a crash loop": ({f'kube_pod_container_status_waiting_reason{{{POD},reason="CrashLoopBackOff"}}': "1x30"}, 10, {"RunbooksCrashLoop"}),
}
#: the same, of what needs days: series per hour
DAYS = {
    "a leak of a tenth of the limit a day": (memory("200+2.1x168"), 100, {"RunbooksMemoryDaysToLimit"}),
    "a leak that takes weeks": (memory("100+0.3x168"), 100, set()),
    "a daily load": (memory(" ".join(f"{200 + 100 * (hour % 24 > 8)}" for hour in range(168))), 100, set()),
    "one deploy with a larger base": (memory("200x60 260x100"), 100, set()),
}


def story(series: dict[str, str], interval: str, moment: str, fires: set[str]) -> dict:
    """One of promtool's tests: every alert that there is either fires or does not."""
    target = {"namespace": "ai-development", "workload": "api-server"}
    expected = [{"labels": "{" + ",".join(f'{key}="{value}"' for key, value in {"alertname": name, **target}.items()) + "}", "value": 1} for name in fires]
    return {"interval": interval, "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": 'sum by (alertname, namespace, workload) (ALERTS{alertstate="firing"})', "eval_time": moment,
                                  "exp_samples": expected}]}


def reaches(series: dict[str, str], rules: dict, rule: dict) -> bool:
    """Whether a rule looks at one of the series, itself or through what is recorded."""
    names = {name.partition("{")[0] for name in series}
    recorded = {other["record"] for group in rules["groups"] for other in group["rules"] if "record" in other
                and any(name in other["expr"] for name in names)}
    return any(name in rule["expr"] for name in names | recorded)


@pytest.mark.parametrize("name", [*STORIES, *DAYS])
def test_what_fires(name, tmp_path):
    series, moment, fires = {**STORIES, **DAYS}[name]
    one = story(series, "1m", f"{moment}m", fires) if name in STORIES else story(series, "1h", f"{moment}h", fires)
    evaluated = tmp_path / "rules.yml"
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:  # without what these series cannot reach, which would only cost time
        group["rules"] = [rule for rule in group["rules"] if reaches(series, rules, rule)]
    every = "30m" if name in DAYS else "4m" if moment > 100 else "1m"
    for group in rules["groups"]:
        group["interval"] = every
    evaluated.write_text(yaml.safe_dump(rules))
    (tmp_path / "test.yml").write_text(yaml.safe_dump({
        "rule_files": [str(evaluated)], "evaluation_interval": every, "tests": [one]}))
    done = subprocess.run([BIN / "promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_rules_and_the_resource_has_the_same(tmp_path):
    resource = yaml.safe_load((RULES.parent / "prometheusrule.yml").read_text())
    assert resource["kind"] == "PrometheusRule" and resource["spec"] == yaml.safe_load(RULES.read_text())
    done = subprocess.run([BIN / "promtool", "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_and_the_files_agree():
    done = subprocess.run([sys.executable, ROOT / "tests/tools/alerts.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
