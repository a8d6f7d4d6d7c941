"""File in a policy folder of Chromium, as a browser reads it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ....base.json_text import parse_json
from ....base.lazy_patterns import DOTALL, compile_pattern
from ....base.named_tuple import NamedTuple
from ...system import ControlError, Host, ObservationError
from .policy_observation import explain_foreign_access, is_secret

if TYPE_CHECKING:
    from typing import Match

    from ..policy_values import Policies

# The patterns match whole strings first. So a comment mark or a comma inside a string is not taken for one.
_STRING_EXPRESSION = r'"(?:[^"\\]|\\.)*"'
_COMMENT_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|//[^\n]*|/\*.*?\*/", DOTALL)
_ESCAPE_PATTERN = compile_pattern(r"\\(?:x([0-9A-Fa-f]{2})|.)", DOTALL)
_COMMA_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|,(?=\s*[\]}])", DOTALL)


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


def parse_chromium_json(content: bytes) -> object:
    """Return the value that a policy file has for Chromium. Raises ValueError for a file that Chromium ignores.

    Chromium (JSON_PARSE_CHROMIUM_EXTENSIONS) accepts comments, commas before a closing bracket and a byte order mark.
    In strings it accepts line ends, `\\v` and `\\x41`. A strict parser would report such a file as ignored, although
    Chromium applies it.
    """
    try:
        text = content.decode("utf-8-sig")
        try:
            return parse_json(text)
        except ValueError:
            without_comments = _COMMENT_PATTERN.sub(_keep_strings, text)
            strict_text = _COMMA_PATTERN.sub(_keep_strings, without_comments)
            return parse_json(_ESCAPE_PATTERN.sub(_convert_escape, strict_text), strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _keep_strings(match: Match[str]) -> str:
    """Return the match if it is a string, and otherwise a space, which replaces a comment or a comma."""
    return match[0] if match[0].startswith('"') else " "


def _convert_escape(match: Match[str]) -> str:
    """Convert an escape sequence of Chromium's JSON (`\\x41`, `\\v`) to strict JSON. Other sequences stay unchanged."""
    return f"\\u00{match[1]}" if match[1] else "\\u000b" if match[0] == "\\v" else match[0]
