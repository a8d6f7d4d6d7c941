"""All exceptions of a period, each with its chain, for auditors: requested, approved, opened, used, ended.

From what runs have stored of the waivers (history/exceptions.py): a waiver that no run has had yet is not here, and
what nobody observed is empty.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ....base.duration import format_moment
from ....model.types.run import RunWaiver
from ..evaluation.since_last_run import ENDED
from ..exports.csv import END, row
from ..history import History, exceptions, since_last_run
from ..history.exceptions import REMOVED_STATUS, WaiverPeriod, WaiverUse
from ..text.layout import NARROWEST, paint, wrap
from ..text.wording import clean, counted, end_of, in_words, moment, some
from .summary import Screen

SCHEMA = "proscribe/exceptions/1"
ACTIVE, EXPIRED, REVOKED = "active", "expired", "revoked"
FEW = 8
ONLY = ("users", "posix_groups", "hours", "versions", "paths")  # what a waiver may be limited to
COLUMNS = (
    "waiver", "inventory", "status", "services", "controls", "hosts", *ONLY, "reason", "risk", "ticket",
    "requested_by", "requested_on", "request", "request_host", "request_user", "request_reason", "request_at",
    "approved_by", "approved_on", "signed_with", "valid_from", "first_observed", "used_on", "used_first", "used_last",
    "found", "attempts_refused", "starts_ended", "expires", "ended_on", "ended_how",
)  # fmt: skip


class Requested(NamedTuple):
    """Who requested an exception: by what the waiver says, and by the request that it names."""

    by: str
    on: str
    request: str
    host: str
    user: str
    reason: str
    at: str


class Approved(NamedTuple):
    """Who approved it."""

    by: str
    on: str
    signed_with: str


class Opened(NamedTuple):
    """From when it is valid, and the first run in which it was in effect."""

    begin: str
    observed: str


class Used(NamedTuple):
    """What runs have found under it."""

    hosts: list[str]
    first: str
    last: str
    found: list[str]
    attempts_refused: int
    starts_ended: int


class Ended(NamedTuple):
    """When and how it ended; "" while it has not."""

    on: str
    how: str


class Chain(NamedTuple):
    """An exception, from its request to its end."""

    waiver: str
    inventory: str
    status: str
    services: list[str]
    controls: list[str]
    only: dict[str, list[str]]  # by the names of ONLY
    hosts: list[str]
    reason: str
    risk: str
    ticket: str
    requested: Requested
    approved: Approved
    opened: Opened
    used: Used
    expires: str
    ended: Ended
    changes: list[tuple[str, str]]  # when it came to have which status

    def as_dict(self) -> dict[str, object]:
        """It for machines."""
        return {
            "waiver": self.waiver,
            "inventory": self.inventory,
            "status": self.status,
            "services": self.services,
            "controls": self.controls,
            **self.only,
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
            "changes": [{"at": at, "status": status} for at, status in self.changes],
        }


class Exceptions(NamedTuple):
    """All exceptions of a period, by inventory and name, and the requests that no waiver names."""

    now: str
    since: str
    exceptions: list[Chain]
    requests: list[dict[str, str]]

    def as_dict(self) -> dict[str, object]:
        """The answer for machines."""
        return {"schema": SCHEMA, **self._asdict(), "exceptions": [one.as_dict() for one in self.exceptions]}


def gather(history: History, since: str, now: datetime.datetime) -> Exceptions:
    """The exceptions that some run had since then. Raises HistoryError."""
    with history.database.open_for_reading() as session:
        by_waiver: dict[tuple[str, str], list[WaiverPeriod]] = {}
        for stretch in exceptions.list_waiver_periods(session, since):
            by_waiver.setdefault((stretch.inventory, stretch.id), []).append(stretch)
        uses: dict[tuple[str, str], list[WaiverUse]] = {}
        for use in exceptions.list_waiver_uses(session, since):
            uses.setdefault((use.inventory, use.waiver), []).append(use)
        # Without the keys of exceptions.PASSING.
        terms: dict[tuple[str, str], RunWaiver] = {
            key: json.loads(stretches[-1].facts) for key, stretches in by_waiver.items()
        }
        ids = [request for waiver in terms.values() if (request := waiver.get("request"))]
        requests = exceptions.find_requests(session, ids)
        ended = [one for one in since_last_run.list_entries(session, since, limit=100_000) if one.kind == ENDED]
        chains = [
            _chain(stretches, terms[key], uses.get(key, ()), requests, ended, format_moment(now))
            for key, stretches in by_waiver.items()
        ]
        return Exceptions(format_moment(now), since, chains, exceptions.list_unanswered_requests(session, since, ids))


def _chain(
    stretches: Sequence[WaiverPeriod],
    waiver: RunWaiver,
    uses: Sequence[WaiverUse],
    requests: Mapping[str, Mapping[str, str]],
    ended: Iterable[since_last_run.BetweenEntry],
    now: str,
) -> Chain:
    last = stretches[-1]
    status, ended_on = _end(last, waiver, now)
    first = min((one.opened for one in stretches if one.status == ACTIVE), default="")
    valid_from, hosts, services = waiver.get("valid_from") or "", json.loads(last.hosts), waiver.get("services") or []
    starts = [
        one
        for one in ended
        if one.host in hosts and one.rule.partition("/")[2] in services
        if (valid_from or first) <= one.last and one.first <= (ended_on or now)
    ]
    request = waiver.get("request") or ""
    said = requests.get(request, {})
    return Chain(
        waiver=last.id,
        inventory=last.inventory,
        status=status,
        services=services,
        controls=waiver.get("controls") or [],
        only=_only(waiver),
        hosts=hosts,
        reason=waiver.get("reason") or "",
        risk=waiver.get("risk") or "",
        ticket=waiver.get("ticket") or "",
        requested=Requested(
            waiver.get("requested_by") or "",
            waiver.get("requested_on") or "",
            request,
            *(said.get(key, "") for key in ("host", "user", "reason", "at")),
        ),
        approved=Approved(
            waiver.get("approved_by") or "", waiver.get("approved_on") or "", waiver.get("signed_with") or ""
        ),
        opened=Opened(valid_from, first),
        used=_used(uses, sum(one.times for one in starts)),
        expires=waiver.get("expires") or "",
        ended=Ended(ended_on, status if ended_on else ""),
        changes=[(one.opened, one.status) for one in stretches],
    )


def _only(waiver: RunWaiver) -> dict[str, list[str]]:
    return {
        "users": waiver.get("users") or [],
        "posix_groups": waiver.get("posix_groups") or [],
        "hours": waiver.get("hours") or [],
        "versions": waiver.get("versions") or [],
        "paths": waiver.get("paths") or [],
    }


def _used(uses: Sequence[WaiverUse], starts_ended: int) -> Used:
    attempts: dict[tuple[str, str], int] = {}
    for use in uses:
        attempts[use.host, use.rule] = max(use.attempts, attempts.get((use.host, use.rule), 0))
    return Used(
        hosts=sorted({use.host for use in uses}),
        first=min((use.first for use in uses), default=""),
        last=max((use.last for use in uses), default=""),
        found=list(dict.fromkeys(use.what for use in uses)),
        attempts_refused=sum(attempts.values()),
        starts_ended=starts_ended,
    )


def _end(last: WaiverPeriod, waiver: RunWaiver, now: str) -> tuple[str, str]:
    """The status now, and when the waiver ended ("" while it has not): also of one that no run has had since."""
    revoked = waiver.get("revoked")
    end = end_of(waiver.get("expires") or "9999", revoked)
    if last.status == REMOVED_STATUS and last.opened < end:
        return REMOVED_STATUS, last.opened
    if end <= now:
        return REVOKED if revoked and end == revoked.get("on") else EXPIRED, end
    return last.status, ""


def table(found: Exceptions) -> str:
    """The exceptions as CSV, a row each."""
    stream = io.StringIO(newline="")
    stream.write(row(*COLUMNS) + END)
    for one in found.exceptions:
        lists = map(", ".join, (one.services, one.controls, one.hosts, *(one.only[key] for key in ONLY)))
        hosts, first, last, findings, *refused = one.used
        cells = (*one[:3], *lists, one.reason, one.risk, one.ticket, *one.requested, *one.approved, *one.opened)
        used = (", ".join(hosts), first, last, "; ".join(findings), *refused)
        stream.write(row(*cells, *used, one.expires, *one.ended) + END)
    return stream.getvalue()


def render(found: Exceptions, screen: Screen) -> str:
    """The exceptions as text, all of them: an auditor prints it."""
    width = max(screen.width, NARROWEST)
    listed, waiting = found.exceptions, found.requests
    period = f"since {moment(found.since)}" if found.since else "since the history began"
    head = f"{counted(len(listed), 'exception')} {period}, {counted(len(waiting), 'request')} without one"
    lines = ["", *(paint(line, "bold", colours=screen.colours) for line in wrap(head, width))]
    for one in listed:
        title = f"{clean(one.waiver)}  {in_words(one.status)}"
        lines += ["", paint(title, "bold", colours=screen.colours)]
        for name, text in _in_words(one):
            first, *rest = wrap(text, width - 14)
            lines += [f"  {name:<10}  {first}", *(f"{'':14}{line}" for line in rest)]
    if waiting:
        lines += ["", paint("requests without an exception", "bold", colours=screen.colours)]
    for request in waiting:
        text = f"{request['id']}, {moment(request['at'])}, {clean(request['user'])} on {clean(request['host'])}: "
        lines += wrap(f"{text}{clean(request['service'])}; {clean(request['reason'])}", width)
    return "\n".join(lines)


def _in_words(one: Chain) -> Iterable[tuple[str, str]]:
    requested, approved, opened, ended = one.requested, one.approved, one.opened, one.ended
    only = [f"{in_words(key)} {some(names, FEW)}" for key, names in one.only.items() if names]
    users = f", only {', '.join(only)}" if only else ""
    where = some(one.hosts, FEW) or "no host of the last run"
    yield "for", f"{some(one.services, FEW)} ({', '.join(one.controls)}) on {where}{users}: {clean(one.reason)}"
    by = clean(requested.by or "not recorded") + (f" on {moment(requested.on)}" if requested.on else "")
    if requested.at:
        by += f"; request {requested.request} of {clean(requested.user)} on {clean(requested.host)}, "
        by += f"{moment(requested.at)}: {clean(requested.reason)}"
    elif requested.request:
        by += f"; request {clean(requested.request)}, which no run has seen"
    yield "requested", by
    signed = f", signed with {clean(approved.signed_with)}" if approved.signed_with else ""
    when = f" on {moment(approved.on)}" if approved.on else ""
    yield "approved", f"{clean(approved.by or 'not recorded')}{when}{signed}"
    seen = f"; in effect in the run of {moment(opened.observed)}" if opened.observed else "; in effect in no run"
    yield "opened", f"{moment(opened.begin) or 'not recorded'}{seen}"
    yield "used", _used_in_words(one.used)
    until = f"not yet; expires {moment(one.expires)}" if one.expires else "not yet"
    yield "ended", f"{moment(ended.on)} ({in_words(ended.how)})" if ended.on else until


def _used_in_words(used: Used) -> str:
    refused = [f"{counted(used.attempts_refused, 'attempt')} refused"] * bool(used.attempts_refused)
    refused += [f"{counted(used.starts_ended, 'start')} ended"] * bool(used.starts_ended)
    if not used.hosts:
        return "; ".join(["no run has found anything that it covers", *refused])
    period = f"{moment(used.first)} to {moment(used.last)} on {some(used.hosts, FEW)}"
    return "; ".join([f"{period}: {some(used.found, FEW)}", *refused])
