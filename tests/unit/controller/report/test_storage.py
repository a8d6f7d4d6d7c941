"""Reports on disk: complete ones, links to them, baselines, corrections, requests, old ones that go."""

import contextlib
import errno
import fcntl
import json
import os
import resource
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_records import make_record
from proscribe.base.duration import parse_moment
from proscribe.controller.report.evaluation.scope import RunScope
from proscribe.controller.report.evaluation.unobserved_corrections import UnobservedCorrection
from proscribe.controller.report.storage import corrections_file, journal, pruning, report_reader, requests_file
from proscribe.controller.report.storage.accepted_baseline import find_latest_passed, list_baselines
from proscribe.controller.report.storage.corrections_file import read_open_controls, update_open_controls
from proscribe.controller.report.storage.journal import RunJournal, identify_machine, list_abandoned_runs
from proscribe.controller.report.storage.latest_link import explain_unchanged_latest
from proscribe.controller.report.storage.report_directory import ReportDirectory, open_report_file, rewrite_page
from proscribe.model.plan import CONTROLS

GOOD = '{"host": "web01", "rules": [{"rule": "apps/x"}]}\n'
R1, R2, R3 = (f"2026112{day}T003000Z-enforce-1a2b" for day in (1, 2, 3))
BEFORE = {"web01": {"apps": R1, "browser": R2}, "web02": {"dns": R1, "watch": R1}}
RECORD = {"host": "web01", "state": "compliant"}
REPORT = {"schema": "proscribe/report/1"}
PROD = RunScope(["inventory/prod"])

HOSTS = ("web01", "db01")
PART = {"left_out": 1, "limit": "web01"}
OTHER = {"inventory": ["inventory/other"]}
NOW, DAY = "2026-11-25T08:00:00Z", 86400
OLD, NEW = "20260101T020000Z-audit-1a2b", "20261125T020000Z-audit-77c0"
EMPTY = '{"schema":"proscribe/requested/1"}\n'
FIRST = requests_file.StoredRequest("web01", "a1", "wong", "parrot", "calls", "2026-11-25T08:00:00Z", "inv", "run1")


@pytest.fixture
def stored_reports(tmp_path):
    """Store complete and incomplete reports."""
    whole = ("r1", "r2", "r3", "r4", "r5.partial")
    parts = {**dict.fromkeys(whole, ("report.json", "hosts.jsonl")), "r6": ("report.json",), "r7": ("hosts.jsonl",)}
    for name, files in {**parts, "plans": ()}.items():
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("{}")
    (tmp_path / "latest").symlink_to("r3")
    (tmp_path / "gone").symlink_to("nosuch")
    (tmp_path / "r8").touch()
    return tmp_path


def test_complete_reports_are_listed_and_found_by_name_or_place(stored_reports):
    assert report_reader.list_runs(stored_reports) == ["r1", "r2", "r3", "r4", "r6"]
    assert report_reader.describe_newest_runs(stored_reports) == "the newest are r3, r4, r6"
    assert report_reader.list_runs(stored_reports / "nosuch") == []
    assert report_reader.describe_newest_runs(stored_reports / "plans") == "there is none yet"
    assert report_reader.find_run(stored_reports).name == "r3"
    assert report_reader.find_run(stored_reports, "r1").name == "r1"
    assert report_reader.find_run(stored_reports / "nosuch", str(stored_reports / "r2")) == stored_reports / "r2"


@pytest.mark.parametrize("name", ["nosuch", "gone", "r5.partial", "r6", "r7", "r8", "plans"])
def test_incomplete_report_is_refused_with_the_newest_ones(stored_reports, name):
    with pytest.raises(report_reader.UnknownRun) as wrong:
        report_reader.find_run(stored_reports, name)
    assert str(wrong.value) == f"no complete report {name} in {stored_reports}; the newest are r3, r4, r6"
    with pytest.raises(report_reader.UnknownRun) as wrong:
        report_reader.find_run(stored_reports, f"{stored_reports}/{name}")
    assert str(wrong.value) == f"{stored_reports}/{name} is no complete report, which has report.json and hosts.jsonl"
    with pytest.raises(report_reader.UnknownRun):
        report_reader.find_run(stored_reports / "r1", name)  # that is a report, and no directory of them


@pytest.mark.parametrize(("file", "text", "message"), [
    ("report.json", "{", "report.json:1 is no JSON: "),
    ("report.json", "[]", "report.json:1 is no JSON object"),
    ("report.json", '{"run": []}', "report.json is no fleet report"),
    ("hosts.jsonl", f"{GOOD}{{\n{GOOD}", "hosts.jsonl:2 is no JSON: "),
    ("hosts.jsonl", f'{GOOD}{{"host": "a", "rules": {{}}}}\n', "hosts.jsonl:2 is no host record"),
    ("hosts.jsonl", f"{GOOD}{'[' * 100_000}\n", "hosts.jsonl:2 is no JSON: "),
])  # fmt: skip
def test_unreadable_report_is_named_with_its_line(stored_reports, file, text, message):
    (stored_reports / "r1/report.json").write_text('{"run": {}}')
    (stored_reports / "r1" / file).write_text(text)
    with pytest.raises(report_reader.UnreadableReport) as wrong:
        report_reader.read_report(stored_reports / "r1")
        list(report_reader.read_records(stored_reports / "r1"))
    assert str(wrong.value).startswith(f"{stored_reports}/r1/{message}")


MISSING = make_record("web02", rules_evaluated=0, not_observed_again=["apps"])


def write_corrected(reports: Path, value: object) -> Path:
    file = reports / "corrected.json"
    file.write_text(json.dumps(value, indent=1))
    return file


@pytest.mark.parametrize("text", [
    "", "nonsense", "[]", "[" * 100_000, '{"web01": ["apps"]}', '{"web01": {"apps": 5}}', '{"web01": {"apps": "../x"}}',
])  # fmt: skip
def test_corrections_that_name_no_run_are_none(tmp_path, text):
    (tmp_path / "corrected.json").write_text(text)
    assert read_open_controls(tmp_path) == {}


def test_a_run_over_some_controls_says_nothing_of_others(tmp_path):
    write_corrected(tmp_path, BEFORE)
    run: Any = {"id": R3, "controls": ["dns", "apps"]}
    update_open_controls(tmp_path, run, [make_record("web01"), make_record("web02")])
    assert read_open_controls(tmp_path) == {"web01": {"browser": R2}, "web02": {"watch": R1}}


def test_the_file_is_written_only_where_something_changes(tmp_path):
    run: Any = {"id": R3}
    update_open_controls(tmp_path, run, [make_record("web01")])
    assert not (tmp_path / "corrected.json").exists()
    update_open_controls(tmp_path, run, [make_record("web01"), make_record("web02", not_observed_again=["apps"])])
    file = tmp_path / "corrected.json"
    assert file.read_text() == json.dumps({"web02": {"apps": R3}}, indent=1)
    before = file.stat().st_ino
    update_open_controls(tmp_path, run, [make_record("web02", not_observed_again=["apps"])])
    assert file.stat().st_ino == before
    update_open_controls(tmp_path, run, [MISSING, make_record("web01")])
    assert file.stat().st_ino == before
    update_open_controls(tmp_path, run, [make_record("web02")])
    update_open_controls(tmp_path, run, [make_record("web02")])
    assert not file.exists()


def test_a_run_gets_the_records_of_what_is_open_of_its_hosts_and_controls(tmp_path):
    others = {"web03": {"apps": R1}, "web04": {"apps": R3}, "web05": {"apps": f"{R3[:-1]}c"}}
    write_corrected(tmp_path, {**BEFORE, **others})
    for run in (R1, R2):
        (tmp_path / run).mkdir()
        lines = [{**make_record(host), "run": run} for host in ("web02", "web01", "web03")]
        (tmp_path / run / "hosts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / R3).mkdir()
    (tmp_path / R3 / "hosts.jsonl").write_text("{")

    def earlier_of(**run: Any) -> Any:
        run["hosts"] = dict.fromkeys(run["hosts"], "sha256:0")
        return corrections_file.list_unobserved_corrections(tmp_path, run)  # type: ignore[arg-type]

    of = {(host, run): {**make_record(host), "run": run} for host in BEFORE for run in (R1, R2)}
    pairs = ((R1, "apps"), (R2, "browser"))
    web01 = [UnobservedCorrection(run, of["web01", run], [control]) for run, control in pairs]
    everything = {"web01": web01, "web02": [UnobservedCorrection(R1, of["web02", R1], ["dns", "watch"])]}
    assert earlier_of(hosts=["web01", "web02", "web04", "web05", "web06"]) == everything
    assert earlier_of(hosts=["web02"]) == {"web02": everything["web02"]}
    assert earlier_of(hosts=["web01", "web02"], controls=["dns", "browser"]) == {
        "web01": web01[1:], "web02": [UnobservedCorrection(R1, of["web02", R1], ["dns"])],
    }  # fmt: skip


def finish_report(reports, name):
    return ReportDirectory(reports / f"{name}.partial").write_report([RECORD], REPORT, ["<!doctype html>"])


def test_a_page_that_cannot_be_made_leaves_no_complete_report(tmp_path):
    def page():
        yield "<!doctype html>"
        raise RuntimeError("no page")

    with pytest.raises(RuntimeError):
        ReportDirectory(tmp_path / "r1.partial").write_report([RECORD], REPORT, page())
    assert [path.name for path in tmp_path.iterdir()] == ["r1.partial"]
    assert list_names(tmp_path / "r1.partial") == ["hosts.jsonl", "report.json"]


def test_directory_of_a_run_is_its_own_and_its_name_says_that_it_is_partial(tmp_path):
    ReportDirectory(tmp_path / "r1.partial")
    for name, error in (("r1.partial", FileExistsError), ("r1", ValueError)):
        with pytest.raises(error, match=r"\.partial"):
            ReportDirectory(tmp_path / name)


def test_a_directory_in_the_place_of_latest_is_left_alone(tmp_path):
    (tmp_path / "latest").mkdir()
    with pytest.raises(OSError, match="latest"):
        finish_report(tmp_path, "r1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "newest", "r1"]


def test_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    result = ReportDirectory(tmp_path / "r1.partial")
    synced = []

    def fsync(descriptor):
        results = os.fstat(descriptor)
        assert stat.S_ISDIR(results.st_mode) or results.st_size, "what is written is not in the file yet"
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}").removeprefix(str(tmp_path)))

    monkeypatch.setattr(os, "fsync", fsync)
    result.write_report([RECORD], REPORT, ["<!doctype html>"], {"unknown.txt": ["a"]})
    names = [path.split("/")[-1].rpartition(".")[0] for path in synced[:8:2]]
    assert names == [".unknown.txt", ".hosts.jsonl", ".report.json", ".report.html"]
    assert synced[1::2][:4] == ["/r1.partial"] * 4  # the name of each file is in its directory
    assert synced[8:] == ["/r1.partial", "", ""]  # the links are in the directory of all


@pytest.mark.parametrize(("links", "expected"), [
    pytest.param({}, {"latest": "r2", "newest": "r2"}, id="none yet"),
    pytest.param(dict.fromkeys(("latest", "newest"), "r1"), {"latest": "r2", "newest": "r2"}, id="older"),
    pytest.param({"latest": "r1", "newest": "r3"}, {"latest": "r2", "newest": "r3"}, id="one is newer"),
])  # fmt: skip
def test_a_run_that_is_closed_late_takes_the_place_of_older_ones_only(tmp_path, links, expected):
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
        (tmp_path / f".{name}.{os.getpid()}").symlink_to(target)  # by a process of this number that was killed
    ReportDirectory(tmp_path / "r2.partial")
    ReportDirectory(tmp_path / "r2.partial", is_abandoned=True).write_report([RECORD], REPORT, [])
    assert {name: os.readlink(tmp_path / name) for name in ("latest", "newest")} == expected
    assert list_names(tmp_path / "r2") == ["hosts.jsonl", "report.html", "report.json"]


def test_a_page_and_lists_are_replaced_whole(tmp_path):
    complete = finish_report(tmp_path, "r1")
    rewrite_page(complete, ["<p>", "new"], {"unknown.txt": ["a", "b"]})
    assert {path.name: path.read_text() for path in complete.iterdir() if path.suffix != ".json"} == {
        "hosts.jsonl": '{"host":"web01","state":"compliant"}\n', "report.html": "<p>new", "unknown.txt": "a\nb\n",
    }  # fmt: skip


@pytest.mark.parametrize(("make", "number"), [
    (lambda path: os.symlink("/etc/hostname", path), errno.ELOOP),
    (lambda path: os.mkfifo(path), errno.EINVAL),
    (lambda path: path.mkdir(), errno.EINVAL),
    (lambda path: None, errno.ENOENT),
])  # fmt: skip
def test_only_an_ordinary_file_is_opened(tmp_path, make, number):
    make(tmp_path / "x")
    with pytest.raises(OSError) as wrong:
        open_report_file(tmp_path / "x")
    assert (wrong.value.errno, wrong.value.filename) == (number, str(tmp_path / "x"))


@pytest.fixture
def stored_verdicts(tmp_path):
    """Return a function that stores complete reports, oldest first."""

    def result(*verdicts):
        for number, (verdict, more) in enumerate(verdicts):
            directory = tmp_path / f"r{number}"
            directory.mkdir()
            (directory / "hosts.jsonl").touch()
            facts = {"inventory": ["inventory/prod"], "limit": "", "left_out": 0, "controls": list(CONTROLS), **more}
            (directory / "report.json").write_text(json.dumps({"run": {**facts, "verdict": verdict}}))
        return tmp_path

    return result


PASSED, FAILED = ({"passed": passed, "gate": "noncompliant"} for passed in (True, False))


@pytest.mark.parametrize("text", ["{", "[]", '{"run": 5}', ""])
def test_a_report_that_cannot_be_read_was_accepted_by_nobody_and_hides_no_other(stored_verdicts, text):
    reports = stored_verdicts((PASSED, {}), (PASSED, {}))
    (reports / "r1" / "report.json").write_text(text)
    assert find_latest_passed(reports, PROD).name == "r0"
    assert [path.name for path in list_baselines(reports)] == ["r0"]


@pytest.mark.parametrize("later", [[], [{"passed": True, "gate": None}], [None, {"passed": False, "gate": None}]])
def test_where_every_run_failed_the_message_names_the_one_to_name(stored_verdicts, later):
    reports = stored_verdicts(*((verdict, {}) for verdict in (FAILED, FAILED, *later)))
    with pytest.raises(report_reader.UnknownRun, match=r"no run of this scope in .* has passed; r1 failed, name it"):
        find_latest_passed(reports, PROD)
    assert list_baselines(reports) == []


def test_baseline_of_each_scope_is_kept_and_a_missing_one_lists_the_newest(stored_verdicts, tmp_path):
    with pytest.raises(report_reader.UnknownRun, match=r"no complete report latest in .*; there is none yet"):
        find_latest_passed(tmp_path, PROD)
    lab = (PASSED, {"inventory": ["inventory/lab"]})
    with pytest.raises(report_reader.UnknownRun, match=r"covers this run; the newest are r1, r2, r3"):
        find_latest_passed(stored_verdicts(lab, lab, lab, lab), PROD)


def test_baselines_of_every_scope_are_kept_when_old_reports_go(stored_verdicts):
    reports = stored_verdicts((PASSED, {}), (PASSED, {"controls": ["dns"]}), (FAILED, {}))
    assert {path.name for path in list_baselines(reports)} == {"r0", "r1"}


def make_run(**more: Any) -> dict[str, Any]:
    return {"id": "r2", "inventory": ["inventory/prod"], "left_out": 0, "controls": [], **more}


def write_latest(reports: Path, hosts: Sequence[str] = HOSTS, **more: Any) -> None:
    (reports / "r1").mkdir()
    (reports / "r1/report.json").write_text(json.dumps({"run": make_run(**more)}))
    lines = [json.dumps({"host": host, "rules": []}) for host in hosts]
    (reports / "r1/hosts.jsonl").write_text("\n".join(lines))
    (reports / "latest").symlink_to("r1")


@pytest.mark.parametrize(("latest", "new", "named", "why"), [
    ({}, {}, HOSTS, ""),
    ({}, PART, HOSTS, "latest stays r1: this run is over a part"),
    ({}, {"controls": ["dns"]}, HOSTS, "latest stays r1: this run is over a part"),
    ({}, OTHER, (*HOSTS, "more01"), ""),
    ({}, OTHER, ("web01",), "which lacks db01 of inventory/prod"),
    ({"hosts": ("localhost",)}, OTHER, HOSTS, ""),  # the controller itself
    (PART, PART, ("web01",), ""),
    (None, PART, HOSTS, ""),
])  # fmt: skip
def test_latest_stays_where_a_run_covers_less(tmp_path, latest, new, named, why):
    if latest is not None:
        write_latest(tmp_path, **latest)
    result = explain_unchanged_latest(tmp_path, make_run(**new), named)
    assert why in result and bool(result) is bool(why)


def test_the_hosts_that_another_inventory_lacks_are_named(tmp_path):
    write_latest(tmp_path, ("localhost", "d", "c", "b", "a"), inventory=["x", "y"])
    why = explain_unchanged_latest(tmp_path, make_run(**OTHER), ["e"])
    assert "lacks a, b, c and 1 more of x, y" in why and f"delete {tmp_path / 'latest'}" in why
    assert explain_unchanged_latest(tmp_path, make_run(inventory=["y/", "x"]), ["e"]) == ""
    (tmp_path / "r1/hosts.jsonl").unlink()
    assert explain_unchanged_latest(tmp_path, make_run(**OTHER), ["e"]) == ""


@pytest.fixture
def reports(tmp_path):
    result = tmp_path / "reports"
    result.mkdir()
    return result


def write_report(reports, name):
    folder = reports / name
    folder.mkdir()
    for file in ("report.json", "hosts.jsonl", "report.html"):
        (folder / file).write_text("{}\n")
    return folder


def list_names(reports):
    return sorted(path.name for path in reports.iterdir())


@pytest.mark.parametrize(("name", "goes"), [
    (OLD, True),
    ("20261026T075959Z-audit-0000", True),
    (f".going-{OLD}", True),  # which a killed run began to remove
    ("20261026T080000Z-audit-0000", False),  # thirty days to the second
    ("20260101T020000Z-audit-1a2b.kept", False),
    ("my-20260101T020000Z-audit-1a2b", False),
    ("20261301T020000Z-audit-1a2b", False),
    ("baseline", False),
])  # fmt: skip
def test_only_what_is_a_report_of_ours_and_old_goes(reports, name, goes):
    write_report(reports, name)
    assert pruning.prune_reports(reports, NOW, 30 * DAY) == []
    assert list_names(reports) == ([] if goes else [name])


def test_files_beside_reports_go_and_stay_with_them(reports):
    older, newest = "20260102T020000Z-check-0000", "20260103T020000Z-audit-0000"
    for folder in (reports, reports / "diffs", reports / "lifts"):
        folder.mkdir(exist_ok=True)
        for name in (OLD, older, newest, NEW):
            write_report(folder, name)
    (reports / "newest").symlink_to(newest)
    assert pruning.prune_reports(reports, NOW, DAY, [reports / older]) == []
    retained = [older, newest, NEW]
    assert list_names(reports) == [*retained, "diffs", "lifts", "newest"]
    assert (list_names(reports / "diffs"), list_names(reports / "lifts")) == (retained, retained)


def test_old_report_after_one_that_is_gone_goes(reports):
    (reports / f"{OLD}").write_text("no directory")
    write_report(reports, "20260102T020000Z-audit-0000")
    write_report(reports, "20260103T020000Z-audit-0000.partial")  # nothing was heard of it: its name says how old it is
    assert pruning.prune_reports(reports, NOW, DAY) == []
    assert list_names(reports) == [OLD]


def test_a_link_is_no_report_and_is_not_followed(reports, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_report(elsewhere, OLD)
    (reports / OLD).symlink_to(elsewhere / OLD)
    (reports / "diffs").symlink_to(elsewhere)
    (reports / "lifts").write_text("a file")
    (write_report(reports, "20260102T020000Z-audit-0000") / "link").symlink_to(elsewhere / OLD)
    assert pruning.prune_reports(reports, NOW, DAY) == []
    assert (list_names(reports), list_names(elsewhere)) == ([OLD, "diffs", "lifts"], [OLD])
    assert list_names(elsewhere / OLD) == ["hosts.jsonl", "report.html", "report.json"]


@pytest.mark.parametrize(("age", "goes"), [(2 * DAY, True), (60, False)])
def test_a_run_without_a_complete_report_goes_when_nothing_was_heard_of_it(reports, age, goes):
    folder = write_report(reports, f"{OLD}.partial")
    heard = parse_moment(NOW).timestamp() - age
    (folder / "hosts.jsonl").rename(folder / "journal.jsonl")
    os.utime(folder / "journal.jsonl", (heard, heard))
    pruning.prune_reports(reports, NOW, DAY)
    assert list_names(reports) == ([] if goes else [f"{OLD}.partial"])


def test_report_that_cannot_be_removed_is_named(reports, monkeypatch):
    write_report(reports, OLD)
    write_report(reports, "20260102T020000Z-audit-0000")
    original = type(reports).rename
    error: OSError = PermissionError(13, "Permission denied")

    def refusing(self, target):
        if self.name == OLD:
            raise error
        return original(self, target)

    monkeypatch.setattr(type(reports), "rename", refusing)
    (failure,) = pruning.prune_reports(reports, NOW, DAY)
    assert failure.startswith(f"the old report {OLD} could not be removed: ")
    assert list_names(reports) == [OLD]
    write_report(reports, "20260103T020000Z-audit-0000")
    error = FileNotFoundError()  # another run that ends now is at it
    assert (pruning.prune_reports(reports, NOW, DAY), list_names(reports)) == ([], [OLD])
    (failure,) = pruning.prune_reports(reports / "nosuch", NOW, DAY)
    assert failure.startswith("old reports could not be listed: ")


def requesting_record(host: str, *requests: requests_file.StoredRequest, rules: int = 1) -> Any:
    keys = ("id", "user", "service", "reason", "at")
    listed = [{key: getattr(request, key) for key in keys} for request in requests]
    return make_record(host, rules_evaluated=rules, **({"requests": listed} if listed else {}))


def run_report(id_: str = "run2", **more: Any) -> Any:
    return {"run": {"id": id_, "inventory": ["inv/"], "left_out": 0, **more}}


@pytest.mark.parametrize(("content", "text"), [
    ("", ""),
    ('{"schema":"proscribe/requested/1"}\n{"host":"web01"}\n', r"requests\.jsonl cannot be read \(KeyError: 'id'\)"),
    ('{"schema":"x"}\n', r"requests\.jsonl: schema is 'x', expected 'proscribe/requested/1'"),
])  # fmt: skip
def test_unreadable_file_of_requests_is_begun_anew_by_a_whole_run(tmp_path, content, text):
    file = tmp_path / "requests.jsonl"
    file.write_text(content)
    with pytest.raises(ValueError, match=text or "values"):
        requests_file.read_requests(tmp_path)
    for report, after in ((run_report(controls=["dns"]), content), (run_report(), EMPTY)):
        said = requests_file.store_requests(tmp_path, report, [])
        assert said.endswith("; requests that no later run brings are lost")
        assert file.read_text() == after


@pytest.mark.parametrize(("report", "records", "remaining"), [
    (run_report(), [], False),  # its host is gone from the inventory
    (run_report(left_out=1), [], True),
    (run_report(inventory=["other"]), [], True),
    (run_report(), [requesting_record("web01")], False),
    (run_report(), [requesting_record("web01", rules=0)], True),  # it did not answer
    (run_report(controls=["dns"]), [requesting_record("web01")], True),
])  # fmt: skip
def test_request_stays_until_its_host_answers_without_it(tmp_path, report, records, remaining):
    requests_file.store_requests(tmp_path, run_report("run1"), [requesting_record("web01", FIRST)])
    file = tmp_path / "requests.jsonl"
    before = file.stat().st_ino
    assert requests_file.store_requests(tmp_path, report, records) == ""
    assert requests_file.read_requests(tmp_path) == ([FIRST] if remaining else [])
    assert (file.stat().st_ino == before) is remaining, "nothing is written where nothing has changed"


def test_a_host_can_make_up_ids_but_no_other_hosts_requests(tmp_path):
    later = FIRST._replace(id="a0", at="2026-11-25T09:00:00Z")
    alike = [FIRST, FIRST._replace(user="mallory"), later, FIRST._replace(host="web09")]
    assert len({item.key for item in alike}) == 4
    records = [requesting_record("web01", *alike[:3]), requesting_record("web09", alike[3])]
    requests_file.store_requests(tmp_path, run_report("run1"), records)
    assert requests_file.read_requests(tmp_path) == [alike[1], FIRST, alike[3], later]  # by time, then by key
    more = later._replace(reason="more")
    requests_file.store_requests(tmp_path, run_report(), [requesting_record("web01", more)])
    assert requests_file.read_requests(tmp_path) == [more], "the run that brought it first stays"


NAME = "r1.partial"
OF_ITS_TASKS = ("given", "packed", "selected", "task", "play")
FIRST_LINES: dict[str, Any] = {
    "empty": "", "half": '[{"id": "r1"}, {', "no JSON": "nonsense\n", "nested without end": "[" * 100_000 + "\n",
    "no list": '{"id": "r1"}\n', "one part": [{"id": "r1"}], "three parts": [{"id": "r1"}, {}, {}],
    "another form": [{"id": "r1"}, []],
}  # fmt: skip
HERE = {"kernel": "k", "machine": "m"}


def write_journal(reports: Path, first: Any = None, more: str = "", name: str = NAME) -> Path:
    """Write a run's directory with a journal."""
    place = reports / name
    place.mkdir()
    if first is None:
        first = [{"id": name}, {**identify_machine(), "locked": True}]
    text = first if isinstance(first, str) else json.dumps(first) + "\n"
    (place / journal.FILE).write_text(text + more)
    return place


def ids_of_ended_runs(reports: Path) -> list[Any]:
    return [item.run["id"] for item in list_abandoned_runs(reports)]


def test_journal_is_read_up_to_its_last_whole_line(tmp_path):
    place = tmp_path / NAME
    place.mkdir()
    writer = RunJournal(place, {"id": "r1", "mode": "audit", **dict.fromkeys(OF_ITS_TASKS, "x")})
    writer.write_event("answered", "web01", {"a": 1})
    assert ids_of_ended_runs(tmp_path) == [], "while it runs"
    writer.write_event("began", "web01")
    writer.close()
    writer.write_event("began", "web02")
    with (place / journal.FILE).open("a") as stream:
        stream.write('["half')
    assert place.joinpath(journal.FILE).stat().st_mode & 0o777 == 0o640
    for item in list_abandoned_runs(tmp_path):
        assert item.run == {"id": "r1", "mode": "audit"} and item.directory == place and not item.is_unwritten
        assert list(item.iterate_events()) == [["answered", "web01", {"a": 1}], ["began", "web01"]]
        assert item.ended_at == place.joinpath(journal.FILE).stat().st_mtime
        assert ids_of_ended_runs(tmp_path) == [], "it is held by who looks at it"
    assert ids_of_ended_runs(tmp_path) == ["r1"]
    with pytest.raises(FileExistsError):
        RunJournal(place, {})


@contextlib.contextmanager
def full_disk(size):
    """Let no file grow beyond a size, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_journal_on_a_full_disk_is_marked_as_one_that_lacks_events(tmp_path):
    path = tmp_path / NAME / journal.FILE
    path.parent.mkdir()
    with full_disk(0), pytest.raises(OSError, match="File too large") as wrong:
        RunJournal(path.parent, {"id": "r1"})
    assert (wrong.value.filename, stat.S_IMODE(path.stat().st_mode)) == (str(path), 0o1640)
    assert [(item.run, item.is_unwritten) for item in list_abandoned_runs(tmp_path)] == [(None, True)]
    path.unlink()
    writer = RunJournal(path.parent, {"id": "r1"})
    writer.write_event("began", "web01")
    with full_disk(path.stat().st_size), pytest.raises(OSError, match="File too large") as wrong:
        writer.write_event("began", "web02")
    assert (wrong.value.filename, stat.S_IMODE(path.stat().st_mode)) == (str(path), 0o1640)
    writer.close()  # there is room again
    assert [(item.run, item.is_unwritten) for item in list_abandoned_runs(tmp_path)] == [({"id": "r1"}, True)]


@pytest.mark.parametrize("mode", ["enforce", "audit"])
def test_change_is_on_the_disk_after_an_interval(tmp_path, monkeypatch, mode):
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append("whole"))
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append("data"))
    monkeypatch.setattr(journal, "sync_directory", lambda place: synced.append(place.name))
    (tmp_path / NAME).mkdir()
    item = RunJournal(tmp_path / NAME, {"mode": mode})
    assert synced == (["whole", NAME, tmp_path.name] if mode == "enforce" else [])
    synced.clear()
    item.write_event("changed", "web01")
    assert synced == [], "not each time"
    monkeypatch.setattr(journal, "SYNC_INTERVAL_SECONDS", 0.0)
    for event, on_disk in (("answered", 0), ("began", 0), ("changed", 1), ("decided", 1), ("stopped", 1)):
        item.write_event(event, "web01")
        assert synced == ["data"] * on_disk, event
        synced.clear()
    monkeypatch.setattr(journal, "SYNC_INTERVAL_SECONDS", 1e9)
    item.write_event("stopped", "x")
    assert synced == []
    item.close()


@pytest.mark.parametrize("first", FIRST_LINES)
def test_a_journal_that_says_no_run_is_of_none(tmp_path, first):
    write_journal(tmp_path, FIRST_LINES[first])
    write_journal(tmp_path, name="r2.partial")
    assert ids_of_ended_runs(tmp_path) == ["r2.partial"]


def test_a_first_line_without_end_is_not_read(tmp_path, monkeypatch):
    length = len((write_journal(tmp_path) / journal.FILE).read_text())
    for most, ids in ((length - 1, [NAME]), (length - 2, [])):  # the end of the line is not counted
        monkeypatch.setattr(journal, "MAX_RUN_CHARACTERS", most)
        assert ids_of_ended_runs(tmp_path) == ids


@pytest.mark.parametrize(("place", "old", "is_over"), [
    pytest.param({**HERE, "locked": True}, False, True, id="here"),
    pytest.param({**HERE, "locked": False}, False, False, id="here, where nothing can be locked"),
    pytest.param({**HERE, "locked": False}, True, True, id="the same, long silent"),
    pytest.param({**HERE, "locked": "yes"}, False, False, id="here, and nothing of ours"),
    pytest.param({**HERE, "kernel": "x", "locked": False}, False, True, id="before this machine started"),
    pytest.param({"kernel": "x", "machine": "y", "locked": True}, False, False, id="a lock that may not reach here"),
    pytest.param({"kernel": "x", "machine": "y"}, True, True, id="another machine, long silent"),
    pytest.param({}, False, False, id="nobody knows"),
])  # fmt: skip
def test_a_run_that_nobody_holds_is_over_by_its_machine_and_its_silence(tmp_path, monkeypatch, place, old, is_over):
    monkeypatch.setattr(journal, "identify_machine", lambda: HERE)
    path = write_journal(tmp_path, [{"id": NAME}, place]) / journal.FILE
    age = time.time() - (2 * journal.MAX_SILENT_SECONDS if old else 60)
    os.utime(path, (age, age))
    assert ids_of_ended_runs(tmp_path) == ([NAME] if is_over else [])


def test_the_oldest_run_comes_first_and_a_complete_one_never(tmp_path):
    for name in ("r4.partial", "r2.partial", "r9.partial", "r1.partial", "r3"):
        write_journal(tmp_path, name=name)
    assert ids_of_ended_runs(tmp_path) == ["r1.partial", "r2.partial", "r4.partial", "r9.partial"]


def test_long_lines_are_read_and_bytes_that_are_no_text_are_replaced(tmp_path):
    long = "x" * 4096
    path = write_journal(tmp_path, [{"id": NAME, "said": long}, {**identify_machine(), "locked": True}]) / journal.FILE
    path.write_bytes(path.read_bytes() + json.dumps(["answered", long]).encode() + b'\n["failed","caf\xe9"]\n')
    (events,) = [list(item.iterate_events()) for item in list_abandoned_runs(tmp_path)]
    assert events == [["answered", long], ["failed", "caf\N{REPLACEMENT CHARACTER}"]]


def test_a_machine_without_an_id_is_no_other_one(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MACHINE_ID_PATH", tmp_path / "none")
    assert identify_machine()["machine"] == ""
    write_journal(tmp_path, [{"id": NAME}, {"kernel": "x", "machine": ""}])
    assert ids_of_ended_runs(tmp_path) == []
    monkeypatch.setattr(journal, "BOOT_ID_PATH", tmp_path / "none")
    assert identify_machine()["kernel"] == os.uname().nodename


def test_running_run_holds_its_journal_and_other_files_are_ignored(tmp_path):
    place = write_journal(tmp_path)
    with (place / journal.FILE).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert ids_of_ended_runs(tmp_path) == []
    (tmp_path / "r2.partial").mkdir()
    (tmp_path / "r3.partial").symlink_to(place)
    (tmp_path / "r4").mkdir()
    assert ids_of_ended_runs(tmp_path) == [NAME] and ids_of_ended_runs(tmp_path / "none") == []


@pytest.mark.parametrize("another", ["", "copy", "link"])
def test_journal_replaced_meanwhile_is_of_no_run(tmp_path, monkeypatch, another):
    path = write_journal(tmp_path) / journal.FILE

    def close(*_: int) -> None:
        path.rename(path.with_suffix(".old"))
        if another == "copy":
            path.write_text(path.with_suffix(".old").read_text())
        elif another == "link":
            path.symlink_to(path.with_suffix(".old"))

    monkeypatch.setattr(journal.fcntl, "flock", close)
    assert ids_of_ended_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "free"), [(BlockingIOError(), False), (OSError("this directory knows no locks"), True)]
)
def test_a_directory_without_locks(tmp_path, monkeypatch, error, free):
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(journal.fcntl, "flock", refuse)
    monkeypatch.setattr(journal, "lock_file", refuse)
    assert journal._is_lock_free(0) is free and journal._try_lock(0, 0) is False
