"""Quarantine: what a host reports of it at its limits, as which user it restores items, and what cannot be measured."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, made_host
from proscribe.host.controls.applying import carry_out
from proscribe.host.controls.apps.quarantine import (
    capacity,
    completing,
    manifest,
    moving,
    operator,
    restoring,
    unfinished,
)
from proscribe.host.controls.base import Action, Changes
from proscribe.host.system import ControlError, Host, Unseen


def test_a_manifest_says_of_which_kind_it_is_and_how_it_is_lifted(tmp_path: Path) -> None:
    """Scripts and later versions read it by its kind."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    text = json.loads((tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json").read_text())
    assert text["schema"] == "proscribe/quarantine/1" and "lift" in text["written_by"] and text["kept"] is True


def test_what_stands_on_a_disk_has_these_names(tmp_path: Path) -> None:
    """Another version completes what this one has begun, and finds it by them."""
    assert (manifest.TAKE, manifest.RESTORE, manifest.PRUNE) == ("take", "restore", "prune")
    assert (manifest.MANIFEST, manifest.BESIDE, manifest.CONTENT) == ("manifest.json", ".manifest.json~", "content")
    assert (manifest.HOLD, unfinished.HOME, unfinished.UNFINISHED) == (".proscribe-quarantine-", ITEMS, ".unfinished")
    assert ("copying", f"{ITEMS}/README") == (completing.COPYING, moving.README)


@pytest.mark.parametrize(("room", "left_out"), [(len(FILE) + len(TREE), 0), (len(FILE) + len(TREE) - 1, 1)])
def test_paths_are_listed_up_to_a_number_of_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, left_out: int
) -> None:
    host = made_host(tmp_path)
    enforced(host, FILE, TREE)
    monkeypatch.setattr(operator, "ANSWER", room)
    assert (len(operator.listed(host)["items"]), operator.listed(host)["left_out"]) == (2 - left_out, left_out)


@pytest.mark.parametrize(("uid", "user"), [(1000, "alice"), (0, "root")])
def test_files_of_users_are_restored_separately_and_files_of_root_are_not(tmp_path: Path, uid: int, user: str) -> None:
    """Else his home could hold the whole run; or what is root's waits for the process of somebody who is none."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    (item,) = manifest.items(host)
    item = item._replace(owner="alice", attributes=item.attributes._replace(uid=uid))
    restore = operator._action("restore", item, lambda: None)
    prune = operator._action("prune", item, lambda: None)
    assert (restore.user, prune.user) == (user, user)
    assert [(one.verb, one.before, one.after) for one in (restore, prune)] == [
        ("restore", "", f"{FILE}\n"), ("prune", f"{FILE}\n", "")
    ]  # fmt: skip
    assert restore.rules == ["apps/telegram"]
    listed = operator._listed(item, {"/home/bob": "bob"})
    assert listed["place_of"] == ("alice" if uid else "")
    assert operator._listed(item, {"/home/alice": "carol"})["place_of"] == "carol", "whose home it is comes first"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_a_users_file_that_grew_while_it_was_moved_fails_no_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies on another file system. Who has it open can make it larger than what the quarantine has room for."""
    host = made_host(tmp_path)
    (tmp_path / "etc/passwd").write_text("alice:x:61235:61235::/home/alice:/bin/sh\n")
    os.chown(tmp_path / FILE[1:], 61235, 61235)
    in_two_file_systems(monkeypatch, tmp_path)
    assert killed_at(9, lambda: enforced(host, FILE)) == "moved"
    monkeypatch.setattr(capacity, "free", lambda _: 100)  # bytes
    done: list[str] = []
    changes = Changes(
        [*completing.unfinished(host), Action("write", "a block", lambda: done.append("a block"))], independent=True
    )
    carried = carry_out(changes)
    assert done == ["a block"]
    [(action, why)] = carried["left"]
    assert (action.verb, action.user, action.rules) == ("complete", "alice", ["apps/quarantine"])
    assert "cannot keep /home/alice/bin/WeChat.AppImage in the quarantine" in why
    [verdict] = unfinished.observe(host, "enforce")
    assert (verdict.state, [finding.scope for finding in verdict.findings]) == ("noncompliant", ["user:alice"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_however_deep_a_user_made_it_what_was_kept_long_enough_is_pruned(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    (tmp_path / "etc/passwd").write_text("alice:x:61235:61235::/home/alice:/bin/sh\n")
    os.chown(tmp_path / TREE[1:], 61235, 61235)
    enforced(host, TREE)
    (item,) = manifest.items(host)
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
        [action] = capacity.pruning(host, 86400)
        assert (action.user, action.rules) == ("alice", ["apps/quarantine"])
        assert carry_out(Changes([action], independent=True))["left"] == []
        assert list(folders(host)) == []
    finally:  # what is so deep, Python does not delete
        subprocess.run(["rm", "-rf", str(content)], check=True)


@pytest.mark.parametrize("older", [0, 1])
def test_of_two_things_of_one_place_the_later_one_goes_back(tmp_path: Path, older: int) -> None:
    """Whatever their names are, which are by chance."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    (tmp_path / FILE[1:]).write_text("another")
    enforced(host, FILE)
    ids = sorted(folders(host))
    for number, id_ in enumerate(ids):
        path = tmp_path / ITEMS[1:] / id_ / "manifest.json"
        at = f"2026-01-0{1 if number == older else 2}T00:00:00Z"
        path.write_text(json.dumps({**json.loads(path.read_text()), "taken_at": at}))
    changes = restoring.given_back(host)
    later = ids[1 - older]
    assert [refusal.reason for refusal in changes.refused] == [
        f"not restored: a later copy, {later}, goes to that path; this one stays as {ids[older]} in {ITEMS}"
    ]
    carry_out(changes)
    assert list(folders(host)) == [ids[older]]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ControlError("a link"), Unseen("a dead mount")])
def test_what_cannot_be_measured_is_not_taken_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    host = made_host(tmp_path)

    def refuse(path: str) -> Any:
        raise error

    assert capacity.lacking(host, [FILE]) == ""
    monkeypatch.setattr(host, "directory", refuse)
    assert capacity.lacking(host, [FILE]) == f"it cannot be measured: {error}"


def test_an_unfinished_restoration_without_services_is_reported_by_kind(tmp_path: Path) -> None:
    """Of what no service is known any more, the record still has a rule to name."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    path = tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "services": []}))
    os.mkdir(tmp_path / FILE[1:])
    (refusal,) = restoring.given_back(host).refused
    assert (refusal.rule, refusal.subject) == ("apps/tree", FILE)


def test_a_host_without_a_quarantine_has_nothing_to_give_back(tmp_path: Path) -> None:
    host: Host = made_host(tmp_path)
    changes = restoring.given_back(host)
    assert (list(changes.actions), list(changes.refused), changes.independent) == ([], [], True)


def test_each_folder_is_roots_alone_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever umask the run has. What lies in it is still its user's then, in a directory of his."""
    host = made_host(tmp_path)
    in_two_file_systems(monkeypatch, tmp_path)
    modes: dict[str, int] = {}

    def reached(step: str) -> None:
        places = {"folder made": f"{ITEMS[1:]}/*.unfinished", "hold made": f"**/{manifest.HOLD}*"}
        if step in places:
            (place,) = tmp_path.glob(places[step])
            modes[step] = place.stat().st_mode & 0o7777

    monkeypatch.setattr(manifest, "reached", reached)
    before = os.umask(0)
    try:
        enforced(host, FILE)
        assert modes == {"folder made": 0o700, "hold made": 0o700}
        modes.clear()
        carry_out(restoring.given_back(host))
        assert modes == {"hold made": 0o700}
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_a_folder_of_that_name_that_somebody_else_has_made_is_none_of_ours(tmp_path: Path) -> None:
    """What is laid in it would be his."""
    host = made_host(tmp_path)
    enforced(host, TREE)
    (item,) = manifest.items(host)
    item = item._replace(hold=manifest.hold_of("/home/alice", item))
    hold = tmp_path / item.hold[1:]
    hold.mkdir()
    os.chown(hold, 61234, 61234)
    before = sorted(os.listdir("/proc/self/fd"))
    refused = pytest.raises(ControlError, match=f"{item.hold} is somebody else's")
    with host.directory("/home/alice") as above, refused:
        manifest.make_hold(above, item)
    with manifest.held(host, item) as found:
        assert found is None
    os.chown(hold, 0, 0)
    with manifest.held(host, item) as found:
        assert found is not None and os.path.samestat(os.fstat(found), hold.stat())
    assert sorted(os.listdir("/proc/self/fd")) == before
    manifest.drop_hold(host, item)
    assert not hold.exists()
    with manifest.held(host, item) as found:
        assert found is None
    manifest.drop_hold(host, item)
