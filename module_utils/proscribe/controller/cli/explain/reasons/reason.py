"""Possible answers of a control, and the reasons that all controls express alike. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .....model.finding import NO_IDENTIFIERS_REASON, SERVES_BOTH_REASON
from .....model.tenants import read_tenant
from .....model.types.plan import Plan, PlanEntry, PlanSection
from ....compile.catalogue.catalogue_loader import Service
from ....compile.plans.difference import format_window
from ....compile.plans.service_selection import explain_exclusion, is_separated_by_tenant
from ....compile.restrictions import Restrictions
from ....compile.restrictions.group_restrictions import REASONS_AGAINST, find_groups
from ....report.text.wording import summarise_names
from ..collected_facts import NO_FACTS, HostFacts

# Answers of a control, most restrictive first. For a control and for a host, the first applicable answer counts.
BLOCKED = "blocked"  # blocked, and blocked again after a change
DEPENDS = "depends"  # depends on a fact that only the host knows; the reason names the fact
AUDITED = "audited"  # counts against the host, nothing is changed
WAIVED = "waived"
TENANTS = "tenants"  # open for accounts of the organisation's own tenants
UPCOMING = "upcoming"
REPORTED = "reported"  # reported when observed, without effect on the state
OPEN = "open"
OFF = "off"  # the control is not checked
STATUSES = (BLOCKED, DEPENDS, AUDITED, WAIVED, TENANTS, UPCOMING, REPORTED, OPEN, OFF)

BENEFICIARY_TEXTS = {"users": "users", "posix_groups": "members of"}
STATUS_BY_MODE = {"enforce": BLOCKED, "audit": AUDITED, "waived": WAIVED, "upcoming": UPCOMING, "report": REPORTED}


class Reason(NamedTuple):
    """A reason, and the answer (`status`) that it supports. `service` and `waiver` are ids, or "" for none."""

    status: str
    text: str
    service: str = ""
    waiver: str = ""


class ControlAnswer(NamedTuple):
    """The answer of a control with its reasons."""

    status: str
    reasons: tuple[Reason, ...]


class EffectivePolicy(NamedTuple):
    """The policy in effect on a host, with the facts about the host."""

    plan: Plan
    restrictions: Restrictions
    waivers: Mapping[str, str]  # by waiver id: text with the approver and the end
    facts: HostFacts = NO_FACTS

    def find_section(self, control: str) -> PlanSection | None:
        """Return a control's section of the plan; None if the control is off."""
        return self.plan["controls"].get(control)


def make_off_reason(control: str) -> Reason:
    """Return the reason of a control that is off."""
    return Reason(OFF, f"proscribe_controls leaves {control} off here")


def explain_entry(policy: EffectivePolicy, service_id: str, entry: PlanEntry, text: str) -> Iterator[Reason]:
    """Yield the reason for a service's entry in the plan, then a reason for each of its partial exceptions.

    A partial exception is a waiver for some users, groups, versions, paths or hours only. `text` names the identifier
    that matches the question. If a waiver opens the whole service, the waiver's text replaces it.
    """
    mode = entry["mode"]
    if mode == "waived":
        text = f"waiver {entry['waiver']}{policy.waivers.get(entry['waiver'], '')}"
        if "hours" in entry:
            exception_text = f"open {_format_hours(entry['hours'])}: {text}; {entry['otherwise']} at other times"
            yield Reason(DEPENDS, exception_text, service_id, entry["waiver"])
    elif mode == "upcoming":
        text += f", in force from {entry['effective_from']}"
    elif mode == "report":
        text += f"; {SERVES_BOTH_REASON}" if entry.get("serves_both") else "; the catalogue only reports it"
    status = STATUS_BY_MODE[mode]
    # The service is restricted for the members of these groups only, so the user decides.
    if "only" in entry and mode != "waived":
        text += (
            f", for the members of {summarise_names(entry['only']['posix_groups'], 5)} only, and open to everybody else"
        )
        status = DEPENDS if status == BLOCKED else status
    if "hours" not in entry:  # a waiver for some hours already has its reason
        yield Reason(status, text, service_id, entry.get("waiver", ""))
    for exception in entry.get("exceptions", ()):
        user_texts = [
            f"{BENEFICIARY_TEXTS[key]} {summarise_names(exception[key], 5)}"
            for key in ("users", "posix_groups")
            if exception.get(key)
        ]
        beneficiaries = [f"for {' or '.join(user_texts)}"] if user_texts else []
        beneficiaries += [
            f"for {key} {summarise_names(exception[key], 5)}" for key in ("versions", "paths") if key in exception
        ]
        beneficiaries += [_format_hours(exception["hours"])] if "hours" in exception else []
        waiver = exception["waiver"]
        exception_text = f"but open {' and '.join(beneficiaries)}: waiver {waiver}{policy.waivers.get(waiver, '')}"
        yield Reason(STATUS_BY_MODE[entry.get("otherwise", mode)], exception_text, service_id, waiver)


def _format_hours(hours: Sequence[Sequence[int]]) -> str:
    return f"at {summarise_names(list(map(format_window, hours)), 7)} (the host's time)"


def explain_missing_entry(policy: EffectivePolicy, control: str, service: Service, fallback: str) -> Reason:
    """Return the reason why a service has no entry in a control's section of the plan.

    `fallback` is the reason if no restriction explains it, such as a catalogue without names for this control.
    """
    if reason := explain_exclusion(service, policy.restrictions):
        return Reason(OPEN, f"{service.name} is not restricted here: {reason}", service.id)
    if (
        groups_by_control := find_groups(policy.restrictions.groups_restricted, service.id)
    ) and control not in groups_by_control:
        member_text = summarise_names(
            sorted({name for group_names in groups_by_control.values() for name in group_names}), 5
        )
        reason = f" ({REASONS_AGAINST[control]})" if control in REASONS_AGAINST else ""
        restriction_text = f"restricted by {' and '.join(groups_by_control)} alone, for the members of {member_text}"
        return Reason(OPEN, f"{restriction_text}: open to everybody here{reason}", service.id)
    if control != "apps" and is_separated_by_tenant(service, policy.restrictions):
        own_tenants = map(read_tenant, policy.restrictions.tenants[service.tenants])
        tenants = summarise_names([name for tenant in own_tenants for name in tenant.domains or (tenant.id,)], 3)
        access_text = (
            "the browsers let in accounts of" if control == "browser" else "left to the browsers, which let in"
        )
        return Reason(TENANTS, f"{access_text} {tenants} only", service.id)
    section = policy.find_section(control)
    if section is not None and service.id in section.get("nothing_known", ()):
        return Reason(OPEN, f"{fallback}; {NO_IDENTIFIERS_REASON}, so it is not applicable", service.id)
    return Reason(OPEN, fallback, service.id)


def describe_position(host: str, domain: str) -> str:
    """Return the position of a host name in a domain as text: `whatsapp.com itself` or `below whatsapp.com`."""
    return f"{domain} itself" if domain == host else f"below {domain}"
