# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Redis a workload talks to, as its environment says."""

from __future__ import annotations

import pytest
import redis

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput


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
    ({"REDIS_URL": "redis://:p#s/s@cache/1"}, {"host": "cache", "password": "p#s/s", "database": "1"}),
    ({"REDIS_URL": "valkeys://cache?db=3"}, {"host": "cache", "tls": True, "database": "3"}),
    ({"REDIS_URL": "cache:6380"}, {"host": "cache", "port": 6380}),
    ({"REDIS_HOST": "cache", "REDIS_SSL": "true", "REDIS_SENTINELS": "a:1"}, {"host": "cache", "tls": True}),
])
def test_what_the_environment_says(environment, expected):
    assert _redis.from_environment(environment) == expected


@pytest.mark.parametrize("environment", [
    {"REDIS_URL": "redis://:secret-word@a:1,b:2"}, {"REDIS_URL": "redis-sentinel://:secret-word@a:26379/main"}, {"REDIS_URL": "unix:///tmp/secret-word"},
    {"REDIS_SENTINELS": "a:26379,b:26379"}, {"SPRING_DATA_REDIS_CLUSTER_NODES": "a:1"}, {"REDIS_HOST": "a,b"}])
def test_another_server_is_not_asked_instead_of_several(environment):
    with pytest.raises(InvalidInput, match="several servers") as refused:
        _redis.from_environment(environment)
    assert "secret-word" not in str(refused.value)
    _redis.from_environment(environment, host_given=True)


@pytest.mark.parametrize(("error", "state"), [
    (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), "refused"),
    (redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "refused"),
    (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "refused"), (redis.ResponseError("unknown command 'SCAN'"), "refused"),
    (redis.ResponseError("MOVED 3999 10.0.0.1:6381"), "refused"), (redis.ResponseError("DENIED Redis is running in protected mode"), "refused"),
    (redis.exceptions.InvalidResponse("Protocol Error: b'HTTP/1.1 400 Bad Request'"), "refused"),
    (redis.ConnectionError("Error 1 connecting to cache:6379. [SSL: WRONG_VERSION_NUMBER] wrong version number"), "refused"),
    (redis.ConnectionError("Error 1 connecting: certificate verify failed: self-signed certificate"), "refused"),
    (redis.BusyLoadingError("Redis is loading the dataset in memory"), "busy"), (redis.ResponseError("BUSY Redis is busy running a script."), "busy"),
    (redis.ConnectionError("Error 111 connecting to cache:6379. Connection refused."), "down"), (redis.TimeoutError("Timeout reading"), "down")])
def test_whoever_answers_is_not_down(error, state):
    assert _redis._state(error) == state
