"""report.html: whole, self-contained, true without scripts, and deaf to text of hostile hosts."""

import importlib.util
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import proscribe
import pytest
from fleets import WAIVERS, answer, clean_answer, judge_rule, run
from hypothesis import given
from hypothesis import strategies as st
from made_records import make_record, make_rule
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.page import rendering
from proscribe.controller.report.page.breakdown import make_natural_key, summarise_fleet
from proscribe.controller.report.page.days_picture import make_days_picture, render_svg
from proscribe.controller.report.page.html_page import render_page
from proscribe.controller.report.page.script_data import generate_script_data
from proscribe.controller.report.page.trend import make_trend_drawing, select_runs_until
from proscribe.controller.report.page.waivers import make_waiver_panels
from proscribe.controller.report.terminal import summary
from proscribe.controller.report.text.wording import clean_text, make_host_label
from proscribe.model.finding import Finding
from proscribe.wire.answers import value_readers
from proscribe.wire.answers.record import read_record
from rich_runs import UNREAD
from watched_hosts import ENDED, watched

VOID = {"meta", "input", "rect", "path", "circle", "use", "wbr"}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)></script><!--<script>\x1b[2J\u202e'
FINISHED = "2026-11-25T00:31:00Z"
WECHAT_FOUND = Finding("package", "wechat", "dpkg", "4.0", "user:alice").convert_to_dict()
MARKUP = "a/b\"'><b>&\x1b[2J\u202e\r\nc"
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (rendering.PAGE_DIRECTORY / "templates").iterdir()}
SHORT_WAIVER: Any = {"id": "press", "status": "active", "expires": "2026-12-01T10:00:00Z"}
HOSTILE = 'x\x1b[31m</td><script>"\\\u202e\n'
UNKNOWN_POINT: Any = {
    **UNREAD, "directory": f"/srv/{HOSTILE}", "why": [f"{HOSTILE} cannot be read"],
    "fetched_by_unknown": f"{HOSTILE} is no log",
}  # fmt: skip


class Reader(HTMLParser):
    """A reader of pages that fails on tags that are not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []
        self.elements = []  # (tag, attributes) of each

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


def trend_of(*bad):
    """Return a trend of runs with numbers of noncompliant hosts of ten."""
    days = (make_day(f"2026-11-{day:02}", noncompliant=n, compliant=10 - n) for day, n in enumerate(bad, 1))
    return [{**day, "run": f"run{number}"} for number, day in enumerate(days)]


@given(st.lists(st.text(), unique=True))
def test_any_names_have_one_order(names):
    keys = {make_natural_key(name) for name in names}
    assert len(sorted(keys)) == len(names)


@given(text=st.text(min_size=1))
def test_any_text_comes_through_the_data_as_it_is_cleaned_and_ends_no_script(text):
    finding = Finding("package", text, manager=text, version=text, scope=f"user:{text}", path=text, detail=text)
    collector = Collector(run([text]))
    collector.answered(text, answer(judge_rule(f"apps/{text}", {"mode": "enforce"}, [finding])))
    breakdown = summarise_fleet(collector.reconcile_hosts().records, {text: [text]}, {}, FINISHED)
    written = "".join(generate_script_data(breakdown, FINISHED))
    assert not set("<>&") & set(written)
    data = json.loads(written)
    assert data["hosts"][0][0] == make_host_label(text)
    assert [data["texts"][place] for place in data["findings"][0]][1] == value_readers.read_name(text, "a name", 500)
    assert data["departments"] == [clean_text(text)]


def collect_hostile_run(evil):
    """Collect a run in which each text from outside tries to become markup."""
    finding = Finding("package", evil, evil, evil, f"user:{evil}", evil, evil)
    waiver = {
        **WAIVERS[0], **dict.fromkeys(("id", "status", "reason", "approved_by", "why", evil), evil),
        **dict.fromkeys(("hosts", "services", "controls"), [evil]), "revoked": {evil: evil},
    }  # fmt: skip
    upcoming = [{"service": evil, "control": "apps", "effective_from": evil}]
    facts = {"waivers": [waiver], "upcoming": upcoming, "warnings": [evil], "limit": evil, "id": evil}
    collector = Collector(run([evil, "db01", "web03"], **facts))
    record = answer(
        judge_rule(f"apps/{evil}", {"mode": "enforce"}, [finding]),
        judge_rule(f"browser/{evil}", {"mode": "waived", "waiver": evil}, [finding]),
        judge_rule(f"dns/{evil}", {"mode": "enforce"}, [], unchecked=evil), errors=[{"control": evil, "message": evil}],
    )  # fmt: skip
    collector.answered(evil, {**record, "platform": {"os": evil, evil: evil}, "checked_at": evil})
    collector.unreachable("db01", evil)
    return collector


# What would take the place of a part of the page, or lead elsewhere, if it became an id, a class, a style or a link.
PLACES = ["data", "words", "panel", "list", "record", "noncompliant", "hidden", "__proto__", "attributes", "body"]
PLACES += ["javascript:alert(1)", "//example.org/x", "data:text/html,x", "../../etc/passwd", "#record", "%2e%2e"]
PLACES += ["x;background:url(//example.org)", "}body{display:none", "x' autofocus onfocus='x", "x\tstyle=x"]
PLACES += ["-l all", "\u2028id=data"]
OF_TEXT = {"aria-label", "title", "value", "datetime"}
OF_TEXT |= {f"data-{name}" for name in ("waiver", "department", "control", "service", "words")}


def structure_of(evil):
    """Return the sorted elements of a page without the attributes that show text."""
    trend = [{**item, "mode": evil, "finished": evil} for item in trend_of(1, 2)]
    collector = collect_hostile_run(evil)
    fleet = collector.reconcile_hosts()
    report = {**make_run_report(collector.run, fleet, FINISHED), "departments": {evil: [evil]}}
    text = "".join(render_page(report, iter(fleet.records), trend=trend, since={(evil, f"apps/{evil}"): evil}))
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open and text.count("Content-Security-Policy") == 1

    return sorted(
        (tag, *(f"{name}={value}" for name, value in attributes if name not in OF_TEXT))
        for tag, attributes in reader.elements
        if tag != "wbr"
    )


@pytest.mark.parametrize("evil", [EVIL, *PLACES])
def test_no_name_is_an_id_a_class_a_style_or_a_link(evil):
    result = structure_of(evil)
    assert result == structure_of("harmless")
    ids = [attribute for _, *attributes in result for attribute in attributes if attribute.startswith("id=")]
    assert len(ids) == len(set(ids)) > 10


def break_down_records(*records: Any, departments: Any = None, since: Any = None, settings: Any = ()) -> Any:
    return summarise_fleet(records, departments or {}, since or {}, FINISHED, settings)


def script_data_of(breakdown: Any, **more: Any) -> Any:
    return json.loads("".join(generate_script_data(breakdown, FINISHED, **more)))


def test_the_data_of_a_host_that_says_much_has_an_end():
    ended = [{**ENDED, "program": f"/opt/p{item}"} for item in range(60)]
    attempts = {f"apps/x{entry:02}": entry % 7 for entry in range(12)}
    record = make_record("web01", watch=watched(ended=ended)["watch"], attempts=attempts)
    of = script_data_of(break_down_records(record))
    (host,) = of["hosts"]
    assert len(host[16]) == len(set(host[16])) <= 50
    rules = [of["texts"][number] for number in host[14][::2]]
    assert rules == [f"apps/x{rule}" for rule in ("06", "05", "04", "11", "03", "10", "02", "09", "01", "08")]
    assert host[14][1::2] == [6, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def test_evidence_beyond_what_the_page_has_room_for_is_left_out_and_no_rule():
    rules = [make_rule(f"apps/x{item}", "noncompliant", None, {**WECHAT_FOUND, "id": f"x{item}"}) for item in range(3)]
    size = sum(len(str(value)) for value in WECHAT_FOUND.values() if value) - len("wechat") + len("x0")
    for most, remaining in ((0, 0), (size - 1, 0), (size, 1), (2 * size, 2), (10**6, 3)):
        broken_down = break_down_records(make_record("web01", "noncompliant", *rules))
        result = script_data_of(broken_down, max_characters=most)["rules"]
        assert [entry[4] is not None for entry in result] == [True] * remaining + [False] * (3 - remaining)
    assert len(script_data_of(break_down_records(make_record("web01", "noncompliant", *rules)))["findings"]) == 3


def make_day(date, **hosts):
    share = {"numerator": 1, "denominator": 1, "percent": 100.0}
    shares = dict.fromkeys(("coverage", "compliance_strict", "compliance_with_waivers"), share)
    return {"run": date, "finished": f"{date}T00:31:00Z", "mode": "audit", "hosts": hosts, **shares}


TWO = [make_day("2026-11-23", compliant=3), make_day("2026-11-25", compliant=3)]


@pytest.mark.parametrize(("hosts", "words", "states", "foot"), [
    ({"noncompliant": 2, "compliant": 8}, "2 noncompliant, of 10 hosts", ["noncompliant"], "ran"),
    ({"error": 1, "noncompliant": 2, "unknown": 3}, "1 error, 2 noncompliant, 3 unknown, of 6 hosts",
     ["error", "noncompliant", "unknown"], "ran"),
    ({"compliant": 10, "noncompliant": 0}, "every host met the ban (10 hosts)", [], "compliant"),
    ({"repaired": 1, "waived": 2}, "every host met the ban (3 hosts, 2 by waivers)", [], "compliant"),
    ({"not_applicable": 4}, "nothing applied to any host", [], "ran"),  # nothing evaluated is no success
])  # fmt: skip
def test_a_day_has_its_states_and_a_foot_that_says_whether_all_met_the_ban(hosts, words, states, foot):
    last = make_days_picture([TWO[0], make_day("2026-11-25", **hosts)], FINISHED).days[-1]
    assert last.words == f"2026-11-25: {words}"
    assert [piece.state for piece in last.pieces] == states
    assert last.foot == foot


def test_days_are_places_of_the_calendar_until_the_run_with_gaps():
    days = ("2026-08-27", "2026-08-28", "2026-11-01", "2026-11-25")
    drawn = make_days_picture([make_day(date, unknown=1) for date in days], FINISHED)
    assert [day.x for day in drawn.days] == [0, 520, 712]  # the 27th of August is a day too old
    assert drawn.ends == ("2026-08-28", "2026-11-25")
    text = render_svg(drawn)
    assert len(re.findall("<g><title>", text)) == 3
    assert not re.search("<(path|line|polyline)", text)  # nothing goes on across a gap
    assert make_days_picture(TWO, "2026-11-25T23:59:59Z").days[-1].x == 712
    assert make_days_picture(TWO, "2026-11-26T00:00:00Z").days[-1].x == 704
    assert [make_days_picture(TWO[:number], FINISHED) for number in (0, 1)] == [None, None], "one run is no trend"


def test_trend_compares_the_last_two_runs_up_to_the_run():
    runs = trend_of(4, 2)
    assert "2 fewer" in make_trend_drawing(runs).change and "2 more" in make_trend_drawing(runs[::-1]).change
    assert make_trend_drawing(trend_of(2, 2), "dns").change.endswith("as many as before (in runs like this one: dns)")
    other = [runs[0], {**runs[1], "hosts": {"error": 1, "unknown": 5}}]
    assert "6 of 6 hosts; before, 4 of 10" in make_trend_drawing(other).change
    assert (select_runs_until(runs, "run0"), select_runs_until(runs, "nosuch")) == (runs[:1], runs)


def print_template(template, **values):
    return rendering.make_environment().from_string(template).render(**values)


@pytest.mark.parametrize("template", [
    "{{ x }}", "{{ x|e }}", "{{ x|moment }}", "{{ x|flowing }}", "{{ x ~ y }}", '{{ ("<i>"|safe) ~ x }}',
    '{{ [x, x]|join("<i>"|safe) }}', '{{ "<i>%s</i>"|safe|format(x) }}',
    "{% set text %}{{ x|e }}{% endset %}{{ text }}",
    "{% macro of(text) %}<i>{{ text|e }}</i>{% endmacro %}{{ of(x) }}",
    '{% from "macros.html.j2" import time %}{{ time(x) }}', "{{ [x] }}",
])  # fmt: skip
def test_a_text_is_printable_and_escaped_whichever_way_it_is_printed(template):
    text = print_template(template, x=MARKUP, y=MARKUP)
    assert not [line for line in text.split("\n") if not line.isprintable()]
    assert "<b>" not in text and "'>" not in text
    assert re.fullmatch('<p title="[^"<>]*"></p>', print_template('<p title="{{ x }}"></p>', x=MARKUP))


def test_templates_trust_the_style_the_scripts_and_the_data_only_and_quote_every_attribute():
    trusted = {(name, word) for name, text in TEMPLATES.items() for word in re.findall(r"([\w.]+) *\| *safe\b", text)}
    assert trusted == {("page.html.j2", detail) for detail in ("style", "script", "piece")}
    # What is escaped cannot leave a quoted value; a blank would end one without quotes.
    assert not [name for name, text in TEMPLATES.items() if "autoescape" in text or re.search(r"=\{\{", text)]
    named = set(re.findall(r'"([\w.]+\.j2)"', "".join(TEMPLATES.values())))
    assert named | {"page.html.j2", "days.svg.j2"} == set(TEMPLATES)  # these two are files of their own


def test_the_library_is_loaded_where_a_page_is_written_and_not_before():
    code = "import sys, proscribe.controller.report.run_end.publication; print('jinja2' in sys.modules)"
    folder = Path(proscribe.__path__[0]).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def compile_page() -> str:
    """Load the template of the page; return its name."""
    rendering.make_environment.cache_clear()
    return rendering.make_environment().get_template("page.html.j2").name or ""


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Return a directory in which Python caches what it compiles."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda _path: str(tmp_path / "rendering.pyc"))
    yield tmp_path
    rendering.make_environment.cache_clear()


def test_page_depends_on_no_cache_and_caches_in_no_directory_of_everybody(cached, monkeypatch):
    cached.chmod(0o777)
    compile_page()
    assert list(cached.iterdir()) == []
    cached.chmod(0o755)

    def fails(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(rendering.FileSystemBytecodeCache, "dump_bytecode", fails)
    assert compile_page() == "page.html.j2"


def test_few_hosts_are_not_counted_and_many_have_an_end():
    for number, text in ((6, "h, h, h, h, h, h"), (1001, f"1,001 hosts: {', '.join('h' * 1000)} and 1 more")):
        (panel,) = make_waiver_panels([{**SHORT_WAIVER, "hosts": ["h"] * number}], FINISHED)
        assert panel.facts[0] == ("Hosts of this run", text)
    (panel,) = make_waiver_panels([{**SHORT_WAIVER, "groups": ["press"]}], FINISHED)
    assert panel.scope == "nothing on no host of this run" and ("Groups", "press") in panel.facts


def report_with_points(*points: dict[str, Any], **changes: Any) -> tuple[Any, Any]:
    result = run(["web01"], **changes)
    fleet = reconcile_records(result["hosts"], [read_record("web01", clean_answer())])
    return {**make_run_report(result, fleet, FINISHED), "points": list(points)}, fleet.records


@pytest.mark.parametrize("state", ["current", "unknown", "expired"])
def test_hostile_text_of_an_export_is_shown_as_text(state):
    result = report_with_points({**UNKNOWN_POINT, "state": state})
    screen, html = summary.render_summary(*result, summary.TerminalScreen(200, 60)), "".join(render_page(*result))
    for text in (screen, html):
        assert state in text and "\x1b" not in text and "\u202e" not in text
    assert "</td><script>" not in html.partition("</style>")[2]
