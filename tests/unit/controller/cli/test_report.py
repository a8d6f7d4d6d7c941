"""`report`: options, notes, pages, streams, and refusals."""

import argparse
import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from pasts import Past, bad, good, made_plan, waived
from proscribe.controller.cli import CommandError, command_line, report, report_pages
from proscribe.controller.compile.inventory.reports_folder import ReportsPlace
from proscribe.controller.report.history import open_history
from proscribe.controller.report.run_end import report_rewriting
from proscribe.controller.report.terminal.summary import TerminalScreen

FIRST, SECOND, THIRD = (f"2026112{day}T020000Z-audit-0001" for day in (1, 2, 3))
WAIVER = {"id": "press", "services": ["wechat"], "controls": ["apps"], "approved_by": "mei.chan"}
ONE_RUN = "--run and --write are about one run"
OF_ITS_OWN = "--merge makes a report of its own"
READ_FROM = "reports are read from reports (a test)"
RUN = {"id": "r1", "finished": "2026-11-30T01:00:00Z"}
KNOWN = {"since": {"web01": "x"}, "days": [1, 2]}
WAIVER |= {"expires": "2026-11-22T00:00:00Z", "valid_from": "2026-11-01T00:00:00Z", "status": "active"}


def arguments(*options):
    return command_line.parse_command("report", options)[1]


@pytest.fixture
def reports(tmp_path):
    reports = tmp_path / "reports"
    made_plan(reports, apps=["wechat"])
    past = Past(open_history("sqlite", reports))
    past.stored(reports, {"web01": bad(), "web02": good()}, FIRST, day=21)
    past.stored(reports, {"web01": good(), "web02": good()}, SECOND, day=22)
    return reports


@pytest.fixture
def ask(reports):
    place, screen = ReportsPlace(reports, "a test"), TerminalScreen(200, 60, working_directory=str(reports.parent))
    return lambda *options: report.compose_answer(arguments(*options), screen, place)


def changed(directory, **run):
    """Changes what a report says of its run; what is None is not in it."""
    path = directory / "report.json"
    found = json.loads(path.read_text())
    found["run"] = {name: value for name, value in {**found["run"], **run}.items() if value is not None}
    path.write_text(json.dumps(found))


def notes(text):
    return re.findall(r"(?m)^note: (.*(?:\n  .*)*)", text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(((*option, "--format", "csv"), "--format csv is of one run") for option in (["--host=x"], ["--rule=x/y"])),
        *(
            (("--group", "press", *option), f"one run and one department: {option[0]} does not go with it")
            for option in (("--since", "3d"), ("--host", "x"), ("--rule", "x/y"), ("--write",), ("--merge", "x"))
        ),
        *((("--group=press", "--format", name), f"{name} counts all") for name in ("svg", "events", "prometheus")),
        *((pair, ONE_RUN) for pair in (("--since=3d", "--write"), ("--host=x", "--run=x"), ("--rule=x/y", "--write"))),
        *((("--merge", "x", option), OF_ITS_OWN) for option in ("--host=x", "--rule=x/y", "--run=x", "--write")),
        *(
            (("--exceptions", option, "x"), f"--exceptions is about all waivers: {option} does not go with it")
            for option in ("--host", "--rule", "--run", "--group", "--merge", "--round")
        ),
        (("--exceptions", "--json", "--format", "csv"), "--json is --format json, and --format csv is asked for too"),
        (("--exceptions", "--write"), "--exceptions is about all waivers: --write does not go with it"),
        *((("--json", "--format", name), f"--format {name} is asked for too") for name in ("csv", "table", "html")),
        (("--exceptions", "--format", "html"), "--exceptions has the formats table, json and csv$"),
        (("--run", "nosuch"), r"nosuch.* \(reports are read from reports \(a test\)\)$"),
        (("--exceptions", "--history", "off"), "proscribe_history is off"),
        ((), "no complete report latest in .*; there is none yet"),
        (("--since", "30d"), "there is no history yet"),
        (("--merge", FIRST, "--round", "r1"), "--round goes with --merge unmerged"),
    ],
)
def test_contradictory_options_are_refused(options, message, tmp_path):
    place, screen = ReportsPlace(tmp_path / "reports", "a test"), TerminalScreen(working_directory=str(tmp_path))
    with pytest.raises(CommandError, match=message):
        report.compose_answer(arguments(*options), screen, place)


def test_history_is_that_of_earlier_runs_where_the_latest_is_a_slice(ask, reports):
    changed(reports / SECOND, history="off")
    assert json.loads(ask("--since", "2026-11-01", "--json"))["runs"]["number"] == 2
    changed(reports / FIRST, history="off")
    with pytest.raises(CommandError, match=r"proscribe_history is off for the newest runs in .*; --history names"):
        ask("--since", "2026-11-01")


def test_json_is_a_format_of_a_run_and_of_the_history(ask):
    assert ask("--json") == ask("--format", "json") == ask("--json", "--format", "json")
    assert json.loads(ask("--json"))["run"]["id"] == SECOND
    assert json.loads(ask("--rule", "apps/wechat", "--json"))["rule"] == "apps/wechat"


OLD = "this run ended {} ago; the state of the hosts may have changed"


@pytest.mark.parametrize(
    ("hours", "stale_after", "old"),
    [(72, None, ""), (80, None, "3 days"), (80, 0, "3 days"), (73, 74 * 3600, ""), (3, 2 * 3600, "3 hours")],
)
def test_run_and_its_hosts_are_old_after_the_time_that_it_names(ask, reports, hours, stale_after, old, monkeypatch):
    now = report.parse_moment("2026-11-22T00:00:00Z") + report.datetime.timedelta(hours=hours)
    monkeypatch.setattr(report, "_get_current_time", lambda: now)
    changed(reports / SECOND, finished="2026-11-22T00:00:00Z", stale_after=stale_after)
    assert notes(ask()) == [*([OLD.format(old)] if old else []), READ_FROM]
    unseen = json.loads(ask("--since", "2026-11-01", "--json"))["unseen"]
    assert [one["host"] for one in unseen] == (["web01", "web02"] if hours == 80 else [])


def test_run_that_is_named_by_its_path_has_the_history_beside_it(ask, tmp_path):
    other = tmp_path / "other"
    made_plan(other, apps=["wechat"])
    past = Past(open_history("sqlite", other))
    past.run({"web09": good()}, day=20)
    directory = past.stored(other, {"web09": bad()}, FIRST, day=21)
    assert '"web09"' in ask("--run", str(directory), "--format", "events")
    assert ask("--run", str(directory), "--format", "svg").startswith("<svg")


def test_json_and_the_trend_need_no_record_of_a_host(ask, reports):
    (reports / SECOND / "hosts.jsonl").write_text("{")
    assert ask("--json") and "<svg" in ask("--format", "svg")
    for options in (["--format", "csv"], [], ["--json", "--group", "x"], ["--json", "--write"]):
        with pytest.raises(CommandError, match=r"hosts\.jsonl:1"):
            ask(*options)


def test_exceptions_are_of_a_period(ask, reports):
    Past(open_history("sqlite", reports)).run({"web01": waived()}, waivers=[WAIVER], day=23)
    for since, waivers in (("2026-11-01", ["press"]), ("2026-11-24", [])):
        found = json.loads(ask("--exceptions", "--since", since, "--json"))
        assert [one["waiver"] for one in found["exceptions"]] == waivers
        assert found["since"] == f"{since}T00:00:00Z"


def test_merged_report_is_shown_with_the_other_options(ask, reports):
    for run in (FIRST, SECOND):
        changed(reports / run, round="r1")
    found = json.loads(ask("--merge", FIRST, SECOND, "--json"))
    assert found["run"]["parts"] == [FIRST, SECOND]
    with pytest.raises(CommandError, match=r"no slice in .* \(reports are read from reports \(a test\)\)$"):
        ask("--merge", "unmerged", "--since", "2026-11-20", "--format", "csv")
    shutil.copytree(reports / SECOND, reports / THIRD)
    text = ask("--merge", "unmerged", "--since", "2026-11-20", "--format", "csv")
    assert "web01" in text and "web02" in text


def test_a_page_that_is_written_anew_knows_its_directory_and_the_past(ask, reports, monkeypatch):
    monkeypatch.setattr(report.report_pages, "read_page_history", lambda history, run: {"days": [run["id"]]})
    draw = lambda _, records, **given: [json.dumps(given), str(len(records))]  # noqa: E731
    monkeypatch.setattr(report_rewriting.html_page, "render_page", draw)
    ask("--write")
    given = {"directory": str(reports / SECOND), "days": [SECOND]}
    assert (reports / SECOND / "report.html").read_text() == f"{json.dumps(given)}2"


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(report, "_get_current_time", lambda: report.parse_moment("2026-11-23T12:00:00Z"))


@pytest.mark.parametrize(
    ("run", "hosts", "said"),
    [
        ({"limit": "web*", "left_out": 1}, {"compliant": 2000}, "1 host not selected (--limit web*)): 2,000 compliant"),
        ({"inventory": ["a", "b"]}, {"compliant": 1, "unknown": 2}, "inventory a, b): 1 compliant, 2 unknown"),
        ({"inventory": None}, {}, "inventory ): no host"),
        ({}, None, ""),
    ],
)
def test_the_newest_run_is_named_where_it_is_not_the_latest(ask, reports, soon, run, hosts, said):
    shutil.copytree(reports / SECOND, newest := reports / THIRD)
    changed(newest, **run)
    found = json.loads((newest / "report.json").read_text())
    found["summary"] = {"hosts": hosts} if hosts is not None else {}
    (newest / "report.json").write_text(json.dumps(found))
    (reports / "newest").unlink()
    (reports / "newest").symlink_to(THIRD)
    (reports / f"{FIRST}.partial").mkdir()
    named = [f"{THIRD} is newer ({said}; --run newest shows it", READ_FROM]
    assert notes(ask()) == named[0 if said else 1 :]
    assert notes(ask("--run", FIRST)) == [READ_FROM]


def test_a_run_that_goes_on_is_named(ask, reports, soon):
    for end in ("a", "c", "b"):
        (reports / f"{THIRD}{end}.partial").mkdir()
    going_on = f"{THIRD}c.partial is newer: a run that goes on, or one that was killed, which the next run closes"
    assert notes(ask()) == [going_on, READ_FROM] and notes(ask("--run", SECOND)) == [READ_FROM]


def test_without_a_history_an_export_has_no_changes_and_that_is_said(ask, reports, capsys):
    assert "compliant" in ask("--format", "events")
    (reports / "history.db").write_text("this is no database, and long enough to be seen as none\n" * 100)
    assert ask("--format", "csv") and capsys.readouterr() == ("", "")
    ask("--format", "events")
    printed = capsys.readouterr()
    assert not printed.out and printed.err.startswith("proscribe: what the run changed is not known: ")


class Stream(io.TextIOWrapper):
    def __init__(self, terminal):
        super().__init__(io.BytesIO(), "ascii", "replace", newline="", write_through=True)
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def written(self):
        return self.buffer.getvalue().decode()


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("format_", ["table", "json", "html", "svg", "csv"])
def test_a_text_is_printed_for_its_reader(tmp_path, format_, terminal, monkeypatch):
    out, err = Stream(terminal), Stream(terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # a path below the current directory is shorter
    monkeypatch.setattr(report, "compose_answer", lambda arguments, screen, place: f"\u00e4 {place.directory}")
    assert report.run(arguments("--format", format_)) == 0
    text = f"\u00e4 {tmp_path}"
    assert out.written() == (f"{text}\n".replace("\u00e4", "?") if format_ in ("table", "json") else text)
    said = " ".join(err.written().split())
    named = f"proscribe: reports are read from {tmp_path} (PROSCRIBE_REPORTS)"
    assert said == (named if terminal and format_ != "table" else "")


@pytest.mark.usefixtures("soon")
def test_since_is_a_length_back_or_a_time_and_no_other_text():
    times = {"30d": "2026-10-24T12:00:00Z", "12h": "2026-11-23T00:00:00Z", "2026-11-01": "2026-11-01T00:00:00Z"}
    times["2026-11-01T08:30:00Z"] = "2026-11-01T08:30:00Z"
    assert {text: report.parse_since(text) for text in times} == times
    for text in ("", "yesterday", "2026-13-01", "2026-11-01 08:00", "30"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no day such as 2026-11-01"):
            report.parse_since(text)


@pytest.mark.parametrize(("named", "own", "opened"), [("named", "own", "named"), ("", "own", "own"), ("", None, "off")])
def test_the_past_is_of_the_history_that_is_named_or_of_the_runs_own(named, own, opened, monkeypatch):
    run = RUN if own is None else {**RUN, "history": own}
    monkeypatch.setattr(report_pages, "open_history", lambda *given: given if given[0] != "off" else None)
    monkeypatch.setattr(report_pages, "read_page_history", lambda *given: given)
    expected = {} if opened == "off" else ((opened, Path("/srv/reports")), run)
    assert report_pages.open_page_history(run, named, Path("/srv/reports")) == expected


def test_a_page_has_the_trend_of_all_hosts_or_nothing_of_others(monkeypatch):
    draw = lambda _, records, **given: [*records, json.dumps(given)]  # noqa: E731
    monkeypatch.setattr(report_pages.html_page, "render_page", draw)
    of_press = {"directory": "", "since": KNOWN["since"]}
    for more, given in (({}, {"directory": "/srv/r1", **KNOWN}), ({"department": {"name": "press"}}, of_press)):
        drawn = report_pages.render_page("html", {"run": RUN, **more}, ["<p>"], KNOWN, "/srv/r1")
        assert drawn.startswith("<p>") and json.loads(drawn[3:]) == given


@pytest.mark.parametrize(("known", "days"), [(KNOWN, [1, 2]), ({}, ())])
def test_a_picture_is_of_the_days_up_to_the_run(known, days, monkeypatch):
    monkeypatch.setattr(report_pages, "describe_restrictions", lambda _: ["web*", "audit"])
    monkeypatch.setattr(report_pages, "make_days_picture", lambda *given: given)
    monkeypatch.setattr(report_pages, "render_svg", lambda drawn: drawn)
    report = {"run": RUN}
    assert report_pages.render_page("svg", report, [], known, "/srv/r1") == (days, RUN["finished"], "web*; audit")
    monkeypatch.setattr(report_pages, "make_days_picture", lambda *_: None)
    with pytest.raises(CommandError, match="no two days"):
        report_pages.render_page("svg", report, [], known, "/srv/r1")


@pytest.mark.parametrize(
    ("departments", "said"),
    [
        ({}, "no department 'pre.s'; it has none$"),
        (None, "it has none$"),
        ({"b": [], "a": []}, "it has a, b$"),
        ({f"d{number:02}": [] for number in range(report_pages.MAX_NAMED_DEPARTMENTS + 1)}, "d00, .*d11.* 1 more$"),
    ],
)
def test_a_department_that_is_not_there_is_named_with_those_that_are(departments, said):
    report = {"run": RUN, "departments": departments}
    with pytest.raises(CommandError, match=f"^the report of r1 has .*{said}"):
        report_pages.select_department(report, [], "pre\x1bs")


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_screen_has_colours_and_an_end_only_on_a_terminal(terminal, environment, coloured, tmp_path, monkeypatch):
    usual = {"COLUMNS": "70", "LINES": "33", "PROSCRIBE_REPORTS": str(tmp_path), "TERM": "xterm", "NO_COLOR": ""}
    for name, value in (usual | environment).items():
        monkeypatch.setenv(name, value)
    screens = []
    monkeypatch.setattr(sys, "stdout", Stream(terminal))
    monkeypatch.setattr(report, "compose_answer", lambda arguments, screen, place: screens.append(screen) or "")
    monkeypatch.chdir(tmp_path)
    report.run(arguments())
    assert screens == [TerminalScreen(70, 33 if terminal else sys.maxsize, coloured, str(tmp_path))]
