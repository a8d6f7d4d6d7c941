"""A made tree with two users, for what looks into homes."""

import os
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

from proscribe.host.controls.apps.systems.package import Package, PackageSystem
from proscribe.host.controls.apps.systems.package_systems import ON_DEMAND
from proscribe.host.controls.apps.systems.place_checks import summarise_reasons
from proscribe.host.system import Host, User

ALICE = User("alice", 1000, 1000, "/home/alice")
BOB = User("bob", 1001, 1001, "/home/bob")


def tree(root: Path) -> Path:
    for directory in ("etc", "proc", "home/alice", "home/bob"):
        (root / directory).mkdir(parents=True)
    lines = [f"{u.name}:x:{u.uid}:{u.gid}::{u.home}:/bin/sh\n" for u in (ALICE, BOB)]
    (root / "etc/passwd").write_text("".join(lines))
    return root


def put(root: Path, path: str, content: str = "", mode: int = 0o644) -> Path:
    """A file of the tree, with the directories above it."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    place.chmod(mode)
    return place


def put_link(root: Path, path: str, target: str, uid: int = ALICE.uid) -> Path:
    """Make a user's link in the tree, with the directories above it."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
    os.lchown(place, uid, uid)
    return place


def everywhere(system: PackageSystem, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """What a package system says of the host and of all its users, and the first reason for what it cannot say."""
    answers = [
        system.find_packages(host, ids),
        *(system.find_user_packages(host, user, ids) for user in host.list_users()),
    ]
    unseen = [blind for _, blind in answers if blind]
    return [package for found, _ in answers for package in found], summarise_reasons(unseen)


def untried(paths: Iterable[str]) -> list[str]:
    """The first trace in a home of each package system of which no path is at or below a trace.

    A test of some places of homes tries these as well. So a new package system is in it, without a change of the test.
    """
    known = [f"{path}/" for path in paths]
    traces = [[trace[2:] for trace in system.traces if trace[0] == "~"] for system in ON_DEMAND]
    return [of[0] for of in traces if of and not any(path.startswith(f"{one}/") for one in of for path in known)]
