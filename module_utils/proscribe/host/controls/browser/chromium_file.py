"""File of a policy folder of Chromium, as a browser reads it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host, ObservationError
from .chromium_json import parse_chromium_json
from .policy_observation import explain_foreign_access, is_secret

if TYPE_CHECKING:
    from ..policy_values import Policies


class ChromiumPolicyFile(NamedTuple):
    """File of the folder. `policy_table` is empty if the file is no JSON object or not readable."""

    name: str
    policy_table: Policies
    loss_reason: str = ""  # reason why Chromium ignores the file
    is_hidden: bool = False  # browsers cannot read the file
    foreign_access: str = ""  # access of others than root that lets them change the file
    unclear_reason: str = ""  # reason why the effect of the file is unknown


def check_policy_file(host: Host, path: str, status: os.stat_result) -> tuple[ChromiumPolicyFile, bytes | None]:
    """Read a file as root. Returns the file as Chromium takes it, and its content."""
    name = path.rpartition("/")[2]
    try:
        foreign_access = explain_foreign_access(host, path, status)
        content = host.read_file(path)
    except ObservationError as unseen_error:
        # Other users may be able to read the file.
        unclear_reason = "" if is_secret(host, path, status) else str(unseen_error)
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
