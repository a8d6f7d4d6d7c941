"""One file of a folder of Chromium's policies, as a browser takes it."""

from __future__ import annotations

import os
import stat
from typing import Any, Mapping

from ...host import ControlError, Host, Unseen
from ...tuples import NamedTuple
from .lenient import parse
from .observed import changeable


class File(NamedTuple):
    """A file of the folder. `said` is what Chromium takes from it, nothing if it is no JSON object or not readable."""

    name: str
    said: Mapping[str, Any]
    lost: str = ""  # why Chromium takes nothing from it
    hidden: bool = False  # whether that is because browsers cannot read it
    loose: str = ""  # who else could change it


def check_file(host: Host, path: str, seen: os.stat_result) -> tuple[File, bytes | None]:
    """A file and its content, as root reads it."""
    content, hidden = _content(host, path, seen.st_mode)
    said, broken = _said(content)
    return File(path.rpartition("/")[2], said, hidden or broken, bool(hidden), changeable(host, seen)), content


def all_texts(value: Any) -> bool:
    """Whether a value is a list that Chromium takes for one of its lists of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _content(host: Host, path: str, mode: int) -> tuple[bytes | None, str]:
    """A file's content, and why a browser, which runs as an ordinary user, takes nothing from it ("" if it does)."""
    try:
        content = host.read(path)
        if content is None:
            return None, "a link to nothing"
    except Unseen:
        return None, "not readable for users"
    except ControlError as error:
        return None, str(error)
    if not stat.S_ISLNK(mode) and not mode & 0o004:
        return content, "not readable for users"
    return content, ""


def _said(content: bytes | None) -> tuple[Mapping[str, Any], str]:
    try:
        said = parse(content or b"")
    except ValueError:
        return {}, "not valid JSON"
    return (said, "") if isinstance(said, dict) else ({}, "not a JSON object")
