"""The controller's disk is full, has no inodes left, is read-only, or takes no larger files."""

import contextlib
import csv
import io
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock
from xml.etree import ElementTree

import fleets
import pytest
import watched_hosts
from conftest import missing
from prometheus_client.parser import text_string_to_metric_families
from proscribe.controller.cli import CommandError, inventory
from proscribe.controller.cli.catalog.catalogue_files import write_catalogue_file
from proscribe.controller.cli.command_line import main
from proscribe.controller.cli.scheduled import branch_commit
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.enforcement_points import export_directory, manifest
from proscribe.controller.report import exports
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.storage import fleet_state_file, requests_file
from proscribe.controller.rollout import current_rollout
from proscribe.model.vocabulary import EXPORT_SCHEMA
from proscribe_ansible.exit_code import PlaybookExitCode
from proscribe_ansible.reported_run import ReportedPlaybookRun
from unit.controller.cli.test_waiver import NEW, Words

LARGE = "size=32768k,nr_inodes=10000"
REASON = re.compile(r"No space left on|Read-only file system|File too large|disk (is full|I/O error)|readonly")


class Disk:
    """A file system in memory, of which a test says how much room is left."""

    def __init__(self, place):
        self.place = place
        place.mkdir()
        self._mount(LARGE, "-t", "tmpfs", "tmpfs")

    def _mount(self, options, *more):
        subprocess.run(["mount", "-o", options, *more, str(self.place)], check=True, capture_output=True)

    def leave(self, kind, room):
        seen = os.statvfs(self.place)
        size = (seen.f_blocks - seen.f_bfree) * seen.f_frsize // 1024 + room
        inodes = seen.f_files - seen.f_ffree + room
        limits = {"KiB": f"size={size}k", "inodes": f"nr_inodes={inodes}", "read-only": "ro"}
        self._mount(f"remount,{limits[kind]}")

    def make_large(self):
        self._mount(f"remount,rw,{LARGE}")

    def end(self):
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)
        self.place.rmdir()


@pytest.fixture
def make_disk(tmp_path):
    if os.geteuid() != 0:
        missing("needs root, to mount a small file system")
    with contextlib.ExitStack() as stack:

        def make():
            stack.close()
            disk = Disk(tmp_path / "disk")
            stack.callback(disk.end)
            return disk

        yield make


@contextlib.contextmanager
def files_of_at_most(size):
    """Let no file become larger, as a quota or a file system does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def with_room(disk, kind, room):
    """The disk with so much room of a kind; large again afterwards."""
    with contextlib.ExitStack() as stack:
        stack.callback(disk.make_large)
        if kind == "KiB a file":
            stack.enter_context(files_of_at_most(room * 1024))
        else:
            disk.leave(kind, room)
        yield


HOSTS = [f"web{number:02}" for number in range(20)]
DRIFTED = fleets.answer(fleets.wechat(fleets.WECHAT), evaluated=["apps/x"])
DRIFTED = {**DRIFTED, "requests": [watched_hosts.REQUEST], "requests_left_out": 0}
ROOMS = {"KiB": range(0, 200, 8), "inodes": range(16), "read-only": [0], "KiB a file": [0, 1, 4, 16, 24]}


def make_screen():
    screen = mock.MagicMock(errors=[], warnings=[])
    screen.show_warning, screen.display.error = screen.warnings.append, screen.errors.append
    screen.can_rewrite_line = lambda: False
    return screen


def enforce(reports, day):
    """Correct two hosts of twenty in a run; return its screen, its exit code, and its id."""
    id_ = f"202611{day}T003000Z-enforce-aaaa"
    facts = {"id": id_, "directory": str(reports / f"{id_}.partial"), "history": "sqlite"}
    facts |= {"exports": [*exports.list_default_names()], "started": f"2026-11-{day}T00:30:00Z"}
    screen = make_screen()
    codes = PlaybookExitCode(screen)
    run = ReportedPlaybookRun(fleets.run(HOSTS, "enforce", **facts), screen, codes)
    for host in HOSTS:
        run.take_success(
            result("compliance_state", host, record=DRIFTED if host in HOSTS[:2] else fleets.clean_answer())
        )
    for host in HOSTS[:2]:
        run.collector.began(host, "apps")
        run.take_success(result("restricted_apps", host, actions=["remove wechat"], refused=[]))
        run.take_success(result("compliance_state", host, record=fleets.clean_answer()))
    run.end_run(failed=False)
    current_rollout.begin_rollout(None)
    return screen, codes.compute_exit_code(), id_


def result(action, host, **warning):
    task = SimpleNamespace(action=action, check_mode=False, vars={})
    return SimpleNamespace(task=task, host=SimpleNamespace(get_name=lambda: host), result=warning)


READERS = {
    ".json": json.loads,
    ".sarif": json.loads,
    ".jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
    ".xml": ElementTree.fromstring,
    ".csv": lambda text: [row["host"] for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)],
    ".prom": lambda text: list(text_string_to_metric_families(text)),
    ".html": lambda text: text.rstrip().endswith("</html>") or pytest.fail("the page is torn"),
    ".txt": lambda text: text.endswith("\n") or pytest.fail("the list is torn"),
}


def assert_whole(directory):
    assert {"report.json", "hosts.jsonl", "report.html"} <= {path.name for path in directory.iterdir()}
    for path in directory.iterdir():
        assert not path.name.startswith("."), path
        READERS[path.suffix](path.read_text())
    assert len((directory / "hosts.jsonl").read_text().splitlines()) == len(HOSTS)


@pytest.mark.parametrize("kind", ROOMS)
def test_no_write_of_a_run_leaves_anything_torn(make_disk, kind):
    broken = 0
    for room in ROOMS[kind]:
        disk = make_disk()
        reports = disk.place / "reports"
        _, code, first = enforce(reports, 23)
        assert code is None
        with with_room(disk, kind, room):
            screen, code, second = enforce(reports, 24)
        assert screen.print_rendered.call_count == 1, "the operator sees the result of the hosts"
        for text in (*screen.errors, *screen.warnings):
            assert REASON.search(text) and str(disk.place) in text, text
        ended = (reports / second).is_dir()
        if screen.errors:
            broken += 1
            assert code == int(verdict.BROKEN_EXIT)
        else:
            assert ended and code is None
        for link in ("latest", "newest"):
            assert os.readlink(reports / link) in (first, second)
            assert_whole(reports / link)
        if ended:
            assert_whole(reports / second)
        with contextlib.closing(sqlite3.connect(f"file:{reports}/history.db?mode=ro", uri=True)) as history:
            assert history.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            runs = [id_ for (id_,) in history.execute("SELECT id FROM proscribe_run ORDER BY id")]
            assert runs in ([first], [first, second])
        state, wrong = fleet_state_file.read_fleet_state(reports)
        assert (len(state.hosts), wrong) == (len(HOSTS), "")
        assert {one.host for one in requests_file.read_requests(reports)} <= {*HOSTS[:2]}
        screen, code, third = enforce(reports, 25)  # there is room again
        assert (screen.errors, code) == ([], None) and os.readlink(reports / "latest") == third
        assert_whole(reports / third)
        warning = " ".join(screen.warnings)
        assert "killed" not in warning and "It corrected no host" not in warning, warning
    assert broken, "there was room for each run"


def run_with_room_in_between(disk, room):
    """Run three times, the second time with so many KiB. Return reports, second run, and how the third one ended."""
    reports = disk.place / "reports"
    enforce(reports, 23)
    with with_room(disk, "KiB", room):
        _, _, second = enforce(reports, 24)
    screen, code, _ = enforce(reports, 25)
    return reports, second, screen, code


def test_a_run_whose_journal_ends_early_is_not_said_to_have_changed_nothing(make_disk):
    """Its corrections came after the last event that the journal had room for."""
    reports, second, screen, _ = run_with_room_in_between(make_disk(), 8)
    (warning,) = screen.warnings
    assert f"the run {second} came to no end: its journal or its report could not be written." in warning
    assert "Not known whether done: " in warning
    records = map(json.loads, (reports / second / "hosts.jsonl").read_text().splitlines())
    reasons = {record["host"]: record["reason"] for record in records}
    assert str(reasons[HOSTS[-1]]).startswith("not known whether it was reached")


def test_a_run_without_a_journal_is_named_to_the_next_one(make_disk):
    _, second, screen, code = run_with_room_in_between(make_disk(), 0)
    (warning,) = screen.warnings
    assert second in warning and "nobody knows what it did" in warning and code is None


REVOKE = ("revoke", "press01-parrot", "--by", "head.of.press", "--why", "over", "--on", "2026-11-25T09:00:00+08:00")
HEAD = {"schema": EXPORT_SCHEMA, "format": "domains", "group": "", "valid_until": None, "plan": {"digest": "x"}}
PATHS = [{"path": "list.txt"}, {"path": "more/list.txt"}]
MANIFEST = json.dumps({**HEAD, "written": "2026-11-25T00:00:00Z", "files": PATHS}).encode()
KINDS = [("KiB", 0), ("inodes", 0), ("inodes", 1), ("read-only", 0), ("KiB a file", 0)]


@pytest.fixture
def waivers(make_disk, monkeypatch, tmp_path):
    disk = make_disk()
    (tmp_path / "reports/plans").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))  # where a revocation is remembered
    words = Words(disk.place / "inventory")
    monkeypatch.setattr(inventory, "read_compile_input", lambda arguments: words.question)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert words(*NEW) == 0
    return disk, words


@pytest.mark.parametrize(("kind", "room"), KINDS)
def test_a_waiver_is_whole_before_and_after(waivers, capsys, kind, room):
    """`waiver new` for another host, and `waiver revoke` of the one that is there, as the launcher runs them."""
    disk, words = waivers
    path = words.file()
    before, listed = path.read_bytes(), sorted(os.listdir(path.parent))
    new = [word.replace("press01", "press02") for word in NEW]
    with with_room(disk, kind, room):
        codes = [main(["waiver", *command]) for command in (new, REVOKE)]
    error = capsys.readouterr().err
    failed = codes.count(2)
    assert codes == ([2, 0] if (kind, room) == ("inodes", 1) else [2, 2]), "a link needs another inode"
    assert len(REASON.findall(error)) == failed and error.count("press0") >= failed and "Traceback" not in error
    assert sorted(os.listdir(path.parent)) == listed
    if failed == 2:
        assert path.read_bytes() == before and words.statuses == {"press01-parrot": "active"}
        assert main(["waiver", *REVOKE]) == 0
    assert main(["waiver", *new]) == 0
    assert read_waiver(path).revoked and read_waiver(words.file("press02-parrot")).hosts == ("press02",)


@pytest.mark.parametrize(("kind", "room"), [*KINDS, ("KiB", 4), ("inodes", 2)])
def test_an_export_is_the_earlier_one_or_the_new_one(make_disk, kind, room):
    disk = make_disk()
    directory = disk.place / "export"

    def files(text):
        return {
            "list.txt": text.encode() * 4_000,
            "more/list.txt": text.encode() * 4_000,
            manifest.MANIFEST_NAME: MANIFEST,
        }

    export_directory.write_export(directory, files("a"))
    with with_room(disk, kind, room), pytest.raises(OSError, match=REASON.pattern) as error:
        export_directory.write_export(directory, files("b"))
    assert str(disk.place) in str(error.value)
    found = {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert found == files("a") and os.listdir(disk.place) == ["export"]
    export_directory.write_export(directory, files("b"))
    assert (directory / "list.txt").read_bytes() == files("b")["list.txt"]


@pytest.mark.parametrize(("kind", "room"), KINDS)
def test_a_file_of_the_catalogue_is_whole(make_disk, kind, room):
    disk = make_disk()
    path = disk.place / "parrot.yml"
    write_catalogue_file(path, "before\n")
    with with_room(disk, kind, room), contextlib.suppress(CommandError):
        write_catalogue_file(path, "after\n" * 2_000)
        assert (kind, room) == ("inodes", 1)
    assert path.read_bytes() in (b"before\n", b"after\n" * 2_000) and os.listdir(disk.place) == ["parrot.yml"]
    if kind != "inodes":
        with with_room(disk, kind, room), pytest.raises(CommandError, match=REASON.pattern) as error:
            write_catalogue_file(path, "after\n" * 2_000)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", ["KiB", "inodes", "read-only"])
def test_a_refreshed_catalogue_is_a_whole_commit_or_none(make_disk, kind):
    """A scheduled refresh commits into the repository of the inventory, by git."""
    for room in (0, 8) if kind == "KiB" else (0, 3):
        disk = make_disk()
        top = disk.place / "repository"
        top.mkdir()
        git(top, "init", "-q")
        git(top, "commit", "-q", "--allow-empty", "-m", "x")
        base, files = (
            branch_commit.find_head_commit(top),
            {f"catalog/{number}.yml": os.urandom(9_000) for number in range(5)},
        )
        with with_room(disk, kind, room), pytest.raises(CommandError, match=REASON.pattern) as error:
            branch_commit.create_commit(top, base, files, "Catalogue", "proscribe/catalogue")
        assert str(top) in str(error.value)
        assert git(top, "branch", "--list", "proscribe/*") == "" and branch_commit.find_head_commit(top) == base
        git(top, "fsck", "--strict")
        branch_commit.create_commit(top, base, files, "Catalogue", "proscribe/catalogue")
        assert len(git(top, "ls-tree", "-r", "--name-only", "proscribe/catalogue").split()) == 5


def git(top, *words):
    settings = ("maintenance.auto=false", "user.name=x", "user.email=x@example.org")
    command = ["git", "-C", str(top), *(word for setting in settings for word in ("-c", setting)), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
