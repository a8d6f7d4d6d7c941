"""Named types of the values in JSON documents: `Count` is an int, which a JSON Schema limits to 0 and more.

`Annotated[type, ...]` adds data that only the JSON Schemas read: a text is a description, and a type replaces the type
in the schema. Only the code that makes the schemas loads this module.
"""

from __future__ import annotations

from typing import Annotated, Optional

from ..quarantine_ids import ITEM_ID
from ..vocabulary import (
    CONTROL_MODES,
    CONTROLS,
    DIGEST_PATTERN,
    EVENT_STATES,
    EXTRA_RULE_GROUPS,
    GATES,
    JOURNAL,
    NOTE_KINDS,
    PLATFORM_KEYS,
    QUARANTINED_KINDS,
    REQUEST_ID_PATTERN,
    RESTRICTED_MODES,
    RUN_MODES,
    STATES,
    URL_PATTERN,
    WAIVER_STATUSES,
)


class SchemaKeywords:
    """Keywords of JSON Schema that restrict a value further than its type does."""

    def __init__(self, **keywords: object) -> None:
        self.keywords = keywords


CLOSED_MAPPING = SchemaKeywords(additionalProperties=False)  # for a mapping that may have no other keys
# Marks a key that the JSON Schema leaves out: only the host adds the key, or the document with the key has no schema.
UNDOCUMENTED_KEY = object()

Count = Annotated[int, SchemaKeywords(minimum=0)]
PositiveCount = Annotated[int, SchemaKeywords(minimum=1)]
Moment = Annotated[str, SchemaKeywords(format="date-time")]
HostMoment = Annotated[Moment, "UTC, by the host's clock"]
Day = Annotated[str, SchemaKeywords(format="date")]
PlanDigest = Annotated[str, SchemaKeywords(pattern=DIGEST_PATTERN)]
RequestUrl = Annotated[
    str, "Where a refused user can ask; not there where nothing is set", SchemaKeywords(pattern=URL_PATTERN)
]
RequestId = Annotated[str, SchemaKeywords(pattern=REQUEST_ID_PATTERN)]
QuarantineId = Annotated[str, SchemaKeywords(pattern=ITEM_ID)]
RuleName = Annotated[str, "<control>/<service> or <control>/<setting>"]
WaiverId = Annotated[str, "The waiver's id"]

State = Annotated[str, SchemaKeywords(enum=STATES)]
EventState = Annotated[str, SchemaKeywords(enum=EVENT_STATES)]
Control = Annotated[str, SchemaKeywords(enum=CONTROLS)]
AnyControl = Annotated[str, SchemaKeywords(enum=(*CONTROLS, *EXTRA_RULE_GROUPS))]
ControlMode = Annotated[str, SchemaKeywords(enum=CONTROL_MODES)]
PlanMode = Annotated[str, SchemaKeywords(enum=RESTRICTED_MODES)]
RunMode = Annotated[str, SchemaKeywords(enum=RUN_MODES)]
FailedGate = Annotated[str, SchemaKeywords(enum=GATES[1:])]
NoteKind = Annotated[str, ", ".join(NOTE_KINDS)]
WaiverStatus = Annotated[str, f"active, or why it waives nothing: {', '.join(WAIVER_STATUSES[:-1])}"]
QuarantinedKind = Annotated[str, ", ".join(QUARANTINED_KINDS)]

Platform = Annotated[dict[str, str], SchemaKeywords(properties={name: {"type": "string"} for name in PLATFORM_KEYS})]
Port = Annotated[int, SchemaKeywords(minimum=1, maximum=65535)]
Minute = Annotated[int, SchemaKeywords(minimum=0, maximum=1440)]
Window = Annotated[list[Minute], SchemaKeywords(minItems=3, maxItems=3)]
OpeningHours = Annotated[
    list[Window],
    "Openings of a week on the host's clock: the day (0 is Monday), from which minute, until which",
    SchemaKeywords(minItems=1),
]
LeftOutCounts = Annotated[
    dict[str, Count],
    f"How much more there was, of each of {', '.join((*CONTROLS, *EXTRA_RULE_GROUPS, JOURNAL))}: incidents and ended "
    f"programs, or "
    "lines",
    SchemaKeywords(maxProperties=len((*CONTROLS, *EXTRA_RULE_GROUPS, JOURNAL))),
]

# Types of events.
PlanOfHost = Annotated[Optional[str], "The digest of the plan that the host answered for"]
LeftOutOfEvent = Annotated[Count, "How many more there were, for which the line had no room"]
PreviousState = Annotated[
    Optional[State],
    "The state before, where something changed and the history has one: error, noncompliant, unknown or waived. Null "
    "for what was compliant, did not apply, was not in the plan, or was never observed: the history does not tell "
    "these apart",
]
