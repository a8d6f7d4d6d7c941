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
from .reason import OPEN, STATUSES, Answer, Policy, Reason

# The controls that decide about each kind of subject; the answers of the others are printed beside theirs.
DECIDING = {
    SERVICE: CONTROLS,
    PROGRAM: ("apps", "browser"),
    NAME: ("browser", "firewall", "dns"),
    ADDRESS: ("firewall",),
    FILE: ("apps",),
    EXTENSION: ("browser",),
}

REASONS = {"apps": apps.reasons, "browser": browser.reasons, "firewall": firewall.reasons, "dns": dns.reasons}


def answers(about: Subject, policy: Policy) -> dict[str, Answer]:
    """Every control's answer."""
    if not policy.facts.observed_system:
        reason = Reason(OPEN, f"no control is observed on {policy.facts.os}")
        return dict.fromkeys(CONTROLS, Answer(OPEN, (reason,)))
    by_control = {control: REASONS[control](about, policy) for control in CONTROLS}
    if policy.facts.only_observed:
        by_control = {name: only_observed.reasons(name, about, policy, on) for name, on in by_control.items()}
    return {control: _answer(list(reasons)) for control, reasons in by_control.items()}


def decided(about: Subject, said: Mapping[str, Answer]) -> str:
    """The answer for a host, out of those of the controls that decide."""
    return _first(said[control].status for control in DECIDING[about.kind])


def _answer(reasons: Sequence[Reason]) -> Answer:
    return Answer(_first(reason.status for reason in reasons), tuple(dict.fromkeys(reasons)))


def _first(statuses: Iterable[str]) -> str:
    return min(statuses, key=STATUSES.index, default=OPEN)
