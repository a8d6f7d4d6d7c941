"""File in a policy folder of Chromium, as a browser reads it."""

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
    """Policy file in a folder, and the reasons why browsers do not apply its policies.

    `policy_table` is {} if the file is not readable, or is no JSON object. Files sort by name, as Chromium reads them.
    """

    name: str
    policy_table: Policies
    loss_reason: str = ""  # reason why Chromium ignores the file; "" if it does not
    is_hidden: bool = False  # browsers cannot read the file
    # description of the rights by which accounts other than root can change the file; "" if none can
    foreign_access: str = ""
    unclear_reason: str = ""  # reason why the effect of the file is unknown; "" if it is known


def check_policy_file(host: Host, path: str, status: os.stat_result) -> tuple[ChromiumPolicyFile, bytes | None]:
    """Read a policy file, and judge it as Chromium would, which runs as a user.

    Returns the judged file, and its content in bytes (None if it could not be read). `status` is the status of the
    entry at the path.
    """
    name = path.rpartition("/")[2]
    try:
        foreign_access = explain_foreign_access(host, path, status)
        content = host.read_file(path)
    except ObservationError as unseen_error:
        # This account cannot read the file. If only root can read it, browsers cannot read it either. Otherwise
        # browsers may read it, so its effect is unknown.
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
    """Return the policies in a file, and the reason why Chromium ignores the file ("" if it does not)."""
    try:
        policy_table = parse_chromium_json(content)
    except ValueError:
        return {}, "not valid JSON"
    return (policy_table, "") if isinstance(policy_table, dict) else ({}, "not a JSON object")
