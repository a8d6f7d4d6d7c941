"""Answers to the requests of a host's users, in a file that everybody may read: the command shows them.

The file has ids, which only their user knows, and no names of users. It changes nothing of the ban, so a host without
it is as compliant as another host. So runs that may write update it, and no verdict covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from .....base.json_text import dump_json
from ....system import STATE_DIRECTORY, WRITTEN_BY, Host

if TYPE_CHECKING:
    from .....model.types.plan import Plan

ANSWERS_PATH = "/etc/proscribe/answers.json"
NOTIFIED_PATH = STATE_DIRECTORY + "/notified.json"  # record of the notifications of users
SHOWN_KEYS = ("answer", "on", "why", "until", "limits")


def has_answer_work(host: Host, plan: Plan) -> bool:
    """Return whether a run that may write has to update the answers."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return False
    return bool(plan.get("answers") or host.find_entry(ANSWERS_PATH) or host.find_entry(NOTIFIED_PATH))


def format_answers(plan: Plan) -> str:
    """Return the text of the file, or "" if there are no answers."""
    answers: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    if not answers:
        return ""
    shown_answers = {
        request_id: {key: answer[key] for key in SHOWN_KEYS if key in answer}
        for request_id, answer in sorted(answers.items())
    }
    return dump_json({"written_by": WRITTEN_BY, "answers": shown_answers}, indent=1) + "\n"


def write_answers(host: Host, plan: Plan) -> None:
    """Write or delete the file as the plan requires. Raises ControlError and ObservationError."""
    content = format_answers(plan)
    if not content:
        if host.find_entry(ANSWERS_PATH):
            host.delete_file(ANSWERS_PATH)
    elif host.read_text(ANSWERS_PATH) != content:
        host.write_file(ANSWERS_PATH, content)
