"""Browsers that the catalogue does not have, found by desktop entry and binary."""

import json
import os

import pytest
from browser_hosts import Tree, section
from proscribe.host.controls import browser
from proscribe.host.controls.browser import browser_forks
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.system import ControlError
from proscribe.model.finding import Finding

ENTRY = "[Desktop Entry]\nName=Owl\nExec={}\nMimeType=text/html;x-scheme-handler/http;\n"
OWL = "/etc/owl/policies"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(browser_forks, "MIN_BINARY_BYTES", 100)
    return Tree(tmp_path, section({"mail": {"domains": ["mail.example"]}}))


def binary(*policies: str) -> bytes:
    return b"\x7fELF" + b"x" * 200 + b"".join(b"\0" + item.encode() + b"\0" for item in policies)


def install(tree: Tree, path: str, content: bytes, mode: int = 0o755) -> None:
    tree.put(path[1:], content, mode)


def entry(tree: Tree, command: str, name: str = "owl", text: str = ENTRY) -> None:
    tree.put(f"usr/share/applications/{name}.desktop", text.format(command))


def install_owl(tree: Tree) -> None:
    install(tree, "/opt/owl/owl", binary(OWL))
    entry(tree, "/opt/owl/owl")


LAUNCHER = b'#!/bin/sh\nexec /opt/bird/b "$@"\n'
DISTRIBUTION = b"LIBDIR=/usr/lib/$APPNAME\n"
COMMANDS = [
    ("/opt/owl/owl %U", {"/opt/owl/owl": [OWL]}, OWL),
    ("owl %U", {"/usr/bin/owl": LAUNCHER, "/opt/bird/b": [OWL]}, OWL),
    *(("owl", {f"{folder}/owl": [OWL]}, OWL) for folder in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/games")),
    *(("owl", {"/usr/bin/owl": b"#!", f"{lib}/owl/x": [OWL]}, OWL) for lib in ("/usr/lib", "/usr/lib64", "/opt")),
    ("/usr/bin/owl", {"/usr/bin/owl": DISTRIBUTION, "/usr/lib/owl/owl-bin": [OWL]}, OWL),
    ('"/opt/owl/run" --x', {"/opt/owl/run": b"#!/bin/sh\n", "/opt/owl/owl": [OWL]}, OWL),  # beside a launcher
    ("env A=1 /opt/owl/owl", {"/opt/owl/owl": [OWL]}, OWL),
    ("/usr/bin/env /opt/owl/owl", {"/opt/owl/owl": [OWL]}, OWL),
    ("/opt/owl/owl", {"/opt/owl/owl": []}, ""),
    ("/opt/owl/owl", {"/opt/owl/owl": [OWL, "/etc/x/policies"]}, ""),  # nobody knows which
    ("/opt/owl/owl", {"/opt/owl/owl": ["/etc/../tmp/policies"]}, ""),
]


@pytest.mark.parametrize(("command", "files", "policies"), COMMANDS)
def test_policy_folder_of_an_unknown_browser_is_found_in_its_binary(command, files, policies, tree):
    for path, content in files.items():
        install(tree, path, content if isinstance(content, bytes) else binary(*content))
    entry(tree, command)
    (fork,) = browser_forks.find_forks(tree.host, []).forks
    place = PolicyPlace("owl", "chromium", f"{policies}/managed/proscribe.json", browsers=("owl",))
    assert (fork.policy_folder, fork.place._replace(programs=())) == (policies, place)
    assert fork.binary in files and fork.place.programs == (fork.binary.rpartition("/")[2],)


@pytest.mark.parametrize(("policies", "remembered"), [([OWL], ["/opt/owl/owl"]), ([], [])])
def test_unknown_browser_is_reported_enforced_and_remembered(tree, policies, remembered, monkeypatch):
    install(tree, "/opt/owl/owl", binary(*policies))
    tree.put("usr/local/share/applications/owl.desktop", ENTRY.format("/opt/owl/owl"))
    owl = ",owl" * bool(policies)
    assert tree.verdicts()["mail"].findings[0].manager == f"chromium,google_chrome,firefox{owl}"
    assert tree.host.record_fields["browsers"] == ["owl"] * bool(policies)
    tree.enforce()
    assert (tree.root / browser_forks.REMEMBERED_FORKS_PATH[1:]).stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(type(tree.host), "search_file", lambda *_: pytest.fail("the binary is the same as before"))
    (verdict,) = (verdict for rule, verdict in tree.verdicts().items() if rule == "policy-file")
    found = [] if policies else [Finding("browser", "owl", path="/opt/owl/owl", detail=browser.UNKNOWN_BROWSER_DETAIL)]
    assert (list(verdict.findings), tree.enforce().actions) == (found, [])
    os.unlink(tree.root / "opt/owl/owl")
    assert list(json.loads(browser_forks.find_forks(tree.host, []).remembered_text)) == remembered
    tree.lift()
    assert not (tree.root / browser_forks.REMEMBERED_FORKS_PATH[1:]).exists()
    assert list((tree.root / "etc").iterdir()) == []


NONE = [
    (ENTRY.replace("MimeType=", "X-Handles="), 0o755, "/opt/owl/owl"),  # the name of the addresses in another key
    (ENTRY, 0o644, "/opt/owl/owl"),  # not a program
    (ENTRY, 0o777, "/opt/owl/owl"),  # anybody could have written it
    (ENTRY, 0o755, '/opt/owl/"owl'),  # no command that can run
    (ENTRY, 0o755, "env A=/opt/owl/owl"),
    (ENTRY.replace("Exec={}", "TryExec={}"), 0o755, "/opt/owl/owl"),
    (ENTRY, 0o755, "/opt/eagle/eagle"),  # not there
]


@pytest.mark.parametrize(("text", "mode", "command"), NONE)
def test_unsuitable_entry_is_skipped_and_the_next_fork_found(text, mode, command, tree):
    install(tree, "/opt/owl/owl", binary(OWL), mode)
    entry(tree, command, text=text)
    assert browser_forks.find_forks(tree.host, []).forks == []
    install(tree, "/opt/bird/bird", binary(OWL))
    entry(tree, "/opt/bird/bird", "raven")
    assert [fork.id for fork in browser_forks.find_forks(tree.host, []).forks] == ["raven"]


def test_a_browser_is_large_and_its_launcher_is_not(tmp_path):
    tree = Tree(tmp_path, section({}))
    for name, megabytes in (("owl", 30), ("eagle", 10)):  # the usual ones have 200
        install(tree, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        os.truncate(tree.root / f"opt/{name}/{name}", megabytes * 1_000_000)
        entry(tree, f"/opt/{name}/{name}", name)
    assert [fork.id for fork in browser_forks.find_forks(tree.host, []).forks] == ["owl"]


@pytest.mark.parametrize(
    "known",
    [
        PolicyPlace("bird", "chromium", f"{OWL}/managed/proscribe.json", browsers=("bird",), programs=("bird",)),
        PolicyPlace("owl", "chromium", "/etc/owl/x", browsers=("owl",), programs=("owl",)),
        PolicyPlace("owl", "chromium", "/etc/owl/x", browsers=("owl",), paths=("/opt/owl/something",)),
    ],
)
def test_browser_of_the_catalogue_is_no_fork(tree, known):
    install_owl(tree)
    assert browser_forks.find_forks(tree.host, [known]).forks == []


def test_the_policy_of_a_browser_that_is_gone_is_lifted_although_another_one_came(tree):
    for name in ("owl", "eagle"):
        install(tree, f"/opt/{name}/{name}", binary(f"/etc/{name}/policies"))
        entry(tree, f"/opt/{name}/{name}", name)
        tree.enforce()
        os.unlink(tree.root / f"opt/{name}/{name}")
    tree.lift()
    assert list((tree.root / "etc").iterdir()) == []


@pytest.mark.parametrize("content", ["", None, '{"/opt/owl/owl": []}', '{"/opt/owl/owl": ["x", 1, ""]}'])
def test_damaged_memory_only_costs_time(tree, content):
    install_owl(tree)
    if content is None:
        (tree.root / browser_forks.REMEMBERED_FORKS_PATH[1:]).mkdir(parents=True)
    else:
        tree.put(browser_forks.REMEMBERED_FORKS_PATH[1:], content)
    assert [fork.policy_folder for fork in browser_forks.find_forks(tree.host, []).forks] == [OWL]
    assert browser_forks.list_earlier_places(tree.host) == []


def test_browser_behind_a_link_is_found_and_searched_again_after_a_change(tree):
    tree.put("usr/bin/x")
    (tree.root / "usr/bin/owl").symlink_to("/opt/owl/owl")
    entry(tree, "/usr/bin/owl")
    for folder in (OWL, "/etc/eagle/policies"):
        install(tree, "/opt/owl/owl", binary(folder))
        tree.enforce()
        assert tree.read(f"{folder[1:]}/managed/proscribe.json")["URLBlocklist"] == ["mail.example"]


def test_policy_that_a_lift_cannot_delete_stays_remembered(tree):
    install_owl(tree)
    tree.enforce()
    place = tree.root / f"{OWL}/managed/proscribe.json"[1:]
    place.unlink()
    place.mkdir()
    with pytest.raises(ControlError, match=f"{OWL}/managed/proscribe.json is still there"):
        tree.lift()
    assert (tree.root / browser_forks.REMEMBERED_FORKS_PATH[1:]).exists()
