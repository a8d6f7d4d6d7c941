"""The table of docs/enforcement_points.md: the formats of ./proscribe export."""

from __future__ import annotations

from proscribe.controller.enforcement_points.registry import FORMATS

from .part import Part, table


def all_formats() -> str:
    return table(
        ("format", "for", "from the control", "files", "accepted in tests by"),
        (
            (
                f"`{one.name}`",
                one.meant_for,
                ", ".join(one.controls),
                ", ".join(f"`{file}`" for file in one.main.split(", ")) if one.main else "",
                one.accepted_by or "a reader of the project's own",
            )
            for one in FORMATS.values()
        ),
    )


DERIVED = (Part("docs/enforcement_points.md", all_formats, "formats"),)
