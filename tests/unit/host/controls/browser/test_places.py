"""The places of a plan on a host: which are there, what fills the holes of their paths, who keeps browsers apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_browser import Tree, section


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
