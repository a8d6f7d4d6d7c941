"""Property lists, which anybody may have written: of limited size, and without what only serves to exhaust a reader."""

from __future__ import annotations

import plistlib

from ..system import ControlError, Host

LARGEST = 1024 * 1024  # bytes; the largest Info.plist has some 100 KB, and all policies of a plan some 200
DEEPEST = 16  # tables and lists within each other
BEGINNINGS = (b"bplist00", b"<?xml", b"<!DOCTYPE plist", b"<plist")
MARK = b"\xef\xbb\xbf"  # that some editors put before UTF-8


def read(host: Host, path: str) -> dict[str, object] | None:
    """What a file says, with the types of JSON; None where it is not there. Raises Unseen, and ControlError for a link
    and for what is no property list.
    """
    content = host.read_file(path, LARGEST)
    if content is None:
        return None
    content = content.removeprefix(MARK)
    if not content.startswith(BEGINNINGS) or b"<!ENTITY" in content:
        raise ControlError(f"{path} is no property list")
    # Which form it has is said: plistlib itself does not know one that begins with its document type.
    form = plistlib.FMT_BINARY if content.startswith(BEGINNINGS[0]) else plistlib.FMT_XML
    try:
        said = plistlib.loads(content, fmt=form)
    except Exception:  # the parsers of both forms raise many kinds
        raise ControlError(f"{path} is no property list") from None
    if not isinstance(said, dict):
        raise ControlError(f"{path} is no table of properties")
    return {str(key): _plain(value, DEEPEST) for key, value in said.items()}


def _plain(value: object, deep: int) -> object:
    """A value as JSON has it; None for dates, data, and what is nested too deeply."""
    if isinstance(value, dict) and deep:
        return {str(key): _plain(one, deep - 1) for key, one in value.items()}
    if isinstance(value, list) and deep:
        return [_plain(one, deep - 1) for one in value]
    return value if isinstance(value, (str, bool, int, float)) else None
