"""What a host remembers of packages that were removed from it, and what of that is still so."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.removed import FILE, note, remembered, still_removed
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Unseen, User
from proscribe.model.removed import Removed


def removed(id_: str = "owl", scope: str = "system", at: str = "2026-11-01T00:00:00Z", **more: str) -> Removed:
    options = {"manager": "dpkg", "version": "1.0", "name": id_, **more}
    return Removed(id=id_, scope=scope, at=at, **options)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    return Host(str(tmp_path))


ANN = User("ann", 1000, 1000, "/home/ann")


class TestMemory:
    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "[" * 100_000,
            '{"schema": "proscribe/removed/2", "packages": [{}]}',
            '{"schema": "proscribe/removed/1", "packages": {}}',
            '{"schema": "proscribe/removed/1", "packages": [5, {}]}',
            "x" * (3 << 20),
        ],
        ids=["empty", "half", "a list", "deep", "of another version", "no list", "no packages", "large"],
    )
    def test_a_damaged_file_is_none(self, host: Host, content: str) -> None:
        assert remembered(host) == []
        host.write(FILE, content)
        assert remembered(host) == []
        note(host, [removed()])
        assert [item.id for item in remembered(host)] == ["owl"]

    def test_damaged_row_hides_no_package(self, host: Host) -> None:
        note(host, [removed("owl"), removed("elf")])
        host.write(FILE, (host.text(FILE) or "").replace('"packages": [', '"packages": [5, {"id": "x"},'))
        assert {item.id for item in remembered(host)} == {"owl", "elf"}


class System:
    """A package system that has these packages; None cannot be asked."""

    MANAGER = "dpkg"

    def __init__(self, *packages: Package, manager: str = "dpkg", fails: Exception | None = None) -> None:
        self.packages, self.fails, self.MANAGER = packages, fails, manager
        self.queries: list[Any] = []

    def query(self, host: Host, ids: Collection[str]) -> tuple[list[Package], str]:
        return self.query_of(host, None, ids)

    def query_of(self, host: Host, user: User | None, ids: Collection[str]) -> tuple[list[Package], str]:
        self.queries.append((user.name if user else "", sorted(ids)))
        if self.fails:
            raise self.fails
        return [item for item in self.packages if item.owner == user and item.id in ids], ""


def present(id_: str, *handles: str, owner: User | None = None) -> Package:
    return Package("dpkg", id_, "9", handles, owner)


class TestStillRemoved:
    def test_system_is_asked_once_for_all_packages(self, host: Host) -> None:
        mine, gone = removed("owl", "user:ann"), removed("owl", "user:gone")
        other = removed("owl", manager="snap")
        note(host, [removed("owl"), removed("elf"), mine, gone, other, removed("x", manager="unknown")])
        dpkg: Any = System(present("owl", "owl"))
        snap: Any = System(present("owl", "owl"), manager="snap")
        result = still_removed(host, [dpkg, snap])
        assert {(item.id, item.scope) for item in result} == {("elf", "system"), ("owl", "user:ann")}
        assert dpkg.queries == [("", ["elf", "owl"])]  # a user's is asked for in a process of its own
        again: Any = System(present("owl", "owl", owner=ANN), present("owl", "owl"))
        assert {(item.id, item.scope) for item in still_removed(host, [again])} == {("elf", "system")}

    def test_the_hosts_come_first(self, host: Host) -> None:
        note(host, [removed("a", "user:ann", at="2026-11-05T00:00:00Z"), removed("b")])
        empty: Any = System()
        assert [item.scope for item in still_removed(host, [empty])] == ["system", "user:ann"]

    @pytest.mark.parametrize("error", [ControlError("dpkg is missing"), Unseen("needs root")])
    def test_unseen_package_counts_as_removed(self, host: Host, error: Exception) -> None:
        note(host, [removed()])
        silent: Any = System(fails=error)
        assert still_removed(host, [silent]) == [removed()]
