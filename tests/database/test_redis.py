"""A real server of Redis, as people have it: with a password, users, a bound, a replica, or not at all."""

from __future__ import annotations

import contextlib
import subprocess
import time

import pytest
from postgres_server import _free_port

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._redis import Server
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError


@contextlib.contextmanager
def redis_server(*options, **asked):
    port = _free_port()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1", *options], stdout=subprocess.DEVNULL)
    server = Server("127.0.0.1", port, **asked)
    try:
        deadline = time.monotonic() + 20
        while _redis.health(Server("127.0.0.1", port)).state == _redis.DOWN and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(("options", "asked", "state", "because"), [
    ((), {}, "up", ""),
    (("--requirepass", "secret-word"), {}, "refused", "Authentication required"),
    (("--requirepass", "secret-word"), {"password": "wrong"}, "refused", "invalid username-password pair"),
    (("--requirepass", "secret-word"), {"password": "secret-word"}, "up", ""),
    (("--user", *"reader on >reader-word ~* +@read +ping +select".split()), {"user": "reader", "password": "reader-word"}, "up", "no permissions"),
    (("--user", *"nobody on >reader-word -@all +auth".split()), {"user": "nobody", "password": "reader-word"}, "refused", "no permissions"),
])
def test_who_is_turned_away_is_told_from_what_is_down(options, asked, state, because):
    with redis_server(*options, **asked) as server:
        health = _redis.health(server)
    assert (health.state, because in health.because) == (state, True), health
    assert _redis.health(server).state == "down", "once it has ended"


def test_what_it_says_of_itself():
    with redis_server("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru", "--maxclients", "50") as server:
        with contextlib.closing(server.connect()) as client:
            for number in range(3000):
                client.set(f"k{number}", "x" * 1000)
            health = _redis.health(server)
    assert (health.role, health.memory_limit, health.clients_limit, health.lag_seconds) == ("primary", 3 << 20, 50, None)
    assert health.evicted > 0 and health.clients >= 2 and health.rejected == 0


def test_no_client_more():
    with redis_server("--maxclients", "1") as server, contextlib.closing(server.connect()) as client:
        client.ping()
        assert _redis.health(server).state == "refused"


def test_a_replica_without_its_primary_serves_old_data():
    with redis_server("--replicaof", f"127.0.0.1 {_free_port()}") as server:
        health = _redis.health(server)
    assert (health.state, health.role, health.because) == ("busy", "replica", "its primary cannot be reached")


def test_keys_are_scanned_in_bounded_batches():
    with redis_server() as server, contextlib.closing(server.connect()) as client:
        client.mset({f"order:{number}": number for number in range(2500)} | {"other": 1})
        found = [key for keys in _redis.scan(client, "order:*", 100) for key in keys]
        assert len(set(found)) == 2500 and b"other" not in found
        with pytest.raises(ClusterError, match="narrower"):
            list(_redis.scan(client, "*", 100, 1000))
