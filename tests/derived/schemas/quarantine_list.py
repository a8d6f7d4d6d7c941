"""What `./proscribe quarantine list --format json` prints, from what makes it (custody/)."""

from __future__ import annotations

from proscribe.controller.custody import LEFT, TAKEN, WAIVED
from proscribe.controller.custody.outcome import SCHEMA, Course
from proscribe.controller.custody.restore_effect import Outlook
from proscribe.controller.custody.selection import Row
from proscribe.controller.custody.wording import KINDS

from .shapes import COUNT, FLAG, QUARANTINE_ID, TEXT, TEXTS, Shape, about, keyed, listed, made, maybe, one_of

# What a host lists of an item (`wire/replies/results.py`), as it is made up for the keys of a row.
ITEM = dict.fromkeys(("id", "group", "taken_at", "owner", "services", "kind", "path", "bytes", "finished"), "")

OUTLOOK = made(
    Outlook._fields,
    {
        "state": about(
            one_of((TAKEN, WAIVED, LEFT)),
            "The next enforcing run takes it again; a waiver covers it; nothing takes it there",
        ),
        "waiver": maybe(TEXT),
        "why": about(TEXT, "In words"),
    },
)
HOST = {
    "host": about(TEXT, "The inventory name"),
    "state": about(one_of(("listed", "unknown")), "unknown: nobody has seen its quarantine"),
    "reason": about(maybe(TEXT), "Why it is unknown"),
    "broken": about(
        listed(keyed({"id": about(TEXT, "The folder's name"), "why": TEXT})), "Folders whose manifests cannot be read"
    ),
    "left_out": about(COUNT, "How many more things there are than one answer has room for"),
}
ROW = {
    "host": about(TEXT, "The inventory name"),
    "id": about(QUARANTINE_ID, "What it is restored or pruned by"),
    "group": about(TEXT, "What parts that were taken together share; empty for a thing that was taken whole"),
    "taken_at": about(TEXT, "When it was taken, by the host's clock"),
    "user": about(TEXT, "The account whose it was"),
    "services": TEXTS,
    "kind": about(TEXT, ", ".join(KINDS)),
    "path": about(TEXT, "Where it was, with escapes for what does not print"),
    "bytes": about(COUNT, "What it takes on the disk"),
    "kept_until": about(TEXT, "The first enforcing run after that prunes it; empty for ever"),
    "finished": about(FLAG, "False where a move was cut short, which the next enforcing run completes"),
    "next_run": about(OUTLOOK, "Once it is restored"),
}


def quarantine_list() -> Shape:
    document = Course([""]).document()
    row = Row("", ITEM, "", Outlook("", "", "")).as_dict()
    schema = made(
        document,
        {
            "schema": {"const": SCHEMA},
            "hosts": about(listed(made(document["hosts"][0], HOST)), "Every host that was asked"),
            "items": about(listed(made(row, ROW)), "What fits the selectors"),
        },
    )
    description = "What ./proscribe quarantine list --format json prints: the quarantines of the hosts that were asked"
    return {"title": "Quarantine list", "description": description, **schema}
