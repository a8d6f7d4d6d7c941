"""One file of a folder of Chromium's policies, as a browser takes it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ....base.tuples import NamedTuple
from ...system import ControlError, Host, ObservationError
from .chromium_json import parse
from .observed import changeable, secret

if TYPE_CHECKING:
    from ..policy_tables import Policies


class File(NamedTuple):
    """A file of the folder. `said` is what Chromium takes from it, nothing if it is no JSON object or not readable."""

    name: str
    said: Policies
    lost: str = ""  # why Chromium takes nothing from it
    hidden: bool = False  # whether that is because browsers cannot read it
    loose: str = ""  # who else could change it
    odd: str = ""  # why nobody knows what browsers take from it


def check_file(host: Host, path: str, seen: os.stat_result) -> tuple[File, bytes | None]:
    """A file and its content, as root reads it."""
    name = path.rpartition("/")[2]
    try:
        loose = changeable(host, path, seen)
        content = host.read_file(path)
    except ObservationError as unseen:
        odd = "" if secret(host, path, seen) else str(unseen)  # some users may read what this one may not
        return File(name, {}, "not readable for users", hidden=True, odd=odd), None
    except ControlError as error:
        return File(name, {}, str(error), hidden=True, odd=str(error)), None
    if content is None:
        return File(name, {}, "a link to nothing", hidden=True, loose=loose), None
    if not stat.S_ISLNK(seen.st_mode) and secret(host, path, seen):
        return File(name, {}, "not readable for users", hidden=True), content
    said, broken = _said(content)
    return File(name, said, broken, loose=loose), content


def _said(content: bytes) -> tuple[Policies, str]:
    try:
        said = parse(content)
    except ValueError:
        return {}, "not valid JSON"
    return (said, "") if isinstance(said, dict) else ({}, "not a JSON object")
