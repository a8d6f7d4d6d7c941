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

ANSWERS_PATH = "/etc/proscribe/answers.json"
NOTIFIED_PATH = STATE_DIRECTORY + "/notified.json"  # what users were notified of
SHOWN_KEYS = ("answer", "on", "why", "until", "limits")


def has_answer_work(host: Host, plan: Plan) -> bool:
    """Whether a run that may write has anything to do about answers."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return False
    return bool(plan.get("answers") or host.find_entry(ANSWERS_PATH) or host.find_entry(NOTIFIED_PATH))


def format_answers(plan: Plan) -> str:
    """The file; "" where nothing was answered."""
    answers: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    if not answers:
        return ""
    shown_answers = {
        request_id: {key: answer[key] for key in SHOWN_KEYS if key in answer}
        for request_id, answer in sorted(answers.items())
    }
    return dump_json({"written_by": WRITTEN_BY, "answers": shown_answers}, indent=1) + "\n"


def write_answers(host: Host, plan: Plan) -> None:
    """Have the file as the plan has it. Raises ControlError, Unseen."""
    content = format_answers(plan)
    if not content:
        if host.find_entry(ANSWERS_PATH):
            host.delete_file(ANSWERS_PATH)
    elif host.read_text(ANSWERS_PATH) != content:
        host.write_file(ANSWERS_PATH, content)
