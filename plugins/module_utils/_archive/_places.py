# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where evidence and records are kept: a directory, or a bucket of a storage that speaks S3."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput, RunbookError
from ansible_collections.sre.runbooks.plugins.module_utils._core._optional import require
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import file_sha256

try:
    import minio
    import urllib3
except ImportError:
    pass

#: S3 wants parts of at least 5 MiB; one of them is in memory
PART = 16 * 1024 * 1024


class Place(t.Protocol):
    """Takes files, and says what it has of them."""

    def put(self, name: str, file: pathlib.Path) -> None:
        """Keep a file under a name."""

    def sha256(self, name: str) -> str:
        """Of what is kept under a name, read back from there; empty where there is nothing."""


class Directory:
    """A directory, such as a mounted share."""

    def __init__(self, path: str) -> None:
        self._root = pathlib.Path(path).expanduser()

    def put(self, name: str, file: pathlib.Path) -> None:
        target = self._root / name
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(file, "rb") as source, open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as copy:
                while piece := source.read(PART):
                    copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
            partial.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise _failed(name, str(self._root), error.strerror or str(error)) from error

    def sha256(self, name: str) -> str:
        path = self._root / name
        return file_sha256(path) if path.is_file() else ""


class Bucket:
    """A bucket and a prefix in it."""

    def __init__(self, bucket: str, prefix: str, settings: t.Mapping[str, t.Any]) -> None:
        require("minio")
        self._bucket, self._prefix = bucket, prefix.strip("/")
        endpoint = urllib.parse.urlsplit(settings.get("endpoint") or "https://s3.amazonaws.com")
        self._where = f"s3://{bucket}/{self._prefix}"
        timeout = float(settings.get("timeout") or 30)
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=min(10.0, timeout), read=timeout), retries=urllib3.Retry(
            total=3, backoff_factor=0.2, status_forcelist=[429, 500, 502, 503, 504], respect_retry_after_header=True))
        keys = {"access_key": settings.get("access_key"), "secret_key": settings.get("secret_key")} if settings.get("access_key") else {
            "credentials": minio.credentials.ChainedProvider([minio.credentials.EnvAWSProvider(), minio.credentials.IamAwsProvider()])}
        self._client = minio.Minio(endpoint.netloc, secure=endpoint.scheme == "https", region=settings.get("region") or "us-east-1",
                                   http_client=pool, **keys)

    def put(self, name: str, file: pathlib.Path) -> None:
        try:
            self._client.fput_object(self._bucket, self._key(name), str(file), part_size=PART, num_parallel_uploads=1)
        except (minio.error.MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise _failed(name, self._where, _short(error)) from None

    def sha256(self, name: str) -> str:
        response = None
        try:
            response = self._client.get_object(self._bucket, self._key(name))
            digest = hashlib.sha256()
            for piece in response.stream(PART):
                digest.update(piece)
            return digest.hexdigest()
        except minio.error.S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchBucket"):
                return ""
            raise _failed(name, self._where, _short(error)) from None
        except (minio.error.MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _failed(name, self._where, _short(error)) from None
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def place(to: str, settings: t.Mapping[str, t.Any]) -> Place:
    """The place that an address names: ``s3://bucket/prefix`` or a path.

    :param settings: of S3: ``endpoint``, ``region``, ``access_key``, ``secret_key`` (else the environment, or the role of the machine), ``timeout``.
    """
    if not to.startswith("s3://"):
        if "://" in to or not to:
            raise InvalidInput(f"archive_to: {to!r} is neither a directory nor s3://bucket/prefix.", "Nothing was archived.")
        return Directory(to)
    parts = urllib.parse.urlsplit(to)
    if not parts.netloc:
        raise InvalidInput(f"archive_to: {to!r} names no bucket.", "For example: s3://incidents/prod")
    return Bucket(parts.netloc, parts.path, settings)


def _failed(name: str, where: str, reason: str) -> RunbookError:
    return RunbookError(f"{name} could not be archived to {where}: {reason}.",
                        "What is on this controller is kept; run incident/archive.yml again with the same incident_id, it sends only what is not there yet.")


def _short(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{getattr(reason, 'code', '') or type(reason).__name__}: {getattr(reason, 'message', '') or ''}".strip(": ")[:200]
