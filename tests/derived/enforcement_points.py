"""The tables of docs/enforcement_points.md: the formats of ./proscribe export, and the devices that were not tried."""

from proscribe.controller.enforcement_points.registry import FORMATS

from .part import Part, table


def all_formats():
    return table(
        ("format", "for", "from the control", "files", "accepted in tests by"),
        (
            (
                f"`{one.name}`",
                one.meant_for,
                ", ".join(one.controls),
                ", ".join(f"`{file}`" for file in one.main.split(", ")) if one.main else "",
                accepted_by(one),
            )
            for one in FORMATS.values()
        ),
    )


def accepted_by(one):
    if one.accepted_by:
        return one.accepted_by
    return "a reader by the vendor's pages" if one.device else "a reader of the project's own"


def devices():
    return table(
        ("format", "a name and all below it", "open below a blocked name", "at most", "where it comes from", "read"),
        (
            (
                f"`{one.name}`",
                device.below,
                device.exceptions,
                f"{device.limit.most:,} {device.limit.what}: {device.limit.source}" if device.limit else "no figure",
                device.fetched,
                f"{device.read}: {', '.join(f'[{number}]({page})' for number, page in enumerate(device.pages, 1))}",
            )
            for one in FORMATS.values()
            if (device := one.device)
        ),
    )


DERIVED = (
    Part("docs/enforcement_points.md", all_formats, "formats"),
    Part("docs/enforcement_points.md", devices, "devices"),
)
