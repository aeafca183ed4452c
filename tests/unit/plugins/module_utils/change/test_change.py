# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change is shown to a person."""

from __future__ import annotations

from ansible_collections.sre.runbooks.plugins.module_utils._change import _change
from ansible_collections.sre.runbooks.plugins.module_utils._change._change import Change, Field
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._workload import Target

TARGET = Target("shop", "Deployment", "api")


def template(pepper, image):
    return {"spec": {"containers": [{"name": "api", "image": image, "env": [{"name": "PASSWORD_PEPPER", "value": pepper}]}]}}


def test_of_a_document_only_what_differs_is_shown_and_no_secret():
    field = Field("spec.template", template("hot", "api:1"), template("mild", "api:2"))
    assert field.shown() == [
        ("spec.template.spec.containers[api].env[PASSWORD_PEPPER].value", "[REDACTED]", "[REDACTED]"),
        ("spec.template.spec.containers[api].image", "api:1", "api:2")]
    diff = Change("rollback", TARGET, "uid", (field,), "roll back").diff()
    assert "image: api:1" in diff["before"] and "image: api:2" in diff["after"]
    assert "hot" not in str(diff) and "mild" not in str(diff)


def test_single_values_are_shown_as_they_are_unless_their_name_says_secret():
    assert Field("spec.replicas", 2, 5).shown() == [("spec.replicas", 2, 5)]
    assert Field('data["api.token"]', None, "s3cret").shown() == [('data["api.token"]', None, "[REDACTED]")]
    path = "spec.template.spec.containers[name=api].env[name=DB_PASSWORD]"
    assert Field(path, None, {"name": "DB_PASSWORD", "value": "x"}).shown() == [(path, None, {"name": "DB_PASSWORD", "value": "[REDACTED]"})]


def test_of_a_template_that_somebody_changed_only_the_difference_is_told_and_no_secret():
    told = _change._differs("spec.template", template("hot", "api:1"), template("mild", "api:2"))
    assert told == ("spec.template.spec.containers[api].env[PASSWORD_PEPPER].value is [REDACTED], but [REDACTED] was recorded; "
                    "spec.template.spec.containers[api].image is api:1, but api:2 was recorded")
    many = [{"spec": {"containers": [{"name": "api", **{f"field{number}": value for number in range(5)}}]}} for value in ("a", "b")]
    assert _change._differs("spec.template", *many).endswith("; and 2 more fields differ")
