"""Browsers that the catalogue does not have: found by their desktop entry, their policy folder by their binary."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from made_browser import Tree, section
from proscribe.host.controls import browser
from proscribe.host.controls.browser import forks
from proscribe.host.controls.browser.places import Place
from proscribe.host.system import Host

ENTRY = "[Desktop Entry]\nName=Owl\nExec={}\nMimeType=text/html;x-scheme-handler/http;\n"
OWL = "/etc/owl/policies"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setattr(forks, "LEAST", 100)
    return Tree(tmp_path, section({"mail": {"domains": ["mail.example"]}}))


def binary(*policies: str) -> bytes:
    return b"\x7fELF" + b"x" * 200 + b"".join(b"\0" + one.encode() + b"\0" for one in policies)


def install(tree: Tree, path: str, content: bytes, mode: int = 0o755) -> None:
    tree.put(path[1:], content, mode)


def entry(tree: Tree, command: str, name: str = "owl", text: str = ENTRY) -> None:
    tree.put(f"usr/share/applications/{name}.desktop", text.format(command))


LAUNCHER = b'#!/bin/sh\nexec /opt/bird/b "$@"\n'
COMMANDS = [
    pytest.param("/opt/owl/owl %U", {"/opt/owl/owl": binary(OWL)}, OWL, id="the binary itself"),
    pytest.param("owl %U", {"/usr/bin/owl": LAUNCHER, "/opt/bird/b": binary(OWL)}, OWL, id="a launcher that names it"),
    *(
        pytest.param("owl %U", {f"{folder}/owl": binary(OWL)}, OWL, id=f"by name, in {folder}")
        for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/games")
    ),
    *(
        pytest.param("owl %U", {"/usr/bin/owl": b"#!", f"{folder}/owl/x": binary(OWL)}, OWL, id=f"usual, in {folder}")
        for folder in ("/usr/lib", "/usr/lib64", "/opt")
    ),
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
    pytest.param("/usr/bin/env /opt/owl/owl", {"/opt/owl/owl": binary(OWL)}, OWL, id="behind the path of env"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary()}, "", id="no folder in it"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary(OWL, "/etc/x/policies")}, "", id="two folders in it"),
    pytest.param("/opt/owl/owl", {"/opt/owl/owl": binary("/etc/../tmp/policies")}, "", id="a way out of /etc"),
]


@pytest.mark.parametrize(("command", "files", "policies"), COMMANDS)
def test_where_an_unknown_browser_reads_policies(
    command: str, files: dict[str, bytes], policies: str, tree: Tree
) -> None:
    for path, content in files.items():
        install(tree, path, content)
    entry(tree, command)
    (fork,) = forks.find_forks(tree.host, []).forks
    assert (fork.id, fork.policies) == ("owl", policies)


NONE = [
    pytest.param(ENTRY.replace("x-scheme-handler/http;", ""), 0o755, "/opt/owl/owl", id="not a browser"),
    pytest.param(
        ENTRY.replace("MimeType=", "X-Handles="), 0o755, "/opt/owl/owl", id="the name of the addresses in another key"
    ),
    pytest.param(ENTRY, 0o644, "/opt/owl/owl", id="not a program"),
    pytest.param(ENTRY, 0o777, "/opt/owl/owl", id="anybody could have written it"),
    pytest.param(ENTRY, 0o755, '/opt/owl/"owl', id="a command that nothing can run"),
    pytest.param(ENTRY, 0o755, "env A=/opt/owl/owl", id="no command"),
    pytest.param(ENTRY.replace("Exec={}", "TryExec={}"), 0o755, "/opt/owl/owl", id="nothing to run"),
    pytest.param(ENTRY, 0o755, "/opt/eagle/eagle", id="a program that is not there"),
]


@pytest.mark.parametrize(("text", "mode", "command"), NONE)
def test_what_is_left_out_hides_no_other(text: str, mode: int, command: str, tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL), mode)
    entry(tree, command, text=text)
    assert forks.find_forks(tree.host, []).forks == []
    install(tree, "/opt/bird/bird", binary(OWL))
    entry(tree, "/opt/bird/bird", "raven")
    assert [fork.id for fork in forks.find_forks(tree.host, []).forks] == ["raven"]


@pytest.mark.parametrize("what", ["a directory", "a link", "another name"])
def test_what_is_no_entry_hides_no_other(what: str, tree: Tree) -> None:
    for name in ("owl", "raven"):
        install(tree, f"/opt/{name}/{name}", binary(OWL))
        entry(tree, f"/opt/{name}/{name}", name)
    place = tree.root / "usr/share/applications/owl.desktop"
    place.rename(place.with_suffix(".desktop.bak"))
    if what == "a directory":
        place.mkdir()
    elif what == "a link":
        place.symlink_to("/no/such/entry")
    assert [fork.id for fork in forks.find_forks(tree.host, []).forks] == ["raven"]


def test_a_link_to_a_browser_is_followed(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    tree.put("usr/bin/x", "")
    (tree.root / "usr/bin/owl").symlink_to("/opt/owl/owl")
    entry(tree, "/usr/bin/owl")
    (fork,) = forks.find_forks(tree.host, []).forks
    assert fork.binary == "/opt/owl/owl"


def test_a_browser_is_large_and_its_launcher_is_not(tmp_path: Path) -> None:
    tree = Tree(tmp_path, section({}))
    for name, megabytes in (("owl", 30), ("eagle", 10)):  # the usual ones have 200
        install(tree, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        os.truncate(tree.root / f"opt/{name}/{name}", megabytes * 1_000_000)
        entry(tree, f"/opt/{name}/{name}", name)
    assert [fork.id for fork in forks.find_forks(tree.host, []).forks] == ["owl"]


def test_a_browser_that_several_entries_start_has_the_name_of_the_first(tree: Tree) -> None:
    for name in ("owl", "eagle"):
        install(tree, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        entry(tree, f"/opt/{name}/{name}", name)
    entry(tree, "/opt/eagle/eagle --private", "falcon")
    known = Place("owl", "chromium", "/etc/owl/x", browsers=("owl",), programs=("owl",))
    assert [fork.id for fork in forks.find_forks(tree.host, []).forks] == ["eagle", "owl"]
    assert [fork.id for fork in forks.find_forks(tree.host, [known]).forks] == ["eagle"]


def test_an_entry_may_be_the_administrators_own(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    tree.put("usr/local/share/applications/owl.desktop", ENTRY.format("/opt/owl/owl"))
    (fork,) = forks.find_forks(tree.host, []).forks
    path = f"{OWL}/managed/proscribe.json"
    assert fork.place == Place("owl", "chromium", path, browsers=("owl",), programs=("owl",))


def test_one_whose_policies_are_those_of_a_known_browser_is_no_fork(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    entry(tree, "/opt/owl/owl")
    known = Place("bird", "chromium", f"{OWL}/managed/proscribe.json", browsers=("bird",), programs=("bird",))
    assert forks.find_forks(tree.host, [known]).forks == []


def test_a_browser_of_the_catalogue_is_no_fork(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    entry(tree, "/opt/owl/owl")
    known = Place("owl", "chromium", "/etc/owl/x", browsers=("owl",), programs=("owl",))
    assert forks.find_forks(tree.host, [known]).forks == []
    by_path = known._replace(programs=(), paths=("/opt/owl/something",))
    assert forks.find_forks(tree.host, [by_path]).forks == []


def test_it_is_enforced_remembered_and_lifted(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    entry(tree, "/opt/owl/owl")
    before = sorted(str(path) for path in tree.root.rglob("*"))
    assert tree.verdicts()["mail"].findings[0].manager == "chromium,google_chrome,firefox,owl"
    tree.enforce()
    said = tree.read("etc/owl/policies/managed/proscribe.json")
    assert said["URLBlocklist"] == ["mail.example"]
    monkeypatch.setattr(Host, "search", lambda *_: pytest.fail("the binary is the same, so nobody looks into it again"))
    assert tree.states() == {"compliant"}
    assert browser.enforce(tree.host, tree.plan).actions == []
    os.unlink(tree.root / "opt/owl/owl")  # the policy goes all the same
    tree.lift()
    assert sorted(str(path) for path in tree.root.rglob("*")) == [
        path for path in before if not path.endswith("/opt/owl/owl")
    ]


def test_the_policy_of_a_browser_that_is_gone_is_lifted_although_another_one_came(tree: Tree) -> None:
    for name in ("owl", "eagle"):
        install(tree, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        entry(tree, f"/opt/{name}/{name}", name)
        tree.enforce()
        os.unlink(tree.root / f"opt/{name}/{name}")
    tree.lift()
    assert list((tree.root / "etc").iterdir()) == []


def test_a_binary_that_has_changed_is_searched_again(tree: Tree) -> None:
    for folder in (OWL, "/etc/eagle/policies"):
        install(tree, "/opt/owl/owl", binary(folder))
        entry(tree, "/opt/owl/owl")
        tree.enforce()
        assert tree.read(f"{folder[1:]}/managed/proscribe.json")["URLBlocklist"] == ["mail.example"]


DAMAGED = [
    "",
    "a directory",
    "{",
    "[]",
    '{"/opt/owl/owl": []}',
    '{"/opt/owl/owl": 7}',
    '{"/opt/owl/owl": ["x", 1, ""]}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_memory_only_costs_time(tree: Tree, content: str) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    entry(tree, "/opt/owl/owl")
    if content == "a directory":
        (tree.root / forks.REMEMBERED[1:]).mkdir(parents=True)
    else:
        tree.put(forks.REMEMBERED[1:], content)
    assert [fork.policies for fork in forks.find_forks(tree.host, []).forks] == [OWL]
    assert forks.earlier_places(tree.host) == []


@pytest.mark.parametrize(("policies", "remembered"), [((OWL,), ["/opt/owl/owl"]), ((), [])], ids=["with", "without"])
def test_of_a_browser_that_is_gone_its_policy_folder_is_remembered(
    policies: tuple[str, ...], remembered: list[str], tree: Tree
) -> None:
    install(tree, "/opt/owl/owl", binary(*policies))
    entry(tree, "/opt/owl/owl")
    tree.enforce()
    os.unlink(tree.root / "opt/owl/owl")
    assert list(json.loads(forks.find_forks(tree.host, []).remembered)) == remembered


def test_a_browser_without_a_policy_folder_is_reported(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary())
    entry(tree, "/opt/owl/owl")
    tree.enforce()
    (verdict,) = [verdict for verdict in browser.observe(tree.host, tree.plan) if verdict.state != "compliant"]
    (finding,) = verdict.findings
    assert (verdict.rule, finding.kind, finding.id, finding.path) == (
        "browser/policy-file",
        "browser",
        "owl",
        "/opt/owl/owl",
    )
