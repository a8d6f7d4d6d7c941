"""The quarantine's bounds: holes stay holes, room is left, nobody has all of it, nothing is kept for ever."""

import functools
import json
import os
from types import SimpleNamespace
from typing import Any

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, made_host, restored
from proscribe.host.controls.apps.quarantine import capacity, manifest, moving, unfinished
from proscribe.host.controls.apps.quarantine.manifest import Item
from proscribe.host.system import ControlError, Host, Unseen, directories

DAY = 86400


def taken(host: Host, path: str = FILE, **how: Any) -> Item:
    moving.take(host, moving.Taking(path, ["wechat"], "appimage", **how)).apply()
    return next(item for item in manifest.items(host) if item.path == path)


def test_holes_of_any_length_are_neither_read_nor_confused(tmp_path):
    """Two files of a tebibyte that differ in one place only, or in their length only, have different sums."""
    variants = {"a": (2**39, 2**40), "b": (2**39 + 4096, 2**40), "c": (2**39, 2**40 + 1)}
    for name, (place, size) in variants.items():
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, size)
        with (tmp_path / name).open("r+b") as stream:
            stream.seek(place)
            stream.write(b"x")
    directory = os.open(tmp_path, os.O_RDONLY)
    sums = {name: directories.sum_up(directory, name).sha256 for name in variants}
    directories.copy(directory, "a", directory, "copy")
    assert directories.sum_up(directory, "copy").sha256 == sums["a"]
    os.close(directory)
    assert len(set(sums.values())) == 3
    assert (tmp_path / "copy").stat().st_blocks * 512 < 2**20


def test_differing_copy_never_replaces_the_original(host, tmp_path, monkeypatch):
    in_two_file_systems(monkeypatch, tmp_path)
    content = (tmp_path / FILE[1:]).read_bytes()

    def spoilt(step: str) -> None:
        if step == "copied":
            (copy,) = (tmp_path / ITEMS[1:]).glob("*/copying")
            copy.write_bytes(content[:-1] + b"?")

    monkeypatch.setattr(manifest, "reached", spoilt)
    with pytest.raises(ControlError, match="its copy is not the same; both are left where they are"):
        taken(host)
    (held,) = tmp_path.glob("**/.proscribe-quarantine-*/content")
    assert held.read_bytes() == content


class Full:
    """A file system as statvfs(3) reports it."""

    f_frsize, f_files, f_favail = 4096, 1000, 1000

    def __init__(self, free: int, size: int = 16 * 1024**3) -> None:
        self.f_bavail, self.f_blocks = free // self.f_frsize, size // self.f_frsize


@pytest.mark.parametrize(
    ("extent", "disk", "why"),
    [
        ((4096, 1), Full(1024**3), "1024 MiB stay free on that file system"),
        ((4096, 1), Full(1024**3 + 4096), ""),
        ((4 * 1024**3, 1), Full(10 * 1024**3), ""),
        ((4 * 1024**3 + 1, 1), Full(10 * 1024**3), "more than 4 GiB of data"),
        ((1, 1), Full(100 * 1024**3, 4 * 1024**4), "209715 MiB stay free"),  # a twentieth of a large file system
        ((1, 950), Full(10 * 1024**3), ""),
        ((1, 951), Full(10 * 1024**3), "of the inodes"),
    ],
)
def test_a_reserve_stays_free(extent, disk, why):
    refusal = capacity.too_much(directories.Extent(*extent), disk)
    assert why in refusal and bool(why) == bool(refusal)


def test_only_what_is_copied_needs_room(host, monkeypatch):
    """Within one file system only a name changes: a full disk keeps nothing from being taken."""
    monkeypatch.setattr(capacity, "free", lambda of: 0)
    monkeypatch.chdir("/proc")  # whatever file system the run was started on
    assert capacity.lacking(host, [FILE]) == ""
    real = os.stat

    def stat_elsewhere(path: Any, **options: Any) -> Any:
        seen = real(path, **options)
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, "st_dev": seen.st_dev + str(path).endswith(".AppImage")})

    monkeypatch.setattr(os, "stat", stat_elsewhere)
    assert "there is no room for it in /var/lib/proscribe" in capacity.lacking(host, [FILE])


def test_missing_file_needs_no_room(host, monkeypatch):
    assert [capacity.lacking(host, paths) for paths in (["/home/alice/gone/deeper"], [])] == ["", ""]
    monkeypatch.setattr(capacity, "MOST_FILES", 2)
    assert "it has more than 2 files" in capacity.lacking(host, [TREE])
    assert capacity.lacking(host, [FILE]) == ""


@pytest.mark.parametrize(("present", "nearest"), [("var/lib/proscribe", "/var/lib/proscribe"), ("var", "/")])
def test_room_is_asked_for_where_the_quarantine_will_be(tmp_path, present, nearest):
    (tmp_path / present).mkdir(parents=True)
    assert capacity._nearest(Host(str(tmp_path))) == nearest
    (tmp_path / present).rename(tmp_path / "away")
    (tmp_path / present).symlink_to("/etc")
    assert capacity._nearest(Host(str(tmp_path))) != nearest or nearest == "/"


def test_no_user_exceeds_his_share_and_the_error_reports_it(host, tmp_path, monkeypatch):
    if os.getuid() == 0:  # who has no share
        for path in (TREE, FILE):
            os.chown(tmp_path / path[1:], 12345, 12345)
    taken(host)
    monkeypatch.setattr(capacity, "PIECES", 1)
    assert capacity.lacking(host, [TREE]) == "its owner has 1 things in the quarantine, and may have 1"
    with pytest.raises(ControlError, match="its owner has 1 things"):
        enforced(host, TREE)
    assert host.stat(TREE)
    monkeypatch.setattr(capacity, "PIECES", 100)
    monkeypatch.setattr(capacity, "SHARE", 10**15)
    assert "MiB in the quarantine, and may have 0 MiB" in capacity.lacking(host, [TREE])


def test_growing_file_takes_no_more_than_the_free_room(host, tmp_path, monkeypatch):
    """Whoever holds the file open makes it grow once it was measured: it waits out of reach, and is reported."""
    in_two_file_systems(monkeypatch, tmp_path)
    monkeypatch.setattr(capacity, "free", lambda of: 20_000)
    writer = os.open(tmp_path / FILE[1:], os.O_WRONLY)

    def grows(step: str) -> None:
        if step == "moved":
            os.pwrite(writer, b"x" * 50_000, 0)

    monkeypatch.setattr(manifest, "reached", grows)
    with pytest.raises(ControlError, match="more than 0 MiB of data"):
        taken(host)
    os.close(writer)
    assert unfinished.observe(host, "enforce")[0].drifted and not host.stat(FILE)
    monkeypatch.setattr(capacity, "free", lambda of: 60_000)
    enforced(host)
    assert unfinished.observe(host, "enforce") == []


def test_only_an_item_whose_time_is_over_is_pruned(host, tmp_path):
    taken(host, FILE, keep=DAY)
    item = taken(host, TREE, keep=DAY)
    assert capacity.pruning(host, DAY) == []
    place = tmp_path / ITEMS[1:] / item.id
    past = {"taken_at": "2026-01-01T00:00:00Z", "kept_until": "2026-01-02T00:00:00Z"}
    (place / "manifest.json").write_text(json.dumps({**json.loads((place / "manifest.json").read_text()), **past}))
    (action,) = capacity.pruning(host, DAY)
    assert (action.before, str(action)) == (f"{TREE}\n", f"prune {item.id} ({TREE})")
    assert len(list(folders(host))) == 2, "check mode only shows it"
    action.apply()
    assert not place.exists() and [item.path for item in manifest.items(host)] == [FILE]


def test_item_kept_for_ever_is_never_pruned(host):
    item = taken(host, keep=0)
    assert item.kept_until == "" and not capacity.expired(item, 0, 10**10)


@pytest.mark.slow
def test_a_pruning_that_is_killed_is_completed(tmp_path):
    steps = []
    for step in range(1, 50):
        root = tmp_path / str(step)
        root.mkdir()
        host = made_host(root)
        item, other = taken(host, TREE), taken(host)
        name = killed_at(step, functools.partial(capacity.prune, host, item))
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


@pytest.mark.parametrize("error", [Unseen("closed"), ControlError("a link")])
def test_unread_manifest_hides_no_other(host, monkeypatch, error):
    item, other = taken(host), taken(host, TREE)
    real = Host.read

    def read(self: Host, path: str, *most: int) -> bytes | None:
        if f"/{item.id}/" in path:
            raise error
        return real(self, path, *most)

    monkeypatch.setattr(Host, "read", read)
    assert unfinished.held(host, [item.id, other.id])[0]["owners"].keys() == {other.owner}


def test_unfinished_move_is_drift_and_unseen_is_unknown(host, tmp_path, monkeypatch):
    (tmp_path / ITEMS[1:] / "a-0123abcd.unfinished").mkdir(parents=True)
    (verdict,) = unfinished.observe(host, "enforce")
    assert (verdict.rule, verdict.state, verdict.drifted) == ("apps/quarantine", "noncompliant", True)
    assert [(item.kind, item.path) for item in verdict.findings] == [("quarantine", f"{ITEMS}/a-0123abcd.unfinished")]
    assert not unfinished.observe(host, "audit")[0].drifted

    def closed(path: str) -> None:
        raise Unseen("closed")

    monkeypatch.setattr(host, "list", closed)
    assert [(verdict.state, verdict.reason) for verdict in unfinished.observe(host, "enforce")] == [
        ("unknown", "closed")
    ]
