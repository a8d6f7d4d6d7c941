"""Which files make the policy of an earlier revision, and how that is named and refused; each as it was then."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_policy import NOW
from proscribe.controller.cli import Refused, inventory
from proscribe.controller.cli.diff import earlier_plans
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

ABC, DEF = "abc" * 14, "def" * 14


@dataclasses.dataclass
class Inventory:
    """What the inventory of then says."""

    hosts: list[HostVariables]
    reports: Path | None = None


class Then:
    """Files at a revision: whatever is asked for was there, in one directory."""

    def __init__(self, root: Path, commits: dict[Path, str], same: list[Path], *given: Any) -> None:
        self.root, self.commits, self.same = root, commits, same
        self.name, into, self.as_now = given
        assert into.is_dir()
        self.paths: list[tuple[str, str]] = []
        self.optionals: list[str] = []

    def path(self, now: Path, what: str) -> Path:
        self.paths.append((str(now), what))
        return self.root / "then" / now.name

    def optional(self, now: Path) -> None:
        self.optionals.append(str(now))

    def now(self, path: Path) -> Path:
        return path.parent / f"now-{path.name}"

    def located(self, text: str) -> str:
        return f"v1:{text}"


class Policy:
    """The policy of a revision, which is not really compiled."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.hosts = [HostVariables("a", {}, {}, "/in")]
        self.error: Exception | None = None
        self.then: Any = None
        self.calls: Any = None
        self.compiled: Any = None
        self.commits = {Path("/srv/policy"): ABC}
        self.same: list[Path] = []
        patch.setattr(earlier_plans, "PROJECT", root / "project")
        patch.setattr(earlier_plans, "FilesAtRevision", self.at)
        patch.setattr(inventory, "question", self.question)
        patch.setattr(inventory, "sources", lambda named: named)
        patch.setattr(earlier_plans, "compile_hosts", self.compile)
        patch.setattr(earlier_plans, "read_exceptions", lambda question, compiled, now: None)
        patch.setattr(earlier_plans, "places_of", lambda folder, question, host: [Path("/p") / folder, root / folder])

    def at(self, *given: Any) -> Then:
        self.then = Then(self.root, self.commits, self.same, *given)
        return self.then

    def question(self, arguments: argparse.Namespace, project: Path) -> Inventory:
        self.calls = (arguments, project)
        if self.error:
            raise self.error
        return Inventory(self.hosts)

    def compile(self, question: Inventory, now: Any) -> Any:
        self.compiled = (question, now)
        return SimpleNamespace(hosts={"a": "sha256:1"}, plans={"sha256:1": {}})

    def earlier(self, *sources: str, **options: Any) -> earlier_plans.Earlier:
        given = {"inventory": list(sources), "old_inventory": [], "as_now": [], "limit": "web", **options}
        return earlier_plans.earlier("v1", argparse.Namespace(**given), NOW, self.root / "reports")


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    return Policy(tmp_path.resolve(), monkeypatch)


def test_the_project_and_the_inventory_are_those_of_then(policy: Policy) -> None:
    (policy.root / "inventory").mkdir()
    (policy.root / "other").mkdir()
    (policy.root / "then").mkdir()
    for file in ("other/hosts.yml", "then/other"):
        (policy.root / file).touch()
    (policy.root / "then/other").unlink()
    (policy.root / "then/other").mkdir()
    (policy.root / "then/other/hosts.yml").touch()
    sources = [str(policy.root / "inventory"), "h1,h2", str(policy.root / "other/hosts.yml")]
    found = policy.earlier(*sources, as_now=["/srv/now"])
    assert found == (f"v1 ({ABC[:12]})", {"a": "sha256:1"}, {"sha256:1": {}}, (), policy.commits, None)
    assert policy.then.name == "v1" and policy.then.as_now == ["/srv/now"]
    assert policy.then.paths == [
        (str(policy.root / "project/catalog"), "the catalogue"),
        (str(policy.root / "inventory"), "the inventory"),
        (str(policy.root / "other"), "the directory of the inventory"),
    ]
    assert policy.then.optionals == [
        str(policy.root / f"project/playbooks/{part}") for part in ("group_vars", "host_vars")
    ]
    arguments, project = policy.calls
    then = policy.root / "then"
    assert (arguments.inventory, arguments.limit) == (
        [str(then / "inventory"), "h1,h2", str(then / "other/hosts.yml")],
        "",
    )
    assert project == then and policy.compiled[1] == NOW


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("gone", "the inventory gone is not there"),
        ("there/hosts.yml", "the inventory there/hosts.yml is not in v1; --old-inventory names its place"),
    ],
)
def test_an_inventory_that_is_or_was_not_there_is_refused(
    policy: Policy, source: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(policy.root)
    Path("there").mkdir()
    Path("there/hosts.yml").touch()
    with pytest.raises(Refused, match=f"^{why}"):
        policy.earlier(source)


@pytest.mark.parametrize("error", [Refused("no host"), PolicyErrors([PolicyError("a.yml:3", "mode", "x", "y")])])
def test_why_a_policy_of_then_cannot_be_compiled_is_said(policy: Policy, error: Exception) -> None:
    policy.error = error
    with pytest.raises(Refused) as refused:
        policy.earlier()
    assert str(refused.value) == f"the policy of v1 cannot be compiled by the current code:\nv1:{error}"


def test_where_all_is_taken_as_now_there_is_nothing_to_compare(policy: Policy) -> None:
    policy.commits = {}
    with pytest.raises(Refused, match="^all of it is taken as it is now, so there is nothing to compare"):
        policy.earlier()


@pytest.mark.parametrize("option", ["old_inventory", "as_now"])
def test_a_run_takes_no_option_of_a_revision(policy: Policy, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_plans, "find_run", lambda reports, name: reports / name)
    with pytest.raises(Refused, match=f"^--{option.replace('_', '-')} goes with a git revision; a run has the plans"):
        policy.earlier(**{option: ["x"]})


CATALOGUES, WAIVERS = earlier_plans.FOLDERS


def test_the_folders_that_hosts_name_are_those_of_then(policy: Policy) -> None:
    (policy.root / "now-waivers").mkdir()
    (policy.root / "now-own").mkdir()
    values = {CATALOGUES: ["own", "gone", 5], WAIVERS: "waivers", "other": "own"}
    policy.hosts = [
        HostVariables("a", values, {}, "/in"),
        HostVariables("b", {CATALOGUES: "own", WAIVERS: ""}, {}, "/in"),
        HostVariables("c", {CATALOGUES: 7}, {}, "/in"),
        HostVariables("d", {CATALOGUES: ["own"]}, {}, "/elsewhere"),
    ]
    policy.earlier()
    question, _ = policy.compiled
    own, waivers, gone = (str(policy.root / "then" / f"now-{name}") for name in ("own", "waivers", "gone"))
    assert [host.values for host in question.hosts] == [
        {CATALOGUES: [own, gone, 5], WAIVERS: waivers, "other": "own"},
        {CATALOGUES: own, WAIVERS: ""},
        {CATALOGUES: 7},
        {CATALOGUES: [own]},
    ]
    assert question.reports == policy.root / "reports", "hosts that left are known to the runs of now"
    assert values[WAIVERS] == "waivers", "what is asked now stays"
    assert policy.then.paths[1:] == [
        (str(policy.root / "now-own"), CATALOGUES),
        ("/p/now-gone", CATALOGUES),
        (str(policy.root / "now-waivers"), WAIVERS),
        (str(policy.root / "now-own"), CATALOGUES),
    ]
    assert policy.then.optionals[2:] == [str(policy.root / name) for name in ("approvers.yml", "allowed_signers")]
