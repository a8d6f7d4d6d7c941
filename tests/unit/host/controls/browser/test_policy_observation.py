"""Faults of a policy file: mode, kind, directories, access lists."""

import os
import struct
from pathlib import Path

import pytest
from browser_hosts import Tree
from proscribe.host.controls.browser.policy_observation import (
    check_policy_path,
    explain_foreign_access,
    is_secret,
    list_leading_directories,
)
from proscribe.host.system import Host

FILE, FOLDER = "/etc/x/own.json", "/etc/x"
LINK_BETWEEN = "a link leads through it: put a directory there instead"


def of(mode: int) -> str:
    return f"uid {os.getuid()}, mode {mode:o}"


def acl(hers: int) -> bytes:
    """Of everybody and of one user more, by what she may (acl(5))."""
    entries = ((1, 7, -1), (2, hers, 1000), (4, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path, {})
    tree.put(FILE[1:], "{}")
    return tree


LOOSE, CLOSED, ACL = "can be changed by others", "cannot be read by users", "an ACL beside its mode"
BOTH = [f"{FOLDER} {LOOSE} ({of(0o775)}): chown root, chmod 755", f"/etc {CLOSED} ({of(0o751)}): chmod 755"]


@pytest.mark.parametrize(
    ("modes", "access", "file", "directories", "readable"),
    [
        ({}, {}, [], [], True),
        ({FILE: 0o600}, {}, [f"{of(0o600)} instead of root's with mode 644"], [], False),
        ({FILE: 0o664}, {}, [f"{of(0o664)} instead of root's with mode 644"], [], True),
        ({FOLDER: 0o775, "/etc": 0o751}, {}, [], BOTH, False),
        ({}, {FILE: 5}, [], [], True),
        ({}, {FILE: 7}, [ACL], [], True),
        ({}, {FILE: 0}, [ACL], [], False),
        ({}, {FOLDER: 5}, [], [], True),
        ({}, {FOLDER: 7}, [], [f"{FOLDER} {LOOSE} (an ACL): setfacl -b"], True),
        ({}, {FOLDER: 1}, [], [f"{FOLDER} {CLOSED} (an ACL): setfacl -b"], False),
    ],
)
def test_modes_and_access_lists_are_judged(tree, monkeypatch, modes, access, file, directories, readable):
    for path, mode in modes.items():
        (tree.root / path[1:]).chmod(mode)
    monkeypatch.setattr(Host, "read_acl", lambda self, at: acl(access[at]) if at in access else b"")
    assert check_policy_path(tree.host, FILE) == (file, directories, readable)


@pytest.mark.parametrize(
    ("make", "file", "readable"),
    [
        (lambda place: None, [], True),
        (lambda place: place.symlink_to("other"), ["a link is in its place"], True),
        (Path.mkdir, ["something other than a file is in its place"], False),
    ],
)
def test_kinds_of_policy_files_are_judged(tree, make, file, readable):
    place = tree.root / FILE[1:]
    place.unlink()
    make(place)
    assert check_policy_path(tree.host, FILE) == (file, [], readable)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose links are followed")
def test_directories_behind_a_link_are_checked(tree):
    (tree.root / "opt/real").mkdir(parents=True)
    (tree.root / "etc/y").symlink_to("../opt/real")
    steps = {path: seen.st_mode & 0o777 for path, seen in list_leading_directories(tree.host, "/etc/y/own.json")}
    assert steps == {"/etc": 0o755, "/opt/real": 0o755, "/opt": 0o755}
    for path in ("opt", "opt/real"):
        (tree.root / path).chmod(0o777 if path == "opt" else 0o750)
    tree.put("etc/y/own.json", "{}")
    assert check_policy_path(tree.host, "/etc/y/own.json").directory_faults == [
        f"/opt/real cannot be read by users ({of(0o750)}): {LINK_BETWEEN}",
        f"/opt can be changed by others ({of(0o777)}): {LINK_BETWEEN}",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose links are followed")
def test_file_or_link_that_others_can_change_is_named(tree):
    def said(path: str) -> str:
        return explain_foreign_access(tree.host, path, (tree.root / path[1:]).lstat())

    own, link = tree.root / FILE[1:], tree.root / "etc/link"
    link.symlink_to("x/own.json")
    assert (said(FILE), said("/etc/link")) == ("", "")
    own.chmod(0o646)
    loose = f"can be changed by others ({of(0o646)}): chown root, chmod 644"
    assert (said(FILE), said("/etc/link")) == (loose, loose)
    own.chmod(0o644)
    (tree.root / "etc/x").chmod(0o777)
    assert said("/etc/link") == f"is a link to {FILE}, and {FOLDER} can be changed by others ({of(0o777)})"
    os.lchown(link, 1000, 1000)
    assert said("/etc/link") == "is a link that others can change (uid 1000, mode 777)"
    (tree.root / "etc/gone").symlink_to("nothing")
    assert said("/etc/gone") == ""


@pytest.mark.parametrize(
    ("mode", "listed", "hidden"), [(0o600, b"", True), (0o640, b"", False), (0o604, b"", False), (0o600, acl(4), False)]
)
def test_file_of_root_alone_is_secret(tree, monkeypatch, mode, listed, hidden):
    (tree.root / FILE[1:]).chmod(mode)
    monkeypatch.setattr(Host, "read_acl", lambda self, at: listed)
    assert is_secret(tree.host, FILE, (tree.root / FILE[1:]).lstat()) is hidden
