# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: a table of values that cannot be, each refused with its variable, what is wrong with it, and an example."""

from __future__ import annotations

import importlib
import pathlib

import pytest
import yaml

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._task._forms import complaint, refuse
from ansible_collections.sre.runbooks.plugins.module_utils._task._module import Task, attempt

ROOT = pathlib.Path(__file__).resolve().parents[5]
ROLES = ("memory_leak", "db_pool_exhaustion", "auth_degradation", "api_gateway_overload", "crash_loop", "data_inconsistency", "health_check")

NAMES = ("", " ", "Shop", "a b", "shop_eu", "-shop", "shop-", "x" * 64, "shop\n", "shop/x", "ünicode", "{{ shop }}", "../etc")
WORKLOADS = ("", "statefulset/", "Check Out", "deployment/a..b", ".db", "db.", "x" * 254, "a_b", "deployment/Db")
QUANTITIES = ("lots", "512 Mi", "512MB", "-1Gi", "0", "1,5Gi", "NaN", "1Gi2", "Gi", "1_000")
NUMBERS = ("-1", "-0.5", "nan", "inf", "-inf")
SHARES = ("1.01", "90", "85")
PORTS = ("65536", "99999", "http:80", "https:", "-1", "two words", "METRICS", "90.90", "port-with-a-long-name")
PATHS = ("metrics", "http://x/metrics", "/me trics", "\\metrics")
URLS = ("auth-service", "auth-service:8080", "ftp://auth", "http://", "http://x:port", "http://x:70000", "http:// x", "http://[::1", "//auth")
IDS = ("INC..1", "a b", "../x", "INC-", ".INC", "INC.", "x" * 53, "INC/1", "INC.-1", "INC:1", "ÎNC-1", "INC-1\n")
HOSTS = ("api.example.com", "api.example.com:6443", "localhost", "ssh://api", "https://", "https://api:x", "https://a b")

#: option or variable -> values that are refused
TABLE = {
    "memory_leak_namespace": NAMES, "crash_loop_workload": WORKLOADS, "memory_leak_memory_limit": QUANTITIES, "memory_leak_verify_timeout": NUMBERS,
    "crash_loop_window_minutes": NUMBERS[:2], "api_gateway_overload_replicas": NUMBERS[:1], "memory_leak_near_limit": SHARES + NUMBERS,
    "auth_degradation_login_success": SHARES, "health_check_full": SHARES, "api_gateway_overload_cpu_share": SHARES,
    "auth_degradation_metrics_port": PORTS, "memory_leak_metrics_path": PATHS, "auth_degradation_smoke_url": URLS,
    "api_gateway_overload_config_map": NAMES[1:7], "memory_leak_container": NAMES[1:8],
}
ROWS = [(variable, value) for variable, values in TABLE.items() for value in values]
OF_MODULES = [(option, value) for option, values in {"incident_id": IDS, "host": HOSTS, "proxy": URLS, "max_memory": QUANTITIES}.items() for value in values]
PLAIN = {"type": "str"}


def options_of(role):
    return yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


SPECS = {name: spec for role in ROLES for name, spec in options_of(role).items()}


def test_there_are_enough_of_them():
    assert len(ROWS) + len(OF_MODULES) >= 120 and set(TABLE) <= set(SPECS)


@pytest.mark.parametrize(("variable", "value"), ROWS)
def test_a_variable_is_refused_by_its_name(variable, value):
    said = complaint(variable, value, SPECS[variable])
    assert said.startswith(f"{variable} is ") and " which is not " in said and " For example: " in said and "\n" not in said


@pytest.mark.parametrize(("option", "value"), OF_MODULES)
def test_an_option_of_a_module_is_refused(option, value):
    with pytest.raises(InvalidInput, match=f"^{option} is .* For example: .* nothing was changed"):
        refuse({option: PLAIN}, {option: value}, {})


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_of_a_role_are_in_order(role):
    for variable, spec in options_of(role).items():
        if "{{" not in str(spec.get("default")):
            assert complaint(variable, spec.get("default"), spec) == "", variable


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "modules").glob("*.py")), ids=lambda path: path.stem)
def test_the_defaults_of_a_module_are_in_order(path):
    module = importlib.import_module(f"ansible_collections.sre.runbooks.plugins.modules.{path.stem}")
    refuse({name: spec for name, spec in module.ARGUMENT_SPEC.items() if "default" in spec},
           {name: spec.get("default") for name, spec in module.ARGUMENT_SPEC.items()}, {})


@pytest.mark.parametrize(("option", "value"), [
    ("namespace", "shop"), ("namespace", "9-lives"), ("workload", "sts/db"), ("workload", "deployments.apps/shop.v2"), ("container", ""),
    ("incident_id", "INC-1234"), ("incident_id", "drill_a-b.1"), ("memory_limit", "1.5Gi"), ("memory_limit", "512e6"), ("metrics_port", "https:8443"),
    ("metrics_port", "0"), ("metrics_port", "http-metrics"), ("metrics_port", "https:metrics"), ("host", "https://[::1]:6443/k8s/clusters/c-1"),
    ("proxy", "socks5h://127.0.0.1:1080"), ("metrics_path", "/actuator/prometheus?x=1"), ("redis_host", "redis"), ("title", "Ümlaut: any {text}")])
def test_what_is_in_order_is_taken(option, value):
    assert complaint(option, value, PLAIN) == ""


def test_all_that_is_wrong_is_said_at_once_by_the_variables_that_were_set():
    asked = []
    result = attempt({"host": PLAIN, "namespace": {**PLAIN, "required": True}}, asked.append,
                     Task({"host": "api", "namespace": ""}), 0, {"host": "runbooks_host"})
    assert result["failed"] and "runbooks_host is 'api'" in result["msg"] and "namespace is empty" in result["msg"] and not asked


def test_a_secret_is_never_shown():
    assert complaint("host", "sesame", {"type": "str", "no_log": True}) == ""


@pytest.mark.parametrize(("variable", "spec"), [(name, spec) for name, spec in SPECS.items() if spec["type"] in ("int", "float")])
def test_no_number_of_any_role_may_be_negative(variable, spec):
    assert complaint(variable, -1, spec).startswith(f"{variable} is -1")
