"""The manifest of an export (manifest.json): origin, content, left out parts, and the digest of each file.

{"schema":
"proscribe/export/1", "format", "group" ("": all), "hosts": [names], "at": "2026-11-27T08:00:00Z", "valid_until": the
first time after "at" at which a part of the plan begins or ends, or null, "plan": "sha256:<64 hex>", "catalogue",
"included": [rules], "waived": {rule: waiver}, "left_out": [{"rule", "what", "why"}], "files": [{"path", "bytes",
"sha256"}]}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from ...base.duration import format_moment, parse_moment
from ...model.types.export import Manifest
from ...model.vocabulary import EXPORT_SCHEMA
from .decision import map_waived_rules
from .file_header import encode_json
from .format_declaration import ExportDecision, ExportFormat, RenderedExport

MANIFEST_NAME = "manifest.json"
# Signature over the exact bytes of the manifest (signature.py), if the organisation signs its exports.
SIGNATURE_NAME = MANIFEST_NAME + ".sig"
MAX_MANIFEST_BYTES = 64 << 20  # a fleet of 100,000 hosts with all rules needs a tenth of this
# A part of a path without special meaning in any file system or shell. GPO backups have braces.
_PATH_PART_PATTERN = re.compile(r"(?!\.)[A-Za-z0-9._{}-]{1,100}", re.ASCII)
MAX_PATH_DEPTH = 10


def make_manifest(format_: ExportFormat, decision: ExportDecision, rendered: RenderedExport) -> Manifest:
    """Return the manifest of an export: its origin, its rules, the parts of the plan that it lacks, and its files."""
    left_out = dict.fromkeys([*decision.left_out, *rendered.left_out])
    return {
        "schema": EXPORT_SCHEMA,
        "format": format_.name,
        "group": decision.group,
        "hosts": list(decision.hosts),
        "at": format_moment(decision.compiled_at),
        "valid_until": format_moment(decision.valid_until) if decision.valid_until else None,
        "plan": decision.digest,
        "catalogue": decision.catalogue,
        "included": sorted(set(rendered.included_rules)),
        "waived": map_waived_rules(decision, format_.controls),
        "left_out": [
            {"rule": omission.rule, "what": omission.subject, "why": omission.reason} for omission in left_out
        ],
        "files": [
            {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in sorted(rendered.files.items())
        ],
    }


def encode_manifest(document: Manifest) -> bytes:
    """Return a manifest as the content of a file, in ASCII."""
    return encode_json(document, 2, sort_keys=True)


class EarlierExport(NamedTuple):
    """The data of an earlier export in a directory, from its manifest."""

    format: str
    group: str
    compiled_at: datetime | None
    plan: str
    valid_until: datetime | None
    files: Mapping[str, str]  # key: path of a file; value: its SHA-256 in hexadecimal digits


def parse_manifest(content: bytes) -> EarlierExport | None:
    """Return the data of a manifest; None for any other content."""
    try:
        document = json.loads(content)
        if document["schema"] != EXPORT_SCHEMA:
            return None
        files = {
            check_file_name(file_entry["path"]): str(file_entry.get("sha256") or "") for file_entry in document["files"]
        }
        format_, group, plan = (str(document.get(key) or "") for key in ("format", "group", "plan"))
        compiled_at, valid_until = (
            None if document.get(key) is None else parse_moment(document[key]) for key in ("at", "valid_until")
        )
        return EarlierExport(format_, group, compiled_at, plan, valid_until, files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def check_file_name(name: str) -> str:
    """Return the name of an export's file if it stays in the directory. Raises ValueError for any other."""
    parts = name.split("/")
    if len(parts) > MAX_PATH_DEPTH or not all(_PATH_PART_PATTERN.fullmatch(part) for part in parts):
        raise ValueError(f"{name!r} is no name for a file of an export")
    return name
