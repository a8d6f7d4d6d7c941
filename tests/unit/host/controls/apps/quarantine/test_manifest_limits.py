"""Quarantine: what a host reports of it at its limits, as which user it restores items, and what cannot be measured."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, made_host
from proscribe.host.controls.applying import carry_out
from proscribe.host.controls.apps.quarantine import (
    capacity,
    completing,
    manifest,
    moving,
    restoring,
    unfinished,
)
from proscribe.host.controls.base import Action, Changes
from proscribe.host.system import ControlError


def test_what_stands_on_a_disk_has_these_names(tmp_path: Path) -> None:
    """Another version completes what this one has begun, and finds it by them."""
    assert (manifest.TAKE, manifest.RESTORE, manifest.PRUNE) == ("take", "restore", "prune")
    assert (manifest.MANIFEST, manifest.BESIDE, manifest.CONTENT) == ("manifest.json", ".manifest.json~", "content")
    assert (manifest.HOLD, unfinished.HOME, unfinished.UNFINISHED) == (".proscribe-quarantine-", ITEMS, ".unfinished")
    assert ("copying", f"{ITEMS}/README") == (completing.COPYING, moving.README)


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


def test_an_unfinished_restoration_without_services_is_reported_by_kind(tmp_path: Path) -> None:
    """Of what no service is known any more, the record still has a rule to name."""
    host = made_host(tmp_path)
    enforced(host, FILE)
    path = tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "services": []}))
    os.mkdir(tmp_path / FILE[1:])
    (refusal,) = restoring.given_back(host).refused
    assert (refusal.rule, refusal.subject) == ("apps/tree", FILE)


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
