"""Texts and lists of events, cut so that a line has room for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypedDict, TypeVar

from ....model.types.event import EventError, EventFinding
from ....model.types.record import FindingRecord, RecordError
from ..text.wording import clean_text
from .format import encode_compact_json
from .host_entries import RuleLine

# Most bytes of an event's line. rsyslog cuts a message at 8 KiB, with its header, and a datagram has to contain the
# whole message.
MAX_LINE_BYTES = 7_680
# Most bytes in an event: of a name, of a text (such as a reason), of a short text (such as an id), of a list.
MAX_NAME_BYTES, MAX_TEXT_BYTES, MAX_SHORT_BYTES, MAX_LIST_BYTES = 600, 1_000, 300, 4_000
MAX_CHARACTER_BYTES = 12  # most bytes of a character in JSON: two escapes such as \ud83d

SourceItem = TypeVar("SourceItem")
EncodableItem = TypeVar("EncodableItem")


def truncate_text(content: object, max_bytes: int) -> str:
    """Return a printable text that takes at most `max_bytes` bytes in JSON.

    A cut text ends with `...`.
    """
    # `clean_text` needs no more characters, because each takes at least a byte
    text = clean_text(str(content)[: max_bytes + 1])
    # A text that fits, whatever its characters are, need not be encoded. Its quotes take 2 bytes.
    if MAX_CHARACTER_BYTES * len(text) + 2 <= max_bytes:
        return text
    truncated, length = text, len(encode_compact_json(text))
    while length > max_bytes:  # shorten in proportion, and by 4 more characters to make room for `...`
        text = text[: max(0, len(text) * max_bytes // length - 4)]
        truncated = f"{text}..."
        length = len(encode_compact_json(truncated))
    return truncated


def truncate_optional_text(content: object, max_bytes: int) -> str | None:
    """Return a text cut as by `truncate_text`; None if the text is missing or empty."""
    return truncate_text(content, max_bytes) if content else None


class EventContext(NamedTuple):
    """The values that all events of a host share.

    `host` is "" for the events of the run and of its gate. `time` is the time of the host's observation (UTC). `plan`
    is the digest of the host's plan; None if unknown.
    """

    host: str
    time: str
    plan: str | None = None

    @classmethod
    def make_context(cls, host: str, time: str, plan: str | None = None) -> EventContext:
        """Make a context with texts that are cut for an event."""
        return cls(host, truncate_text(time, MAX_SHORT_BYTES), truncate_optional_text(plan, MAX_SHORT_BYTES))


def list_names(all_names: Sequence[str], max_bytes: int = MAX_LIST_BYTES) -> tuple[list[str], int]:
    """Return the names that fit into a list of `max_bytes` bytes, and the number of the remaining names."""
    return _fill_list(all_names, truncate_text, MAX_SHORT_BYTES, MAX_SHORT_BYTES, max_bytes)


def list_errors(errors: Sequence[RecordError]) -> tuple[list[EventError], int]:
    """Return the errors that fit into a list of an event, and the number of the remaining errors."""

    def make_event_error(record_error: RecordError, max_bytes: int) -> EventError:
        return {
            "control": truncate_optional_text(record_error["control"], max_bytes),
            "message": truncate_optional_text(record_error["message"], max_bytes),
            "refused": truncate_optional_text(record_error.get("refused"), max_bytes),
        }

    # In an error that is too long, each of the three texts gets a third of the list, less 20 bytes for its key.
    return _fill_list(errors, make_event_error, MAX_LIST_BYTES, MAX_LIST_BYTES // 3 - 20)


class RuleEventState(TypedDict):
    """The part of a rule's event that is equal for all hosts with equal findings."""

    rule: str
    control_mode: str | None
    state: str
    waiver: str | None
    reason: str | None
    findings: list[EventFinding]
    findings_left_out: int


def describe_rule_state(line: RuleLine) -> RuleEventState:
    """Return the part of a rule's event that is equal on all hosts with an equal line."""

    def make_event_finding(evidence: FindingRecord, max_bytes: int) -> EventFinding:
        return {
            "kind": truncate_optional_text(evidence["kind"], max_bytes),
            "id": truncate_optional_text(evidence["id"], max_bytes),
            "manager": truncate_optional_text(evidence["manager"], max_bytes),
            "version": truncate_optional_text(evidence["version"], max_bytes),
            "scope": truncate_optional_text(evidence["scope"], max_bytes),
            "path": truncate_optional_text(evidence["path"], max_bytes),
            "detail": truncate_optional_text(evidence["detail"], max_bytes),
        }

    # In a finding that is too long, each of the seven texts gets a seventh of the list, less 20 bytes for its key.
    findings, left_out_count = _fill_list(line.findings, make_event_finding, MAX_LIST_BYTES, MAX_LIST_BYTES // 7 - 20)
    return {
        "rule": truncate_text(line.rule, MAX_NAME_BYTES),
        "control_mode": line.mode or None,
        "state": line.state,
        "waiver": truncate_optional_text(line.waiver, MAX_SHORT_BYTES),
        "reason": truncate_optional_text(line.reason, MAX_TEXT_BYTES),
        "findings": findings,
        "findings_left_out": left_out_count,
    }


def _fill_list(
    source_items: Sequence[SourceItem],
    make_item: Callable[[SourceItem, int], EncodableItem],
    max_bytes: int,
    min_bytes: int,
    list_bytes: int = MAX_LIST_BYTES,
) -> tuple[list[EncodableItem], int]:
    """Return the items that fit into a list of `list_bytes` bytes, and the number of the remaining items.

    `make_item` makes an item whose texts have at most `max_bytes` bytes. The first item is always in the list: if it
    does not fit, its texts have at most `min_bytes` bytes.
    """
    listed_items: list[EncodableItem] = []
    free_bytes = list_bytes - 2
    for source_item in source_items:
        listed_item = make_item(source_item, max_bytes)
        size = len(encode_compact_json(listed_item))
        if not listed_items and size >= free_bytes:
            listed_item = make_item(source_item, min_bytes)
            size = len(encode_compact_json(listed_item))
        free_bytes -= size + 1
        if free_bytes < 0:
            break
        listed_items.append(listed_item)
    return listed_items, len(source_items) - len(listed_items)
