"""The tables of docs/enforcement_points.md: the formats of ./proscribe export, and the devices that were not tried."""

from proscribe.controller.enforcement_points.registry import FORMATS

from .part import parts_of, table


def all_formats():
    rows = []
    for one in FORMATS.values():
        files = ", ".join(f"`{file}`" for file in one.main.split(", ")) if one.main else ""
        rows.append((f"`{one.name}`", one.meant_for, ", ".join(one.controls), files, accepted_by(one)))
    return table(("format", "for", "from the control", "files", "accepted in tests by"), rows)


def accepted_by(one):
    if one.accepted_by:
        return one.accepted_by
    return "a reader by the vendor's pages" if one.device else "a reader of the project's own"


def devices():
    heads = ("format", "a name and all below it", "open below a blocked name", "at most", "where it comes from", "read")
    rows = []
    for name, device in ((one.name, one.device) for one in FORMATS.values() if one.device):
        limit, pages = device.limit, (f"[{number}]({page})" for number, page in enumerate(device.pages, 1))
        most = f"{limit.most:,} {limit.what}: {limit.source}" if limit else "no figure"
        read = f"{device.read}: {', '.join(pages)}"
        rows.append((f"`{name}`", device.below, device.exceptions, most, device.fetched, read))
    return table(heads, rows)


DERIVED = parts_of("docs/enforcement_points.md", {"formats": all_formats, "devices": devices})
