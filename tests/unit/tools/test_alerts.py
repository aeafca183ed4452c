# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in extensions/prometheus are what the table of signals says, and a dashboard that Grafana can show."""

from __future__ import annotations

import importlib.util
import itertools
import json
import pathlib
import sys

import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._history import _table

ROOT = pathlib.Path(__file__).resolve().parents[3]
_SPEC = importlib.util.spec_from_file_location("alerts", ROOT / "tests" / "tools" / "alerts.py")
alerts = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(alerts)


def test_the_files_are_what_the_table_says(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["alerts.py"])
    assert alerts.main() == 0, "run make alerts"


def test_every_signal_has_an_alert_with_what_a_rulebook_needs():
    rules = [rule for group in yaml.safe_load((alerts.DIRECTORY / "rules.yml").read_text())["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(rules) >= len(_table.ROWS) and len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        labels = rule["labels"]
        assert set(labels) == {"incident_type", "severity", "runbook"} and labels["severity"] in ("page", "ticket")
        assert (ROOT / "playbooks" / labels["runbook"]).exists() and (ROOT / "roles" / labels["incident_type"]).is_dir()
        assert "cluster, namespace, workload" in rule["expr"] or "runbooks:" in rule["expr"]


def test_the_reason_of_each_for_stands_above_it():
    lines = (alerts.DIRECTORY / "rules.yml").read_text().splitlines()
    assert all(before.strip().startswith("# ") for before, line in itertools.pairwise(lines) if line.strip().startswith("for: "))


def test_panels_do_not_overlap_and_show_what_is_recorded():
    dashboard = json.loads((alerts.DIRECTORY / "dashboard.json").read_text())
    recorded = {record["record"] for record in alerts.records()}
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = set(itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])))
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells
        assert all(target["expr"].partition("{")[0] in recorded for target in panel.get("targets", []))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
