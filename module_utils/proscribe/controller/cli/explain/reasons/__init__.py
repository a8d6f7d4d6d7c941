"""What each control does about a question on a host: blocked or open, and why. Pure.

Nothing is decided here. The plan says what is restricted; the controls' own code says what they make of it: the lists
of the browsers and how browsers read them, the networks of the firewall, the names of the DNS backends. One file for
each control, with `reasons(about, policy)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .....model.plan import CONTROLS
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from . import apps, browser, dns, firewall, only_observed
from .reason import OPEN, STATUSES, ControlAnswer, EffectivePolicy, Reason

# The controls that decide about each kind of subject; the answers of the others are printed beside theirs.
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
    """Every control's answer."""
    if not policy.facts.is_observed_system:
        reason = Reason(OPEN, f"no control is observed on {policy.facts.os}")
        return dict.fromkeys(CONTROLS, ControlAnswer(OPEN, (reason,)))
    by_control = {control: REASON_FINDERS[control](subject, policy) for control in CONTROLS}
    if policy.facts.is_only_observed:
        by_control = {
            name: only_observed.convert_reasons(name, subject, policy, linux_reasons)
            for name, linux_reasons in by_control.items()
        }
    return {control: _make_control_answer(list(reasons)) for control, reasons in by_control.items()}


def decide_answer(subject: Subject, control_answers: Mapping[str, ControlAnswer]) -> str:
    """The answer for a host, out of those of the controls that decide."""
    return _find_most_closed(control_answers[control].status for control in DECIDING_CONTROLS[subject.kind])


def _make_control_answer(reasons: Sequence[Reason]) -> ControlAnswer:
    return ControlAnswer(_find_most_closed(reason.status for reason in reasons), tuple(dict.fromkeys(reasons)))


def _find_most_closed(statuses: Iterable[str]) -> str:
    return min(statuses, key=STATUSES.index, default=OPEN)
