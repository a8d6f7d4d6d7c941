"""What a host remembers of packages that were removed from it, and what of that is still so."""

from __future__ import annotations

import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.apps.removed import FILE, bounded, note, remembered, still_removed
from proscribe.host.controls.apps.systems.as_removed import as_removed
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, Unseen, User
from proscribe.model.removed import MOST, MOST_OF_USER, Removed


def removed(id_: str = "owl", scope: str = "system", at: str = "2026-11-01T00:00:00Z", **more: str) -> Removed:
    given = {"manager": "dpkg", "version": "1.0", "name": id_, **more}
    return Removed(id=id_, scope=scope, at=at, **given)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    return Host(str(tmp_path))


ANN = User("ann", 1000, 1000, "/home/ann")


@pytest.mark.parametrize(
    ("package", "given", "expected"),
    [
        (Package("dpkg", "owl", "1", ("owl:i386",)), {}, removed("owl", version="1", name="owl:i386", at="")),
        (Package("pacman", "owl", "1"), {}, removed("owl", manager="pacman", version="1", at="")),
        (
            Package("nix", "owl", "1", ("handle",), ANN, "/nix/owl"),
            {"name": "/nix/owl", "how": "env", "place": "/p"},
            removed("owl", "user:ann", "", manager="nix", version="1", name="/nix/owl", how="env", place="/p"),
        ),
        (Package("pip", "owl", "1\x1b[2J"), {"tool": "/a\nb"}, removed("owl", manager="pip", version="", at="")),
    ],
    ids=["what its system calls it", "or its id", "or the name given, with what installs it again", "nothing hidden"],
)
def test_a_package_is_remembered_by_the_name_that_installs_it_again(
    package: Package, given: dict[str, str], expected: Removed
) -> None:
    assert as_removed(package, **given) == expected


class TestMemory:
    def test_what_is_noted_is_remembered_beside_what_was_and_is_roots_alone(self, host: Host) -> None:
        note(host, [removed("owl"), removed("elf", at="2026-11-03T00:00:00Z")])
        note(host, [removed("owl", version="2.0", at="2026-11-02T00:00:00Z"), removed("owl", "user:ann")])
        found = [(one.id, one.version, one.scope) for one in remembered(host)]
        assert found == [("elf", "1.0", "system"), ("owl", "2.0", "system"), ("owl", "1.0", "user:ann")]
        text = host.text(FILE) or ""
        assert text.startswith('{\n "schema": "proscribe/removed/1",\n "packages": [\n  {') and text.endswith("]\n}\n")
        seen = host.stat(FILE)
        assert seen and stat.S_IMODE(seen.st_mode) == 0o600

    def test_of_one_moment_they_are_in_one_order(self, host: Host) -> None:
        several = [removed("owl"), removed("elf"), removed("wren"), removed("elf", manager="rpm")]
        note(host, several)
        found = host.text(FILE)
        note(host, several[::-1])
        assert host.text(FILE) == found

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
        assert [one.id for one in remembered(host)] == ["owl"]

    def test_what_is_no_package_hides_none(self, host: Host) -> None:
        note(host, [removed("owl"), removed("elf")])
        host.write(FILE, (host.text(FILE) or "").replace('"packages": [', '"packages": [5, {"id": "x"},'))
        assert {one.id for one in remembered(host)} == {"owl", "elf"}

    def test_of_many_the_newest_and_first_the_hosts(self) -> None:
        of_ann = [removed(f"a{number}", "user:ann") for number in range(MOST_OF_USER + 2)]
        of_bob = [removed(f"b{number}", "user:bob") for number in range(2)]
        mine = [removed(f"h{number}") for number in range(MOST_OF_USER + 3)]
        assert bounded([*of_ann, *of_bob, *mine]) == [*mine, *of_ann[:MOST_OF_USER], *of_bob]
        many = [removed(f"h{number}") for number in range(MOST)]
        assert bounded([*of_bob, *many]) == many


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
        return [one for one in self.packages if one.owner == user and one.id in ids], ""


def there(id_: str, *handles: str, owner: User | None = None) -> Package:
    return Package("dpkg", id_, "9", handles, owner)


class TestStillRemoved:
    @pytest.mark.parametrize(
        ("one", "package", "gone"),
        [
            (removed("owl"), None, True),
            (removed("owl"), there("owl", "owl"), False),  # in whatever version
            (removed("owl"), there("owl"), False),
            (removed("owl"), there("elf", "owl"), True),
            (removed("owl", name="owl:i386"), there("owl", "owl:amd64"), True),  # of another architecture
            (removed("owl", name="owl:i386"), there("owl", "owl:i386"), False),
            (removed("owl", name="owl.x86_64"), there("owl", "owl-9-1.x86_64"), False),  # as rpm names them
            (removed("owl", name="owl.i686"), there("owl", "owl-9-1.x86_64"), True),
            (removed("owl", place="/opt/a"), there("owl", "/opt/a"), False),
            (removed("owl", name="x", place="/opt/a"), there("owl", "/opt/b"), True),
        ],
    )
    def test_what_is_not_there_again(self, host: Host, one: Removed, package: Package | None, gone: bool) -> None:
        note(host, [one])
        system: Any = System(*([package] if package else []))
        assert still_removed(host, [system]) == ([one] if gone else [])
        assert system.queries == [("", ["owl"])]

    def test_each_system_is_asked_once_for_each_user(self, host: Host) -> None:
        mine, gone = removed("owl", "user:ann"), removed("owl", "user:gone")
        other = removed("owl", manager="snap")
        note(host, [removed("owl"), removed("elf"), mine, gone, other, removed("x", manager="unknown")])
        dpkg: Any = System(there("owl", "owl"))
        snap: Any = System(there("owl", "owl"), manager="snap")
        found = still_removed(host, [dpkg, snap])
        assert {(one.id, one.scope) for one in found} == {("elf", "system"), ("owl", "user:ann")}
        assert dpkg.queries == [("", ["elf", "owl"])]  # a user's is asked for in a process of its own
        again: Any = System(there("owl", "owl", owner=ANN), there("owl", "owl"))
        assert {(one.id, one.scope) for one in still_removed(host, [again])} == {("elf", "system")}

    def test_the_hosts_come_first(self, host: Host) -> None:
        note(host, [removed("a", "user:ann", at="2026-11-05T00:00:00Z"), removed("b")])
        empty: Any = System()
        assert [one.scope for one in still_removed(host, [empty])] == ["system", "user:ann"]

    @pytest.mark.parametrize("error", [ControlError("dpkg is missing"), Unseen("needs root")])
    def test_what_a_system_cannot_say_is_not_known_to_be_there(self, host: Host, error: Exception) -> None:
        note(host, [removed()])
        silent: Any = System(fails=error)
        assert still_removed(host, [silent]) == [removed()]
