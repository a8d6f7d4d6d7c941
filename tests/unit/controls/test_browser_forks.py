"""Browsers that the catalogue does not have: found by their desktop entry, their policy folder by their binary."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from made_places import BROWSERS
from proscribe.controls import browser
from proscribe.controls.browser import forks
from proscribe.controls.browser.places import Place
from proscribe.host import Host

ENTRY = "[Desktop Entry]\nName=Owl\nExec={}\nMimeType=text/html;x-scheme-handler/http;\n"
OWL = "/etc/owl/policies"
SECTION = {
    "mode": "enforce",
    "services": {"mail": {"name": "Mail", "mode": "enforce", "domains": ["mail.example"], "urls": [], "allow": []}},
    "settings": {},
}
PLAN: dict[str, Any] = {"browsers": BROWSERS, "controls": {"browser": SECTION}}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(forks, "LEAST", 100)
    tmp_path.chmod(0o755)
    for folder in ("usr/share/applications", "usr/bin", "opt/owl", "var/lib", "etc"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def install(root: Path, path: str, content: bytes, mode: int = 0o755) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


def binary(*policies: str) -> bytes:
    return b"\x7fELF" + b"x" * 200 + b"".join(b"\0" + one.encode() + b"\0" for one in policies)


def entry(root: Path, command: str, name: str = "owl", text: str = ENTRY) -> None:
    (root / "usr/share/applications" / f"{name}.desktop").write_text(text.format(command))


LAUNCHER = b'#!/bin/sh\nexec /opt/owl/owl "$@"\n'
COMMANDS = [
    pytest.param("/opt/owl/owl %U", {"/opt/owl/owl": binary(OWL)}, OWL, id="the binary itself"),
    pytest.param("owl %U", {"/usr/bin/owl": LAUNCHER, "/opt/owl/owl": binary(OWL)}, OWL, id="a launcher that names it"),
    pytest.param(
        "/usr/bin/owl",
        {"/usr/bin/owl": b"LIBDIR=/usr/lib/$APPNAME\n", "/usr/lib/owl/owl-bin": binary(OWL)},
        OWL,
        id="a launcher of a distribution's",
    ),
    pytest.param(
        '"/opt/owl/run" --x', {"/opt/owl/run": b"#!/bin/sh\n", "/opt/owl/owl": binary(OWL)}, OWL, id="beside a launcher"
    ),
    pytest.param("env A=1 /opt/owl/owl", {"/opt/owl/owl": binary(OWL)}, OWL, id="behind env"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary()}, "", id="no folder in it"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary(OWL, "/etc/x/policies")}, "", id="two folders in it"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary("/etc/../tmp/policies")}, "", id="a way out of /etc"),
]


@pytest.mark.parametrize(("command", "files", "policies"), COMMANDS)
def test_where_an_unknown_browser_reads_policies(
    command: str, files: dict[str, bytes], policies: str, root: Path
) -> None:
    for path, content in files.items():
        install(root, path, content)
    entry(root, command)
    (fork,) = forks.find_forks(Host(str(root)), []).forks
    assert (fork.id, fork.policies) == ("owl", policies)


NONE = [
    pytest.param(ENTRY.replace("x-scheme-handler/http;", ""), 0o755, "/opt/owl/owl", id="not a browser"),
    pytest.param(ENTRY, 0o644, "/opt/owl/owl", id="not a program"),
    pytest.param(ENTRY, 0o777, "/opt/owl/owl", id="anybody could have written it"),
    pytest.param(ENTRY, 0o755, '/opt/owl/"owl', id="a command that nothing can run"),
    pytest.param(ENTRY, 0o755, "/opt/eagle/eagle", id="a program that is not there"),
]


@pytest.mark.parametrize(("text", "mode", "command"), NONE)
def test_what_is_left_out(text: str, mode: int, command: str, root: Path) -> None:
    install(root, "/opt/owl/owl", binary(OWL), mode)
    entry(root, command, text=text)
    assert forks.find_forks(Host(str(root)), []).forks == []


def test_a_browser_of_the_catalogue_is_no_fork(root: Path) -> None:
    install(root, "/opt/owl/owl", binary(OWL))
    entry(root, "/opt/owl/owl")
    known = Place("owl", "chromium", "/etc/owl/x", browsers=("owl",), programs=("owl",))
    assert forks.find_forks(Host(str(root)), [known]).forks == []
    by_path = known._replace(programs=(), paths=("/opt/owl/something",))
    assert forks.find_forks(Host(str(root)), [by_path]).forks == []


def test_it_is_enforced_remembered_and_lifted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(root, "/opt/owl/owl", binary(OWL))
    entry(root, "/opt/owl/owl")
    host = Host(str(root))
    before = sorted(str(path) for path in root.rglob("*"))
    assert browser.observe(host, PLAN)[0].findings[0].manager == "chromium,google_chrome,firefox,owl"
    for action in browser.enforce(host, PLAN).actions:
        action.apply()
    said = json.loads((root / "etc/owl/policies/managed/proscribe.json").read_text())
    assert said["URLBlocklist"] == ["mail.example"]
    monkeypatch.setattr(Host, "search", lambda *_: pytest.fail("the binary is the same, so nobody looks into it again"))
    assert {verdict.state for verdict in browser.observe(host, PLAN)} == {"compliant"}
    assert browser.enforce(host, PLAN).actions == []
    os.unlink(root / "opt/owl/owl")  # the policy goes all the same
    for action in browser.lift(host, PLAN).actions:
        action.apply()
    assert sorted(str(path) for path in root.rglob("*")) == [
        path for path in before if not path.endswith("/opt/owl/owl")
    ]


def test_the_policy_of_a_browser_that_is_gone_is_lifted_although_another_one_came(root: Path) -> None:
    host = Host(str(root))
    for name in ("owl", "eagle"):
        install(root, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        entry(root, f"/opt/{name}/{name}", name)
        for action in browser.enforce(host, PLAN).actions:
            action.apply()
        os.unlink(root / f"opt/{name}/{name}")
    for action in browser.lift(host, PLAN).actions:
        action.apply()
    assert list((root / "etc").iterdir()) == []


def test_a_browser_without_a_policy_folder_is_told(root: Path) -> None:
    install(root, "/opt/owl/owl", binary())
    entry(root, "/opt/owl/owl")
    host = Host(str(root))
    for action in browser.enforce(host, PLAN).actions:
        action.apply()
    (verdict,) = [verdict for verdict in browser.observe(host, PLAN) if verdict.state != "compliant"]
    (finding,) = verdict.findings
    assert (verdict.rule, finding.kind, finding.id, finding.path) == (
        "browser/policy-file",
        "browser",
        "owl",
        "/opt/owl/owl",
    )
