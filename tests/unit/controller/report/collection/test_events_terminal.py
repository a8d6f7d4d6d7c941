"""The report on the terminal, as an operator sees it: golden texts of a few fleets."""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from textwrap import dedent

import pytest
from fleets import PROCESS, SERVICES, WAIVERS, WECHAT, answer, clean_answer, judge, no_policy, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from printed import too_wide, unread
from properties import examples
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.groups import needs_root
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.storage import lift_file
from proscribe.controller.report.terminal import lifting
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.controller.report.text import layout
from proscribe.controller.report.text.layout import cells
from proscribe.model.finding import Finding, Verdict
from proscribe.model.removed import Removed
from proscribe.wire.replies import results
from proscribe.wire.replies.shapes import Unusable

REFUSED_CONNECTION = "ssh: connect to host 10.0.0.7 port 22: Connection refused"


def shown(collector, directory="", **screen):
    """The report of what a collector heard, on such a screen."""
    fleet = collector.fleet()
    report = fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    return render(report, fleet.records, Screen(**screen), directory)


def golden(text):
    return "\n" + dedent(text).strip("\n")


def test_many_things_of_one_host_take_time_as_they_are_many():
    """The report of 10,000 rules took a minute, since each was looked for among all others."""

    def seconds(number):
        found = [(Finding("file", f"{n}"), f"apps/s{n}") for n in range(number)]
        collector = Collector(run(["web01"]))
        collector.answered("web01", answer(*(judge(rule, {"mode": "enforce"}, [one]) for one, rule in found)))
        gc.collect()
        gc.disable()  # it would look through all that other tests have left
        try:
            started = time.process_time()
            shown(collector)
            return time.process_time() - started
        finally:
            gc.enable()

    seconds(10)
    few, many = (min(seconds(number) for _ in range(3)) for number in (1000, 4000))  # the machine has other work
    assert many / few < 12  # 4 where time is as they are many, 16 where each is looked for among all


def test_one_host_noncompliant_one_unreachable():
    collector = Collector(run(["web01", "web02"]))
    collector.answered("web01", answer(wechat(WECHAT, PROCESS), evaluated=["apps/x"]))
    collector.unreachable("web02", REFUSED_CONNECTION)
    assert shown(collector, "/srv/ban/reports/r1", width=100, here="/srv/ban") == golden(
        """
        2 hosts: 1 noncompliant, 1 unknown   coverage 1 of 2 (50 %)   compliant 0 of 2 (0 %)

        apps/wechat  noncompliant  web01: dpkg wechat 4.0, process /opt/wechat/wechat (alice)
        web02        unknown       unreachable: ssh: connect to host 10.0.0.7 port 22: Connection refused

        next: see what would change:
                ./proscribe enforce --check --diff --limit web01 -i inventory/prod
              the same without --check --diff corrects it
              ask it again, once reachable:
                ./proscribe audit --limit web02 -i inventory/prod
              reports/r1/report.html
        """
    )


def test_the_machine_it_stands_on_as_an_ordinary_user():
    collector = Collector(run(["localhost"]))
    unseen = "the settings of other users cannot be read: this needs root"
    collector.answered("localhost", answer(judge("apps/wechat", {"mode": "enforce"}, [], unseen), evaluated=["dns/x"]))
    assert shown(collector, here="/srv/ban") == golden(
        """
        1 host: 1 unknown   coverage 1 of 1 (100 %)   compliant 0 of 1 (0 %)

        apps/wechat  unknown  localhost: the settings of other users cannot be read:
                              this needs root

        next: check as root what could not be observed (-K too if sudo asks for a
              password):
                ./proscribe audit -i inventory/prod -b
        """
    )


@pytest.mark.parametrize(
    ("reason", "needs"),
    [
        ("this needs root: run it as root, or let Ansible become root", True),
        ("only root can start a browser as somebody else", True),
        ("the firewall's rules can only be listed by root: run the audit as root, or with -b", True),
        ("12 processes of other users are only seen by root", True),
        ("/srv/root/d/d is more than 128 directories down", False),
        ("/srv/of-root/x, /home/rootless/y is more than 128 directories down", False),
        ("dpkg-query ended with code 2", False),
    ],
)
def test_root_is_advised_where_it_would_see_more(reason: str, needs: bool) -> None:
    records = [{"host": "h1", "rules": [{"state": "unknown", "reason": reason}]}]
    assert needs_root(records) == (["h1"] if needs else [])


@pytest.mark.parametrize(
    ("upcoming", "said"),
    [
        (
            [("signal", "2027-03-01"), ("qq", "2027-01-01")],
            "nothing: the ban is not in force yet, it begins on 2027-01-01",
        ),
        ([], "nothing: nothing is restricted"),
    ],
)
def test_a_ban_that_is_not_in_force_is_not_said_to_hold(upcoming, said):
    announced = [{"service": service, "control": "dns", "effective_from": day} for service, day in upcoming]
    collector = Collector(run(["web01"], upcoming=announced))
    collector.answered("web01", answer(Verdict("dns/qq", "not_applicable")))
    assert f"next: {said}" in shown(collector)


def test_a_compliant_fleet_is_two_lines():
    collector = Collector(run(["web01", "web02"]))
    for host in ("web01", "web02"):
        collector.answered(host, clean_answer())
    assert shown(collector) == golden(
        """
        2 hosts: 2 compliant   coverage 2 of 2 (100 %)   compliant 2 of 2 (100 %)

        next: nothing: the ban is in effect on every host
        """
    )


def test_what_118_rules_share_is_one_line():
    collector = Collector(run(["web01", "web02", "web03"]))
    for host in ("web01", "web02"):
        collector.answered(host, answer(*no_policy()))
    collector.answered("web03", answer(*no_policy(["chromium"], SERVICES[:2])))
    assert shown(collector).splitlines()[3:6] == [
        "browser  noncompliant  118 rules on 2 hosts: the file is not there (chromium,",
        "                       firefox); web01, web02",
        "browser  noncompliant  browser/service000, browser/service001 on web03: the file",
    ]


def test_an_enforcing_run_with_a_repair_a_refusal_and_a_failure():
    collector = Collector(run(["web01", "web02", "web03"], "enforce"))
    collector.answered("web01", answer(wechat(WECHAT), evaluated=["apps/x"]))
    collector.answered("web01", clean_answer(checked_at="2026-11-25T00:30:09Z"))
    collector.answered("web02", answer(wechat(WECHAT)))
    refused = {"rule": "apps/wechat", "subject": "wechat", "reason": "it would take gnome with it"}
    collector.changed("web02", "apps", {"actions": [], "refused": [refused]})
    collector.answered("web02", answer(wechat(WECHAT)))
    collector.answered("web03", answer(wechat(WECHAT)))
    collector.failed("web03", "apps", "apt is locked")
    assert shown(collector, width=100) == golden(
        """
        3 hosts: 1 error, 1 noncompliant, 1 repaired   coverage 3 of 3 (100 %)   compliant 1 of 3 (33.3 %)

        apps         error         web03: apt is locked
        apps/wechat  noncompliant  2 hosts: dpkg wechat 4.0; web02, web03
        apps         noncompliant  web02: apps/wechat: wechat was left as it is: it would take gnome with it
        apps/wechat  repaired      web01: dpkg wechat 4.0

        next: enforcing did not correct everything: see what was refused or is only audited, above
              errors: correct what they name and run again; -v shows every task
        """
    )


# What a host says of a firewall that it took back, and ssh of a host that it cannot reach: longer than three lines.
TAKEN_BACK = (
    "the new rules were taken back at 2026-11-25 00:30:09 UTC: no connection of the controller came in for 60 s; what "
    "refuses it is in /var/lib/proscribe/firewall/refused-0123456789abcdef0123456789abcdef0123456789abcdef/rules.nft "
    "and the chain output of inet proscribe; add the controller to proscribe_firewall_allow and enforce again"
)
GONE = 'Data could not be sent to remote host "{}". Make sure this host can be reached over ssh: ' + "no route " * 20


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("hosts", [1, 3, 40])
def test_the_reason_of_an_error_and_of_what_is_unknown_is_whole_and_said_once(width, hosts):
    names = [f"web{number:02}" for number in range(hosts)]
    collector = Collector(run([*names, "gone1", "gone2", "db01"], "enforce"))
    unseen = judge("dns/gmail", {"mode": "enforce"}, [], f"/etc/hosts cannot be read: {'it is locked ' * 12}")
    for host in names:
        collector.answered(host, answer(unseen, errors=[{"control": "firewall", "message": TAKEN_BACK}]))
    for host in ("gone1", "gone2"):
        collector.unreachable(host, GONE.format(host))
    collector.failed("db01", None, "sudo: " + "a password is required " * 9)
    printed = shown(collector, "reports/r1", width=width, height=40)
    reasons = [TAKEN_BACK, unseen.reason, GONE.format("(name)"), "sudo: " + "a password is required " * 9]
    assert unread(reasons, printed) == []
    assert too_wide(printed, width) == []
    said = "".join(printed.split())
    assert [said.count("".join(reason.split())) for reason in reasons] == [1, 1, 1, 1]


def test_an_overdue_review_is_said_before_all_that_may_be_cut_off():
    overdue = {**WAIVERS[0], "review_overdue": True, "review_by": "2026-11-15T02:00:00Z"}
    collector = Collector(run(["web02"], waivers=[overdue]))
    collector.answered("web02", answer(evaluated=["apps/wechat"]))
    text = " ".join(shown(collector, width=60).split())
    assert "waiver press-office active review overdue since 2026-11-15, waives until 2027-03-31 10:00 UTC: ..." in text


def test_a_waiver_that_ends_today_is_not_said_to_last_until_the_end_of_the_day():
    ending = {**WAIVERS[0], "expires": "2026-11-25T10:00:00Z"}
    collector = Collector(run(["web02"], waivers=[ending]))
    collector.answered("web02", answer(evaluated=["apps/wechat"]))
    assert "active ends today, until 2026-11-25 10:00 UTC: " in " ".join(shown(collector, width=100).split())


def test_waivers_that_waive_nothing_come_first_and_aloud():
    upcoming = [
        {"service": "signal", "control": control, "effective_from": "2027-01-01"} for control in ("apps", "dns")
    ]
    collector = Collector(run(["web02"], waivers=WAIVERS, upcoming=upcoming))
    collector.answered("web02", answer(wechat(WECHAT, entry={"mode": "waived", "waiver": "press-office"})))
    assert shown(collector, width=100) == golden(
        """
        1 host: 1 waived   coverage 1 of 1 (100 %)   compliant 0 of 1 (0 %), with waivers 100 %

        apps/wechat          waived      web02: dpkg wechat 4.0 (waiver press-office)
        waiver old-project   EXPIRED     since 2026-01-31 10:00 UTC, waives nothing: dropbox on web01,
                                         approved by bo.li
        waiver press-office  active      126 days left, until 2027-03-31 10:00 UTC: wechat on web02,
                                         approved by mei.chan
        upcoming             2027-01-01  1 service: signal

        next: nothing: the ban is in effect on this host, but for waivers
        """
    )


def test_a_narrow_terminal_has_the_text_below():
    collector = Collector(run(["web01"]))
    collector.answered("web01", answer(wechat(WECHAT, PROCESS)))
    assert shown(collector, width=45) == golden(
        """
        1 host: 1 noncompliant
        coverage 1 of 1 (100 %)
        compliant 0 of 1 (0 %)

        apps/wechat  noncompliant
            web01: dpkg wechat 4.0, process
            /opt/wechat/wechat (alice)

        next: see what would change:
                ./proscribe enforce --check --diff -i inventory/prod
              the same without --check --diff
              corrects it
        """
    )


def test_check_mode_says_that_nothing_was_changed():
    collector = Collector(run(["web01"], "check"))
    collector.answered("web01", answer(wechat(WECHAT)))
    collector.changed("web01", "apps", {"actions": ["remove wechat"]})
    text = shown(collector, width=120)
    assert "check mode: nothing was changed" in text
    assert "next: nothing was changed; to make these changes:\n        ./proscribe enforce -i inventory/prod" in text


def test_some_controls_only():
    collector = Collector(run(["web01"], controls=["apps", "dns"]))
    collector.answered("web01", clean_answer())
    assert "apps and dns only" in shown(collector)


@pytest.mark.parametrize(
    ("mode", "count", "missing", "line"),
    [
        ("enforce", 1, [], "programs on web01 reach names below blocked names: no resolver that filters there"),
        (
            "enforce",
            2,
            [],
            "programs on 2 hosts (web01, web02) reach names below blocked names: no resolver that filters",
        ),
        ("audit", 2, [], ""),
        ("enforce", 2, [Finding("hosts_line", "block", detail="missing")], ""),  # nothing is blocked
    ],
)
def test_hosts_without_a_resolver_are_named_once(mode, count, missing, line):
    hosts = ["web01", "web02"][:count]
    collector = Collector(run(hosts))
    reason = "the hosts file cannot cover them"
    below = Verdict("dns/sub-domains", "not_applicable", (Finding("coverage", "sub-domains"),), reason=reason)
    for host in hosts:
        collector.answered(host, answer(below, judge("dns/hosts-file", {"mode": "enforce"}, missing)))
    fleet = collector.fleet()
    for record in fleet.records:
        next(rule for rule in record["rules"] if rule["rule"] == "dns/sub-domains")["mode"] = mode
    report = fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z")
    text = " ".join(render(report, fleet.records, Screen(width=200)).split())
    assert (line in text, text.count("below blocked names")) == (True, 1 if line else 0)


def test_no_host():
    assert "no host was selected: check the inventory (-i)" in shown(Collector(run([])))


def large_fleet(size):
    """A fleet in which everything happens somewhere."""
    chance = random.Random(7)
    collector = Collector(run([f"host{number:04}" for number in range(size)], waivers=WAIVERS * 5))
    for number, host in enumerate(collector.expected):
        fate = chance.random()
        if fate < 0.5:
            collector.answered(host, clean_answer())
        elif fate < 0.7:
            collector.answered(host, answer(*no_policy()))
        elif fate < 0.9:
            apps = chance.sample(range(60), 3)
            found = [(f"app{n}", Finding("package", f"app{n}", manager="dpkg", version=str(number))) for n in apps]
            collector.answered(host, answer(*[judge(f"apps/{id_}", {"mode": "enforce"}, [it]) for id_, it in found]))
        elif fate < 0.97:
            collector.unreachable(host, f"ssh: connect to host 10.0.0.{number % 256} port 22: Connection timed out")
        else:
            collector.failed(host, None, "sudo: a password is required")
    return collector


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(60, 40), (80, 30), (100, 40), (200, 60)])
def test_a_thousand_hosts_fit_a_screen(width, height):
    lines = shown(large_fleet(1000), "reports/r1", width=width, height=height).splitlines()
    assert len(lines) < height
    assert max(cells(line) for line in lines if "./proscribe" not in line) <= width
    text = "\n".join(lines)
    assert "1,000 hosts" in text
    assert "see report.html" in text
    assert "@reports/r1/noncompliant.txt" in text


def test_a_file_or_a_journal_gets_the_evidence_whole():
    """Where nothing has to fit a screen, nothing is cut."""
    collector = Collector(run(["web01"], "audit"))
    paths = [f"/home/alice/Downloads/{number:02}-{'x' * 50}/telegram" for number in range(3)]
    collector.answered("web01", answer(wechat(*(Finding("file", "telegram", path=path) for path in paths))))
    report = shown(collector, width=80, height=sys.maxsize)
    assert [path for path in paths if path not in report.replace("\n", "")] == [] and "..." not in report
    assert not all(path in shown(collector, width=80, height=12) for path in paths)


HOSTILE = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\x1b\r\n\x07\x9b\u202e\u2066\x00"), min_size=1, max_size=30
)


@examples(150)
@given(data=st.data(), width=st.integers(20, 140))
def test_nothing_from_a_host_steers_the_terminal(data, width):
    def text():
        return data.draw(HOSTILE)

    collector = Collector(run([host := text(), other := "web" + text()], "enforce"))
    finding = Finding(
        "package", text(), manager=text(), version=text(), scope=f"user:{text()}", path=text(), detail=text()
    )
    record = answer(
        judge(f"apps/{text()}", {"mode": "enforce"}, [finding]),
        judge(f"browser/{text()}", {"mode": "enforce"}, [finding]),
        judge(f"dns/{text()}", {"mode": "enforce"}, [], text()),
        errors=[{"control": text(), "message": text()}],
    )
    collector.answered(host, record)
    collector.unreachable(other, text())
    lines = shown(collector, "reports/r1", width=width).split("\n")
    assert all(line.isprintable() for line in lines)
    # A command has its line whole, and so has a word: every terminal goes on in its next row.
    assert too_wide("\n".join(lines), max(width, 40)) == []


def test_colours_only_where_they_are_asked_for():
    collector = Collector(run(["web01"]))
    collector.answered("web01", answer(wechat(WECHAT)))
    assert "\x1b" not in shown(collector)
    coloured = shown(collector, colours=True)
    assert "\x1b[31mnoncompliant\x1b[0m" in coloured


def test_a_lift_says_where_the_ban_is_lifted_and_where_not():
    collector = Collector(run(["web01", "web02", "web03"], "lift"))
    collector.changed("web01", "apps", {"changed": True, "actions": ["delete gate", "delete hook"]})
    collector.failed("web02", "apps", "apt is locked")
    collector.unreachable("web03", REFUSED_CONNECTION)
    assert lifting.render(collector.expected, collector.heard, check=False, width=120) == golden(
        """
        lifted on 1 of 3 hosts (2 actions); the ban is not in force there
        not lifted on web02: apt is locked
        not lifted on web03: unreachable: ssh: connect to host 10.0.0.7 port 22: Connection refused
        """
    )
    check = lifting.render(collector.expected, collector.heard, check=True, width=120)
    assert check.splitlines()[1] == "would lift on 1 of 3 hosts (2 actions); nothing was changed"


def test_a_lift_says_what_is_not_installed_again_and_how_it_is(tmp_path):
    """The same list on the screen and in the file; a command is one line at any width, once for equal hosts."""
    gone = Removed("dpkg", "telegram-desktop", "5.1", "system", "telegram-desktop", "apt-get", mark="auto")
    by_hand = Removed("dpkg", "tim", "1.0", "system", "tim", "dpkg")
    collector = Collector(run(["web01", "web02", "web03", "web04"], "lift"))
    for host, removed in (("web01", [gone]), ("web02", [gone]), ("web03", [gone, by_hand]), ("web04", [])):
        answered = {"changed": True, "actions": ["delete gate"], "removed": [one._asdict() for one in removed]}
        collector.changed(host, "apps", results.change(answered))
    line = "  apt-get install telegram-desktop && apt-mark auto telegram-desktop"
    lifted = lifting.lifted_hosts(collector.expected, collector.heard)
    before = os.umask(0)
    try:
        file = lift_file.write(tmp_path / "new" / "reports", collector.run, collector.heard, lifted)
    finally:
        os.umask(before)
    assert file.read_text().startswith('{\n "schema": "proscribe/lift/1",\n "run": {\n  "id": ')
    text = lifting.render(collector.expected, collector.heard, check=False, width=60, file=str(file))
    assert text.splitlines()[3:] == [
        "4 packages that the ban had removed are not installed again",
        "on web01, web02, as root:",
        line,
        "on web03, as root:",
        line,
        "on web03, from their files: dpkg tim 1.0",
        *layout.wrap(f"all of it: {file}", 60, 2),
    ]
    hosts = {one["host"]: one for one in json.loads(file.read_text())["hosts"]}
    assert [len(one["removed"]) for one in hosts.values()] == [1, 1, 2, 0]
    assert hosts["web03"]["command"] == line.strip() and hosts["web04"]["command"] is None
    assert hosts["web03"]["removed"][0] == {key: text for key, text in gone._asdict().items() if text}
    assert file.stat().st_mode & 0o777 == 0o640
    assert [place.stat().st_mode & 0o777 for place in (*file.parents,)[:3]] == [0o750] * 3
    check = lifting.render(collector.expected, collector.heard, check=True, width=60)
    assert "4 packages that the ban had removed would not be" in check
    with pytest.raises(Unusable, match="a field of a removed package"):
        results.change({"changed": False, "removed": [{**gone._asdict(), "name": "a\nb"}]})
