"""The waivers with all their facts in the report. Waivers that waive nothing come first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.types.run import RunWaiver
from ..text.wording import (
    describe_time_left,
    find_waiver_end,
    format_count,
    format_key,
    format_readable_time,
    summarise_names,
)

MAX_SHOWN_NAMES = 6  # most hosts, and most services, that a panel names before a reader unfolds it
MAX_HOSTS = 1000  # most hosts that an unfolded panel names

# The labels of a waiver's keys, in the order of the panel. Other keys follow, with their names as labels.
KEY_LABELS = {
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
# keys that the head of the panel shows instead of the list of facts
HEAD_KEYS = ("id", "status", "waives", "review_overdue", "days_left")

# States of rules whose signs and colours mark waivers: active; active with an overdue review; idle as intended; wrongly
# idle.
ACTIVE_SIGN, OVERDUE_SIGN, IDLE_SIGN, WRONG_SIGN = "waived", "unknown", "not_applicable", "noncompliant"


class WaiverPanel(NamedTuple):
    """A waiver: the texts of its head, and all its facts by name."""

    id: str
    sign: str  # the state of rules whose sign and colour mark the waiver
    status: str
    waives: bool  # true if the waiver is active
    scope: str  # services and hosts in words
    until: str
    time_left: str  # remaining validity at the end of the run; "" if it was never valid
    facts: Sequence[tuple[str, str]]


def make_waiver_panels(run_waivers: Sequence[RunWaiver], finished: str) -> Sequence[WaiverPanel]:
    """Make a panel for each waiver of the run.

    Waivers that should be in effect and are not come first. Remaining days are counted from `finished`, the end of the
    run.
    """
    return [
        _make_waiver_panel(waiver, finished)
        for waiver in sorted(run_waivers, key=lambda waiver: (_rank_sign(waiver), waiver["expires"], waiver["id"]))
    ]


def _make_waiver_panel(waiver: RunWaiver, finished: str) -> WaiverPanel:
    """Make the panel of a waiver: the texts of its head, and its other facts by label."""
    services, hosts = waiver.get("services") or ("nothing",), waiver.get("hosts") or ()
    waiver_values: Mapping[str, object] = waiver
    other_keys = [key for key in waiver_values if key not in KEY_LABELS and key not in HEAD_KEYS]
    facts = (
        (KEY_LABELS.get(key, format_key(key).capitalize()), _format_value(key, waiver_values.get(key)))
        for key in (*KEY_LABELS, *other_keys)
    )
    return WaiverPanel(
        id=waiver["id"],
        sign=_select_sign(waiver),
        status=_describe_status(waiver),
        waives=waiver["status"] == "active",
        scope=f"{summarise_names(services, MAX_SHOWN_NAMES)} on "
        f"{summarise_names(hosts, MAX_SHOWN_NAMES) or 'no host of this run'}",
        until=format_readable_time(find_waiver_end(waiver["expires"], waiver.get("revoked"))),
        time_left=describe_time_left(waiver, finished),
        facts=[(name, fact_value) for name, fact_value in facts if fact_value],
    )


def _select_sign(waiver: RunWaiver) -> str:
    """Return the sign of a waiver: active, review overdue, idle as intended, or wrongly idle."""
    if waiver["status"] == "active":
        return OVERDUE_SIGN if waiver.get("review_overdue") else ACTIVE_SIGN
    return IDLE_SIGN if waiver["status"] in ("not_yet_valid", "revoked") else WRONG_SIGN


def _rank_sign(waiver: RunWaiver) -> int:
    return (WRONG_SIGN, OVERDUE_SIGN, ACTIVE_SIGN, IDLE_SIGN).index(_select_sign(waiver))


def _describe_status(waiver: RunWaiver) -> str:
    status = format_key(waiver["status"])
    return f"{status}, review overdue" if _select_sign(waiver) == OVERDUE_SIGN else status


def _format_value(key: str, content: object) -> str:
    """Format the value of a waiver's key as text; "" for an empty value."""
    if content is None or content == "" or content == [] or content == {}:
        return ""
    if isinstance(content, Mapping):
        return "; ".join(f"{name}: {_format_value(str(name), entry)}" for name, entry in content.items())
    if isinstance(content, (list, tuple)):
        entries_text = summarise_names([_format_value(key, entry) for entry in content], MAX_HOSTS)
        return (
            f"{format_count(len(content), 'host')}: {entries_text}"
            if key == "hosts" and len(content) > MAX_SHOWN_NAMES
            else entries_text
        )
    if isinstance(content, bool):
        return "yes" if content else "no"
    return format_readable_time(content) if re.match(r"\d{4}-\d\d-\d\dT", str(content)) else str(content)
