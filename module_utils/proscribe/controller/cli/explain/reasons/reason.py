"""What a control can answer, and what all controls say in the same way. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .....model.finding import NO_IDENTIFIERS_REASON, SERVES_BOTH_REASON
from .....model.tenants import read_tenant
from .....model.types.plan import Plan, PlanEntry, PlanSection
from ....compile.catalogue.loading import Service
from ....compile.plans.chosen import explain_exclusion, is_separated_by_tenant
from ....compile.plans.difference import format_window
from ....compile.restrictions import Restrictions
from ....compile.restrictions.by_group import REASONS_AGAINST, find_groups
from ....report.text.wording import some
from ..facts import NOTHING, Facts

# What a control can answer, the most closed first: that of a control, and of a host, is the first that applies.
BLOCKED = "blocked"  # closed, and kept closed
DEPENDS = "depends"  # closed or open by something that only the host knows; the reason says by what
AUDITED = "audited"  # counts against the host, nothing is changed
WAIVED = "waived"
TENANTS = "tenants"  # open to accounts of the organisation's own tenants
UPCOMING = "upcoming"
REPORTED = "reported"  # reported where it is seen, counts nothing
OPEN = "open"
OFF = "off"  # the control is not checked
STATUSES = (BLOCKED, DEPENDS, AUDITED, WAIVED, TENANTS, UPCOMING, REPORTED, OPEN, OFF)

WHO = {"users": "users", "posix_groups": "members of"}
OF_MODE = {"enforce": BLOCKED, "audit": AUDITED, "waived": WAIVED, "upcoming": UPCOMING, "report": REPORTED}


class Reason(NamedTuple):
    """One reason for an answer, and the answer it speaks for."""

    status: str
    text: str
    service: str = ""
    waiver: str = ""


class Answer(NamedTuple):
    """What a control does."""

    status: str
    reasons: tuple[Reason, ...]


class Policy(NamedTuple):
    """What holds on a host."""

    plan: Plan
    restrictions: Restrictions
    waivers: Mapping[str, str]  # by id: who approved it, and until when, in words
    facts: Facts = NOTHING  # what is known of the host

    def section(self, control: str) -> PlanSection | None:
        """A control's part of the plan; None where it is off."""
        return self.plan["controls"].get(control)


def off(control: str) -> Reason:
    """The answer of a control that is off."""
    return Reason(OFF, f"proscribe_controls leaves {control} off here")


def by_mode(policy: Policy, id_: str, entry: PlanEntry, text: str) -> Iterator[Reason]:
    """The reason that an entry of the plan gives, and its partial exceptions."""
    mode = entry["mode"]
    if mode == "waived":
        text = f"waiver {entry['waiver']}{policy.waivers.get(entry['waiver'], '')}"
        if "hours" in entry:
            words = f"open {_at(entry['hours'])}: {text}; {entry['otherwise']} at other times"
            yield Reason(DEPENDS, words, id_, entry["waiver"])
    elif mode == "upcoming":
        text += f", in force from {entry['effective_from']}"
    elif mode == "report":
        text += f"; {SERVES_BOTH_REASON}" if entry.get("serves_both") else "; the catalogue only reports it"
    status = OF_MODE[mode]
    if "only" in entry and mode != "waived":
        text += f", for the members of {some(entry['only']['posix_groups'], 5)} only, and open to everybody else"
        status = DEPENDS if status == BLOCKED else status
    if "hours" not in entry:
        yield Reason(status, text, id_, entry.get("waiver", ""))
    for exception in entry.get("exceptions", ()):
        who = [f"{WHO[key]} {some(exception[key], 5)}" for key in ("users", "posix_groups") if exception.get(key)]
        beneficiaries = [f"for {' or '.join(who)}"] if who else []
        beneficiaries += [
            f"for {what} {some(exception[what], 5)}" for what in ("versions", "paths") if what in exception
        ]
        beneficiaries += [_at(exception["hours"])] if "hours" in exception else []
        waiver = exception["waiver"]
        words = f"but open {' and '.join(beneficiaries)}: waiver {waiver}{policy.waivers.get(waiver, '')}"
        yield Reason(OF_MODE[entry.get("otherwise", mode)], words, id_, waiver)


def _at(hours: Sequence[Sequence[int]]) -> str:
    return f"at {some(list(map(format_window, hours)), 7)} (the host's time)"


def missing(policy: Policy, control: str, service: Service, nothing: str) -> Reason:
    """Why a service has no entry in a control's part of the plan."""
    if why := explain_exclusion(service, policy.restrictions):
        return Reason(OPEN, f"{service.name} is not restricted here: {why}", service.id)
    if (groups := find_groups(policy.restrictions.groups_restricted, service.id)) and control not in groups:
        who = some(sorted({name for named in groups.values() for name in named}), 5)
        why = f" ({REASONS_AGAINST[control]})" if control in REASONS_AGAINST else ""
        by = f"restricted by {' and '.join(groups)} alone, for the members of {who}"
        return Reason(OPEN, f"{by}: open to everybody here{why}", service.id)
    if control != "apps" and is_separated_by_tenant(service, policy.restrictions):
        own = map(read_tenant, policy.restrictions.tenants[service.tenants])
        tenants = some([name for tenant in own for name in tenant.domains or tenant.names], 3)
        how = "the browsers let in accounts of" if control == "browser" else "left to the browsers, which let in"
        return Reason(TENANTS, f"{how} {tenants} only", service.id)
    section = policy.section(control)
    if section is not None and service.id in section.get("nothing_known", ()):
        return Reason(OPEN, f"{nothing}; {NO_IDENTIFIERS_REASON}, so it is not applicable", service.id)
    return Reason(OPEN, nothing, service.id)


def within(host: str, domain: str) -> str:
    """How a host lies in a domain, in words."""
    return f"{domain} itself" if domain == host else f"below {domain}"
