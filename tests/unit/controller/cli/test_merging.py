"""`report --merge`: the directories of runs become the directory of one, with the history, the plans and the lists."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pasts import Past, bad, good, made_plan
from proscribe.controller.cli import Refused, merging
from proscribe.controller.report.evaluation.advice import NOT_REACHED, SET_ASIDE
from proscribe.controller.report.evaluation.merge import Unmergeable
from proscribe.controller.report.history import open_history
from proscribe.controller.report.storage.complete import NoSuchRun, find_run, read_records, read_report
from proscribe.controller.report.storage.files import ReportDirectory
from proscribe.controller.report.text.command import Call

WHOLE, OTHER, OLDER_SLICE = (f"20261120T0{hour}0000Z-audit-0001" for hour in (1, 4, 2))
FIRST, SECOND, THIRD = (f"2026112{day}T020000Z-audit-0001" for day in (1, 2, 3))


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three runs, each of one host: one a day."""
    reports = tmp_path / "reports"
    past = Past(open_history("sqlite", tmp_path))
    for day, (name, host) in enumerate([(FIRST, "a"), (SECOND, "b"), (THIRD, "c")], 21):
        past.stored(reports, {host: bad() if host == "b" else good()}, name, day=day, round="r1")
    return reports


def merge(reports: Path, *names: str, **more: Any) -> Path:
    options = {"since": None, "inventory": [], "history": "", "round": "", **more}
    return merging.merge(argparse.Namespace(merge=list(names), **options), reports)


def hosts(directory: Path) -> dict[str, str]:
    return {record["host"]: record["state"] for record in read_records(directory)}


def parts(directory: Path) -> list[str]:
    found: list[str] = read_report(directory)["run"]["parts"]
    return found


def test_a_report_of_its_own_that_is_the_latest(reports: Path) -> None:
    made = merge(reports, FIRST, SECOND)
    assert made.parent == reports and made.name not in (FIRST, SECOND) and "-audit-" in made.name
    assert find_run(reports) == made and read_report(made)["run"]["id"] == made.name
    assert hosts(made) == {"a": "compliant", "b": "noncompliant"}


@pytest.mark.parametrize(
    ("names", "since", "merged"),
    [
        (("unmerged",), None, [FIRST, SECOND, THIRD]),
        (("unmerged",), "2026-11-22T02:00:00Z", [SECOND, THIRD]),
        (("unmerged",), "2026-11-22T02:00:01Z", [THIRD]),
        ((FIRST, "unmerged"), "2026-11-23T00:00:00Z", [FIRST, THIRD]),
        ((FIRST, FIRST), None, [FIRST]),
        ((SECOND, "unmerged"), None, [FIRST, SECOND, THIRD]),
    ],
)
def test_each_run_once_and_those_that_begin_since_then(
    reports: Path, names: tuple[str, ...], since: str | None, merged: list[str]
) -> None:
    for number, name in enumerate((FIRST, SECOND, THIRD), 1):  # they begin at two o'clock
        path = reports / name / "report.json"
        report = json.loads(path.read_text())
        report["run"]["started"] = f"2026-11-2{number}T02:00:00Z"
        path.write_text(json.dumps(report))
    assert parts(merge(reports, *names, since=since)) == merged


def test_what_is_merged_already_is_not_merged_again_unless_it_is_named(reports: Path) -> None:
    first = merge(reports, FIRST, SECOND)
    assert parts(merge(reports, "unmerged")) == [THIRD]
    with pytest.raises(NoSuchRun, match="since 2026-11-20"):
        merge(reports, "unmerged", since="2026-11-20")
    with pytest.raises(NoSuchRun, match="no slice in .* that is in no merged report yet") as error:
        merge(reports, "unmerged")
    assert "since" not in str(error.value)
    assert parts(merge(reports, FIRST)) == [FIRST] and first.is_dir()


def test_hosts_of_the_inventory_that_no_part_has_are_unknown(reports: Path) -> None:
    assert hosts(merge(reports, FIRST, inventory=["a,z,"])) == {"a": "compliant", "z": "unknown"}
    assert hosts(merge(reports, FIRST)) == {"a": "compliant"}


def test_printed_commands_are_about_the_inventory_that_was_named(tmp_path: Path) -> None:
    """A slice's own inventory has only its hosts, and its options are those of a slice."""
    reports, past = tmp_path / "reports", Past(None)
    typed = {"program": ["./proscribe"], "word": "audit", "playbook": "", "cwd": "", "withheld": []}
    for name, host, day in ((FIRST, "a", 21), (SECOND, "b", 22)):
        options = ["-i", f"{host},", "-e", "proscribe_round=r1"]
        more = {"round": "r1", "inventory": [f"{host},"], "command": {**typed, "options": options}, "controls": ["dns"]}
        directory = ReportDirectory(reports / f"{name}.partial")
        report, records = past.made({host: good()}, id=name, day=day, **more)
        directory.finish(records, report, ["old page"])
    for names in ([FIRST, SECOND], [FIRST]):
        made = read_report(merge(reports, *names, inventory=["a,b,c,"]))["run"]
        assert Call.of(made).again("c").argv[1:] == ("audit", "--limit", "c", "-i", "a,b,c,", "--tags", "dns")


def test_an_inventory_that_ansible_cannot_read_is_refused(reports: Path) -> None:
    place = reports.parent / "hosts.yml"
    place.write_text("all: [")
    with pytest.raises(Refused):
        merge(reports, FIRST, inventory=[str(place)])


class TestRounds:
    """Of the runs that are in no merged report, only the slices of one round are merged."""

    @pytest.fixture
    def reports(self, tmp_path: Path) -> Path:
        """A run over the whole, then a round of which the slice of c died, and one of another inventory."""
        reports = tmp_path / "reports"
        past = Past(open_history("sqlite", tmp_path))
        past.stored(reports, {host: good() for host in "abc"}, WHOLE, hour=1)
        past.stored(reports, {"z": good()}, OTHER, hour=4, inventory=["inventory/test"])
        past.stored(reports, {"a": good()}, OLDER_SLICE, hour=2, round="r1")
        past.stored(reports, {"a": bad()}, FIRST, hour=3, round="r2")
        past.stored(reports, {"b": good()}, SECOND, hour=3, round="r2")
        return reports

    def test_a_host_of_a_slice_that_died_is_unknown(self, reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
        made = merge(reports, "unmerged", inventory=["a,b,c,"])
        assert parts(made) == [FIRST, SECOND]
        assert hosts(made) == {"a": "noncompliant", "b": "compliant", "c": "unknown"}
        printed = " ".join(capsys.readouterr().err.split())
        assert f"{WHOLE} is not merged: it is a run over the whole" in printed
        assert f"{OTHER} is not merged: it is of another inventory" in printed
        assert f"{OLDER_SLICE} is not merged: it is not of the round r2" in printed

    def test_a_slice_that_comes_late_names_those_that_a_report_already_has(
        self, reports: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        merge(reports, FIRST, inventory=["a,b,c,"])
        assert parts(merge(reports, "unmerged", inventory=["a,b,c,"])) == [SECOND]
        assert f"{FIRST} is not merged: it is in a merged report already" in " ".join(capsys.readouterr().err.split())

    def test_the_round_that_is_named(self, reports: Path) -> None:
        assert parts(merge(reports, "unmerged", round="r1", inventory=["a,b,c,"])) == [OLDER_SLICE]
        with pytest.raises(NoSuchRun, match="no slice of the round r9 in"):
            merge(reports, "unmerged", round="r9", inventory=["a,b,c,"])

    def test_a_run_over_the_whole_is_refused_and_never_stands_for_a_round_that_died(self, reports: Path) -> None:
        with pytest.raises(Unmergeable, match="run over the whole"):
            merge(reports, WHOLE, inventory=["a,b,c,"])
        merge(reports, "unmerged", inventory=["a,b,c,"])
        merge(reports, "unmerged", inventory=["a,b,c,"])  # the older round
        with pytest.raises(NoSuchRun):
            merge(reports, "unmerged", inventory=["a,b,c,"])


class TestHistory:
    def test_slices_with_limits_that_come_to_the_whole_are_a_point_of_its_trend(self, tmp_path: Path) -> None:
        reports, past = tmp_path / "reports", Past(open_history("sqlite", tmp_path / "reports"))
        past.run({"a": good(), "b": good()}, number=1, inventory=["a,b,"])
        for name, host in ((FIRST, "a"), (SECOND, "b")):
            past.stored(
                reports, {host: good()}, name, hour=3, round="r1", limit=host, left_out=["a" if host == "b" else "b"]
            )
        made = merge(reports, FIRST, SECOND, inventory=["a,b,"], history="sqlite")
        history = open_history("sqlite", reports)
        assert history is not None
        assert [point["run"] for point in history.trend()] == ["run1", made.name]

    def test_that_it_is_in_none_is_reported(self, reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name in (FIRST, SECOND):
            path = reports / name / "report.json"
            report = json.loads(path.read_text())
            path.write_text(json.dumps({**report, "run": {**report["run"], "history": "off"}}))
        merge(reports, FIRST, SECOND)
        assert "in no history" in capsys.readouterr().err

    def test_the_run_is_in_the_one_that_is_named_and_on_its_page(self, reports: Path) -> None:
        made = merge(reports, FIRST, SECOND, history="sqlite")
        history = open_history("sqlite", reports)
        assert history is not None and history.transitions(made.name) is not None
        assert read_report(made)["run"]["history"] == "sqlite"
        assert read_report(made)["warnings"] == []

    def test_else_in_that_of_its_parts(self, reports: Path) -> None:
        made = merge(reports, FIRST)
        history = open_history("sqlite", reports)
        assert history is not None and history.transitions(made.name) is not None

    def test_in_none_where_there_is_none(self, reports: Path) -> None:
        path = reports / FIRST / "report.json"
        report = json.loads(path.read_text())
        path.write_text(json.dumps({**report, "run": {**report["run"], "history": "off"}}))
        made = merge(reports, FIRST)
        assert not (reports / "history.db").exists() and hosts(made) == {"a": "compliant"}

    def test_one_that_takes_nothing_is_reported_and_blocks_no_report(
        self, reports: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (reports / "history.db").write_text("this is no database, and long enough to be seen as none\n" * 100)
        made = merge(reports, FIRST)
        assert hosts(made) == {"a": "compliant"}
        [warning] = [text for text in read_report(made)["warnings"] if "not in the history" in text]
        printed = capsys.readouterr()
        assert warning in printed.err and not printed.out


class TestPlans:
    """Plans lie beside the reports of the controller that made them."""

    def test_those_of_another_controller_come_along(self, reports: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        Past(open_history("sqlite", tmp_path)).stored(other, {"d": good()}, FIRST, round="r1")
        digest = made_plan(other, apps=["wechat"]).removeprefix("sha256:")
        (other / "plans" / f"{'0' * 64}.json").write_text("{}")  # is not the plan of its name
        made = merge(reports, SECOND, str(other / FIRST))
        assert hosts(made) == {"b": "noncompliant", "d": "compliant"}
        assert [path.name for path in (reports / "plans").glob("*.json")] == [f"{digest}.json"]

    def test_own_ones_stay_as_they_are(self, reports: Path) -> None:
        made_plan(reports, apps=["wechat"])
        before = {path.name: path.stat().st_ino for path in (reports / "plans").iterdir()}
        merge(reports, FIRST, SECOND)
        assert {path.name: path.stat().st_ino for path in (reports / "plans").iterdir()} == before

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to give a directory away")
    def test_none_into_a_place_that_others_can_write_to(self, reports: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        Past(open_history("sqlite", tmp_path)).stored(other, {"d": good()}, FIRST, round="r1")
        made_plan(other, apps=["wechat"])
        (reports / "plans").mkdir()
        (reports / "plans").chmod(0o777)
        with pytest.raises(Refused):
            merge(reports, SECOND, str(other / FIRST))


def test_lists_of_hosts_of_all_parts_are_in_one(reports: Path) -> None:
    for name, text in ((NOT_REACHED, "a1\na2\n"), (SET_ASIDE, "s1\n")):
        (reports / FIRST / name).write_text(text)
    (reports / SECOND / NOT_REACHED).write_text("b1\n")
    made = merge(reports, FIRST, SECOND)
    assert (made / NOT_REACHED).read_text().split() == ["a1", "a2", "b1"]
    assert (made / SET_ASIDE).read_text().split() == ["s1"]
    third = merge(reports, THIRD)
    assert not (third / NOT_REACHED).exists() and not (third / SET_ASIDE).exists()
