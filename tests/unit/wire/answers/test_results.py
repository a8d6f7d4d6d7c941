"""Answers of hostile hosts, from bytes to outputs: none ends the run, harms another host, or steers a terminal."""

import contextlib
import copy
import datetime
import json
import re
import time
import tracemalloc

import fleets
import pytest
import watched_hosts
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.quarantine import quarantine_texts
from proscribe.controller.quarantine.quarantine_run import QuarantineRun
from proscribe.controller.quarantine.request import QuarantineRequest
from proscribe.controller.quarantine.selection import select_rows
from proscribe.controller.report import exports, request_notification
from proscribe.controller.report.collection import collector
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report
from proscribe.controller.report.history import open_history
from proscribe.controller.report.notification import make_run_notification
from proscribe.controller.report.page import html_page
from proscribe.controller.report.storage import requests_file
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import Finding, judge_rule
from proscribe.wire.answers import output_limits, results
from proscribe.wire.answers.value_readers import UnusableAnswer
from proscribe.wire.loader import MARK
from proscribe.wire.stream import parse_answer
from proscribe_ansible.action import HostAction

FINISHED = "2026-11-25T00:31:00Z"
MANY = 5_000
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
OBSERVATION = {"changed", "failed", "msg", "record", "drifted", "privileged", "cached", "lacking"}
QUARANTINE = {"changed", "failed", "msg", "quarantined", "broken", "left_out", "outcomes", "actions", "diff"}
CHANGE = {"changed", "failed", "msg", "actions", "refused", "findings", "notes", "diff"}

GOOD_OBSERVATION = {
    "changed": False,
    "record": {
        **fleets.answer(
            fleets.wechat(fleets.WECHAT, fleets.PROCESS),
            *fleets.no_policy(services=["gmail"]),
            judge_rule("dns/gmail", {"mode": "waived", "waiver": "w1"}, [Finding("hosts_line", "a.example", "hosts")]),
            evaluated=["apps/x"],
            errors=[{"control": "dns", "message": "dnsmasq ended with 2"}],
        ),
        "attempts": {"firewall/telegram": 3},
        "logged_in": ["alice"],
        "package_systems": ["dpkg", "flatpak"],
        "browsers": ["chromium"],
        "full_scan": {"at": "2026-11-25T00:30:05Z", "runs": 1},
        "quarantine": {"items": 2, "bytes": 5000, "oldest": "2026-11-25T00:30:05Z", "owners": {"alice": 5000}},
        "watch": watched_hosts.watch(
            watched_hosts.INCIDENT, ended=[watched_hosts.ENDED], frozen=watched_hosts.FROZEN, left_out={"apps": 2}
        ),
        "requests": [watched_hosts.REQUEST],
        "requests_left_out": 3,
    },
    "drifted": ["apps", "browser"],
    "privileged": True,
    "cached": True,
}
GOOD_CHANGE = {
    "changed": True,
    "actions": ["remove wechat"],
    "refused": [{"rule": "apps/wechat", "subject": "wechat", "reason": "others need it"}],
    "findings": [fleets.WECHAT.convert_to_dict()],
    "notes": ["1 of these policy files is for browsers that are not installed: brave"],
    "diff": [{"before_header": "a", "after_header": "a", "before": "1\n", "after": "2\n"}],
}

GOOD_LIST = {
    "changed": False,
    "quarantined": [
        {
            "id": "wechat-0123abcd", "group": "", "services": ["wechat"], "bytes": 5000, "finished": True,
            "path": "/home/alice/WeChat", "whole": "/home/alice/WeChat", "kind": "tree",
            "taken_at": "2026-11-25T00:30:05Z", "owner": "alice", "place_of": "alice", "kept_until": "",
        }
    ],
    "broken": [{"id": "odd", "why": "no JSON"}],
    "left_out": 0,
}  # fmt: skip
GOOD_DONE = {
    "changed": True,
    "actions": ["restore wechat-0123abcd (/home/alice/WeChat)"],
    "outcomes": [{"id": "wechat-0123abcd", "done": True, "why": ""}],
    "diff": [],
}

NASTY = ["\x1b[2J", "\x9b31m", "\u202egnp", "\u2028", "\r", "\n", "\x00", "\ud800", "\udcff", "\ufeff"]
NASTY += ["{{ 1 }}", "</script>"]
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(NASTY),
    st.builds(str.__mul__, st.sampled_from(["微", "a ", "e\u0301", "/", "x", "and 1"]), st.integers(1, 20_000)),
)
NUMBERS = st.one_of(st.integers(), st.sampled_from([2**63, 10**400, -1, 0.5, 1e308, float("nan"), float("inf")]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OF_ANSIBLE = (
    "add_host add_group ansible_facts ansible_stats _ansible_notify warnings deprecations results exception "
    "invocation unreachable skipped __ansible_type host record rules state stdout"
)
KEYS = st.sampled_from(OF_ANSIBLE.split())


def list_paths(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from list_paths(value[key], (*path, key))


def change_one(data, value):
    path = data.draw(st.sampled_from(list(list_paths(value))))
    if not path:
        return data.draw(VALUES)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    kind = data.draw(st.sampled_from(["other", "gone", "more", "many", "twice"]))
    if kind == "gone":
        del inner[path[-1]]
    elif kind == "more" and isinstance(inner, dict):
        inner[data.draw(KEYS | TEXTS)] = data.draw(VALUES)
    elif kind == "many" and isinstance(inner, list):
        inner += [inner[path[-1]]] * data.draw(st.integers(1, 3000))
    elif kind == "twice" and isinstance(inner[path[-1]], str):
        inner[path[-1]] = data.draw(TEXTS) + inner[path[-1]] + data.draw(TEXTS)
    else:
        inner[path[-1]] = data.draw(VALUES)
    return value


def spoil_text(data, text):
    """Put something into the text that no JSON has, or two keys for one, or a depth without an end."""
    at = data.draw(st.integers(0, len(text)))
    deep = data.draw(st.integers(1, 200_000))
    pieces = ["NaN", "-Infinity", "9" * 5000, '"changed": {}, ', "\ud800", "\x1b", MARK]
    pieces += [unit * deep for unit in ("[", '{"a":', "[[]],", "{},", '{"a":0},', '"ab",', "1,")]
    piece = data.draw(st.sampled_from(pieces))
    return text[:at] + data.draw(st.sampled_from([piece, ""])) + text[at + data.draw(st.integers(0, 20)) :]


def draw_answer(data, good):
    """Draw the text of an answer: some places changed, and now and then the text itself."""
    value = copy.deepcopy(good)
    for _ in range(data.draw(st.integers(1, 3))):
        value = change_one(data, value)
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    return spoil_text(data, text) if data.draw(st.integers(0, 3)) == 0 else text


def limit_text(text, most):
    """Return the text, or raise Unusable as a connection that is closed for too many bytes."""
    if len(text.encode("utf-8", "surrogatepass")) > most:
        raise UnusableAnswer(output_limits.describe_excess_output(most))
    return text


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile")


MOST_MEMORY = 60_000_000  # bytes
MOST_TIMES = 10  # of what the largest honest answer costs, to read it


@pytest.fixture(scope="module")
def honest_cost():
    """Seconds of a processor that it takes to read the largest honest answer, beside which the others are read."""
    text = "\n" + MARK + json.dumps(observation(*LARGEST_HONEST))

    return lambda: min(measure_seconds(lambda: results.read_observation(parse_answer(text))) for _ in range(3))


def measure_seconds(work):
    started = time.process_time()
    work()
    return time.process_time() - started


@contextlib.contextmanager
def within_its_budget(honest_cost):
    """What is done with an answer takes no more time and memory than one host may."""
    tracemalloc.start()
    started = time.process_time()
    try:
        yield
    finally:
        took, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    # To trace memory makes it some times slower; what is above that is read again beside an honest one.
    assert took < 1 or took < 4 * MOST_TIMES * honest_cost()


@pytest.mark.slow
@examples(MANY, *HealthCheck)
@given(data=st.data())
def test_answer_of_a_hostile_host_harms_nobody(directory, honest_cost, data):
    run = fleets.run(["web01", "web02", "web03"], data.draw(st.sampled_from(["audit", "enforce"])))
    collector = Collector(run)
    honest = fleets.answer(fleets.wechat(fleets.WECHAT), evaluated=["apps/x"])
    honest |= {"requests": [watched_hosts.REQUEST], "requests_left_out": 0, "watch": watched_hosts.watch()}
    collector.answered("web01", honest)
    try:
        text = limit_text("\n" + MARK + draw_answer(data, GOOD_OBSERVATION), 2_097_152)
        with within_its_budget(honest_cost):
            parsed = parse_answer(text)
            observation = results.read_observation(parsed) if parsed is not None else {}
        if observation:
            assert observation.keys() <= OBSERVATION and results.read_observation(observation) == observation
        json.dumps(observation).encode()
        if "record" in observation:
            collector.answered("web02", observation["record"])
    except UnusableAnswer as wrong:
        collector.failed("web02", None, str(wrong))
    try:
        text = limit_text("\n" + MARK + draw_answer(data, GOOD_CHANGE), HostAction.max_answer_bytes)
        with within_its_budget(honest_cost):
            parsed = parse_answer(text)
            change = results.read_change(parsed) if parsed is not None else {}
        if change:
            assert change.keys() <= CHANGE and results.read_change(change) == change
        if run["mode"] == "enforce":
            collector.changed("web02", "apps", change)
    except UnusableAnswer as wrong:
        collector.failed("web02", "apps", str(wrong))
    collector.answered("web03", fleets.clean_answer())

    fleet = collector.reconcile_hosts(FINISHED)
    report = make_run_report(run, fleet, FINISHED)
    records = {record["host"]: record for record in fleet.records}
    assert list(records) == ["web01", "web02", "web03"] and not fleet.unexpected
    assert records["web03"]["state"] == "compliant"
    assert {**records["web01"], "actions": None} == {**collect_alone(run["mode"], honest), "actions": None}
    shown = summary.render_summary(report, fleet.records, summary.TerminalScreen(80, 40, False, "/"))
    assert not CONTROL.search(shown), shown
    assert len(shown) < 100_000
    "".join(html_page.render_page(report, fleet.records)).encode()
    exports.write_exports(directory, report, fleet.records, exports.list_default_names())
    message = make_run_notification(report, fleet.records, None, "/reports")
    assert message is not None and not CONTROL.search(message.text)
    json.dumps(message.make_payload()).encode()
    (directory / requests_file.REQUESTS_FILE).unlink(missing_ok=True)
    assert requests_file.store_requests(directory, report, fleet.records) == ""
    requests = requests_file.read_requests(directory)
    assert [one.id for one in requests if one.host == "web01"] == [watched_hosts.REQUEST["id"]]
    assert {one.host for one in requests} <= {"web01", "web02"} and len(requests) <= 101
    selected = request_notification.select_new_requests(requests, run["id"])
    news = request_notification.make_request_notification(selected, {}, "requests")
    assert not CONTROL.search(news.text)
    json.dumps(news.make_payload()).encode()


def collect_alone(mode, honest):
    collector = Collector(fleets.run(["web01"], mode))
    collector.answered("web01", honest)
    return collector.reconcile_hosts(FINISHED).records[0]


RESTRICTED = {"controls": {"apps": {"mode": "enforce", "services": {"wechat": {"mode": "enforce"}}, "settings": {}}}}


@pytest.mark.slow
@examples(MANY, *HealthCheck)
@given(data=st.data())
def test_answer_of_a_hostile_host_about_its_quarantine_harms_nobody(data):
    course = QuarantineRun(["web01", "web02"])
    course.record_answer("web01", results.read_quarantine_answer(GOOD_LIST))
    for good in (GOOD_LIST, GOOD_DONE):
        try:
            answered = results.read_quarantine_answer(parse_answer("\n" + MARK + draw_answer(data, good)) or {})
            assert answered.keys() <= QUARANTINE and results.read_quarantine_answer(answered) == answered
            json.dumps(answered).encode()
            course.record_answer("web02", answered)
        except UnusableAnswer as wrong:
            course.record_failure("web02", str(wrong))
    listed = {host: seen["quarantined"] for host, seen in course.listed_quarantines.items()}
    now = datetime.datetime(2026, 11, 26, tzinfo=datetime.timezone.utc)
    request = QuarantineRequest("restore", all=True, older_than=data.draw(st.sampled_from([0, 60])))
    rows = [row.make_document() for row in select_rows(request, listed, 0, lambda host: RESTRICTED, {}, now)]
    course.record_selection({"rows": rows})
    (honest,) = [row for row in rows if row["host"] == "web01"]
    assert (honest["id"], honest["next_run"]["state"]) == ("wechat-0123abcd", "taken")
    course.do = "restore"
    assert not course.list_outcomes()[0].is_done, "the other one's answer is none of this host's"
    texts = [quarantine_texts.format_quarantine_table(course, 80), quarantine_texts.describe_unaccepted_losses(rows)]
    texts.append(quarantine_texts.describe_result(course, is_check=False, width=80))
    texts += quarantine_texts.describe_operation("restore", rows, is_check=False)
    assert not CONTROL.search("\n".join(texts))
    json.dumps(course.make_document()).encode()


@pytest.mark.slow
@examples(MANY // 20, *HealthCheck)
@given(data=st.data())
def test_history_takes_every_answer_that_the_reader_lets_through(tmp_path_factory, data):
    try:
        observation = results.read_observation(parse_answer("\n" + MARK + draw_answer(data, GOOD_OBSERVATION)) or {})
    except UnusableAnswer:
        return
    collector = Collector(run := fleets.run(["web02"]))
    collector.answered("web02", observation.get("record"))
    fleet = collector.reconcile_hosts(FINISHED)
    history = open_history("sqlite", tmp_path_factory.mktemp("history"))
    history.record_run(make_run_report(run, fleet, FINISHED), fleet.records, 0)


# -- sizes

CJK = "/" + "/".join(["微" * 85] * 131)  # directories that an ordinary user made


@pytest.mark.parametrize(
    "finding",
    [
        {"kind": "file", "id": "x", "detail": "微信" * 10_000},
        {"kind": "file", "id": "x", "path": CJK},
        {"kind": "file", "id": "e\u0301" * 100_000, "path": "\u0301" * 100_000},
        {"kind": "file", "id": "a" * 20_000, "detail": "a" * 20_000},
        {"kind": "file", "id": "x", "manager": "a," * 100_000},
    ],
    ids=["20,000 characters", "131 directories", "marks", "a name in itself", "many managers"],
)
def test_long_text_costs_its_host_a_cut_and_the_run_nothing(finding):
    rules = [{"rule": f"apps/s{n}", "state": "noncompliant", "findings": [finding] * 20} for n in range(40)]
    rules += [{"rule": f"dns/s{n}", "state": "noncompliant", "findings": [finding] * 20} for n in range(40)]
    collector = Collector(run := fleets.run(["web01"]))
    started = time.process_time()
    collector.answered("web01", {**fleets.answer(), "state": "noncompliant", "rules_evaluated": 99, "rules": rules})
    fleet = collector.reconcile_hosts(FINISHED)
    report = make_run_report(run, fleet, FINISHED)
    summary.render_summary(report, fleet.records, summary.TerminalScreen(80, 40, False, "/"))
    "".join(html_page.render_page(report, fleet.records))
    make_run_notification(report, fleet.records, None, "/reports")
    assert fleet.records[0]["state"] == "noncompliant"
    assert time.process_time() - started < 20  # of the processor, which is quadratic no more: minutes before


# -- costs of one host

SERVICES = [f"service{number}" for number in range(275)]
CONTROLS = ("apps", "browser", "firewall", "dns")
RULES = [f"{control}/{service}" for control in CONTROLS for service in SERVICES]


def observation(*rules_with_names):
    """Make an answer with everything wrong, of pairs: a rule, and the names of its findings."""
    wrong = {"state": "noncompliant", "waiver": None, "reason": None}
    rules = [{"rule": rule, **wrong, "findings": list(map(make_finding, names))} for rule, names in rules_with_names]
    record = {**fleets.answer(), "state": "noncompliant", "rules_evaluated": len(rules), "rules": rules}
    return {"changed": False, "record": record, "drifted": [], "privileged": True}


def make_finding(name):
    path = f"/home/{name}/Downloads/portable/{name}"
    return Finding("file", f"{name}", "appimage", "4.0", f"user:{name}", path, f"pid {name}").convert_to_dict()


# Each rule has one, the same on every host, and a shared desktop has two thousand.
LARGEST_HONEST = [(rule, [rule] + [f"{rule}{n}" for n in range(100)] * (rule in RULES[:20])) for rule in RULES]


def fill_limits(host):
    """Return as many rules and findings as a host may have, none of which another host has."""
    return [(rule, [f"{host}.{rule}.{n}" for n in range(3)]) for rule in RULES]


def list_attacks(host):
    """Yield answers of a hostile host; all but the first are refused."""
    yield observation(*fill_limits(host))
    yield observation(*((f"apps/{host}.{n}", []) for n in range(10_000)))
    yield observation(*((f"apps/s{n}", []) for n in range(10_000)))
    yield {"record": [[[]]] * 500_000}


def report_all(hosts):
    """Read the answers of some hosts and make all reports of them."""
    collector = Collector(run := {**fleets.run([name for name, _ in hosts]), "services": SERVICES})
    for name, text in hosts:
        try:
            collector.answered(name, results.read_observation(parse_answer(text))["record"])
        except UnusableAnswer as wrong:
            collector.failed(name, None, str(wrong))
    fleet = collector.reconcile_hosts(FINISHED)
    report = make_run_report(run, fleet, FINISHED)
    summary.render_summary(report, fleet.records, summary.TerminalScreen(80, 40, False, "/"))
    "".join(html_page.render_page(report, fleet.records))
    make_run_notification(report, fleet.records, None, "/reports")
    return fleet


def print_answers(answers):
    return [(f"web{number:02}", "\n" + MARK + json.dumps(one)) for number, one in enumerate(answers)]


@pytest.mark.slow
def test_hosts_at_their_limit_cost_at_most_three_times_what_honest_ones_do(monkeypatch):
    """The room of a run is that of these few, as it is of the first twenty of a thousand."""
    monkeypatch.setattr(collector, "SHARED_EVIDENCE_ROOM", 5_000)
    honest = print_answers(observation(*LARGEST_HONEST) for _ in range(6))
    hostile = print_answers(observation(*fill_limits(number)) for number in range(6))
    report_all(honest[:1])  # what is loaded and compiled once
    # The machine has other work, which falls on either.
    work = [lambda: report_all(hostile), lambda: report_all(honest)]
    ratios = [measure_seconds(work[0]) / measure_seconds(work[1]) for _ in range(3)]
    assert min(ratios) < 3, ratios


@pytest.mark.slow
def test_host_takes_no_more_memory_than_its_share_whatever_it_answers():
    for number, said in enumerate(list_attacks("h")):
        hosts = print_answers([said])
        tracemalloc.start()
        fleet, peak = report_all(hosts), tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST_MEMORY, number
        assert fleet.records[0]["state"] == ("unknown" if number else "noncompliant")
        assert collector.LEFT_OUT_REASON not in json.dumps(fleet.records[0]["rules"]), "there is room for one such host"


def test_evidence_of_a_run_has_a_limit_and_each_host_a_share_of_its_own(monkeypatch):
    monkeypatch.setattr(collector, "SHARED_EVIDENCE_ROOM", 7_000)
    honest = [(rule, [rule]) for rule in RULES]
    own = [(rule, [f"alice.{rule}"] if rule in RULES[:50] else names) for rule, names in honest]
    said = [observation(*honest), *(observation(*fill_limits(n)) for n in range(4)), observation(*own)]
    records = report_all(print_answers(said)).records
    held = {id(rule): len(rule["findings"]) + 1 for record in records for rule in record["rules"]}
    assert sum(held.values()) <= 7_000 + len(records) * 200 + 2 * len(RULES)
    assert all([rule["rule"] for rule in record["rules"]] == RULES for record in records)
    assert {rule["state"] for record in records for rule in record["rules"]} == {"noncompliant"}
    texts_of = [json.dumps(record["rules"]) for record in records]
    assert ["left out" in text for text in texts_of] == [False, False, True, True, True, False]


def make_incidents(names):
    places = range(0, len(names), 20)
    return [{**watched_hosts.INCIDENT, "cause": names[at], "rules": names[at : at + 20]} for at in places]


MADE_UP = {
    "rules": lambda names, record: {"rules": [{**record["rules"][0], "rule": name} for name in names]},
    "attempts": lambda names, record: {"attempts": dict.fromkeys(names, 1)},
    "incidents": lambda names, record: {"watch": watched_hosts.watch(*make_incidents(names))},
    "ended": lambda names, record: {
        "watch": watched_hosts.watch(ended=[{**watched_hosts.ENDED, "rule": name} for name in names[:200]]),
        "attempts": dict.fromkeys(names[200:], 1),
    },
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_rule_of_no_service_is_not_made_up(kind):
    # Each name would be a row of every report, a series of the metrics, and in the history for ever.
    for number, state in ((200, "noncompliant"), (201, "unknown")):
        names = [f"apps/x{n}" for n in range(number)]
        said = observation(*((rule, []) for rule in RULES))
        record = said["record"]
        changes = MADE_UP[kind](names, record)
        rules = [*changes.get("rules", []), *record["rules"]]
        record |= {**changes, "rules": rules, "rules_evaluated": len(rules)}
        (record,) = report_all(print_answers([said])).records
        assert record["state"] == state
    assert "201 rules" in record["reason"]


def test_host_that_counts_more_rules_than_a_run_has_is_refused():
    most = 6 * len(SERVICES) + 200
    for number, state in ((most, "noncompliant"), (most + 1, "unknown")):
        said = observation(*((rule, []) for rule in RULES))
        said["record"]["rules_evaluated"] = number
        (record,) = report_all(print_answers([said])).records
        assert record["state"] == state
