"""`./proscribe diff` through the launcher, in a checkout with a history of its own."""

import functools
import json
import shutil
import subprocess

import pytest
from checkout import PROJECT, REAL_ANSIBLE, clean_environment, launch

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

    def __init__(self, directory):
        self.top = directory / "checkout"
        self.temporary = directory / "tmp"
        self.top.mkdir()
        for part in PARTS:
            source = PROJECT / part
            copy = functools.partial(shutil.copytree, ignore=shutil.ignore_patterns("__pycache__"))
            (copy if source.is_dir() else shutil.copy2)(source, self.top / part)
        (self.top / "playbooks").mkdir()
        self.file("inventory/hosts.yml", HOSTS)
        self.file("inventory/group_vars/all.yml", "proscribe_services_exclude: [telegram]\n")
        self.file(".gitignore", "__pycache__/\nreports/\n")
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "one")

    def git(self, *words):
        author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        argv = ["git", "-C", str(self.top), *author, *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout

    def file(self, name, content):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def diff(self, *words):
        self.temporary.mkdir(exist_ok=True)
        environment = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE, TMPDIR=str(self.temporary))
        return launch(self.top / "proscribe", "diff", *words, cwd=self.top.parent, environment=environment)


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("diff"))


@pytest.fixture
def checkout(committed):
    committed.git("checkout", "--quiet", "--force", "HEAD")
    committed.git("clean", "--quiet", "--force", "-d")
    return committed


def changed_services(checkout, *words):
    """By the hosts of each group: the services of which something changes."""
    ended = checkout.diff(*words, "--json")
    assert ended.code == 1, ended.said
    changes = {tuple(group["hosts"]): group["changes"] for group in json.loads(ended.said)["groups"]}
    return {hosts: {change["service"] for change in own if "service" in change} for hosts, own in changes.items()}


def test_a_change_of_catalogue_and_restrictions_is_shown_with_its_hosts(checkout):
    ended = checkout.diff("HEAD")
    assert (ended.code, "nothing changes on 3 hosts" in ended.said) == (0, True), ended.said
    assert "note:" not in ended.said
    whatsapp = checkout.top / "catalog" / "instant_messaging" / "whatsapp.yml"
    whatsapp.write_text(whatsapp.read_text().replace("domains:\n", "domains:\n  - made.example\n", 1))
    checkout.file("inventory/group_vars/finance.yml", "proscribe_services_exclude: []\n")
    before = checkout.git("status", "--porcelain")
    press, finance = ("press01", "press02"), ("fin01",)
    assert changed_services(checkout, "HEAD") == {press: {"whatsapp"}, finance: {"whatsapp", "telegram"}}
    ended = checkout.diff("HEAD")
    assert "1 host (finance 1 of 1): fin01" in ended.said
    assert "2 hosts (press 2 of 2): press01, press02" in ended.said
    assert "domains +1 (made.example)" in ended.said and checkout.git("status", "--porcelain") == before
    assert list(checkout.temporary.glob("proscribe-*")) == []


MISTAKES = {"nonsense": "'nonsense' is no revision of", "latest": "no complete report latest", "": "OLD"}


@pytest.mark.parametrize(("words", "message"), [*MISTAKES.items(), ("HEAD -i /nowhere", "/nowhere")])
def test_a_mistake_is_printed_in_plain_lines(checkout, words, message):
    ended = checkout.diff(*words.split())
    assert (ended.code, message in ended.said, "Traceback" in ended.said) == (2, True, False), ended.said
