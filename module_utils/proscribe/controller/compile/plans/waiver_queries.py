"""The judgement of waivers, for commands that compile no plan."""

from __future__ import annotations

import datetime

from ...policy_errors import PolicyError, PolicyErrors
from ..inventory.host_variables import CompileInput
from ..waivers.document import MalformedWaiver
from ..waivers.judged_waivers import JudgedWaiver, find_wrong_names, judge_waivers, read_judged_waivers
from ..waivers.waiver import Waiver
from .host_policies import read_sound_policy


def list_judged_waivers(compile_input: CompileInput, now: datetime.datetime) -> list[JudgedWaiver]:
    """Return the waivers of a compilation, sorted by id, each with its status.

    Raises PolicyErrors.
    """
    policy = read_sound_policy(compile_input)
    return read_judged_waivers(compile_input, policy.restrictions, policy.service_ids, now)


def judge_new_waiver(waiver: Waiver, compile_input: CompileInput, now: datetime.datetime) -> JudgedWaiver:
    """Return the judgement of a waiver that is in no folder yet, as `list_judged_waivers` would judge it.

    Raises PolicyErrors, also for hosts and groups that the inventory no longer has: a new waiver grants nothing there.
    """
    policy = read_sound_policy(compile_input)
    judged = judge_waivers([waiver], compile_input, policy.restrictions, policy.service_ids, now)[0]
    if departed_names := judged.judgement.departures:
        expected = "a name that the inventory has; it had this one earlier"
        raise PolicyErrors(
            waiver.document.make_error((departed_name.kind,), str(departed_name), expected)
            for departed_name in departed_names
        )
    return judged


def find_draft_mistakes(
    malformed: MalformedWaiver | None, compile_input: CompileInput, now: datetime.datetime
) -> list[PolicyError]:
    """Return errors about unknown names in a malformed waiver that is in no waiver folder yet. Raises PolicyErrors.

    Without a waiver (None) there are no errors.
    """
    policy = read_sound_policy(compile_input)
    documents = [malformed] if malformed else []
    return list(find_wrong_names([], documents, compile_input, policy.restrictions, policy.service_ids, now))
