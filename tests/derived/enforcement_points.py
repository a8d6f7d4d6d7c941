"""The tables of docs/enforcement_points.md: the formats of ./proscribe export, and the devices that were not tried."""

from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS

from .part import parts_of, table


def all_formats():
    rows = []
    for one in EXPORT_FORMATS.values():
        files = ", ".join(f"`{file}`" for file in one.main_files.split(", ")) if one.main_files else ""
        rows.append((f"`{one.name}`", one.purpose, ", ".join(one.controls), files, accepted_by(one)))
    return table(("format", "for", "from the control", "files", "accepted in tests by"), rows)


def accepted_by(one):
    if one.tested_with:
        return one.tested_with
    return "a reader by the vendor's pages" if one.device else "a reader of the project's own"


def devices():
    heads = ("format", "a name and all below it", "open below a blocked name", "at most", "where it comes from", "read")
    rows = []
    for name, device in ((one.name, one.device) for one in EXPORT_FORMATS.values() if one.device):
        limit, pages = device.limit, (f"[{number}]({page})" for number, page in enumerate(device.vendor_pages, 1))
        most = f"{limit.maximum:,} {limit.counted_unit}: {limit.source}" if limit else "no figure"
        read = f"{device.read_on}: {', '.join(pages)}"
        rows.append((f"`{name}`", device.wildcard_form, device.exception_form, most, device.fetch_method, read))
    return table(heads, rows)


DERIVED = parts_of("docs/enforcement_points.md", {"formats": all_formats, "devices": devices})
