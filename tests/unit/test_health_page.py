# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One page of all clusters, however the play goes from one to the next."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTERS = ("eu", "us", "ap")


def health_check(place: pathlib.Path, **play: object) -> tuple[str, list[dict]]:
    """What a play of the role on three dead clusters said, and the pages that it left."""
    hosts = {name: {"runbooks_host": "http://127.0.0.1:1", "runbooks_retries": 0, "ansible_connection": "local",
                    "ansible_python_interpreter": sys.executable} for name in CLUSTERS}
    (place / "clusters.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (place / "all.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "roles": ["sre.runbooks.health_check"],
                                                   "vars": {"health_check_fail_on": ["down"]}, **play}]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"), "HOME": str(place)}
    done = subprocess.run([str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "clusters.yml", "all.yml"],
                          cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, [json.loads(path.read_text()) for path in (place / "incidents").glob("health-*.json")]


@pytest.mark.parametrize("play", [{"serial": 1}, {"strategy": "free"}], ids=str)
def test_one_page_with_every_cluster(tmp_path, play):
    said, pages = health_check(tmp_path, **play)
    assert [page["verdicts"] for page in pages] == [dict.fromkeys(CLUSTERS, "unreachable")]
    assert ("not looked at yet: eu, us" in said) == ("serial" in play)
    assert all("unknown" not in json.dumps(page["verdicts"]) for page in pages)
