"""`./proscribe diff` through the launcher, in a checkout with a history of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, launch

pytestmark = pytest.mark.playbook

PARTS = ("ansible.cfg", "catalog", "module_utils", "proscribe", "pyproject.toml")
HOSTS = """
press:
  hosts: {press01: {}, press02: {}}
finance:
  hosts: {fin01: {}}
"""


class Checkout:
    """A copy of the project in git: one commit, and whatever is written after it."""

    def __init__(self, directory: Path) -> None:
        self.top = directory / "checkout"
        self.temporary = directory / "tmp"
        self.top.mkdir()
        for part in PARTS:
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, self.top / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, self.top / part)
        (self.top / "playbooks").mkdir()
        self.file("inventory/hosts.yml", HOSTS)
        self.file("inventory/group_vars/all.yml", "proscribe_services_exclude: [telegram]\n")
        self.file(".gitignore", "__pycache__/\nreports/\n")
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "one")

    def git(self, *words: str) -> str:
        author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        argv = ["git", "-C", str(self.top), *author, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def file(self, name: str, content: str) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def diff(self, *words: str) -> Ended:
        self.temporary.mkdir(exist_ok=True)
        environment = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, TMPDIR=str(self.temporary))
        return launch(self.top / "proscribe", "diff", *words, cwd=self.top.parent, environment=environment)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("diff"))


@pytest.fixture
def checkout(committed: Checkout) -> Checkout:
    """As it was committed."""
    committed.git("checkout", "--quiet", "--force", "HEAD")
    committed.git("clean", "--quiet", "--force", "-d")
    return committed


def changed_services(checkout: Checkout, *words: str) -> dict[tuple[str, ...], set[str]]:
    """By the hosts of each group: the services of which something changes."""
    ended = checkout.diff(*words, "--json")
    assert ended.code == 1, ended.said
    return {
        tuple(group["hosts"]): {change["service"] for change in group["changes"] if "service" in change}
        for group in json.loads(ended.said)["groups"]
    }


def test_nothing_changed_is_said_and_ends_with_0(checkout: Checkout) -> None:
    ended = checkout.diff("HEAD")
    assert (ended.code, "nothing changes on 3 hosts" in ended.said) == (0, True), ended.said
    assert "note:" not in ended.said


def test_a_change_of_catalogue_restrictions_and_waivers_is_shown_with_its_hosts(checkout: Checkout) -> None:
    whatsapp = checkout.top / "catalog" / "instant_messaging" / "whatsapp.yml"
    whatsapp.write_text(whatsapp.read_text().replace("domains:\n", "domains:\n  - made.example\n", 1))
    checkout.file("inventory/group_vars/finance.yml", "proscribe_services_exclude: []\n")
    before = checkout.git("status", "--porcelain")
    assert changed_services(checkout, "HEAD") == {
        ("press01", "press02"): {"whatsapp"},
        ("fin01",): {"whatsapp", "telegram"},
    }
    ended = checkout.diff("HEAD")
    assert "1 host (finance 1 of 1): fin01" in ended.said
    assert "2 hosts (press 2 of 2): press01, press02" in ended.said
    assert "domains +1 (made.example)" in ended.said
    assert checkout.git("status", "--porcelain") == before
    assert list(checkout.temporary.glob("proscribe-*")) == []


def test_a_limit_and_an_inventory_of_then_may_be_named(checkout: Checkout, tmp_path: Path) -> None:
    assert checkout.diff("HEAD", "--limit", "press").code == 0
    (tmp_path / "hosts.yml").write_text("press: {hosts: {press01: {proscribe_services_exclude: []}}}\n")
    ended = checkout.diff("HEAD", "--old-inventory", str(tmp_path), "--json")
    document = json.loads(ended.said)
    assert document["hosts"]["without_earlier_plan"] == ["fin01", "press02"]
    assert (document["totals"]["services"], ended.code) == ({"removed": 1}, 1)


def test_an_inventory_that_git_does_not_know_is_refused_unless_it_is_named_as_unchanged(
    checkout: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {}}}\n")
    ended = checkout.diff("HEAD", "-i", str(tmp_path))
    assert (ended.code, "lies in no git checkout" in " ".join(ended.said.split())) == (2, True), ended.said
    ended = checkout.diff("HEAD", "-i", str(tmp_path), "--as-now", str(tmp_path))
    assert (ended.code, "taken as it is now" in " ".join(ended.said.split())) == (0, True), ended.said


def test_an_inventory_in_a_repository_of_its_own_is_compared_by_its_own_history(
    checkout: Checkout, tmp_path: Path
) -> None:
    own = Checkout.__new__(Checkout)
    own.top, own.temporary = tmp_path / "inventory", tmp_path / "tmp"
    own.file("hosts.yml", HOSTS)
    own.file("group_vars/all.yml", "proscribe_services_exclude: []\n")
    own.git("init", "--quiet")
    own.git("add", "--all")
    own.git("commit", "--quiet", "--message", "one")
    own.file("group_vars/all.yml", "proscribe_services_include: [slack]\n")
    own.git("commit", "--quiet", "--all", "--message", "two")
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "two")
    ended = checkout.diff("HEAD~1", "-i", str(own.top))
    assert (ended.code, "nothing changes" in ended.said) == (1, False), ended.said
    assert "slack" in ended.said
    document = json.loads(checkout.diff("HEAD~1", "-i", str(own.top), "--json").said)
    commits = {str(made.top): made.git("rev-parse", "HEAD~1").strip() for made in (checkout, own)}
    assert {one["path"]: one["commit"] for one in document["commits"]} == commits
    assert all(f"{path} at {commit[:12]}" in document["old"] for path, commit in commits.items())
    only = own.git("rev-parse", "HEAD~1").strip()
    ended = checkout.diff(only, "-i", str(own.top))
    assert (ended.code, f"is no revision of {checkout.top}" in " ".join(ended.said.split())) == (2, True), ended.said
    ended = checkout.diff(only, "-i", str(own.top), "--as-now", str(checkout.top))
    assert (ended.code, "slack" in ended.said) == (1, True), ended.said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nonsense",), "'nonsense' is no revision of"),
        (("latest",), "no complete report latest"),
        ((), "OLD"),
        (("HEAD", "-i", "/nowhere"), "/nowhere"),
    ],
    ids=["no revision", "no run", "nothing", "no inventory"],
)
def test_a_mistake_is_printed_in_plain_lines(checkout: Checkout, words: Sequence[str], message: str) -> None:
    ended = checkout.diff(*words)
    assert (ended.code, message in ended.said, "Traceback" in ended.said) == (2, True, False), ended.said


def test_a_policy_of_then_that_cannot_be_compiled_is_named_with_its_revision(checkout: Checkout) -> None:
    checkout.file("inventory/group_vars/all.yml", "proscribe_catagories: []\n")
    checkout.git("commit", "--quiet", "--all", "--message", "broken")
    try:
        checkout.file("inventory/group_vars/all.yml", "proscribe_services_exclude: [telegram]\n")
        ended = checkout.diff("HEAD")
    finally:
        checkout.git("reset", "--quiet", "--hard", "HEAD~1")
    assert ended.code == 2
    assert "cannot be compiled by the current code" in ended.said
    assert "HEAD:inventory/group_vars/all.yml:1: proscribe_catagories" in ended.said


def test_outside_git_it_is_said(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    shutil.rmtree(checkout.top / ".git")
    ended = checkout.diff("HEAD")
    assert (ended.code, "lies in no git checkout" in " ".join(ended.said.split())) == (2, True), ended.said
