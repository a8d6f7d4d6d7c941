"""Exports: each state of a host, no host or rule lost, no text that breaks out, whole outputs as recorded."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import fleets
import pytest
import rich_ends
import rich_pasts
import rich_runs
import rich_texts
import watched_hosts
from event_runs import made, reported
from export_fleet import ALIKE, ANSWERS, FINISHED, STATE, exported
from fleets import answer
from hypothesis import given
from hypothesis import strategies as st
from pasts import bad, good, made_plan, repaired, unseen, waived
from properties import examples
from proscribe.controller.report import exports
from proscribe.controller.report.evaluation.observation_time import read_observation_time
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.exports import event_kinds, event_texts, list_default_names, list_export_formats
from proscribe.controller.report.exports.csv import COLUMNS
from proscribe.controller.report.exports.format import encode_compact_json
from proscribe.controller.report.exports.host_entries import HOST_RULE, RecordReader
from proscribe.controller.report.text.wording import clean_text
from proscribe.model.finding import COMPLIANT, STATES, WAIVED, Finding, RuleVerdict
from proscribe.model.plan import CONTROLS
from proscribe.model.types.event import EventCounts
from proscribe.wire.answers.record import read_record
from recording import compare, fold

TEXTS = st.text(max_size=12) | st.sampled_from([
    "=1+1", "a;=1+1", "\x00", "\x1b[31m", "]]>", "</script>", "a\r\nb", "\ud800", "\u202eb", "\ufffe", '"', "\\", "'",
    "{}", " ",
])  # fmt: skip
FINDINGS = st.builds(Finding, TEXTS.filter(bool), TEXTS.filter(bool), TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
VERDICTS = st.builds(
    RuleVerdict, TEXTS.filter(bool).map("apps/".__add__), st.sampled_from(STATES),
    st.lists(FINDINGS, max_size=3).map(tuple), TEXTS, TEXTS,
)  # fmt: skip
# Names that no export has among its own words.
ANSWERING = {f"{host}.example": answer for host, answer in ANSWERS.items()}
HOSTS = {f"{host}.example": state for host, state in STATE.items()}
UNSERVED = {"switch01.example": "a network device"}
# What an export is for may leave out hosts with nothing but that.
WITHOUT = {"sarif_open": WAIVED}
# These write what is no rule of a plan in another form: events of the kind `between` and the key `errors`, metrics such
# as `watch_incidents` and `control_hosts`.
RECORDED = Path(__file__).parents[2] / "recorded/report"
BASES = {
    "lifted.page": "audit.page", "enforce.page": "audit.page", "lifted.prometheus": "few.prometheus",
    "watched.prometheus": "few.prometheus", "none.prometheus": "few.prometheus", "lifted.csv": "few.csv",
}  # fmt: skip
STORIES = {
    "runs": cache(rich_runs.texts), "past": cache(rich_pasts.texts), "ends": cache(rich_ends.texts),
    "texts": cache(rich_texts.texts),
}  # fmt: skip


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("exports"))


def test_a_wrong_name_is_refused(tmp_path):
    for names, message in ((["csv", "excel"], "no export 'excel'"), (["sarif", "sarif_open"], "would be one file")):
        with pytest.raises(ValueError, match=message):
            exports.write_exports(tmp_path, {}, [], names)


def read_suites(text):
    return {suite.get("name"): suite for suite in ET.fromstring(text).findall("testsuite")}


def test_prometheus_has_each_host_in_one_state_and_names_each_metric_once(texts):
    series = re.findall(r'^proscribe_host_state\{host="(.*)",state="(.*)"\} 1$', texts["prometheus"], re.M)
    assert dict(series) == STATE and len(series) == len(STATE)
    helped = re.findall(r"^# HELP (\S+)", texts["prometheus"], re.M)
    assert len(helped) == len(set(helped))
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", texts["prometheus"], re.M)
    assert [name for name, _ in kinds] == helped and {kind for _, kind in kinds} == {"gauge"}
    order = [re.split(r"[{ ]", line)[0] for line in texts["prometheus"].splitlines() if not line.startswith("#")]
    assert list(dict.fromkeys(order)) == helped  # the series of a metric stand together, below its name


def place_of(item):
    return item["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]


def read_results(text):
    document = json.loads(text)["assessment-results"]
    return document, document["results"][0]


def assert_references_lead_somewhere(text):
    """Every identifier is there once, and every reference names one: validators do not look."""
    document, result = read_results(text)
    built: list[str] = []
    used: dict[str, set[str]] = {}

    def check_value(value):
        if isinstance(value, dict):
            for key, item in value.items():
                if key == "uuid":
                    built.append(item)
                elif key.endswith("-uuid"):
                    used.setdefault(key, set()).add(item)
                elif key == "href" and item.startswith("#"):
                    used.setdefault(key, set()).add(item[1:])
                check_value(item)
        elif isinstance(value, list):
            for item in value:
                check_value(item)

    check_value(document)
    assert len(built) == len(set(built))
    kinds = {
        "subject-uuid": {item["uuid"] for item in result.get("local-definitions", {}).get("inventory-items", ())},
        "observation-uuid": {item["uuid"] for item in result.get("observations", ())},
        "risk-uuid": {item["uuid"] for item in result.get("risks", ())},
        "party-uuid": {item["uuid"] for item in document["metadata"]["parties"]},
        "href": {item["uuid"] for item in document["back-matter"]["resources"]},
    }
    assert used.keys() <= kinds.keys()
    for kind, names in used.items():
        assert names <= kinds[kind]
    return kinds


def test_oscal_has_the_same_identifiers_whenever_it_is_written(texts, tmp_path):
    assert exported(tmp_path, ["oscal"])["oscal"] == texts["oscal"]
    other = exported(tmp_path, ["oscal"], id="20261126T003000Z-audit-77c0")["oscal"]
    (first, result), (second, other_result) = read_results(texts["oscal"]), read_results(other)
    assert result["local-definitions"] == other_result["local-definitions"]  # a host is the same in every run
    assert first["uuid"] != second["uuid"]


@st.composite
def answers(draw):
    verdicts = draw(st.lists(VERDICTS, max_size=4, unique_by=lambda verdict: verdict.rule))
    errors = draw(st.lists(st.fixed_dictionaries({"control": st.sampled_from(CONTROLS), "message": TEXTS}), max_size=2))
    answer = fleets.answer(*verdicts, evaluated=draw(st.sampled_from([(), ("dns/x", "dns/y")])), errors=errors)
    if draw(st.booleans()):
        answer["state"] = draw(st.sampled_from(STATES))
    return {
        **answer, "checked_at": draw(st.just("2026-11-25T00:30:05Z") | TEXTS), "platform": {"os": draw(TEXTS)},
        "attempts": draw(st.dictionaries(TEXTS, st.integers(0, 99), max_size=2)),
    }  # fmt: skip


@pytest.mark.slow
@examples(50)
@given(
    st.dictionaries(st.text(min_size=1, max_size=8), answers() | st.none(), max_size=4).map(
        lambda hosts: {f"{number}{host}": answer for number, (host, answer) in enumerate(hosts.items())}
    )
)
def test_no_host_is_lost_or_made_milder_and_no_text_breaks_out(tmp_path_factory, message):
    directory = tmp_path_factory.mktemp("said", numbered=True)
    run = fleets.run(list(message))
    records = [read_record(host, answer) for host, answer in message.items() if answer is not None]
    fleet = reconcile_records(run["hosts"], records, {})
    report = make_run_report(run, fleet, FINISHED)
    exports.write_exports(directory, report, fleet.records, list_default_names())
    states = {RecordReader().read_record(record).host: record["state"] for record in fleet.records}
    bad = {host for host, state in states.items() if state in ("error", "noncompliant", "unknown")}

    text = (directory / "report.csv").read_bytes().decode()
    table = list(csv.reader(io.StringIO(text, newline="")))
    assert all(len(row) == len(COLUMNS) for row in table)
    pieces = [piece for row in table for value in row for piece in value.split(";")]
    assert not any(piece.lstrip().startswith(tuple("=+-@\t\r")) for piece in pieces)
    assert {(row[1].removeprefix("'"), row[2]) for row in table[1:]} == set(states.items())

    for host, suite in read_suites((directory / "junit.xml").read_text()).items():
        result = {child.tag for case in suite.findall("testcase") for child in case}
        assert bool(result & {"failure", "error"}) or host not in bad
        assert suite.findall("testcase")
    assert read_suites((directory / "junit.xml").read_text()).keys() == states.keys()

    metrics = (directory / "metrics.prom").read_text()
    line = r'(# (HELP|TYPE) .*|[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? [0-9.e+-]+)'
    assert all(re.fullmatch(line, item) for item in metrics.removesuffix("\n").split("\n"))
    assert metrics.count("proscribe_host_state{") == len(states)

    (sarif,) = json.loads((directory / "report.sarif").read_text())["runs"]
    unseen = {place_of(entry) for entry in sarif["invocations"][0]["toolExecutionNotifications"]}
    results = {place_of(outcome): outcome for outcome in sarif["results"]}
    assert unseen | results.keys() == states.keys()
    assert all(host in unseen or states[host] == "noncompliant" for host in bad)
    assert sarif["invocations"][0]["executionSuccessful"] is not bool(unseen)

    kinds = assert_references_lead_somewhere((directory / "oscal.json").read_text())
    assert len(kinds["subject-uuid"]) == len(states)


def test_hosts_with_names_that_look_alike_are_apart_everywhere(tmp_path):
    """Two series of one name cost all others theirs: node_exporter leaves out the whole file."""
    assert len({clean_text(name) for name in ALIKE}) < len(ALIKE), "shown to people, some look alike"
    bad = fleets.answer(fleets.wechat(fleets.WECHAT), evaluated=["apps/x"])
    unserved = {f"{name}z": "no agent" for name in ALIKE}
    texts = exported(tmp_path, None, dict.fromkeys(ALIKE, bad), tuple(ALIKE), not_served=unserved)
    both = 2 * len(ALIKE)
    series = [line.rpartition(" ")[0] for line in texts["prometheus"].splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series)) and sum("host_state{" in item for item in series) == both
    rows = list(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    assert len({row["host"] for row in rows}) == both
    assert len(read_suites(texts["junit"])) == both
    (sarif,) = json.loads(texts["sarif"])["runs"]
    results = [outcome for outcome in sarif["results"] if outcome["ruleId"] == "apps/wechat"]
    prints = [entry["partialFingerprints"]["proscribe/v1"] for entry in results]
    assert len(set(prints)) == len({place_of(element) for element in results}) == len(ALIKE)
    assert len(assert_references_lead_somewhere(texts["oscal"])["subject-uuid"]) == len(ALIKE)


@pytest.mark.parametrize("name", list_export_formats())
def test_no_host_is_lost(tmp_path, name):
    text = exported(tmp_path, [name], ANSWERING, tuple(HOSTS), not_served=UNSERVED)[name]
    expected = [host for host, state in HOSTS.items() if state != WITHOUT.get(name)]
    assert [host for host in (*expected, *UNSERVED) if host not in text] == []


@pytest.mark.parametrize("name", list_export_formats())
def test_no_rule_is_lost(tmp_path, name):
    answers = {**ANSWERING, **{f"{host}.example": answer for host, answer in watched_hosts.HOSTS.items()}}
    read_ = RecordReader()
    lines = [line for host, answer in answers.items() for line in read_.read_record(read_record(host, answer)).rows]
    rules = {line.rule for line in lines if line.state not in (COMPLIANT, WITHOUT.get(name))} - {HOST_RULE}
    assert {"watch/closed-again", "watch/still-open", "watch/ended", "dns/error"} <= rules
    if name in ("events", "prometheus"):
        rules = {rule for rule in rules if not re.compile("watch/.*|.*/(error|refused)").fullmatch(rule)}
    text = exported(tmp_path, [name], answers, tuple(answers))[name]
    assert sorted(rule for rule in rules if rule not in text) == []


def test_the_documents_say_what_a_state_becomes_in_each(project):
    text = (project / "docs/exports.md").read_text()
    words = re.findall(r"\w+", text.partition("## What a state becomes\n")[2].partition("\n## ")[0].lower())
    assert [name for name in list_export_formats() if name not in words] == []
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []


# What repeats itself: identifiers, namespaces, times, tags of cells, attributes of pictures, and the help of metrics.
SHORT = {
    r"\b([0-9a-f]{8})(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,})\b": r"\1", "20261125T003000Z-audit-1a2b": "RUN",
    r"answered for another plan \(sha256:b{12}\), not for its own \(sha256:a{12}\)": "OTHER PLAN",
    "the plan sha256:a{12} that hosts answered for is not kept any more": "PLAN GONE", r"sha256:a{8}(?=\s)": "PLAN",
    "sha256:fedcba9876543210": "POLICY", "2026-11-25[T ](00:3[01](?: UTC|:0[05]Z))": r"\1",
    r"HK G3 v10.0 / S17 v8.2 \(unverified\)": "S17", "NIST SP 800-53 Rev. 5 ": "NIST ", "<wbr>": "~",
    "https://proscribe.example/ns": "NS", "</(?:td|th|tr|dt|dd|p|li|span)>": "", '<p class="note">': "<note>",
    ' scope="\\w+"| class="(?:status|what|number|when|soft|share|over|state|unseen|story|side|facts|finding|)"': "",
    r'<rect class="(\w+)" x="([\d.]+)" width="([\d.]+)" height="[58]"/>': r"<\1 \2 \3>",
    ' viewBox="0 0 1000 (.)" preserveAspectRatio="none" role="img" aria-label=': r" \1 label=",
    r'<property name="(\w+)" value="([^"]*)"/>': r'\1="\2" ',
    r'(<testsuite name="([^"]*)".*) hostname="\2">': r"\1 hostname>",
    r"(?s)(<h2>([^<]*)</h2>(?:(?!<h2>).)*?<caption)[^>]*>\2</caption>": r"\1>",
    r"\{physicalLocation=\{artifactLocation=\{uri=(\S+?)\}\}\s+logicalLocations=": r"{uri=\1 named=",
    "(?m)^# (?:HELP|TYPE) .*\n|^proscribe_": "",
}  # fmt: skip


def shorten(text):
    for pattern, short in SHORT.items():
        text = re.sub(pattern, short, text)
    return fold(text)


@pytest.mark.parametrize("story", STORIES)
def test_outputs_are_as_recorded(story):
    texts = {name: shorten(text) for name, text in STORIES[story]().items()}
    for name, text in texts.items():
        compare(RECORDED / f"{name}.txt", text, texts.get(BASES.get(name), ""))


def test_recorded_files_have_an_output():
    written = {f"{name}.txt" for texts in STORIES.values() for name in texts()}
    assert {path.name for path in RECORDED.iterdir()} == written


COUNTED = EventCounts.__annotations__
WRONG, RIGHT, BLIND, EXCUSED, MENDED = "noncompliant", "compliant", "unknown", "waived", "repaired"
EVENT_STORIES = {
    "in order from the beginning": ([good(), good()], []),
    "as bad as before": ([bad(), bad()], []),
    "drifted": ([good(), bad()], [("", None, WRONG), ("apps/wechat", None, WRONG)]),
    "repaired": ([bad(), repaired()], [("", WRONG, MENDED), ("apps/wechat", WRONG, MENDED)]),
    "drifted and repaired in one run": ([good(), repaired()], [("", None, MENDED), ("apps/wechat", None, MENDED)]),
    "compliant by itself": ([bad(), good()], [("", WRONG, RIGHT), ("apps/wechat", WRONG, RIGHT)]),
    "compliant after a repair": ([repaired(), good()], []),
    "waived": ([bad(), waived()], [("", WRONG, EXCUSED), ("apps/wechat", WRONG, EXCUSED)]),
    "waiver ends": ([waived(), bad()], [("", EXCUSED, WRONG), ("apps/wechat", EXCUSED, WRONG)]),
    "nobody could see it": ([bad(), unseen()], [("", WRONG, BLIND), ("apps/wechat", WRONG, BLIND)]),
    "seen again as it was": ([bad(), unseen(), bad()], [("", BLIND, WRONG), ("apps/wechat", BLIND, WRONG)]),
    "seen again in order": ([bad(), unseen(), good()], [("", BLIND, RIGHT), ("apps/wechat", BLIND, RIGHT)]),
    "silent": ([good(), None], [("", None, BLIND)]),
    "answers again": ([None, good()], [("", BLIND, RIGHT)]),
    "answers again as it was": ([bad(), None, bad()], [("", BLIND, WRONG)]),
}
LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=8), st.integers(0, 600))
LONG_TEXTS = st.one_of(st.text(max_size=300), LONG)
EVENT_FINDING = st.builds(Finding, *2 * [LONG_TEXTS.filter(bool)], *(len(Finding._fields) - 2) * [LONG_TEXTS])
EVENT_FINDINGS = st.lists(EVENT_FINDING, min_size=1, max_size=6)
ERROR: Any = {"control": "apps", "message": "m" * 50, "refused": None}
ENDLESS: Any = {"control": "c" * 9000, "message": "m" * 9000, "refused": "r" * 9000}


@pytest.mark.parametrize("story", EVENT_STORIES)
def test_a_change_is_reported_with_the_state_before(past, story):
    answers, expected = EVENT_STORIES[story]
    for item in answers[:-1]:
        past.report({"web01": item})
    events = past.events({"web01": answers[-1]})
    assert reported(events) == [("web01", *event) for event in expected]
    assert [event["kind"] for event in events][-1] == event_kinds.RUN
    assert all(event["changed"] is True for event in events)
    assert events[-1]["events"] == {
        **dict.fromkeys(COUNTED, 0), "host": bool(expected), "rule": max(len(expected) - 1, 0),
    }  # fmt: skip


def test_a_rule_that_the_plan_does_not_have_any_more_is_withdrawn_and_not_compliant(past, tmp_path):
    both, item = (made_plan(tmp_path, apps=apps, dns=["x"]) for apps in (["wechat"], []))
    past.report({"web01": bad(digest=both)})
    events = past.events({"web01": answer(evaluated=["dns/x"], digest=item)})
    assert ("web01", "apps/wechat", WRONG, "withdrawn") in reported(events)


def test_the_parts_of_a_merged_run_have_told_their_actions(past):
    actions = [{"control": "dns", "action": "x"}]
    report, records, changes = past.report({"web01": good()}, mode="enforce", actions=actions)
    assert [item["kind"] for item in made(report, records, changes)] == [event_kinds.ACTION, event_kinds.RUN]
    report["run"]["parts"] = ["run1", "run2"]
    assert [entry["kind"] for entry in made(report, records, changes)] == [event_kinds.RUN]


@pytest.mark.parametrize(("verdict", "expected"), [
    (None, []),
    ({"gate": "noncompliant", "passed": True, "exit": None, "reason": None}, [(True, None)]),
    ({"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}, [(False, 10)]),
    ({"gate": None, "passed": False, "exit": 13, "reason": "stopped"}, [(False, 13)]),
])  # fmt: skip
def test_the_gate_is_an_event_where_there_was_one_or_the_run_failed(past, verdict, expected):
    events = past.events({"web01": good()}, verdict=verdict)
    assert [(event["passed"], event["exit"]) for event in events if event["kind"] == event_kinds.GATE] == expected


@examples(60)
@given(
    host=LONG_TEXTS,
    service=st.text(min_size=1, max_size=190),
    findings=EVENT_FINDINGS,
    reason=LONG_TEXTS,
    errors=st.lists(LONG_TEXTS, max_size=4),
)
def test_whatever_a_host_says_is_one_line_within_the_limit(tmp_path_factory, host, service, findings, reason, errors):
    verdict = RuleVerdict(f"apps/{service}", WRONG, tuple(findings), reason[:200], reason)
    message = fleets.answer(verdict, errors=[{"control": "dns", "message": text} for text in errors])
    folder = tmp_path_factory.mktemp("events")
    text = exported(folder, ["events"], {host: message}, (host,), not_served={host: reason})["events"]
    assert text.isascii()
    lines = text.split("\n")
    assert [json.loads(line)["kind"] for line in lines[:-1]] == ["host", "rule", "host", "run"] and lines[-1] == ""
    assert all(len(line) <= 7_680 and line.isprintable() for line in lines)
    rule = json.loads(lines[1])
    assert len(rule["findings"]) + rule["findings_left_out"] == len(findings) and rule["findings"]


@pytest.mark.parametrize(("text", "taken"), [
    ("2026-11-25T00:30:05Z", "2026-11-25T00:30:05Z"),
    ("1999-01-01T00:00:00Z", "2026-11-25T00:30:00Z"),
    ("2999-01-01T00:00:00Z", "2026-11-25T00:31:00Z"),
    ("2026-11-25T00:30:٠٥Z", "2026-11-25T00:31:00Z"),
    ("yesterday", "2026-11-25T00:31:00Z"),
])  # fmt: skip
def test_no_host_dates_its_events_out_of_the_run(text, taken):
    assert read_observation_time({"checked_at": text}, "2026-11-25T00:30:00Z", "2026-11-25T00:31:00Z") == taken


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ([], 0),
        (["a" * 20] * 400, 173),
        (["x" * 5000], 1),
        ([*["x" * 297] * 13, "y" * 95], 14),
        ([*["x" * 297] * 13, "y" * 96], 13),
    ],
)
def test_listed_names_are_cut_to_the_limit(result, shown):
    names = [event_texts.truncate_text(item, 300) for item in result[:shown]]
    assert event_texts.list_names(result) == (names, len(result) - shown)


@pytest.mark.parametrize(("result", "lengths", "left_out"), [
    ([ERROR] * 100, [50] * 41, 59),
    ([{**ERROR, "message": "m" * 3900}], [3900], 0),
    ([{**ERROR, "message": "m" * 9000}, ERROR], [1310, 50], 0),
    ([ERROR, {**ERROR, "message": "m" * 9000}, ERROR], [50], 2),
    ([ENDLESS, ERROR], [1310], 1),
])  # fmt: skip
def test_listed_errors_are_cut_to_the_limit(result, lengths, left_out):
    shown, remaining = event_texts.list_errors(result)
    assert ([len(item["message"] or "") for item in shown], remaining) == (lengths, left_out)
    assert len(encode_compact_json(shown)) <= 4_000
    most = lengths[0] + 3
    assert shown[0] == {key: text and event_texts.truncate_text(text, most) for key, text in result[0].items()}
