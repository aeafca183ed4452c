# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alert is taken from what the rulebook hands over, as it is, and through no template."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[4]
EVENT = {"status": "firing", "startsAt": "2026-11-28T08:00:00Z", "fingerprint": "0a1b2c3d4e5f6071", "annotations": {"summary": "{{ 6 * 7 }}"},
         "labels": {"incident_type": "memory_leak", "cluster": "prod-eu", "namespace": "shop", "workload": "checkout"}}


def test_what_a_rulebook_hands_over():
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("ansible"), "-i", "prod-eu,", "-c", "local", "prod-eu", "-m", "sre.runbooks.alert_info",
         "-a", json.dumps({"clusters": ["prod-eu"]}), "-e", json.dumps({"ansible_eda": {"event": EVENT}})],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    alert = json.loads(done.stdout.partition("=>")[2])["alert"]
    assert (alert["cluster"], alert["workload"], alert["incident_type"]) == ("prod-eu", "checkout", "memory_leak")
    assert "42" not in json.dumps(alert)
