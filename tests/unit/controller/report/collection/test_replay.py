"""A run out of its journal is the run that wrote it, whatever happened in it; and what cannot be closed stays, told."""

import json
import tempfile
from pathlib import Path

import pytest
from fleets import WECHAT, answer, clean_answer, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.replay import replayed
from proscribe.controller.report.end import closing
from proscribe.controller.report.storage import journal
from proscribe.controller.report.storage.files import ReportDirectory

HOSTS = ["web01", "web02", "other"]
ID, BY = "20261125T003000Z-enforce-1a2b", "20261125T013000Z-audit-77c0"
RECORDS = (answer(wechat(WECHAT), evaluated=["apps/x"]), clean_answer(), {"schema": "no record"})
RESULTS = (
    {"actions": ["remove wechat", "end 311"], "refused": []},
    {"actions": [], "refused": [{"rule": "apps/wechat", "subject": "wechat", "reason": "others need it"}]},
    {"msg": "a module that broke"},
)
CONTROLS = ("apps", "browser", "watch")
EVENTS = st.one_of(
    st.tuples(st.just("answered"), st.sampled_from(HOSTS), st.sampled_from(RECORDS)),
    st.tuples(st.sampled_from(["began", "skipped"]), st.sampled_from(HOSTS), st.sampled_from(CONTROLS)),
    st.tuples(st.just("changed"), st.sampled_from(HOSTS), st.sampled_from(CONTROLS), st.sampled_from(RESULTS),
              st.booleans()),
    st.tuples(st.just("failed"), st.sampled_from(HOSTS), st.sampled_from([None, *CONTROLS]),
              st.sampled_from(["x", "y z"])),
    st.tuples(st.just("unreachable"), st.sampled_from(HOSTS), st.just("timed out")),
    st.tuples(st.just("decided"),
              st.just({"hosts": ["web01"], "batches": [1], "allow": {"removals": "unlimited"},
                       "set_aside": {"web02": "x"}})),
    st.tuples(st.just("stopped"), st.just("stopped after the canary batch")),
)  # fmt: skip
WRONG = {
    "its report is there already": lambda path: (path.with_suffix("") / "in the way").mkdir(parents=True),
    "it is another run's": lambda path: path.rename(path.with_name(f"{BY}.partial")),
}


def feed(collector: Collector, events) -> Collector:
    for name, *arguments in events:
        getattr(collector, name)(*arguments)
    return collector


def observe(collector: Collector):
    fleet = collector.fleet()
    return [record for record in fleet.records if record["host"] != "other"], collector.rollout()


@given(st.lists(EVENTS, max_size=12), st.sampled_from(["enforce", "check", "audit"]))
def test_a_journal_is_read_as_the_run_that_wrote_it(events, mode):
    result = run(["web01", "web02"], mode, id=ID)
    with tempfile.TemporaryDirectory() as folder:
        written = Collector(result)
        writer = journal.Journal(Path(folder), result)
        written.note = writer.note
        feed(written, events)
        writer.close()
        with (Path(folder) / journal.FILE).open() as lines:
            (run_, _), *noted = map(json.loads, lines)
    again = replayed(run_, noted)
    assert observe(again) == observe(written)
    assert "other" not in again.heard


@given(st.lists(EVENTS, max_size=6), st.integers(0, 3000))
def test_half_a_journal_never_makes_a_host_better_than_it_was_said_to_be(events, cut):
    noted = []
    collector = Collector(run(["web01", "web02"], "enforce", id=ID))
    collector.note = lambda *event: noted.append(json.loads(json.dumps(event)))
    feed(collector, events)
    lines = "".join(json.dumps(event) + "\n" for event in noted)[:cut]
    whole = [json.loads(line) for line in lines.splitlines(keepends=True) if line.endswith("\n")]
    half = replayed(collector.run, whole)
    half.interrupted = closing.KILLED
    for record in half.fleet().records:
        if not any(event[:2] == ["answered", record["host"]] for event in whole):
            assert record["state"] == "unknown"


BROKEN = {
    "answered": [(), ("web01",), ("web01", 5), (5, RECORDS[1])],
    "began": [("web01",), ("web01", "nosuch"), ("web01", "apps", "x")], "skipped": [("web01", None)],
    "changed": [("web01", "apps", {}), ("web01", "apps", [], False), ("web01", "apps", {"actions": "x"}, False),
                ("web01", "apps", {"actions": [5]}, False),
                ("web01", "apps", {"refused": [{"rule": "x", "subject": "y"}]}, False),
                ("web01", "apps", {"refused": ["x"]}, False), ("web01", "apps", {}, "no"),
                ("web01", "nosuch", {}, False)],
    "failed": [("web01", "nosuch", "x"), ("web01", None, 5), ("web01", None)],
    "unreachable": [("web01", None), ("web01",)],
    "decided": [([],), ({"hosts": ["web01"], "batches": [1]},), ({"hosts": [5], "batches": [1], "allow": {}},),
                ({"hosts": ["web01"], "batches": ["1"], "allow": {}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {"hosts": "some"}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {}, "set_aside": {"web02": 5}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {}, "set_aside": []},)],
    "stopped": [(5,), ()], "nosuch": [()], "fleet": [()],
}  # fmt: skip


@pytest.mark.parametrize(("event", "values"), [(event, item) for event, all_ in BROKEN.items() for item in all_])
def test_reading_ends_with_the_first_event_that_is_none(event, values):
    good = ["unreachable", "web01", "timed out"], ["unreachable", "web02", "timed out"]
    again = replayed(run(["web01", "web02"], "enforce", id=ID), [good[0], [], [event, *values], good[1]])
    assert {host: heard.reason for host, heard in again.heard.items()} == {"web01": "unreachable: timed out"}
    assert again.rollout() is None


@pytest.mark.parametrize("name", WRONG)
def test_run_that_cannot_be_closed_stays_and_is_reported(tmp_path, name):
    result = run(["web01", "web02"], "enforce", id=ID)
    collector = Collector(result)
    writer = journal.Journal(ReportDirectory(tmp_path / f"{ID}.partial").partial, result)
    collector.note = writer.note
    feed(collector, [("answered", "web01", RECORDS[0]), ("began", "web01", "apps")])
    writer.close()
    WRONG[name](tmp_path / f"{ID}.partial")
    wrong: list[str] = []
    list(closing.close(tmp_path, BY, wrong.append))
    assert any(("cannot be closed" in text or "cannot be written" in text) for text in wrong)
    assert list(tmp_path.glob("*.partial/journal.jsonl"))
