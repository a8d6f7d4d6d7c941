"""A waiver in report.json (controller/compile/waivers/reading.py)."""

from __future__ import annotations

from proscribe.controller.compile.waivers.document import REVOCATION
from proscribe.controller.compile.waivers.standing import ACTIVE, STATUSES

from .shapes import FLAG, TEXT, TEXTS, TIME, about, keyed, maybe

NOTHING = ", ".join(status for status in STATUSES if status != ACTIVE)
REVOKED = keyed({key: TIME if key == "on" else TEXT for key in REVOCATION})

WAIVER = keyed(
    {
        "id": TEXT,
        "status": about(TEXT, f"{ACTIVE}, or why it waives nothing: {NOTHING}"),
        "waives": FLAG,
        "why": about(TEXT, "Its standing in words"),
        "valid_from": TIME,
        "expires": TIME,
        "review_by": TIME,
        "review_overdue": FLAG,
        "hosts": about(TEXTS, "The hosts of this run that it is for"),
        **dict.fromkeys(
            (
                *("services", "controls", "zones", "users", "posix_groups", "versions", "paths", "hours"),
                "compensating_controls",
            ),
            TEXTS,
        ),
        **dict.fromkeys(("reason", "risk", "ticket", "request", "requested_by", "approved_by"), TEXT),
        "approved_on": TIME,
        "revoked": {"anyOf": [{"type": "null"}, REVOKED]},
        "signed_with": maybe(TEXT),
        "requested_on": maybe(TIME),
        "file": TEXT,
    },
    required=("id", "status", "expires", "hosts"),
)
