"""The quarantine's limits, and what an operator lists, restores and prunes on the host, among hostile users."""

import functools
import json
import os
import shutil
import stat
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import made_quarantine
import pytest
from fake_tools import refuse
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, picture, restored
from made_users import put_link
from proscribe.host.controls.apps.quarantine import capacity, manifest, move_in, operator, quarantine_rule, restoration
from proscribe.host.controls.apps.quarantine.manifest import QuarantineEntry
from proscribe.host.quarantine_operations import run_quarantine_operation
from proscribe.host.system import ControlError, Host, ObservationError, directories
from proscribe.host.system.forked_work import WorkLimits

ALICE = 61234
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to a user")
DAY = 86400


@pytest.fixture
def host(tmp_path):
    return made_quarantine.made_host(tmp_path)


def take_paths(host: Host, *paths: str) -> list[str]:
    enforced(host, *paths)
    ids = {item.path: item.id for item in manifest.list_entries(host)}
    return [ids[path] for path in paths]


def give_to_alice(root: Path) -> None:
    for path in [root / "home/alice", *(root / "home/alice").rglob("*")]:
        os.lchown(path, ALICE, ALICE)
    (root / "etc/passwd").write_text(f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n")


def break_item(root: Path, name: str, text: str) -> None:
    (root / ITEMS[1:] / name).mkdir(parents=True)
    (root / ITEMS[1:] / name / "manifest.json").write_text(text)


def change_manifest(folder: Path, **fields: Any) -> None:
    place = folder / "manifest.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **fields}))


def test_a_folder_that_is_not_ours_hides_nothing_and_is_reported(host, tmp_path):
    (id_,) = take_paths(host, FILE)
    text = (tmp_path / ITEMS[1:] / id_ / "manifest.json").read_text()
    odd = {"copied-00000001": text, "empty-00000001": "", "list-00000001": "[1]"}  # the first is another one's
    odd |= {"climbs-00000001": text.replace(id_, "../../../../etc"), "Odd Name": text.replace(id_, "Odd Name")}
    texts = ["path", "kind", "taken_at", "owner", "kept_until", "group", "whole", "doing", "hold", "privileged"]
    wrong: dict[str, Any] = {**dict.fromkeys(texts, 5), "services": [1], "parent_owner": "0", "size": -1, "disk": -1}
    for field, value in {**wrong, "attributes": {**json.loads(text)["attributes"], "uid": -1}}.items():
        name = f"{field}-00000001"
        odd[name] = json.dumps({**json.loads(text), "id": name, field: value})
    for name, manifest_text in odd.items():
        break_item(tmp_path, name, manifest_text)
    (tmp_path / ITEMS[1:] / "nothing").mkdir()
    (tmp_path / ITEMS[1:] / "begun-00000001.unfinished").mkdir()
    answer = operator.make_quarantine_answer(host)
    assert [item["id"] for item in answer["quarantined"]] == [id_]
    assert sorted(element["id"] for element in answer["broken"]) == sorted(odd)
    assert all(ITEMS in element["why"] for element in answer["broken"])
    # And what is asked for all the same is not there.
    no_names = ["../../../../etc", f"../quarantine/{id_}", f"{id_}/../{id_}", "README"]
    ids = ["copied-00000001", "climbs-00000001", *no_names]
    for do in ("restore", "prune"):
        assert set(restored(host, *ids, do=do).values()) == {"it is not in the quarantine of this host any more"}
    assert (tmp_path / "etc/shadow").read_text() == "secret" and id_ in folders(host)


def test_manifest_and_list_say_all_of_an_item(host, tmp_path):
    """Another version restores, and an operator decides, by them."""
    part, was = f"{TREE}/Telegram", os.stat(tmp_path / f"{TREE}/Telegram"[1:])
    request = move_in.MoveRequest(TREE, ["wechat", "qq"], "tree", [part, f"{TREE}/deep"], keep_seconds=DAY)
    move_in.make_move_action(host, request).apply()
    (id_,) = [item.id for item in manifest.list_entries(host) if item.path == part]
    place = tmp_path / ITEMS[1:] / id_
    text = json.loads((place / "manifest.json").read_text())
    taken, until = (time.strptime(text[key], "%Y-%m-%dT%H:%M:%SZ") for key in ("taken_at", "kept_until"))
    assert time.mktime(until) - time.mktime(taken) == DAY and text["written_by"].startswith("Written by Proscribe")
    times = {"atime_ns": text["attributes"]["atime_ns"], "mtime_ns": 1_500_000_000_987_654_321}
    sum_ = "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8"
    assert text == {
        "schema": "proscribe/quarantine/1", "written_by": text["written_by"], "id": id_, "path": part,
        "services": ["wechat", "qq"], "kind": "tree", "taken_at": text["taken_at"], "owner": "alice",
        "identity": [was.st_dev, was.st_ino], "attributes": {
            "mode": stat.S_IFREG | 0o4711, "uid": os.getuid(), "gid": os.getgid(), **times, "xattrs": {},
        }, "doing": "", "hold": "", "placed": [], "sha256": sum_, "files": 1, "size": 7, "shared": 0,
        "disk": was.st_blocks * 512, "group": id_, "kept_until": text["kept_until"], "whole": TREE,
        "hold_identity": [], "parent_owner": os.getuid(), "privileged": sum_, "kept": True,
    }  # fmt: skip
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (place.parent, place, place / "manifest.json")]
    assert modes == [0o700, 0o700, 0o600]
    answer = operator.make_quarantine_answer(host)
    assert [item["group"] for item in answer["quarantined"]] == [id_, id_] and answer["left_out"] == 0
    assert [item for item in answer["quarantined"] if item["id"] == id_] == [{
        **{key: text[key] for key in ("id", "group", "path", "services", "kind", "taken_at", "owner", "kept_until")},
        "whole": TREE, "place_of": "alice", "bytes": was.st_blocks * 512, "finished": True,
    }]  # fmt: skip


def test_error_of_a_move_is_reported_with_the_attempted_action():
    rest = "; what was taken is kept, and the next run goes on"
    for error, reason in (
        (ControlError("cannot keep x: a link"), "a link"),
        (ObservationError("closed"), "closed"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError(28, "No space"), f"No space{rest}"),
        (OSError(122, "Disk quota"), f"Disk quota{rest}"),
    ):
        with pytest.raises(ControlError, match=f"^cannot keep x: {reason}$"), manifest.explain_errors("cannot keep x"):
            raise error


def test_report_has_a_maximum_length_and_says_how_many_more_there_are(host, tmp_path, monkeypatch):
    take_paths(host, TREE, FILE)
    break_item(tmp_path, "\n" * 255, "")
    (entry,) = operator.make_quarantine_answer(host)["broken"]
    assert (len(entry["id"]), len(entry["why"])) == (200, 1000)
    shutil.rmtree(tmp_path / ITEMS[1:] / ("\n" * 255))
    monkeypatch.setattr(operator, "MAX_ITEMS", 1)
    answer = operator.make_quarantine_answer(host)
    assert (len(answer["quarantined"]), answer["left_out"]) == (1, 1)
    monkeypatch.setattr(operator, "MAX_ANSWER_CHARACTERS", 1)
    assert operator.make_quarantine_answer(host)["left_out"] == 2


@as_root
def test_no_link_that_a_user_made_is_followed_and_nothing_is_written_where_it_leads(host, tmp_path):
    give_to_alice(tmp_path)
    (file,) = take_paths(host, FILE)
    away = tmp_path / "srv"
    away.mkdir()
    # At the place itself.
    put_link(tmp_path, FILE, "/srv/planted", ALICE)
    assert "something is there now" in restored(host, file)[file]
    (tmp_path / FILE[1:]).unlink()
    # And in the place of its directory, also of one further up.
    for place in ("home/alice/bin", "home/alice"):
        shutil.move(tmp_path / place, tmp_path / "moved")
        put_link(tmp_path, place, str(away), ALICE)
        if place == "home/alice":
            (away / "bin").mkdir()
        assert "link" in restored(host, file)[file]
        assert not list(away.rglob("*.AppImage")) and list(folders(host)) == [file]
        (tmp_path / place).unlink()
        shutil.move(tmp_path / "moved", tmp_path / place)
    assert restored(host, file) == {file: ""} and stat.S_ISREG((tmp_path / FILE[1:]).lstat().st_mode)


@as_root
def test_a_place_that_never_answers_costs_its_user_alone(host, tmp_path, monkeypatch):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/tool").write_text("program")
    give_to_alice(tmp_path)
    file, other = take_paths(host, FILE, "/opt/tool")
    real = operator.explain_obstacle

    def hangs(host: Host, item: manifest.QuarantineEntry) -> str:
        if item.path == FILE:
            time.sleep(60)
        return real(host, item)

    monkeypatch.setattr(operator, "explain_obstacle", hangs)
    monkeypatch.setattr(operator, "DEFAULT_LIMITS", WorkLimits(seconds=0.5))
    answer = restored(host, file, other)
    assert answer[other] == "" and answer[file]
    assert (tmp_path / "opt/tool").exists() and list(folders(host)) == [file]


def test_file_that_came_meanwhile_is_never_replaced(host, tmp_path):
    (file,) = take_paths(host, FILE)
    (element,) = operator.choose_entries(host, "restore", [file])
    assert element.action
    (tmp_path / FILE[1:]).write_text("mine")  # between the look and the move
    with pytest.raises(ControlError, match="something is there now"):
        element.action.apply()
    assert (tmp_path / FILE[1:]).read_text() == "mine"
    (tmp_path / FILE[1:]).unlink()
    assert restored(host, file) == {file: ""}


def test_two_things_of_one_place_do_not_both_go_back(host, tmp_path):
    (first,) = take_paths(host, FILE)
    change_manifest(tmp_path / ITEMS[1:] / first, taken_at="1999-01-01T00:00:00Z")
    (tmp_path / FILE[1:]).write_text("another one")
    enforced(host, FILE)
    (second,) = [item.id for item in manifest.list_entries(host) if item.id != first]
    answer = restored(host, first, second)
    assert answer[second] == "" and f"not restored: a later copy, {second}, goes to that path" in answer[first]
    assert (tmp_path / FILE[1:]).read_text() == "another one" and list(folders(host)) == [first]


def test_only_named_and_finished_items_are_pruned_or_restored(host, tmp_path):
    tree, file = take_paths(host, TREE, FILE)
    assert restored(host, tree, do="prune") == {tree: ""}
    assert list(folders(host)) == [file] and not host.find_entry(TREE) and not host.find_entry(FILE)
    change_manifest(tmp_path / ITEMS[1:] / file, doing="restore", kept=True)  # as a run leaves it that is killed
    folder = (tmp_path / ITEMS[1:] / file).rename(tmp_path / ITEMS[1:] / f"{file}.unfinished")
    assert "was cut short" in restored(host, file, do="prune")[file] and (folder / "content").exists()
    change_manifest(folder, doing="take", kept=False)
    (folder / "content").unlink()
    assert restored(host, file)[file].startswith("an earlier run had not moved it")


@as_root
def test_answer_of_the_module_has_outcomes_and_a_dry_run_changes_nothing(host, tmp_path):
    tree, file = take_paths(host, TREE, FILE)
    (tmp_path / "run").mkdir()
    before = picture(tmp_path, "var")
    answer = run_quarantine_operation(host, "restore", [tree, file], dry_run=True)
    assert answer["changed"] and "failed" not in answer and picture(tmp_path, "var") == before
    assert answer["actions"] == [f"restore {tree} ({TREE})", f"restore {file} ({FILE})"]
    (tmp_path / FILE[1:]).write_text("mine")
    answer = run_quarantine_operation(host, "restore", [tree, file, "gone-00000001"])
    assert (answer["changed"], answer["failed"], answer["actions"]) == (True, True, [f"restore {tree} ({TREE})"])
    assert f"{file}: something is there now" in answer["msg"] and "gone-00000001: " in answer["msg"]
    answer = run_quarantine_operation(host, "prune", [file])
    assert (answer["changed"], answer["outcomes"]) == (True, [{"id": file, "done": True, "why": ""}])
    assert list(folders(host)) == [] and (tmp_path / FILE[1:]).read_text() == "mine"


@as_root
def test_unseen_quarantine_is_an_error(host, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    assert run_quarantine_operation(host, "list", [])["changed"] is False
    for name in ("make_quarantine_answer", "choose_entries"):
        monkeypatch.setattr(operator, name, mock.Mock(side_effect=ObservationError("it is on another machine")))
    for do in ("list", "restore", "prune"):
        with pytest.raises(ControlError, match="^it is on another machine$"):
            run_quarantine_operation(host, do, ["x-00000001"])


def take_item(host: Host, path: str = FILE, **more: Any) -> QuarantineEntry:
    move_in.make_move_action(host, move_in.MoveRequest(path, ["wechat"], "appimage", **more)).apply()
    return next(item for item in manifest.list_entries(host) if item.path == path)


def test_holes_of_any_length_are_neither_read_nor_confused(tmp_path):
    variants = {"a": (2**39, 2**40), "b": (2**39 + 4096, 2**40), "c": (2**39, 2**40 + 1)}
    for name, (place, size) in variants.items():
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
        with (tmp_path / name).open("r+b") as stream:
            stream.seek(place)
            stream.write(b"x")
    directory = os.open(tmp_path, os.O_RDONLY)
    sums = {name: directories.sum_content(directory, name).sha256 for name in variants}
    directories.copy_entry(directory, "a", directory, "copy")
    assert directories.sum_content(directory, "copy").sha256 == sums["a"]
    os.close(directory)
    assert len(set(sums.values())) == 3 and (tmp_path / "copy").stat().st_blocks * 512 < 2**20


def test_differing_copy_never_replaces_the_original(host, tmp_path, monkeypatch):
    in_two_file_systems(monkeypatch, tmp_path)
    content = (tmp_path / FILE[1:]).read_bytes()

    def spoilt(step: str) -> None:
        if step == "copied":
            (copy,) = (tmp_path / ITEMS[1:]).glob("*/copying")
            copy.write_bytes(content[:-1] + b"?")

    monkeypatch.setattr(manifest, "mark_step", spoilt)
    with pytest.raises(ControlError, match="its copy is not the same; both are left where they are"):
        take_item(host)
    (held,) = tmp_path.glob("**/.proscribe-quarantine-*/content")
    assert held.read_bytes() == content


def make_disk(free: int, size: int = 16 * 1024**3) -> Any:
    """Return a file system as statvfs(3) reports it."""
    return SimpleNamespace(f_frsize=4096, f_files=1000, f_favail=1000, f_bavail=free // 4096, f_blocks=size // 4096)


@pytest.mark.parametrize(
    ("extent", "disk", "why"),
    [
        ((4096, 1), make_disk(1024**3), "1024 MiB stay free on that file system"),
        ((4096, 1), make_disk(1024**3 + 4096), ""),
        ((4 * 1024**3, 1), make_disk(10 * 1024**3), ""),
        ((4 * 1024**3 + 1, 1), make_disk(10 * 1024**3), "more than 4 GiB of data"),
        ((1, 1), make_disk(100 * 1024**3, 4 * 1024**4), "209715 MiB stay free"),  # a twentieth of a large file system
        ((1, 950), make_disk(10 * 1024**3), ""),
        ((1, 951), make_disk(10 * 1024**3), "of the inodes"),
    ],
)
def test_a_reserve_stays_free(extent, disk, why):
    refusal = capacity.explain_too_large(directories.DiskUsage(*extent), disk)
    assert why in refusal and bool(why) == bool(refusal)


def test_only_what_is_copied_needs_room(host, monkeypatch):
    """Within one file system only a name changes: a full disk keeps nothing from being taken."""
    monkeypatch.setattr(capacity, "count_free_bytes", lambda of: 0)
    monkeypatch.chdir("/proc")  # whatever file system the run was started on
    assert capacity.explain_lacking_room(host, [FILE]) == ""
    real = os.stat

    def stat_elsewhere(path: Any, **options: Any) -> Any:
        seen = real(path, **options)
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, "st_dev": seen.st_dev + str(path).endswith(".AppImage")})

    assert [capacity.explain_lacking_room(host, paths) for paths in (["/home/alice/gone/deeper"], [])] == ["", ""]
    with monkeypatch.context() as patch:
        patch.setattr(capacity, "MAX_FILES", 2)
        assert "it has more than 2 files" in capacity.explain_lacking_room(host, [TREE])
        assert capacity.explain_lacking_room(host, [FILE]) == ""
    monkeypatch.setattr(os, "stat", stat_elsewhere)
    assert "there is no room for it in /var/lib/proscribe" in capacity.explain_lacking_room(host, [FILE])


@pytest.mark.parametrize(("present", "nearest"), [("var/lib/proscribe", "/var/lib/proscribe"), ("var", "/")])
def test_room_is_asked_for_where_the_quarantine_will_be(tmp_path, present, nearest):
    (tmp_path / present).mkdir(parents=True)
    assert capacity._find_existing_directory(Host(str(tmp_path))) == nearest
    (tmp_path / present).rename(tmp_path / "away")
    (tmp_path / present).symlink_to("/etc")
    assert capacity._find_existing_directory(Host(str(tmp_path))) != nearest or nearest == "/"


def test_no_user_exceeds_his_share_and_the_error_reports_it(host, tmp_path, monkeypatch):
    if os.getuid() == 0:  # who has no share
        for path in (TREE, FILE):
            os.chown(tmp_path / path[1:], 12345, 12345)
    take_item(host)
    monkeypatch.setattr(capacity, "MAX_USER_ENTRIES", 1)
    assert capacity.explain_lacking_room(host, [TREE]) == "its owner has 1 things in the quarantine, and may have 1"
    with pytest.raises(ControlError, match="its owner has 1 things"):
        enforced(host, TREE)
    assert host.find_entry(TREE)
    monkeypatch.setattr(capacity, "MAX_USER_ENTRIES", 100)
    monkeypatch.setattr(capacity, "USER_SHARE_DIVISOR", 10**15)
    assert "MiB in the quarantine, and may have 0 MiB" in capacity.explain_lacking_room(host, [TREE])


def test_growing_file_takes_no_more_than_the_free_room(host, tmp_path, monkeypatch):
    in_two_file_systems(monkeypatch, tmp_path)
    monkeypatch.setattr(capacity, "count_free_bytes", lambda of: 20_000)
    writer = os.open(tmp_path / FILE[1:], os.O_WRONLY)

    def grows(step: str) -> None:
        if step == "moved":
            os.pwrite(writer, b"x" * 50_000, 0)

    monkeypatch.setattr(manifest, "mark_step", grows)
    with pytest.raises(ControlError, match="more than 0 MiB of data"):
        take_item(host)
    os.close(writer)
    assert quarantine_rule.observe(host, "enforce")[0].drifted and not host.find_entry(FILE)
    monkeypatch.setattr(capacity, "count_free_bytes", lambda of: 60_000)
    enforced(host)
    assert quarantine_rule.observe(host, "enforce") == []


def test_only_an_item_whose_time_is_over_is_pruned(host, tmp_path):
    take_item(host, FILE, keep_seconds=DAY)
    item = take_item(host, TREE, keep_seconds=DAY)
    assert capacity.make_prune_actions(host, DAY) == []
    place = tmp_path / ITEMS[1:] / item.id
    change_manifest(place, taken_at="2026-01-01T00:00:00Z", kept_until="2026-01-02T00:00:00Z")
    (action,) = capacity.make_prune_actions(host, DAY)
    assert (action.before, str(action)) == (f"{TREE}\n", f"prune {item.id} ({TREE})")
    assert len(list(folders(host))) == 2, "check mode only shows it"
    action.apply()
    assert not place.exists() and [item.path for item in manifest.list_entries(host)] == [FILE]
    assert take_item(host, "/home/alice/bin/notes", keep_seconds=0).kept_until == ""


TAKEN, LONGEST = 1_767_225_600, 40 * 366 * DAY  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("fields", "keep", "seconds", "is_over"),
    [
        ({}, 0, DAY, False),
        ({}, 0, DAY + 1, True),
        ({"kept_until": ""}, 2 * DAY, 2 * DAY, False),  # from before there was such a date
        ({"kept_until": ""}, 2 * DAY, 2 * DAY + 1, True),
        *((fields, 0, DAY + 1, False) for fields in ({"doing": "restore"}, {"at_rest": False}, {"taken_at": "odd"})),
        ({"kept_until": "soon"}, 0, DAY + 1, False),
        ({"kept_until": "2025-12-31T23:59:59Z"}, 0, DAY, False),  # until before it was taken
        ({"kept_until": ""}, 0, LONGEST - 1, False),  # for ever
        ({}, 0, LONGEST - 1, True),
        ({}, 0, LONGEST, False),  # a clock that has run away
        ({"kept_until": "2066-02-09T00:00:00Z"}, 0, LONGEST + DAY, False),
    ],
)
def test_item_is_over_at_its_time_and_never_by_a_wrong_clock(fields, keep, seconds, is_over):
    """What is pruned is gone for good."""
    attributes = manifest.FileAttributes(0, 0, 0, 0, 0, {})
    item = QuarantineEntry("x", "/x", [], "", "2026-01-01T00:00:00Z", "", [], attributes, at_rest=True)
    item = item._replace(**{"doing": "", "kept_until": "2026-01-02T00:00:00Z", **fields})
    assert capacity.is_expired(item, keep, TAKEN + seconds) is is_over


def test_record_has_owners_with_the_most_of_what_was_read(host, tmp_path, monkeypatch):
    sizes = {"a": ("alice", 10, 2), "b": ("bob", 0, 1), "c": ("carol", 5, 3), "e.unfinished": ("alice", 2, 4)}
    for name, (owner, disk, day) in sizes.items():
        fields = {"disk": disk, "size": 5, "owner": owner, "taken_at": f"2026-11-2{day}T08:00:00Z"}
        break_item(tmp_path, name, json.dumps(fields))
    break_item(tmp_path, "d", '{"disk": 7, "owner": "bob"}')
    (tmp_path / ITEMS[1:] / "f.unfinished").mkdir()  # killed before anything was begun
    assert [verdict.state for verdict in quarantine_rule.observe(host, "enforce")] == ["noncompliant"]
    result = {"items": 6, "bytes": 22, "oldest": "2026-11-21T08:00:00Z", "owners": {"alice": 12, "bob": 5, "carol": 5}}
    assert host.record_fields["quarantine"] == result
    monkeypatch.setattr(quarantine_rule, "MAX_NAMED_ACCOUNTS", 2)
    assert list(quarantine_rule.summarise_quarantine(host, ["README", *sizes])[0]["owners"]) == ["alice", "bob"]
    monkeypatch.setattr(quarantine_rule, "MAX_COUNTED_ENTRIES", 2)
    counted = {"items": 5, "bytes": 15, "oldest": "2026-11-21T08:00:00Z", "owners": {"alice": 10, "bob": 5}}
    assert quarantine_rule.summarise_quarantine(host, ["README", *sizes, "d"]) == (counted, [])
    assert quarantine_rule.summarise_quarantine(host, ["d"])[1] == ["d"]
    assert quarantine_rule.summarise_quarantine(host, ["README"]) == (None, [])


@as_root
@pytest.mark.parametrize(("change", "opened", "mode"), [(b"", False, 0o4711), (b"P", False, 0o711), (b"", True, 0o711)])
def test_privileges_come_back_to_unchanged_content_that_is_not_open(host, tmp_path, change, opened, mode):
    path = f"{TREE}/Telegram"
    writer, item = os.open(tmp_path / path[1:], os.O_WRONLY), take_item(host, path)
    os.pwrite(writer, change, 0)
    if not opened:
        os.close(writer)
    assert ("privileges" in (restoration.restore_entry(host, item) or "")) is (mode == 0o711)
    assert stat.S_IMODE((tmp_path / path[1:]).stat().st_mode) == mode


@pytest.mark.slow
def test_a_pruning_that_is_killed_is_completed(tmp_path):
    steps = []
    for step in range(1, 50):
        root = tmp_path / str(step)
        root.mkdir()
        host = made_quarantine.made_host(root)
        item, other = take_item(host, TREE), take_item(host)
        name = killed_at(step, functools.partial(capacity.prune_entry, host, item))
        enforced(host)
        remaining = set(folders(host))
        assert remaining in ({other.id}, {item.id, other.id}), name
        if item.id in remaining:  # it had not begun
            restored(host, item.id)
            assert (root / TREE[1:] / "deep/er/data").exists(), name
        if not name:
            break
        steps.append(name)
    assert {"opened", "written", "content gone", "dropped"} <= set(steps)


@pytest.mark.parametrize("error", [ObservationError("closed"), ControlError("a link")])
def test_unread_manifest_hides_no_other(host, monkeypatch, error):
    item, other = take_item(host), take_item(host, TREE)
    refuse(monkeypatch, "read_file", {f"{ITEMS}/{item.id}/manifest.json": error})
    assert quarantine_rule.summarise_quarantine(host, [item.id, other.id])[0]["owners"].keys() == {other.owner}


def test_unfinished_move_is_drift_and_unseen_is_unknown(host, tmp_path, monkeypatch):
    (tmp_path / ITEMS[1:] / "a-0123abcd.unfinished").mkdir(parents=True)
    (verdict,) = quarantine_rule.observe(host, "enforce")
    assert (verdict.rule, verdict.state, verdict.drifted) == ("apps/quarantine", "noncompliant", True)
    assert [(item.kind, item.path) for item in verdict.findings] == [("quarantine", f"{ITEMS}/a-0123abcd.unfinished")]
    assert not quarantine_rule.observe(host, "audit")[0].drifted

    monkeypatch.setattr(host, "list_directory", mock.Mock(side_effect=ObservationError("closed")))
    assert [(item.state, item.reason) for item in quarantine_rule.observe(host, "enforce")] == [("unknown", "closed")]
