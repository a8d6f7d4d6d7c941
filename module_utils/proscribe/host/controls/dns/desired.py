"""What a plan asks of name resolution: the names to block, and those to let through below them.

Two kinds of names are left alone and reported. One that the organisation resolves in a line of /etc/hosts: that line
stays and counts. One that the host hangs on: a source of its packages, its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Iterable, Mapping, Sequence

from ....base.tuples import NamedTuple
from ....model.finding import NOT_APPLICABLE, Finding, RuleVerdict, judge_rule
from ....model.plan import RESTRICTED_MODES, compute_once
from ...system import ControlError, Host
from .. import management_exemptions

if TYPE_CHECKING:
    from ....model.types.plan import Plan, PlanEntry, PlanSection

# What a name may consist of. Root writes a resolver's file out of these names. So one that could say more than a name
# is refused here too, whatever the compile step let pass.
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")


class Desired(NamedTuple):
    """What should be blocked on a host."""

    services: Mapping[str, list[str]]  # the names to block, by restricted service
    left: Mapping[str, str]  # the names that are left alone, with the reason
    through: frozenset[str]  # the names that stay open although they lie below a blocked one

    @property
    def names(self) -> set[str]:
        return {name for names in self.services.values() for name in names} - set(self.left)


def collect(host: Host, plan: Plan, foreign: bytes, *, canaries: bool) -> Desired:
    """The desired state of a plan, on this host. Raises ControlError for a plan with a name that is none.

    `foreign` is what the organisation has in /etc/hosts. `canaries` adds the names that want NXDOMAIN and no address,
    which not every backend can answer.
    """
    section = plan["controls"]["dns"]
    usual = everywhere(plan, canaries=canaries)
    reasons = dict.fromkeys(management_exemptions.read_own_names(host), "it is this host's own name")
    reasons.update(
        dict.fromkeys(management_exemptions.read_package_sources(host), "this host gets its packages from there")
    )
    reasons.update({name: f"a line of the host's own says {address}" for name, address in _resolved(foreign)})
    restricted = usual.names
    if not any(covering(name, restricted) for name in reasons):
        return usual
    return of_plan(section, reasons, canaries=canaries)


def everywhere(plan: Plan, *, canaries: bool) -> Desired:
    """The desired state on a host that needs none of the names, which nearly every host is."""

    def work_out() -> tuple[object, ...]:
        desired = of_plan(plan["controls"]["dns"], {}, canaries=canaries)
        plain(desired.names)
        return tuple(desired)

    return Desired(*compute_once(plan, f"dns/desired {canaries}", work_out))


def of_plan(section: PlanSection, reasons: Mapping[str, str], *, canaries: bool) -> Desired:
    """The desired state of a section. `reasons` are the names that a host needs or resolves itself, each with why."""
    entries = section["services"].values()
    waived = {name for entry in entries if entry["mode"] == "waived" for name in _all(entry, canaries)}
    services = {
        id_: [name for name in _all(entry, canaries) if name not in entry["allow"] and name not in waived]
        for id_, entry in section["services"].items()
        if entry["mode"] in RESTRICTED_MODES
    }
    restricted = {name for names in services.values() for name in names}
    left = {name: reason for name, reason in reasons.items() if covering(name, restricted) and _are_names([name])}
    allowed = {name for entry in entries if entry["mode"] in RESTRICTED_MODES for name in entry["allow"]}
    blocked = restricted - set(left)
    through = {name for name in {*waived, *allowed, *left} - blocked if covering(name, blocked)}
    return Desired(services, left, frozenset(through))


def covering(name: str, names: AbstractSet[str]) -> str:
    """The nearest of some names that a name is, or lies below; "" if it is below none."""
    while name not in names:
        name = name.partition(".")[2]
        if not name:
            return ""
    return name


def plain(names: Iterable[str]) -> list[str]:
    """The names, sorted. Raises ControlError for one that is more than a name."""
    ordered = sorted(names)
    if not _are_names(ordered):
        wrong = next(name for name in ordered if not _are_names([name]))
        raise ControlError(f"the plan has {ascii(wrong)} for a name, expected letters, digits, dots and hyphens only")
    return ordered


def _are_names(names: Sequence[str]) -> bool:
    labels = ".".join(names).split(".") if names else []
    return (
        all(len(name) <= 253 for name in names)
        and all(0 < len(label) <= 63 and label[0] != "-" for label in labels)
        and _LETTERS.issuperset("".join(labels))
    )


def service_verdicts(
    section: PlanSection,
    desired: Desired,
    blocked: AbstractSet[str],
    found: Finding,
    idle: str = "",
    unseen: str = "",
) -> list[RuleVerdict]:
    """The verdicts of the services, by the names that are blocked. `found` is the pattern of a finding. `idle` says why
    what is written has no effect ("" if it has). `unseen` says why it is not known whether it has.
    """
    verdicts = []
    for id_, entry in section["services"].items():
        if entry["mode"] == "waived":
            verdicts.append(
                judge_rule(f"dns/{id_}", entry, [found._replace(id=entry["name"], detail="not blocked, by waiver")])
            )
            continue
        names = desired.services.get(id_, [])
        if entry["mode"] in RESTRICTED_MODES and not names:
            verdicts.append(RuleVerdict(f"dns/{id_}", NOT_APPLICABLE, reason="no name of it can be blocked here"))
            continue
        missing = [name for name in names if name not in desired.left and (idle or name not in blocked)]
        spared = [name for name in desired.left if covering(name, set(names))]
        against = [found._replace(id=name, detail=f"not blocked: {desired.left[name]}") for name in spared]
        if missing:
            more = f", and {len(missing) - 1} more of {len(names)} names" if len(missing) > 1 else ""
            against.insert(0, found._replace(id=missing[0], detail=f"not blocked{more}{idle and ': '}{idle}"))
        verdict = judge_rule(f"dns/{id_}", entry, against, unseen)
        verdicts.append(verdict._replace(drifted=verdict.drifted and bool(missing)))  # what is left alone stays so
    return verdicts


def _all(entry: PlanEntry, canaries: bool) -> list[str]:
    return list(dict.fromkeys([*entry["domains"], *(entry.get("canaries", ()) if canaries else ())]))


def _resolved(foreign: bytes) -> list[tuple[str, str]]:
    """The names to which the host's own lines give an address that leads somewhere, each with it."""
    found = []
    for line in foreign.splitlines():
        words = line.partition(b"#")[0].decode("utf-8", "replace").lower().split()
        if words and not words[0].startswith("127.") and words[0] not in ("0.0.0.0", "::", "::1"):
            found += [(name, words[0]) for name in words[1:]]
    return found
