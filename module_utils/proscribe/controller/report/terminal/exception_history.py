"""The exceptions of a period for auditors, each with its history: requested, approved, opened, used, ended.

The data is that of the runs (history/waiver_history.py). A waiver that no run has had is missing, and a fact that no
run observed is empty.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ....base.duration import format_moment
from ....model.types.run import RunWaiver
from ..evaluation.watch_remark_groups import ENDED
from ..exports.csv import LINE_END, format_row
from ..history import History, incident_entries, waiver_history
from ..history.waiver_history import REMOVED_STATUS, WaiverPeriod, WaiverUse
from ..text.terminal_layout import MIN_COLUMNS, apply_styles, wrap_text
from ..text.wording import clean_text, find_waiver_end, format_count, format_key, format_readable_time, summarise_names
from .summary import TerminalScreen

EXCEPTIONS_SCHEMA = "proscribe/exceptions/1"
ACTIVE_STATUS, EXPIRED_STATUS, REVOKED_STATUS = "active", "expired", "revoked"
MAX_NAMED_ENTRIES = 8
# keys of a waiver that limit it to some users, times, versions or paths
LIMITATION_KEYS = ("users", "posix_groups", "hours", "versions", "paths")
CSV_COLUMNS = (
    "waiver", "inventory", "status", "services", "controls", "hosts", *LIMITATION_KEYS, "reason", "risk", "ticket",
    "requested_by", "requested_on", "request", "request_host", "request_user", "request_reason", "request_at",
    "approved_by", "approved_on", "signed_with", "valid_from", "first_observed", "used_on", "used_first", "used_last",
    "found", "attempts_refused", "starts_ended", "expires", "ended_on", "ended_how",
)  # fmt: skip


class WaiverRequester(NamedTuple):
    """The request of an exception.

    `by`, `on` and `request`, the id of the user's request, come from the waiver. The other fields come from the stored
    request; "" if no run has seen it.
    """

    by: str
    on: str
    request: str
    host: str
    user: str
    reason: str
    at: str


class WaiverApproval(NamedTuple):
    """The approval of an exception."""

    by: str
    on: str
    signed_with: str


class WaiverOpening(NamedTuple):
    """The begin of the waiver's validity, and the end of the first run in which the waiver was in effect."""

    begin: str
    observed: str


class WaiverUsage(NamedTuple):
    """The findings that the waiver permitted, as runs observed them."""

    hosts: list[str]
    first: str  # first time (UTC) of a finding; "" without findings
    last: str
    found: list[str]  # the findings in words
    attempts_refused: int  # attempts to use the services that hosts refused nevertheless
    starts_ended: int  # program starts that hosts ended nevertheless


class WaiverEnd(NamedTuple):
    """The time at which the waiver ended, and how; both are "" before the end."""

    on: str
    how: str


class ExceptionChain(NamedTuple):
    """The history of an exception, from its request to its end."""

    waiver: str
    inventory: str
    status: str
    services: list[str]
    controls: list[str]
    limitations: dict[str, list[str]]  # key of LIMITATION_KEYS -> values
    hosts: list[str]
    reason: str
    risk: str
    ticket: str
    requested: WaiverRequester
    approved: WaiverApproval
    opened: WaiverOpening
    used: WaiverUsage
    expires: str
    ended: WaiverEnd
    changes: list[tuple[str, str]]  # (UTC time, new status) of each change of the waiver's status or terms

    def make_document(self) -> dict[str, object]:
        """Return the exception as a JSON object."""
        return {
            "waiver": self.waiver,
            "inventory": self.inventory,
            "status": self.status,
            "services": self.services,
            "controls": self.controls,
            **self.limitations,
            "hosts": self.hosts,
            "reason": self.reason,
            "risk": self.risk,
            "ticket": self.ticket,
            "requested": self.requested._asdict(),
            "approved": self.approved._asdict(),
            "opened": {"from": self.opened.begin, "observed": self.opened.observed},
            "used": self.used._asdict(),
            "expires": self.expires,
            "ended": self.ended._asdict(),
            "changes": [{"at": changed_at, "status": status} for changed_at, status in self.changes],
        }


class ExceptionHistory(NamedTuple):
    """The exceptions that runs had in a period, and the users' requests that no waiver names."""

    now: str
    since: str  # begin (UTC) of the period; "" for the whole history
    exceptions: list[ExceptionChain]
    requests: list[dict[str, str]]

    def make_document(self) -> dict[str, object]:
        """Return the exceptions and the open requests as a JSON object."""
        return {
            "schema": EXCEPTIONS_SCHEMA,
            **self._asdict(),
            "exceptions": [chain.make_document() for chain in self.exceptions],
        }


def gather_exceptions(history: History, since: str, now: datetime.datetime) -> ExceptionHistory:
    """Read from the history the exceptions that runs had since a UTC time. Raises HistoryError."""
    with history.database.open_for_reading() as session:
        # (inventory, waiver id) -> periods, uses and terms of the waiver
        periods_by_waiver: dict[tuple[str, str], list[WaiverPeriod]] = {}
        for period in waiver_history.list_waiver_periods(session, since):
            periods_by_waiver.setdefault((period.inventory, period.id), []).append(period)
        uses_by_waiver: dict[tuple[str, str], list[WaiverUse]] = {}
        for use in waiver_history.list_waiver_uses(session, since):
            uses_by_waiver.setdefault((use.inventory, use.waiver), []).append(use)
        # The stored facts lack waiver_history.VOLATILE_KEYS, such as the hosts and the status.
        waivers: dict[tuple[str, str], RunWaiver] = {
            key: json.loads(periods[-1].facts) for key, periods in periods_by_waiver.items()
        }
        request_ids = [request for waiver in waivers.values() if (request := waiver.get("request"))]
        requests = waiver_history.find_requests(session, request_ids)
        ended_starts = [
            entry for entry in incident_entries.list_entries(session, since, limit=100_000) if entry.kind == ENDED
        ]
        chains = [
            _make_chain(periods, waivers[key], uses_by_waiver.get(key, ()), requests, ended_starts, format_moment(now))
            for key, periods in periods_by_waiver.items()
        ]
        return ExceptionHistory(
            format_moment(now), since, chains, waiver_history.list_unanswered_requests(session, since, request_ids)
        )


def _make_chain(
    periods: Sequence[WaiverPeriod],
    waiver: RunWaiver,
    uses: Sequence[WaiverUse],
    requests: Mapping[str, Mapping[str, str]],
    ended_starts: Iterable[incident_entries.BetweenEntry],
    now: str,
) -> ExceptionChain:
    """Make the history of an exception from the periods of its waiver, oldest first.

    Within a period, the terms and the status of the waiver stay the same. `waiver` has the terms of the last period.
    `requests` has the users' requests by id. `ended_starts` are programs that hosts ended. Only programs of the
    waiver's services on its hosts count, and only during its validity.
    """
    last_period = periods[-1]
    status, ended_on = _find_end(last_period, waiver, now)
    first_opened = min((period.opened for period in periods if period.status == ACTIVE_STATUS), default="")
    valid_from, hosts, services = (
        waiver.get("valid_from") or "",
        json.loads(last_period.hosts),
        waiver.get("services") or [],
    )
    covered_starts = [
        entry
        for entry in ended_starts
        if entry.host in hosts and entry.rule.partition("/")[2] in services
        if (valid_from or first_opened) <= entry.last and entry.first <= (ended_on or now)
    ]
    request_id = waiver.get("request") or ""
    request_facts = requests.get(request_id, {})
    return ExceptionChain(
        waiver=last_period.id,
        inventory=last_period.inventory,
        status=status,
        services=services,
        controls=waiver.get("controls") or [],
        limitations=_list_limitations(waiver),
        hosts=hosts,
        reason=waiver.get("reason") or "",
        risk=waiver.get("risk") or "",
        ticket=waiver.get("ticket") or "",
        requested=WaiverRequester(
            waiver.get("requested_by") or "",
            waiver.get("requested_on") or "",
            request_id,
            *(request_facts.get(key, "") for key in ("host", "user", "reason", "at")),
        ),
        approved=WaiverApproval(
            waiver.get("approved_by") or "", waiver.get("approved_on") or "", waiver.get("signed_with") or ""
        ),
        opened=WaiverOpening(valid_from, first_opened),
        used=_summarise_usage(uses, sum(entry.times for entry in covered_starts)),
        expires=waiver.get("expires") or "",
        ended=WaiverEnd(ended_on, status if ended_on else ""),
        changes=[(period.opened, period.status) for period in periods],
    )


def _list_limitations(waiver: RunWaiver) -> dict[str, list[str]]:
    """Return the values of a waiver's keys in LIMITATION_KEYS; [] for a key that does not limit the waiver."""
    return {
        "users": waiver.get("users") or [],
        "posix_groups": waiver.get("posix_groups") or [],
        "hours": waiver.get("hours") or [],
        "versions": waiver.get("versions") or [],
        "paths": waiver.get("paths") or [],
    }


def _summarise_usage(uses: Sequence[WaiverUse], starts_ended: int) -> WaiverUsage:
    """Summarise the findings that a waiver permitted.

    `starts_ended` is the number of ended programs. Several findings of a rule on a host share the count of refused
    attempts, so the count is added once.
    """
    attempts: dict[tuple[str, str], int] = {}
    for use in uses:
        attempts[use.host, use.rule] = max(use.attempts, attempts.get((use.host, use.rule), 0))
    return WaiverUsage(
        hosts=sorted({use.host for use in uses}),
        first=min((use.first for use in uses), default=""),
        last=max((use.last for use in uses), default=""),
        found=list(dict.fromkeys(use.what for use in uses)),
        attempts_refused=sum(attempts.values()),
        starts_ended=starts_ended,
    )


def _find_end(last_period: WaiverPeriod, waiver: RunWaiver, now: str) -> tuple[str, str]:
    """Return the present status of a waiver, and when it ended ("" before its end).

    A waiver may have ended after the last run, so its dates count too. A deleted waiver has ended with the run that
    noticed the deletion, unless its own end was earlier.
    """
    revoked = waiver.get("revoked")
    end_time = find_waiver_end(waiver.get("expires") or "9999", revoked)  # "9999" is later than every time
    if last_period.status == REMOVED_STATUS and last_period.opened < end_time:
        return REMOVED_STATUS, last_period.opened
    if end_time <= now:
        return REVOKED_STATUS if revoked and end_time == revoked.get("on") else EXPIRED_STATUS, end_time
    return last_period.status, ""


def format_exceptions_csv(exception_history: ExceptionHistory) -> str:
    """Format the exceptions as CSV: a line of headers, and a row for each exception."""
    stream = io.StringIO(newline="")
    stream.write(format_row(*CSV_COLUMNS) + LINE_END)
    for chain in exception_history.exceptions:
        list_texts = map(
            ", ".join,
            (chain.services, chain.controls, chain.hosts, *(chain.limitations[key] for key in LIMITATION_KEYS)),
        )
        hosts, first_use, last_use, findings, *refused_counts = chain.used
        # all cells in the order of CSV_COLUMNS
        cells = (
            *chain[:3],
            *list_texts,
            chain.reason,
            chain.risk,
            chain.ticket,
            *chain.requested,
            *chain.approved,
            *chain.opened,
        )
        usage_cells = (", ".join(hosts), first_use, last_use, "; ".join(findings), *refused_counts)
        stream.write(format_row(*cells, *usage_cells, chain.expires, *chain.ended) + LINE_END)
    return stream.getvalue()


def render_exceptions(exception_history: ExceptionHistory, screen: TerminalScreen) -> str:
    """Render all exceptions and the open requests as text, which an auditor may print."""
    width = max(screen.width, MIN_COLUMNS)
    chains, waiting_requests = exception_history.exceptions, exception_history.requests
    period = (
        f"since {format_readable_time(exception_history.since)}"
        if exception_history.since
        else "since the history began"
    )
    headline = (
        f"{format_count(len(chains), 'exception')} {period}, {format_count(len(waiting_requests), 'request')} "
        f"without one"
    )
    lines = ["", *(apply_styles(line, "bold", colours=screen.colours) for line in wrap_text(headline, width))]
    for chain in chains:
        title = f"{clean_text(chain.waiver)}  {format_key(chain.status)}"
        lines += ["", apply_styles(title, "bold", colours=screen.colours)]
        for name, text in _describe_chain(chain):
            first_line, *other_lines = wrap_text(text, width - 14)
            lines += [f"  {name:<10}  {first_line}", *(f"{'':14}{line}" for line in other_lines)]
    if waiting_requests:
        lines += ["", apply_styles("requests without an exception", "bold", colours=screen.colours)]
    for request in waiting_requests:
        text = (
            f"{request['id']}, {format_readable_time(request['at'])}, {clean_text(request['user'])} on "
            f"{clean_text(request['host'])}: "
        )
        lines += wrap_text(f"{text}{clean_text(request['service'])}; {clean_text(request['reason'])}", width)
    return "\n".join(lines)


def _describe_chain(chain: ExceptionChain) -> Iterable[tuple[str, str]]:
    """Yield the parts of an exception's history as pairs (name, text), from request to end."""
    requested, approved, opened, ended = chain.requested, chain.approved, chain.opened, chain.ended
    limitation_texts = [
        f"{format_key(key)} {summarise_names(names, MAX_NAMED_ENTRIES)}"
        for key, names in chain.limitations.items()
        if names
    ]
    limitations_text = f", only {', '.join(limitation_texts)}" if limitation_texts else ""
    hosts_text = summarise_names(chain.hosts, MAX_NAMED_ENTRIES) or "no host of the last run"
    yield (
        "for",
        f"{summarise_names(chain.services, MAX_NAMED_ENTRIES)} ({', '.join(chain.controls)}) on "
        f"{hosts_text}{limitations_text}: {clean_text(chain.reason)}",
    )
    requester_text = clean_text(requested.by or "not recorded") + (
        f" on {format_readable_time(requested.on)}" if requested.on else ""
    )
    if requested.at:
        requester_text += (
            f"; request {requested.request} of {clean_text(requested.user)} on {clean_text(requested.host)}, "
        )
        requester_text += f"{format_readable_time(requested.at)}: {clean_text(requested.reason)}"
    elif requested.request:
        requester_text += f"; request {clean_text(requested.request)}, which no run has seen"
    yield "requested", requester_text
    signature_text = f", signed with {clean_text(approved.signed_with)}" if approved.signed_with else ""
    approval_time = f" on {format_readable_time(approved.on)}" if approved.on else ""
    yield "approved", f"{clean_text(approved.by or 'not recorded')}{approval_time}{signature_text}"
    observed_text = (
        f"; in effect in the run of {format_readable_time(opened.observed)}"
        if opened.observed
        else "; in effect in no run"
    )
    yield "opened", f"{format_readable_time(opened.begin) or 'not recorded'}{observed_text}"
    yield "used", _describe_usage(chain.used)
    expiry_text = f"not yet; expires {format_readable_time(chain.expires)}" if chain.expires else "not yet"
    yield "ended", f"{format_readable_time(ended.on)} ({format_key(ended.how)})" if ended.on else expiry_text


def _describe_usage(usage: WaiverUsage) -> str:
    """Describe which findings the waiver permitted, and what hosts refused or ended nevertheless."""
    refused_texts = [f"{format_count(usage.attempts_refused, 'attempt')} refused"] * bool(usage.attempts_refused)
    refused_texts += [f"{format_count(usage.starts_ended, 'start')} ended"] * bool(usage.starts_ended)
    if not usage.hosts:
        return "; ".join(["no run has found anything that it covers", *refused_texts])
    period = (
        f"{format_readable_time(usage.first)} to {format_readable_time(usage.last)} on "
        f"{summarise_names(usage.hosts, MAX_NAMED_ENTRIES)}"
    )
    return "; ".join([f"{period}: {summarise_names(usage.found, MAX_NAMED_ENTRIES)}", *refused_texts])
