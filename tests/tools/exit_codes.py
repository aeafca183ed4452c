"""Every runbook as a user has it: built, installed, run by its name; its exit status and its last words as docs/outcomes.md has them.

A table of situations, each for all runbooks and under callbacks that others use. On a cluster of the lab that is up and well; nothing
there is changed but records of incidents, of which there are none.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNBOOKS = ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "crash_loop", "data_inconsistency")
CALLBACKS = ("default", "minimal", "ansible.posix.json", "sre.runbooks.console")
DEAD = {"runbooks_host": "https://127.0.0.1:1", "runbooks_token": "none"}
#: where a runbook's metrics are not -> it cannot measure; crash_loop and data_inconsistency measure without metrics
NOT_MEASURED = {
    "memory_leak": {"memory_leak_metrics_port": 4},
    "db_pool_exhaustion": {"db_pool_exhaustion_metrics_port": 4},
    "auth_degradation": {"auth_degradation_metrics_port": 4},
    "api_gateway_overload": {"api_gateway_overload_metrics_port": 4},
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One run of a playbook, and how it must end.

    :param words: one of them is in what it says, on either output.
    """

    situation: str
    playbook: str
    statuses: tuple[int, ...]
    words: tuple[str, ...]
    flags: tuple[str, ...] = ()
    variables: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    cluster: bool = True
    callback: str = "default"


def cases(reader: str) -> t.Iterator[Case]:
    """Each situation for each runbook; a few under every callback.

    :param reader: a kubeconfig of somebody who may do nothing.
    """
    for name in RUNBOOKS:
        space = {f"{name}_namespace": "ai-development"}
        yield Case("healthy", name, (0,), ("Healthy",))
        yield Case("healthy, check mode", name, (0,), ("Healthy",), ("--check", "--diff"))
        yield Case("dead cluster", name, (2,), ("no answer from https://127.0.0.1:1",), variables=DEAD)
        yield Case("no permission", name, (2,), ("may not",), variables={"runbooks_kubeconfig": reader})
        yield Case("namespace misspelt", name, (2,), ("nowhere",), variables={f"{name}_namespace": "nowhere"})
        yield Case("workload misspelt", name, (2,), ("nope",), variables={**space, f"{name}_workload": "nope"})
        yield Case("variable misspelt", name, (2,), (f"has no variable {name}_wrkload",), variables={f"{name}_wrkload": "x"})
        yield Case("value that cannot be", name, (2,), ("INC..1",), variables={"incident_id": "INC..1"})
        yield Case("part of a run", name, (1, 4), ("Nothing was looked at",), ("--tags", "mitigate"))
        yield Case("no inventory", name, (1, 4), ("No cluster",), ("-i", "/nope"), cluster=False)
        if name in NOT_MEASURED:
            yield Case("metrics not there", name, (2,), (f"{name}_metrics_port",), variables=NOT_MEASURED[name])
    for callback in CALLBACKS[1:]:
        yield Case("healthy", "crash_loop", (0,), ("Healthy", "healthy"), callback=callback)
        yield Case("dead cluster", "crash_loop", (2,), ("no answer from https://127.0.0.1:1",), variables=DEAD, callback=callback)
        yield Case("metrics not there", "memory_leak", (2,), ("memory_leak_metrics_port",), variables=NOT_MEASURED["memory_leak"], callback=callback)
    for name, words in (("acknowledge", "incident_id"), ("after_hour", "incident_id"), ("after_day", "incident_id"), ("after_week", "incident_id"),
                        ("announce", "incident_id"), ("archive", "incident_id"), ("report", "incident_id"), ("verify_report", "incident_id"),
                        ("from_alert", "alert"), ("auth_smoke_test", "auth_degradation_smoke_user")):
        yield Case("what it needs is not said", name, (2,), (words,))
    for name in ("status", "escalate", "remind", "clear_temporary_fixes"):
        yield Case("nothing to do", name, (0,), ("",))
        yield Case("dead cluster", name, (2,), ("no answer from https://127.0.0.1:1",), variables=DEAD)
    yield Case("healthy", "health_check", (0,), ("healthy",))
    yield Case("dead cluster", "health_check", (2,), ("unreachable",), variables=DEAD)
    yield Case("no inventory", "health_check", (1, 4), ("No cluster",), ("-i", "/nope"), cluster=False)


class Installed:
    """The collection as it was built, in an empty place, with an inventory of one cluster."""

    def __init__(self, place: pathlib.Path, cluster: str, kubeconfig: pathlib.Path) -> None:
        self.place, self.cluster = place, cluster
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "KUBECONFIG"))}
        self.environment = {**kept, "HOME": str(place), "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
                            "ANSIBLE_COLLECTIONS_PATH": f"{place / 'collections'}:{_site()}", "ANSIBLE_CONFIG": str(place / "ansible.cfg"), "COLUMNS": "200"}
        (place / "ansible.cfg").touch()
        self._ansible("ansible-galaxy", "collection", "build", "--output-path", place, cwd=ROOT)
        self._ansible("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", place / "collections", *place.glob("*.tar.gz"))
        hosts = {cluster: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "runbooks_kubeconfig": str(kubeconfig),
                           "runbooks_context": cluster}}
        (place / "clusters.yml").write_text(json.dumps({"clusters": {"hosts": hosts}}))

    def run(self, case: Case) -> tuple[int, str, str]:
        """Exit status and both outputs."""
        variables = {"runbooks_incidents_dir": str(self.place / "incidents"), "runbooks_retries": 0, **case.variables}
        inventory = ("-i", "clusters.yml") if case.cluster else ()
        done = subprocess.run(
            ["ansible-playbook", *inventory, *case.flags, f"sre.runbooks.incident.{case.playbook}", "-e", json.dumps(variables)], cwd=self.place,
            env={**self.environment, "ANSIBLE_STDOUT_CALLBACK": case.callback}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=300)
        return done.returncode, done.stdout, done.stderr

    def _ansible(self, *words: object, cwd: pathlib.Path | None = None) -> None:
        subprocess.run(list(map(str, words)), cwd=cwd or self.place, env=self.environment, check=True, stdout=subprocess.DEVNULL)


def _as_nobody(kubeconfig: dict[str, t.Any], cluster: str, token: str) -> dict[str, t.Any]:
    """The kubeconfig of one cluster, with another user."""
    return {**kubeconfig, "users": [{"name": "nobody", "user": {"token": token}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "nobody"}}], "current-context": cluster}


def _site() -> pathlib.Path:
    """Where pip has put the collections that ours can use."""
    return next((ROOT / ".venv" / "lib").glob("python3.*/site-packages"))


def wrong(case: Case, status: int, output: str, errors: str) -> str:
    """What is not as it must be, in words; empty where all is."""
    said = " ".join((output + errors).split())
    if status not in case.statuses:
        return f"exit status {status}, not {' or '.join(map(str, case.statuses))}"
    if not any(word in said for word in case.words):
        return f"it does not say {' or '.join(map(repr, case.words))}"
    if "Traceback" in said:
        return "it shows a traceback"
    if case.callback == "ansible.posix.json":
        try:
            json.loads(output)
        except ValueError:
            return "what it prints is no JSON"
    return ""


def main() -> int:
    """Run the table and print it; the exit status says whether every row is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cluster", default="lab1", help="of the lab (default: %(default)s)")
    parser.add_argument("--only", default="", help="rows that have this in their name")
    parser.add_argument("--together", type=int, default=2, help="runs at the same time (default: %(default)s)")
    options = parser.parse_args()
    home = pathlib.Path(os.environ.get("SRE_LAB_HOME", "/var/lib/sre-runbooks-lab"))
    kubectl = [str(ROOT / "tests/lab/lab"), "kubectl", "--cluster", options.cluster, "-n", "ai-development"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        subprocess.run([*kubectl, "create", "serviceaccount", "exit-codes"], check=True, stdout=subprocess.DEVNULL)
        token = subprocess.run([*kubectl, "create", "token", "exit-codes"], check=True, capture_output=True, text=True).stdout.strip()
        with tempfile.TemporaryDirectory() as place, concurrent.futures.ThreadPoolExecutor(options.together) as pool:
            installed = Installed(pathlib.Path(place), options.cluster, home / "kubeconfig")
            nobody = pathlib.Path(place) / "nobody.kubeconfig"
            nobody.write_text(json.dumps(_as_nobody(yaml.safe_load((home / "kubeconfig").read_text()), options.cluster, token)))
            rows = [case for case in cases(str(nobody)) if options.only in _name(case)]
            failed = sum(list(pool.map(lambda case: _row(installed, case), rows)))
    finally:
        subprocess.run([*kubectl, "delete", "serviceaccount", "exit-codes", "--ignore-not-found"], check=True, stdout=subprocess.DEVNULL)
    print(f"{len(rows)} rows, {failed} not as they must be")
    return 1 if failed else 0


def _row(installed: Installed, case: Case) -> bool:
    """Run and print one; returns whether it is wrong."""
    began = time.monotonic()
    status, output, errors = installed.run(case)
    trouble = wrong(case, status, output, errors)
    print(f"{_name(case):<80} {status}  {time.monotonic() - began:5.1f} s  {trouble or 'as it must be'}", flush=True)
    if trouble:
        print(output[-3000:] + errors[-3000:], flush=True)
    return bool(trouble)


def _name(case: Case) -> str:
    return f"{case.playbook}: {case.situation} ({case.callback})"


if __name__ == "__main__":
    sys.exit(main())
