"""Names that the DNS of a host has to block, and names below them that must still resolve.

Two kinds of restricted names are exempt and reported. The first is a name that the organisation resolves in its own
line of /etc/hosts. That line stays and has effect. The second is a name that the host depends on: a source of its
packages, or its own name.
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

# Characters that a name may have. Root writes the names to a resolver's file. So a text that could be more than a name
# is refused here too, even if the plan's compilation accepted it.
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class DesiredNames(NamedTuple):
    """Names to block on a host."""

    names_by_service: Mapping[str, list[str]]  # by restricted service: the names to block, exempt names included
    spared_names: Mapping[str, str]  # by exempt name: the reason why it is not blocked
    open_names: frozenset[str]  # names below a blocked name that must still resolve

    @property
    def blocked_names(self) -> set[str]:
        """Names to block, of all services together."""
        return {name for names in self.names_by_service.values() for name in names} - set(self.spared_names)


def collect_desired_names(host: Host, plan: Plan, foreign_lines: bytes, *, canaries: bool) -> DesiredNames:
    """Return the names to block on this host. Raises ControlError for an invalid name in the plan.

    `foreign_lines` are the lines of /etc/hosts that Proscribe did not write.

    With `canaries`, names such as use-application-dns.net are included. If such a name does not exist (NXDOMAIN),
    browsers switch off their encrypted DNS. With an address for it, they would not. Not every backend can answer
    NXDOMAIN.
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
    # Nearly always, no exempt name is restricted. Then the names are those of the other hosts.
    if not any(find_covering_name(name, restricted) for name in spare_reasons):
        return common_names
    return collect_section_names(section, spare_reasons, canaries=canaries)


def collect_common_names(plan: Plan, *, canaries: bool) -> DesiredNames:
    """Return the names to block on a host that needs none of them itself, so that no name is exempt.

    Nearly every host is like that. So the names are computed once for each plan. `canaries` is explained at
    `collect_desired_names`. Raises ControlError for an invalid name in the plan.
    """

    def compute_fields() -> tuple[object, ...]:
        desired_names = collect_section_names(plan["controls"]["dns"], {}, canaries=canaries)
        sort_valid_names(desired_names.blocked_names)  # raises the error for an invalid name
        return tuple(desired_names)

    return DesiredNames(*compute_once(plan, f"dns/desired {canaries}", compute_fields))


def collect_section_names(section: PlanSection, spare_reasons: Mapping[str, str], *, canaries: bool) -> DesiredNames:
    """Return the names to block for the section `dns` of a plan.

    `spare_reasons` has the names that a host needs or resolves itself, each with the reason why it is exempt.
    `canaries` is explained at `collect_desired_names`.
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
    """Return the nearest of `names` that is the name itself or a parent domain of it; "" if there is none."""
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
    """Return whether all names are valid: in length, in characters, and in the labels between their dots."""
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
    """Return the verdict on each service, from the names that are now blocked (`blocked_names`).

    `pattern` is a finding whose id and detail are filled in for each name. `idle_reason` is the reason why the written
    file has no effect ("" if it has an effect): then no name counts as blocked. `unseen_reason` is the reason why the
    effect is unknown ("" if it is known).
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
        # Drift is what a run would correct. No run blocks an exempt name, so a missing exempt name is no drift.
        verdicts.append(verdict._replace(drifted=verdict.drifted and bool(missing_names)))
    return verdicts


def _list_entry_names(entry: PlanEntry, canaries: bool) -> list[str]:
    """Return the names of a service in the plan, each once, with its canaries if `canaries` is True."""
    return list(dict.fromkeys([*entry["domains"], *(entry.get("canaries", ()) if canaries else ())]))


def _list_resolved_names(foreign_lines: bytes) -> list[tuple[str, str]]:
    """Return (name, address) for each name that the organisation's lines of /etc/hosts resolve.

    Loopback addresses, 0.0.0.0 and :: are left out.
    """
    resolved_names = []
    for line in foreign_lines.splitlines():
        words = line.partition(b"#")[0].decode("utf-8", "replace").lower().split()
        if words and not words[0].startswith("127.") and words[0] not in ("0.0.0.0", "::", "::1"):
            resolved_names += [(name, words[0]) for name in words[1:]]
    return resolved_names
