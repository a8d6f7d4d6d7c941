"""Answer of each control to a question about a host, with the reasons. Pure.

This package decides nothing. The plan has the restrictions. The controls' own code interprets them: the lists of
browsers, the networks of the firewall, the names of the DNS backends. Each control has a file with
`find_reasons(subject, policy)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module

from .....model.plan import CONTROLS
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from . import observed_systems
from .reason import OPEN, STATUSES, ControlAnswer, EffectivePolicy, Reason

# Each control has a file of this package with `find_reasons`, and the kinds of subjects that it decides. The answers of
# the other controls are printed, too.
_REASON_MODULES = {control: import_module(f".{control}", __name__) for control in CONTROLS}
REASON_FINDERS: Mapping[str, Callable[[Subject, EffectivePolicy], Iterable[Reason]]] = {
    control: module.find_reasons for control, module in _REASON_MODULES.items()
}
DECIDING_CONTROLS = {
    kind: tuple(control for control, module in _REASON_MODULES.items() if kind in module.DECIDED_KINDS)
    for kind in (SERVICE, PROGRAM, NAME, ADDRESS, FILE, EXTENSION)
}


def find_control_answers(subject: Subject, policy: EffectivePolicy) -> dict[str, ControlAnswer]:
    """Return the answer of each control to a question about a host, with its reasons.

    If runs cannot observe the host's system, every control answers OPEN. On Windows and macOS, which runs observe and
    do not change, an answer that blocks becomes AUDITED.
    """
    if not policy.facts.is_observed_system:
        reason = Reason(OPEN, f"no control is observed on {policy.facts.os}")
        return dict.fromkeys(CONTROLS, ControlAnswer(OPEN, (reason,)))
    by_control = {control: find_reasons(subject, policy) for control, find_reasons in REASON_FINDERS.items()}
    if policy.facts.is_only_observed:
        by_control = {
            name: observed_systems.convert_reasons(name, subject, policy, linux_reasons)
            for name, linux_reasons in by_control.items()
        }
    return {control: _make_control_answer(list(reasons)) for control, reasons in by_control.items()}


def decide_answer(subject: Subject, control_answers: Mapping[str, ControlAnswer]) -> str:
    """Return the most restrictive answer of the controls that decide for the subject's kind: the answer for a host."""
    return _find_most_closed(control_answers[control].status for control in DECIDING_CONTROLS[subject.kind])


def _make_control_answer(reasons: Sequence[Reason]) -> ControlAnswer:
    return ControlAnswer(_find_most_closed(reason.status for reason in reasons), tuple(dict.fromkeys(reasons)))


def _find_most_closed(statuses: Iterable[str]) -> str:
    return min(statuses, key=STATUSES.index, default=OPEN)
