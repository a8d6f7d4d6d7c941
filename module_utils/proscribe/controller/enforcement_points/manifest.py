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
from .decision import waived
from .declaration import Decision, Format, Rendered
from .header import json_file

NAME = "manifest.json"
SIGNATURE = NAME + ".sig"  # over the exact bytes of it (signature.py), where the organisation signs its exports
LARGEST = 64 << 20  # bytes. A fleet of 100,000 hosts with all rules takes a tenth.
# A part of a name that no file system and no shell takes for more. GPO backups have braces.
_PART = re.compile(r"(?!\.)[A-Za-z0-9._{}-]{1,100}", re.ASCII)
DEEPEST = 10  # directories


def manifest(format_: Format, decision: Decision, rendered: Rendered) -> Manifest:
    """The manifest of an export."""
    left_out = dict.fromkeys([*decision.left_out, *rendered.left_out])
    return {
        "schema": EXPORT_SCHEMA,
        "format": format_.name,
        "group": decision.group,
        "hosts": list(decision.hosts),
        "at": format_moment(decision.at),
        "valid_until": format_moment(decision.valid_until) if decision.valid_until else None,
        "plan": decision.digest,
        "catalogue": decision.catalogue,
        "included": sorted(set(rendered.included)),
        "waived": waived(decision, format_.controls),
        "left_out": [{"rule": one.rule, "what": one.what, "why": one.why} for one in left_out],
        "files": [
            {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in sorted(rendered.files.items())
        ],
    }


def text(document: Manifest) -> bytes:
    """A manifest as a file, ASCII."""
    return json_file(document, 2, sort_keys=True)


class Earlier(NamedTuple):
    """What the manifest of an earlier export says."""

    format: str
    group: str
    at: datetime | None
    plan: str
    valid_until: datetime | None
    files: Mapping[str, str]  # by path, the SHA-256


def read(content: bytes) -> Earlier | None:
    """What a manifest says; None where it is none of ours."""
    try:
        document = json.loads(content)
        if document["schema"] != EXPORT_SCHEMA:
            return None
        files = {checked(one["path"]): str(one.get("sha256") or "") for one in document["files"]}
        format_, group, plan = (str(document.get(key) or "") for key in ("format", "group", "plan"))
        at, until = (
            None if document.get(key) is None else parse_moment(document[key]) for key in ("at", "valid_until")
        )
        return Earlier(format_, group, at, plan, until, files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def checked(name: str) -> str:
    """The name of a file of an export, which stays in its directory. Raises ValueError for any other."""
    parts = name.split("/")
    if len(parts) > DEEPEST or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"{name!r} is no name for a file of an export")
    return name
