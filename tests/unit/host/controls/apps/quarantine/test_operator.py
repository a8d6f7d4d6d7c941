"""What an operator does with a quarantine, on the host: list, restore, prune, among hostile users and odd folders."""

import os
import shutil
import stat
import time
from pathlib import Path
from unittest import mock

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, picture, restored
from proscribe.host.controls.apps.quarantine import manifest, operator
from proscribe.host.quarantine import in_quarantine
from proscribe.host.system import ControlError, Host, Unseen
from proscribe.host.system.forked import Limits

ALICE = 61234
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to a user")


def take(host: Host, *paths: str) -> list[str]:
    """Take these, and return their ids in the same order."""
    enforced(host, *paths)
    ids = {item.path: item.id for item in manifest.items(host)}
    return [ids[path] for path in paths]


def give_to_alice(root: Path) -> None:
    for path in [root / "home/alice", *(root / "home/alice").rglob("*")]:
        os.lchown(path, ALICE, ALICE)
    (root / "etc/passwd").write_text(f"alice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n")


def break_item(root: Path, name: str, text: str) -> None:
    (root / ITEMS[1:] / name).mkdir()
    (root / ITEMS[1:] / name / "manifest.json").write_text(text)


def cut_short(root: Path, id_: str, do: str) -> Path:
    """Leave an item as a run leaves it that is killed while it does this."""
    folder = root / ITEMS[1:] / id_
    text = (folder / "manifest.json").read_text().replace('"doing": ""', f'"doing": "{do}"')
    (folder / "manifest.json").write_text(
        text.replace('"kept": true', f'"kept": {"false" if do == "take" else "true"}')
    )
    return folder.rename(f"{folder}.unfinished")


def test_a_folder_that_is_not_ours_hides_nothing_and_is_reported(host, tmp_path):
    (id_,) = take(host, FILE)
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
        break_item(tmp_path, name, manifest_text)
    (tmp_path / ITEMS[1:] / "nothing").mkdir()
    (tmp_path / ITEMS[1:] / "begun-00000001.unfinished").mkdir()
    answer = operator.listed(host)
    assert [item["id"] for item in answer["items"]] == [id_]
    assert sorted(element["id"] for element in answer["broken"]) == sorted(odd)
    assert all(ITEMS in element["why"] for element in answer["broken"])
    # And what is asked for all the same is not there.
    no_names = ["../../../../etc", f"../quarantine/{id_}", f"{id_}/../{id_}", "README"]
    ids = ["copied-00000001", "climbs-00000001", *no_names]
    for do in ("restore", "prune"):
        assert set(restored(host, *ids, do=do).values()) == {"it is not in the quarantine of this host any more"}
    assert (tmp_path / "etc/shadow").read_text() == "secret" and id_ in folders(host)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ControlError("cannot keep x: a link"), "a link"),
        (Unseen("closed"), "closed"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError(28, "No space"), "No space; what was taken is kept, and the next run goes on"),
        (OSError(122, "Disk quota"), "Disk quota; what was taken is kept, and the next run goes on"),
    ],
)
def test_error_of_a_move_is_reported_with_the_attempted_action(error, reason):
    with pytest.raises(ControlError, match=f"^cannot keep x: {reason}$"), manifest.explained("cannot keep x"):
        raise error


def test_the_report_of_an_unreadable_item_has_a_maximum_length(host, tmp_path):
    take(host, FILE)
    break_item(tmp_path, "\n" * 255, "")
    (entry,) = operator.listed(host)["broken"]
    assert (len(entry["id"]), len(entry["why"])) == (200, 1000)


def test_one_answer_has_so_many_and_says_how_many_more_there_are(host, monkeypatch):
    take(host, TREE, FILE)
    monkeypatch.setattr(operator, "MOST", 1)
    answer = operator.listed(host)
    assert (len(answer["items"]), answer["left_out"]) == (1, 1)
    monkeypatch.setattr(operator, "ANSWER", 1)
    assert operator.listed(host)["left_out"] == 2


@as_root
def test_no_link_that_a_user_made_is_followed_and_nothing_is_written_where_it_leads(host, tmp_path):
    give_to_alice(tmp_path)
    (file,) = take(host, FILE)
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
def test_a_place_that_never_answers_costs_its_user_alone(host, tmp_path, monkeypatch):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/tool").write_text("program")
    give_to_alice(tmp_path)
    file, other = take(host, FILE, "/opt/tool")
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


def test_file_that_came_meanwhile_is_never_replaced(host, tmp_path):
    (file,) = take(host, FILE)
    (element,) = operator.chosen(host, "restore", [file])
    assert element.action
    (tmp_path / FILE[1:]).write_text("mine")  # between the look and the move
    with pytest.raises(ControlError, match="something is there now"):
        element.action.apply()
    assert (tmp_path / FILE[1:]).read_text() == "mine"
    (tmp_path / FILE[1:]).unlink()
    assert restored(host, file) == {file: ""}


def test_two_things_of_one_place_do_not_both_go_back(host, tmp_path):
    (first,) = take(host, FILE)
    for path in (tmp_path / ITEMS[1:]).glob("*/manifest.json"):
        path.write_text(path.read_text().replace('"taken_at": "20', '"taken_at": "19'))
    (tmp_path / FILE[1:]).write_text("another one")
    enforced(host, FILE)
    (second,) = [item.id for item in manifest.items(host) if item.id != first]
    answer = restored(host, first, second)
    assert answer[second] == "" and f"not restored: a later copy, {second}, goes to that path" in answer[first]
    assert (tmp_path / FILE[1:]).read_text() == "another one" and list(folders(host)) == [first]


def test_only_what_was_named_is_pruned(host):
    tree, file = take(host, TREE, FILE)
    assert restored(host, tree, do="prune") == {tree: ""}
    assert list(folders(host)) == [file] and not host.stat(TREE) and not host.stat(FILE)


def test_unfinished_item_is_not_pruned(host, tmp_path):
    (file,) = take(host, FILE)
    folder = cut_short(tmp_path, file, "restore")
    assert "was cut short" in restored(host, file, do="prune")[file] and (folder / "content").exists()


def test_item_that_had_not_moved_is_not_reported_as_restored(host, tmp_path):
    (file,) = take(host, FILE)
    (cut_short(tmp_path, file, "take") / "content").unlink()
    assert restored(host, file)[file].startswith("an earlier run had not moved it")


@as_root
def test_answer_of_the_module_has_outcomes_and_a_dry_run_changes_nothing(host, tmp_path):
    tree, file = take(host, TREE, FILE)
    (tmp_path / "run").mkdir()
    before = picture(tmp_path, "var")
    answer = in_quarantine(host, "restore", [tree, file], dry_run=True)
    assert answer["changed"] and "failed" not in answer and picture(tmp_path, "var") == before
    assert answer["actions"] == [f"restore {tree} ({TREE})", f"restore {file} ({FILE})"]
    (tmp_path / FILE[1:]).write_text("mine")
    answer = in_quarantine(host, "restore", [tree, file, "gone-00000001"])
    assert (answer["changed"], answer["failed"], answer["actions"]) == (True, True, [f"restore {tree} ({TREE})"])
    assert f"{file}: something is there now" in answer["msg"] and "gone-00000001: " in answer["msg"]
    answer = in_quarantine(host, "prune", [file])
    assert (answer["changed"], answer["outcomes"]) == (True, [{"id": file, "done": True, "why": ""}])
    assert list(folders(host)) == [] and (tmp_path / FILE[1:]).read_text() == "mine"


@as_root
def test_unseen_quarantine_is_an_error(host, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    assert in_quarantine(host, "list", [])["changed"] is False
    for name in ("listed", "chosen"):
        monkeypatch.setattr(operator, name, mock.Mock(side_effect=Unseen("it is on another machine")))
    for do in ("list", "restore", "prune"):
        with pytest.raises(ControlError, match="^it is on another machine$"):
            in_quarantine(host, do, ["x-00000001"])
