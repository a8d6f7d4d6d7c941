"""What Chromium takes from one file of its folder, and what keeps it from taking anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_browser import Tree
from proscribe.host.controls.browser.chromium_file import check_file
from proscribe.host.controls.browser.observed import changeable
from proscribe.host.system import Host, Unseen

PATH = "etc/chromium/policies/managed/10.json"
EVERYBODYS = f"can be changed by others (uid {os.getuid()}, mode 646): chown root, chmod 644"
SAID = {"URLBlocklist": ["a.example"]}
ROWS = [
    pytest.param(SAID, 0o644, (SAID, "", False, "", ""), id="an object"),
    pytest.param("[1]", 0o644, ({}, "not a JSON object", False, "", ""), id="a list"),
    pytest.param("{", 0o644, ({}, "not valid JSON", False, "", ""), id="no JSON"),
    pytest.param(SAID, 0o600, ({}, "not readable for users", True, "", ""), id="of root alone"),
    pytest.param(SAID, 0o640, (SAID, "", False, "", ""), id="of a group, too"),
    pytest.param("[1]", 0o646, ({}, "not a JSON object", False, EVERYBODYS, ""), id="of everybody"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path, {})


@pytest.mark.parametrize(("content", "mode", "expected"), ROWS)
def test_a_file(tree: Tree, content: object, mode: int, expected: tuple[object, ...]) -> None:
    written = tree.put(PATH, content, mode)
    assert check_file(tree.host, f"/{PATH}", (tree.root / PATH).lstat()) == (("10.json", *expected), written)


def test_a_link_to_nothing(tree: Tree) -> None:
    (tree.root / PATH).parent.mkdir(parents=True)
    (tree.root / PATH).symlink_to("nothing")
    seen = (tree.root / PATH).lstat()
    loose = changeable(tree.host, f"/{PATH}", seen)
    found = check_file(tree.host, f"/{PATH}", seen)
    assert found == (("10.json", {}, "a link to nothing", True, loose, ""), None)


def test_what_is_no_file(tree: Tree) -> None:
    (tree.root / PATH).parent.mkdir(parents=True)
    os.mkfifo(tree.root / PATH)
    file, content = check_file(tree.host, f"/{PATH}", (tree.root / PATH).lstat())
    assert (file.said, file.hidden, file.odd, content) == ({}, True, file.lost, None)
    assert "is not a regular file" in file.lost


class Unreadable(Host):
    """A host with a file that not even root can read, as on a network mount that does not answer."""

    def read(self, path: str, *_: object) -> bytes | None:
        raise Unseen(f"{path} cannot be read: Host is down")


@pytest.mark.parametrize(
    ("mode", "odd"), [(0o600, ""), (0o644, f"/{PATH} cannot be read: Host is down")], ids=["of root alone", "of all"]
)
def test_a_file_that_root_cannot_read_is_unknown_where_users_may_read_it(tree: Tree, mode: int, odd: str) -> None:
    tree.put(PATH, SAID, mode)
    found = check_file(Unreadable(str(tree.root)), f"/{PATH}", (tree.root / PATH).lstat())
    assert found == (("10.json", {}, "not readable for users", True, "", odd), None)
