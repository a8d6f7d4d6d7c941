"""Named types of the values in JSON documents: `Count` is an int, which a JSON Schema limits to 0 and more.

`Annotated[type, ...]` adds data for the JSON Schemas, and for the readers of hosts' answers. A text is a description,
and a type replaces the type in the schema. Hosts never load this module.
"""

from __future__ import annotations

from typing import Annotated, Optional

from ...base.lazy_patterns import compile_pattern
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


class AnswerKeywords:
    """Keywords for the readers of answers (wire/answers/typed_reader.py): those of JSON Schema, and others.

    `text` is the kind of a text: a line, a name, or lines. `is_cut` says that further items are left out, instead of
    refused. `label`, `item` and `noun` name the value, an item, and the expected word in errors.
    """

    def __init__(self, **keywords: object) -> None:
        self.keywords = keywords


class SchemaKeywords(AnswerKeywords):
    """Keywords of JSON Schema that restrict a value further than its type does, also in a host's answer."""


CLOSED_MAPPING = SchemaKeywords(additionalProperties=False)  # for a mapping that may have no other keys
# Marks a key that the JSON Schema leaves out: only the host adds the key, or the document with the key has no schema.
UNDOCUMENTED_KEY = object()
# Marks a key that no reader copies from a host's answer: the controller adds the key, or computes its value.
CONTROLLER_KEY = object()
NOT_NULL = AnswerKeywords(nullable=False)  # for a value that is null only if there is no answer

MAX_LIST_ITEMS = 10_000  # items of a list
MAX_LINE_LENGTH = 2000  # characters of a message
MAX_NAME_LENGTH = 4096  # characters of a path or another name; PATH_MAX
MAX_TOKEN_LENGTH = 200  # characters of a name that the project's code makes
RUN_ERROR = "run"  # the `control` of an error that belongs to no control, such as that of another task
RULE_GROUPS = (*CONTROLS, *EXTRA_RULE_GROUPS)  # the controls, and the other groups that have rules

Line = Annotated[str, AnswerKeywords(text="line", maxLength=MAX_LINE_LENGTH)]
Name = Annotated[str, AnswerKeywords(text="name", maxLength=MAX_NAME_LENGTH)]
# The text of a file. wire/answers/results.py cuts all texts of an answer further, to a length in total.
FileText = Annotated[str, AnswerKeywords(text="lines", maxLength=4 * 1024 * 1024)]
Token = Annotated[str, AnswerKeywords(text="name", maxLength=MAX_TOKEN_LENGTH)]
FindingText = Annotated[Name, AnswerKeywords(maxLength=500)]
ReportedRule = Annotated[
    Token,
    AnswerKeywords(pattern=compile_pattern(f"(?:{'|'.join(RULE_GROUPS)})/.+"), noun="rule of a control"),
]

Count = Annotated[int, SchemaKeywords(minimum=0)]
PositiveCount = Annotated[int, SchemaKeywords(minimum=1)]
Moment = Annotated[str, SchemaKeywords(format="date-time")]
HostMoment = Annotated[Moment, "Time by the host's clock: ISO 8601, UTC, such as 2026-11-25T00:30:05Z"]
Day = Annotated[str, SchemaKeywords(format="date")]
PlanDigest = Annotated[str, SchemaKeywords(pattern=DIGEST_PATTERN)]
RequestUrl = Annotated[
    str,
    "URL where a refused user can ask for an exception. The key is missing if no URL is set.",
    SchemaKeywords(pattern=URL_PATTERN),
]
RequestId = Annotated[str, SchemaKeywords(pattern=REQUEST_ID_PATTERN), AnswerKeywords(noun="id of a request")]
# Only ids of this form are sent to hosts again, or shown to operators who may type them.
QuarantineId = Annotated[str, SchemaKeywords(pattern=ITEM_ID), AnswerKeywords(noun="id of a quarantine")]
QuarantineGroup = Annotated[
    QuarantineId, AnswerKeywords(pattern=compile_pattern(f"(?:{ITEM_ID.pattern})?"), default="")
]
RuleName = Annotated[ReportedRule, "Name of a rule: `<control>/<service>` or `<control>/<setting>`"]
WaiverId = Annotated[Token, "Id of the waiver; null if no waiver covers the rule"]

State = Annotated[str, SchemaKeywords(enum=STATES)]
EventState = Annotated[str, SchemaKeywords(enum=EVENT_STATES)]
Control = Annotated[str, SchemaKeywords(enum=CONTROLS)]
AnyControl = Annotated[str, SchemaKeywords(enum=RULE_GROUPS)]
ControlNames = Annotated[list[AnyControl], AnswerKeywords(item="control", maxItems=len(RULE_GROUPS))]
ControlMode = Annotated[str, SchemaKeywords(enum=CONTROL_MODES)]
PlanMode = Annotated[str, SchemaKeywords(enum=RESTRICTED_MODES)]
RunMode = Annotated[str, SchemaKeywords(enum=RUN_MODES)]
FailedGate = Annotated[str, SchemaKeywords(enum=GATES[1:])]
NoteKind = Annotated[str, f"Kind of the note: {', '.join(NOTE_KINDS)}"]
WaiverStatus = Annotated[
    str,
    "Status of the waiver. Only an active waiver has an effect. The other statuses name the reason: "
    f"{', '.join(WAIVER_STATUSES[:-1])}",
]
QuarantinedKind = Annotated[str, f"Kind of the item: {', '.join(QUARANTINED_KINDS)}"]

SoftwareNames = Annotated[list[Token], AnswerKeywords(maxItems=100)]
Platform = Annotated[dict[str, Token], SchemaKeywords(properties={name: {"type": "string"} for name in PLATFORM_KEYS})]
Port = Annotated[int, SchemaKeywords(minimum=1, maximum=65535)]
Minute = Annotated[int, SchemaKeywords(minimum=0, maximum=1440)]
Window = Annotated[list[Minute], SchemaKeywords(minItems=3, maxItems=3)]
OpeningHours = Annotated[
    list[Window],
    "Weekly opening times by the host's clock. Each is [day, first minute, end minute]. Day 0 is "
    "Monday; minutes count from midnight.",
    SchemaKeywords(minItems=1),
]
LeftOutCounts = Annotated[
    dict[str, Count],
    "Numbers of entries that the record leaves out. Keys: "
    f"{', '.join((*CONTROLS, *EXTRA_RULE_GROUPS, JOURNAL))}. The key {JOURNAL} counts lines of the "
    "journal; the other keys count incidents and ended programs.",
    SchemaKeywords(maxProperties=len((*CONTROLS, *EXTRA_RULE_GROUPS, JOURNAL))),
]

# Types of events.
PlanOfHost = Annotated[Optional[str], "Digest of the plan for which the host answered; null without an answer"]
LeftOutOfEvent = Annotated[Count, "Number of further entries that were left out to limit the size of the line"]
PreviousState = Annotated[
    Optional[State],
    "State before the change: error, noncompliant, unknown or waived. Null without a change. Also "
    "null if the earlier state was compliant or not_applicable, was never observed, or was not in the "
    "plan. The history does not distinguish these cases.",
]
