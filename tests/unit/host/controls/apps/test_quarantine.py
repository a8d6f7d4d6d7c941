"""The quarantine: items that are taken, stay and come back, on one file system and on two, after kills and attacks."""

import errno
import itertools
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import made_quarantine
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_host import carry_out
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, lifted, picture
from properties import examples
from proscribe.host.controls import change_execution
from proscribe.host.controls.apps.quarantine import (
    capacity,
    manifest,
    move_completion,
    move_in,
    quarantine_rule,
    restoration,
)
from proscribe.host.controls.base import Changes, ControlAction
from proscribe.host.system import ControlError, Host, ObservationError


@pytest.fixture
def host(tmp_path):
    return made_quarantine.made_host(tmp_path)


@pytest.fixture(params=[False, True], ids=["one file system", "two file systems"])
def two(request, monkeypatch, tmp_path):
    if request.param:
        in_two_file_systems(monkeypatch, tmp_path)
    return request.param


def take(host: Host, path: str = FILE, kind: str = "appimage", **more: Any) -> str:
    return move_in.make_move_action(host, move_in.MoveRequest(path, ["wechat"], kind, **more)).apply()


def test_a_directory_that_is_gone_is_not_made_up(host, tmp_path):
    enforced(host, FILE)
    shutil.rmtree(tmp_path / "home/alice/bin")
    (refusal,) = lifted(host).refusals
    assert "/home/alice/bin is not there any more" in refusal.reason


@pytest.mark.parametrize("path", ["/home/alice", "/home/alice/Documents", "/etc/shadow", "/usr/bin/sudo"])
def test_protected_path_is_never_taken(host, path):
    with pytest.raises(ControlError, match="never taken: "):
        take(host, path, "tree")
    assert host.list_directory(ITEMS) == []


@pytest.mark.parametrize("manifest_text", ["", "{", "[]", '{"taken_at": 3}', None])
def test_a_broken_manifest_is_reported_and_blocks_no_other_item(host, tmp_path, manifest_text):
    enforced(host, FILE)
    (name,) = folders(host)
    path = tmp_path / ITEMS[1:] / name / "manifest.json"
    path.unlink() if manifest_text is None else path.write_text(manifest_text)
    enforced(host, TREE)
    (verdict,) = quarantine_rule.observe(host, "enforce")
    assert (verdict.state, verdict.drifted) == ("unknown", False)
    assert name in verdict.reason and "delete it by hand" in verdict.reason
    back = restoration.make_restore_changes(host)
    assert [(element.rule, element.subject) for element in back.refusals] == [("apps/quarantine", name)]
    assert ITEMS in back.refusals[0].reason and move_completion.make_broken_refusals(host) == back.refusals
    assert [action.subject for action in back.actions] == [TREE]  # and what it holds stays
    back.actions[0].apply()
    assert list(folders(host)) == [name] and host.find_entry(TREE)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_kept_file_is_out_of_its_users_reach_until_it_comes_back(host, tmp_path, two):
    """Who owns a file may always open it again, by a descriptor that was kept."""
    for path in (TREE, FILE):
        os.chown(tmp_path / path[1:], 12345, 12345)
    before = picture(tmp_path)
    inside, held = (os.open(tmp_path / path[1:], os.O_RDONLY) for path in (TREE, FILE))
    enforced(host, TREE, FILE)
    assert [os.listdir(tmp_path / "home/alice" / name) for name in (".", "bin")] == [["Documents", "bin"], ["notes"]]
    contents = [(tmp_path / ITEMS[1:] / name / "content").stat() for name in folders(host)]
    assert sorted((seen.st_uid, stat.S_IMODE(seen.st_mode)) for seen in contents) == [(0, 0o600), (0, 0o700)]
    assert two or [stat.S_IMODE(os.fstat(opened).st_mode) for opened in (inside, held)] == [0o700, 0o600]
    for opened in (inside, held):
        os.close(opened)
    assert lifted(host).refusals == [] and picture(tmp_path) == before


def test_full_disk_loses_nothing(host, tmp_path, monkeypatch):
    in_two_file_systems(monkeypatch, tmp_path)
    before = picture(tmp_path)
    full = mock.Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with mock.patch.object(os, "pwrite", full), pytest.raises(ControlError, match="No space left on device"):
        enforced(host, FILE)
    assert quarantine_rule.observe(host, "enforce")[0].drifted and not host.find_entry(FILE)
    enforced(host)
    assert quarantine_rule.observe(host, "enforce") == [] and not list((tmp_path / "home").glob("**/.proscribe*"))
    lifted(host)
    assert picture(tmp_path) == before


@pytest.mark.parametrize(
    ("lose", "error"),
    [
        (lambda place: shutil.rmtree(place / "content"), "its content is gone from the quarantine"),
        (lambda place: (place.parent / "new").mkdir(), "new in it"),
    ],
)
def test_changed_quarantine_is_left(host, tmp_path, lose, error):
    enforced(host, TREE)
    actions = restoration.make_restore_changes(host).actions
    lose(tmp_path / ITEMS[1:] / next(folders(host)))
    with pytest.raises(ControlError, match=error):
        carry_out(actions)
    assert host.find_entry(move_in.README_PATH)


@pytest.mark.slow
@examples(40)
@given(st.binary(min_size=1, max_size=60).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47}))
def test_any_name_there_and_back(name):
    with tempfile.TemporaryDirectory() as directory:
        root, path = Path(directory), "/home/alice/bin/" + os.fsdecode(name)
        host = made_quarantine.made_host(root)
        if host.find_entry(path):
            return
        (root / path[1:]).write_text("program")
        before = picture(root)
        action = move_in.make_move_action(host, move_in.MoveRequest(path, ["wechat"], "file"))
        assert str(action).isprintable() and json.dumps(action.before).isascii()
        action.apply()
        assert not host.find_entry(path)
        lifted(host)
        assert picture(root) == before


def test_only_the_file_that_was_seen_is_taken(host, tmp_path, two):
    seen = os.stat(tmp_path / FILE[1:])
    for wrong in ((seen.st_dev + 1, seen.st_ino), (seen.st_dev, seen.st_ino + 1)):
        with pytest.raises(ControlError, match="something else is there by now"):
            take(host, identity=wrong)
    request = move_in.MoveRequest(FILE, [], "appimage", identity=(seen.st_dev, seen.st_ino))
    move_in.make_move_action(host, request).apply()
    assert next(folders(host)).startswith("appimage-"), "what belongs to no service is called by its kind"


@pytest.mark.parametrize("answer", ["it is a thesis", ObservationError("closed"), ControlError("odd")])
def test_file_that_fails_its_second_check_is_restored(host, tmp_path, two, answer):
    content = (tmp_path / FILE[1:]).read_bytes()
    checked: list[tuple[bytes | None, str]] = []

    def doubt(door: Host, path: str, original: str) -> str:
        checked.append((door.read_file(path), original))
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ControlError, match=f"{answer}; the next run checks again"):
        take(host, check_moved=doubt)
    assert checked == [(content, FILE)] and (tmp_path / FILE[1:]).read_bytes() == content
    assert list(folders(host)) == [] and not list(tmp_path.glob("**/.proscribe-quarantine-*"))


def test_file_that_cannot_move_leaves_no_folder(host, tmp_path, two, monkeypatch):
    """A file that is immutable, say (chattr +i). A folder without content would look like a run that was killed."""
    content, real = (tmp_path / FILE[1:]).read_bytes(), os.rename

    def rename(src: str, dst: str, **options: Any) -> None:
        if src == Path(FILE).name:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        real(src, dst, **options)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(ControlError, match=f"cannot take {FILE}: .*not permitted"):
        take(host)
    assert (tmp_path / FILE[1:]).read_bytes() == content and list(folders(host)) == []


def put(root: Path, name: str, new: str) -> None:
    with Host(str(root)).open_directory("/") as directory:
        move_completion.rename_without_replacing(directory, name, directory, new)


@pytest.fixture(params=[True, False], ids=["a file system with hard links", "one without"])
def place(request, tmp_path, monkeypatch):
    if not request.param:
        monkeypatch.setattr(os, "link", mock.Mock(side_effect=OSError(errno.EPERM, os.strerror(errno.EPERM))))
    (tmp_path / "ours").write_text("ours")
    return tmp_path


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda at: at.symlink_to("nowhere")])
def test_put_replaces_nothing(place, make):
    make(place / "new")
    seen = (place / "new").lstat()
    (place / "tree").mkdir()
    for name in ("ours", "tree"):
        with pytest.raises(OSError, match="File exists|not permitted"):
            put(place, name, "new")
        assert os.path.samestat((place / "new").lstat(), seen) and (place / name).exists()


@pytest.mark.parametrize("target", ["nowhere", "folder", "ours"])
def test_file_and_link_are_put_as_themselves(place, target):
    (place / "folder").mkdir()
    (place / "link").symlink_to(target)
    put(place, "link", "new")
    assert os.readlink(place / "new") == target and sorted(os.listdir(place)) == ["folder", "new", "ours"]
    assert (place / "ours").stat().st_nlink == 1
    put(place, "ours", "moved")
    assert sorted(os.listdir(place)) == ["folder", "moved", "new"] and (place / "moved").read_text() == "ours"


def test_item_counts_as_placed_where_its_file_is_seen(host, tmp_path, monkeypatch):
    seen = (tmp_path / FILE[1:]).stat()
    enforced(host, TREE)
    item = manifest.list_entries(host)[0]._replace(path=FILE, placed=[seen.st_dev, seen.st_ino])
    assert move_completion.is_restored(host, item)
    for placed in ([seen.st_dev, seen.st_ino + 1], []):
        assert not move_completion.is_restored(host, item._replace(placed=placed))
    (tmp_path / "home/alice/bin").rename(tmp_path / "home/alice/moved")
    assert not move_completion.is_restored(host, item)
    (tmp_path / "home/alice/bin").symlink_to("moved")  # the same file, by way of a user's link
    if os.geteuid() == 0:
        os.lchown(tmp_path / "home/alice/bin", 65534, 65534)
        assert not move_completion.is_restored(host, item)
    for error in (ObservationError("a dead mount"), ControlError("a link")):
        monkeypatch.setattr(host, "find_entry", mock.Mock(side_effect=error))
        assert not move_completion.is_restored(host, item)


@pytest.mark.parametrize("swapped", ["file", "link", "pipe"])
def test_exchanged_file_fails_no_run(host, tmp_path, two, swapped, monkeypatch):
    """Its user puts something else there for the moment of the move, and a new file in place of a link or pipe."""
    path = tmp_path / FILE[1:]
    make = {"file": lambda: path.write_text("a new one"), "link": lambda: path.symlink_to("/etc/shadow")}

    def swap(step: str) -> None:
        if step == "written" and not path.with_suffix(".old").exists():
            path.rename(path.with_suffix(".old"))
            make.get(swapped, lambda: os.mkfifo(path))()
        elif step == "moved" and swapped != "file":
            path.write_text("a new one")

    with monkeypatch.context() as patch, pytest.raises(ControlError, match="exchanged while it was being taken"):
        patch.setattr(manifest, "mark_step", swap)
        take(host)
    assert len(move_completion.make_complete_actions(host)) == (swapped != "file")
    enforced(host)
    assert move_completion.make_complete_actions(host) == [] and not list((tmp_path / "home").glob("**/.proscribe*"))
    assert path.read_text() == "a new one" and list(folders(host)) == []


@pytest.mark.slow
@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
@pytest.mark.parametrize(("killed", "path"), [*itertools.product(("move", "restoration"), (TREE, FILE))])
def test_run_killed_at_any_step_loses_nothing_and_is_completed(tmp_path, monkeypatch, two, killed, path):
    expected = {"move": {"written", "moved", "sealed", "kept"}, "restoration": {"unsealed", "placed", "dropped"}}
    steps = set()
    for step in range(1, 100):
        root = tmp_path / str(step)
        root.mkdir()
        with monkeypatch.context() as patch:
            if two:
                in_two_file_systems(patch, root)
            host, before = made_quarantine.made_host(root), picture(root)
            if killed == "restoration":
                enforced(host, path)
            work = {"move": lambda host=host: enforced(host, path), "restoration": lambda host=host: lifted(host)}
            name = killed_at(step, work[killed])
            contents = [{fields[-1] for fields in of.values()} for of in (before, picture(root))]
            assert contents[0] <= contents[1], name
            if (killed, path) != ("restoration", TREE):  # the next run takes it, and leaves nothing else
                enforced(host, path)
                assert host.find_entry(path) is None and not list((root / "home").glob("**/.proscribe*")), name
                assert [folder.endswith(".unfinished") for folder in folders(host)] == [False], name
            lifted(host)
            assert picture(root) == before and host.list_directory(ITEMS) == [], name
        steps.add(name)
        if not name:
            break
    assert expected[killed] <= steps
    assert not two or killed != "move" or {"hold made", "copied", "compared", "original gone", "hold gone"} <= steps


def item_of(host: Host, path: str) -> manifest.QuarantineEntry:
    (item,) = [item for item in manifest.list_entries(host) if item.path == path]
    return item


class Killed(BaseException):
    """What ends a run in place of a signal: nothing of it is completed."""


def cut_short(name: str, work: Callable[[], object]) -> None:
    """Do the work until it comes to a step of that name."""

    def reached(step: str) -> None:
        if step == name:
            raise Killed

    with mock.patch.object(manifest, "mark_step", reached), pytest.raises(Killed):
        work()


WRITTEN = ["synced", "synced", "written"]  # the file, and the directory after its rename


def steps(work: Callable[[], object]) -> list[str]:
    result: list[str] = []
    synced = mock.Mock(side_effect=lambda descriptor: result.append("synced"))
    with mock.patch.object(manifest, "mark_step", result.append), mock.patch.object(os, "fsync", synced):
        work()
    return list(itertools.dropwhile("synced".__eq__, result))  # of the README


def test_every_change_of_the_disk_is_a_step_at_which_a_run_can_be_killed(host, monkeypatch):
    taking = ["folder made", *WRITTEN, "moved", "sealed", *WRITTEN, "kept"]
    for path, placing in ((TREE, ["placed"]), (FILE, ["linked", "placed"])):
        assert steps(lambda path=path: enforced(host, path)) == taking
        restored = steps(lambda path=path: restoration.restore_entry(host, item_of(host, path)))
        before = ["opened", *WRITTEN, "synced", "unsealed", *WRITTEN]
        assert restored == [*before, *placing, "content gone", "manifest gone", "dropped"]


def test_no_descriptor_is_left_open(host, two):
    before = sorted(os.listdir("/proc/self/fd"))
    enforced(host, TREE, FILE)
    lifted(host)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_file_sealed_before_a_second_kill_comes_back(host, tmp_path):
    (tmp_path / "other").write_text("a thesis")
    (tmp_path / "other").chmod(0o640)

    def exchanged(name: str) -> None:
        if name == "written" and (tmp_path / "other").exists():
            os.replace(tmp_path / "other", tmp_path / FILE[1:])
        if name == "moved":
            raise Killed

    with mock.patch.object(manifest, "mark_step", exchanged), pytest.raises(Killed):
        take(host)
    cut_short("sealed", lambda: enforced(host))
    seen = (tmp_path / ITEMS[1:] / next(folders(host)) / manifest.CONTENT_NAME).stat()
    assert item_of(host, FILE).identity == [seen.st_dev, seen.st_ino] and stat.S_IMODE(seen.st_mode) == 0o600
    enforced(host)
    lifted(host)
    back = tmp_path / FILE[1:]
    assert (back.read_text(), stat.S_IMODE(back.stat().st_mode)) == ("a thesis", 0o640)


@pytest.mark.parametrize("step", ["written", "hold made"])
def test_item_that_had_not_moved_is_not_restored_and_not_reported_as_kept(host, tmp_path, monkeypatch, step):
    if step == "hold made":
        in_two_file_systems(monkeypatch, tmp_path)
    before = picture(tmp_path, "home")
    restores = (lambda: restoration.restore_entry(host, item_of(host, FILE)), lambda: lifted(host).refusals or None)
    for restore in restores:
        cut_short(step, lambda: enforced(host, FILE))
        assert restore() is None and list(folders(host)) == [] and picture(tmp_path, "home") == before
    cut_short("moved", lambda: enforced(host, FILE))
    (tmp_path / FILE[1:]).touch()
    (remaining,) = lifted(host).refusals
    assert remaining.reason.startswith("something is there now; it is kept as telegram-")
    enforced(host)
    cut_short("content gone", lambda: capacity.prune_entry(host, item_of(host, FILE)))
    assert lifted(host).refusals == list(folders(host)) == [] and (tmp_path / FILE[1:]).read_text() == ""


def test_restoring_a_doubtful_file_is_a_step_too(host, tmp_path, monkeypatch):
    before = (tmp_path / FILE[1:]).read_bytes()

    def take_doubtful() -> None:
        with pytest.raises(ControlError, match="it is a thesis; the next run checks again"):
            take(host, check_moved=lambda *_: "it is a thesis")

    names = ["folder made", *WRITTEN, "moved", "linked", "returned", "manifest gone", "dropped"]
    assert steps(take_doubtful) == names
    assert (tmp_path / FILE[1:]).read_bytes() == before and list(folders(host)) == []
    assert take(host, "/home/alice/gone") == ""


def test_names_on_disk_stay_the_same(tmp_path):
    """Another version completes what this one has begun, and finds it by them."""
    assert (manifest.TAKE, manifest.RESTORE, manifest.PRUNE) == ("take", "restore", "prune")
    assert (manifest.MANIFEST_NAME, manifest.TEMPORARY_NAME) == ("manifest.json", ".manifest.json~")
    assert (manifest.CONTENT_NAME, move_completion.COPY_NAME) == ("content", "copying")
    assert (manifest.HOLD_PREFIX, quarantine_rule.UNFINISHED_SUFFIX) == (".proscribe-quarantine-", ".unfinished")
    assert (ITEMS, f"{ITEMS}/README") == (quarantine_rule.QUARANTINE_DIRECTORY, move_in.README_PATH)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_users_file_that_grew_fails_no_later_run(host, tmp_path, monkeypatch):
    (tmp_path / "etc/passwd").write_text("alice:x:61235:61235::/home/alice:/bin/sh\n")
    os.chown(tmp_path / FILE[1:], 61235, 61235)
    in_two_file_systems(monkeypatch, tmp_path)
    assert killed_at(9, lambda: enforced(host, FILE)) == "moved"
    monkeypatch.setattr(capacity, "count_free_bytes", lambda _: 100)  # bytes
    done: list[str] = []
    block = ControlAction("write", "a block", lambda: done.append("a block"))
    changes = Changes([*move_completion.make_complete_actions(host), block], is_independent=True)
    carried = change_execution.apply_changes(changes)
    assert done == ["a block"]
    [(action, why)] = carried["left"]
    assert (action.verb, action.user, action.rules) == ("complete", "alice", ["apps/quarantine"])
    assert "cannot keep /home/alice/bin/WeChat.AppImage in the quarantine" in why
    [verdict] = quarantine_rule.observe(host, "enforce")
    assert (verdict.state, [finding.scope for finding in verdict.findings]) == ("noncompliant", ["user:alice"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_however_deep_a_user_made_it_what_was_kept_long_enough_is_pruned(host, tmp_path):
    (tmp_path / "etc/passwd").write_text("alice:x:61235:61235::/home/alice:/bin/sh\n")
    os.chown(tmp_path / TREE[1:], 61235, 61235)
    enforced(host, TREE)
    (item,) = manifest.list_entries(host)
    content = tmp_path / ITEMS[1:] / item.id / "content"
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(content)
        for _ in range(1_200):
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.fchdir(here)
        os.close(here)
    place = tmp_path / ITEMS[1:] / item.id / "manifest.json"
    past = {"taken_at": "2026-01-01T00:00:00Z", "kept_until": "2026-01-02T00:00:00Z"}
    place.write_text(json.dumps({**json.loads(place.read_text()), **past}))
    try:
        [action] = capacity.make_prune_actions(host, 86400)
        assert (action.user, action.rules) == ("alice", ["apps/quarantine"])
        assert change_execution.apply_changes(Changes([action], is_independent=True))["left"] == []
        assert list(folders(host)) == []
    finally:  # what is so deep, Python does not delete
        subprocess.run(["rm", "-rf", str(content)], check=True)


def test_an_unfinished_restoration_without_services_is_reported_by_kind(host, tmp_path):
    enforced(host, FILE)
    path = tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "services": []}))
    os.mkdir(tmp_path / FILE[1:])
    (refusal,) = restoration.make_restore_changes(host).refusals
    assert (refusal.rule, refusal.subject) == ("apps/tree", FILE)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_a_folder_of_that_name_that_somebody_else_has_made_is_none_of_ours(host, tmp_path):
    enforced(host, TREE)
    (item,) = manifest.list_entries(host)
    item = item._replace(hold=manifest.make_hold_path("/home/alice", item))
    hold = tmp_path / item.hold[1:]
    hold.mkdir()
    os.chown(hold, 61234, 61234)
    before = sorted(os.listdir("/proc/self/fd"))
    refused = pytest.raises(ControlError, match=f"{item.hold} is somebody else's")
    with host.open_directory("/home/alice") as above, refused:
        manifest.open_hold(above, item)
    for is_ours in (False, True):
        with manifest.open_existing_hold(host, item) as result:
            assert (result is not None) is is_ours
            assert result is None or os.path.samestat(os.fstat(result), hold.stat())
        os.chown(hold, 0, 0)
    assert sorted(os.listdir("/proc/self/fd")) == before
    for _ in range(2):  # the second time it is gone
        manifest.drop_hold(host, item)
        with manifest.open_existing_hold(host, item) as result:
            assert result is None and not hold.exists()
