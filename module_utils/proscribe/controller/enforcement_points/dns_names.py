"""What the DNS formats share: the names to block and those that stay open below them, each list minimal."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from ...host.controls.dns.desired import covering, of_plan, plain
from ...host.controls.dns.effect import EXPORT_WITNESS
from ...host.controls.dns.rendering import Language
from ...model.plan import RESTRICTED_MODES
from ...model.types.plan import Plan, PlanSection
from .declaration import Decision, LeftOut, Rendered
from .header import comment, text, witness

CONTROL = "dns"


class DnsNames(NamedTuple):
    """The names of a decision; the nearest of them decides about a name below."""

    blocked: tuple[str, ...]  # with all below them
    through: tuple[str, ...]  # with all below them
    included: tuple[str, ...]  # the rules
    left_out: tuple[LeftOut, ...]


def dns_names(decision: Decision, *, canaries: bool = True, exact: bool = False) -> DnsNames:
    """The names of a decision. `exact`: for a point that knows no "all below", so every name is listed. Raises
    ControlError for a name that is none.
    """
    section = decision.plan["controls"][CONTROL]
    desired = of_plan(section, {}, canaries=canaries)
    names, through = set(plain(desired.names)), set(plain(desired.through))
    left_out = [
        LeftOut(f"{CONTROL}/{id_}", "the service", "Each of its names is a waived or permitted service's too.")
        for id_, those in sorted(desired.services.items())
        if not those and section["services"][id_]["domains"]
    ]
    if not canaries:
        left_out += _canaries(section)
    return DnsNames(
        tuple(plain(names if exact else (name for name in names if not _said(name, names, through)))),
        tuple(plain(name for name in through if not _said(name, through, names))),
        tuple(f"{CONTROL}/{id_}" for id_, those in sorted(desired.services.items()) if those),
        tuple(left_out),
    )


def of_resolver(format_: str, language: Language, decision: Decision) -> Rendered:
    """The file for a resolver, in its language. It answers a witness with the plan that it enforces."""
    names = dns_names(decision)
    lines = [*comment(decision, format_, language.comment), *language.head]
    lines += language.lines(names.blocked, names.through)
    lines += language.witness(EXPORT_WITNESS, witness(decision), "")
    return Rendered({"proscribe.conf": text(lines)}, names.included, names.left_out)


def levels(names: Iterable[str]) -> list[list[str]]:
    """Names by how many of the others lie above them. Within a level none is below another."""
    listed = frozenset(names)
    depth: dict[str, int] = {}
    found: list[list[str]] = []
    for name in sorted(listed, key=lambda one: (one.count("."), one)):
        above = covering(name.partition(".")[2], listed)
        depth[name] = depth[above] + 1 if above else 0
        found.extend([] for _ in range(depth[name] + 1 - len(found)))
        found[depth[name]].append(name)
    return found


def blocks(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a name is blocked in a section."""
    section = plan["controls"].get(CONTROL)
    if section is None:
        return False
    desired = of_plan(section, {}, canaries=True)
    names = desired.names
    return covering(host, names | desired.through) in names


def blocks_exactly(plan: Plan, host: str, port: int | None = None) -> bool:
    """Whether a name itself is blocked in a section, by a point that knows no "all below"."""
    section = plan["controls"].get(CONTROL)
    return section is not None and host in of_plan(section, {}, canaries=False).names


def _said(name: str, same: Collection[str], other: Collection[str]) -> bool:
    """Whether a name above this one says the same of it already."""
    above = name.partition(".")[2]
    while above:
        if above in other:
            return False
        if above in same:
            return True
        above = above.partition(".")[2]
    return False


def _canaries(section: PlanSection) -> list[LeftOut]:
    return [
        LeftOut(f"{CONTROL}/{id_}", f"name {name}", "It has to be answered with NXDOMAIN, which this format has not.")
        for id_, entry in sorted(section["services"].items())
        if entry["mode"] in RESTRICTED_MODES
        for name in plain(set(entry.get("canaries", ())) - set(entry["domains"]))
    ]
