"""Answers of each control to a question on a host, with the reasons. Pure.

This package decides nothing. The plan has the restrictions. The controls' own code interprets them: the lists of
browsers, the networks of the firewall, the names of the DNS backends. Each control has a file with
`find_reasons(subject, policy)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .....model.plan import CONTROLS
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from . import apps, browser, dns, firewall, observed_systems
from .reason import OPEN, STATUSES, ControlAnswer, EffectivePolicy, Reason

# The controls that decide for each kind of subject. The answers of the other controls are printed, too.
DECIDING_CONTROLS = {
    SERVICE: CONTROLS,
    PROGRAM: ("apps", "browser"),
    NAME: ("browser", "firewall", "dns"),
    ADDRESS: ("firewall",),
    FILE: ("apps",),
    EXTENSION: ("browser",),
}

REASON_FINDERS = {
    "apps": apps.find_reasons,
    "browser": browser.find_reasons,
    "firewall": firewall.find_reasons,
    "dns": dns.find_reasons,
}


def find_control_answers(subject: Subject, policy: EffectivePolicy) -> dict[str, ControlAnswer]:
    """Return the answer of every control."""
    if not policy.facts.is_observed_system:
        reason = Reason(OPEN, f"no control is observed on {policy.facts.os}")
        return dict.fromkeys(CONTROLS, ControlAnswer(OPEN, (reason,)))
    by_control = {control: REASON_FINDERS[control](subject, policy) for control in CONTROLS}
    if policy.facts.is_only_observed:
        by_control = {
            name: observed_systems.convert_reasons(name, subject, policy, linux_reasons)
            for name, linux_reasons in by_control.items()
        }
    return {control: _make_control_answer(list(reasons)) for control, reasons in by_control.items()}


def decide_answer(subject: Subject, control_answers: Mapping[str, ControlAnswer]) -> str:
    """Return the answer for a host, from the answers of the deciding controls."""
    return _find_most_closed(control_answers[control].status for control in DECIDING_CONTROLS[subject.kind])


def _make_control_answer(reasons: Sequence[Reason]) -> ControlAnswer:
    return ControlAnswer(_find_most_closed(reason.status for reason in reasons), tuple(dict.fromkeys(reasons)))


def _find_most_closed(statuses: Iterable[str]) -> str:
    return min(statuses, key=STATUSES.index, default=OPEN)
