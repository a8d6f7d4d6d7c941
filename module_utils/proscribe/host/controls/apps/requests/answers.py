"""The answers to the requests of a host's users, for the command to show them: a file that everybody may read.

It has ids, which nobody but their user knows, and no names of users. A host without it is as compliant as another one:
it says nothing of the ban. So runs that may write bring it along, and no verdict is about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from .....base.json_text import dump_json
from ....system import STATE_DIRECTORY, WRITTEN_BY, Host

if TYPE_CHECKING:
    from .....model.types.plan import Plan

ANSWERS = "/etc/proscribe/answers.json"
NOTIFIED = STATE_DIRECTORY + "/notified.json"  # what users were notified of
SHOWN = ("answer", "on", "why", "until", "limits")


def concerned(host: Host, plan: Plan) -> bool:
    """Whether a run that may write has anything to do about answers."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return False
    return bool(plan.get("answers") or host.find_entry(ANSWERS) or host.find_entry(NOTIFIED))


def text(plan: Plan) -> str:
    """The file; "" where nothing was answered."""
    given: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    if not given:
        return ""
    shown = {id_: {key: one[key] for key in SHOWN if key in one} for id_, one in sorted(given.items())}
    return dump_json({"written_by": WRITTEN_BY, "answers": shown}, indent=1) + "\n"


def bring(host: Host, plan: Plan) -> None:
    """Have the file as the plan has it. Raises ControlError, Unseen."""
    content = text(plan)
    if not content:
        if host.find_entry(ANSWERS):
            host.delete_file(ANSWERS)
    elif host.read_text(ANSWERS) != content:
        host.write_file(ANSWERS, content)
