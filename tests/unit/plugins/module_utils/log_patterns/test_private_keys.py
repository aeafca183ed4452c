# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key in a log of which each line is a record is in no pattern."""

from __future__ import annotations

import base64
import json
import random

import pytest
from ansible_collections.sre.runbooks.plugins.module_utils._log_patterns import _files

BODY = [base64.b64encode(random.Random(at).randbytes(48)).decode() for at in range(20)]


@pytest.mark.parametrize("before", ["", "2026-11-24 03:00:30 ERROR "])
def test_no_line_of_a_key_is_in_a_pattern(tmp_path, before):
    key = ["-----BEGIN RSA PRIVATE KEY-----", *BODY, "-----END RSA PRIVATE KEY-----"]
    log = [*(f"2026-11-24 03:00:0{at} INFO loaded certificate {at}" for at in range(10)), *(before + line for line in key), "2026-11-24 03:00:31 INFO done"]
    path = tmp_path / "pem.log"
    path.write_text("\n".join(log) + "\n")
    found = json.dumps(_files.patterns_of([str(path)], None))
    assert "done" in found and not any(line in found for line in BODY)
