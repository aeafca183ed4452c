# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a report is what its record says: evidence hashed again, every statement, number and time derived again.

``python -m ansible_collections.sre.runbooks.plugins.module_utils._report._proof DIRECTORY`` does so without a cluster, from the record that
was saved beside the report.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import re
import sys
import typing as t

from ansible_collections.sre.runbooks.plugins.module_utils._core._redact import redact, redact_object
from ansible_collections.sre.runbooks.plugins.module_utils._evidence._store import EvidenceStore, Item, file_sha256, write_private
from ansible_collections.sre.runbooks.plugins.module_utils._incident._record import Incident
from ansible_collections.sre.runbooks.plugins.module_utils._report import _markdown, _model, _page
from ansible_collections.sre.runbooks.plugins.module_utils._report._model import Document

RECORD, REPORT, TEXT, PAGE = "record.json", "report.json", "report.md", "report.html"
#: name of a list of checksums, as sha256sum writes it
SUMS = "SHA256SUMS"
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
#: the kind of evidence that the record itself is
RECORD_KIND = "record"


@dataclasses.dataclass(frozen=True)
class Report:
    """A document in its three forms."""

    document: Document
    json: str
    text: str
    page: str


def derive(record: Incident, cluster: str, written_at: str) -> Report:
    """What a record says at a moment."""
    document = _model.build(record, cluster, written_at)
    # Redacted as an object: in its text a signal called tokens_rejected and its value look like a name and its secret.
    as_json = json.dumps(redact_object(document.to_json()), indent=1, ensure_ascii=False) + "\n"
    return Report(document, as_json, redact(_markdown.render(document)), redact(_page.render(document)))


def problems(directory: pathlib.Path, record: Incident | None = None) -> list[str]:
    """Everything in a report that cannot be derived again, each named; empty where all of it can.

    :param directory: of one incident on one cluster, named like the cluster: report.json, report.md, report.html, manifest.json and evidence/.
    :param record: of the cluster; the one that was saved beside the report where it is None.
    """
    try:
        saved = json.loads((directory / REPORT).read_text())
        derived = derive(record or saved_record(directory), directory.resolve().name, saved["written_at"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"the report cannot be read: {type(error).__name__}: {error}"]
    return compare(directory, derived)


def compare(directory: pathlib.Path, derived: Report) -> list[str]:
    """Where what lies in a directory is not what was derived, and its evidence not what was captured; each named."""
    try:
        saved = json.loads((directory / REPORT).read_text())
    except (OSError, ValueError) as error:
        return [f"the report cannot be read: {type(error).__name__}: {error}"]
    version = saved.get("schema_version") if isinstance(saved, dict) else None
    if isinstance(version, str) and version != derived.document.schema_version:
        return [f"{REPORT} has the form {version}, and this version of the collection derives {derived.document.schema_version}: verify it with the "
                "version that wrote it, or write it again", *_evidence(directory, derived.document)]
    return [*_evidence(directory, derived.document), *_differences("", saved, json.loads(derived.json)), *_lines(directory / TEXT, derived.text),
            *_lines(directory / PAGE, derived.page)]


def saved_record(directory: pathlib.Path) -> Incident:
    """The record as it was when the report was written."""
    entries = json.loads((directory / "evidence" / RECORD).read_text())
    entries["incident"]["parts"] = 0
    return Incident(t.cast(t.Any, None), "", {"data": {key: json.dumps(entry) for key, entry in entries.items()}})


def _evidence(directory: pathlib.Path, document: Document) -> t.Iterator[str]:
    """Files that are gone or changed, and what the manifest says otherwise than the record."""
    try:
        manifest = {entry["name"]: entry for entry in json.loads((directory / "manifest.json").read_text())}
        if not any(entry["kind"] == RECORD_KIND for entry in manifest.values()):
            yield "manifest.json names no record"
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"manifest.json cannot be read: {error}"
        manifest = {}
    kept = {item["name"]: item for item in document.evidence}
    summed = _summed(directory / "evidence", manifest)
    yield from _planted(directory / "evidence", {*manifest, *summed})
    for name, sha256 in summed.items():
        path = directory / "evidence" / name
        if not path.is_file():
            yield f"evidence/{name} is gone"
        elif file_sha256(path) != sha256:
            yield f"evidence/{name} is not what was captured: its bytes have changed"
    for name, entry in {**manifest, **kept}.items():
        item = Item(**entry)
        path = directory / "evidence" / name
        if not path.is_file():
            yield f"evidence/{name} is gone"
        elif path.stat().st_size != item.bytes or file_sha256(path) != item.sha256:
            yield f"evidence/{name} is not what was captured: its bytes have changed"
        if name in kept and name not in manifest:
            yield f"manifest.json: {name} is missing, and the record has it"
        elif name in kept:
            yield from (f"manifest.json: the {key} of {name} is {_short(manifest[name].get(key))}, and the record says {_short(value)}"
                        for key, value in kept[name].items() if manifest[name].get(key) != value)


def _planted(evidence: pathlib.Path, captured: t.Collection[str]) -> t.Iterator[str]:
    """Files that nobody captured; what begins with a dot is a file in the making."""
    for path in sorted(evidence.rglob("*")):
        name = str(path.relative_to(evidence))
        if not path.is_dir() and not path.name.startswith(".") and name not in captured:
            yield f"evidence/{name} is in no manifest: nobody captured it"


def _summed(evidence: pathlib.Path, manifest: t.Iterable[str]) -> dict[str, str]:
    """Files of a captured directory, such as a database's dump, whose list of checksums stands in the manifest for them: name and sha256."""
    found = {}
    for name in manifest:
        if name.endswith(f"/{SUMS}") and (evidence / name).is_file():
            lines = [line.split(maxsplit=1) for line in (evidence / name).read_text(errors="replace").splitlines()]
            found.update({f"{name.removesuffix(SUMS)}{line[1].lstrip('*')}": line[0] for line in lines if len(line) == 2})
    return found


def _differences(path: str, saved: t.Any, derived: t.Any) -> t.Iterator[str]:
    """Where two documents differ; statements by their id."""
    if isinstance(saved, dict) and isinstance(derived, dict):
        for key in sorted({*saved, *derived}):
            yield from _differences(f"{path}.{key}".lstrip("."), saved.get(key), derived.get(key))
    elif isinstance(saved, list) and isinstance(derived, list) and len(saved) == len(derived):
        for number, (one, other) in enumerate(zip(saved, derived, strict=True)):
            name = one["id"] if isinstance(one, dict) and "id" in one else number
            yield from _differences(f"{path}[{name}]", one, other)
    elif saved != derived:
        yield f"{REPORT}: {path} says {_short(saved)}, and the record says {_short(derived)}"


def _lines(path: pathlib.Path, derived: str) -> t.Iterator[str]:
    try:
        saved = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        yield f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}"
        return
    # How it looks may change with a newer version; what it says may not.
    saved, derived = (_STYLE.sub("", text) for text in (saved, derived))
    if saved == derived:
        return
    ours, theirs = saved.splitlines(), derived.splitlines()
    for number in range(max(len(ours), len(theirs))):
        one, other = (lines[number] if number < len(lines) else "(nothing)" for lines in (ours, theirs))
        if one != other:
            at = next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other)))
            yield (f"{path.name}, line {number + 1}: says {_short(one[max(0, at - 40):at + 60])}, "
                   f"and the record says {_short(other[max(0, at - 40):at + 60])}")


def _short(value: t.Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "…"


def save(store: EvidenceStore, record: Incident, report: Report) -> dict[str, pathlib.Path]:
    """Write the report in its three forms, and the record that it comes from as evidence; returns their paths by name."""
    store.save_json(RECORD, RECORD_KIND, f"record of {record.id}", record.without_secrets())
    return {name: write_private(store.root / name, text) for name, text in ((REPORT, report.json), (TEXT, report.text), (PAGE, report.page))}


def main(arguments: t.Sequence[str]) -> int:
    """Print what cannot be derived; the exit status is 1 where something cannot."""
    parser = argparse.ArgumentParser(prog="_proof", description="Derive a report again from the record that was saved beside it.")
    parser.add_argument("directory", type=pathlib.Path, help="of one incident on one cluster: it has report.json")
    found = problems(parser.parse_args(arguments).directory)
    sys.stdout.write("".join(f"{line}\n" for line in found) or "every statement was derived again\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
