# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prometheus that has what a test gives it."""

from __future__ import annotations

import contextlib

import pytest
import real_prometheus


@pytest.fixture(scope="session", name="serving")
def serving_fixture(tmp_path_factory):
    """A function of OpenMetrics lines that gives the URL of a Prometheus that has them as blocks."""
    with contextlib.ExitStack() as stack:
        def serve(lines):
            directory = tmp_path_factory.mktemp("prometheus")
            with (directory / "samples").open("w") as file:
                file.writelines(lines)
            real_prometheus.create_blocks(directory / "samples", directory / "data")
            return stack.enter_context(real_prometheus.serving(directory))[0]

        yield serve
