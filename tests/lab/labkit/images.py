"""Container images without a container engine: layers that are shared, and one archive with all images.

``tests/lab/shop/images.yml`` says what there is::

    layers:
      debian:      {packages: [bash, curl]}                  # a Debian/Ubuntu root, from the host's own apt sources
      libc:        {packages: [libc6], bare: true}           # these packages alone, without a shell
      databases:   {packages: [redis-server], over: debian}  # only what these packages add to the layer below
      java:        {jlink: [java.base, jdk.jcmd]}            # a Java runtime with these modules, at /opt/java
      java-tools:  {jlink: [...], tools: true}
      api-server:  {maven: api-server}                       # target/*.jar and target/lib/*.jar, at /app
      gateway:     {go: gateway}                             # a static binary, at /usr/local/bin/gateway
    images:
      shop/api-server: {layers: [debian, java, api-server], entrypoint: [java, ...], env: {A: b}, user: "1000"}

Sources are directories beside images.yml. Every layer is cached by the hash of what it is made from.
"""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import shutil
import tarfile
import typing as t

import yaml

from labkit import binaries, host
from labkit.cache import cached
from labkit.host import LAB, LabError, run

SHOP = LAB / "shop"
PATH = "/opt/java/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TAG = "lab"
NO_DOCS = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"


def archive() -> pathlib.Path:
    """One docker archive with every image of the shop; layers that images share are in it once."""
    spec = yaml.safe_load((SHOP / "images.yml").read_text())
    layers = {name: layer(spec["layers"], name) for name in _used(spec)}
    directory = cached("images", [(SHOP / "images.yml"), *sorted(path.parent.name for path in layers.values())],
                       "packing the images", lambda target: _pack(spec["images"], layers, target / "images.tar"))
    return directory / "images.tar"


def layer(specs: dict[str, t.Any], name: str) -> pathlib.Path:
    """The tar of one layer."""
    spec = specs[name]
    kind = next((kind for kind in BUILDERS if kind in spec), None)
    if kind is None:
        raise LabError(f"images.yml: layer {name} has none of {', '.join(BUILDERS)}.")
    return BUILDERS[kind](specs, name, spec) / "layer.tar"


def _debian(specs: dict[str, t.Any], name: str, spec: dict[str, t.Any]) -> pathlib.Path:
    host.need_packages({"mmdebstrap": "mmdebstrap"})
    packages, bare = list(spec["packages"]), spec.get("bare", False)
    below = None
    if "over" in spec:
        packages += specs[spec["over"]]["packages"]
        below = layer(specs, spec["over"])
    return cached(f"layer-{name}", [sorted(packages), bare, NO_DOCS, _release(), below and below.parent.name],
                  f"making image layer {name} from Debian packages (1 to 3 minutes, once)",
                  lambda target: _bootstrap(packages, below, bare, target))


def _bootstrap(packages: list[str], below: pathlib.Path | None, bare: bool, target: pathlib.Path) -> None:
    sources = b"\n\n".join(path.read_bytes() for path in (
        *pathlib.Path("/etc/apt").glob("sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*.list"))
        if path.stat().st_size)
    modern = b"\n\n".join(path.read_bytes() for path in pathlib.Path("/etc/apt/sources.list.d").glob("*.sources"))
    root = target / "root.tar"
    run(["mmdebstrap", f"--variant={'extract' if bare else 'apt'}", f"--hook-dir={MERGED_USR}",
         f"--include={','.join(packages if bare else ['usr-is-merged', *packages])}", '--aptopt=Apt::Install-Recommends "0"',
         *(f"--dpkgopt=path-exclude={pattern}" for pattern in NO_DOCS), _release(), root, "-"],
        stdin=modern or sources)
    _copy_tar(root, target / "layer.tar", _members(below) if below else {})
    root.unlink()


def _copy_tar(source: pathlib.Path, target: pathlib.Path, below: dict[str, str]) -> None:
    """Copy what differs from the layer below, without device files and apt's lists."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            name = member.name.removeprefix("./").rstrip("/")
            if member.isdev() or name.startswith(("var/lib/apt/lists/", "var/cache/apt/", "dev/", "proc/", "sys/")):
                continue
            content = old.extractfile(member).read() if member.isreg() else None  # type: ignore[union-attr]
            if below.get(name) == _fingerprint(member, content):
                continue
            member.name, member.mtime = name or ".", 0
            new.addfile(member, io.BytesIO(content) if content is not None else None)


def _members(archive: pathlib.Path) -> dict[str, str]:
    with tarfile.open(archive) as tar:
        return {member.name: _fingerprint(member, tar.extractfile(member).read() if member.isreg() else None)  # type: ignore[union-attr]
                for member in tar}


def _fingerprint(member: tarfile.TarInfo, content: bytes | None) -> str:
    facts = (member.type, member.mode, member.uid, member.gid, member.linkname)
    return f"{facts} {hashlib.sha256(content).hexdigest() if content is not None else ''}"


def _jlink(_specs: dict[str, t.Any], name: str, spec: dict[str, t.Any]) -> pathlib.Path:
    host.need_packages({"jlink": "default-jdk-headless"})
    flags = ["--strip-debug", "--no-man-pages", "--no-header-files", "--compress=2"]
    version = run(["java", "-XshowSettings:properties", "-version"]) + run(["jlink", "--version"])

    def build(target: pathlib.Path) -> None:
        run(["jlink", "--add-modules", ",".join(spec["jlink"]), *flags, "--output", target / "java"])
        run([target / "java/bin/java", "-Xshare:dump"])
        _tar(target / "layer.tar", {target / "java": "opt/java"})
        shutil.rmtree(target / "java")

    return cached(f"layer-{name}", [spec["jlink"], flags, version], f"making image layer {name} with jlink", build)


def _maven(_specs: dict[str, t.Any], name: str, spec: dict[str, t.Any]) -> pathlib.Path:
    host.need_packages({"mvn": "maven", "javac": "default-jdk-headless"})
    source = SHOP / spec["maven"]

    def build(target: pathlib.Path) -> None:
        work = target / "work"
        shutil.copytree(source, work, ignore=shutil.ignore_patterns("target"))
        run(["mvn", "--batch-mode", "--quiet", "package"], cwd=work)
        jars = [*work.glob("target/*.jar"), *work.glob("target/lib/*.jar")]
        _tar(target / "layer.tar", {jar: f"app/{jar.name}" for jar in jars})
        shutil.rmtree(work)

    return cached(f"layer-{name}", [source], f"compiling {name} (fetches its libraries the first time)", build)


def _go(_specs: dict[str, t.Any], name: str, spec: dict[str, t.Any]) -> pathlib.Path:
    source = SHOP / spec["go"]

    def build(target: pathlib.Path) -> None:
        binaries.go_build(source, target / name, "-ldflags", "-s -w")
        _tar(target / "layer.tar", {target / name: f"usr/local/bin/{name}"})
        (target / name).unlink()

    return cached(f"layer-{name}", [source], f"compiling {name}", build)


BUILDERS: dict[str, t.Callable[[dict[str, t.Any], str, dict[str, t.Any]], pathlib.Path]] = {
    "packages": _debian, "jlink": _jlink, "maven": _maven, "go": _go}


def _tar(target: pathlib.Path, content: dict[pathlib.Path, str]) -> None:
    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = "root"
        return member

    with tarfile.open(target, "w") as tar:
        for path, name in sorted(content.items(), key=lambda item: item[1]):
            tar.add(path, name, filter=plain)


def _pack(images: dict[str, t.Any], layers: dict[str, pathlib.Path], target: pathlib.Path) -> None:
    digests = {name: _sha256(path) for name, path in layers.items()}
    manifest, configs = [], {}
    for name, spec in images.items():
        config = json.dumps(_config(spec, [digests[layer] for layer in spec["layers"]]), sort_keys=True).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        configs[config_name] = config
        manifest.append({"Config": config_name, "RepoTags": [f"docker.io/{name}:{TAG}"],
                         "Layers": [f"{digests[layer]}/layer.tar" for layer in spec["layers"]]})
    with tarfile.open(target, "w") as tar:
        for name, path in layers.items():
            tar.add(path, f"{digests[name]}/layer.tar")
        for file_name, content in (*configs.items(), ("manifest.json", json.dumps(manifest).encode())):
            member = tarfile.TarInfo(file_name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def _config(spec: dict[str, t.Any], digests: list[str]) -> dict[str, t.Any]:
    env = {"PATH": PATH, **spec.get("env", {})}
    return {"architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": spec["entrypoint"], "Env": [f"{key}={value}" for key, value in env.items()],
                       "User": str(spec.get("user", ""))},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]}}


def _used(spec: dict[str, t.Any]) -> list[str]:
    return list(dict.fromkeys(name for image in spec["images"].values() for name in image["layers"]))


def _release() -> str:
    """The host's release: its own package lists fit it."""
    values = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return values["VERSION_CODENAME"].strip('"')


def _sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
