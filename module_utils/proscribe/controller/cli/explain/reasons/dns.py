"""Reasons of the control `dns` for a name: a DNS filter or the hosts file of the host blocks the name."""

from __future__ import annotations

from collections.abc import Iterator

from .....host.controls.dns import names_to_block
from .....model.plan import RESTRICTED_MODES
from .....model.types.plan import PlanSection
from ....compile.restrictions import DNS_BACKENDS
from ....report.text.wording import format_count, summarise_names
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from .reason import (
    BLOCKED,
    DEPENDS,
    OPEN,
    EffectivePolicy,
    Reason,
    describe_position,
    explain_entry,
    explain_missing_entry,
    make_off_reason,
)

# Values of proscribe_dns_backend. A filter also blocks names below a domain; a hosts file has exact names only.
HOSTS_FILE_BACKEND = "hosts"
FILTER_BACKENDS = frozenset(DNS_BACKENDS) - {"auto", HOSTS_FILE_BACKEND}

DECIDED_KINDS = (SERVICE, NAME)


def find_reasons(subject: Subject, policy: EffectivePolicy) -> Iterator[Reason]:
    """Yield the reasons of the control `dns` for the subject of a question; none for a program, file or extension."""
    section = policy.find_section("dns")
    if subject.kind in (PROGRAM, FILE, EXTENSION):
        return
    if section is None:
        yield make_off_reason("dns")
    elif subject.kind == ADDRESS:
        yield Reason(OPEN, "an address is not looked up")
    elif subject.kind == SERVICE:
        for service in subject.list_services("is"):
            entry = section["services"].get(service.id)
            if entry is None:
                yield explain_missing_entry(policy, "dns", service, "the catalogue has no domain of it")
            else:
                text = f"{format_count(len(entry['domains']), 'domain')}: {summarise_names(entry['domains'], 3)}"
                yield from explain_entry(policy, service.id, entry, text)
    else:
        yield from _explain_name(subject, policy, section)


def _explain_name(subject: Subject, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons of the control `dns` for a host name, by the DNS backend of the host.

    A filter blocks a domain with all names below it. A hosts file blocks its exact names only. If the backend is
    unknown, a name that only a filter would block is DEPENDS.
    """
    host, backend = subject.question.host, policy.restrictions.dns_backend
    # Names for a hosts file. It leaves out canaries, which need the answer NXDOMAIN: a hosts file cannot give it.
    exact_names = names_to_block.collect_section_names(section, {}, canaries=False).blocked_names
    desired_names = names_to_block.collect_section_names(section, {}, canaries=True)
    nearest = names_to_block.find_covering_name(host, desired_names.blocked_names | desired_names.open_names)
    for service_id, entry in section["services"].items():
        matching_domain = names_to_block.find_covering_name(host, {*entry["domains"], *entry.get("canaries", ())})
        if not matching_domain:
            continue
        position = f"{describe_position(host, matching_domain)}, of {entry['name']}"
        if entry["mode"] not in RESTRICTED_MODES:
            yield from explain_entry(policy, service_id, entry, position)
        elif nearest not in desired_names.blocked_names:
            open_name = nearest or f"{matching_domain}, which a waived service has too,"
            yield Reason(
                OPEN,
                f"{open_name} stays open" + (f", though {matching_domain} is blocked" if nearest else ""),
                service_id,
            )
        elif host in exact_names or backend in FILTER_BACKENDS:
            yield from explain_entry(policy, service_id, entry, position)
        elif backend == HOSTS_FILE_BACKEND:
            yield Reason(
                OPEN, f"it is {position}, and the hosts file has exact names only, this one not among them", service_id
            )
        else:
            for reason in explain_entry(policy, service_id, entry, position):
                text = f"{reason.text}: blocked where the host has a filter, but a hosts file has exact names only"
                yield reason._replace(status=DEPENDS, text=text) if reason.status == BLOCKED else reason
    for service in subject.list_services("blocks"):
        if service.id not in section["services"]:
            yield explain_missing_entry(policy, "dns", service, "not a name that the resolver blocks")
