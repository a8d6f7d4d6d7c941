"""Types of manifest.json, which describes a policy export (controller/enforcement_points/manifest.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import Annotated

    from ..vocabulary import EXPORT_SCHEMA
    from .annotations import Count, Moment, SchemaKeywords


class NotExported(TypedDict):
    """Part of the policy that is missing in an export, with the reason."""

    rule: Annotated[
        str,
        "Name of a rule: `<control>/<service>` or `<control>/<setting>`. Empty if the entry is about the whole export.",
    ]
    what: Annotated[
        str, "Part of the hosts' policy that the enforcement point gets changed or not at all, such as a waiver"
    ]
    why: Annotated[str, "Reason, as a short text"]


class ExportedFile(TypedDict):
    """File of an export."""

    path: Annotated[str, "Path of the file, relative to the directory of the export"]
    bytes: Count
    sha256: Annotated[str, SchemaKeywords(pattern="^[0-9a-f]{64}$")]


class Manifest(TypedDict):
    """The content of manifest.json: the files of an export, and the rules in it or missing in it."""

    schema: Annotated[str, SchemaKeywords(const=EXPORT_SCHEMA)]
    format: Annotated[str, "Name of the format, as in the command `export FORMAT`"]
    group: Annotated[str, "Inventory group whose hosts' policy is exported; empty for all hosts"]
    hosts: Annotated[list[str], "Inventory names of the hosts whose policy is exported"]
    at: Annotated[Moment, "Time for which the policy was compiled: ISO 8601, UTC"]
    valid_until: Annotated[
        Moment | None,
        "Next time at which a part of the policy begins or ends: ISO 8601, UTC. Null if no such time is known.",
    ]
    plan: Annotated[str, "Digest of the exported plan"]
    catalogue: Annotated[str, "Release of the catalogue of services; empty if the catalogue has none"]
    included: Annotated[list[str], "Names of the rules that the export contains"]
    waived: Annotated[
        dict[str, str], "Rules that a waiver opens in the export. Key: name of the rule; value: id of the waiver."
    ]
    left_out: list[NotExported]
    files: list[ExportedFile]
