"""Days of runs that have each kind of change, and the outputs of their history, for test_exports.py."""

import datetime
import json
import tempfile
from pathlib import Path

from fleets import PROCESS, WAIVERS, WECHAT, answer, no_policy, wechat
from pasts import Past, bad, good, made_plan, repaired, unseen
from proscribe.controller.report import notification
from proscribe.controller.report.exports import fill_exports
from proscribe.controller.report.exports.event_maker import EventMaker
from proscribe.controller.report.history import QueryScope, open_history
from proscribe.controller.report.history.name_check import UnknownName
from proscribe.controller.report.history.tables import BETWEEN_TABLE, USES_TABLE
from proscribe.controller.report.history.tables import WAIVERS_TABLE as OF_WAIVERS
from proscribe.controller.report.terminal import exception_history, history_summary
from proscribe.controller.report.terminal.summary import TerminalScreen
from proscribe.model.finding import RuleVerdict
from recording import outline, read_value
from watched_hosts import ENDED, INCIDENT, POLICY, REQUEST, asking, watched

NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)
STALE = 3 * 86400
TABLES = [f"proscribe_{name}" for name in ("run", "host", "bundle", "episode")]
TABLES += [BETWEEN_TABLE, OF_WAIVERS, USES_TABLE]
PRESS = {
    **WAIVERS[0], "id": "press", "valid_from": "2026-11-01T00:00:00Z", "request": REQUEST["id"],
    "requested_by": "alice", "requested_on": "2026-10-30T08:00:00Z", "approved_on": "2026-10-31T08:00:00Z",
    "signed_with": "ED25519 key SHA256:abc", "risk": "low", "ticket": "BAN-1", "users": ["alice"],
    "hours": ["08:00-18:00"], "services": ["wechat", "telegram"], "hosts": ["excused", "watched"],
    "posix_groups": ["editors"], "versions": ["4"], "paths": ["/opt/x"],
}  # fmt: skip
ENDS = {**WAIVERS[0], "id": "ends", "expires": "2026-11-10T10:00:00Z"}
BARE = {"id": "bare", "status": "active", "expires": "2027-01-31T10:00:00Z"}
BACK = {**PRESS, "id": "back", "revoked": {"on": "2026-11-12T10:00:00Z", "by": "bo.li", "why": "misused"}}
EXCUSED = wechat(WECHAT, PROCESS, entry={"mode": "waived", "waiver": "press"})
FULL = {"control": "dns", "message": "the disk is full"}

# Runs over a part, of one control, one that ends late, one of another inventory, and one that was interrupted.
LATER = [
    (8, {"limit": "flaps:mended", "waivers": [PRESS]}),
    (9, {"controls": ["dns"], "waivers": [PRESS]}),
    (6, {"started": "2026-11-06T08:00:00Z", "waivers": [{**PRESS, "risk": "high"}]}),
    (10, {"inventory": ["inventory/other"], "waivers": [PRESS]}),
    (11, {"interrupted": {"why": "killed", "closed_by": "run12"}, "waivers": []}),
]
WRONG = [  # hosts and rules that are asked for
    *(("", rule) for rule in ("wechat", "apps/wechta", "apps/", "nosuch/x", "watch/x", "x", "dns/resolv")),
    ("", "apps/nosuch"),
    *(("", rule) for rule in ("group_policy/x", "browser/quic", "firewall/x", "app0", "gmail\x1b")),
    *((host, "") for host in ("flap", "nosuch", "gone", "mendet\x1b", "w")),
    *(("planned", rule) for rule in ("apps/app1", "dns/y", "apps/wechat", "browser/x", "wechat")),
    ("flaps", "dns/y"),
    ("silent", "dns/y"),
]
PRUNED = datetime.datetime(2026, 11, 12, 12, tzinfo=datetime.timezone.utc)


def fleet(day, plan):
    every_other = day % 2
    drifted = {"found_at": f"2026-11-{day:02}T00:00:20Z", "logged_in": ["alice", "bob"]}
    return {
        "flaps": bad() if every_other else {**repaired(), **drifted},
        "mended": {**(bad() if day < 4 else good()), "attempts": {"apps/wechat": day}},
        "silent": good() if day < 3 else None, "blind": bad() if day < 3 else unseen(),
        "excused": {**answer(EXCUSED, evaluated=["dns/x"]), "attempts": {"apps/wechat": 3 * day}},
        "partly": answer(wechat(WECHAT), RuleVerdict("dns/x", "error", reason="the disk is full"),
         errors=[FULL]) if day == 5 else good(),
        "watched": watched({**INCIDENT, "last": f"2026-11-{18 + day:02}T03:00:00Z", "times": 3 + day,
         "corrected": 3 + day}, POLICY, ended=[{**ENDED, "last": f"2026-11-{18 + day:02}T09:00:00Z", "times": day}],
         answer=bad()),
        "asking": asking(REQUEST, {**REQUEST, "id": "fedcba9876543210", "user": "bob", "service": "line"}),
        "planned": {**(good() if day == 7 else answer(*no_policy(services=["x"]), wechat(WECHAT))), "plan": plan},
        **({"gone": bad()} if day < 5 else {}),
    }  # fmt: skip


def story(reports):
    history = open_history("sqlite", reports)
    past = Past(history)
    plan, less = made_plan(reports, apps=["wechat"], dns=["x"]), made_plan(reports, dns=["x"])
    for day in range(1, 8):
        waivers = [PRESS, BARE, *([ENDS] if day < 4 else []), BACK if day > 3 else {**BACK, "revoked": None}]
        changes = {"waivers": waivers, "mode": "audit" if day % 2 else "enforce"}
        hosts = fleet(day, plan if day < 6 else less)
        message = past.run(hosts, day=day, **changes)
        report, records = past.made(hosts, day=day, number=past.number, **changes)
        moved = past.history.read_transitions(report["run"]["id"])
        known_names = notification.read_run_history(history, report)
        sent = notification.make_run_notification(report, records, known_names, "reports/x")
        text = f"{sent.subject}\n{sent.text}" if sent else "none"
        yield "notices", f"{text}{outline(sent.facts)}" if sent and day == 5 else text
        report["run"]["verdict"] = {"gate": "noncompliant", "passed": day > 5, "exit": 10, "reason": "x"}
        if day == 5:
            yield "events", "\n".join(events(report, records, moved))
        spans = {
            host: (moved.list_spans(host), sorted(moved.list_new_remark_ids(host))) for host in moved.iterate_hosts()
        }
        yield "transitions", f"{message}\n{outline(spans)}"
    yield from answers(history)
    for number, (day, changes) in enumerate(LATER, 8):
        hosts = {"flaps": good(), "mended": bad(), "partly": unseen()}
        yield "transitions", str(history.record_run(*past.made(hosts, day=day, number=number, **changes)))
    last = past.made({"flaps": bad()}, day=12, number=20, limit="flaps")
    history.record_run(*last, keep_seconds=4 * 86400, now=PRUNED)
    with history.database.open_for_reading() as session:
        yield "tables", tables(session)


def events(report, records, moved):
    result = []
    maker = EventMaker(report, moved, result.append, only_changed=report["run"]["mode"] == "audit")
    fill_exports([maker], report, records)
    for item in result:
        yield f"{item[1:]}"
    yield outline([json.loads(item.line) for item in result])


def answers(history):
    starts = sorted(history.read_incident_starts().items())
    yield "since", outline({f"{host} {rule}": at for (host, rule), at in starts})
    shown = [history.read_days("2026-11-05T12:00:00Z", 4), history.read_trend(2)]
    shown.append(history.read_trend(9, "2026-11-06T00:00:00Z"))
    yield "since", outline([[(run["run"], run["mode"], run["hosts"]) for run in runs] for runs in shown])
    scopes = [QueryScope(), QueryScope("2026-11-05T00:00:00Z"), QueryScope(host="flaps")]
    scopes += [QueryScope(rule="apps/wechat"), QueryScope(host="watched", rule="apps/wechat")]
    scopes.append(QueryScope(host="planned"))
    for number, scope in enumerate(scopes):
        result = history_summary.gather_history_summary(history, scope, NOW, STALE)
        screen = TerminalScreen(76, 30, True) if number == 1 else TerminalScreen(100, 200)
        yield "past-screen", history_summary.render_history_summary(result, screen)
        if number == 2:
            yield "past", outline(result.make_document())
        screens = (TerminalScreen(100, height) for height in range(6, 70, 4))
        heights = (history_summary.render_history_summary(result, screen).count("\n") for screen in screens)
        yield "past-screen", f"lines: {' '.join(map(str, heights))}"
    for host, rule in WRONG:
        try:
            history_summary.gather_history_summary(history, QueryScope(host=host, rule=rule), NOW, STALE)
        except UnknownName as wrong:
            yield "unknown", f"{host} {rule}: {wrong} {wrong.service}"
    excused = exception_history.gather_exceptions(history, "2026-11-06T00:00:00Z", NOW)
    yield "exceptions", outline(excused.make_document())
    yield "exceptions", exception_history.format_exceptions_csv(excused)
    yield "exceptions", exception_history.render_exceptions(excused, TerminalScreen(76))
    yield "exceptions", exception_history.render_exceptions(excused, TerminalScreen(30, 10, True)).partition("bare")[0]


def tables(session):
    rows = {table: sorted(map(list, session.fetch_rows(f"SELECT * FROM {table}"))) for table in TABLES}
    named = "SELECT type, name FROM sqlite_master WHERE name LIKE 'proscribe%'"
    rows["made"] = sorted(map(list, session.fetch_rows(named)))
    return outline([{table: [list(map(read_value, row)) for row in result] for table, result in rows.items()}])


def texts():
    result = {}
    with tempfile.TemporaryDirectory() as reports:
        for name, text in story(Path(reports)):
            result.setdefault(name, []).append(text)
    return {f"past.{name}": "\n====\n".join(pieces) for name, pieces in result.items()}
