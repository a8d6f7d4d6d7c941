"""The waivers, those that waive nothing first, each with all that the report has of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.types.run import RunWaiver
from ..text.wording import counted, end_of, in_words, left, moment, some

SEVERAL = 6  # hosts and services that a waiver shows by name before it is unfolded
MOST = 1000  # hosts that it shows at all

# What a waiver may say of itself, in the order in which one asks. A key that is not here comes after them, by its name.
LABELS = {
    "why": "Standing",
    "reason": "Reason",
    "services": "Services",
    "controls": "Controls",
    "hosts": "Hosts of this run",
    "groups": "Groups",
    "zones": "Network zones",
    "users": "Users only",
    "posix_groups": "Members of these groups only",
    "versions": "Versions only",
    "paths": "Paths only",
    "hours": "Hours only",
    "requested_by": "Requested by",
    "requested_on": "Requested on",
    "approved_by": "Approved by",
    "approved_on": "Approved on",
    "signed_by": "Signed by",
    "signed_with": "Signed with",
    "valid_from": "Valid from",
    "expires": "Expires",
    "review_by": "Review by",
    "revoked": "Revoked",
    "risk": "Risk",
    "compensating_controls": "Compensating controls",
    "ticket": "Ticket",
    "request": "Request",
    "file": "File",
}
SAID = ("id", "status", "waives", "review_overdue", "days_left")  # in the head of its panel

# The signs: it waives; it waives, and its review is overdue; it is meant not to; it was meant to, and does not.
ACTIVE, OVERDUE, IDLE, WRONG = "waived", "unknown", "not_applicable", "noncompliant"


class Panel(NamedTuple):
    """A waiver: what its head says, and behind it all that is known, by name."""

    id: str
    sign: str
    standing: str
    waives: bool
    scope: str
    until: str
    left: str  # how long it is still good for, when the run had finished; "" where it never was
    facts: Sequence[tuple[str, str]]


def waivers(found: Sequence[RunWaiver], finished: str) -> Sequence[Panel]:
    """The waivers, those first that should waive and do not. Their days are counted from the end of the run."""
    return [_panel(waiver, finished) for waiver in sorted(found, key=lambda w: (_order(w), w["expires"], w["id"]))]


def _panel(waiver: RunWaiver, finished: str) -> Panel:
    services, hosts = waiver.get("services") or ("nothing",), waiver.get("hosts") or ()
    said: Mapping[str, object] = waiver
    rest = [key for key in said if key not in LABELS and key not in SAID]
    facts = ((LABELS.get(key, in_words(key).capitalize()), _value(key, said.get(key))) for key in (*LABELS, *rest))
    return Panel(
        id=waiver["id"],
        sign=_sign(waiver),
        standing=_standing(waiver),
        waives=waiver["status"] == "active",
        scope=f"{some(services, SEVERAL)} on {some(hosts, SEVERAL) or 'no host of this run'}",
        until=moment(end_of(waiver["expires"], waiver.get("revoked"))),
        left=left(waiver, finished),
        facts=[(name, value) for name, value in facts if value],
    )


def _sign(waiver: RunWaiver) -> str:
    if waiver["status"] == "active":
        return OVERDUE if waiver.get("review_overdue") else ACTIVE
    return IDLE if waiver["status"] in ("not_yet_valid", "revoked") else WRONG


def _order(waiver: RunWaiver) -> int:
    return (WRONG, OVERDUE, ACTIVE, IDLE).index(_sign(waiver))


def _standing(waiver: RunWaiver) -> str:
    status = in_words(waiver["status"])
    return f"{status}, review overdue" if _sign(waiver) == OVERDUE else status


def _value(key: str, value: object) -> str:
    """What stands behind a key, in words; "" for nothing."""
    if value is None or value == "" or value == [] or value == {}:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_value(str(name), item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        said = some([_value(key, item) for item in value], MOST)
        return f"{counted(len(value), 'host')}: {said}" if key == "hosts" and len(value) > SEVERAL else said
    if isinstance(value, bool):
        return "yes" if value else "no"
    return moment(value) if re.match(r"\d{4}-\d\d-\d\dT", str(value)) else str(value)
