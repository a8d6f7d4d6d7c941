"""The exports that an organisation feeds to enforcement points, beside the hosts that runs correct."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ...enforcement_points.format_names import list_format_names
from ...policy_errors import UnexpectedValue
from ..reading.value_readers import (
    make_choice_reader,
    make_text_reader,
    read_directory_path,
    read_items,
    read_line,
    read_mapping,
)
from .variable import declare_settings, declare_variable

EXPORT_FORM = "a format, or {format, directory, group, access_log, url}"


class FedExport(NamedTuple):
    """An export for an enforcement point."""

    format: str
    directory: str = ""  # directory that scheduled runs update; "" if other programs update the export
    group: str = ""  # group of the hosts that the export is for
    access_log: str = ""  # log of the web server that serves the directory; "" if not set
    url: str = ""  # path of the directory on that web server: "/guests"


def read_fed_exports(setting: object) -> tuple[FedExport, ...]:
    """Read the exports that an organisation gives to its enforcement points, such as proxies and name servers.

    Raises UnexpectedValue, also if two exports have the same directory.
    """
    exports = read_items(setting, _read_fed_export, f"a list, each of it {EXPORT_FORM}")
    places = [export.directory for export in exports if export.directory]
    if duplicate := next((place for place in places if places.count(place) > 1), ""):
        raise UnexpectedValue("", duplicate, "a directory of its own for each export")
    return tuple(dict.fromkeys(exports))


def _read_fed_export(entry: object) -> FedExport:
    """Read an export: the name of a format, or a mapping with the fields of FedExport. Raises UnexpectedValue."""
    read_format = make_choice_reader(*list_format_names())
    if isinstance(entry, str):
        return FedExport(read_format(entry))
    if not isinstance(entry, Mapping) or not {"format"} <= entry.keys() <= set(FedExport._fields):
        raise UnexpectedValue("", entry, EXPORT_FORM)
    readers: dict[str, Callable[[object], str]] = {
        "format": read_format,
        "directory": _read_absolute_path,
        "group": read_line,
        "access_log": _read_absolute_path,
        "url": make_text_reader(
            r"(?:/[A-Za-z0-9._~-]+)*/?", "the path of the web server below which the directory is, such as /guests"
        ),
    }
    export = FedExport(**read_mapping(entry, readers))
    if export.group and not export.directory:
        raise UnexpectedValue("", entry, "a directory, of which the group is")
    if bool(export.access_log) != bool(export.url) or (export.access_log and not export.directory):
        raise UnexpectedValue("", entry, "a directory with both access_log and url, or with neither")
    return export


def _read_absolute_path(setting: object) -> str:
    """Return an absolute path; "" for null."""
    path = read_directory_path(setting)
    if path and not path.startswith("/"):
        raise UnexpectedValue("", path, "an absolute path: scheduled runs start elsewhere")
    return path


def read_export_key(setting: object) -> str:
    """Return the file of a private key, or of the public half of a key in ssh-agent; "" for none."""
    path = read_directory_path(setting or None)
    if path and not path.startswith(("/", "~/")):
        raise UnexpectedValue(
            "", setting, "an absolute path such as /etc/proscribe/export_key: scheduled runs start elsewhere"
        )
    return path


@declare_settings
class PointSettings:
    """Settings for the enforcement points that get the same policy as the hosts."""

    exports_fed: tuple[FedExport, ...] = declare_variable(
        [],
        read_fed_exports,
        "The exports that the organisation gives to name servers, proxies and so on: formats, of which explain then "
        "also says what they do, or {format, directory, group, access_log, url}, whose directory scheduled runs also "
        "keep up to date; docs/enforcement_points.md.",
    )
    exports_key: str = declare_variable(
        "",
        read_export_key,
        "The private key on the controller that signs exports (ssh-keygen(1), without a passphrase for scheduled "
        "runs); if empty, exports are not signed. One for all hosts; docs/enforcement_points.md.",
    )
