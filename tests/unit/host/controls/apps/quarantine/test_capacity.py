"""The quarantine's bounds: holes stay holes, room is left, nobody has all of it, nothing is kept for ever."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps
import pytest
from made_quarantine import FILE, ITEMS, TREE, enforced, folders, in_two_file_systems, killed_at, made_host, restored
from proscribe.host.controls.apps.quarantine import capacity, completing, manifest, moving, unfinished
from proscribe.host.controls.apps.quarantine.manifest import Item
from proscribe.host.system import ControlError, Host, Unseen, directories
from proscribe.model.finding import Finding

DAY = 86400


def at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.mark.parametrize(
    ("taken_at", "until", "keep", "end"),
    [
        ("2026-11-20T08:00:00Z", "", DAY, "2026-11-21T08:00:00Z"),
        ("2026-11-20T08:00:00Z", "2027-02-18T08:00:00Z", DAY, "2027-02-18T08:00:00Z"),
        ("2026-11-20T08:00:00Z", "", 0, ""),
        ("yesterday", "2027-02-18T08:00:00Z", 0, "2027-02-18T08:00:00Z"),
        ("yesterday", "", DAY, ""),  # of no known age, so that it is never too old
    ],
)
def test_when_something_has_been_kept_long_enough(taken_at: str, until: str, keep: int, end: str) -> None:
    assert capacity.ends(taken_at, until, keep) == end


def taken(host: Host, path: str = FILE, **how: Any) -> Item:
    moving.take(host, moving.Taking(path, ["wechat"], "appimage", **how)).apply()
    return next(item for item in manifest.items(host) if item.path == path)


# -- copies and sums ---------------------------------------------------------------------------------------------------


def written(path: Path, pieces: dict[int, bytes], size: int) -> None:
    with path.open("wb") as stream:
        for place, content in pieces.items():
            stream.seek(place)
            stream.write(content)
        stream.truncate(size)


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ({}, 0),
        ({}, 10),
        ({0: b"x"}, 1),
        ({0: b"x" * 5000}, 5000),
        ({4095: b"x"}, 4096),
        ({0: b"x" * 8192 + bytes(4096) + b"y"}, 12289),
        ({10**7: b"far"}, 10**7 + 3),
        ({0: b"near", 3 * 10**7: b"far"}, 5 * 10**7),
    ],
)
def test_a_sum_is_the_plain_one_and_a_copy_is_the_same(tmp_path: Path, pieces: dict[int, bytes], size: int) -> None:
    """Whatever is a hole and what is zeros that somebody wrote: for the content it is one thing."""
    import hashlib

    written(tmp_path / "sparse", pieces, size)
    (tmp_path / "dense").write_bytes((tmp_path / "sparse").read_bytes())
    directory = os.open(tmp_path, os.O_RDONLY)
    directories.copy(directory, "dense", directory, "copied")
    sums = {name: directories.sum_up(directory, name) for name in ("sparse", "dense", "copied")}
    os.close(directory)
    expected = hashlib.sha256((tmp_path / "dense").read_bytes()).hexdigest()
    assert {one.sha256 for one in sums.values()} == {expected}
    assert (tmp_path / "copied").read_bytes() == (tmp_path / "dense").read_bytes()
    assert {one.size for one in sums.values()} == {size}


def test_holes_of_any_length_are_neither_read_nor_confused(tmp_path: Path) -> None:
    """Two files of a tebibyte that differ in one place only, or in their length only, have different sums."""
    variants = {"a": ({2**39: b"x"}, 2**40), "b": ({2**39 + 4096: b"x"}, 2**40), "c": ({2**39: b"x"}, 2**40 + 1)}
    for name, (pieces, size) in variants.items():
        written(tmp_path / name, pieces, size)
    directory = os.open(tmp_path, os.O_RDONLY)
    found = {name: directories.sum_up(directory, name).sha256 for name in variants}
    directories.copy(directory, "a", directory, "copy")
    assert directories.sum_up(directory, "copy").sha256 == found["a"]
    os.close(directory)
    assert len(set(found.values())) == 3
    assert (tmp_path / "copy").stat().st_blocks * 512 < 2**20


def test_a_sum_counts_files_bytes_and_shared_files(tmp_path: Path) -> None:
    """Number, bytes and shared files, each in its own place: a sum with two of them exchanged would still compare."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "one").write_bytes(b"12345")
    (tree / "two").write_bytes(b"1234567")
    os.link(tree / "two", tree / "same")
    os.link(tree / "one", tmp_path / "outside")
    (tree / "link").symlink_to("one")
    directory = os.open(tmp_path, os.O_RDONLY)
    summary = directories.sum_up(directory, "tree")
    assert (summary.files, summary.size, summary.shared) == (3, 19, 1)
    (tree / "one").write_bytes(b"12346")
    assert directories.sum_up(directory, "tree").sha256 != summary.sha256
    os.close(directory)


def test_more_data_than_is_allowed_ends_a_copy_and_a_sum(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(50_000))
    directory = os.open(tmp_path, os.O_RDONLY)
    for work in (
        lambda: directories.sum_up(directory, "large", directories.Allowance(40_000)),
        lambda: directories.copy(directory, "large", directory, "copy", directories.Allowance(40_000)),
    ):
        with pytest.raises(ControlError, match="more than 0 MiB of data"):
            work()
    os.close(directory)


def test_no_link_is_opened_in_place_of_a_file(tmp_path: Path) -> None:
    """A user may put a link at a name between its check and its opening."""
    (tmp_path / "secret").write_text("root's own")
    (tmp_path / "name").symlink_to("secret")
    directory = os.open(tmp_path, os.O_RDONLY)
    for work in (
        lambda: directories._sha256(directory, "name", directories.Allowance()),
        lambda: directories._copy_file(directory, "name", directory, "copy", directories.Allowance()),
    ):
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            work()
    os.close(directory)


def test_a_copy_that_is_not_the_same_never_replaces_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_two_file_systems(monkeypatch, tmp_path)
    host = made_host(tmp_path)
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


# -- room --------------------------------------------------------------------------------------------------------------


class Full:
    """A file system as statvfs(3) reports it."""

    f_frsize, f_blocks, f_files, f_favail = 4096, 2**22, 1000, 1000  # 16 GiB

    def __init__(self, free: int) -> None:
        self.f_bavail = free // self.f_frsize


@pytest.mark.parametrize(
    ("disk", "free", "why"),
    [
        (0, 1024**3, ""),
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


def test_the_bounds_are_these() -> None:
    """What docs/apps.md says: a host's administrator plans his disks by them."""
    assert capacity.LONGEST == 40 * 366 * DAY
    assert (directories.Allowance().left, directories.Allowance().zeros) == (4 * 2**30, 2**30)


def test_a_file_system_that_counts_no_inodes_has_room(tmp_path: Path) -> None:
    """btrfs says that it has none; then only bytes count."""
    place = Full(10 * 1024**3)
    place.f_files = place.f_favail = 0
    assert capacity.too_much(directories.Extent(1, 10**6), place) == ""  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize(
    ("owner", "share", "pieces", "why"),
    [
        pytest.param(12345, 3, 3, "", id="exactly as much, and as many"),
        pytest.param(12345, 2, 3, "MiB in the quarantine, and may have", id="a block too much"),
        pytest.param(12345, 3, 2, "has 2 things", id="a thing too many"),
        pytest.param(0, 0, 0, "", id="root has no share"),
        pytest.param(54321, 2, 1, "", id="what is others' does not count"),
    ],
)
def test_a_share_is_of_one_owner_and_counts_what_takes_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, share: int, pieces: int, why: str
) -> None:
    """In the quarantine two blocks in two things of 12345; to be added one of either."""
    host = made_host(tmp_path)
    home = tmp_path / "home/alice"
    for name in ("a", "b", "new"):
        written(home / name, {0: b"x" * 4096}, 10**9)  # with a hole, which takes nothing
        os.chown(home / name, 12345, 12345)
    for name in ("a", "b"):
        taken(host, f"/home/alice/{name}")
    os.chown(home / "new", owner, owner)
    block = (home / "new").stat().st_blocks * 512
    real = os.fstatvfs

    class FileSystem:
        def __init__(self, descriptor: int) -> None:
            self.f_blocks, self.f_frsize = share * block * capacity.SHARE, 1
            self.f_bavail = real(descriptor).f_bavail

    monkeypatch.setattr(os, "fstatvfs", FileSystem)
    monkeypatch.setattr(capacity, "PIECES", pieces)
    refusal = capacity.lacking(host, ["/home/alice/new"])
    assert why in refusal and bool(why) == bool(refusal)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_of_several_parts_all_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
    for path in (TREE, f"{TREE}/Telegram", f"{TREE}/same", FILE):
        os.chown(tmp_path / path[1:], 12345, 12345)
    monkeypatch.setattr(capacity, "PIECES", 2)
    parts = [f"{TREE}/Telegram", f"{TREE}/gone", f"{TREE}/same"]
    assert capacity.lacking(host, parts[:2]) == "" and "has 0 things" in capacity.lacking(host, parts)
    monkeypatch.setattr(capacity, "PIECES", 10)
    measured: list[int] = []
    monkeypatch.setattr(capacity, "_share", lambda host, uid, disk, things, of: measured.append(disk) or "")
    for some in ([parts[0]], [parts[2]], parts):
        capacity.lacking(host, some)
    assert measured[0] + measured[1] == measured[2] > max(measured[:2]) > 0


def test_only_what_is_copied_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one file system only a name changes: a full disk keeps nothing from being taken."""
    host = made_host(tmp_path)
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


def test_what_is_gone_or_cannot_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
    assert capacity.lacking(host, ["/home/alice/gone"]) == ""
    assert capacity.lacking(host, ["/home/alice/gone/deeper"]) == ""
    assert capacity.lacking(host, []) == ""
    monkeypatch.setattr(capacity, "MOST_FILES", 2)
    assert capacity.lacking(host, [TREE]) == "it cannot be measured: it has more than 2 files"
    assert capacity.lacking(host, [FILE]) == ""


@pytest.mark.parametrize(
    ("there", "nearest"),
    [
        ("var/lib/proscribe/quarantine", "/var/lib/proscribe/quarantine"),
        ("var/lib/proscribe", "/var/lib/proscribe"),
        ("var/lib", "/var/lib"),
        ("var", "/"),
    ],
)
def test_room_is_asked_for_where_the_quarantine_will_be(tmp_path: Path, there: str, nearest: str) -> None:
    (tmp_path / there).mkdir(parents=True)
    assert capacity._nearest(Host(str(tmp_path))) == nearest
    (tmp_path / there).rename(tmp_path / "away")
    (tmp_path / there).symlink_to("/etc")
    assert capacity._nearest(Host(str(tmp_path))) != nearest or nearest == "/"


def test_no_user_exceeds_his_share_and_the_error_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
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


def test_what_grows_meanwhile_takes_no_more_than_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the file open makes it grow once it was measured: it waits out of reach, and is reported."""
    in_two_file_systems(monkeypatch, tmp_path)
    host = made_host(tmp_path)
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


# -- what it is, once it has moved -------------------------------------------------------------------------------------


def test_parts_go_and_come_back_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = made_host(tmp_path)
    parts = [f"{TREE}/Telegram", f"{TREE}/deep"]
    action = moving.take(host, moving.Taking(TREE, ["telegram"], "tree", parts))
    assert (str(action), action.before) == (f"quarantine {TREE}", f"{parts[0]}\n{parts[1]}\n")
    action.apply()
    assert [host.stat(path) for path in parts] == [None, None] and host.stat(f"{TREE}/same")
    one, other = manifest.items(host)
    assert one.group == other.group and one.group in (one.id, other.id)
    assert restored(host, one.id, other.id) == {one.id: "", other.id: ""}
    assert all(host.stat(path) for path in parts) and manifest.items(host) == []


# -- for how long ------------------------------------------------------------------------------------------------------

NOW = 1_800_000_000


def item(**more: Any) -> Item:
    fields = {"id": "wechat-1", "path": "/x", "services": [], "kind": "", "owner": "", "identity": []}
    known = {"taken_at": at(NOW - 91 * DAY), "doing": "", "at_rest": True, "kept_until": at(NOW - DAY)}
    return Item(**{**fields, "attributes": manifest.Attributes(0, 0, 0, 0, 0, {}), **known, **more})


@pytest.mark.parametrize(
    ("of", "gone"),
    [
        (item(), True),
        (item(kept_until=""), True),  # from before there was such a date: as long as the policy says now
        (item(kept_until="", taken_at=at(NOW - 90 * DAY)), False),
        *((item(doing=doing), False) for doing in ("take", "restore", "lift")),
        (item(at_rest=False), False),
        (item(taken_at=at(NOW + DAY)), False),  # in the future
        (item(taken_at="yesterday"), False),
        (item(taken_at=""), False),
        (item(kept_until="soon"), False),
        (item(kept_until=3), False),  # whoever wrote that manifest: it ends no run
        (item(taken_at=3), False),
    ],
)
def test_what_is_pruned(of: Item, gone: bool) -> None:
    assert capacity.expired(of, 90 * DAY, NOW) is gone


@pytest.mark.parametrize(
    ("taken", "until", "now", "gone"),
    [
        pytest.param(-10, -1, 0, True, id="a second ago"),
        pytest.param(-10, 0, 0, False, id="now"),
        pytest.param(-10, 1, 0, False, id="in a second"),
        pytest.param(-10, -10, 0, True, id="kept for no time"),
        pytest.param(-10, -11, 0, False, id="until before it was taken"),
        pytest.param(-capacity.LONGEST - 1, -1, 0, False, id="a clock that has run away, or has no battery"),
        pytest.param(-capacity.LONGEST, -1, 0, False, id="by as much"),
        pytest.param(-capacity.LONGEST + 1, -1, 0, True, id="by less"),
    ],
)
def test_when_its_time_has_come_to_the_second(taken: int, until: int, now: int, gone: bool) -> None:
    """What is pruned is gone for good, so that each edge errs on the side of keeping."""
    of = item(taken_at=at(NOW + taken), kept_until=at(NOW + until))
    assert capacity.expired(of, 90 * DAY, NOW + now) is gone


def test_a_time_is_read_as_it_was_written() -> None:
    for text in ("2026-11-26T03:00:00Z", "1970-01-01T00:00:01Z"):
        assert at(capacity.seconds(text)) == text
    for text in ("", "2026-11-26", "2026-11-26 03:00:00", "soon"):
        assert capacity.seconds(text) == 0
    assert abs(capacity.seconds(capacity.until(90 * DAY)) - time.time() - 90 * DAY) < 60


def test_only_what_is_over_is_pruned(tmp_path: Path) -> None:
    """Three things, one of them kept long enough: its content is gone from the disk, and the others are whole."""
    host = made_host(tmp_path)
    taken(host, FILE, keep=DAY)
    one = taken(host, TREE, keep=DAY)
    assert capacity.pruning(host, DAY) == []
    place = tmp_path / ITEMS[1:] / one.id
    stored = json.loads((place / "manifest.json").read_text())
    past = {"taken_at": at(time.time() - 3 * DAY), "kept_until": at(time.time() - 2 * DAY)}
    (place / "manifest.json").write_text(json.dumps({**stored, **past}))
    (action,) = capacity.pruning(host, DAY)
    assert (action.before, str(action)) == (f"{TREE}\n", f"prune {one.id} ({TREE})")
    assert len(list(folders(host))) == 2, "check mode only shows it"
    left: list[tuple[str, list[str]]] = []
    real = manifest.reached
    try:
        manifest.reached = lambda step: left.append((step, sorted(folders(host))))
        action.apply()
    finally:
        manifest.reached = real
    assert left[0][0] == "opened" and f"{one.id}.unfinished" in left[0][1]
    assert not place.exists() and [item.path for item in manifest.items(host)] == [FILE]


def test_what_is_kept_for_ever_is_never_pruned() -> None:
    assert not capacity.expired(item(kept_until=""), 0, NOW)
    assert capacity.until(0) == ""


def test_a_pruning_that_is_killed_is_completed(tmp_path: Path) -> None:
    steps = []
    for step in range(1, 50):
        root = tmp_path / str(step)
        root.mkdir()
        host = made_host(root)
        one, other = taken(host, TREE), taken(host)
        work: Callable[[], object] = lambda host=host, one=one: capacity.prune(host, one)  # type: ignore[misc] # noqa: E731
        name = killed_at(step, work)
        for action in completing.unfinished(host):
            action.apply()
        left = set(folders(host))
        assert left in ({other.id}, {one.id, other.id}), name
        if one.id in left:  # it had not begun
            restored(host, one.id)
            assert (root / TREE[1:] / "deep/er/data").exists(), name
        if not name:
            break
        steps.append(name)
    assert {"opened", "written", "content gone", "dropped"} <= set(steps)


def test_the_record_says_what_is_in_it(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    assert unfinished.observe(host, "enforce") == [] and "quarantine" not in host.record_fields
    one, other = taken(host, TREE), taken(host)
    assert unfinished.observe(host, "enforce") == []
    held = host.record_fields["quarantine"]
    assert (held["items"], held["oldest"]) == (2, min(one.taken_at, other.taken_at))
    assert held["owners"] == {host.account(os.getuid()).name: held["bytes"]}
    assert held["bytes"] == one.disk + other.disk > 0


def with_manifests(root: Path, **manifests: dict[str, Any]) -> tuple[Host, list[str]]:
    """A host with folders of these names and manifests, and the names."""
    for name, manifest_fields in manifests.items():
        place = root / ITEMS[1:] / name
        place.mkdir(parents=True)
        (place / "manifest.json").write_text(json.dumps(manifest_fields))
    (root / ITEMS[1:] / "README").touch()
    return Host(str(root)), ["README", *manifests]


WHEN = "2026-11-2{}T08:00:00Z"


def test_what_a_quarantine_comes_to(tmp_path: Path) -> None:
    host, names = with_manifests(
        tmp_path,
        a={"disk": 10, "size": 99, "owner": "alice", "taken_at": WHEN.format(2)},
        b={"disk": 0, "size": 5, "owner": "bob", "taken_at": WHEN.format(1)},
        c={"owner": "alice", "taken_at": "2026-11-20"},  # no time that we write
        d={"disk": 7, "owner": "bob"},  # without one it is none of ours
        **{"e.unfinished": {"disk": 2, "owner": "alice", "taken_at": WHEN.format(3)}},
    )
    (tmp_path / ITEMS[1:] / "0.unfinished").mkdir()  # killed before anything was begun
    held = {"items": 6, "bytes": 17, "oldest": WHEN.format(1), "owners": {"alice": 12, "bob": 5}}
    assert unfinished.held(host, ["0.unfinished", *names]) == (held, ["d"])
    assert unfinished.held(host, ["README"]) == unfinished.held(host, []) == (None, [])


def test_of_a_large_quarantine_so_much_is_read_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An observation must not take longer because somebody has filled the quarantine."""
    sizes = {"u3": 1, "u2": 3, "u1": 1, "u0": 2}
    of = {name: {"disk": size, "owner": name, "taken_at": WHEN.format(1)} for name, size in sizes.items()}
    host, names = with_manifests(tmp_path, **of)
    monkeypatch.setattr(unfinished, "SHARES", 3)
    held, _ = unfinished.held(host, names)
    assert (held["bytes"], list(held["owners"].items())) == (7, [("u2", 3), ("u0", 2), ("u1", 1)])
    monkeypatch.setattr(unfinished, "COUNTED", 3)
    held, _ = unfinished.held(host, names)
    assert (held["items"], held["bytes"]) == (4, 5)


@pytest.mark.parametrize("error", [Unseen("closed"), ControlError("a link")])
def test_a_manifest_that_cannot_be_read_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    of = {name: {"disk": 5, "owner": name, "taken_at": WHEN.format(1)} for name in ("a", "b")}
    host, names = with_manifests(tmp_path, **of)
    real = Host.read

    def read(self: Host, path: str, *most: int) -> bytes | None:
        if "/a/" in path:
            raise error
        return real(self, path, *most)

    monkeypatch.setattr(Host, "read", read)
    assert unfinished.held(host, names)[0]["owners"] == {"b": 5}


def test_a_move_that_was_cut_short_is_drift_and_what_cannot_be_seen_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _ = with_manifests(tmp_path, **{"a-0123abcd.unfinished": {}, "b-0123abcd": {}})
    (verdict,) = unfinished.observe(host, "enforce")
    found = Finding("quarantine", "a-0123abcd.unfinished", path=f"{ITEMS}/a-0123abcd.unfinished",
                    detail="a move that was cut short")  # fmt: skip
    assert (verdict.rule, verdict.state, verdict.findings) == ("apps/quarantine", "noncompliant", (found,))
    assert verdict.drifted and not unfinished.observe(host, "audit")[0].drifted

    def closed(path: str) -> None:
        raise Unseen(f"{path} can only be read by root")

    monkeypatch.setattr(host, "list", closed)
    (verdict,) = unfinished.observe(host, "enforce")
    assert (verdict.rule, verdict.state, verdict.reason) == (
        "apps/quarantine", "unknown", f"{ITEMS} can only be read by root"
    )  # fmt: skip


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"taken_at": 3}', '{"taken_at": "x", "size": "many"}'])
def test_a_broken_manifest_counts_as_an_item(tmp_path: Path, content: str) -> None:
    host = made_host(tmp_path)
    one = taken(host)
    (tmp_path / ITEMS[1:] / one.id / "manifest.json").write_text(content)
    unfinished.observe(host, "enforce")
    assert host.record_fields["quarantine"]["items"] == 1 and host.record_fields["quarantine"]["oldest"] == ""


def test_a_sparse_file_counts_for_what_it_takes(tmp_path: Path) -> None:
    host = made_host(tmp_path)
    written(tmp_path / FILE[1:], {0: made_apps.elf()}, 2**40)
    one = taken(host)
    assert one.size == 2**40 and one.disk < 2**20
