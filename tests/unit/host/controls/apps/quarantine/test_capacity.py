"""The quarantine's bounds: holes stay holes, room is left, nobody has all of it, nothing is kept for ever."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, made_host, restored
from proscribe.host.controls.apps.quarantine import capacity, completing, manifest, moving, unfinished
from proscribe.host.controls.apps.quarantine.manifest import Item
from proscribe.host.system import ControlError, Host, Unseen, directories
from proscribe.model.finding import Finding

DAY = 86400


def at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def taken(host: Host, path: str = FILE, **how: Any) -> Item:
    moving.take(host, moving.Taking(path, ["wechat"], "appimage", **how)).apply()
    return next(item for item in manifest.items(host) if item.path == path)


def written(path: Path, pieces: dict[int, bytes], size: int) -> None:
    with path.open("wb") as stream:
        for place, content in pieces.items():
            stream.seek(place)
            stream.write(content)
        stream.truncate(size)


def test_holes_of_any_length_are_neither_read_nor_confused(tmp_path: Path) -> None:
    """Two files of a tebibyte that differ in one place only, or in their length only, have different sums."""
    variants = {"a": ({2**39: b"x"}, 2**40), "b": ({2**39 + 4096: b"x"}, 2**40), "c": ({2**39: b"x"}, 2**40 + 1)}
    for name, (pieces, size) in variants.items():
        written(tmp_path / name, pieces, size)
    directory = os.open(tmp_path, os.O_RDONLY)
    result = {name: directories.sum_up(directory, name).sha256 for name in variants}
    directories.copy(directory, "a", directory, "copy")
    assert directories.sum_up(directory, "copy").sha256 == result["a"]
    os.close(directory)
    assert len(set(result.values())) == 3
    assert (tmp_path / "copy").stat().st_blocks * 512 < 2**20


def test_differing_copy_never_replaces_the_original(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    f_frsize, f_blocks, f_files, f_favail = 4096, 2**22, 1000, 1000  # 16 GiB

    def __init__(self, free: int) -> None:
        self.f_bavail = free // self.f_frsize


@pytest.mark.parametrize(
    ("disk", "free", "why"),
    [
        (4096, 1024**3, "1024 MiB stay free on that file system"),
        (4096, 1024**3 + 4096, ""),
        (4 * 1024**3, 10 * 1024**3, ""),
        (4 * 1024**3 + 1, 10 * 1024**3, "more than 4 GiB of data"),
    ],
)
def test_a_reserve_stays_free(disk: int, free: int, why: str) -> None:
    refusal = capacity.too_much(directories.Extent(disk, 1), Full(free))  # type: ignore[arg-type]
    assert why in refusal and bool(why) == bool(refusal)


def test_a_twentieth_of_a_large_file_system_stays_free() -> None:
    large = Full(100 * 1024**3)
    large.f_blocks = 2**30  # 4 TiB
    assert "209715 MiB stay free" in capacity.too_much(directories.Extent(1, 1), large)  # type: ignore[arg-type]
    small = Full(10 * 1024**3)
    assert capacity.too_much(directories.Extent(1, 950), small) == ""  # type: ignore[arg-type]
    assert "of the inodes" in capacity.too_much(directories.Extent(1, 951), small)  # type: ignore[arg-type]


def test_only_what_is_copied_needs_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one file system only a name changes: a full disk keeps nothing from being taken."""
    monkeypatch.setattr(capacity, "free", lambda of: 0)
    monkeypatch.chdir("/proc")  # whatever file system the run was started on
    assert capacity.lacking(host, [FILE]) == ""
    real = os.stat

    def elsewhere(path: Any, **options: Any) -> Any:
        seen = real(path, **options)
        if path == "." or not str(path).endswith(".AppImage"):
            return seen
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, "st_dev": seen.st_dev + 1})

    monkeypatch.setattr(os, "stat", elsewhere)
    assert "there is no room for it in /var/lib/proscribe" in capacity.lacking(host, [FILE])


def test_missing_file_needs_no_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert capacity.lacking(host, ["/home/alice/gone"]) == ""
    assert capacity.lacking(host, ["/home/alice/gone/deeper"]) == ""
    assert capacity.lacking(host, []) == ""
    monkeypatch.setattr(capacity, "MOST_FILES", 2)
    assert capacity.lacking(host, [TREE]) == "it cannot be measured: it has more than 2 files"
    assert capacity.lacking(host, [FILE]) == ""


@pytest.mark.parametrize(
    ("present", "nearest"),
    [
        ("var/lib/proscribe/quarantine", "/var/lib/proscribe/quarantine"),
        ("var/lib/proscribe", "/var/lib/proscribe"),
        ("var/lib", "/var/lib"),
        ("var", "/"),
    ],
)
def test_room_is_asked_for_where_the_quarantine_will_be(tmp_path: Path, present: str, nearest: str) -> None:
    (tmp_path / present).mkdir(parents=True)
    assert capacity._nearest(Host(str(tmp_path))) == nearest
    (tmp_path / present).rename(tmp_path / "away")
    (tmp_path / present).symlink_to("/etc")
    assert capacity._nearest(Host(str(tmp_path))) != nearest or nearest == "/"


def test_no_user_exceeds_his_share_and_the_error_reports_it(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_growing_file_takes_no_more_than_the_free_room(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


NOW = 1_800_000_000


def item(**more: Any) -> Item:
    fields = {"id": "wechat-1", "path": "/x", "services": [], "kind": "", "owner": "", "identity": []}
    matched = {"taken_at": at(NOW - 91 * DAY), "doing": "", "at_rest": True, "kept_until": at(NOW - DAY)}
    return Item(**{**fields, "attributes": manifest.Attributes(0, 0, 0, 0, 0, {}), **matched, **more})


def test_only_what_is_over_is_pruned(host: Host, tmp_path: Path) -> None:
    """Three things, one of them kept long enough: its content is gone from the disk, and the others are whole."""
    taken(host, FILE, keep=DAY)
    element = taken(host, TREE, keep=DAY)
    assert capacity.pruning(host, DAY) == []
    place = tmp_path / ITEMS[1:] / element.id
    stored = json.loads((place / "manifest.json").read_text())
    past = {"taken_at": at(time.time() - 3 * DAY), "kept_until": at(time.time() - 2 * DAY)}
    (place / "manifest.json").write_text(json.dumps({**stored, **past}))
    (action,) = capacity.pruning(host, DAY)
    assert (action.before, str(action)) == (f"{TREE}\n", f"prune {element.id} ({TREE})")
    assert len(list(folders(host))) == 2, "check mode only shows it"
    remaining: list[tuple[str, list[str]]] = []
    real = manifest.reached
    try:
        manifest.reached = lambda step: remaining.append((step, sorted(folders(host))))
        action.apply()
    finally:
        manifest.reached = real
    assert remaining[0][0] == "opened" and f"{element.id}.unfinished" in remaining[0][1]
    assert not place.exists() and [item.path for item in manifest.items(host)] == [FILE]


def test_item_kept_for_ever_is_never_pruned() -> None:
    assert not capacity.expired(item(kept_until=""), 0, NOW)
    assert capacity.until(0) == ""


def test_a_pruning_that_is_killed_is_completed(tmp_path: Path) -> None:
    steps = []
    for step in range(1, 50):
        root = tmp_path / str(step)
        root.mkdir()
        host = made_host(root)
        element, other = taken(host, TREE), taken(host)
        work: Callable[[], object] = lambda host=host, element=element: capacity.prune(host, element)  # type: ignore[misc] # noqa: E731
        name = killed_at(step, work)
        for action in completing.unfinished(host):
            action.apply()
        remaining = set(folders(host))
        assert remaining in ({other.id}, {element.id, other.id}), name
        if element.id in remaining:  # it had not begun
            restored(host, element.id)
            assert (root / TREE[1:] / "deep/er/data").exists(), name
        if not name:
            break
        steps.append(name)
    assert {"opened", "written", "content gone", "dropped"} <= set(steps)


def with_manifests(root: Path, **manifests: dict[str, Any]) -> tuple[Host, list[str]]:
    """A host with folders of these names and manifests, and the names."""
    for name, manifest_fields in manifests.items():
        place = root / ITEMS[1:] / name
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(json.dumps(manifest_fields))
    (root / ITEMS[1:] / "README").touch()
    return Host(str(root)), ["README", *manifests]


WHEN = "2026-11-2{}T08:00:00Z"


@pytest.mark.parametrize("error", [Unseen("closed"), ControlError("a link")])
def test_unread_manifest_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    of = {name: {"disk": 5, "owner": name, "taken_at": WHEN.format(1)} for name in ("a", "b")}
    host, names = with_manifests(tmp_path, **of)
    real = Host.read

    def read(self: Host, path: str, *most: int) -> bytes | None:
        if "/a/" in path:
            raise error
        return real(self, path, *most)

    monkeypatch.setattr(Host, "read", read)
    assert unfinished.held(host, names)[0]["owners"] == {"b": 5}


def test_unfinished_move_is_drift_and_unseen_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = with_manifests(tmp_path, **{"a-0123abcd.unfinished": {}, "b-0123abcd": {}})
    (verdict,) = unfinished.observe(host, "enforce")
    result = Finding("quarantine", "a-0123abcd.unfinished", path=f"{ITEMS}/a-0123abcd.unfinished",
                    detail="a move that was cut short")  # fmt: skip
    assert (verdict.rule, verdict.state, verdict.findings) == ("apps/quarantine", "noncompliant", (result,))
    assert verdict.drifted and not unfinished.observe(host, "audit")[0].drifted

    def closed(path: str) -> None:
        raise Unseen(f"{path} can only be read by root")

    monkeypatch.setattr(host, "list", closed)
    (verdict,) = unfinished.observe(host, "enforce")
    assert (verdict.rule, verdict.state, verdict.reason) == (
        "apps/quarantine", "unknown", f"{ITEMS} can only be read by root"
    )  # fmt: skip
