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

HOME = STATE_DIRECTORY + "/quarantine"
UNFINISHED = ".unfinished"  # ends the name of an item's folder until all is done
RULE = "apps/quarantine"
COUNTED = 2_000  # items whose manifests an observation reads
FEW = 3  # that a reason names
SHARES = 20  # accounts that the record names: those with the most in it
_TIME = compile_pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def observe(host: Host, mode: str) -> list[RuleVerdict]:
    """A verdict only where something is unfinished, or cannot be seen although there is a quarantine."""
    try:
        names = host.list_directory(HOME)
    except ObservationError as unseen:
        return [judge_rule(RULE, {"mode": mode}, [], str(unseen))]
    holding, broken = held(host, names)
    if holding:
        host.record_fields["quarantine"] = holding
    begun = [name for name in names if name.endswith(UNFINISHED)]
    found = [
        Finding("quarantine", name, "", "", _scope(host, name), f"{HOME}/{name}", "a move that was cut short")
        for name in begun
    ]
    if not (found or broken):
        return []
    unread = (
        f"in {HOME}, look into it and delete it by hand: {', '.join(broken[:FEW])} cannot be read" if broken else ""
    )
    return [judge_rule(RULE, {"mode": mode}, found, unread)]


def _scope(host: Host, name: str) -> str:
    """Return whose an item is; "" where nobody knows, and for root's."""
    try:
        manifest = parse_json(host.read_file(f"{HOME}/{name}/manifest.json") or b"{}")
        return f"user:{manifest['owner']}" if manifest["attributes"]["uid"] else ""
    except (ObservationError, ControlError, ValueError, TypeError, KeyError):
        return ""


def held(host: Host, names: list[str]) -> tuple[QuarantineTotals | None, list[str]]:
    """What the items of these names come to, for the record; and those that cannot be read."""
    taken: list[str] = []
    broken: list[str] = []
    by_owner: dict[str, int] = {}
    folders = [name for name in names if name != "README"]
    for name in folders[:COUNTED]:
        try:
            content = host.read_file(f"{HOME}/{name}/manifest.json")
            if not content and name.endswith(UNFINISHED):
                continue  # killed before anything was begun
            manifest = parse_json(content or b"{}")
            size = int(manifest.get("disk") or manifest.get("size") or 0)
            owner, at = str(manifest.get("owner")), manifest["taken_at"]
            dated = bool(_TIME.fullmatch(at))
        except ObservationError:
            continue
        except (ControlError, ValueError, TypeError, KeyError, AttributeError):
            broken.append(name)
            continue
        by_owner[owner] = by_owner.get(owner, 0) + size
        taken += [at] * dated
    most = sorted(by_owner.items(), key=lambda one: (-one[1], one[0]))[:SHARES]
    found: QuarantineTotals = {
        "items": len(folders),
        "bytes": sum(by_owner.values()),
        "oldest": min(taken, default=""),
        "owners": dict(most),
    }
    return (found if folders else None), broken
