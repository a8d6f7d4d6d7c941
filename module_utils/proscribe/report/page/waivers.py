"""The waivers, those that waive nothing first, each with all that the report has of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..wording import counted, end_of, moment, some
from .markup import icon, text

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
    "versions": "Versions only",
    "paths": "Paths only",
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
    "file": "File",
}
SAID = ("id", "status", "waives", "review_overdue")  # in the head of its panel

# The signs: it waives; it waives and should be looked at; it is meant not to; it was meant to, and does not.
ACTIVE, OVERDUE, IDLE, WRONG = "waived", "unknown", "not_applicable", "noncompliant"


def waivers(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The section of the waivers; each unfolds to its panel."""
    if not found:
        return
    yield '<section id="waivers">\n<h2>Waivers</h2>\n'
    for waiver in sorted(found, key=lambda w: (_order(w), w["expires"], w["id"])):
        yield from _waiver(waiver)
    yield "</section>\n"


def _waiver(waiver: Mapping[str, Any]) -> Iterator[str]:
    status = str(waiver["status"])
    hosts = waiver.get("hosts") or ()
    scope = (
        f"{some(waiver.get('services') or ('nothing',), SEVERAL)} on {some(hosts, SEVERAL) or 'no host of this run'}"
    )
    idle = "" if status == "active" else " waives nothing;"
    yield f'<details class="waiver" data-waiver="{text(waiver["id"])}"><summary>'
    yield f'<span class="state">{icon(_sign(waiver))}{text(_standing(waiver))}</span> '
    yield f'<b>{text(waiver["id"])}</b><span class="scope">{idle} {text(scope)}</span> '
    yield f'<span class="until">until {text(moment(end_of(waiver)))}</span></summary>\n<dl class="facts">'
    rest = [key for key in waiver if key not in LABELS and key not in SAID]
    for key in (*LABELS, *rest):
        if value := _value(key, waiver.get(key)):
            yield f"<dt>{text(LABELS.get(key, key.replace('_', ' ').capitalize()))}</dt><dd>{text(value)}</dd>"
    yield "</dl></details>\n"


def _sign(waiver: Mapping[str, Any]) -> str:
    if waiver["status"] == "active":
        return OVERDUE if waiver.get("review_overdue") else ACTIVE
    return IDLE if waiver["status"] in ("not_yet_valid", "revoked") else WRONG


def _order(waiver: Mapping[str, Any]) -> int:
    return (WRONG, OVERDUE, ACTIVE, IDLE).index(_sign(waiver))


def _standing(waiver: Mapping[str, Any]) -> str:
    status = str(waiver["status"]).replace("_", " ")
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
