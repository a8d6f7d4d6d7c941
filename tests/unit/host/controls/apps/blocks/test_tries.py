"""What was tried of install blocks, and is remembered as long as nothing has changed that the answer depended on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls.apps.blocks import tries
from proscribe.host.controls.apps.blocks.tries import TRIED, Tries, in_memory, tools, with_entries, with_targets
from proscribe.host.system import Host, Unseen

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: nobody else has anything remembered")
ON = ["/etc/gate.conf", "/usr/bin/gate", "/etc/missing"]


class Block:
    """A block of a host, which is tried. `opens` is what a try says."""

    def __init__(self, root: Path) -> None:
        self.root, self.opens, self.tried = root, "", 0
        for directory in ("etc", "usr/bin", "var/lib"):
            (root / directory).mkdir(parents=True)
        (root / "etc/gate.conf").write_text("on")
        (root / "usr/bin/gate").write_text("#!/bin/sh")
        (root / "usr/bin/gate").chmod(0o755)

    def trial(self, _: Host) -> str:
        self.tried += 1
        return self.opens

    def observed(self, fresh: bool = False, name: str = "dpkg", keep: bool = True) -> int:
        """How often a new observation tries it."""
        host, before = Host(str(self.root)), self.tried
        one = Tries(host, fresh)
        assert one.answer(name, lambda _: ON, self.trial) == (self.opens if self.tried > before else "")
        if keep:
            one.keep()
        return self.tried - before


@pytest.fixture
def block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Block:
    one = Block(tmp_path)
    monkeypatch.setattr(tries, "SETTLED", -(10**12))  # what was made a moment ago is old
    return one


@ROOT
def test_what_is_in_effect_is_tried_once(block: Block) -> None:
    assert [block.observed() for _ in range(3)] == [1, 0, 0]
    assert block.observed(name="rpm") == 1
    assert (block.root / TRIED.lstrip("/")).stat().st_mode & 0o777 == 0o600


@ROOT
def test_it_is_tried_again_where_all_is_read_and_where_nobody_has_saved_it(block: Block) -> None:
    assert [block.observed(keep=False) for _ in range(2)] == [1, 1]
    block.observed()
    assert block.observed(fresh=True) == 1


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda root: (root / "etc/gate.conf").write_text("off"),
    "of the same size": lambda root: (root / "etc/gate.conf").write_text("no"),
    "another owner": lambda root: os.chown(root / "etc/gate.conf", 65534, -1),
    "another mode": lambda root: (root / "usr/bin/gate").chmod(0o700),
    "gone": lambda root: (root / "usr/bin/gate").unlink(),
    "there now": lambda root: (root / "etc/missing").write_text(""),
    "another file in its place": lambda root: os.replace(root / "etc/other", root / "etc/gate.conf"),
}


@ROOT
@pytest.mark.parametrize("change", CHANGES)
def test_it_is_tried_again_after_a_change(block: Block, change: str) -> None:
    (block.root / "etc/other").write_text("on")
    block.observed()
    CHANGES[change](block.root)
    assert [block.observed(), block.observed()] == [1, 0]


@ROOT
def test_what_is_open_is_tried_each_time_and_what_was_saved_goes(block: Block) -> None:
    block.observed()
    (block.root / "etc/gate.conf").write_text("off")
    block.opens = "all is open"
    assert [block.observed(), block.observed()] == [1, 1]
    assert not (block.root / TRIED.lstrip("/")).exists()


@ROOT
def test_what_changed_a_moment_ago_may_change_again_unseen(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "SETTLED", 10**12)
    assert [block.observed(), block.observed()] == [1, 1]


@ROOT
@pytest.mark.parametrize(("later", "tries_of_two"), [(10**8, [1, 1]), (10**8 + 1, [1, 0])])
def test_a_tenth_of_a_second_after_a_change_nothing_more_comes_unseen(
    block: Block, monkeypatch: pytest.MonkeyPatch, later: int, tries_of_two: list[int]
) -> None:
    monkeypatch.undo()
    last = max((block.root / path[1:]).stat().st_ctime_ns for path in ON[:2])
    monkeypatch.setattr(tries.time, "time_ns", lambda: last + later)
    assert [block.observed(), block.observed()] == tries_of_two


@ROOT
@pytest.mark.parametrize("field", ["st_dev", "st_ino", "st_mode", "st_uid", "st_size", "st_ctime_ns"])
def test_each_thing_that_is_known_of_a_file_counts(block: Block, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    real, more = Host.stat, {"st_ctime_ns": 0}

    def stat(host: Host, path: str) -> Any:
        seen = real(host, path)
        if path != ON[0] or seen is None:
            return seen
        fields = {name: getattr(seen, name) for name in dir(seen) if name.startswith("st_")}
        return SimpleNamespace(**{**fields, field: fields[field] + more.get(field, 0)})

    monkeypatch.setattr(Host, "stat", stat)
    assert [block.observed(), block.observed()] == [1, 0]
    more[field] = 1
    assert [block.observed(), block.observed()] == [1, 0]


@ROOT
def test_what_changes_during_a_try_is_no_state_that_was_tried(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    def changing(host: Host) -> str:
        (block.root / "etc/gate.conf").write_text("off")
        return ""

    one = Tries(Host(str(block.root)), False)
    one.answer("dpkg", lambda _: ON, changing)
    one.keep()
    assert block.observed() == 1


@ROOT
def test_a_file_system_that_is_mounted_in_another_way_is_a_change_of_its_programs_alone(
    block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    queried: list[str] = []
    (block.root / "usr/bin/gate").chmod(0o605)  # whoever may run it
    monkeypatch.setattr(sys.modules[__name__], "ON", [*ON, "/usr"])

    class Seen:
        f_flag = 1

    monkeypatch.setattr(os, "statvfs", lambda path: queried.append(path) or Seen)
    block.observed()
    assert queried == ["/usr/bin/gate"] and block.observed() == 0
    Seen.f_flag = 9
    assert block.observed() == 1


@ROOT
@pytest.mark.parametrize("damage", ["version", "content", "others"])
def test_what_is_not_what_was_saved_is_not_believed(block: Block, damage: str) -> None:
    block.observed()
    place = block.root / TRIED.lstrip("/")
    if damage == "version":
        stored = tries.load(Host(str(block.root)), TRIED)
        place.write_text(tries.dumped({**stored, "version": stored["version"] + 1}))
    elif damage == "content":
        place.write_text("nonsense!")
    else:
        place.chmod(0o666)
    assert block.observed() == 1


def test_who_is_not_root_tries_each_time_and_saves_nothing(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "privileged", False)
    assert [block.observed(), block.observed()] == [1, 1]
    assert not (block.root / TRIED.lstrip("/")).exists()


def test_what_a_try_cannot_see_is_not_seen(block: Block) -> None:
    def fails(_: Host) -> str:
        raise Unseen("no dpkg")

    with pytest.raises(Unseen):
        Tries(Host(str(block.root)), False).answer("dpkg", lambda _: ON, fails)


def test_a_made_package_is_a_file_in_memory_while_it_is_needed() -> None:
    with in_memory(b"content") as path:
        assert Path(path).read_bytes() == b"content"
        assert os.readlink(path).startswith("/memfd:proscribe-trial")
    assert not os.path.lexists(path)


# -- what a try depends on


def test_of_each_tool_the_first_place_and_where_its_links_lead(tmp_path: Path) -> None:
    for directory in ("usr/sbin", "usr/bin", "etc/alternatives"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "usr/bin/mawk").touch()
    (tmp_path / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (tmp_path / "etc/alternatives/awk").symlink_to("/usr/bin/mawk")
    found = list(tools(Host(str(tmp_path)), ["awk", "none"]))
    assert found[:2] == ["/etc/ld.so.preload", "/etc/ld.so.cache"]
    awk = ["/usr/sbin/awk", "/usr/bin/awk", "/etc/alternatives/awk", "/usr/bin/mawk"]
    assert found[2:] == [*awk, *(f"{folder}/none" for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))]


def test_a_directory_and_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "etc/d").mkdir(parents=True)
    (tmp_path / "etc/d/a").symlink_to("../b")
    (tmp_path / "etc/d/c").touch()
    host = Host(str(tmp_path))
    assert sorted(with_entries(host, ["/etc/d", "/etc/none"])) == [
        "/etc/b",
        "/etc/d",
        "/etc/d/a",
        "/etc/d/c",
        "/etc/none",
    ]
    assert list(with_targets(host, ["/etc/d/a"])) == ["/etc/d/a", "/etc/b"]
