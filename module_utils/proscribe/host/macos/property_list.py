"""Property lists, which anybody may have written: of limited size, and without what only serves to exhaust a reader."""

from __future__ import annotations

import plistlib

from ..system import ControlError, Host

MAX_FILE_BYTES = 1024 * 1024  # bytes; the largest Info.plist has some 100 KB, and all policies of a plan some 200
MAX_DEPTH = 16  # tables and lists within each other
FILE_BEGINNINGS = (b"bplist00", b"<?xml", b"<!DOCTYPE plist", b"<plist")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # that some editors put before UTF-8


def read_property_list(host: Host, path: str) -> dict[str, object] | None:
    """What a file says, with the types of JSON; None where it is not there. Raises Unseen, and ControlError for a link
    and for what is no property list.
    """
    content = host.read_file(path, MAX_FILE_BYTES)
    if content is None:
        return None
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not content.startswith(FILE_BEGINNINGS) or b"<!ENTITY" in content:
        raise ControlError(f"{path} is no property list")
    # Which form it has is said: plistlib itself does not know one that begins with its document type.
    file_format = plistlib.FMT_BINARY if content.startswith(FILE_BEGINNINGS[0]) else plistlib.FMT_XML
    try:
        properties = plistlib.loads(content, fmt=file_format)
    except Exception:  # the parsers of both forms raise many kinds
        raise ControlError(f"{path} is no property list") from None
    if not isinstance(properties, dict):
        raise ControlError(f"{path} is no table of properties")
    return {str(key): _convert_to_json(property_value, MAX_DEPTH) for key, property_value in properties.items()}


def _convert_to_json(property_value: object, depth_left: int) -> object:
    """A value as JSON has it; None for dates, data, and what is nested too deeply."""
    if isinstance(property_value, dict) and depth_left:
        return {str(key): _convert_to_json(inner_value, depth_left - 1) for key, inner_value in property_value.items()}
    if isinstance(property_value, list) and depth_left:
        return [_convert_to_json(inner_value, depth_left - 1) for inner_value in property_value]
    return property_value if isinstance(property_value, (str, bool, int, float)) else None
