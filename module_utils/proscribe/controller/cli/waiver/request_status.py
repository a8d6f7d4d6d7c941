"""Users' requests for exceptions from an inventory's hosts, with their states: open, drafted, waived, refused, ended.

A host can invent ids, so an id alone never identifies a request. A waiver or a refusal answers a request only if host,
user and service match, too.
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
from ...compile.catalogue.catalogue_loader import Catalogue
from ...compile.inventory.policy_folders import find_approver_folders
from ...compile.plans.departments import list_departments
from ...compile.plans.host_plans import CompiledPlans, compile_hosts
from ...compile.plans.identifiers import list_program_identifiers
from ...compile.waivers.approvers import ApproverList, read_approver_list
from ...compile.waivers.judged_waivers import JudgedWaiver
from ...compile.waivers.refusals import RequestRefusal
from ...compile.waivers.waiver import NARROWING_KEYS
from ...compile.waivers.waiver_status import ENDED_STATUSES, format_moment
from ...policy_errors import propose_similar_names
from ...report.storage import requests_file
from ...report.storage.requests_file import StoredRequest
from .. import CommandError, inventory

OPEN, DRAFTED, WAIVED, REFUSED, ENDED = "open", "drafted", "waived", "refused", "ended"
STATE_ORDER = (OPEN, DRAFTED, WAIVED, REFUSED, ENDED)
BROWSER, FIREWALL, DNS = "browser", "firewall", "dns"


class WaiverEffect(NamedTuple):
    """The controls that would stop blocking a service if a waiver granted a user's request.

    `user_controls` would permit the service to the user alone, `host_controls` to everybody on the host. After a waiver
    for the user alone, `closed_controls` still block the service, because they apply to the whole host.
    """

    user_name: str
    user_controls: tuple[str, ...]
    host_controls: tuple[str, ...]
    closed_controls: tuple[str, ...] = ()
    is_web_only: bool = False  # the catalogue has no programs of the service, only pages

    @property
    def is_useless(self) -> bool:
        """Return whether the service would stay unreachable with a waiver for the user alone.

        That happens in three cases. First, no control can make an exception for one user. Second, the DNS filter still
        blocks the service's names, and the firewall knows no addresses that programs could use without names. Third,
        the service has only web pages, and the browser policy still blocks them.
        """
        needs_names = DNS in self.closed_controls and FIREWALL not in self.user_controls
        return not self.user_controls or needs_names or (self.is_web_only and BROWSER in self.closed_controls)

    def __str__(self) -> str:
        """Describe the effect of a waiver for the message about a request, without a period at the end.

        If a waiver for the user alone is useless, the text describes one for everybody on the host.
        """
        if not self.host_controls:
            return "Nothing restricts it there, so a waiver would open nothing"
        if self.is_useless:
            user_note = f"One for {self.user_name} alone would leave it out of reach"
            return f"A waiver would open {' and '.join(self.host_controls)} for everybody on the host. {user_note}"
        closed_note = (
            f"; {' and '.join(self.closed_controls)} would stay closed, being for a whole host"
            if self.closed_controls
            else ""
        )
        return f"A waiver would open {' and '.join(self.user_controls)} for {self.user_name}{closed_note}"


class RequestStatus(NamedTuple):
    """A user's request for an exception, its state, and the waiver or refusal that answers the request."""

    request: StoredRequest
    departments: tuple[str, ...]  # names of the departments that have the host
    approvers: tuple[str, ...]  # heads of these departments; a head who may approve for all of them comes first
    state: str  # one of STATE_ORDER
    answer: str  # a clause about the answer, such as `waived by press01-whatsapp until ...`; "" for an open request
    waiver_id: str  # id of the waiver that answers the request; "" for none
    effect: WaiverEffect
    max_days: int  # maximum duration of a waiver on the host, in days

    @property
    def time(self) -> datetime.datetime:
        return parse_moment(self.request.at)


def list_requests(arguments: argparse.Namespace, now: datetime.datetime) -> list[RequestStatus]:
    """Return users' requests from the hosts that `arguments` choose, with their states, open requests first.

    Raises CommandError, PolicyErrors.
    """
    compile_input = inventory.read_compile_input(arguments)
    try:
        stored = requests_file.read_requests(inventory.locate_reports(arguments).directory)
    except ValueError as error:
        raise CommandError(f"{error}; the next run makes it anew") from None
    host_names = {host.name for host in compile_input.hosts}
    requests = [entry for entry in stored if entry.host in host_names]
    if not requests:
        return []
    requesting_hosts = {entry.host for entry in requests}
    compile_input = dataclasses.replace(
        compile_input, hosts=[host for host in compile_input.hosts if host.name in requesting_hosts]
    )
    compiled = compile_hosts(compile_input, now)
    approver_list = read_approver_list(
        find_approver_folders(compile_input, compiled.restrictions), compile_input.groups
    )
    refusals = {entry.key: entry for entry in compiled.refusals}
    departments = list_departments(compile_input, compiled.restrictions)
    statuses = [_make_status(entry, compiled, approver_list, departments, refusals) for entry in requests]
    return sorted(statuses, key=lambda entry: (STATE_ORDER.index(entry.state), entry.request.at, entry.request.key))


def find_request(request_id: str, statuses: Sequence[RequestStatus]) -> RequestStatus:
    """Return the request with this id. Raises CommandError if there is none, or if several hosts have the id."""
    matching_statuses = [status for status in statuses if status.request.id == request_id]
    if not matching_statuses:
        raise CommandError(
            f"there is no request {request_id!r} in this "
            f"inventory{propose_similar_names(request_id, [status.request.id for status in statuses])}"
        )
    if len(matching_statuses) > 1:
        places = ", ".join(sorted(f"{status.request.user} on {status.request.host}" for status in matching_statuses))
        raise CommandError(f"{len(matching_statuses)} requests have this id ({places}); choose the host with --limit")
    return matching_statuses[0]


def _make_status(
    request: StoredRequest,
    compiled: CompiledPlans,
    approver_list: ApproverList,
    departments: Mapping[str, Sequence[str]],
    refusals: Mapping[tuple[str, str, str], RequestRefusal],
) -> RequestStatus:
    """Return a request with its state and answer, its approvers, and the effect of a waiver for it.

    `departments` has the hosts by department. `refusals` has the refusals by the key of the request: host, user and id.
    """
    department_names = tuple(name for name, hosts in departments.items() if request.host in hosts)
    state, answer, waiver_id = _find_answer(request, compiled.waivers, refusals.get(request.key))
    plan = compiled.plans[compiled.hosts[request.host]]
    max_days = compiled.restrictions[request.host].waiver_max_days
    effect = _compute_effect(request, plan, compiled.catalogues[request.host])
    return RequestStatus(
        request,
        department_names,
        _list_approvers(department_names, approver_list),
        state,
        answer,
        waiver_id,
        effect,
        max_days,
    )


def _find_answer(
    request: StoredRequest, waivers: Sequence[JudgedWaiver], refusal: RequestRefusal | None
) -> tuple[str, str, str]:
    """Return the state of a request, a clause about its answer, and the id of the answering waiver ("" for none).

    A waiver in effect counts first, then a refusal, then a drafted waiver, then an ended waiver.
    """
    answering_waivers = [judged_waiver for judged_waiver in waivers if _is_answer(judged_waiver, request)]
    for waiver, judgement in answering_waivers:
        if judgement.is_waiving:
            return WAIVED, f"waived by {waiver.id} until {format_moment(waiver.ends)}", waiver.id
    if refusal is not None and refusal.service == request.service:
        return REFUSED, f"refused by {refusal.by} on {refusal.on[:10]}: {refusal.why}", ""
    for waiver, judgement in answering_waivers:
        if judgement.status not in ENDED_STATUSES:
            return DRAFTED, f"{waiver.id} is {judgement.status.replace('_', ' ')}: {judgement.why}", waiver.id
    for waiver, judgement in answering_waivers:
        return ENDED, f"{waiver.id}: {judgement.why}", waiver.id
    return OPEN, "", ""


def _is_answer(judged_waiver: JudgedWaiver, request: StoredRequest) -> bool:
    """Return whether a waiver was drafted for this request, and would permit what the request asks for.

    A waiver without users and groups is for everybody on its hosts.
    """
    waiver, judgement = judged_waiver
    return (
        waiver.request == request.id
        and request.host in judgement.hosts
        and request.service in waiver.services
        and (request.user in waiver.users or not (waiver.users or waiver.posix_groups))
    )


def _list_approvers(departments: Sequence[str], approver_list: ApproverList) -> tuple[str, ...]:
    """Return the heads of some departments, each once.

    A head who may approve for all of them comes first, because a waiver's draft names the first one.
    """
    authorities = [approver_list[name] for name in departments if name in approver_list]
    heads = list(dict.fromkeys(authority.head for authority in authorities if authority.head))
    return tuple(sorted(heads, key=lambda head: not all(head in authority for authority in authorities)))


def _compute_effect(request: StoredRequest, plan: Plan, catalogue: Catalogue) -> WaiverEffect:
    """Return the effect that a waiver for a request would have on the controls of the host's plan.

    An upcoming restriction and an earlier waiver count as blocking: the waiver would open them, too.
    """
    entries = {name: section["services"].get(request.service) for name, section in plan["controls"].items()}
    modes = {name: entry["mode"] if entry else None for name, entry in entries.items()}
    closing_controls = tuple(name for name, mode in modes.items() if mode in (*RESTRICTED_MODES, "upcoming", "waived"))
    # The controls that can make an exception for some users of a host.
    controls_by_user = NARROWING_KEYS["users"][0]
    return WaiverEffect(
        request.user,
        tuple(name for name in closing_controls if name in controls_by_user),
        closing_controls,
        tuple(
            name for name in closing_controls if name not in controls_by_user and modes[name] in ("enforce", "upcoming")
        ),
        not (request.service in catalogue.services and list_program_identifiers(catalogue.services[request.service])),
    )
