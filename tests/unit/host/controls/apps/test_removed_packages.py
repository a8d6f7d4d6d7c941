"""What a host remembers of packages that were removed from it, and what of that is still so."""

import os
from collections.abc import Collection
from typing import Any

import pytest
from fake_tools import package_system
from proscribe.host.controls.apps.removed_packages import (
    REMOVED_PACKAGES_PATH,
    find_still_removed,
    note_removed_packages,
    read_removed_packages,
)
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import ControlError, Host, ObservationError, User
from proscribe.model.removal_record import RemovedPackage

ANN = User("ann", 1000, 1000, "/home/ann")
OWL = Package("dpkg", "owl", "9", ("owl",))


def removed(id_: str = "owl", scope: str = "system", at: str = "2026-11-01T00:00:00Z", **more: str) -> RemovedPackage:
    return RemovedPackage(id=id_, scope=scope, at=at, **{"manager": "dpkg", "version": "1.0", "name": id_, **more})


@pytest.fixture
def host(root):
    (root / "var/lib").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    return Host(str(root))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"schema": "proscribe/removed/2", "packages": [{}]}',
        '{"schema": "proscribe/removed/1", "packages": {}}',
        '{"schema": "proscribe/removed/1", "packages": [5, {}]}',
        "x" * (3 << 20),
    ],
)
def test_damaged_memory_has_no_package(host, content):
    assert read_removed_packages(host) == []
    host.write_file(REMOVED_PACKAGES_PATH, content)
    assert read_removed_packages(host) == []
    note_removed_packages(host, [removed(), removed("elf")])
    text = (host.read_text(REMOVED_PACKAGES_PATH) or "").replace('"packages": [', '"packages": [5, {"id": "x"},')
    host.write_file(REMOVED_PACKAGES_PATH, text)
    assert {item.id for item in read_removed_packages(host)} == {"owl", "elf"}


def package_manager(*packages: Package, manager: str = "dpkg", fails: Exception | None = None) -> Any:
    """Return a package system that has these packages and notes its queries; or one that cannot be asked."""
    queries: list[Any] = []

    def find_user_packages(host: Host, user: User | None, ids: Collection[str]) -> tuple[list[Package], str]:
        queries.append((user.name if user else "", sorted(ids)))
        if fails:
            raise fails
        return [item for item in packages if item.owner == user and item.id in ids], ""

    parts = {"find_packages": lambda host, ids: find_user_packages(host, None, ids)}
    return package_system(MANAGER=manager, queries=queries, find_user_packages=find_user_packages, **parts)


def test_system_is_asked_once_for_all_packages(host):
    mine, gone = removed("owl", "user:ann"), removed("owl", "user:gone")
    other = removed("owl", manager="snap")
    note_removed_packages(host, [removed("owl"), removed("elf"), mine, gone, other, removed("x", manager="unknown")])
    dpkg = package_manager(OWL)
    result = find_still_removed(host, [dpkg, package_manager(OWL, manager="snap")])
    assert {(item.id, item.scope) for item in result} == {("elf", "system"), ("owl", "user:ann")}
    assert dpkg.queries == [("", ["elf", "owl"])]  # a user's is asked for in a process of its own
    again = package_manager(OWL._replace(owner=ANN), OWL)
    assert {(item.id, item.scope) for item in find_still_removed(host, [again])} == {("elf", "system")}


@pytest.mark.parametrize("error", [None, ControlError("dpkg is missing"), ObservationError("needs root")])
def test_unseen_package_counts_as_removed_and_those_of_the_host_come_first(host, error):
    rows = [removed("a", "user:ann", at="2026-11-05T00:00:00Z"), removed("b")]
    note_removed_packages(host, rows)
    assert find_still_removed(host, [package_manager(fails=error)]) == rows[::-1]


@pytest.mark.parametrize(
    ("handles", "name", "place", "is_back"),
    [
        (("owl:i386",), "owl:i386", "", True),
        (("owl:i386",), "owl:amd64", "", False),  # of another architecture
        (("owl-2-1.x86_64",), "owl.x86_64", "", True),  # as dnf has it, in another version
        (("/a",), "owl", "/a", True),
        (("/a",), "owl", "/b", False),  # in another place
        ((), "owl-2", "", True),
    ],
)
def test_package_is_back_in_any_version_of_the_same_place_and_architecture(host, handles, name, place, is_back):
    note_removed_packages(host, [removed(name=name, place=place)])
    assert (find_still_removed(host, [package_manager(OWL._replace(handles=handles))]) == []) is is_back


def test_newest_removals_of_a_user_are_remembered_and_hide_none_of_others(host):
    rows = [removed(f"p{number}", "user:ann", f"2026-11-01T00:00:{number:02}Z") for number in range(51)]
    old = "2020-01-01T00:00:00Z"
    of_host, of_bob = removed("b", at=old), removed("c", "user:bob", old)
    note_removed_packages(host, [*rows, of_host, of_bob])
    newest = rows[50]._replace(version="2.0")
    note_removed_packages(host, [newest])
    assert read_removed_packages(host) == [of_host, newest, *rows[49:0:-1], of_bob]
    assert os.stat(host.root + REMOVED_PACKAGES_PATH).st_mode & 0o777 == 0o600
