"""What of a quarantine is told at its limits, as whom it is put back, and what cannot be measured."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, made_host
from proscribe.controls.applying import carry_out
from proscribe.controls.apps.quarantine import capacity, manifest, operator, restoring
from proscribe.host import ControlError, Host, Unseen


def test_a_manifest_says_of_which_kind_it_is(tmp_path: Path) -> None:
    """Scripts and later versions read it by that."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    text = json.loads((tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json").read_text())
    assert text["schema"] == "proscribe/quarantine/1"


@pytest.mark.parametrize(("room", "left_out"), [(len(FILE) + len(TREE), 0), (len(FILE) + len(TREE) - 1, 1)])
def test_so_many_characters_of_paths_are_told_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, left_out: int
) -> None:
    host = made_host(tmp_path)
    enforced(host, FILE, TREE)
    assert operator.ANSWER == 8 * 1024 * 1024
    monkeypatch.setattr(operator, "ANSWER", room)
    assert (len(operator.listed(host)["items"]), operator.listed(host)["left_out"]) == (2 - left_out, left_out)


@pytest.mark.parametrize(("uid", "user"), [(1000, "alice"), (0, "root")])
def test_what_is_a_users_is_put_back_apart_and_what_is_roots_is_not(tmp_path: Path, uid: int, user: str) -> None:
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
    told = operator._listed(item, {"/home/bob": "bob"})
    assert told["place_of"] == ("alice" if uid else "")
    assert operator._listed(item, {"/home/alice": "carol"})["place_of"] == "carol", "whose home it is comes first"


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
        f"what stood there later goes back, {later}; it is kept as {ids[older]} in {ITEMS}"
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


def test_what_a_begun_restoring_was_of_is_told_with_its_kind(tmp_path: Path) -> None:
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
    enforced(host, FILE)
    (restore, close) = restoring.given_back(host).actions
    assert (restore.verb, restore.before, restore.after) == ("restore", "", f"{FILE}\n")
    assert (close.verb, close.before, close.after) == ("delete", host.text(f"{ITEMS}/README"), "")
