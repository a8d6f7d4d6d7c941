"""Desired state of name resolution: the names to block, and the names below them that stay open.

Two kinds of names are spared and reported. The first is a name that the organisation resolves in a line of /etc/hosts:
that line stays and counts. The second is a name that the host depends on: a source of its packages, or its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Iterable, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import RESTRICTED_MODES, compute_once
from ...system import ControlError, Host
from .. import management_exemptions

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

# Characters of a name. Root writes a resolver's file from these names. So a text that could be more than a name is
# refused here too, even if compilation accepted it.
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class DesiredNames(NamedTuple):
    """Names to block on a host."""

    names_by_service: Mapping[str, list[str]]  # names to block, by restricted service
    spared_names: Mapping[str, str]  # names that are not blocked, with the reason
    open_names: frozenset[str]  # names that stay open below a blocked name

    @property
    def blocked_names(self) -> set[str]:
        return {name for names in self.names_by_service.values() for name in names} - set(self.spared_names)


def collect_desired_names(host: Host, plan: Plan, foreign_lines: bytes, *, canaries: bool) -> DesiredNames:
    """Return the desired names of a plan on this host. Raises ControlError for an invalid name in the plan.

    `foreign_lines` are the organisation's lines in /etc/hosts. `canaries` adds the names whose answer must be NXDOMAIN
    and no address. Not every backend can give that answer.
    """
    section = plan["controls"]["dns"]
    common_names = collect_common_names(plan, canaries=canaries)
    spare_reasons = dict.fromkeys(management_exemptions.read_own_names(host), "it is this host's own name")
    spare_reasons.update(
        dict.fromkeys(management_exemptions.read_package_sources(host), "this host gets its packages from there")
    )
    spare_reasons.update(
        {name: f"a line of the host's own says {address}" for name, address in _list_resolved_names(foreign_lines)}
    )
    restricted = common_names.blocked_names
    if not any(find_covering_name(name, restricted) for name in spare_reasons):
        return common_names
    return collect_section_names(section, spare_reasons, canaries=canaries)


def collect_common_names(plan: Plan, *, canaries: bool) -> DesiredNames:
    """Return the desired names for a host that needs none of the names. Nearly every host is so."""

    def compute_fields() -> tuple[object, ...]:
        desired_names = collect_section_names(plan["controls"]["dns"], {}, canaries=canaries)
        sort_valid_names(desired_names.blocked_names)
        return tuple(desired_names)

    return DesiredNames(*compute_once(plan, f"dns/desired {canaries}", compute_fields))


def collect_section_names(section: PlanSection, spare_reasons: Mapping[str, str], *, canaries: bool) -> DesiredNames:
    """Return the desired names of a section.

    `spare_reasons` has the names that a host needs or resolves itself, each with the reason.
    """
    entries = section["services"].values()
    waived_names = {
        name for entry in entries if entry["mode"] == "waived" for name in _list_entry_names(entry, canaries)
    }
    names_by_service = {
        service_id: [
            name
            for name in _list_entry_names(entry, canaries)
            if name not in entry["allow"] and name not in waived_names
        ]
        for service_id, entry in section["services"].items()
        if entry["mode"] in RESTRICTED_MODES
    }
    restricted_names = {name for names in names_by_service.values() for name in names}
    spared_names = {
        name: reason
        for name, reason in spare_reasons.items()
        if find_covering_name(name, restricted_names) and _has_valid_names([name])
    }
    allowed_names = {name for entry in entries if entry["mode"] in RESTRICTED_MODES for name in entry["allow"]}
    blocked_names = restricted_names - set(spared_names)
    open_names = {
        name
        for name in {*waived_names, *allowed_names, *spared_names} - blocked_names
        if find_covering_name(name, blocked_names)
    }
    return DesiredNames(names_by_service, spared_names, frozenset(open_names))


def find_covering_name(name: str, names: AbstractSet[str]) -> str:
    """Return the nearest of `names` that equals or covers a name; "" without such a name."""
    while name not in names:
        name = name.partition(".")[2]
        if not name:
            return ""
    return name


def sort_valid_names(names: Iterable[str]) -> list[str]:
    """Return the names, sorted. Raises ControlError for an invalid name."""
    sorted_names = sorted(names)
    if not _has_valid_names(sorted_names):
        invalid_name = next(name for name in sorted_names if not _has_valid_names([name]))
        raise ControlError(
            f"the plan has {ascii(invalid_name)} for a name, expected letters, digits, dots and hyphens only"
        )
    return sorted_names


def _has_valid_names(names: Sequence[str]) -> bool:
    labels = ".".join(names).split(".") if names else []
    return (
        all(len(name) <= 253 for name in names)
        and all(0 < len(label) <= 63 and label[0] != "-" for label in labels)
        and _NAME_LETTERS.issuperset("".join(labels))
    )


def judge_services(
    section: PlanSection,
    desired_names: DesiredNames,
    blocked_names: AbstractSet[str],
    pattern: Finding,
    idle_reason: str = "",
    unseen_reason: str = "",
) -> list[RuleVerdict]:
    """Return the verdicts on the services, based on the names that are blocked.

    `pattern` is the pattern of a finding. `idle_reason` is the reason why the written file has no effect ("" if it has
    an effect). `unseen_reason` is the reason why the effect is unknown.
    """
    verdicts = []
    for service_id, entry in section["services"].items():
        if entry["mode"] == "waived":
            verdicts.append(
                judge_rule(
                    f"dns/{service_id}", entry, [pattern._replace(id=entry["name"], detail="not blocked, by waiver")]
                )
            )
            continue
        names = desired_names.names_by_service.get(service_id, [])
        if entry["mode"] in RESTRICTED_MODES and not names:
            verdicts.append(
                RuleVerdict(f"dns/{service_id}", NOT_APPLICABLE, reason="no name of it can be blocked here")
            )
            continue
        missing_names = [
            name
            for name in names
            if name not in desired_names.spared_names and (idle_reason or name not in blocked_names)
        ]
        spared_names = [name for name in desired_names.spared_names if find_covering_name(name, set(names))]
        findings = [
            pattern._replace(id=name, detail=f"not blocked: {desired_names.spared_names[name]}")
            for name in spared_names
        ]
        if missing_names:
            count_note = f", and {len(missing_names) - 1} more of {len(names)} names" if len(missing_names) > 1 else ""
            findings.insert(
                0,
                pattern._replace(
                    id=missing_names[0], detail=f"not blocked{count_note}{idle_reason and ': '}{idle_reason}"
                ),
            )
        verdict = judge_rule(f"dns/{service_id}", entry, findings, unseen_reason)
        verdicts.append(verdict._replace(drifted=verdict.drifted and bool(missing_names)))  # no run blocks spared names
    return verdicts


def _list_entry_names(entry: PlanEntry, canaries: bool) -> list[str]:
    return list(dict.fromkeys([*entry["domains"], *(entry.get("canaries", ()) if canaries else ())]))


def _list_resolved_names(foreign_lines: bytes) -> list[tuple[str, str]]:
    """Return the names that the host's own lines resolve to a real address, each with the address."""
    resolved_names = []
    for line in foreign_lines.splitlines():
        words = line.partition(b"#")[0].decode("utf-8", "replace").lower().split()
        if words and not words[0].startswith("127.") and words[0] not in ("0.0.0.0", "::", "::1"):
            resolved_names += [(name, words[0]) for name in words[1:]]
    return resolved_names
