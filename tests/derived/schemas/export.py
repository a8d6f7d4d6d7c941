"""manifest.json of an export, from what makes it (controller/enforcement_points/manifest.py)."""

from __future__ import annotations

import datetime

from proscribe.controller.enforcement_points.declaration import Decision, Format, LeftOut, Rendered
from proscribe.controller.enforcement_points.manifest import SCHEMA, manifest

from .shapes import COUNT, TEXT, TEXTS, TIME, Shape, about, listed, made, maybe

LEFT_OUT = {
    "rule": about(TEXT, "<control>/<service> or <control>/<setting>; empty where it is about all of the export"),
    "what": about(TEXT, "What the point does not get as it is on hosts"),
    "why": about(TEXT, "One sentence"),
}
FILE = {
    "path": about(TEXT, "Relative to the directory of the export"),
    "bytes": COUNT,
    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
}


def export() -> Shape:
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    decision = Decision({"controls": {}}, "", "", "", (), at)
    rendered = Rendered({"file": b""}, (), (LeftOut("", "", ""),))
    document = manifest(Format("", "", (), lambda _: rendered), decision, rendered)
    schema = made(
        document,
        {
            "schema": {"const": SCHEMA},
            "format": about(TEXT, "As it is typed: ./proscribe export FORMAT"),
            "group": about(TEXT, "The group of the inventory; empty for all hosts"),
            "hosts": about(TEXTS, "For whom the decision is"),
            "at": about(TIME, "The moment that the policy was compiled for"),
            "valid_until": about(maybe(TIME), "When something of it begins or ends next; null for nothing known"),
            "plan": about(TEXT, "The digest of the plan that was exported"),
            "catalogue": about(TEXT, "The release of the catalogue; empty if it has none"),
            "included": about(TEXTS, "The rules that are in it"),
            "waived": {
                "type": "object",
                "additionalProperties": TEXT,
                "description": "The rules that are open in it, each with its waiver",
            },
            "left_out": listed(made(document["left_out"][0], LEFT_OUT)),
            "files": listed(made(document["files"][0], FILE)),
        },
    )
    description = "manifest.json of ./proscribe export: what is in it, and what not"
    return {"title": "Export", "description": description, **schema}
