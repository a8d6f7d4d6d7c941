"""Answers to the requests of a host's users, in a file that everybody may read.

`proscribe-request` shows them. The file has ids of requests, which only their user knows, and no names of users. The
file does not change the ban. So every run that may write updates it, and no verdict depends on it.
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
    """Return whether the answers on the host, or the record of notifications, may need an update."""
    section = plan["controls"]["apps"]
    if section["mode"] != "enforce":
        return False
    return bool(plan.get("answers") or host.find_entry(ANSWERS_PATH) or host.find_entry(NOTIFIED_PATH))


def format_answers(plan: Plan) -> str:
    """Return the text of the file of answers, or "" if the plan has no answers."""
    answers: Mapping[str, Mapping[str, str]] = plan.get("answers") or {}
    if not answers:
        return ""
    shown_answers = {
        request_id: {key: answer[key] for key in SHOWN_KEYS if key in answer}
        for request_id, answer in sorted(answers.items())
    }
    return dump_json({"written_by": WRITTEN_BY, "answers": shown_answers}, indent=1) + "\n"


def write_answers(host: Host, plan: Plan) -> None:
    """Write the file of answers, or delete it if the plan has no answers.

    Raises ControlError and ObservationError.
    """
    content = format_answers(plan)
    if not content:
        if host.find_entry(ANSWERS_PATH):
            host.delete_file(ANSWERS_PATH)
    elif host.read_text(ANSWERS_PATH) != content:
        host.write_file(ANSWERS_PATH, content)
