"""The places of a plan on a host: which are there, what fills the holes of their paths, who keeps browsers apart."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_browser import Tree, section
from made_places import CHROMIUM
from proscribe.host.controls.browser.places import Place, places
from proscribe.host.system import Host


def found(root: Path, *entries: dict[str, Any], everywhere: bool = False) -> list[Place]:
    return places(Host(str(root)), {"browsers": list(entries)}, everywhere)


@pytest.mark.parametrize(
    ("machine", "arch"),
    [
        ("x86_64", "x86_64"),
        ("aarch64", "aarch64"),
        ("i586", "i386"),
        ("i686", "i386"),
        ("armv7l", "arm"),
        ("armv8l", "arm"),
    ],
)
def test_a_path_says_the_machine_as_flatpak_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, arch: str
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    (place,) = found(tmp_path, {"id": "a", "family": "chromium", "path": "/x.<id>/<arch>/<branch>/y"})
    assert place.path == f"/x.proscribe/{arch}/stable/y"


def test_a_place_has_what_its_entry_lists_and_is_there_where_one_of_its_marks_is(tmp_path: Path) -> None:
    (tmp_path / "opt/b").mkdir(parents=True)
    always = {"id": "a", "family": "chromium", "path": "/a", "browsers": ["a", "b"], "programs": ["p"]}
    here, gone = ({**always, "id": id_, "present": ["/opt/z", f"/opt/{id_}"]} for id_ in ("b", "c"))
    a = Place("a", "chromium", "/a", browsers=("a", "b"), programs=("p",))
    b, c = (a._replace(id=id_, present=("/opt/z", f"/opt/{id_}")) for id_ in ("b", "c"))
    assert found(tmp_path, always, here, gone) == [a, b]
    assert found(tmp_path, always, here, gone, everywhere=True) == [a, b, c]


@pytest.mark.parametrize(
    ("there", "whole_host"),
    [
        ("opt/b", True),
        ("var/lib/flatpak/app/org.b", True),
        ("snap/b", True),
        ("opt/c", False),
        ("var/lib/flatpak/app/b", False),
        ("snap/org.b", False),
    ],
)
def test_whether_a_browser_is_there_for_all(tmp_path: Path, there: str, whole_host: bool) -> None:
    (tmp_path / there).mkdir(parents=True)
    of = CHROMIUM._replace(paths=("/opt/a", "/opt/b"), flatpaks=("org.b",), snaps=("b",))
    assert of.there(Host(str(tmp_path))) is whole_host


@pytest.mark.parametrize("packager", ["", "var/lib/flatpak", "usr/bin/flatpak", "snap", "var/lib/snapd/snap"])
def test_what_keeps_browsers_apart_from_the_files_of_a_host(tmp_path: Path, packager: str) -> None:
    tree = Tree(tmp_path, section(browsers={"quic": "blocked"}))
    kind = "snap" if "snap" in packager else "flatpak"
    own = "home/alice/.local/share/flatpak/app/b" if kind == "flatpak" else f"{packager}/b"
    for path in ("proc", packager, own):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/passwd").write_text(f"alice:x:{os.getuid()}:{os.getgid()}::/home/alice:/bin/sh\n")
    lost = {"id": "b", "family": "chromium", "path": "/b", "present": ["/nowhere"], "elsewhere": [f"{kind} b"]}
    of = {"browsers": [lost], "controls": {"browser": tree.plan["controls"]["browser"]}}
    reported = [(one.kind, one.id, one.manager) for one in tree.verdicts(of)["packaged"].findings]
    assert reported == ([(kind, "b", "b")] if packager else [])
