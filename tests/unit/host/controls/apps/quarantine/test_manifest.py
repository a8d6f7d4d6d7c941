"""What a move into the quarantine or out of it leaves when it is cut short, twice, or by a full disk."""

import json
import os
import stat
import subprocess
from collections.abc import Callable

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, lifted, picture
from proscribe.host.controls.applying import carry_out
from proscribe.host.controls.apps.quarantine import capacity, completing, manifest, moving, restoring, unfinished
from proscribe.host.controls.base import Action, Changes
from proscribe.host.system import ControlError, Host


def item_of(host: Host, path: str) -> manifest.Item:
    (item,) = [item for item in manifest.items(host) if item.path == path]
    return item


class Killed(BaseException):
    """What ends a run in place of a signal: nothing of it is completed."""


def cut_short(monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[], object]) -> None:
    """Do the work until it comes to a step of that name."""

    def reached(step: str) -> None:
        if step == name:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(manifest, "reached", reached)
        work()


def steps(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> list[str]:
    result: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "reached", result.append)
        work()
    return result


def test_every_change_of_the_disk_is_a_step_at_which_a_run_can_be_killed(host, monkeypatch):
    """Of a step without a name, no test shows that a run which ends there loses nothing."""
    taking = ["folder made", "written", "moved", "sealed", "written", "kept"]
    for path, placing in ((TREE, ["placed"]), (FILE, ["linked", "placed"])):
        assert steps(monkeypatch, lambda path=path: enforced(host, path)) == taking
        assert steps(monkeypatch, lambda path=path: restoring.restore(host, item_of(host, path))) == [
            *("opened", "written", "unsealed", "written"), *placing, "content gone", "manifest gone", "dropped"
        ]  # fmt: skip


@pytest.mark.parametrize("two", [False, True], ids=["one file system", "two file systems"])
def test_no_descriptor_is_left_open(host, tmp_path, monkeypatch, two):
    """A run goes over all that is in the quarantine, and a process may have a thousand."""
    if two:
        in_two_file_systems(monkeypatch, tmp_path)
    before = sorted(os.listdir("/proc/self/fd"))
    enforced(host, TREE, FILE)
    lifted(host)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_file_sealed_before_a_second_kill_comes_back(host, tmp_path, monkeypatch):
    """Its user exchanged it at the last moment: its manifest learns of it once, not again from what root has sealed."""
    (tmp_path / "other").write_text("a thesis")
    (tmp_path / "other").chmod(0o640)

    def take() -> None:
        moving.take(host, moving.Taking(FILE, ["wechat"], "appimage")).apply()

    def exchanged(name: str) -> None:
        if name == "written" and (tmp_path / "other").exists():
            os.replace(tmp_path / "other", tmp_path / FILE[1:])
        if name == "moved":
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(manifest, "reached", exchanged)
        take()
    cut_short(monkeypatch, "sealed", lambda: enforced(host))
    seen = (tmp_path / ITEMS[1:] / next(folders(host)) / manifest.CONTENT).stat()
    assert item_of(host, FILE).identity == [seen.st_dev, seen.st_ino] and stat.S_IMODE(seen.st_mode) == 0o600
    enforced(host)
    lifted(host)
    back = tmp_path / FILE[1:]
    assert (back.read_text(), stat.S_IMODE(back.stat().st_mode)) == ("a thesis", 0o640)


def test_item_that_had_not_moved_is_not_restored(host, tmp_path, monkeypatch):
    before = picture(tmp_path, "home")
    cut_short(monkeypatch, "written", lambda: enforced(host, FILE))
    assert restoring.restore(host, item_of(host, FILE)) is None
    assert list(folders(host)) == [] and picture(tmp_path, "home") == before
    enforced(host, FILE)
    assert restoring.restore(host, item_of(host, FILE)) == ""


def test_restoring_a_doubtful_file_is_a_step_too(host, tmp_path, monkeypatch):
    before = (tmp_path / FILE[1:]).read_bytes()

    def take() -> None:
        doubtful = moving.Taking(FILE, ["wechat"], "appimage", doubt=lambda *_: "it is a thesis")
        with pytest.raises(ControlError, match="it is a thesis; the next run checks again"):
            moving.take(host, doubtful).apply()

    names = ["folder made", "written", "moved", "linked", "returned", "manifest gone", "dropped"]
    assert steps(monkeypatch, take) == names
    assert (tmp_path / FILE[1:]).read_bytes() == before and list(folders(host)) == []
    assert moving.take(host, moving.Taking("/home/alice/gone", ["wechat"], "appimage")).apply() == ""


def test_names_on_disk_stay_the_same(tmp_path):
    """Another version completes what this one has begun, and finds it by them."""
    assert (manifest.TAKE, manifest.RESTORE, manifest.PRUNE) == ("take", "restore", "prune")
    assert (manifest.MANIFEST, manifest.BESIDE, manifest.CONTENT) == ("manifest.json", ".manifest.json~", "content")
    assert (manifest.HOLD, unfinished.HOME, unfinished.UNFINISHED) == (".proscribe-quarantine-", ITEMS, ".unfinished")
    assert ("copying", f"{ITEMS}/README") == (completing.COPYING, moving.README)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_users_file_that_grew_fails_no_later_run(host, tmp_path, monkeypatch):
    """It lies on another file system. Who has it open can make it larger than what the quarantine has room for."""
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
def test_however_deep_a_user_made_it_what_was_kept_long_enough_is_pruned(host, tmp_path):
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


def test_an_unfinished_restoration_without_services_is_reported_by_kind(host, tmp_path):
    """Of what no service is known any more, the record still has a rule to name."""
    enforced(host, FILE)
    path = tmp_path / ITEMS[1:] / next(folders(host)) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "services": []}))
    os.mkdir(tmp_path / FILE[1:])
    (refusal,) = restoring.given_back(host).refused
    assert (refusal.rule, refusal.subject) == ("apps/tree", FILE)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory away")
def test_a_folder_of_that_name_that_somebody_else_has_made_is_none_of_ours(host, tmp_path):
    """What is laid in it would be his."""
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
    with manifest.held(host, item) as result:
        assert result is None
    os.chown(hold, 0, 0)
    with manifest.held(host, item) as result:
        assert result is not None and os.path.samestat(os.fstat(result), hold.stat())
    assert sorted(os.listdir("/proc/self/fd")) == before
    manifest.drop_hold(host, item)
    assert not hold.exists()
    with manifest.held(host, item) as result:
        assert result is None
    manifest.drop_hold(host, item)
