"""report.html: whole, self-contained, true without scripts, and deaf to what hostile hosts put into it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from fleets import ENFORCED, PROCESS, SERVICES, WAIVERS, WECHAT, answer, clean_answer, judge, no_policy, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.page import facts, headline
from proscribe.controller.report.page.breakdown import break_down, natural
from proscribe.controller.report.page.data import script_data
from proscribe.controller.report.page.document import page
from proscribe.controller.report.page.findings import ago
from proscribe.controller.report.text.wording import clean, host_label
from proscribe.model.finding import STATES, Finding
from proscribe.wire.replies import shapes

VOID = {"meta", "input", "rect", "path", "circle", "use", "wbr"}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)></script><!--<script>\x1b[2J\u202e'
FINISHED = "2026-11-25T00:31:00Z"


class Reader(HTMLParser):
    """Reads a page; fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.data = [], [], [], [], ""
        self.elements = []  # (tag, attributes) of each

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.elements.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.data = self.data or data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)


def read(collector, departments=None, **more):
    fleet = collector.fleet()
    report = {**fleet_report(collector.run, fleet, FINISHED), "departments": departments or {}}
    text = "".join(page(report, iter(fleet.records), **more))
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return text, reader


def words(reader):
    # A slash may be the end of a line, and is no end of a word.
    return " ".join("".join(word + " " * (not word.endswith("/")) for word in reader.words).split())


def mixed():
    collector = Collector(run(["web01", "web02", "db01"], waivers=WAIVERS))
    collector.answered("web01", answer(wechat(WECHAT, PROCESS), *no_policy()))
    collector.answered("web02", clean_answer())
    collector.unreachable("db01", "Connection refused")
    return collector


def runs(*bad):
    """A trend of runs with so many noncompliant hosts of ten."""
    share = {"numerator": 9, "denominator": 10, "percent": 90.0}
    return [
        {
            "run": f"run{day}",
            "finished": f"2026-11-{day + 1:02}T00:31:00Z",
            "mode": "audit",
            "hosts": {"noncompliant": count, "compliant": 10 - count},
            **dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share),
        }
        for day, count in enumerate(bad)
    ]


def test_a_finding_says_which_waivers_do_not_cover_it():
    ended = {**WAIVERS[0], "id": "was-for-press", "status": "expired", "why": "it ended on 2026-11-20"}
    waivers_ = [
        ended,
        {**ended, "id": "of-nobody", "status": "unauthorised", "hosts": ["web01"], "why": "mallory may not approve"},
        {**ended, "id": "of-another-host", "hosts": ["db01"]},
        {**ended, "id": "for-another-control", "controls": ["dns"]},
        {**ended, "id": "for-another-service", "services": ["signal"]},
        {**ended, "id": "that-holds", "status": "active"},
    ]
    collector = Collector(run(["web01", "web02"], waivers=waivers_))
    for host in ("web01", "web02"):
        collector.answered(host, answer(wechat(WECHAT)))
    said = words(read(collector)[1]).partition("Next")[0]
    assert "waiver was-for-press for web02 waives nothing (expired): it ended on 2026-11-20" in said
    assert "waiver of-nobody for web01 waives nothing (unauthorised): mallory may not approve" in said
    assert "another" not in said and "holds waives" not in said


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collector", [mixed(), Collector(run([])), Collector(run(["web01"]))])
def test_the_page_is_whole_and_needs_nothing_else(collector):
    text, reader = read(collector)
    assert text.startswith("<!doctype html>")
    assert not {name for name, _ in reader.attributes} & {"src", "style", "srcset", "action"}
    assert all(value.startswith("#") for name, value in reader.attributes if name == "href")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", text)


def test_the_policy_allows_the_one_style_and_the_one_script():
    text, reader = read(mixed())
    policy = next(value for name, value in reader.attributes if name == "content" and "default-src" in value)
    for tag in ("style", "script"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        hashed = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{hashed}'" in policy
    assert reader.tags.count("style") == 1
    assert reader.tags.count("script") == 2
    assert [value for name, value in reader.attributes if name == "type" and "json" in value] == ["application/json"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_references_inside_the_page_lead_somewhere():
    reader = read(mixed(), {"press": ["web01"]}, trend=runs(3, 1))[1]
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-z][a-z0-9_-]*", one) for one in ids)
    for name, value in reader.attributes:
        if name in ("href", "aria-labelledby"):
            assert value.removeprefix("#") in ids


# -- what it says without scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expected",
    [
        "1 of 3 hosts is not compliant, and 1 is unknown",
        "66.6 %",
        "2 of 3 hosts evaluated",
        "dpkg wechat 4.0, process /opt/wechat/wechat (alice) web01",
        "118 rules: the file is not there (chromium, firefox) web01",
        "unreachable 1 Connection refused db01",
        "until 2026-01-31 10:00 UTC",
        "waives nothing; dropbox on web01",
        "hand-over of files",
        "2026-11-25 00:31 UTC",
        "see what would change: ./proscribe enforce --check --diff --limit web01 -i inventory/prod",
    ],
)
def test_the_page_says_what_there_is_to_say(expected):
    assert expected in words(read(mixed())[1])


def test_departments_controls_and_services_are_counted_by_the_worst_that_a_host_has():
    text = words(read(mixed(), {"press": ["web01", "db01"], "registry": ["web02", "elsewhere"]})[1])
    assert "press 1 noncompliant, 1 unknown registry 1 compliant" in text
    assert "By control" not in text  # it is one host in each of them


def test_what_was_found_is_apart_from_what_is_not_blocked_yet():
    """Before the first enforcing run each service lacks its blocks, which says nothing of what somebody has."""
    boot = judge("firewall/boot", ENFORCED, [Finding("unit", "boot", detail="missing")])
    signal = judge("apps/signal", ENFORCED, [Finding("package", "signal-desktop", manager="dpkg")])
    collector = Collector(run(["web01", "web02", "db01"], services=["wechat", "signal", *SERVICES]))
    collector.answered("web01", answer(wechat(WECHAT), boot, *no_policy()))
    collector.answered("web02", answer(wechat(WECHAT), signal, boot, *no_policy()))
    collector.answered("db01", answer(boot, *no_policy()))
    page_, reader = read(collector)
    found = "Hosts on which something of the service was found. Services found "
    missing = "browser 118 services hosts: 3 noncompliant Which service000 service001 "
    assert f"{found}Service Hosts wechat 2 noncompliant signal 1 noncompliant" in words(reader)
    assert f"Controls What is missing {missing}" in words(reader).partition("Services not blocked yet")[2]
    assert "firewall 1 setting hosts: 3 noncompliant Which firewall/boot" in words(reader)
    assert "<svg" not in page_.partition("Services not blocked yet")[2].partition("</section>")[0]


def missing(control, *services, entry=ENFORCED):
    """Verdicts on services that a control does not block."""
    return [judge(f"{control}/{one}", entry, [Finding("policy", one, detail="missing")]) for one in services]


def unseen(control, service):
    return judge(f"{control}/{service}", ENFORCED, [], unseen="no answer")


def broken_down(*hosts, departments=None, since=None):
    """The breakdown of hosts web01, web02, ... that answered with these verdicts."""
    collector = Collector(run([f"web{number:02}" for number in range(1, len(hosts) + 1)]))
    for name, verdicts in zip(collector.expected, hosts):
        collector.answered(name, answer(*verdicts))
    return break_down(collector.fleet().records, departments or {}, since or {}, FINISHED)


WAIVED = {"mode": "waived", "waiver": "W-1"}


@pytest.mark.parametrize(
    ("hosts", "order"),
    [
        ([[*missing("browser", "a"), *missing("dns", "y10", "y9")]], ["dns y9 y10", "browser a"]),  # most first
        ([[*missing("browser", "z"), *missing("dns", "a")]], ["dns a", "browser z"]),
        ([missing("dns", "a", "b"), missing("dns", "b")], ["dns a", "dns b"]),  # not on the same hosts
        ([[*missing("dns", "a", "z"), *missing("browser", "z")]], ["dns a", "browser+dns z"]),
        ([[*missing("watch", "a"), *missing("dns", "a"), *missing("firewall", "a")]], ["firewall+dns+watch a"]),
        ([[*missing("watch", "a"), *missing("group_policy", "a")]], ["group_policy+watch a"]),
        ([[wechat(WECHAT), *missing("dns", "b")]], ["dns b"]),  # what was found is not missing
        ([[*missing("dns", "a", entry=WAIVED), unseen("dns", "b")]], ["dns b"]),
    ],
)
def test_what_is_missing_together_stands_together(hosts, order):
    assert [" ".join(["+".join(one.controls), *one.names]) for one in broken_down(*hosts).unblocked] == order


def test_groups_are_worst_first_and_each_part_leads_to_its_own():
    both = [unseen("dns", "a"), *missing("browser", "b")]
    found = broken_down(both, [*missing("firewall", "c"), *both], since={("web02", "dns/a"): "2026-11-20T00:00:00Z"})
    assert [(group.state, group.control, len(group.hosts)) for group in found.groups] == [
        ("noncompliant", "browser", 2),
        ("noncompliant", "firewall", 1),
        ("unknown", "dns", 2),
    ]
    assert [found.groups[part.group].control for part in found.parts] == [part.control for part in found.parts]
    assert found.group_since == ["", "", "2026-11-20T00:00:00Z"]


def test_a_host_counts_once_by_the_worst_that_it_has_and_the_worst_department_is_first():
    bad, unknown = missing("dns", "b"), [unseen("dns", "a")]
    places = {"d10": ["web04"], "d9": ["web05"], "a0": ["web03"], "b": ["web01"], "a": ["web01", "web02"]}
    found = broken_down([*unknown, *bad], bad, unknown, [], [], departments=places)
    assert found.controls == {"dns": {"noncompliant": 2, "unknown": 1}}
    assert list(found.departments) == ["a", "b", "a0", "d9", "d10"]


@pytest.mark.parametrize(
    ("since", "began"),
    [
        ({("web01", ""): "2026-11-25T00:31:00Z"}, {-1: "2026-11-25T00:31:00Z"}),
        ({("web01", ""): "2026-11-25T00:31:01Z"}, {}),  # another run's, which ended later
        ({("web01", "dns/a"): "2026-11-25T00:31:00Z"}, {0: "2026-11-25T00:31:00Z"}),
        ({("web01", "dns/a"): "2026-11-25T00:31:01Z"}, {}),
        ({("web02", "dns/a"): "2026-11-24T00:00:00Z"}, {}),
    ],
)
def test_since_when_a_host_is_so_is_known_to_the_end_of_the_run(since, began):
    assert broken_down(missing("dns", "a"), since=since).hosts[0].since == began


def test_what_was_tried_most_is_first():
    record = {**broken_down([]).hosts[0].record, "attempts": {"dns/b": 1, "dns/c": 1, "dns/z": 5}}
    records = [record, {**record, "host": "web02", "attempts": {"dns/b": 2, "dns/a": 3}}]
    found = break_down(records, {}, {}, FINISHED).attempts
    assert list(found.items()) == [("dns/z", (5, 1)), ("dns/a", (3, 1)), ("dns/b", (3, 2)), ("dns/c", (1, 1))]


@pytest.mark.parametrize("hosts", [["web01"], ["web01", "web02"]])
def test_a_breakdown_is_only_there_where_it_distinguishes_something(hosts):
    collector = Collector(run(hosts))
    for host in hosts:
        collector.answered(host, answer(wechat(WECHAT)))
    assert 'id="breakdown"' not in read(collector, {"press": hosts})[0]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("compliant", "repaired", "compliant"), "The ban is in effect on all 3 hosts"),
        (("waived", "compliant", "waived"), "The ban is in effect on all 3 hosts, but for waivers on 2"),
        (("waived",), "The ban is in effect on this host, but for waivers"),
        (("noncompliant", "waived", "unknown"), "1 of 3 hosts is not compliant, and 1 is unknown"),
        (("error", "noncompliant"), "2 of 2 hosts are not compliant"),
        (("noncompliant",), "This host is not compliant"),
        (("unknown",), "Whether the ban is in effect on this host is unknown"),
        (("unknown", "compliant"), "Whether the ban is in effect is unknown for 1 of 2 hosts"),
    ],
)
def test_the_headline_claims_no_more_than_the_hosts_say(states, said):
    report = {"run": {"expected_hosts": len(states)}, "summary": {"hosts": {**dict.fromkeys(STATES, 0)}}}
    report["summary"]["hosts"] |= Counter(states)
    assert headline.title(report) == said


def test_a_host_of_no_department_is_counted_too():
    text = words(read(mixed(), {"press": ["web01"]})[1])
    assert "no department 1 unknown, 1 compliant" in text


def test_without_departments_nothing_is_said_of_them():
    assert "By department" not in words(read(mixed())[1])


def test_the_page_says_since_when_a_host_has_been_silent_or_in_error():
    collector = Collector(run(["web01", "db01", "db02"]))
    collector.answered("web01", answer(evaluated=["apps/x"], errors=[{"control": "dns", "message": "it broke"}]))
    collector.unreachable("db01", "Connection refused")
    collector.unreachable("db02", "Connection refused")
    since = {("web01", ""): "2026-11-20T00:30:00Z", ("db01", ""): "2026-11-05T00:30:00Z"}
    text = words(read(collector, since=since)[1])
    assert "error dns 1 it broke web01 5 days 2026-11-20" in text
    assert "unknown unreachable 2 Connection refused db01, db02 20 days 2026-11-05" in text
    data = data_of(collector.fleet().records, since=since)
    assert [data["texts"][host[13]["-1"]] for host in data["hosts"] if len(host) > 13] == [
        "2026-11-05T00:30:00Z",
        "2026-11-20T00:30:00Z",
    ]


def test_since_when_is_the_earliest_time_of_the_hosts():
    since = {("web01", "apps/wechat"): "2026-11-20T00:31:00Z", ("web01", "browser/service003"): "2026-11-24T22:00:00Z"}
    text = words(read(mixed(), since=since)[1])
    assert "(alice) web01 5 days 2026-11-20" in text
    assert "firefox) web01 2 hours 2026-11-24" in text


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("", ""),
        ("2026-11-25T00:31:00Z", "new"),
        ("2026-11-25T00:59:00Z", "new"),
        ("2026-11-24T23:31:00Z", "1 hour"),
        ("2026-11-24T00:31:00Z", "1 day"),
        ("2025-11-25T00:31:00Z", "365 days"),
        ("yesterday", "yesterday"),
        ("2026-11-20T08:00:00", "2026-11-20T08:00:00"),
    ],
)
def test_an_age_is_shown_in_hours_and_then_in_days(since, expected):
    reader = Reader()
    reader.feed(f"<p>{ago(since, FINISHED)}</p>")
    assert (reader.words or [""])[0] == expected


@pytest.mark.parametrize(
    ("trend", "said"),
    [
        (runs(3, 1), "Not meeting the ban: 1 host, 2 fewer than before"),
        (runs(1, 3), "Not meeting the ban: 3 hosts, 2 more than before"),
        (runs(2, 2), "Not meeting the ban: 2 hosts, as many as before"),
        (runs(0, 0), "Not meeting the ban: 0 hosts, as many as before"),
        (runs(4), ""),
        ([], ""),
    ],
)
def test_the_trend_compares_with_the_run_before(trend, said):
    text = words(read(mixed(), trend=trend)[1])
    assert said in text
    assert ("Earlier runs" in text) == bool(said)


def test_a_run_over_other_hosts_is_not_simply_compared():
    few = {**runs(1)[0], "hosts": {"noncompliant": 1, "compliant": 2}}
    text = words(read(mixed(), trend=[*runs(4), few])[1])
    assert "Not meeting the ban: 1 of 3 hosts; before, 4 of 10" in text


def test_the_page_of_an_older_run_knows_nothing_of_what_came_later():
    collector = mixed()
    later = {**runs(9)[0], "run": collector.run["id"]}
    text, reader = read(
        collector, trend=[*runs(5), later, *runs(7)], since={("web01", "apps/wechat"): "2026-12-01T00:00:00Z"}
    )
    assert "Not meeting the ban: 9 hosts, 4 more than before" in words(reader)
    assert "2026-12-01" not in text


def test_the_trend_draws_the_last_sixty_runs():
    text = read(mixed(), trend=[{**run_, "finished": FINISHED} for run_ in runs(*range(10)) * 9])[0]
    assert "in 60 runs: at most 9, in the last one 9" in text
    assert text.count("<g><title>") == 60


def test_a_waiver_shows_all_that_is_known_of_it_and_the_wrong_ones_come_first():
    waiver = {
        **WAIVERS[0],
        "status": "unauthorised",
        "waives": False,
        "why": "bo.li may not approve for press",
        "users": ["alice"],
        "review_by": "2026-12-01T00:00:00Z",
        "revoked": {"on": "2026-11-01T09:00:00Z", "by": "mei.chan", "why": "no longer needed"},
        "some_new_key": ["a", "b"],
        "ticket": None,
    }
    overdue = {**WAIVERS[0], "id": "overdue", "review_overdue": True}
    text = words(read(Collector(run(["web01"], waivers=[WAIVERS[0], overdue, waiver])))[1])
    for expected in (
        "unauthorised press-office waives nothing; wechat on web02",
        "Standing bo.li may not approve for press",
        "Users only alice",
        "Review by 2026-12-01 00:00 UTC",
        "Revoked on: 2026-11-01 09:00 UTC; by: mei.chan; why: no longer needed",
        "Some new key a, b",
        "active, review overdue overdue wechat on web02",
    ):
        assert expected in text
    assert "Ticket" not in text
    assert text.index("unauthorised") < text.index("review overdue") < text.index("active press-office")


def test_what_is_new_since_a_baseline_is_shown_only_with_one():
    fleet = mixed().fleet()
    report = fleet_report(mixed().run, fleet, FINISHED)
    one = {"host": "web01", "rule": "apps/wechat", "state": "noncompliant", "what": "dpkg wechat 4.0"}
    for new, present, untold in (
        (None, "", "New since"),
        ([], "No new findings", "web01 apps/wechat dpkg"),
        ([one], '<section id="new">\n<h2>New since 20261101T000000Z-audit-aaaa</h2>', "No new findings"),
    ):
        changed = {**report, "new": new, "run": {**report["run"], "baseline": "20261101T000000Z-audit-aaaa"}}
        text = "".join(page(changed, fleet.records))
        assert present in text
        assert untold not in text


def test_refused_attempts_are_added_up():
    fleet = mixed().fleet()
    records = [{**record, "attempts": {"firewall/telegram": 7}} for record in fleet.records]
    text = "".join(page(fleet_report(mixed().run, fleet, FINISHED), records))
    reader = Reader()
    reader.feed(text)
    assert "firewall/telegram 21 3" in words(reader)


@pytest.mark.slow
def test_a_large_fleet_stands_in_the_page_as_data_and_not_as_rows():
    collector = Collector(run([f"host{number:04}" for number in range(5000)]))
    for number, host in enumerate(collector.expected):
        collector.answered(host, answer(wechat(WECHAT)) if number < 1500 else clean_answer())
    text, reader = read(collector)
    text = words(reader)
    assert "3,500 hosts compliant" in text
    assert "1,100 hosts more in hosts.jsonl" in text
    assert reader.tags.count("tr") < 500
    assert len(json.loads(reader.data)["hosts"]) == 5000
    assert len(text) < 700_000


# -- the data for the script -------------------------------------------------------------------------------------------


def data_of(records, departments=None, since=None, **more):
    return json.loads(
        "".join(script_data(break_down(records, departments or {}, since or {}, FINISHED), FINISHED, **more))
    )


def test_what_many_hosts_share_is_written_once():
    collector = Collector(run([f"web{number}" for number in range(50)]))
    for host in collector.expected:
        collector.answered(host, answer(*no_policy(), wechat(WECHAT)))
    streamed = (json.loads(json.dumps(record)) for record in collector.fleet().records)  # as they are read from a file
    data = data_of(streamed)
    assert (len(data["rules"]), len(data["parts"]), len(data["groups"])) == (119, 2, 2)
    assert data["groups"][0][1].startswith("the file is not there") or data["groups"][0][0] == "apps/wechat"
    assert {tuple(host[2]) for host in data["hosts"]} == {(0, 1)}


def test_records_that_are_read_and_forgotten_are_not_taken_for_each_other():
    collector = Collector(run([f"web{number:03}" for number in range(200)]))
    for number, host in enumerate(collector.expected):
        collector.answered(host, answer(wechat(WECHAT._replace(version=f"4.{number}"))))
    streamed = (json.loads(json.dumps(record)) for record in collector.fleet().records)
    data = data_of(streamed)
    versions = [data["texts"][data["findings"][data["rules"][host[2][0]][4][0]][3]] for host in data["hosts"]]
    assert versions == [f"4.{number}" for number in range(200)]


def test_the_data_of_a_host_has_its_numbers_and_what_was_done():
    collector = Collector(run(["web01"]))
    collector.answered("web01", answer(wechat(WECHAT)))
    (record,) = collector.fleet().records
    beside = ("rules_not_applicable", "actions", "attempts", "controls")
    bare = {key: value for key, value in record.items() if key not in beside}
    actions = [{"control": "apps", "action": "removed wechat"}, {"control": "dns", "action": "wrote a file"}]
    for more, idle, done in (
        ({}, 0, []),
        ({"rules_not_applicable": 3, "actions": actions}, 3, ["apps", "removed wechat", "dns", "wrote a file"]),
    ):
        data = data_of([{**bare, **more}])
        (row,) = data["hosts"]
        assert (row[7], row[8]) == (1, idle)
        assert [data["texts"][number] for one in data["actions"] for number in one] == done


def test_hosts_stand_in_the_order_of_their_names():
    ordered = [
        *("10.0.0.9", "10.0.0.10", "Web2", "a1b9", "a1b010", "a1bb", "a1c", "a12b", "a21a", "db1"),
        *("web", "web02", "web2", "web10"),
    ]
    assert sorted({*ordered}, key=natural) == ordered
    records = Collector(run([*reversed(ordered)])).fleet().records
    assert [host[0] for host in data_of(records)["hosts"]] == ordered


def test_too_much_evidence_is_left_out_and_the_rules_stay():
    collector = Collector(run(["web01"]))
    collector.answered("web01", answer(wechat(WECHAT), *no_policy()))
    data = data_of(collector.fleet().records, most=1000)
    with_remediation = [rule[4] is not None for rule in data["rules"]]
    assert any(with_remediation)
    assert with_remediation == sorted(with_remediation, reverse=True)
    assert len(data["rules"]) == 119


@given(st.lists(st.text(), unique=True))
def test_any_names_have_one_order(names):
    keys = {natural(name) for name in names}
    assert len(sorted(keys)) == len(names)


@given(text=st.text(min_size=1))
def test_any_text_comes_through_the_data_as_it_is_cleaned_and_ends_no_script(text):
    finding = Finding("package", text, manager=text, version=text, scope=f"user:{text}", path=text, detail=text)
    collector = Collector(run([text]))
    collector.answered(text, answer(judge(f"apps/{text}", {"mode": "enforce"}, [finding])))
    written = "".join(script_data(break_down(collector.fleet().records, {text: [text]}, {}, FINISHED), FINISHED))
    assert not set("<>&") & set(written)
    data = json.loads(written)
    assert data["hosts"][0][0] == host_label(text)
    assert [data["texts"][place] for place in data["findings"][0]][1] == shapes.name(text, "a name", 500)
    assert data["departments"] == [clean(text)]


def test_what_is_announced_is_listed_by_day() -> None:
    days = {"signal": "2027-02-01", "whatsapp": "2027-01-01", "line": "2027-01-01"}
    found = facts.upcoming([{"service": service, "effective_from": day} for service, day in days.items()])
    assert found is not None and found.rows == [("from 2027-01-01", "line, whatsapp"), ("from 2027-02-01", "signal")]
    assert found[:3] == ("upcoming", "Upcoming", "Upcoming")  # the anchor that other parts of the page lead to
    assert facts.upcoming([]) is None


# -- hostile hosts -----------------------------------------------------------------------------------------------------


def hostile(evil=EVIL):
    """A run in which every text that can come from outside tries to become markup."""
    finding = Finding("package", evil, manager=evil, version=evil, scope=f"user:{evil}", path=evil, detail=evil)
    waiver = {
        **WAIVERS[0],
        **dict.fromkeys(("id", "status", "reason", "approved_by", "why", evil), evil),
        **dict.fromkeys(("hosts", "services", "controls"), [evil]),
        "revoked": {evil: evil},
    }
    upcoming = [{"service": evil, "control": "apps", "effective_from": evil}]
    collector = Collector(
        run([evil, "db01", "web03"], waivers=[waiver], upcoming=upcoming, warnings=[evil], limit=evil, id=evil)
    )
    record = answer(
        judge(f"apps/{evil}", {"mode": "enforce"}, [finding]),
        judge(f"browser/{evil}", {"mode": "waived", "waiver": evil}, [finding]),
        judge(f"dns/{evil}", {"mode": "enforce"}, [], unseen=evil),
        errors=[{"control": evil, "message": evil}],
    )
    collector.answered(evil, {**record, "platform": {"os": evil, evil: evil}, "checked_at": evil})
    collector.unreachable("db01", evil)
    return collector


def test_nothing_from_outside_becomes_markup():
    trend = [{**one, "mode": EVIL, "finished": EVIL} for one in runs(1, 2)]
    text, reader = read(hostile(), {EVIL: [EVIL]}, trend=trend, since={(EVIL, f"apps/{EVIL}"): EVIL}, directory=EVIL)
    plain_tags = read(mixed(), trend=runs(1, 2))[1].tags
    assert set(reader.tags) <= set(plain_tags) | {"details", "summary", "ul", "li", "h3", "small"}
    assert reader.tags.count("script") == 2
    assert not {name for name, _ in reader.attributes} & {"onerror", "onclick", "src"}
    assert not {"\x1b", "\u202e"} & set(text)


# What would take the place of a part of the page, or lead elsewhere, if it became an id, a class, a style or a link.
PLACES = ["data", "words", "panel", "list", "record", "noncompliant", "hidden", "__proto__", "attributes", "body"]
PLACES += [
    "javascript:alert(1)",
    "//example.org/x",
    "data:text/html,x",
    "../../etc/passwd",
    "#record",
    "-l all",
    "%2e%2e",
]
PLACES += [
    "x;background:url(//example.org)",
    "}body{display:none",
    "x' autofocus onfocus='x",
    "x\tstyle=x",
    "\u2028id=data",
]
OF_TEXT = {"aria-label", "title", "value", "datetime"} | {
    f"data-{name}" for name in ("waiver", "department", "control", "service", "words")
}


def structure(evil):
    """The elements of a page, each with those of its attributes that show no text; sorted, since names are."""
    trend = [{**one, "mode": evil, "finished": evil} for one in runs(1, 2)]
    text, reader = read(hostile(evil), {evil: [evil]}, trend=trend, since={(evil, f"apps/{evil}"): evil})
    assert text.count("Content-Security-Policy") == 1
    return sorted(
        (tag, *(f"{name}={value}" for name, value in attributes if name not in OF_TEXT))
        for tag, attributes in reader.elements
        if tag != "wbr"
    )


@pytest.mark.parametrize("evil", [EVIL, *PLACES])
def test_no_name_is_an_id_a_class_a_style_or_a_link(evil):
    """The page is the same whatever hosts, users, services, departments and waivers are called, but for its words."""
    found = structure(evil)
    assert found == structure("harmless")
    ids = [attribute for _, *attributes in found for attribute in attributes if attribute.startswith("id=")]
    assert len(ids) == len(set(ids)) > 10
