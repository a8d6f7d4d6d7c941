"""One file of a folder of Chromium's policies, as a browser takes it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ....base.tuples import NamedTuple
from ...system import ControlError, Host, ObservationError
from .chromium_json import parse_chromium_json
from .observed import explain_foreign_access, is_secret

if TYPE_CHECKING:
    from ..policy_tables import Policies


class ChromiumPolicyFile(NamedTuple):
    """A file of the folder. `policy_table` is what Chromium takes from it, nothing if it is no JSON object or not readable."""

    name: str
    policy_table: Policies
    loss_reason: str = ""  # why Chromium takes nothing from it
    is_hidden: bool = False  # whether that is because browsers cannot read it
    foreign_access: str = ""  # who else could change it
    unclear_reason: str = ""  # why nobody knows what browsers take from it


def check_policy_file(host: Host, path: str, status: os.stat_result) -> tuple[ChromiumPolicyFile, bytes | None]:
    """A file and its content, as root reads it."""
    name = path.rpartition("/")[2]
    try:
        foreign_access = explain_foreign_access(host, path, status)
        content = host.read_file(path)
    except ObservationError as unseen_error:
        unclear_reason = (
            "" if is_secret(host, path, status) else str(unseen_error)
        )  # some users may read what this one may not
        return ChromiumPolicyFile(
            name, {}, "not readable for users", is_hidden=True, unclear_reason=unclear_reason
        ), None
    except ControlError as error:
        return ChromiumPolicyFile(name, {}, str(error), is_hidden=True, unclear_reason=str(error)), None
    if content is None:
        return ChromiumPolicyFile(name, {}, "a link to nothing", is_hidden=True, foreign_access=foreign_access), None
    if not stat.S_ISLNK(status.st_mode) and is_secret(host, path, status):
        return ChromiumPolicyFile(name, {}, "not readable for users", is_hidden=True), content
    policy_table, loss_reason = _parse_policies(content)
    return ChromiumPolicyFile(name, policy_table, loss_reason, foreign_access=foreign_access), content


def _parse_policies(content: bytes) -> tuple[Policies, str]:
    try:
        policy_table = parse_chromium_json(content)
    except ValueError:
        return {}, "not valid JSON"
    return (policy_table, "") if isinstance(policy_table, dict) else ({}, "not a JSON object")
