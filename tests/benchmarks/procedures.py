# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reads of the written playbook's five procedures on a lab cluster: one by one as they are typed, and as the reviewer's plan would run them."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing as t

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit/plugins/module_utils/learning"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))

from labkit import host
from labkit.cluster import Cluster
from test_review_public import PROCEDURES

from ansible_collections.sre.runbooks.plugins.module_utils._learning._review import _review
from ansible_collections.sre.runbooks.plugins.module_utils._learning._review._model import READS

DATABASE = 'exec kubectl exec deploy/debug-pod -- sh -c \'exec "$0" -h "$DB_HOST" -U "$DB_USER" -d "$DB_NAME" "$@"\' {name} "$@"'


def tools(directory: pathlib.Path, cluster: Cluster) -> dict[str, str]:
    """An environment in which kubectl, psql and pg_dump mean the lab's."""
    scripts = {"kubectl": f'exec {cluster.programs / "kubectl"} --kubeconfig {cluster.kubeconfig()} -n {host.NAMESPACE} "$@"',
               "psql": DATABASE.format(name="psql"),
               "pg_dump": 'exec kubectl exec deploy/debug-pod -- sh -c \'exec pg_dump -Fc -h "$DB_HOST" -U "$DB_USER" "$DB_NAME"\''}
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}


def timed(run: t.Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    """Print a row for each procedure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", default=os.environ.get("LAB_CLUSTER", "lab1"))
    parser.add_argument("--times", type=int, default=3, help="of each the fastest counts (default: %(default)s)")
    options = parser.parse_args()
    cluster = Cluster(int(options.cluster.removeprefix("lab")))
    print(f"{'reads of':<16}{'reads':>6}{'one by one, s':>15}{'by the plan, s':>16}{'saving, s':>11}{'commands that failed':>22}")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        environment = tools(directory, cluster)
        for procedure, (commands, _longest) in PROCEDURES.items():
            (directory / "runbook.md").write_text(f"# {procedure}\n```bash\n{commands}```\n")
            print_row(procedure, directory, environment, options.times)


def print_row(procedure: str, directory: pathlib.Path, environment: t.Mapping[str, str], times: int) -> None:
    """Run the reads of the directory's runbook both ways, and print how long each took at best."""
    found = _review.review(str(directory / "runbook.md"))
    steps, needs = found.runbook.steps, found.plan.needs
    reads = [at for at, step in enumerate(steps) if step.kind == READS]
    failed: set[str] = set()

    def run(at: int) -> None:
        done = subprocess.run(["bash", "-c", steps[at].text], cwd=directory, env=environment, capture_output=True, timeout=120, check=False)
        if done.returncode:
            failed.add(steps[at].text)

    def after(at: int, before: list[concurrent.futures.Future[None]]) -> None:
        concurrent.futures.wait(before)
        run(at)

    def planned() -> None:
        with concurrent.futures.ThreadPoolExecutor(max(1, len(reads))) as pool:
            running: dict[int, concurrent.futures.Future[None]] = {}
            for at in reads:
                running[at] = pool.submit(after, at, [running[other] for other in needs[at] if other in running])
            concurrent.futures.wait(running.values())

    one_by_one = min(timed(lambda: [run(at) for at in reads]) for _time in range(times))
    together = min(timed(planned) for _time in range(times))
    print(f"{procedure:<16}{len(reads):>6}{one_by_one:>15.2f}{together:>16.2f}{one_by_one - together:>11.2f}{len(failed):>22}", flush=True)
    for text in sorted(failed):
        print(f"  failed: {text}")


if __name__ == "__main__":
    main()
