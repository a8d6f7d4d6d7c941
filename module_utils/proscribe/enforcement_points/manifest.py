"""manifest.json of an export: from what it was made, what is in it, what is not, and the digest of each file.

{"schema": "proscribe/export/1", "format", "group" ("": all), "hosts": [names], "at": "2026-11-27T08:00:00Z",
 "valid_until": the first moment after that at which something of it begins or ends, or null,
 "plan": "sha256:<64 hex>", "catalogue", "included": [rules], "waived": {rule: waiver},
 "left_out": [{"rule", "what", "why"}], "files": [{"path", "bytes", "sha256"}]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..duration import spelled
from .decision import waived
from .declaration import Decision, Format, Rendered

SCHEMA = "proscribe/export/1"
NAME = "manifest.json"
LARGEST = 64 << 20  # bytes: a fleet of 100,000 hosts and all rules take a tenth of it


def manifest(format_: Format, decision: Decision, rendered: Rendered) -> dict[str, Any]:
    """The manifest of an export."""
    left_out = dict.fromkeys([*decision.left_out, *rendered.left_out])
    return {
        "schema": SCHEMA,
        "format": format_.name,
        "group": decision.group,
        "hosts": list(decision.hosts),
        "at": spelled(decision.at),
        "valid_until": spelled(decision.valid_until) if decision.valid_until else None,
        "plan": decision.digest,
        "catalogue": decision.catalogue,
        "included": sorted(set(rendered.included)),
        "waived": waived(decision, format_.controls),
        "left_out": [one._asdict() for one in left_out],
        "files": [
            {"path": path, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in sorted(rendered.files.items())
        ],
    }


def text(document: Mapping[str, Any]) -> bytes:
    """A manifest as a file, ASCII."""
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode("ascii")


class Earlier(NamedTuple):
    """What the manifest of an earlier export says."""

    format: str
    group: str
    at: str
    plan: str
    valid_until: str  # "" for none
    files: Mapping[str, str]  # by path, the SHA-256


def read(content: bytes) -> Earlier | None:
    """What a manifest says; None where it is none of ours."""
    try:
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            return None
        files = {str(one["path"]): str(one.get("sha256") or "") for one in document["files"]}
        format_, group, at, plan = (str(document.get(key) or "") for key in ("format", "group", "at", "plan"))
        return Earlier(format_, group, at, plan, str(document.get("valid_until") or ""), files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
