"""What the waivers of a question are worth, for commands that compile no plan."""

from __future__ import annotations

import datetime

from ...policy_errors import PolicyError, PolicyErrors
from ..inventory.inventory import Question
from ..waivers.document import Named
from ..waivers.reading import Judged, judge_all, judged_waivers, wrong_names
from ..waivers.waiver import Waiver
from .policy import sound_policy


def waivers_of(question: Question, now: datetime.datetime) -> list[Judged]:
    """The waivers of a question by id, each with its standing. Raises PolicyErrors."""
    policy = sound_policy(question)
    return judged_waivers(question, policy.restrictions, policy.services, now)


def judge(waiver: Waiver, question: Question, now: datetime.datetime) -> Judged:
    """A waiver that is in no folder yet, as `waivers_of` would have it. Raises PolicyErrors, also for what it names and
    the inventory does not have any more: nothing new is granted there.
    """
    policy = sound_policy(question)
    judged = judge_all([waiver], question, policy.restrictions, policy.services, now)[0]
    if departed := judged.standing.departed:
        expected = "a name that the inventory has; it had this one earlier"
        raise PolicyErrors(waiver.document.error((one.kind,), str(one), expected) for one in departed)
    return judged


def wrong_in(malformed: Named | None, question: Question, now: datetime.datetime) -> list[PolicyError]:
    """What a waiver that is in no folder yet, and has other mistakes, names and nothing has. Raises PolicyErrors."""
    policy = sound_policy(question)
    named = [malformed] if malformed else []
    return list(wrong_names([], named, question, policy.restrictions, policy.services, now))
