"""A line of hosts.jsonl: what is taken of a host's answer (wire/replies/record.py), and what is added."""

from __future__ import annotations

from proscribe.controller.report.evaluation.modes import AUDIT, ENFORCE, OFF
from proscribe.model.finding import BESIDE, RECORD_SCHEMA, Finding
from proscribe.model.plan import CONTROLS
from proscribe.wire.replies import watched
from proscribe.wire.replies.record import MOST_USERS_OF_QUARANTINE, PLATFORM, SOFTWARE, silent

from .shapes import (
    COUNT,
    FLAG,
    QUARANTINE_ID,
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

MODE = maybe({"enum": [ENFORCE, AUDIT, OFF]})
LEFT_OUT_OF = (*CONTROLS, *BESIDE, watched.JOURNAL)
MISSING_IN_OLD = ("controls", "attempts")  # of records that earlier versions wrote

OF_CONTROL = keyed(
    {
        "mode": about(MODE, "What the plan has it do; null where that is not known"),
        "policy": about(maybe(TEXT), "The digest of all that the plan makes it from"),
        "state": about(
            maybe(STATE), "The worst state of its rules; null where the run did not look at it, or it is off"
        ),
        "evaluated": COUNT,
        "not_applicable": COUNT,
    },
    optional=("mode", "policy", "state"),
)
RULE = keyed(
    {
        "rule": about(TEXT, "<control>/<service> or <control>/<setting>"),
        "state": STATE,
        "waiver": about(maybe(TEXT), "The waiver's id"),
        "reason": maybe(TEXT),
        "findings": listed(keyed(dict.fromkeys(Finding._fields, maybe(TEXT)))),
        "mode": about(MODE, "Of its control on this host: no run corrects what is only audited"),
    },
    optional=("mode",),
)
ERROR = keyed(
    {
        "control": about(TEXT, "A control, or run"),
        "message": TEXT,
        "refused": about(TEXT, "Only of what was left as it is, which is no failure: the rule that it is about"),
    },
    optional=("refused",),
)
OTHER_RUN = keyed({"control": TEXT, "by": TEXT, "since": TEXT, "waited": COUNT})
ACTION = keyed(
    {
        "control": TEXT,
        "action": TEXT,
        "quarantine_id": about(
            QUARANTINE_ID, "Only where something was moved into the quarantine: the id to restore it by"
        ),
    },
    optional=("quarantine_id",),
)
FULL_SCAN = keyed(
    {
        "at": about(TEXT, "When, by the host's clock"),
        "runs": about(COUNT, "How many enforcing runs have begun with it or since"),
    }
)
QUARANTINE = keyed(
    {
        "items": COUNT,
        "bytes": about(COUNT, "What it takes on the disk"),
        "oldest": about(TEXT, "When the oldest item was taken, by the host's clock; empty if no item has a time"),
        "owners": about(
            {**by(COUNT), "maxProperties": MOST_USERS_OF_QUARANTINE},
            "Bytes by the account that the items were taken from, those with most",
        ),
    }
)
WHEN = about(TIME, "UTC, by the host's clock")
INCIDENT = keyed(
    {
        "control": {"enum": [*CONTROLS, *BESIDE]},
        "cause": about(
            {**TEXT, "maxLength": watched.CAUSE}, "What was found; empty where the journal does not reach it"
        ),
        "rules": about({**TEXTS, "minItems": 1, "maxItems": watched.MOST_RULES}, "What was open by it"),
        "rules_left_out": about(COUNT, "How many more rules were"),
        "first": WHEN,
        "last": WHEN,
        "times": about(SOME, "How often the host found it open"),
        "corrected": about(COUNT, "How many of these times the host closed it again by itself"),
        "users": about({**TEXTS, "maxItems": watched.MOST_USERS}, "Who was logged in"),
    }
)
ENDED = keyed(
    {
        "rule": TEXT,
        "program": about(TEXT, "Its path"),
        "user": TEXT,
        "first": WHEN,
        "last": WHEN,
        "times": about(SOME, "How often it was started and ended"),
    }
)
WATCHED = keyed(
    {
        "every": about(COUNT, "Seconds between two observations of its own"),
        "renewed": about(maybe(TIME), "When a run last renewed the plan that the host holds"),
        "stale": about(FLAG, "Whether that was longer ago than proscribe_watch_max_age"),
        "last": about(maybe(TIME), "When the host last observed itself; null for never"),
        "since": about(maybe(TIME), "How far back its journal reaches"),
        "frozen": about(shut(keyed({"until": WHEN, "reason": TEXT, "by": TEXT})), "Only where root has frozen it"),
        "incidents": {**listed(INCIDENT), "maxItems": watched.MOST_INCIDENTS},
        "ended": {**listed(ENDED), "maxItems": watched.MOST_ENDED},
        "left_out": about(
            {**by(COUNT), "maxProperties": len(LEFT_OUT_OF)},
            f"How much more there was, of each of {', '.join(LEFT_OUT_OF)}: incidents and ended programs, or lines",
        ),
    },
    optional=("frozen",),
)
REQUEST = keyed(
    {
        "id": about({"type": "string", "pattern": f"^{watched.ID.pattern}$"}, "Made by the host"),
        "user": about(TEXT, "The account that requests it"),
        "service": about(TEXT, "As the user typed it"),
        "reason": about({**TEXT, "maxLength": watched.REASON}, "As the user typed it"),
        "at": WHEN,
        "answer": about(
            {"enum": [*watched.ANSWERS]}, "Only where the plan of the host answers it: then it does not wait"
        ),
    },
    optional=("answer",),
)
SOFTWARE_OF = {
    "package_systems": "The package systems that the host has for all of it; where apps was looked at",
    "user_package_systems": (
        "The package systems that its users have brought along; only where all of all users was seen"
    ),
    "browsers": (
        "The browsers that are installed for the whole host and that a policy reaches, each by the id of the place "
        "that it reads; where browser was looked at"
    ),
}

ALWAYS = {
    "schema": {"const": RECORD_SCHEMA},
    "host": about(TEXT, "The inventory name"),
    "state": about(STATE, "The worst state of its rules; unknown without an answer that counts"),
    "reason": about(maybe(TEXT), "Why there is no answer that counts"),
    "plan": about(maybe(TEXT), "The digest of the plan that the host answered for"),
    "checked_at": about(
        maybe(TEXT), "When the host was looked at, by its own clock: UTC, such as 2026-11-25T00:30:05Z"
    ),
    "platform": about({**by(TEXT), "properties": dict.fromkeys(PLATFORM, TEXT)}, "What the host runs"),
    "rules_evaluated": COUNT,
    "rules_not_applicable": COUNT,
    "controls": about(
        by(OF_CONTROL, one_of((*CONTROLS, *BESIDE))),
        "Each control: its mode, its state, and how many rules of it were evaluated",
    ),
    "rules": about(listed(RULE), "Rules that are not plainly compliant; the rest are only counted"),
    "attempts": about(by(COUNT), "Packets that the host's firewall refused, by rule, since its counters began"),
    "errors": listed(ERROR),
    "duration_ms": maybe(COUNT),
}
SOMETIMES = {
    "actions": about(listed(ACTION), "In a run that changes hosts: what was done, or in check mode would be, in order"),
    "not_observed_again": about(
        {"type": "array", "items": one_of((*CONTROLS, *BESIDE))},
        "Only of a host that the run corrected and could not observe afterwards: these controls",
    ),
    "other_runs": about(
        listed(OTHER_RUN),
        "Only where other runs changed the host meanwhile: who, since when, and how many seconds this run waited for "
        "them; 0 for one that came between two changes of this run",
    ),
    "found_at": about(
        TEXT,
        "Only where rules are repaired: when they were seen to be wrong; checked_at is when they were seen to hold "
        "again",
    ),
    **{key: about(TEXTS, SOFTWARE_OF[key]) for key in SOFTWARE},
    "full_scan": about(
        shut(FULL_SCAN),
        "Where homes were searched: the last time that all of them were read; since then, only what changed was",
    ),
    "quarantine": about(shut(QUARANTINE), "Where there is something in the quarantine of the host: what it comes to"),
    "catalog": about(TEXT, "The release of the catalogue that the host's plan was compiled from"),
    "watch": about(shut(WATCHED), "Only of a host that keeps itself in line: what it did between two runs"),
    "requests": about(
        {**listed(REQUEST), "maxItems": watched.MOST_REQUESTS}, "Only where users of the host request something"
    ),
    "requests_left_out": about(COUNT, "Beside requests: how many more there were"),
    "logged_in": about(TEXTS, "Only where something had drifted: the users who were logged in when it was found"),
    "commit": about(TEXT, "Only of a host that runs by itself: the commit of the policy that it ran"),
    "commit_trust": about(TEXT, "Only where nothing but that the host saw it first speaks for that commit: first use"),
}


def record() -> Shape:
    always = [key for key in ALWAYS if key not in MISSING_IN_OLD]
    schema = made(silent("", ""), {**ALWAYS, **SOMETIMES}, SOMETIMES, always)
    return {
        "title": "Host record",
        "description": "A line of hosts.jsonl: what is known of one expected host",
        **schema,
    }
