# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubeconfig as kubectl reads it: which server, and as whom.

The Python client reads it otherwise: it drops impersonation, turns an exec plugin that fails into an anonymous user, lets the
last file's current context win, and refreshes OIDC tokens without verifying the issuer. Each of these reaches the wrong
cluster or speaks as the wrong user, so the file is read here; nothing of it that is secret stands in an error.
"""

from __future__ import annotations

import atexit
import base64
import binascii
import contextlib
import dataclasses
import datetime
import json
import os
import re
import subprocess
import tempfile
import threading
import typing as t
import urllib.parse

from ansible_collections.sre.runbooks.plugins.module_utils._core._errors import InvalidInput
from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact

try:
    import yaml
except Exception:
    pass

Json = t.Dict[str, t.Any]

DEFAULT_PATH = "~/.kube/config"
#: seconds that an exec plugin may take; some open a browser, which nobody sees here
PLUGIN_SECONDS = 60.0
#: seconds after which a token file is read again, as kubectl does: a mounted token is replaced about once an hour
TOKEN_FILE_SECONDS = 60.0
#: a credential is renewed this long before its end, so that no request is under way when it ends
EARLY = datetime.timedelta(seconds=10)
_UNFIT_FOR_A_HEADER = re.compile(r"[^\x20-\x7e]")


@dataclasses.dataclass(frozen=True)
class Credential:
    """What proves who asks, and until when.

    :param authorization: value of the header, empty for none.
    :param cert_file: path of the client certificate, empty for none; ``key_file`` likewise.
    :param expires: None for never.
    """

    authorization: str = dataclasses.field(default="", repr=False)
    cert_file: str = ""
    key_file: str = ""
    expires: datetime.datetime | None = None

    @property
    def expired(self) -> bool:
        """Whether it has to be had anew."""
        return self.expires is not None and self.expires - EARLY <= datetime.datetime.now(datetime.timezone.utc)


class Identity:
    """As whom requests are made; a credential that expires is renewed.

    :param obtain: gets the credential.
    :param impersonated: headers that name another user than the credential's.
    """

    def __init__(self, obtain: t.Callable[[], Credential], impersonated: t.Sequence[tuple[str, str]] = ()) -> None:
        self._obtain, self._impersonated, self._lock = obtain, tuple(impersonated), threading.Lock()
        self.credential = obtain()

    def headers(self) -> list[tuple[str, str]]:
        """The headers of a request; one name may stand several times (groups)."""
        with self._lock:
            if self.credential.expired:
                self.credential = self._obtain()
        own = [("Authorization", self.credential.authorization)] if self.credential.authorization else []
        return [*own, *self._impersonated]


@dataclasses.dataclass(frozen=True)
class Server:
    """Where the API server is.

    :param ca_file: path of the CA bundle, empty for the system's.
    :param verify: whether its certificate is verified.
    :param name: that the certificate must have, where it is not the address's; empty for that.
    :param proxy: URL, empty for what the environment says.
    """

    url: str
    ca_file: str = ""
    verify: bool = True
    name: str = ""
    proxy: str = ""


class Kubeconfig:
    """One context of the kubeconfig files.

    :param where: what errors call it, such as ``Cluster prod: kubeconfig /home/a/.kube/config``.
    :param paths: of the files, separated as in ``KUBECONFIG``; the first one that names something wins.
    :param context: empty for the current one.
    :param directory: where keys and certificates become files; empty for the system's, until the process ends.
    """

    def __init__(self, where: str, paths: str, context: str, directory: str) -> None:
        self.where, self._directory = where, directory
        entries, current = _merged(where, [os.path.expanduser(path) for path in paths.split(os.pathsep) if path])
        self.context = context or current
        if not self.context:
            raise self.refused("it has no current context", f"Set runbooks_context to one of: {_listed(entries['contexts'])}.")
        chosen = self._entry(entries, "contexts", self.context)[0]
        self._cluster, self._cluster_dir = self._entry(entries, "clusters", str(chosen.get("cluster", "")))
        user = chosen.get("user")
        self._user, self._user_dir = self._entry(entries, "users", str(user)) if user else ({}, "")

    def refused(self, why: str, next_step: str) -> InvalidInput:
        """The error that says what is wrong with it."""
        return InvalidInput(f"{self.where}: {why}.", f"{next_step} Nothing was sent.")

    def server(self) -> Server:
        """The API server of the context."""
        url, proxy = str(self._cluster.get("server") or ""), str(self._cluster.get("proxy-url") or "")
        if not url.startswith(("https://", "http://")):
            raise self.refused(f"the cluster of context {self.context} has no server that is a URL", "Correct clusters[].cluster.server.")
        return Server(url.rstrip("/"), self._file(self._cluster, "certificate-authority", self._cluster_dir),
                      not self._cluster.get("insecure-skip-tls-verify"), str(self._cluster.get("tls-server-name") or ""), proxy)

    def identity(self) -> Identity:
        """As whom the context's user acts."""
        return Identity(self._credential, self._impersonated())

    def _credential(self) -> Credential:
        user = self._user
        own = Credential(cert_file=self._file(user, "client-certificate", self._user_dir),
                         key_file=self._file(user, "client-key", self._user_dir))
        if user.get("tokenFile"):
            soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=TOKEN_FILE_SECONDS)
            return dataclasses.replace(own, authorization=self._bearer(self._read(user["tokenFile"])), expires=soon)
        if user.get("token"):
            return dataclasses.replace(own, authorization=self._bearer(user["token"]))
        if user.get("username"):
            pair = f"{user['username']}:{user.get('password', '')}".encode()
            return dataclasses.replace(own, authorization=f"Basic {base64.b64encode(pair).decode()}")
        if user.get("exec"):
            return self._from_plugin(user["exec"], own)
        if user.get("auth-provider"):
            return dataclasses.replace(own, authorization=self._from_provider(user["auth-provider"]))
        return own

    def _impersonated(self) -> list[tuple[str, str]]:
        user = self._user
        named = {"as-uid", "as-groups", "as-user-extra"} & {key for key, value in user.items() if value}
        if not user.get("as"):
            if named:
                raise self.refused(f"its user has {', '.join(sorted(named))} without as", "Name the user to act as, or take them out.")
            return []
        headers = [("Impersonate-User", str(user["as"]))]
        headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or []]
        headers += [("Impersonate-Uid", str(user["as-uid"]))] if user.get("as-uid") else []
        headers += [(f"Impersonate-Extra-{urllib.parse.quote(str(key).lower(), safe='')}", str(value))
                    for key, values in (user.get("as-user-extra") or {}).items() for value in values or []]
        for name, value in headers:
            if _UNFIT_FOR_A_HEADER.search(value):
                raise self.refused(f"{name.removeprefix('Impersonate-').lower()} to act as has characters that no header can hold",
                                   "Correct as, as-groups, as-uid or as-user-extra of its user.")
        return headers

    def _bearer(self, token: t.Any) -> str:
        try:
            return bearer(str(token))
        except ValueError:
            raise self.refused("its token is empty or has characters that no header can hold (a line break in the middle?)",
                               "Write the token into it again.") from None

    def _from_plugin(self, plugin: Json, own: Credential) -> Credential:
        """Run an exec plugin; what it prints is a credential, and so never shown."""
        status = self._run(plugin)
        token, certificate, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
        if not token and not (certificate and key):
            raise self._plugin_failed(plugin, "it printed neither a token nor a client certificate with its key")
        expires = None
        if status.get("expirationTimestamp"):
            with contextlib.suppress(ValueError):
                expires = datetime.datetime.fromisoformat(status["expirationTimestamp"].replace("Z", "+00:00"))
        files = {"cert_file": self._kept(certificate.encode()), "key_file": self._kept(key.encode())} if certificate and key else {}
        return dataclasses.replace(own, **files, expires=expires, authorization=self._bearer(token) if token else "")

    def _run(self, plugin: Json) -> Json:
        command = str(plugin.get("command") or "")
        if not command or not plugin.get("apiVersion"):
            raise self._plugin_failed(plugin, "it lacks command or apiVersion")
        if plugin.get("interactiveMode") == "Always":
            raise self._plugin_failed(plugin, "it wants to talk to a person (interactiveMode: Always)")
        if os.sep in command:
            command = os.path.join(self._user_dir, command)
        environment = {**os.environ, **{item["name"]: str(item.get("value", "")) for item in plugin.get("env") or []},
                       "KUBERNETES_EXEC_INFO": json.dumps(self._told(plugin))}
        try:
            done = subprocess.run([command, *map(str, plugin.get("args") or [])], env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=PLUGIN_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise self._plugin_failed(plugin, f"it did not end within {PLUGIN_SECONDS:.0f} s") from None
        except OSError as error:
            hint = str(plugin.get("installHint") or "").strip()
            raise self._plugin_failed(plugin, f"it cannot be started ({error.strerror})", hint) from None
        if done.returncode:
            said = redact(done.stderr.decode("utf-8", "replace").strip())[-300:]
            raise self._plugin_failed(plugin, f"it ended with {done.returncode}{f': {said}' if said else ''}")
        try:
            answer = json.loads(done.stdout)
            version, status = answer["apiVersion"], answer["status"]
        except (ValueError, KeyError, TypeError):
            raise self._plugin_failed(plugin, "what it printed is no ExecCredential") from None
        if version != plugin["apiVersion"] or not isinstance(status, dict):
            raise self._plugin_failed(plugin, f"it answered in {version}, {plugin['apiVersion']} was asked for")
        return status

    def _told(self, plugin: Json) -> Json:
        spec: Json = {"interactive": False}
        if plugin.get("provideClusterInfo"):
            names = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
            spec["cluster"] = {name: self._cluster[name] for name in names if name in self._cluster}
            for extension in self._cluster.get("extensions") or []:
                if extension.get("name") == "client.authentication.k8s.io/exec":
                    spec["cluster"]["config"] = extension.get("extension")
        return {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec}

    def _plugin_failed(self, plugin: Json, why: str, hint: str = "") -> InvalidInput:
        command = os.path.basename(str(plugin.get("command") or "(no command)"))
        return self.refused(f"its exec plugin {command} gave no credential: {why}", hint if hint else
                            f"Log in again as {command} wants it, try kubectl --context '{self.context}' auth whoami, then run the same command again.")

    def _from_provider(self, provider: Json) -> str:
        name, settings = provider.get("name"), provider.get("config") or {}
        if name != "oidc":
            better = {"gcp": "gke-gcloud-auth-plugin", "azure": "kubelogin"}.get(str(name), "an exec plugin")
            raise self.refused(f"its user has the auth-provider {name}, which Kubernetes removed in 1.26",
                               f"Use {better} (for GKE: gcloud container clusters get-credentials, for AKS: kubelogin convert-kubeconfig).")
        token = str(settings.get("id-token") or "")
        until = _end_of(token)
        if not token or (until and until <= datetime.datetime.now(datetime.timezone.utc)):
            raise self.refused(f"its OIDC token {f'expired at {until:%Y-%m-%dT%H:%M:%SZ}' if until else 'is missing'}",
                               f"Log in again, or let kubectl renew it (kubectl --context '{self.context}' auth whoami), "
                               "then run the same command again.")
        return self._bearer(token)

    def _entry(self, entries: t.Mapping[str, t.Mapping[str, tuple[Json, str]]], kind: str, name: str) -> tuple[Json, str]:
        found = entries[kind].get(name)
        if found is None:
            raise self.refused(f"it has no {kind[:-1]} {name or '(without a name)'}", f"It has: {_listed(entries[kind])}.")
        return found

    def _file(self, entry: Json, key: str, base: str) -> str:
        """Path of what an entry has as data or as a file, empty for neither; data win, as with kubectl."""
        if entry.get(f"{key}-data"):
            try:
                return self._kept(base64.b64decode(entry[f"{key}-data"], validate=False))
            except (binascii.Error, ValueError, TypeError):
                raise self.refused(f"its {key}-data is not base64", "Write it again.") from None
        if not entry.get(key):
            return ""
        path = os.path.join(base, os.path.expanduser(str(entry[key])))
        if not os.path.isfile(path):
            raise self.refused(f"its {key} {path} does not exist", "Correct the path.")
        return path

    def _read(self, path: t.Any) -> str:
        full = os.path.join(self._user_dir, os.path.expanduser(str(path)))
        try:
            with open(full, encoding="utf-8") as stream:
                return stream.read()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise self.refused(f"its tokenFile {full} cannot be read ({reason})", "Correct the path, or log in again.") from None

    def _kept(self, content: bytes) -> str:
        handle, path = tempfile.mkstemp(dir=self._directory or None)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        if not self._directory:
            atexit.register(_forget, path)
        return path


@contextlib.contextmanager
def well_formed(where: str) -> t.Iterator[None]:
    """While a kubeconfig is read: a text where a list belongs, a mapping without its name and the like become an error without its content."""
    try:
        yield
    except (TypeError, AttributeError, KeyError, ValueError):
        raise InvalidInput(f"{where}: it is not of the form of a kubeconfig.",
                           "Compare it with what kubectl config view prints. Nothing was sent.") from None


def bearer(token: str) -> str:
    """The header's value for a token, white space around it left out; ValueError, without the token, where no header can hold it."""
    stripped = token.strip()
    if not stripped or _UNFIT_FOR_A_HEADER.search(stripped) or " " in stripped:
        raise ValueError("not a token")
    return f"Bearer {stripped}"


def default_paths() -> str:
    """Where a kubeconfig lies when nothing names one."""
    return os.environ.get("KUBECONFIG") or DEFAULT_PATH


def exists(paths: str) -> bool:
    """Whether one of the files is there."""
    return any(os.path.exists(os.path.expanduser(path)) for path in paths.split(os.pathsep) if path)


def _merged(where: str, paths: t.Sequence[str]) -> tuple[dict[str, dict[str, tuple[Json, str]]], str]:
    """Everything that the files name, each with its file's directory, and the current context."""
    entries: dict[str, dict[str, tuple[Json, str]]] = {"clusters": {}, "users": {}, "contexts": {}}
    current = ""
    for path in paths:
        document = _load(where, path)
        current = current or str(document.get("current-context") or "")
        for kind, found in entries.items():
            for item in document.get(kind) or []:
                if isinstance(item, dict) and "name" in item:
                    found.setdefault(str(item["name"]), (item.get(kind[:-1]) or {}, os.path.dirname(os.path.abspath(path))))
    return entries, current


def _load(where: str, path: str) -> Json:
    try:
        with open(path, encoding="utf-8") as stream:
            document = yaml.safe_load(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidInput(f"{where}: {path} cannot be read ({error.strerror}).", "Correct its path or its mode. Nothing was sent.") from None
    except (yaml.YAMLError, ValueError) as error:  # whose text may quote the file
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise InvalidInput(f"{where}: {path} is not YAML{line}.", "Correct the file. Nothing was sent.") from None
    if not isinstance(document or {}, dict):
        raise InvalidInput(f"{where}: {path} is not a kubeconfig.", "It needs clusters, users and contexts. Nothing was sent.")
    return document or {}


def _end_of(token: str) -> datetime.datetime | None:
    """When a JWT expires, None where it does not say."""
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return datetime.datetime.fromtimestamp(claims["exp"], tz=datetime.timezone.utc)
    except (IndexError, KeyError, ValueError, TypeError, OverflowError, OSError):
        return None


def _listed(names: t.Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _forget(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)
