"""The tables of docs/report.md and docs/waivers.md that have a row for each state, exit code or status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proscribe.compile.waivers.standing import ACTIVE, STATUSES
from proscribe.finding import COMPLIANT, ERROR, NONCOMPLIANT, NOT_APPLICABLE, REPAIRED, STATES, UNKNOWN, WAIVED
from proscribe.report import verdict

from .part import Part, table

OF_RULE = {
    ERROR: "could not be evaluated, because a tool of the host failed; or, of a host, a control or a correction failed",
    NONCOMPLIANT: "is broken, with the findings that show it",
    UNKNOWN: "could not be seen, with the reason; or, of a host, it gave no answer that counts",
    WAIVED: "is broken, and an active waiver covers it",
    REPAIRED: "was broken, was corrected in this run, and held when it was looked at again",
    COMPLIANT: "holds",
    NOT_APPLICABLE: "does not count on this host: it is upcoming, or only reported, or nothing is known to look for",
}
# In the order in which they are decided.
OF_RUN = {
    verdict.BROKEN_EXIT: "the report itself failed (it could not be written, say): the run proves nothing",
    verdict.NOTHING_EXIT: (
        "nothing was evaluated: no host was expected, or none evaluated a rule though nothing failed. Whatever the "
        "gate says"
    ),
    verdict.STOPPED_EXIT: (
        "enforcing was stopped before every host had its turn: [operations.md](operations.md#canary-and-batches)"
    ),
    verdict.NONCOMPLIANT_EXIT: "the gate is `noncompliant` or `incomplete`, and a host is `noncompliant` or `error`",
    verdict.INCOMPLETE_EXIT: (
        "the gate is `incomplete`, and a host is `unknown`, or coverage is not complete (a host is not served, say)"
    ),
    "Ansible's own": "otherwise: 0, 2 a host failed, 4 a host was unreachable, ...",
}
OF_WAIVER = {
    ACTIVE: (
        "all is well: it waives. With `review_overdue` it still does, and every run says so",
        "review it, and write `reviewed_on`",
    ),
    "not_yet_valid": ("before its start", "-"),
    "revoked": ("from `revoked.on` on, whatever else is wrong with it", "-"),
    "expired": ("from `expires` on", "a new waiver, if the need is still there"),
    "no_hosts": ("no host of the inventory is in its scope", "mend the groups or zones"),
    "too_long": ("it runs for more than `proscribe_waiver_max_days`", "an earlier end"),
    "blanket": (
        "it is for the group `all`, or for every host there is",
        "name the hosts that need it, or `proscribe_waiver_blanket: true`",
    ),
    "unauthorised": (
        "`approvers.yml` does not let `approved_by` approve for every host in scope",
        "the right approver",
    ),
    "self_approved": ("`requested_by` and `approved_by` are one person", "two people"),
    "unsigned": ("`proscribe_waiver_signatures: required`, and there is no signature", "sign it"),
    "bad_signature": (
        "there is a signature and it does not count, or cannot be checked",
        "sign it again; the reason names what is missing",
    ),
}


def states() -> str:
    return table(("state", "the rule"), ((f"`{state}`", OF_RULE[state]) for state in _all(STATES, OF_RULE)))


def exits() -> str:
    codes = [value for name, value in vars(verdict).items() if name.endswith("_EXIT")]
    _all([*codes, "Ansible's own"], OF_RUN)
    return table(("launcher ends with", "when"), OF_RUN.items())


def statuses() -> str:
    rows = ((f"`{status}`", *OF_WAIVER[status]) for status in reversed(_all(STATUSES, OF_WAIVER)))
    return table(("status", "when", "what to do"), rows)


def _all(names: Sequence[str], described: Mapping[str, object]) -> Sequence[str]:
    """The names. Raises ValueError unless just these are described."""
    if different := set(names) ^ described.keys():
        raise ValueError(f"either the code or its table lacks {', '.join(sorted(different))}")
    return names


DERIVED = (
    Part("docs/report.md", states, "states"),
    Part("docs/report.md", exits, "exit codes"),
    Part("docs/waivers.md", statuses, "statuses"),
)
