"""What was tried of install blocks, and is remembered as long as nothing has changed that the answer depended on."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.host.controls.apps.blocks import tries
from proscribe.host.controls.apps.blocks.tries import TRIED, Tries, in_memory, tools, with_entries, with_targets
from proscribe.host.system import Host

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
        item = Tries(host, fresh)
        assert item.answer(name, lambda _: ON, self.trial) == (self.opens if self.tried > before else "")
        if keep:
            item.keep()
        return self.tried - before


@pytest.fixture
def block(tmp_path, monkeypatch):
    item = Block(tmp_path)
    monkeypatch.setattr(tries, "SETTLED", -(10**12))  # what was made a moment ago is old
    return item


@ROOT
def test_block_in_effect_is_tried_once(block):
    assert [block.observed() for _ in range(3)] == [1, 0, 0]
    assert block.observed(name="rpm") == 1
    assert (block.root / TRIED.lstrip("/")).stat().st_mode & 0o777 == 0o600


@ROOT
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda root: (root / "etc/gate.conf").write_text("off"), id="written"),
        pytest.param(lambda root: (root / "etc/gate.conf").write_text("no"), id="of the same size"),
        pytest.param(lambda root: os.chown(root / "etc/gate.conf", 65534, -1), id="another owner"),
        pytest.param(lambda root: (root / "usr/bin/gate").chmod(0o700), id="another mode"),
        pytest.param(lambda root: (root / "usr/bin/gate").unlink(), id="gone"),
        pytest.param(lambda root: (root / "etc/missing").write_text(""), id="new"),
        pytest.param(lambda root: os.replace(root / "etc/other", root / "etc/gate.conf"), id="another file"),
    ],
)
def test_block_is_tried_again_after_a_change(block, change):
    (block.root / "etc/other").write_text("on")
    block.observed()
    change(block.root)
    assert [block.observed(), block.observed()] == [1, 0]


@ROOT
def test_change_during_a_try_is_tried_again(block):
    def change(host: Host) -> str:
        (block.root / "etc/gate.conf").write_text("off")
        return ""

    item = Tries(Host(str(block.root)), False)
    item.answer("dpkg", lambda _: ON, change)
    item.keep()
    assert block.observed() == 1


@ROOT
def test_other_mount_options_change_the_programs_of_a_file_system(block, monkeypatch):
    flags = SimpleNamespace(f_flag=1)
    monkeypatch.setattr(os, "statvfs", lambda path: flags)
    assert [block.observed(), block.observed()] == [1, 0]
    flags.f_flag = 9
    assert block.observed() == 1


@ROOT
def test_open_block_is_tried_each_time_and_the_saved_answer_is_deleted(block):
    block.observed()
    (block.root / "etc/gate.conf").write_text("off")
    block.opens = "all is open"
    assert [block.observed(), block.observed()] == [1, 1]
    assert not (block.root / TRIED.lstrip("/")).exists()


@ROOT
@pytest.mark.parametrize(("later", "tried"), [(10**8, [1, 1]), (10**8 + 1, [1, 0])])
def test_file_that_changed_a_tenth_of_a_second_ago_is_tried_again(block, monkeypatch, later, tried):
    monkeypatch.undo()
    last = max((block.root / path[1:]).stat().st_ctime_ns for path in ON[:2])
    monkeypatch.setattr(tries.time, "time_ns", lambda: last + later)
    assert [block.observed(), block.observed()] == tried


@ROOT
@pytest.mark.parametrize("damage", ["version", "content", "others"])
def test_damaged_answer_is_not_used(block, damage):
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


def test_user_tries_each_time_and_saves_nothing(block, monkeypatch):
    monkeypatch.setattr(Host, "privileged", False)
    assert [block.observed(), block.observed()] == [1, 1]
    assert not (block.root / TRIED.lstrip("/")).exists()


def test_a_made_package_is_a_file_in_memory_while_it_is_needed():
    with in_memory(b"content") as path:
        assert Path(path).read_bytes() == b"content"
        assert os.readlink(path).startswith("/memfd:proscribe-trial")
    assert not os.path.lexists(path)


def test_try_depends_on_first_place_and_link_targets_of_a_tool(tmp_path):
    for directory in ("usr/sbin", "usr/bin", "etc/alternatives"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "usr/bin/mawk").touch()
    (tmp_path / "usr/bin/awk").symlink_to("/etc/alternatives/awk")
    (tmp_path / "etc/alternatives/awk").symlink_to("/usr/bin/mawk")
    result = list(tools(Host(str(tmp_path)), ["awk", "none"]))
    assert result[:2] == ["/etc/ld.so.preload", "/etc/ld.so.cache"]
    awk = ["/usr/sbin/awk", "/usr/bin/awk", "/etc/alternatives/awk", "/usr/bin/mawk"]
    assert result[2:] == [*awk, *(f"{folder}/none" for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))]


def test_a_directory_and_what_is_in_it(tmp_path):
    (tmp_path / "etc/d").mkdir(parents=True)
    (tmp_path / "etc/d/a").symlink_to("../b")
    (tmp_path / "etc/d/c").touch()
    host = Host(str(tmp_path))
    entries = ["/etc/b", "/etc/d", "/etc/d/a", "/etc/d/c", "/etc/none"]
    assert sorted(with_entries(host, ["/etc/d", "/etc/none"])) == entries
    assert list(with_targets(host, ["/etc/d/a"])) == ["/etc/d/a", "/etc/b"]
