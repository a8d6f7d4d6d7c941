"""manifest.json of an export: from what it was made, what is in it, what is not, and the digest of each file.

{"schema": "proscribe/export/1", "format", "group" ("": all), "hosts": [names], "at": "2026-11-27T08:00:00Z",
 "valid_until": the first moment after that at which something of it begins or ends, or null,
 "plan": "sha256:<64 hex>", "catalogue", "included": [rules], "waived": {rule: waiver},
 "left_out": [{"rule", "what", "why"}], "files": [{"path", "bytes", "sha256"}]}
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
from ...model.words import EXPORT_SCHEMA
from .decision import map_waived_rules
from .declaration import ExportDecision, ExportFormat, RenderedExport
from .header import encode_json

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = (
    MANIFEST_NAME + ".sig"
)  # over the exact bytes of it (signature.py), where the organisation signs its exports
MAX_MANIFEST_BYTES = 64 << 20  # bytes. A fleet of 100,000 hosts with all rules takes a tenth.
# A part of a name that no file system and no shell takes for more. GPO backups have braces.
_PATH_PART_PATTERN = re.compile(r"(?!\.)[A-Za-z0-9._{}-]{1,100}", re.ASCII)
MAX_PATH_DEPTH = 10  # directories


def make_manifest(format_: ExportFormat, decision: ExportDecision, rendered: RenderedExport) -> Manifest:
    """The manifest of an export."""
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
    """A manifest as a file, ASCII."""
    return encode_json(document, 2, sort_keys=True)


class EarlierExport(NamedTuple):
    """What the manifest of an earlier export says."""

    format: str
    group: str
    compiled_at: datetime | None
    plan: str
    valid_until: datetime | None
    files: Mapping[str, str]  # by path, the SHA-256


def parse_manifest(content: bytes) -> EarlierExport | None:
    """What a manifest says; None where it is none of ours."""
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
    """The name of a file of an export, which stays in its directory. Raises ValueError for any other."""
    parts = name.split("/")
    if len(parts) > MAX_PATH_DEPTH or not all(_PATH_PART_PATTERN.fullmatch(part) for part in parts):
        raise ValueError(f"{name!r} is no name for a file of an export")
    return name
