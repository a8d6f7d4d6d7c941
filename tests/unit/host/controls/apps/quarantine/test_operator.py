"""What an operator does with a quarantine, on the host: list, restore, prune, among hostile users and odd folders."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, made_host, picture, restored
from proscribe.host.controls.applying import carry_out
from proscribe.host.controls.apps.quarantine import manifest, moving, operator
from proscribe.host.controls.base import Changes
from proscribe.host.quarantine import in_quarantine
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.host.system.file_attributes import Attributes
from proscribe.host.system.forked import Limits, run_apart
from proscribe.model.quarantined import ID, id_of

ALICE = 61234
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to a user")


def moved(host: Host, *paths: str) -> list[str]:
    """Take these, and return their ids in the same order."""
    enforced(host, *paths)
    ids = {item.path: item.id for item in manifest.items(host)}
    return [ids[path] for path in paths]


def given_to_alice(root: Path) -> None:
    for path in [root / "home/alice", *(root / "home/alice").rglob("*")]:
        os.lchown(path, ALICE, ALICE)
    (root / "etc/passwd").write_text(f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n")


def broken(root: Path, name: str, text: str) -> None:
    (root / ITEMS[1:] / name).mkdir()
    (root / ITEMS[1:] / name / "manifest.json").write_text(text)


def test_an_action_that_moves_something_names_its_id_once_it_has(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    actions = [
        moving.take(host, moving.Taking(path, ["telegram"], "tree", user_parts))
        for path, user_parts in ((FILE, ()), (TREE, [f"{TREE}/Telegram", f"{TREE}/deep"]))
    ]
    assert [str(action) for action in actions] == [f"quarantine {FILE}", f"quarantine {TREE}"]
    # Apart, as what is a user's is, and in this process.
    done = carry_out(Changes([actions[0]._replace(user="alice"), actions[1]]))["done"]
    items = {item.path: item for item in manifest.items(host)}
    assert done == [f"quarantine {FILE} as {items[FILE].id}", f"quarantine {TREE} as {items[f'{TREE}/deep'].group}"]
    assert items[f"{TREE}/deep"].whole == TREE and items[FILE].whole == ""
    assert [id_of(action) for action in done] == [items[FILE].id, items[f"{TREE}/Telegram"].id]


@pytest.mark.parametrize(
    ("action", "id_"),
    [
        ("quarantine /x as wechat-0123abcd", "wechat-0123abcd"),
        ("quarantine /x as wechat-00000000 as wechat-0123abcd", "wechat-0123abcd"),  # a path is its user's word
        ("quarantine /x", ""),
        ("quarantine /x as ../../etc", ""),
        ("remove x as wechat-0123abcd", ""),
        ("", ""),
    ],
)
def test_the_id_that_an_action_names(action: str, id_: str) -> None:
    assert id_of(action) == id_


def test_a_part_that_stays_leaves_the_others_worth_taking_and_their_id_in_the_reason(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    os.symlink("/etc/shadow", tmp_path / TREE[1:] / "odd")
    parts = [f"{TREE}/odd", f"{TREE}/deep", f"{TREE}/gone"]
    action = moving.take(host, moving.Taking(TREE, ["telegram"], "tree", parts))
    with pytest.raises(ControlError, match="neither a file nor a directory") as error:
        action.apply()
    (item,) = manifest.items(host)
    assert str(error.value).endswith(f"; the rest was moved as {item.id}")
    assert host.stat(f"{TREE}/deep") is None and host.stat(f"{TREE}/odd")


def test_the_list_of_what_is_kept(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    odd = os.fsdecode(b"/home/alice/bin/caf\xe9\n.AppImage")
    (tmp_path / odd[1:]).write_text("program")
    before = picture(tmp_path)
    assert operator.listed(host) == {"items": [], "broken": [], "left_out": 0}
    assert picture(tmp_path) == before
    tree, file = moved(host, TREE, odd)
    before = picture(tmp_path)
    answer = operator.listed(host)
    assert picture(tmp_path) == before, "a list writes nothing"
    assert (answer["broken"], answer["left_out"]) == ([], 0)
    found = {item["id"]: item for item in answer["items"]}
    taken_at = {item.id: item.taken_at for item in manifest.items(host)}  # the other's may be a second later
    assert json.dumps(answer).isascii() and found[file]["path"] == r"/home/alice/bin/caf\xe9\x0a.AppImage"
    assert found[tree] == {
        "id": tree,
        "group": "",
        "path": TREE,
        "whole": TREE,
        "services": ["telegram"],
        "kind": "tree",
        "taken_at": taken_at[tree],
        "owner": "alice",
        "place_of": "alice",
        "bytes": found[tree]["bytes"],
        "kept_until": "",
        "finished": True,
    }
    assert found[tree]["bytes"] >= 400


def test_a_folder_that_is_not_ours_hides_nothing_and_is_reported(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (id_,) = moved(host, FILE)
    text = (tmp_path / ITEMS[1:] / id_ / "manifest.json").read_text()
    odd = {
        "copied-00000001": text,  # the manifest of another one
        "climbs-00000001": text.replace(id_, "../../../../etc"),
        "empty-00000001": "",
        "list-00000001": "[1]",
        "types-00000001": text.replace(id_, "types-00000001").replace('"services": [', '"services": [1, '),
        "sizes-00000001": text.replace(id_, "sizes-00000001").replace('"size": ', '"size": -'),
        "Odd Name": text.replace(id_, "Odd Name"),
    }
    for name, manifest_text in odd.items():
        broken(tmp_path, name, manifest_text)
    (tmp_path / ITEMS[1:] / "nothing").mkdir()
    (tmp_path / ITEMS[1:] / "begun-00000001.unfinished").mkdir()
    answer = operator.listed(host)
    assert [item["id"] for item in answer["items"]] == [id_]
    assert sorted(one["id"] for one in answer["broken"]) == sorted(odd)
    assert all(ITEMS in one["why"] for one in answer["broken"])
    # And what is asked for all the same is not there.
    no_names = ["../../../../etc", f"../quarantine/{id_}", f"{id_}/../{id_}", "README"]
    ids = ["copied-00000001", "climbs-00000001", *no_names]
    for do in ("restore", "prune"):
        assert set(restored(host, *ids, do=do).values()) == {"it is not in the quarantine of this host any more"}
    assert (tmp_path / "etc/shadow").read_text() == "secret" and id_ in folders(host)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            (key, 5)
            for key in ("id", "path", "kind", "taken_at", "owner", "kept_until", "group", "whole", "doing", "hold")
        ),
        *(("services", value) for value in ("telegram", [1], None)),
        *((key, value) for key in ("size", "disk", "uid") for value in (-1, "1", None)),
    ],
)
def test_a_manifest_with_a_value_of_another_type_is_reported_and_neither_restored_nor_pruned(
    tmp_path: Path, key: str, value: Any
) -> None:
    """What reads the list knows the kinds; one folder that somebody has edited must not keep all others from it."""
    host = made_host(tmp_path)
    (file, tree) = moved(host, FILE, TREE)
    path = tmp_path / ITEMS[1:] / file / "manifest.json"
    manifest_text = json.loads(path.read_text())
    (manifest_text["attributes"] if key == "uid" else manifest_text)[key] = value
    path.write_text(json.dumps(manifest_text))
    found = operator.listed(host)
    assert ([one["id"] for one in found["items"]], [one["id"] for one in found["broken"]]) == ([tree], [file])
    assert restored(host, file)[file] == restored(host, file, do="prune")[file] != ""
    assert file in folders(host)


def test_a_folder_in_which_nothing_was_begun_is_an_item_without_a_path(tmp_path: Path) -> None:
    """It is completed to nothing; a folder of another name that has no manifest is none of ours."""
    host = made_host(tmp_path)
    for name in ("x-0123abcd.unfinished", "other"):
        (tmp_path / ITEMS[1:] / name).mkdir(parents=True)
    nothing = Attributes(0, 0, 0, 0, 0, {})
    assert manifest.read(host, "x-0123abcd.unfinished") == manifest.Item("x-0123abcd", "", [], "", "", "", [], nothing)
    assert manifest.read(host, "other") is None
    assert [item.id for item in manifest.items(host)] == [item.id for item in manifest.begun(host)] == ["x-0123abcd"]


def test_a_manifest_is_roots_alone_from_the_beginning(tmp_path: Path) -> None:
    """It has the names of a user's files."""
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    place = tmp_path / ITEMS[1:] / file
    assert {stat.S_IMODE(path.stat().st_mode) for path in (place / "manifest.json", place / "content")} == {0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700 and sorted(os.listdir(place)) == ["content", "manifest.json"]


@pytest.mark.parametrize("kind", ["pipe", "file", "link"])
def test_what_a_user_put_where_a_folder_of_ours_should_be_is_none(tmp_path: Path, kind: str) -> None:
    """Nor does a run wait at a pipe for ever."""
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    item = manifest.items(host)[0]._replace(hold=manifest.hold_of("/home/alice/bin", manifest.items(host)[0]))
    place = tmp_path / item.hold[1:]
    link = tmp_path / "home/alice/Documents"
    {"pipe": os.mkfifo, "file": Path.touch, "link": lambda at: at.symlink_to(link)}[kind](place)

    def opened() -> bool:
        with manifest.held(host, item) as hold:
            return hold is not None

    assert run_apart(opened, Limits(seconds=20)) is False
    manifest.drop_hold(host, item)
    assert os.path.lexists(place), "what is not ours stays"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ControlError("a link"), "cannot keep x: a link"),
        (ControlError("cannot keep x: a link"), "cannot keep x: a link"),
        (Unseen("closed"), "cannot keep x: closed"),
        (OSError(5, "Input/output error"), "cannot keep x: Input/output error"),
        (OSError(28, "No space left on device"), "cannot keep x: No space left on device; what was taken is kept, and"
         " the next run goes on"),
        (OSError(122, "Disk quota exceeded"), "cannot keep x: Disk quota exceeded; what was taken is kept, and the next"
         " run goes on"),
    ],
)  # fmt: skip
def test_every_error_of_a_move_is_reported_with_the_attempted_action(error: Exception, said: str) -> None:
    with pytest.raises(ControlError) as wrong, manifest.explained("cannot keep x"):
        raise error
    assert str(wrong.value) == said


def test_nothing_has_a_size_of_its_own(tmp_path: Path) -> None:
    """An empty file of root's has none of these, and is as good as any other."""
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    path = tmp_path / ITEMS[1:] / file / "manifest.json"
    manifest_text = {**json.loads(path.read_text()), "size": 0, "disk": 0}
    manifest_text["attributes"]["uid"] = 0
    path.write_text(json.dumps(manifest_text))
    ((item,), broken) = (operator.listed(host)[key] for key in ("items", "broken"))
    assert (item["id"], item["bytes"], broken) == (file, 0, [])


def test_the_report_of_an_unreadable_item_has_a_maximum_length(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    moved(host, FILE)
    broken(tmp_path, "\n" * 255, "")
    (entry,) = operator.listed(host)["broken"]
    assert (len(entry["id"]), len(entry["why"])) == (200, 1000)


@pytest.mark.parametrize(("do", "before", "after"), [("restore", "", FILE + "\n"), ("prune", FILE + "\n", "")])
def test_what_would_be_done_is_shown_with_the_place_that_it_is_about(
    tmp_path: Path, do: str, before: str, after: str
) -> None:
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    (one,) = operator.chosen(host, do, [file])
    assert one.action and (one.action.before, one.action.after) == (before, after)
    assert (str(one.action), list(one.action.rules)) == (f"{do} {file} ({FILE})", ["apps/telegram"])


def test_one_answer_has_so_many_and_says_how_many_more_there_are(tmp_path: Path, monkeypatch: Any) -> None:
    host = made_host(tmp_path)
    moved(host, TREE, FILE)
    monkeypatch.setattr(operator, "MOST", 1)
    answer = operator.listed(host)
    assert (len(answer["items"]), answer["left_out"]) == (1, 1)
    monkeypatch.setattr(operator, "ANSWER", 1)
    assert operator.listed(host)["left_out"] == 2


@as_root
def test_what_is_restored_has_its_owner_mode_and_times_again(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    given_to_alice(tmp_path)
    before = picture(tmp_path, "home")
    tree, file = moved(host, TREE, FILE)
    assert manifest.items(host)[0].owner == "alice"
    assert restored(host, tree, file) == {tree: "", file: ""}
    assert picture(tmp_path, "home") == before


@as_root
def test_no_link_that_a_user_made_is_followed_and_nothing_is_written_where_it_leads(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    given_to_alice(tmp_path)
    (file,) = moved(host, FILE)
    away = tmp_path / "srv"
    away.mkdir()
    # At the place itself.
    (tmp_path / FILE[1:]).symlink_to("/srv/planted")
    os.lchown(tmp_path / FILE[1:], ALICE, ALICE)
    assert "something is there now" in restored(host, file)[file]
    (tmp_path / FILE[1:]).unlink()
    # And in the place of its directory, also of one further up.
    for place in ("home/alice/bin", "home/alice"):
        shutil.move(tmp_path / place, tmp_path / "moved")
        (tmp_path / place).symlink_to(away)
        os.lchown(tmp_path / place, ALICE, ALICE)
        if place == "home/alice":
            (away / "bin").mkdir()
        assert "link" in restored(host, file)[file]
        assert not list(away.rglob("*.AppImage")) and list(folders(host)) == [file]
        (tmp_path / place).unlink()
        shutil.move(tmp_path / "moved", tmp_path / place)
    assert restored(host, file) == {file: ""}
    assert stat.S_ISREG((tmp_path / FILE[1:]).lstat().st_mode)


@as_root
def test_a_place_that_never_answers_costs_its_user_alone(tmp_path: Path, monkeypatch: Any) -> None:
    host = made_host(tmp_path)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/tool").write_text("program")
    given_to_alice(tmp_path)
    file, other = moved(host, FILE, "/opt/tool")
    real = operator.obstacle

    def hangs(host: Host, item: manifest.Item) -> str:
        if item.path == FILE:
            time.sleep(60)
        return real(host, item)

    monkeypatch.setattr(operator, "obstacle", hangs)
    monkeypatch.setattr(operator, "LIMITS", Limits(seconds=0.5))
    answer = restored(host, file, other)
    assert answer[other] == "" and answer[file]
    assert (tmp_path / "opt/tool").exists() and list(folders(host)) == [file]


def test_what_stands_there_by_the_time_it_is_moved_is_never_replaced(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    (one,) = operator.chosen(host, "restore", [file])
    assert one.action
    (tmp_path / FILE[1:]).write_text("mine")  # between the look and the move
    with pytest.raises(ControlError, match="something is there now"):
        one.action.apply()
    assert (tmp_path / FILE[1:]).read_text() == "mine"
    (tmp_path / FILE[1:]).unlink()
    assert restored(host, file) == {file: ""}


def test_two_things_of_one_place_do_not_both_go_back(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (first,) = moved(host, FILE)
    for path in (tmp_path / ITEMS[1:]).glob("*/manifest.json"):
        path.write_text(path.read_text().replace('"taken_at": "20', '"taken_at": "19'))
    (tmp_path / FILE[1:]).write_text("another one")
    enforced(host, FILE)
    (second,) = [item.id for item in manifest.items(host) if item.id != first]
    answer = restored(host, first, second)
    assert answer[second] == "" and f"not restored: a later copy, {second}, goes to that path" in answer[first]
    assert (tmp_path / FILE[1:]).read_text() == "another one" and list(folders(host)) == [first]


def test_what_had_never_moved_is_not_said_to_be_restored(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (id_,) = moved(host, FILE)
    items = tmp_path / ITEMS[1:]
    text = (items / id_ / "manifest.json").read_text().replace('"doing": ""', '"doing": "take"')
    (items / id_ / "manifest.json").write_text(text.replace('"kept": true', '"kept": false'))
    (items / id_ / "content").unlink()
    (items / id_).rename(items / f"{id_}.unfinished")
    assert restored(host, id_)[id_].startswith("an earlier run had not moved it")


def test_only_what_was_named_is_pruned(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    tree, file = moved(host, TREE, FILE)
    assert restored(host, tree, do="prune") == {tree: ""}
    assert list(folders(host)) == [file] and not host.stat(TREE) and not host.stat(FILE)


def test_what_is_not_finished_is_not_pruned(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (file,) = moved(host, FILE)
    items = tmp_path / ITEMS[1:]
    text = (items / file / "manifest.json").read_text().replace('"doing": ""', '"doing": "restore"')
    (items / file / "manifest.json").write_text(text)
    (items / file).rename(items / f"{file}.unfinished")
    assert "was cut short" in restored(host, file, do="prune")[file]
    assert (items / f"{file}.unfinished/content").exists()


@as_root
def test_the_modules_answer_and_a_dry_run(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    tree, file = moved(host, TREE, FILE)
    (tmp_path / "run").mkdir()
    before = picture(tmp_path, "var")
    assert {item["id"] for item in in_quarantine(host, "list", [])["items"]} == {tree, file}
    answer = in_quarantine(host, "restore", [tree, file], dry_run=True)
    assert answer["changed"] and "failed" not in answer
    assert answer["actions"] == [f"restore {tree} ({TREE})", f"restore {file} ({FILE})"]
    assert answer["outcomes"] == [{"id": tree, "done": True, "why": ""}, {"id": file, "done": True, "why": ""}]
    assert picture(tmp_path, "var") == before

    (tmp_path / FILE[1:]).write_text("mine")
    answer = in_quarantine(host, "restore", [tree, file, "gone-00000001"])
    assert (answer["changed"], answer["failed"]) == (True, True)
    assert answer["msg"].startswith(f"not restored: {file}: something is there now")
    assert "gone-00000001: it is not in the quarantine of this host any more" in answer["msg"]
    assert answer["actions"] == [f"restore {tree} ({TREE})"] and host.stat(TREE)
    answer = in_quarantine(host, "prune", [file])
    assert (answer["changed"], answer["outcomes"]) == (True, [{"id": file, "done": True, "why": ""}])
    assert list(folders(host)) == [] and (tmp_path / FILE[1:]).read_text() == "mine"


def test_every_id_that_is_given_is_one_of_ours(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    moving.take(host, moving.Taking(FILE, ["a_1"], "web_app")).apply()
    moving.take(host, moving.Taking(TREE, [], "web_app")).apply()
    assert all(ID.fullmatch(item.id) for item in manifest.items(host))


@as_root
def test_of_many_that_were_not_done_some_are_named(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (tmp_path / "run").mkdir()
    why = "it is not in the quarantine of this host any more"
    ids = [f"gone-{number:08}" for number in range(7)]
    for number, rest in ((5, ""), (7, " (and 2 more)")):
        assert in_quarantine(host, "prune", ids[:number]) == {
            "outcomes": [{"id": id_, "done": False, "why": why} for id_ in ids[:number]],
            "changed": False,
            "actions": [],
            "diff": [],
            "failed": True,
            "msg": f"not pruned: {'; '.join(f'{id_}: {why}' for id_ in ids[:5])}{rest}",
        }


@pytest.mark.parametrize("do", ["list", "restore", "prune"])
def test_an_ordinary_user_has_nothing_to_do_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, do: str) -> None:
    monkeypatch.setattr(Host, "privileged", False)
    with pytest.raises(ControlError, match="needs root"):
        in_quarantine(made_host(tmp_path), do, [])


@as_root
def test_what_cannot_be_seen_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(*_: object) -> None:
        raise Unseen("it is on another machine")

    host = made_host(tmp_path)
    (tmp_path / "run").mkdir()
    assert in_quarantine(host, "list", [])["changed"] is False
    for name in ("listed", "chosen"):
        monkeypatch.setattr(operator, name, unseen)
    for do in ("list", "restore", "prune"):
        with pytest.raises(ControlError, match="^it is on another machine$"):
            in_quarantine(host, do, ["x-00000001"])
