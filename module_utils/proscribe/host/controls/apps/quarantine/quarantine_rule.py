"""Summary of the quarantine for the host's record, and the rule `apps/quarantine`.

The rule is compliant if no move is unfinished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.json_text import parse_json
from .....base.lazy_patterns import compile_pattern
from .....model.finding import Finding, RuleVerdict, judge_rule
from ....system import STATE_DIRECTORY, ControlError, Host, ObservationError

if TYPE_CHECKING:
    from .....model.types.record import QuarantineTotals

QUARANTINE_DIRECTORY = STATE_DIRECTORY + "/quarantine"
UNFINISHED_SUFFIX = ".unfinished"  # suffix of an item's folder while a move of the item is unfinished
QUARANTINE_RULE = "apps/quarantine"
MAX_COUNTED_ENTRIES = 2_000  # most manifests that an observation reads
MAX_NAMED_ENTRIES = 3  # most unreadable items that the reason of a verdict names
MAX_NAMED_ACCOUNTS = 20  # owners of items that the record names: those with the most bytes
_TIME_PATTERN = compile_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def observe(host: Host, mode: str) -> list[RuleVerdict]:
    """Return a verdict if a move is unfinished or an item cannot be read. Otherwise return [].

    `mode` is that of the control `apps`. Also add the totals of the quarantine to the host's record.
    """
    try:
        names = host.list_directory(QUARANTINE_DIRECTORY)
    except ObservationError as unseen:
        return [judge_rule(QUARANTINE_RULE, {"mode": mode}, [], str(unseen))]
    quarantine_summary, broken = summarise_quarantine(host, names)
    if quarantine_summary:
        host.record_fields["quarantine"] = quarantine_summary
    unfinished_names = [name for name in names if name.endswith(UNFINISHED_SUFFIX)]
    findings = [
        Finding(
            "quarantine",
            name,
            "",
            "",
            _read_scope(host, name),
            f"{QUARANTINE_DIRECTORY}/{name}",
            "a move that was cut short",
        )
        for name in unfinished_names
    ]
    if not (findings or broken):
        return []
    unread_reason = (
        f"in {QUARANTINE_DIRECTORY}, look into it and delete it by hand: {', '.join(broken[:MAX_NAMED_ENTRIES])} "
        f"cannot be read"
        if broken
        else ""
    )
    return [judge_rule(QUARANTINE_RULE, {"mode": mode}, findings, unread_reason)]


def _read_scope(host: Host, name: str) -> str:
    """Return the owner of an item as a scope (`user:NAME`), or "" for root and for an unknown owner."""
    try:
        manifest = parse_json(host.read_file(f"{QUARANTINE_DIRECTORY}/{name}/manifest.json") or b"{}")
        return f"user:{manifest['owner']}" if manifest["attributes"]["uid"] else ""
    except (ObservationError, ControlError, ValueError, TypeError, KeyError):
        return ""


def summarise_quarantine(host: Host, names: list[str]) -> tuple[QuarantineTotals | None, list[str]]:
    """Return the totals of the items for the host's record, and the names of the unreadable items.

    The totals are None if the quarantine has no items.
    """
    taken_times: list[str] = []
    broken: list[str] = []
    by_owner: dict[str, int] = {}
    folders = [name for name in names if name != "README"]
    for name in folders[:MAX_COUNTED_ENTRIES]:
        try:
            content = host.read_file(f"{QUARANTINE_DIRECTORY}/{name}/manifest.json")
            if not content and name.endswith(UNFINISHED_SUFFIX):
                continue  # a run was killed before the move began
            manifest = parse_json(content or b"{}")
            size = int(manifest.get("disk") or manifest.get("size") or 0)
            owner, taken_at = str(manifest.get("owner")), manifest["taken_at"]
            is_dated = bool(_TIME_PATTERN.fullmatch(taken_at))
        except ObservationError:
            continue  # this process may not read the manifest, which is not broken
        except (ControlError, ValueError, TypeError, KeyError, AttributeError):
            broken.append(name)
            continue
        by_owner[owner] = by_owner.get(owner, 0) + size
        taken_times += [taken_at] * is_dated
    largest = sorted(by_owner.items(), key=lambda row: (-row[1], row[0]))[:MAX_NAMED_ACCOUNTS]
    summary: QuarantineTotals = {
        "items": len(folders),
        "bytes": sum(by_owner.values()),
        "oldest": min(taken_times, default=""),
        "owners": dict(largest),
    }
    return (summary if folders else None), broken
