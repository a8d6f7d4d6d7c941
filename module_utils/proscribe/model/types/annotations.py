"""What stands in documents, as named types: `Count` is an int, and in a JSON Schema one that is never negative.

`Annotated[type, ...]` says of a type what a type checker does not read and the JSON Schemas have: a text is what it
means, and a type is what the schema says instead. Only the schemas load this module.
"""

from __future__ import annotations

from typing import Annotated, Optional

from ..quarantined import ID
from ..words import (
    BESIDE,
    CONTROL_MODES,
    CONTROLS,
    DIGEST,
    EVENT_STATES,
    GATES,
    JOURNAL,
    PLATFORM,
    QUARANTINED_KINDS,
    REQUEST_ID,
    RESTRICTED,
    RUN_MODES,
    STATES,
    UNEXPECTED,
    URL,
    WAIVER_STATUSES,
)


class Keywords:
    """Keywords of JSON Schema: what a value has to be beside its type."""

    def __init__(self, **given: object) -> None:
        self.given = given


CLOSED = Keywords(additionalProperties=False)  # a mapping without room for other keys
ELSEWHERE = object()  # a key that only a host adds, or only a part has of which no schema says more

Count = Annotated[int, Keywords(minimum=0)]
Some = Annotated[int, Keywords(minimum=1)]
Moment = Annotated[str, Keywords(format="date-time")]
HostMoment = Annotated[Moment, "UTC, by the host's clock"]
Day = Annotated[str, Keywords(format="date")]
PlanDigest = Annotated[str, Keywords(pattern=DIGEST)]
RequestUrl = Annotated[str, "Where a refused user can ask; not there where nothing is set", Keywords(pattern=URL)]
RequestId = Annotated[str, Keywords(pattern=REQUEST_ID)]
QuarantineId = Annotated[str, Keywords(pattern=ID)]
RuleName = Annotated[str, "<control>/<service> or <control>/<setting>"]
WaiverId = Annotated[str, "The waiver's id"]

State = Annotated[str, Keywords(enum=STATES)]
EventState = Annotated[str, Keywords(enum=EVENT_STATES)]
Control = Annotated[str, Keywords(enum=CONTROLS)]
AnyControl = Annotated[str, Keywords(enum=(*CONTROLS, *BESIDE))]
ControlMode = Annotated[str, Keywords(enum=CONTROL_MODES)]
PlanMode = Annotated[str, Keywords(enum=RESTRICTED)]
RunMode = Annotated[str, Keywords(enum=RUN_MODES)]
FailedGate = Annotated[str, Keywords(enum=GATES[1:])]
NoteKind = Annotated[str, ", ".join(UNEXPECTED)]
WaiverStatus = Annotated[str, f"active, or why it waives nothing: {', '.join(WAIVER_STATUSES[:-1])}"]
QuarantinedKind = Annotated[str, ", ".join(QUARANTINED_KINDS)]

Platform = Annotated[dict[str, str], Keywords(properties={name: {"type": "string"} for name in PLATFORM})]
Port = Annotated[int, Keywords(minimum=1, maximum=65535)]
Minute = Annotated[int, Keywords(minimum=0, maximum=1440)]
Window = Annotated[list[Minute], Keywords(minItems=3, maxItems=3)]
OpeningHours = Annotated[
    list[Window],
    "Openings of a week on the host's clock: the day (0 is Monday), from which minute, until which",
    Keywords(minItems=1),
]
LeftOut = Annotated[
    dict[str, Count],
    f"How much more there was, of each of {', '.join((*CONTROLS, *BESIDE, JOURNAL))}: incidents and ended programs, or "
    "lines",
    Keywords(maxProperties=len((*CONTROLS, *BESIDE, JOURNAL))),
]

# Of events.
PlanOfHost = Annotated[Optional[str], "The digest of the plan that the host answered for"]
LeftOutOfLine = Annotated[Count, "How many more there were, for which the line had no room"]
Previous = Annotated[
    Optional[State],
    "The state before, where something changed and the history has one: error, noncompliant, unknown or waived. Null "
    "for what was compliant, did not apply, was not in the plan, or was never observed: the history does not tell "
    "these apart",
]
