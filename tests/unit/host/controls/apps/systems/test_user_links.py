"""Links that users made: what each says, and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.host.controls.apps.systems.user_links import link
from proscribe.host.system import Host, Unseen

HOME = "/home/alice"


@pytest.fixture
def host(root: Path) -> Host:
    home = root / HOME[1:]
    (home / "file").touch()
    (home / "to").symlink_to("../bob//x/")
    (home / "nowhere").symlink_to("/none")
    (home / "folder").mkdir()
    (home / "behind").symlink_to(home / "folder")
    (home / "folder/to").symlink_to("/etc")
    if os.geteuid() == 0:
        os.lchown(home / "behind", 1000, 1000)
    return Host(str(root))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("to", "../bob//x/"),
        ("nowhere", "/none"),
        ("folder/to", "/etc"),
        ("file", ""),
        ("folder", ""),
        ("missing", ""),
        ("missing/to", ""),
        ("file/to", ""),
    ],
)
def test_what_a_link_says(host: Host, path: str, says: str) -> None:
    assert link(host, f"{HOME}/{path}") == says


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
def test_nobody_says_where_a_link_behind_a_users_link_leads(host: Host) -> None:
    assert link(host, f"{HOME}/behind/to") == ""


def test_a_link_that_cannot_be_read_is_unseen(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "not for you")

    monkeypatch.setattr(os, "readlink", refused)
    with pytest.raises(Unseen, match=f"^{HOME}/to cannot be read: not for you$"):
        link(host, f"{HOME}/to")
