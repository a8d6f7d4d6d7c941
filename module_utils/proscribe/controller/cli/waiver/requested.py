"""The requests of an inventory's hosts, each with its state: open, drafted, waived, refused, ended.

A host can make up ids, so a request is never known by its id alone: a waiver or a refusal answers it only where host,
user and service are its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....base.duration import parse_moment
from ....model.plan import RESTRICTED_MODES
from ....model.types.plan import Plan
from ...compile.catalogue.loading import Catalogue
from ...compile.inventory.policy_folders import find_approver_folders
from ...compile.plans.departments import list_departments
from ...compile.plans.hosts import CompiledPlans, compile_hosts
from ...compile.plans.identifiers import list_program_identifiers
from ...compile.waivers.authority import ApproverList, read_approver_list
from ...compile.waivers.reading import JudgedWaiver
from ...compile.waivers.refusals import RequestRefusal
from ...compile.waivers.standing import ENDED_STATUSES, format_moment
from ...compile.waivers.waiver import NARROWING_KEYS
from ...policy_errors import close_to
from ...report.storage import requests_file
from ...report.storage.requests_file import StoredRequest
from .. import Refused, inventory

OPEN, DRAFTED, WAIVED, REFUSED, ENDED = "open", "drafted", "waived", "refused", "ended"
ORDER = (OPEN, DRAFTED, WAIVED, REFUSED, ENDED)
BROWSER, FIREWALL, DNS = "browser", "firewall", "dns"


class Opens(NamedTuple):
    """The controls that a waiver would open: for the user alone, and for everybody on the host. `closed` are those that
    stay closed where it is for the user alone.
    """

    who: str
    user: tuple[str, ...]
    host: tuple[str, ...]
    closed: tuple[str, ...] = ()
    web_only: bool = False  # nothing is known of programs of the service, only of pages

    @property
    def useless(self) -> bool:
        """Whether a waiver for the user alone leaves the service out of reach: programs may run and find no name, or
        there are only pages. Programs that know addresses, which the firewall has, need no names.
        """
        names = DNS in self.closed and FIREWALL not in self.user
        return not self.user or names or (self.web_only and BROWSER in self.closed)

    def __str__(self) -> str:
        if not self.host:
            return "Nothing restricts it there, so a waiver would open nothing"
        if self.useless:
            alone = f"One for {self.who} alone would leave it out of reach"
            return f"A waiver would open {' and '.join(self.host)} for everybody on the host. {alone}"
        rest = f"; {' and '.join(self.closed)} would stay closed, being for a whole host" if self.closed else ""
        return f"A waiver would open {' and '.join(self.user)} for {self.who}{rest}"


class Standing(NamedTuple):
    """A request and what was answered."""

    request: StoredRequest
    departments: tuple[str, ...]
    approvers: tuple[str, ...]  # heads of these departments; the first one may approve for all of them, if one may
    state: str
    why: str  # the answer, as a clause; "" for an open request
    waiver: str  # which answers it; "" for none
    opens: Opens
    max_days: int  # that a waiver on its host may run

    @property
    def time(self) -> datetime.datetime:
        return parse_moment(self.request.at)


def found(arguments: argparse.Namespace, now: datetime.datetime) -> list[Standing]:
    """The requests of the hosts that `arguments` choose, those that wait first. Raises Refused, PolicyErrors."""
    question = inventory.question(arguments)
    try:
        stored = requests_file.read_requests(inventory.reports_place(arguments).directory)
    except ValueError as error:
        raise Refused(f"{error}; the next run makes it anew") from None
    chosen = {host.name for host in question.hosts}
    requests = [one for one in stored if one.host in chosen]
    if not requests:
        return []
    having = {one.host for one in requests}
    question = dataclasses.replace(question, hosts=[host for host in question.hosts if host.name in having])
    compiled = compile_hosts(question, now)
    register = read_approver_list(find_approver_folders(question, compiled.restrictions), question.groups)
    refusals = {one.key: one for one in compiled.refusals}
    departments = list_departments(question, compiled.restrictions)
    listed = [_standing(one, compiled, register, departments, refusals) for one in requests]
    return sorted(listed, key=lambda one: (ORDER.index(one.state), one.request.at, one.request.key))


def named(id_: str, listed: Sequence[Standing]) -> Standing:
    """The request of that id. Raises Refused for none, and where several hosts have one."""
    those = [one for one in listed if one.request.id == id_]
    if not those:
        raise Refused(
            f"there is no request {id_!r} in this inventory{close_to(id_, [one.request.id for one in listed])}"
        )
    if len(those) > 1:
        places = ", ".join(sorted(f"{one.request.user} on {one.request.host}" for one in those))
        raise Refused(f"{len(those)} requests have this id ({places}); choose the host with --limit")
    return those[0]


def _standing(
    request: StoredRequest,
    compiled: CompiledPlans,
    register: ApproverList,
    departments: Mapping[str, Sequence[str]],
    refusals: Mapping[tuple[str, str, str], RequestRefusal],
) -> Standing:
    own = tuple(name for name, hosts in departments.items() if request.host in hosts)
    state, why, waiver = _answer(request, compiled.waivers, refusals.get(request.key))
    plan = compiled.plans[compiled.hosts[request.host]]
    days = compiled.restrictions[request.host].waiver_max_days
    opens = _opens(request, plan, compiled.catalogues[request.host])
    return Standing(request, own, _approvers(own, register), state, why, waiver, opens, days)


def _answer(
    request: StoredRequest, waivers: Sequence[JudgedWaiver], refusal: RequestRefusal | None
) -> tuple[str, str, str]:
    """The state, the answer as a clause, and the waiver."""
    those = [judged for judged in waivers if _answers(judged, request)]
    for waiver, worth in those:
        if worth.is_waiving:
            return WAIVED, f"waived by {waiver.id} until {format_moment(waiver.ends)}", waiver.id
    if refusal is not None and refusal.service == request.service:
        return REFUSED, f"refused by {refusal.by} on {refusal.on[:10]}: {refusal.why}", ""
    for waiver, worth in those:
        if worth.status not in ENDED_STATUSES:
            return DRAFTED, f"{waiver.id} is {worth.status.replace('_', ' ')}: {worth.why}", waiver.id
    for waiver, worth in those:
        return ENDED, f"{waiver.id}: {worth.why}", waiver.id
    return OPEN, "", ""


def _answers(judged: JudgedWaiver, request: StoredRequest) -> bool:
    waiver, worth = judged
    return (
        waiver.request == request.id
        and request.host in worth.hosts
        and request.service in waiver.services
        and (request.user in waiver.users or not (waiver.users or waiver.posix_groups))
    )


def _approvers(departments: Sequence[str], register: ApproverList) -> tuple[str, ...]:
    authorities = [register[name] for name in departments if name in register]
    heads = list(dict.fromkeys(authority.head for authority in authorities if authority.head))
    return tuple(sorted(heads, key=lambda head: not all(head in authority for authority in authorities)))


def _opens(request: StoredRequest, plan: Plan, catalogue: Catalogue) -> Opens:
    entries = {name: part["services"].get(request.service) for name, part in plan["controls"].items()}
    modes = {name: entry["mode"] if entry else None for name, entry in entries.items()}
    closing = tuple(name for name, mode in modes.items() if mode in (*RESTRICTED_MODES, "upcoming", "waived"))
    able = NARROWING_KEYS["users"][0]
    return Opens(
        request.user,
        tuple(name for name in closing if name in able),
        closing,
        tuple(name for name in closing if name not in able and modes[name] in ("enforce", "upcoming")),
        not (request.service in catalogue.services and list_program_identifiers(catalogue.services[request.service])),
    )
