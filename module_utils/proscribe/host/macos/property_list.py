"""Reader of property lists (the settings files of macOS), which any user may have written.

The reader limits the size, and refuses constructs whose only effect is to exhaust a reader.
"""

from __future__ import annotations

import plistlib

from ..system import ControlError, Host

MAX_FILE_BYTES = 1024 * 1024  # the largest Info.plist has about 100 KB, and all policies of a plan about 200 KB
MAX_DEPTH = 16  # most levels of nested tables and lists that are read
FILE_BEGINNINGS = (b"bplist00", b"<?xml", b"<!DOCTYPE plist", b"<plist")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put this mark before UTF-8


def read_property_list(host: Host, path: str) -> dict[str, object] | None:
    """Return the table in a property list, with the types of JSON; None if the file is missing.

    Raises ObservationError. Raises ControlError for a link, and for a file that is no property list or holds no table.
    """
    content = host.read_file(path, MAX_FILE_BYTES)
    if content is None:
        return None
    content = content.removeprefix(BYTE_ORDER_MARK)
    if not content.startswith(FILE_BEGINNINGS) or b"<!ENTITY" in content:
        raise ControlError(f"{path} is no property list")
    # plistlib itself does not recognise a list that begins with <!DOCTYPE plist, so the format is passed.
    file_format = plistlib.FMT_BINARY if content.startswith(FILE_BEGINNINGS[0]) else plistlib.FMT_XML
    try:
        properties = plistlib.loads(content, fmt=file_format)
    except Exception:  # the parsers of both forms raise many kinds of errors
        raise ControlError(f"{path} is no property list") from None
    if not isinstance(properties, dict):
        raise ControlError(f"{path} is no table of properties")
    return {str(key): _convert_to_json(property_value, MAX_DEPTH) for key, property_value in properties.items()}


def _convert_to_json(property_value: object, depth_left: int) -> object:
    """Return a value with the types of JSON; None for dates, data, and values nested too deeply.

    `depth_left` is the number of nested tables and lists that are still read.
    """
    if isinstance(property_value, dict) and depth_left:
        return {str(key): _convert_to_json(inner_value, depth_left - 1) for key, inner_value in property_value.items()}
    if isinstance(property_value, list) and depth_left:
        return [_convert_to_json(inner_value, depth_left - 1) for inner_value in property_value]
    return property_value if isinstance(property_value, (str, bool, int, float)) else None
