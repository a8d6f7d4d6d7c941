"""Chromium's folder of policies: what is said of it, what is corrected in it, and whose files stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_browser
import pytest
from made_browser import section
from made_places import BROWSERS
from proscribe.host.controls.browser import chromium_json

FOLDER = "etc/chromium/policies/managed"
OWN = FOLDER + "/proscribe.json"

SERVICES = {
    "mail": {"domains": ["mail.example", "m.example"], "allow": ["ok.mail.example"]},
    "drive": {"urls": ["site.example/drive"]},
    "chat": {"mode": "waived", "waiver": "w1", "domains": ["chat.mail.example"]},
    "next": {"mode": "upcoming", "effective_from": "2030-01-01", "domains": ["next.example"]},
}
SECTION = section(SERVICES, browsers={"dns_over_https": "blocked"})


class Tree(made_browser.Tree):
    """A made host on which the ban is enforced."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, SECTION)
        self.enforce()

    def corrected(self) -> tuple[list[str], list[str]]:
        """What an enforcing run does, and what it refuses."""
        changes = self.enforce()
        return [str(action) for action in changes.actions], [refusal.reason for refusal in changes.refused]

    def beside(self, name: str, content: Any, mode: int = 0o644) -> None:
        """A file in the folder of Proscribe's own."""
        self.put(f"{FOLDER}/{name}", content, mode)

    def wrong(self) -> dict[str, str]:
        """What is said against each rule that does not hold, of Chromium alone."""
        return {
            rule: f"{finding.id}: {finding.detail}"
            for rule, verdict in self.verdicts().items()
            if verdict.state == "noncompliant"
            for finding in verdict.findings
            if finding.manager.split(",")[0] == "chromium"
        }

    def snapshot(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def changed(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Tree], object]:
    """Proscribe's own file with something else in it."""
    return lambda tree: tree.put(OWN, change(tree.read(OWN)))


@pytest.mark.parametrize(("mode", "said"), [(0o777, "can be changed by others"), (0o700, "cannot be read by users")])
def test_the_rights_on_a_directory_are_reported_and_left_to_its_owner(tree: Tree, mode: int, said: str) -> None:
    (tree.root / FOLDER).chmod(mode)
    assert said in tree.wrong()["policy-file"]
    assert ("mail" in tree.wrong()) == (mode == 0o700)
    actions, refused = tree.corrected()
    assert actions == []
    assert said in refused[0]


def test_a_file_that_only_some_users_can_read_counts(tree: Tree) -> None:
    tree.beside("zz.json", {"URLAllowlist": ["mail.example"]}, mode=0o640)
    assert "zz.json allows mail.example" in tree.wrong()["mail"]


def test_a_plan_with_nothing_to_say_takes_the_files_away(tree: Tree) -> None:
    later = {id_: {**entry, "mode": "upcoming", "effective_from": "2030-01-01"} for id_, entry in SERVICES.items()}
    nothing = {"browsers": BROWSERS, "controls": {"browser": section(later)}}
    assert tree.verdicts(nothing)["policy-file"].state == "noncompliant"
    tree.enforce(nothing)
    assert sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*")) == ["etc", "var", "var/lib"]
    assert tree.states(nothing) == {"not_applicable"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2,], }', {"a": [1, 2]}),
        ('{"a": "x//y, ]" // comment\n /* another, } */ }', {"a": "x//y, ]"}),
        ('{"a": "\\x41\\v\\\\x42\\u0043", "b": "two\nlines"}', {"a": "A\v\\x42C", "b": "two\nlines"}),
        ('\ufeff{"a": "quote \\" // no comment"}', {"a": 'quote " // no comment'}),
    ],
)
def test_json_as_chromium_reads_it(text: str, value: Any) -> None:
    assert chromium_json.parse(text.encode()) == value


@pytest.mark.parametrize("text", [b"{", b"", b"\xff", b"[" * 100000])
def test_what_is_no_json_for_chromium_either(text: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        chromium_json.parse(text)
