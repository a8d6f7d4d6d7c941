"""`report --merge`: the directories of runs become the directory of one, with the history, the plans and the lists."""

import argparse
import json
import os
import re

import pytest
from pasts import Past, bad, good, made_plan
from proscribe.controller.cli import CommandError, report_merge
from proscribe.controller.report.evaluation.advice import NOT_REACHED_FILE, SET_ASIDE_FILE
from proscribe.controller.report.evaluation.report_merge import UnmergeableReports
from proscribe.controller.report.history import open_history
from proscribe.controller.report.storage.report_reader import UnknownRun, read_records, read_report

WHOLE, OTHER, OLDER_SLICE = (f"20261120T0{hour}0000Z-audit-0001" for hour in (1, 4, 2))
FIRST, SECOND, THIRD = (f"2026112{day}T020000Z-audit-0001" for day in (1, 2, 3))


@pytest.fixture
def reports(tmp_path):
    reports = tmp_path / "reports"
    past = Past(open_history("sqlite", tmp_path))
    for day, (name, host) in enumerate([(FIRST, "a"), (SECOND, "b"), (THIRD, "c")], 21):
        past.stored(reports, {host: bad() if host == "b" else good()}, name, day=day, round="r1")
    return reports


def merge(reports, *names, **more):
    options = {"since": None, "inventory": [], "history": "", "round": "", **more}
    return report_merge.merge_runs(argparse.Namespace(merge=list(names), **options), reports)


def hosts(directory):
    return {record["host"]: record["state"] for record in read_records(directory)}


def parts(directory):
    return read_report(directory)["run"]["parts"]


@pytest.mark.parametrize(
    ("names", "since", "merged"),
    [
        (("unmerged",), "2026-11-22T02:00:00Z", [SECOND, THIRD]),
        (("unmerged",), "2026-11-22T02:00:01Z", [THIRD]),
        ((FIRST, "unmerged"), "2026-11-23T00:00:00Z", [FIRST, THIRD]),
        ((FIRST, FIRST), None, [FIRST]),
        ((SECOND, "unmerged"), None, [FIRST, SECOND, THIRD]),
    ],
)
def test_each_run_is_merged_once_and_unnamed_ones_from_a_time_on(reports, names, since, merged):
    for number, name in enumerate((FIRST, SECOND, THIRD), 1):  # they begin at two o'clock
        path = reports / name / "report.json"
        report = json.loads(path.read_text())
        report["run"]["started"] = f"2026-11-2{number}T02:00:00Z"
        path.write_text(json.dumps(report))
    made = merge(reports, *names, since=since)
    assert parts(made) == merged and re.fullmatch(r"\d{8}T\d{6}Z-audit-[0-9a-f]{4}", made.name)
    assert (reports / "latest").resolve() == made == reports / read_report(made)["run"]["id"]


def test_merged_run_is_not_merged_again_unless_named(reports):
    first = merge(reports, FIRST, SECOND)
    assert parts(merge(reports, "unmerged")) == [THIRD]
    with pytest.raises(UnknownRun, match="since 2026-11-20"):
        merge(reports, "unmerged", since="2026-11-20")
    with pytest.raises(UnknownRun, match="no slice in .* that is in no merged report yet") as error:
        merge(reports, "unmerged")
    assert "since" not in str(error.value)
    assert parts(merge(reports, FIRST)) == [FIRST] and first.is_dir()


def test_hosts_of_the_inventory_that_no_part_has_are_unknown(reports):
    assert hosts(merge(reports, FIRST, inventory=["a,z,"])) == {"a": "compliant", "z": "unknown"}
    assert hosts(merge(reports, FIRST)) == {"a": "compliant"}


def test_an_inventory_that_ansible_cannot_read_is_refused(reports):
    place = reports.parent / "hosts.yml"
    place.write_text("all: [")
    with pytest.raises(CommandError):
        merge(reports, FIRST, inventory=[str(place)])


class TestRounds:
    @pytest.fixture
    def reports(self, tmp_path):
        reports = tmp_path / "reports"
        past = Past(open_history("sqlite", tmp_path))
        past.stored(reports, {host: good() for host in "abc"}, WHOLE, hour=1)
        past.stored(reports, {"z": good()}, OTHER, hour=4, inventory=["inventory/test"])
        past.stored(reports, {"a": good()}, OLDER_SLICE, hour=2, round="r1")
        past.stored(reports, {"a": bad()}, FIRST, hour=3, round="r2")
        past.stored(reports, {"b": good()}, SECOND, hour=3, round="r2")
        return reports

    def test_host_of_a_slice_that_died_is_unknown(self, reports, capsys):
        made = merge(reports, "unmerged", inventory=["a,b,c,"])
        assert parts(made) == [FIRST, SECOND]
        assert hosts(made) == {"a": "noncompliant", "b": "compliant", "c": "unknown"}
        whys = {WHOLE: "a run over the whole", OTHER: "of another inventory", OLDER_SLICE: "not of the round r2"}
        lines = [f"proscribe: {run} is not merged: it is {whys[run]}" for run in (OTHER, OLDER_SLICE, WHOLE)]
        assert capsys.readouterr().err.replace("\n  ", " ").splitlines() == lines

    def test_slice_that_comes_late_names_those_that_a_report_already_has(self, reports, capsys, monkeypatch):
        merge(reports, FIRST, inventory=["a,b,c,"])
        monkeypatch.setattr(report_merge, "MAX_REPORTED_RUNS", 2)
        capsys.readouterr()
        assert parts(merge(reports, "unmerged", inventory=["a,b,c,"])) == [SECOND]
        lines = capsys.readouterr().err.replace("\n  ", " ").splitlines()
        others = [(FIRST, "it is in a merged report already"), (OTHER, "it is of another inventory")]
        assert lines == [f"proscribe: {run} is not merged: {why}" for run, why in others]

    def test_run_over_the_whole_never_stands_for_a_round_that_died(self, reports):
        with pytest.raises(UnmergeableReports, match="run over the whole"):
            merge(reports, WHOLE, inventory=["a,b,c,"])
        for _ in range(2):  # the newer round, then the older one
            merge(reports, "unmerged", inventory=["a,b,c,"])
        with pytest.raises(UnknownRun):
            merge(reports, "unmerged", inventory=["a,b,c,"])

    def test_the_round_that_is_named(self, reports):
        assert parts(merge(reports, "unmerged", round="r1", inventory=["a,b,c,"])) == [OLDER_SLICE]
        with pytest.raises(UnknownRun, match="no slice of the round r9 in"):
            merge(reports, "unmerged", round="r9", inventory=["a,b,c,"])


class TestHistory:
    def test_the_run_is_in_the_one_that_is_named_and_on_its_page(self, reports):
        made = merge(reports, FIRST, SECOND, history="sqlite")
        history = open_history("sqlite", reports)
        assert history is not None and history.read_transitions(made.name) is not None
        assert read_report(made)["run"]["history"] == "sqlite" and read_report(made)["warnings"] == []

    def test_in_none_where_there_is_none(self, reports, capsys):
        path = reports / FIRST / "report.json"
        report = json.loads(path.read_text())
        path.write_text(json.dumps({**report, "run": {**report["run"], "history": "off"}}))
        made = merge(reports, FIRST)
        assert not (reports / "history.db").exists() and hosts(made) == {"a": "compliant"}
        assert "in no history, as its slices are in none" in " ".join(capsys.readouterr().err.split())
        history = open_history("sqlite", reports)
        assert history.read_transitions(merge(reports, SECOND).name) is not None and capsys.readouterr().err == ""

    def test_one_that_takes_nothing_is_reported_and_blocks_no_report(self, reports, capsys):
        (reports / "history.db").write_text("this is no database, and long enough to be seen as none\n" * 100)
        made = merge(reports, FIRST)
        assert hosts(made) == {"a": "compliant"}
        [warning] = [text for text in read_report(made)["warnings"] if "not in the history" in text]
        printed = capsys.readouterr()
        assert warning in printed.err and not printed.out


class TestPlans:
    def test_those_of_another_controller_come_along(self, reports, tmp_path):
        other = tmp_path / "other"
        Past(open_history("sqlite", tmp_path)).stored(other, {"d": good()}, FIRST, round="r1")
        digest = made_plan(other, apps=["wechat"]).removeprefix("sha256:")
        (other / "plans" / f"{'0' * 64}.json").write_text("{}")  # is not the plan of its name
        made = merge(reports, SECOND, str(other / FIRST))
        assert hosts(made) == {"b": "noncompliant", "d": "compliant"}
        assert [path.name for path in (reports / "plans").glob("*.json")] == [f"{digest}.json"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give a directory away")
    def test_none_into_a_place_that_others_can_write_to(self, reports, tmp_path):
        other = tmp_path / "other"
        Past(open_history("sqlite", tmp_path)).stored(other, {"d": good()}, FIRST, round="r1")
        made_plan(other, apps=["wechat"])
        (reports / "plans").mkdir()
        (reports / "plans").chmod(0o777)
        with pytest.raises(CommandError):
            merge(reports, SECOND, str(other / FIRST))


def test_lists_of_hosts_of_all_parts_are_in_one(reports):
    for name, text in ((NOT_REACHED_FILE, "a1\na2\n"), (SET_ASIDE_FILE, "s1\n")):
        (reports / FIRST / name).write_text(text)
    (reports / SECOND / NOT_REACHED_FILE).write_text("b1\n")
    made = merge(reports, FIRST, SECOND)
    assert (made / NOT_REACHED_FILE).read_text().split() == ["a1", "a2", "b1"]
    assert (made / SET_ASIDE_FILE).read_text().split() == ["s1"]
    third = merge(reports, THIRD)
    assert not (third / NOT_REACHED_FILE).exists() and not (third / SET_ASIDE_FILE).exists()
