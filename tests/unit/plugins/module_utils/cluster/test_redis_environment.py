# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Redis a workload talks to, as its environment says."""

from __future__ import annotations

import pytest

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, {}),
    ({"REDIS_HOST": "cache", "REDIS_PORT": "tcp://10.0.0.1:6379"}, {"host": "cache"}),
    ({"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_PASSWORD": "w"}, {"host": "cache", "port": "6380", "password": "w"}),
    ({"SPRING_DATA_REDIS_HOST": "cache", "SPRING_DATA_REDIS_DATABASE": "2"}, {"host": "cache", "database": "2"}),
    ({"REDIS_URL": "redis://cache:6380/3"}, {"host": "cache", "port": 6380, "database": "3"}),
    ({"REDIS_URL": "redis://word@cache"}, {"host": "cache", "password": "word"}),
    ({"REDIS_URL": "redis://:p%40ss@cache"}, {"host": "cache", "password": "p@ss"}),
    ({"REDIS_URL": "rediss://app:word@cache.example:6380/0"},
     {"host": "cache.example", "port": 6380, "user": "app", "password": "word", "tls": True, "database": "0"}),
    ({"REDIS_HOST": "cache", "REDIS_URL": "redis://other"}, {"host": "cache"}),
    ({"CELERY_BROKER_URL": "amqp://mq", "REDIS_DB": "main"}, {}),
])
def test_what_the_environment_says(environment, expected):
    assert _redis.from_environment(environment) == expected
