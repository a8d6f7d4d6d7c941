"""What name resolution does about a name: by a filter, or by the hosts file."""

from __future__ import annotations

from collections.abc import Iterator

from .....host.controls.dns import desired
from .....model.plan import RESTRICTED_MODES
from .....model.types.plan import PlanSection
from ....compile.restrictions import DNS_BACKENDS
from ....report.text.wording import counted, some
from ..relations import ADDRESS, EXTENSION, FILE, PROGRAM, SERVICE, Subject
from .reason import BLOCKED, DEPENDS, OPEN, Policy, Reason, by_mode, missing, off, within

# What proscribe_dns_backend can say. A filter blocks what lies below a domain too; a hosts file has exact names only.
HOSTS_FILE = "hosts"
FILTERS = frozenset(DNS_BACKENDS) - {"auto", HOSTS_FILE}


def reasons(about: Subject, policy: Policy) -> Iterator[Reason]:
    """What the control says."""
    section = policy.section("dns")
    if about.kind in (PROGRAM, FILE, EXTENSION):
        return
    if section is None:
        yield off("dns")
    elif about.kind == ADDRESS:
        yield Reason(OPEN, "an address is not looked up")
    elif about.kind == SERVICE:
        for service in about.services("is"):
            entry = section["services"].get(service.id)
            if entry is None:
                yield missing(policy, "dns", service, "the catalogue has no domain of it")
            else:
                text = f"{counted(len(entry['domains']), 'domain')}: {some(entry['domains'], 3)}"
                yield from by_mode(policy, service.id, entry, text)
    else:
        yield from _resolved(about, policy, section)


def _resolved(about: Subject, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    host, backend = about.question.host, policy.restrictions.dns_backend
    listed = desired.of_plan(section, {}, canaries=False).names  # all that a hosts file can say
    desired_names = desired.of_plan(section, {}, canaries=True)
    nearest = desired.covering(host, desired_names.names | desired_names.through)
    for id_, entry in section["services"].items():
        fits = desired.covering(host, {*entry["domains"], *entry.get("canaries", ())})
        if not fits:
            continue
        where = f"{within(host, fits)}, of {entry['name']}"
        if entry["mode"] not in RESTRICTED_MODES:
            yield from by_mode(policy, id_, entry, where)
        elif nearest not in desired_names.names:
            open_name = nearest or f"{fits}, which a waived service has too,"
            yield Reason(OPEN, f"{open_name} stays open" + (f", though {fits} is blocked" if nearest else ""), id_)
        elif host in listed or backend in FILTERS:
            yield from by_mode(policy, id_, entry, where)
        elif backend == HOSTS_FILE:
            yield Reason(OPEN, f"it is {where}, and the hosts file has exact names only, this one not among them", id_)
        else:
            for reason in by_mode(policy, id_, entry, where):
                text = f"{reason.text}: blocked where the host has a filter, but a hosts file has exact names only"
                yield reason._replace(status=DEPENDS, text=text) if reason.status == BLOCKED else reason
    for service in about.services("blocks"):
        if service.id not in section["services"]:
            yield missing(policy, "dns", service, "not a name that the resolver blocks")
