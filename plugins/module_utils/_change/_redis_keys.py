# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of a Redis, read and written as an object with fields, so that changes and undo treat them like any other.

The object is ``{"metadata": {"name": "redis:6379/0", "uid": …}, "keys": {key: value}}`` with the keys of one change. A value is
``{"text": …}``, ``{"base64": …}`` where it is no text, or ``{"hash": {field: text}}``. When a key would have expired is kept
beside the change, because its time to live is another one at every look.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._cluster import _redis
from ansible_collections.sre.runbooks.plugins.module_utils._cluster._connection import Cluster, Json
from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import ClusterError

try:
    import jsonpatch
except ImportError:
    pass
try:
    import redis
except ImportError:
    pass

KIND = "RedisKeys"
#: bytes of a value that are kept in the incident's record for the way back
LONGEST_VALUE = 16 << 10


class RedisKeys:
    """What a change needs of the API server, answered by a Redis.

    :param ways: one way: how it is reached, as ``_redis.opened`` takes it, without the password, which may have come from a record; and
        ``expires``: the keys of the change, each with the time of its expiry in milliseconds since 1970, 0 for never.
    """

    def __init__(self, cluster: Cluster, ways: t.Sequence[Json]) -> None:
        self.name = cluster.name
        self._cluster, (self._way,) = cluster, ways
        self._expires: dict[str, int] = self._way["expires"]

    def find(self, _kind: str, namespace: str, name: str) -> Json:
        """The keys of the change, as far as they are there."""
        with self._asked(namespace, "read keys") as client:
            return described(name, read(client, self._expires))

    get = find

    def patch(self, _kind: str, namespace: str, name: str, operations: list[Json], _content_type: str) -> None:
        """Delete and restore keys as a JSON patch of the object says, if none was written since it was read.

        :raises ClusterError: one was, with the status of a conflict.
        """
        with self._asked(namespace, "write keys") as client, client.pipeline() as pipe:
            pipe.watch(*self._expires)
            before = read(client, self._expires)
            try:
                after = jsonpatch.apply_patch(described(name, before), operations)["keys"]
                pipe.multi()
                for key in before.keys() - after.keys():
                    pipe.delete(key)
                for key in after.keys() - before.keys():
                    _restore(pipe, key, after[key], self._expires.get(key, 0))
                pipe.execute()
            except (redis.WatchError, jsonpatch.JsonPatchException) as error:
                raise ClusterError(f"Cluster {self.name}: a key of {name} was written meanwhile.", "Run again.", status=409) from error

    @contextlib.contextmanager
    def _asked(self, namespace: str, doing: str) -> t.Iterator[t.Any]:
        given = {key: value for key, value in self._way.items() if key != "expires"}
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(_redis.opened(self._cluster, namespace, given))
            yield stack.enter_context(_redis.asked(server, doing))


def described(name: str, keys: t.Mapping[str, Json]) -> Json:
    """The object."""
    return {"metadata": {"name": name, "uid": name}, "keys": dict(keys)}


def read(client: t.Any, keys: t.Iterable[str]) -> dict[str, Json]:
    """Values of keys that are there, and that can be put back: text, bytes and hashes."""
    names = list(keys)
    kinds = _each(client, "type", names)
    texts, hashes = ([key for key, kind in zip(names, kinds, strict=True) if kind == wanted] for wanted in (b"string", b"hash"))
    found = {key: _text(value) for key, value in zip(texts, _each(client, "get", texts), strict=True) if value is not None}
    found |= {key: {"hash": {_shown(field): _shown(value) for field, value in sorted(fields.items())}}
              for key, fields in zip(hashes, _each(client, "hgetall", hashes), strict=True) if fields}
    return {key: value for key, value in found.items() if len(json.dumps(value)) <= LONGEST_VALUE}


def _each(client: t.Any, command: str, keys: t.Sequence[str]) -> list[t.Any]:
    """The answers for all keys, in one round trip."""
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            getattr(pipe, command)(key)
        return pipe.execute()


def _shown(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def expiries(client: t.Any, keys: t.Iterable[str]) -> dict[str, int]:
    """When keys expire, in milliseconds since 1970 by this machine's clock; 0 for never."""
    names = list(keys)
    left = dict(zip(names, _each(client, "pttl", names), strict=True))
    now = int(time.time() * 1000)
    return {key: now + milliseconds if milliseconds > 0 else 0 for key, milliseconds in left.items()}


def digest(value: Json) -> str:
    """Names a value without showing it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _text(value: bytes) -> Json:
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _restore(pipe: t.Any, key: str, value: Json, expires: int) -> None:
    left = expires - int(time.time() * 1000)
    if expires and left <= 0:
        return  # it would be gone by now
    if "hash" in value:
        pipe.hset(key, mapping=value["hash"])
    else:
        pipe.set(key, value["text"] if "text" in value else base64.b64decode(value["base64"]))
    if expires:
        pipe.pexpire(key, left)
