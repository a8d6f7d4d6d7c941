"""What the history says, on the screen and for machines; and `./proscribe report`, which asks it."""

from __future__ import annotations

import argparse
import datetime
import json

import pytest
from fleets import answer, no_policy, wechat
from pasts import PACKAGE, bad, good
from proscribe.controller.cli import Refused
from proscribe.controller.cli import report as word
from proscribe.controller.compile.inventory.reports_place import Place
from proscribe.controller.report.history import Scope
from proscribe.controller.report.terminal import past_runs as pasts
from proscribe.controller.report.terminal.summary import Screen

DAY = 86400
NOW = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.timezone.utc)


def story(past):
    """Three weeks of three hosts: one flaps, one is repaired, one falls silent."""
    past.run({"web01": good(), "web02": good(), "db\x1b[2J": good()}, day=1, hour=8)
    for day in range(3, 24, 4):
        hosts = {
            "web01": (bad if day % 8 == 3 else good)(),
            "web02": (bad if day < 10 else good)(),
            "db\x1b[2J": good(),
        }
        past.run({**hosts, "db\x1b[2J": None if day > 5 else good()}, day=day, hour=8)


def printed(past, width=100, height=60, **scope):
    found = pasts.gather(past.history, Scope(**scope), NOW, 3 * DAY)
    return pasts.render(found, Screen(width, height))


def test_one_screen_says_what_is_wrong_what_was_repaired_what_comes_back_and_where_it_goes(past):
    story(past)
    assert (
        printed(past)
        == """
all hosts, since the history began   7 runs, the last 2026-11-23 08:01 UTC

wrong now
(the host)  unknown  db\ufffd[2J, since 2026-11-07 08:01 UTC (18 days); unreachable: no route

corrected
4 times, half of them within 4 days, the slowest after 8 days

flapping
web01 apps/wechat: drifted 3 times, last 2026-11-19 08:00 UTC

not seen any more
db\ufffd[2J, for 22 days (since 2026-11-03 08:00 UTC)

trend
2026-11-01 08:01 UTC  0 of 3 hosts not meeting the ban   compliant 3 of 3 (100 %)   audit
2026-11-03 08:01 UTC  2 of 3 hosts not meeting the ban   compliant 1 of 3 (33.3 %)   audit
2026-11-07 08:01 UTC  2 of 3 hosts not meeting the ban   compliant 1 of 3 (33.3 %)   audit
2026-11-11 08:01 UTC  2 of 3 hosts not meeting the ban   compliant 1 of 3 (33.3 %)   audit
2026-11-15 08:01 UTC  1 of 3 hosts not meeting the ban   compliant 2 of 3 (66.6 %)   audit
2026-11-19 08:01 UTC  2 of 3 hosts not meeting the ban   compliant 1 of 3 (33.3 %)   audit
2026-11-23 08:01 UTC  1 of 3 hosts not meeting the ban   compliant 2 of 3 (66.6 %)   audit"""
    )


def test_one_host_has_a_story(past):
    story(past)
    assert (
        "what happened\n"
        "apps/wechat  noncompliant  2026-11-19 08:00 UTC until 2026-11-23 08:00 UTC (compliant); dpkg wechat\n"
        "                           4.0\n"
    ) in printed(past, host="web01")
    assert "corrected\nonce, after 8 days\n" in printed(past, host="web02")


def test_a_missing_file_is_one_line_and_not_one_for_each_rule(past):
    past.run({"web01": answer(*no_policy(), wechat(PACKAGE))})
    lines = printed(past).splitlines()
    assert [line[:33] for line in lines if "noncompliant" in line] == [
        "apps/wechat         noncompliant ",
        "browser, 118 rules  noncompliant ",
    ]


def test_a_great_fleet_fits_the_screen_too(past):
    past.run({f"host{n:03}": answer(*(wechat(PACKAGE)._replace(rule=f"apps/app{n:03}"),)) for n in range(120)}, day=1)
    for height in (24, 40):
        text = printed(past, width=80, height=height)
        assert len(text.splitlines()) < height
        assert max(map(len, text.splitlines())) <= 80
        assert "more items; --json has them all" in text


@pytest.mark.parametrize("width", [80, 76])
def test_on_a_narrow_screen_the_trend_keeps_its_share(past, width):
    story(past)
    lines = printed(past, width=width).partition("\ntrend\n")[2].splitlines()
    assert lines[-1] == "2026-11-23 08:01 UTC  1 of 3 not meeting the ban, 66.6 % compliant"


def test_for_machines_it_is_all_there(past):
    story(past)
    found = pasts.gather(past.history, Scope("2026-11-10T00:00:00Z", "web01"), NOW, 3 * DAY)
    found = json.loads(json.dumps(found.as_dict()))
    assert found["schema"] == "proscribe/history/1"
    assert found["runs"] == {"number": 4, "first": "2026-11-11T08:01:00Z", "last": "2026-11-23T08:01:00Z"}
    assert [e["opened"][:10] for e in found["episodes"]] == ["2026-11-19", "2026-11-11"]
    assert len(found["trend"]) == 4


# -- the word ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(tmp_path):
    """`./proscribe report` with those options, on reports in tmp_path."""
    parser = argparse.ArgumentParser()
    word.add_arguments(parser)
    return lambda *options: word.answer(parser.parse_args(options), Screen(100, 60), Place(tmp_path, "a test"))


def stored(past, tmp_path, name="20261125T080000Z-audit-1a2b", **hosts):
    """Record a run and keep its report; returns its directory."""
    return past.stored(tmp_path, hosts or {"web01": bad()}, name)


def test_without_options_the_latest_run_is_shown_again(past, tmp_path, ask):
    directory = stored(past, tmp_path)
    text = ask()
    assert "1 host: 1 noncompliant" in text
    assert "apps/wechat  noncompliant  web01: dpkg wechat 4.0" in text
    assert f"{directory}/report.html" in text
    assert ask("--run", directory.name).splitlines()[:4] == text.splitlines()[:4]
    assert json.loads(ask("--json"))["run"]["id"] == directory.name


def test_what_a_waiver_covers_is_not_wrong(past, tmp_path, ask):
    waived = answer(wechat(PACKAGE, entry={"mode": "waived", "waiver": "press-office"}))
    stored(past, tmp_path, web01=waived, web02=bad())
    text = ask("--since", "2026-11-01")
    wrong, _, rest = text.partition("\nwaived now\n")
    assert "web02" in wrong and "web01" not in wrong
    assert rest.startswith("apps/wechat  waived  web01, since ")
    found = json.loads(ask("--since", "2026-11-01", "--json"))
    assert [one["host"] for one in found["wrong"]] == ["web02"]
    assert [(one["host"], one["state"]) for one in found["waived"]] == [("web01", "waived")]


def test_an_old_run_and_a_newer_one_that_did_not_end_are_reported(past, tmp_path, ask, monkeypatch):
    stored(past, tmp_path)
    monkeypatch.setattr(word, "_now", lambda: NOW + datetime.timedelta(days=9))
    (tmp_path / "20261130T000000Z-enforce-77c0.partial").mkdir()
    text = ask()
    assert "note: this run ended 9 days ago; the state of the hosts may have changed" in text
    assert "note: 20261130T000000Z-enforce-77c0.partial is newer" in text


def test_what_is_made_from_a_report_is_written_anew(past, tmp_path, ask):
    directory = stored(past, tmp_path)
    before = {name: (directory / name).read_bytes() for name in ("report.json", "hosts.jsonl")}
    ask("--write")
    assert "wechat" in (directory / "report.html").read_text()
    assert (directory / "report.csv").read_text().count("web01") == 1
    assert {name: (directory / name).read_bytes() for name in before} == before


def test_the_history_that_the_latest_run_wrote_into_is_asked(past, tmp_path, ask):
    stored(past, tmp_path)
    assert "what happened" in ask("--host", "web01", "--since", "2026-11-01")
    assert json.loads(ask("--rule", "apps/wechat", "--json"))["wrong"][0]["hosts"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no complete report latest in .*; there is none yet"),
        (("--run", "nosuch"), "no complete report nosuch"),
        (("--since", "30d"), "there is no history yet"),
        (("--since", "30d", "--history", "off"), "proscribe_history is off"),
        (("--since", "30d", "--run", "x"), "--run and --write are about one run"),
        (("--host", "x", "--write"), "--run and --write are about one run"),
    ],
)
def test_what_cannot_be_answered_is_refused(ask, options, message):
    with pytest.raises(Refused, match=message):
        ask(*options)


@pytest.mark.parametrize("name", ["report.json", "hosts.jsonl"])
@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_report_that_somebody_broke_is_named_with_its_line(past, tmp_path, ask, name, content):
    (stored(past, tmp_path) / name).write_text(content)
    with pytest.raises(Refused, match=name):
        ask()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30d", "2026-10-26T12:00:00Z"),
        ("12h", "2026-11-25T00:00:00Z"),
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("2026-11-01T08:30:00Z", "2026-11-01T08:30:00Z"),
    ],
)
def test_since(monkeypatch, text, time):
    monkeypatch.setattr(word, "_now", lambda: NOW)
    assert word.since(text) == time


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-11-01 08:00", "01.11.2026", "30"])
def test_since_nothing_that_is_a_time(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no day such as 2026-11-01, and not a length of time"):
        word.since(text)
