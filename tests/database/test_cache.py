"""A cache beside its rows: what is stale is found, and nothing else; what is dropped can be put back."""

from __future__ import annotations

import contextlib
import json

import pytest
from test_redis import redis_server

from ansible_collections.sre.runbooks.plugins.module_utils._change import _redis_keys
from ansible_collections.sre.runbooks.plugins.module_utils._change._redis_keys import RedisKeys
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError, InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._data._cache import _compare
from ansible_collections.sre.runbooks.plugins.module_utils._data._consistency import _rules

RULE = {"name": "cached", "kind": "cache", "description": "as the row says", "keys": "order:{id}", "table": "orders", "key": "id",
        "values": {"total": "total", "customer": "customer", "created": "created_at"}}


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def cache(redis, monkeypatch):
    monkeypatch.setattr(_compare, "SECOND_LOOK_SECONDS", 0.05)
    with contextlib.closing(redis.connect()) as client:
        client.flushall()
        yield client


def rule(**changed):
    [found] = _rules.load_cached([], [{**RULE, **changed}])[-1:]
    return found


def check(postgres, cache, most=1000, **changed):
    return _compare.check(rule(**changed), cache, postgres.database(), _compare.Bounds(keys=most))


def cached(postgres, number, **other):
    [row] = postgres.execute("SELECT id, total, customer, created_at FROM orders WHERE id = %s", number)
    return json.dumps({"id": row[0], "total": float(row[1]), "customer": row[2], "created": row[3].isoformat(), **other})


def test_only_what_differs_is_stale(postgres, cache):
    for number in range(1, 21):
        cache.set(f"order:{number}", cached(postgres, number), ex=300)
    cache.set("order:3", cached(postgres, 3, total=999))
    cache.set("order:4", cached(postgres, 4, customer="mallory"))
    cache.set("order:9999", cached(postgres, 9) .replace('"id": 9', '"id": 9999'))
    cache.set("orders:page:1", "[]")
    found = check(postgres, cache)
    assert sorted(found["stale"]) == ["order:3", "order:4", "order:9999"] and found["count"] == 3 and found["checked"] == 21
    samples = {sample["key"]: (sample["found"], sample["expected"]) for sample in found["samples"]}
    assert samples["order:3"] == ("total 999", "total 26.20") and samples["order:9999"] == ("cached", "(no row)")


@pytest.mark.parametrize("total", ["26.2", "26.20", 26.2, "2.62E1"])
def test_values_are_compared_by_meaning(postgres, cache, total):
    cache.set("order:1", cached(postgres, 1, total=total))
    assert check(postgres, cache)["count"] == 0


@pytest.mark.parametrize("value", ["no json", "[1]", "{}", b"\xff\xfe", "null", '{"total": 1}'])
def test_what_is_not_understood_counts_for_nothing(postgres, cache, value):
    cache.set("order:1", value)
    found = check(postgres, cache)
    assert (found["count"], found["unreadable"]) == (0, 1)


def test_other_kinds_of_keys_and_values_of_a_serializer_count_for_nothing(postgres, cache):
    """As Spring writes numbers with their class and times as lists."""
    cache.rpush("order:1", "a")
    cache.set("order:2", "x" * 20_000)
    cache.set("order:3", cached(postgres, 3, total=["java.math.BigDecimal", 26.2]))
    cache.set("order:4", cached(postgres, 4, created=[2026, 11, 28, 10, 30]))
    found = check(postgres, cache)
    assert (found["count"], found["checked"], found["unreadable"]) == (0, 4, 4)


def test_hashes_and_plain_values(postgres, cache):
    cache.hset("o:1", mapping={"total": "26.2", "customer": "alice"})
    cache.hset("o:2", mapping={"total": "26.3", "customer": "alice"})
    assert list(check(postgres, cache, keys="o:{id}", values={"total": "total", "customer": "customer"})["stale"]) == ["o:2"]
    cache.set("total:1", "26.20")
    cache.set("total:2", "1")
    assert list(check(postgres, cache, keys="total:{id}", values={"$": "total"})["stale"]) == ["total:2"]


def test_a_write_that_is_under_way_is_not_stale(postgres, cache, monkeypatch):
    cache.set("order:1", cached(postgres, 1, total=1))
    right = cached(postgres, 1)
    monkeypatch.setattr(_compare.time, "sleep", lambda _seconds: cache.set("order:1", right))
    assert check(postgres, cache)["count"] == 0


def test_what_heals_by_itself_is_told_and_not_counted(postgres, cache):
    cache.set("order:1", cached(postgres, 1, total=1), ex=30)
    cache.set("order:2", cached(postgres, 2, total=1), ex=600)
    found = check(postgres, cache)
    assert (list(found["stale"]), found["expiring"]) == (["order:2"], 1)


def test_too_many_keys_or_no_table_make_it_a_rule_that_could_not_be_checked(postgres, cache):
    for number in range(1, 50):
        cache.set(f"order:{number}", "{}")
    assert "More than 10 keys" in check(postgres, cache, 10)["error"]
    found = check(postgres, cache, table="no_such_table")
    assert found["count"] is None and "no_such_table" in found["error"]


@pytest.mark.parametrize("keys", ["order:", "order:{number}", "order:{id}:{id}"])
def test_keys_that_do_not_name_the_row_are_refused(keys):
    with pytest.raises(InvalidInput, match="keys must name each column"):
        rule(keys=keys)


def dropped(redis, keys, expires):
    """What a change needs, as it would be asked."""
    store = RedisKeys(Nowhere(), [{"host": redis.host, "port": redis.port, "route": "direct", "expires": expires}])
    store.patch(_redis_keys.KIND, "shop", "cache", [{"op": "remove", "path": f"/keys/{key}"} for key in keys], "")
    return store


class Nowhere:
    name = "test"


def test_what_is_dropped_comes_back_with_its_value_and_its_expiry(redis, cache):
    cache.set("a", "1", ex=100)
    cache.set("b", b"\xff\x00")
    cache.hset("c", mapping={"x": "1"})
    before = _redis_keys.read(cache, "abc")
    store = dropped(redis, "abc", _redis_keys.expiries(cache, "abc"))
    assert cache.keys() == []
    store.patch(_redis_keys.KIND, "shop", "cache", [{"op": "add", "path": f"/keys/{key}", "value": value} for key, value in before.items()], "")
    assert _redis_keys.read(cache, "abc") == before
    assert 90_000 < cache.pttl("a") <= 100_000 and cache.pttl("b") == -1


def test_what_would_have_expired_stays_away(redis, cache):
    cache.set("a", "1")
    before = _redis_keys.read(cache, "a")
    dropped(redis, "a", {"a": 1}).patch(_redis_keys.KIND, "shop", "cache", [{"op": "add", "path": "/keys/a", "value": before["a"]}], "")
    assert cache.get("a") is None


def test_a_key_that_was_written_meanwhile_is_not_dropped(redis, cache, monkeypatch):
    cache.set("a", "1")
    read = _redis_keys.read

    def read_and_be_overtaken(client, keys):
        found = read(client, keys)
        cache.set("a", "2")
        return found

    monkeypatch.setattr(_redis_keys, "read", read_and_be_overtaken)
    with pytest.raises(ClusterError, match="written meanwhile"):
        dropped(redis, "a", {"a": 0})
    assert cache.get("a") == b"2"
