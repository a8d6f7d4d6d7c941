"""The tables that have a row for each state of a rule, each exit code, and each answer of `explain`."""

from proscribe.controller.cli.explain.reasons import reason
from proscribe.controller.report.evaluation import verdict
from proscribe.model.finding import STATES

from .part import described, parts_of, read_rows, table

OF_RULE = read_rows(
    """
error | could not be evaluated, because a tool of the host failed; or, of a host, a control or a correction failed
noncompliant | is broken, with the findings that show it
unknown | could not be seen, or was corrected and not observed again, with the reason; or, of a host, it gave no
    answer that counts
waived | is broken, and an active waiver covers it
repaired | was broken, was corrected in this run, and was compliant when it was observed again; or an earlier run had
    corrected it and could not observe it again, and this one is the first that did
compliant | is in effect
not_applicable | does not count on this host: it is upcoming, or only reported, or nothing is known to search for
"""
)
OF_RUN = read_rows(
    """
250 | the report itself failed (it could not be written, say): the run proves nothing
14 | the run was interrupted: by Ctrl-C, by another signal, or by an error of Ansible's. What it had done until then
    is in its report: [interrupted runs](#interrupted-runs)
12 | nothing was evaluated: no host was expected, or none evaluated a rule though nothing failed. Whatever the gate
    says
13 | enforcing was stopped before all hosts were corrected, or set hosts aside:
    [operations.md](operations.md#canary-and-batches)
10 | the gate is `noncompliant` or `incomplete`, and a host is `noncompliant` or `error`
11 | the gate is `incomplete`, and a host is `unknown`, or coverage is not complete (a host is not served, say)
2 | a host failed: it is `error`, or not lifted, even if a `rescue` lets Ansible go on; a tag that no task has; an
    entry that `quarantine list` cannot read
"""
)
OF_QUESTION = read_rows(
    """
blocked | closed, and kept closed
depends | closed or open by something that only the host knows, and the reason says what: which address a name leads
    to, who uses it, or whether the host has a DNS filter (which blocks what lies below a domain too) or only
    `/etc/hosts` (which has exact names)
audited | counts against the host; nothing is changed
waived | open by a waiver, which is named with its approver and its end
tenants | open to accounts of the organisation's own tenants
upcoming | blocked from a day to come
reported | reported where it is found, counts nothing
open | nothing restricted here fits; or an exception of the catalogue, a service that is not restricted here,
    `proscribe_management`
off | `proscribe_controls` leaves the control off
"""
)


def states():
    return table(("state", "the rule"), described(STATES, OF_RULE))


def exits():
    otherwise = ("Ansible's own", "otherwise: 0, 4 a host was unreachable, ...")
    return table(("exit code", "when"), (*described(verdict.EXITS_BY_PRIORITY, OF_RUN), otherwise))


def answers():
    return table(("answer", "meaning"), described(reason.STATUSES, OF_QUESTION))


OF_REPORT = parts_of("docs/report.md", {"states": states, "exit codes": exits})
DERIVED = OF_REPORT + parts_of("docs/explain.md", {"answers": answers})
