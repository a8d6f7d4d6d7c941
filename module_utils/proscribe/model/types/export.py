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

    rule: Annotated[str, "<control>/<service> or <control>/<setting>; empty where it is about all of the export"]
    what: Annotated[str, "What the point does not get as it is on hosts"]
    why: Annotated[str, "One sentence"]


class ExportedFile(TypedDict):
    """File of an export."""

    path: Annotated[str, "Relative to the directory of the export"]
    bytes: Count
    sha256: Annotated[str, SchemaKeywords(pattern="^[0-9a-f]{64}$")]


class Manifest(TypedDict):
    """The content of manifest.json: the files of an export, and the rules in it or missing in it."""

    schema: Annotated[str, SchemaKeywords(const=EXPORT_SCHEMA)]
    format: Annotated[str, "As it is typed: ./proscribe export FORMAT"]
    group: Annotated[str, "The group of the inventory; empty for all hosts"]
    hosts: Annotated[list[str], "For whom the decision is"]
    at: Annotated[Moment, "The moment that the policy was compiled for"]
    valid_until: Annotated[Moment | None, "When something of it begins or ends next; null for nothing known"]
    plan: Annotated[str, "The digest of the plan that was exported"]
    catalogue: Annotated[str, "The release of the catalogue; empty if it has none"]
    included: Annotated[list[str], "The rules that are in it"]
    waived: Annotated[dict[str, str], "The rules that are open in it, each with its waiver"]
    left_out: list[NotExported]
    files: list[ExportedFile]
