"""report.json, from what makes it (controller/report/evaluation/reconcile.py and the types that are its parts)."""

from __future__ import annotations

from proscribe.controller.compile.restrictions.points import Fed
from proscribe.controller.report.collection.events import Rollout
from proscribe.controller.report.evaluation.arithmetic import share
from proscribe.controller.report.evaluation.modes import AUDIT, ENFORCE, OFF
from proscribe.controller.report.evaluation.reconcile import REPORT_SCHEMA, UNEXPECTED, Fleet, Note, fleet_report
from proscribe.controller.report.evaluation.verdict import ANSIBLE, Verdict
from proscribe.controller.report.sending.datagrams import FACILITIES
from proscribe.controller.report.sending.transport import ALL, CHANGES
from proscribe.controller.report.text.command import Call
from proscribe.model.finding import BESIDE, GATES
from proscribe.model.plan import CONTROLS
from proscribe.model.types.report import WatchCounts

from .report_waiver import WAIVER
from .shapes import (
    ANYTHING,
    CONTROL,
    COUNT,
    DAY,
    FLAG,
    SOME,
    STATE,
    TEXT,
    TEXTS,
    TIME,
    Shape,
    about,
    by,
    keyed,
    listed,
    made,
    maybe,
    one_of,
    shut,
)

EMPTY = fleet_report({}, Fleet(()), "")
COMMAND = made(
    Call().as_dict(),
    {
        "program": about(TEXTS, "The launcher or ansible-playbook, as typed"),
        "word": about(TEXT, "The launcher's, such as audit; empty for ansible-playbook"),
        "playbook": about(TEXT, "For ansible-playbook: the playbook as typed"),
        "options": about(TEXTS, "All other options than --limit, --check and --diff"),
        "cwd": about(TEXT, "The directory that it was typed in"),
        "withheld": about(TEXTS, "Variables that were given with -e and look like secrets; their values are not kept"),
    },
)
VERDICT = made(
    Verdict(ANSIBLE).as_dict((), False, False),
    {
        "gate": about(
            maybe(one_of(list(GATES)[1:])),
            "The strictest gate of the run's hosts; null where there was none to pass",
        ),
        "passed": FLAG,
        "exit": about({"type": ["integer", "null"]}, "What the launcher ends with; null for Ansible's own code"),
        "reason": maybe(TEXT),
    },
)
INTERRUPTED = keyed(
    {
        "why": about(TEXT, "In words: the signal, an error of Ansible's, or that it was killed"),
        "closed_by": about(maybe(TEXT), "The id of the later run that closed it; null where it closed itself"),
    }
)
RELEASE = keyed(
    {
        "version": about(TEXT, "As its release.yml has it; empty where it has none"),
        "released": about(TEXT, "The day of the release; empty where it has none"),
    }
)
EVENTS = keyed(
    {
        "file": about(TEXT, "The file that they are appended to; empty for none"),
        "journald": FLAG,
        "syslog": FLAG,
        "facility": one_of(tuple(FACILITIES)),
        "send": one_of((CHANGES, ALL)),
        "limit": about(SOME, "How many events one run sends at most"),
    },
    required=(),
)
FED = made(Fed("", "", "")._asdict(), {"format": TEXT, "directory": TEXT, "group": TEXT})
RUN = made(
    EMPTY["run"],
    {
        "id": TEXT,
        "playbook": TEXT,
        "command": about(
            maybe(COMMAND),
            "How the run was called, so that what is proposed next keeps its scope; null in a merged report whose "
            "parts were called differently",
        ),
        "mode": one_of(("audit", "enforce", "check")),
        "started": TIME,
        "finished": TIME,
        "catalog_version": TEXT,
        "catalog": about(maybe(RELEASE), "The release of the catalogue"),
        "inventory": TEXTS,
        "limit": about(maybe(TEXT), "--limit"),
        "pattern": about(maybe(TEXT), "proscribe_hosts: the hosts that runs are about"),
        "controls": maybe(listed(CONTROL)),
        "expected_hosts": COUNT,
        "history": about(maybe(TEXT), "Where the run is remembered"),
        "exports": about(maybe(TEXTS), "The exports that were asked for"),
        "exports_fed": about(
            maybe(listed(FED)), "The exports to points that scheduled runs keep up to date: proscribe_exports_fed"
        ),
        "events": about(maybe(EVENTS), "How the run sent its events: proscribe_events; empty where it sent none"),
        "baseline": about(maybe(TEXT), "The run that this one was compared with"),
        "stale_after": about({"type": ["integer", "null"]}, "How old a record may be, in seconds"),
        "whole": about(
            FLAG, "Whether every host of the inventory was asked for every control; else it says nothing of the rest"
        ),
        "left_out": about(maybe(COUNT), "Hosts of the inventory that were not asked; null where that is not known"),
        "interrupted": about(maybe(INTERRUPTED), "Only of a run that ended before its end; else null"),
        "verdict": about(maybe(VERDICT), "How the run ended by its gate"),
        "parts": about(TEXTS, "Only of a merged report: the runs that it was made from"),
    },
    optional=("parts",),
    # Earlier versions wrote no more than these.
    required=(
        *("id", "playbook", "mode", "started", "finished", "catalog_version", "inventory", "limit", "expected_hosts"),
    ),
)
SHARE = made(
    share(0, 0),
    {
        "numerator": COUNT,
        "denominator": COUNT,
        "percent": about(
            {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "Floored to one decimal; 100 only when all count; null when there is nothing to count",
        ),
    },
)
SUMMARY = made(
    EMPTY["summary"],
    {
        "hosts": about(by(COUNT, STATE), "Expected hosts by state"),
        "rules": about(by(COUNT, STATE), "Evaluated rules by state"),
        "not_served": about(COUNT, "Hosts that cannot be looked at; they are no expected hosts"),
        "coverage": about(SHARE, "Hosts that were evaluated at all"),
        "compliance_strict": about(SHARE, "Hosts that meet the ban"),
        "compliance_with_waivers": about(SHARE, "Hosts that meet it, or have an approved exception"),
        "controls": about(
            by(by(by(COUNT), one_of((ENFORCE, AUDIT, OFF))), one_of((*CONTROLS, *BESIDE))),
            "Hosts by the mode and the state of each control, not_looked_at where the run left it out, off where it "
            "is off",
        ),
    },
    required=("hosts", "rules", "coverage", "compliance_strict", "compliance_with_waivers"),
)
RULE = keyed(
    {
        "rule": TEXT,
        "counts": about(by(COUNT, STATE), "Hosts that list the rule, by its state there"),
        "kind": about(one_of(("service", "setting")), "What the rule is about; not there where that is not known"),
        "audited": about(SOME, "How many of these hosts only audit its control; not there for none"),
    },
    optional=("kind", "audited"),
)
ROLLOUT = made(
    Rollout(0, (), (), "", {}, {}).as_dict(),
    {
        "to_correct": about(COUNT, "Hosts of which controls had drifted"),
        "batches": about(listed(SOME), "The sizes of the batches in which they were to be corrected"),
        "not_reached": about(
            COUNT, "Those whose turn did not come, because the run was stopped; not_reached.txt names them"
        ),
        "why": about(maybe(TEXT), "Why it was stopped"),
        "allow": about(
            by({"type": ["integer", "string"]}),
            "What proscribe_max_change has to be for all of them, where that was the reason",
        ),
        "set_aside": about(
            listed(keyed({"host": TEXT, "why": TEXT})),
            "The hosts that were left as found, so that the others could be corrected; set_aside.txt names them",
        ),
    },
)
WATCHED = made(
    tuple(WatchCounts.__annotations__),
    {
        "hosts": about(SOME, "Hosts that keep themselves in line"),
        "opened": about(COUNT, "Hosts of these on which something was open in between"),
        "closed_again": about(COUNT, "Hosts on which some of that is closed now"),
        "incidents": about(COUNT, "How often something was open"),
        "ended": about(COUNT, "How often they ended a restricted program at its start"),
        "ended_on": about(COUNT, "On how many hosts"),
        "frozen": about(COUNT, "Hosts that root has frozen"),
        "stale": about(COUNT, "Hosts of which no run has renewed the plan for too long"),
        "unobserved": about(COUNT, "Hosts that have not observed themselves, or not for long"),
        "left_out": about(COUNT, "What their records have no room for"),
    },
)
TOGETHER = {
    "schema": {"const": REPORT_SCHEMA},
    "run": RUN,
    "summary": SUMMARY,
    "rules": about(listed(RULE), "Rules that some host lists"),
    "waivers": listed(WAIVER),
    "upcoming": about(
        listed(keyed({"service": TEXT, "control": CONTROL, "effective_from": DAY})), "In a plan and not in force yet"
    ),
    "nothing_known": about(
        listed(keyed({"rule": TEXT, "hosts": SOME})), "Rules of which nothing is known to look for, on so many hosts"
    ),
    "not_served": about(
        listed(keyed({"host": TEXT, "why": TEXT})), "Network devices and Windows hosts: nobody connects to them"
    ),
    "unexpected_hosts": about(TEXTS, "Hosts that answered and were not asked"),
    "unexpected": about(
        listed(made(Note._fields, {"host": TEXT, "kind": about(TEXT, ", ".join(UNEXPECTED)), "detail": TEXT})),
        "What was not as expected about an answer",
    ),
    "new": about(maybe(listed(ANYTHING)), "What was not there in the baseline; null without one"),
    "rollout": about(shut(maybe(ROLLOUT)), "How far an enforcing run came; null in any other"),
    "departments": about(by(TEXTS), "Hosts by department"),
    "watch": about(
        shut(maybe(WATCHED)), "What hosts that keep themselves in line did between two runs; null where there are none"
    ),
    "requests": about(
        maybe(keyed({"waiting": COUNT, "hosts": COUNT, "left_out": COUNT})), "Of users, for exceptions; null for none"
    ),
    "warnings": TEXTS,
}


def report() -> Shape:
    # Earlier versions wrote no more than these.
    always = ("schema", "run", "summary", "rules", "waivers", "upcoming", "unexpected_hosts", "warnings")
    description = "report.json: the expected hosts of a run reconciled with the host records that came"
    return {"title": "Fleet report", "description": description, **made(EMPTY, TOGETHER, required=always)}
