"""Several runs over parts of one fleet, such as the slices of an automation controller's job, as one report. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from ....model.plan import format_canonical
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, ReportVerdict, RolloutReport, UnidentifiedRule
from ....model.types.run import ReportFacts, RunWaiver
from ....wire.replies.record import make_silent_record
from ..text.wording import some
from .baseline import New
from .reconcile import DUPLICATE, Fleet, Note, report_of
from .scope import is_whole, left_out, same_inventory

Item = TypeVar("Item")
FEW = 3  # hosts that a message names

# What the parts of one run have in common.
ALIKE = ("playbook", "mode", "controls", "catalog_version", "baseline")


class Unmergeable(ValueError):
    """These are no parts of one run; the text says why."""


class Part(NamedTuple):
    """A complete report: its fleet report and its host records."""

    report: FleetReport
    records: Sequence[HostRecord]


def merged(
    id_: str, parts: Sequence[Part], expected: Collection[str] | None = None, inventory: Sequence[str] = ()
) -> tuple[FleetReport, list[HostRecord]]:
    """The fleet report and the host records of all parts together, as the run `id_`.

    `expected` are the hosts that there should be, and `inventory` is where they are; one that no part has is unknown
    (None: only the parts say). A host may be in more than one part, if it was tried again. It counts once, by its last
    record. Raises Unmergeable, also for parts that are not of one round.
    """
    parts = sorted(parts, key=lambda part: (part.report["run"]["started"], part.report["run"]["id"]))
    runs = [part.report["run"] for part in parts]
    if not runs:
        raise Unmergeable("there is no report to merge")
    for key in ALIKE:
        for run in runs:
            if run.get(key) != runs[0].get(key):
                differ = f"{runs[0]['id']} has {key} {runs[0].get(key)!r}, and {run['id']} has {run.get(key)!r}"
                raise Unmergeable(f"these are no parts of one run: {differ}")
    hosts = None if expected is None else frozenset(expected)
    require_one_round(parts, hosts)
    records, notes = _records(parts)
    not_served = {one["host"]: one["why"] for part in parts for one in part.report.get("not_served", ())}
    missing = [host for host in dict.fromkeys(expected or ()) if host not in records and host not in not_served]
    answered = [
        *records.values(),
        *(make_silent_record(host, "no part of the run has reported it") for host in missing),
    ]
    warnings = [f"{note.host} {note.detail}" for note in notes]
    if missing:
        warnings.append(f"{len(missing)} of the inventory's hosts are in no part of the run")
    earlier = [Note(**note) for part in parts for note in part.report.get("unexpected", ())]
    unexpected = _distinct(part.report.get("unexpected_hosts", ()) for part in parts)
    fleet = Fleet(answered, unexpected, warnings, [*earlier, *notes])
    facts: ReportFacts = {
        "services": _services(parts),
        "not_served": not_served,
        "waivers": _waivers(parts),
        "upcoming": _distinct(part.report.get("upcoming", ()) for part in parts),
        "departments": _departments(parts),
        "warnings": _distinct(part.report.get("warnings", ()) for part in parts),
    }
    new = [New(**one) for part in parts for one in part.report.get("new") or ()] if runs[0].get("baseline") else None
    left = 0 if expected is not None else _left_out(runs, len(answered))
    run = _run(id_, runs, inventory, left, len(answered))
    report = report_of(run, facts, fleet, new, _rollout(parts))
    report["nothing_known"] = _nothing_known(parts, report.get("nothing_known", ()), len(answered))
    if found := {one["directory"]: one for part in parts for one in part.report.get("points", ())}:
        report["points"] = list(found.values())  # of several, what the last part found
    return report, answered


def hosts_of(part: Part) -> set[str]:
    """Return the hosts that a part has a record of, or that it says nobody serves."""
    return {*(record["host"] for record in part.records), *(one["host"] for one in part.report.get("not_served", ()))}


def require_one_round(parts: Sequence[Part], expected: Collection[str] | None) -> None:
    """Raise Unmergeable for parts that are not slices of one round over one inventory.

    A run that counts for another round would hide a slice that died. `parts` are in the order in which they began.
    """
    runs = [part.report["run"] for part in parts]
    if len({round_of(run) for run in runs}) > 1:
        other = next(run for run in runs if round_of(run) != round_of(runs[0]))
        raise Unmergeable(f"these are not of one round: {_round_in_words(runs[0])}, and {_round_in_words(other)}")
    hosts = [hosts_of(part) for part in parts]
    for run, mine in zip(runs, hosts):
        if expected is not None and (foreign := sorted(mine.difference(expected))):
            raise Unmergeable(f"{run['id']} is of another inventory: {some(foreign, FEW)} is no host of this one")
        if (
            has_all_hosts(mine, expected)
            if expected is not None
            else not round_of(run) and _contains_others(mine, hosts)
        ):
            raise Unmergeable(f"{run['id']} is a run over the whole, and no slice of a round")
    if not round_of(runs[0]):
        _require_one_time(runs, expected is None)


def has_all_hosts(hosts: Collection[str], expected: Collection[str]) -> bool:
    """Tell whether a run is over a whole inventory, and so no slice."""
    return bool(expected) and set(expected) <= set(hosts)


def _contains_others(mine: set[str], hosts: Sequence[set[str]]) -> bool:
    """Tell whether a run has all hosts of the others, and one of these has fewer."""
    return all(other <= mine for other in hosts) and any(other < mine for other in hosts)


def _require_one_time(runs: Sequence[ReportRun], one_inventory: bool) -> None:
    """Raise Unmergeable for runs without a round that no moment connects, or that are of several inventories."""
    ended, last = runs[0]["finished"], runs[0]["id"]
    for run in runs[1:]:
        if one_inventory and not same_inventory(run["inventory"], runs[0]["inventory"]):
            different = f"{runs[0]['id']} and {run['id']} are of different inventories"
            raise Unmergeable(f"{different}; -i names the inventory that all of them are parts of")
        if run["started"] > ended:
            text = f"{run['id']} began after {last} had ended, and neither has a round"
            raise Unmergeable(f"these are no parts of one run: {text} (proscribe_round)")
        ended, last = max((ended, last), (run["finished"], run["id"]))


def round_of(run: ReportRun) -> str:
    """Return the id of the round that a run is a slice of; "" for none."""
    return run.get("round") or ""


def _round_in_words(run: ReportRun) -> str:
    id_ = round_of(run)
    return f"{run['id']} has the round {id_}" if id_ else f"{run['id']} has none"


def _run(id_: str, runs: Sequence[ReportRun], inventory: Sequence[str], left: int | None, hosts: int) -> ReportRun:
    """The runs of all parts as one, over so many hosts."""
    sources = list(inventory) or _distinct(run["inventory"] for run in runs)
    command = runs[0].get("command")
    # A slice may have an inventory of its own, and its command reaches no other host.
    alike = all(run.get("command") == command and same_inventory(run["inventory"], sources) for run in runs)
    run: ReportRun = {
        **runs[0],
        "id": id_,
        "inventory": sources,
        "command": command if alike else None,
        "version": ", ".join(_distinct([said] for run in runs if (said := run.get("version")))) or None,
        "limit": ",".join(_distinct([run["limit"]] for run in runs if run["limit"])),
        "interrupted": next((run["interrupted"] for run in runs if run.get("interrupted")), None),
        "left_out": left,
        "finished": max(run["finished"] for run in runs),
        "expected_hosts": hosts,
        "parts": [run["id"] for run in runs],
        "verdict": _verdict(runs),
    }
    run["whole"] = is_whole(run)
    return run


def _records(parts: Sequence[Part]) -> tuple[dict[str, HostRecord], list[Note]]:
    """The record of each host, the last one where there are several, and a note of those."""
    records: dict[str, HostRecord] = {}
    twice: dict[str, None] = {}
    for part in parts:
        for record in part.records:
            host = record["host"]
            before = records.get(host)
            if before is not None:
                twice[host] = None
            # A host that did not answer has observed nothing; an earlier answer of it still counts.
            if before is None or (record["checked_at"] or "") >= (before["checked_at"] or ""):
                records[host] = record
    reason = "is in more than one part of the run; its last record counts"
    return records, [Note(host, DUPLICATE, reason) for host in twice]


def _verdict(runs: Sequence[ReportRun]) -> ReportVerdict | None:
    """The worst verdict of the parts: together they passed if each did. None where one has none."""
    verdicts = [verdict for run in runs if (verdict := run.get("verdict"))]
    if len(verdicts) < len(runs):
        return None
    failed = [one for one in verdicts if not one["passed"]]
    ungated = [one for one in verdicts if not one["gate"]]
    return (failed or ungated or verdicts)[0]


def _left_out(runs: Sequence[ReportRun], together: int) -> int | None:
    """How many hosts of the inventory are in no part, by what the parts know of it; None where one does not."""
    left = [left_out(run) for run in runs]
    sizes = [run["expected_hosts"] + number for run, number in zip(runs, left) if number is not None]
    return max(0, max(sizes) - together) if len(sizes) == len(runs) else None


def _services(parts: Sequence[Part]) -> list[str] | None:
    """The services among the rules that some part lists; None where one does not distinguish them from settings."""
    rules = [rule for part in parts for rule in part.report.get("rules", ())]
    if any(not rule.get("kind") for rule in rules):
        return None
    return sorted({rule["rule"].partition("/")[2] for rule in rules if rule["kind"] == "service"})


def _nothing_known(parts: Sequence[Part], found: Iterable[UnidentifiedRule], hosts: int) -> list[UnidentifiedRule]:
    """The rules with nothing to look for, of all parts: what the records list, and what the plans of the parts said.

    A host that is in two parts may count twice, but no rule counts more than all `hosts`.
    """
    counts: dict[str, int] = {}
    for part in parts:
        for one in part.report.get("nothing_known", ()):
            counts[one["rule"]] = min(hosts, counts.get(one["rule"], 0) + one["hosts"])
    counts = {**{one["rule"]: one["hosts"] for one in found}, **counts}
    return [{"rule": rule, "hosts": number} for rule, number in sorted(counts.items())]


def _waivers(parts: Sequence[Part]) -> list[RunWaiver]:
    """Each waiver once, for the hosts of all parts."""
    by_id: dict[str, RunWaiver] = {}
    for part in parts:
        for waiver in part.report.get("waivers", ()):
            merged = by_id.setdefault(waiver["id"], {**waiver, "hosts": []})
            merged["hosts"] = list(dict.fromkeys([*merged["hosts"], *waiver.get("hosts", ())]))
    return list(by_id.values())


def _departments(parts: Sequence[Part]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in parts:
        for name, hosts in (part.report.get("departments") or {}).items():
            found[name] = list(dict.fromkeys([*found.get(name, ()), *hosts]))
    return found


def _rollout(parts: Sequence[Part]) -> RolloutReport | None:
    """How far the correcting came in all parts together; each had batches of its own."""
    rollouts = [rollout for part in parts if (rollout := part.report.get("rollout"))]
    if not rollouts:
        return None
    allow: dict[str, int | str] = {}
    for one in rollouts:
        for name, limit in one["allow"].items():
            numbers = [number for number in (limit, allow.get(name)) if isinstance(number, int)]
            allow[name] = max(numbers, default=limit)
    return {
        "to_correct": sum(one["to_correct"] for one in rollouts),
        "batches": [size for one in rollouts for size in one["batches"]],
        "not_reached": sum(one["not_reached"] for one in rollouts),
        "why": "; ".join(dict.fromkeys(one["why"] for one in rollouts if one["why"])) or None,
        "allow": allow,
        "set_aside": [host for one in rollouts for host in one.get("set_aside", ())],
    }


def _distinct(lists: Iterable[Iterable[Item]]) -> list[Item]:
    """The items of all lists, each once, in their order."""
    found: dict[str, Item] = {}
    for items in lists:
        for item in items:
            found.setdefault(format_canonical(item), item)
    return list(found.values())
