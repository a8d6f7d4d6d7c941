"""All exceptions of a period, each with its chain, for auditors: requested, approved, opened, used, ended.

From what runs have stored of the waivers (history/exceptions.py): a waiver that no run has had yet is not here, and
what nobody observed is empty.
"""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....base.duration import spelled
from ..evaluation.since_last_run import ENDED
from ..exports.csv import END, row
from ..history import History, exceptions, since_last_run
from ..history.exceptions import REMOVED, Stretch, Use
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


def gather(history: History, since: str, now: datetime.datetime) -> dict[str, Any]:
    """The answer: {schema, now, since, exceptions [...], requests [...]}, waivers in order of their inventories and
    names, and the requests that no waiver names. Raises HistoryError.
    """
    with history.database.reading() as session:
        by_waiver: dict[tuple[str, str], list[Stretch]] = {}
        for stretch in exceptions.stretches(session, since):
            by_waiver.setdefault((stretch.inventory, stretch.id), []).append(stretch)
        uses: dict[tuple[str, str], list[Use]] = {}
        for use in exceptions.uses(session, since):
            uses.setdefault((use.inventory, use.waiver), []).append(use)
        terms = {key: json.loads(stretches[-1].facts) for key, stretches in by_waiver.items()}
        ids = [str(facts["request"]) for facts in terms.values() if facts.get("request")]
        requests = exceptions.requests(session, ids)
        ended = [one for one in since_last_run.since(session, since, most=100_000) if one.kind == ENDED]
        return {
            "schema": SCHEMA,
            "now": spelled(now),
            "since": since,
            "exceptions": [
                _exception(stretches, terms[key], uses.get(key, ()), requests, ended, spelled(now))
                for key, stretches in by_waiver.items()
            ],
            "requests": exceptions.unanswered(session, since, ids),
        }


def _exception(
    stretches: Sequence[Stretch],
    facts: Mapping[str, Any],
    uses: Sequence[Use],
    requests: Mapping[str, Mapping[str, str]],
    ended: Iterable[since_last_run.Entry],
    now: str,
) -> dict[str, Any]:
    last = stretches[-1]
    status, ended_on = _end(last, facts, now)
    observed = [one.opened for one in stretches if one.status == ACTIVE]
    hosts = json.loads(last.hosts)
    services = [str(one) for one in facts.get("services") or ()]
    begin, end = facts.get("valid_from") or min(observed, default=""), ended_on or now
    starts = [
        one
        for one in ended
        if one.host in hosts and one.rule.partition("/")[2] in services and begin <= one.last and one.first <= end
    ]
    attempts: dict[tuple[str, str], int] = {}
    for use in uses:
        attempts[use.host, use.rule] = max(use.attempts, attempts.get((use.host, use.rule), 0))
    request = str(facts.get("request") or "")
    return {
        "waiver": last.id,
        "inventory": last.inventory,
        "status": status,
        **{key: list(facts.get(key) or ()) for key in ("services", "controls", *ONLY)},
        "hosts": hosts,
        **{key: facts.get(key) or "" for key in ("reason", "risk", "ticket")},
        "requested": {
            "by": facts.get("requested_by") or "",
            "on": facts.get("requested_on") or "",
            "request": request,
            **{key: requests.get(request, {}).get(key, "") for key in ("host", "user", "reason", "at")},
        },
        "approved": {
            "by": facts.get("approved_by") or "",
            "on": facts.get("approved_on") or "",
            "signed_with": facts.get("signed_with") or "",
        },
        "opened": {"from": facts.get("valid_from") or "", "observed": min(observed, default="")},
        "used": {
            "hosts": sorted({use.host for use in uses}),
            "first": min((use.first for use in uses), default=""),
            "last": max((use.last for use in uses), default=""),
            "found": list(dict.fromkeys(use.what for use in uses)),
            "attempts_refused": sum(attempts.values()),
            "starts_ended": sum(one.times for one in starts),
        },
        "expires": facts.get("expires") or "",
        "ended": {"on": ended_on, "how": status if ended_on else ""},
        "changes": [{"at": one.opened, "status": one.status} for one in stretches],
    }


def _end(last: Stretch, facts: Mapping[str, Any], now: str) -> tuple[str, str]:
    """The status now, and when the waiver ended ("" while it has not): also of one that no run has had since."""
    end = end_of({"expires": facts.get("expires") or "9999", "revoked": facts.get("revoked")})
    revoked = str((facts.get("revoked") or {}).get("on") or "")
    if last.status == REMOVED and last.opened < end:
        return REMOVED, last.opened
    if end <= now:
        return REVOKED if end == revoked else EXPIRED, end
    return last.status, ""


def table(found: Mapping[str, Any]) -> str:
    """The exceptions as CSV, a row each."""
    stream = io.StringIO(newline="")
    stream.write(row(*COLUMNS) + END)
    for one in found["exceptions"]:
        requested, approved, opened, used = (one[key] for key in ("requested", "approved", "opened", "used"))
        lists = (", ".join(map(str, one[key])) for key in ("services", "controls", "hosts", *ONLY))
        stream.write(
            row(
                *(one["waiver"], one["inventory"], one["status"], *lists, one["reason"], one["risk"], one["ticket"]),
                *(requested[key] for key in ("by", "on", "request", "host", "user", "reason", "at")),
                *(approved[key] for key in ("by", "on", "signed_with")),
                *(opened["from"], opened["observed"], ", ".join(used["hosts"]), used["first"], used["last"]),
                *("; ".join(used["found"]), used["attempts_refused"], used["starts_ended"], one["expires"]),
                *(one["ended"]["on"], one["ended"]["how"]),
            )
            + END
        )
    return stream.getvalue()


def render(found: Mapping[str, Any], screen: Screen) -> str:
    """The exceptions as text, all of them: an auditor prints it."""
    width = max(screen.width, NARROWEST)
    listed, waiting = found["exceptions"], found["requests"]
    period = f"since {moment(found['since'])}" if found["since"] else "since the history began"
    head = f"{counted(len(listed), 'exception')} {period}, {counted(len(waiting), 'request')} without one"
    lines = ["", paint(head, "bold", colours=screen.colours)]
    for one in listed:
        title = f"{clean(one['waiver'])}  {in_words(one['status'])}"
        lines += ["", paint(title, "bold", colours=screen.colours)]
        for name, text in _chain(one):
            first, *rest = wrap(text, width - 14)
            lines += [f"  {name:<10}  {first}", *(f"{'':14}{line}" for line in rest)]
    if waiting:
        lines += ["", paint("requests without an exception", "bold", colours=screen.colours)]
    for request in waiting:
        text = f"{request['id']}, {moment(request['at'])}, {clean(request['user'])} on {clean(request['host'])}: "
        lines += wrap(f"{text}{clean(request['service'])}; {clean(request['reason'])}", width)
    return "\n".join(lines)


def _chain(one: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    requested, approved, opened, used, ended = (
        one[key] for key in ("requested", "approved", "opened", "used", "ended")
    )
    only = [f"{in_words(key)} {some(one[key], FEW)}" for key in ONLY if one[key]]
    users = f", only {', '.join(only)}" if only else ""
    where = some(one["hosts"], FEW) or "no host of the last run"
    yield (
        "for",
        f"{some(one['services'], FEW)} ({', '.join(one['controls'])}) on {where}{users}: {clean(one['reason'])}",
    )
    by = clean(requested["by"] or "not recorded") + (f" on {moment(requested['on'])}" if requested["on"] else "")
    if requested["at"]:
        by += f"; request {requested['request']} of {clean(requested['user'])} on {clean(requested['host'])}, "
        by += f"{moment(requested['at'])}: {clean(requested['reason'])}"
    elif requested["request"]:
        by += f"; request {clean(requested['request'])}, which no run has seen"
    yield "requested", by
    signed = f", signed with {clean(approved['signed_with'])}" if approved["signed_with"] else ""
    when = f" on {moment(approved['on'])}" if approved["on"] else ""
    yield "approved", f"{clean(approved['by'] or 'not recorded')}{when}{signed}"
    seen = f"; in effect in the run of {moment(opened['observed'])}" if opened["observed"] else "; in effect in no run"
    yield "opened", f"{moment(opened['from']) or 'not recorded'}{seen}"
    yield "used", _used(one["used"])
    until = f"not yet; expires {moment(one['expires'])}" if one["expires"] else "not yet"
    yield "ended", f"{moment(ended['on'])} ({in_words(ended['how'])})" if ended["on"] else until


def _used(used: Mapping[str, Any]) -> str:
    refused = [f"{counted(used['attempts_refused'], 'attempt')} refused"] * bool(used["attempts_refused"])
    refused += [f"{counted(used['starts_ended'], 'start')} ended"] * bool(used["starts_ended"])
    if not used["hosts"]:
        return "; ".join(["no run has found anything that it covers", *refused])
    period = f"{moment(used['first'])} to {moment(used['last'])} on {some(used['hosts'], FEW)}"
    return "; ".join([f"{period}: {some(used['found'], FEW)}", *refused])
