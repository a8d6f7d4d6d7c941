"""What the quarantine holds, as every record has it, and the rule `apps/quarantine`: a move into the quarantine, or out
of it, that was cut short and has to be completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.json_text import parse_json
from .....base.patterns import compile_pattern
from .....model.finding import Finding, RuleVerdict, judge_rule
from ....system import STATE_DIRECTORY, ControlError, Host, ObservationError

if TYPE_CHECKING:
    from .....model.types.record import QuarantineTotals

QUARANTINE_DIRECTORY = STATE_DIRECTORY + "/quarantine"
UNFINISHED_SUFFIX = ".unfinished"  # ends the name of an item's folder until all is done
QUARANTINE_RULE = "apps/quarantine"
MAX_COUNTED_ENTRIES = 2_000  # items whose manifests an observation reads
MAX_NAMED_ENTRIES = 3  # that a reason names
MAX_NAMED_OWNERS = 20  # accounts that the record names: those with the most in it
_TIME_PATTERN = compile_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def observe(host: Host, mode: str) -> list[RuleVerdict]:
    """A verdict only where something is unfinished, or cannot be seen although there is a quarantine."""
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
        f"in {QUARANTINE_DIRECTORY}, look into it and delete it by hand: {', '.join(broken[:MAX_NAMED_ENTRIES])} cannot be read"
        if broken
        else ""
    )
    return [judge_rule(QUARANTINE_RULE, {"mode": mode}, findings, unread_reason)]


def _read_scope(host: Host, name: str) -> str:
    """Return whose an item is; "" where nobody knows, and for root's."""
    try:
        manifest = parse_json(host.read_file(f"{QUARANTINE_DIRECTORY}/{name}/manifest.json") or b"{}")
        return f"user:{manifest['owner']}" if manifest["attributes"]["uid"] else ""
    except (ObservationError, ControlError, ValueError, TypeError, KeyError):
        return ""


def summarise_quarantine(host: Host, names: list[str]) -> tuple[QuarantineTotals | None, list[str]]:
    """What the items of these names come to, for the record; and those that cannot be read."""
    taken_times: list[str] = []
    broken: list[str] = []
    by_owner: dict[str, int] = {}
    folders = [name for name in names if name != "README"]
    for name in folders[:MAX_COUNTED_ENTRIES]:
        try:
            content = host.read_file(f"{QUARANTINE_DIRECTORY}/{name}/manifest.json")
            if not content and name.endswith(UNFINISHED_SUFFIX):
                continue  # killed before anything was begun
            manifest = parse_json(content or b"{}")
            size = int(manifest.get("disk") or manifest.get("size") or 0)
            owner, taken_at = str(manifest.get("owner")), manifest["taken_at"]
            is_dated = bool(_TIME_PATTERN.fullmatch(taken_at))
        except ObservationError:
            continue
        except (ControlError, ValueError, TypeError, KeyError, AttributeError):
            broken.append(name)
            continue
        by_owner[owner] = by_owner.get(owner, 0) + size
        taken_times += [taken_at] * is_dated
    largest = sorted(by_owner.items(), key=lambda row: (-row[1], row[0]))[:MAX_NAMED_OWNERS]
    summary: QuarantineTotals = {
        "items": len(folders),
        "bytes": sum(by_owner.values()),
        "oldest": min(taken_times, default=""),
        "owners": dict(largest),
    }
    return (summary if folders else None), broken
