"""Plans of an earlier revision: files out of each repository's own history, and refusals."""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue
from properties import examples
from proscribe.controller.cli import Refused, inventory
from proscribe.controller.cli.diff import earlier_plans
from proscribe.controller.cli.diff.at_revision import FilesAtRevision
from proscribe.controller.cli.diff.revision import before, repository_of
from proscribe.controller.compile.inventory.inventory import HostVariables
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

ABC, DEF = "abc" * 14, "def" * 14
CATALOGUES, WAIVERS = earlier_plans.FOLDERS
CALLED_ALIKE = {"exclude": set(), "hosts": {"a"}, "domain": "crow.example.org", "waiver": False}
CALLED_ALIKE["own"] = "called as the project's"
WHEN = {"one": "2026-11-01T12:00:00+00:00", "two": "2026-11-10T12:00:00+00:00"}


@dataclasses.dataclass
class Inventory:
    """What the inventory of then says."""

    hosts: list[HostVariables]
    reports: Path | None = None


class Then:
    """Files at a revision: whatever is asked for was there, in one directory."""

    def __init__(self, root, commits, same, *given):
        self.root, self.commits, self.same = root, commits, same
        self.name, into, self.as_now = given
        assert into.is_dir()
        self.paths = []
        self.optionals = []

    def path(self, now, what):
        self.paths.append((str(now), what))
        return self.root / "then" / now.name

    def optional(self, now):
        self.optionals.append(str(now))

    def now(self, path):
        return path.parent / f"now-{path.name}"

    def located(self, text):
        return f"v1:{text}"


class Policy:
    """The policy of a revision, which is not really compiled."""

    def __init__(self, root, patch):
        self.root = root
        self.hosts = [HostVariables("a", {}, {}, "/in")]
        self.error = None
        self.then = None
        self.calls = None
        self.compiled = None
        self.commits = {Path("/srv/policy"): ABC}
        self.same = []
        patch.setattr(earlier_plans, "PROJECT", root / "project")
        patch.setattr(earlier_plans, "FilesAtRevision", self.at)
        patch.setattr(inventory, "question", self.question)
        patch.setattr(inventory, "sources", lambda named: named)
        patch.setattr(earlier_plans, "compile_hosts", self.compile)
        patch.setattr(earlier_plans, "read_exceptions", lambda question, compiled, now: None)
        patch.setattr(earlier_plans, "places_of", lambda folder, question, host: [Path("/p") / folder, root / folder])

    def at(self, *given):
        self.then = Then(self.root, self.commits, self.same, *given)
        return self.then

    def question(self, arguments, project):
        self.calls = (arguments, project)
        if self.error:
            raise self.error
        return Inventory(self.hosts)

    def compile(self, question, now):
        self.compiled = (question, now)
        return SimpleNamespace(hosts={"a": "sha256:1"}, plans={"sha256:1": {}})

    def earlier(self, *sources, **options):
        given = {"inventory": list(sources), "old_inventory": [], "as_now": [], "limit": "web", **options}
        return earlier_plans.earlier("v1", argparse.Namespace(**given), NOW, self.root / "reports")


@pytest.fixture
def policy(tmp_path, monkeypatch):
    return Policy(tmp_path.resolve(), monkeypatch)


def test_the_project_and_the_inventory_are_those_of_then(policy):
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
def test_an_inventory_that_is_or_was_not_there_is_refused(policy, source, why, monkeypatch):
    monkeypatch.chdir(policy.root)
    Path("there").mkdir()
    Path("there/hosts.yml").touch()
    with pytest.raises(Refused, match=f"^{why}"):
        policy.earlier(source)


@pytest.mark.parametrize("error", [Refused("no host"), PolicyErrors([PolicyError("a.yml:3", "mode", "x", "y")])])
def test_why_a_policy_of_then_cannot_be_compiled_is_said(policy, error):
    policy.error = error
    with pytest.raises(Refused) as refused:
        policy.earlier()
    assert str(refused.value) == f"the policy of v1 cannot be compiled by the current code:\nv1:{error}"


def test_where_all_is_taken_as_now_there_is_nothing_to_compare(policy):
    policy.commits = {}
    with pytest.raises(Refused, match="^all of it is taken as it is now, so there is nothing to compare"):
        policy.earlier()


@pytest.mark.parametrize("option", ["old_inventory", "as_now"])
def test_a_run_takes_no_option_of_a_revision(policy, option, monkeypatch):
    monkeypatch.setattr(earlier_plans, "find_run", lambda reports, name: reports / name)
    with pytest.raises(Refused, match=f"^--{option.replace('_', '-')} goes with a git revision; a run has the plans"):
        policy.earlier(**{option: ["x"]})


def test_the_folders_that_hosts_name_are_those_of_then(policy):
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


OWN = """---
id: crow
name: Crow
category: webmail
vendor: Example
enforce: true
audience: consumer
sources: [a test]
domains: [{domain}]
"""
WAIVER = """---
id: w1
services: [owl]
hosts: [a]
reason: r
requested_by: x
approved_by: b
approved_on: 2026-11-01T00:00:00Z
expires: 2026-12-31T00:00:00Z
"""


def git(top, *words):
    author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(top), *author, *words], check=True, capture_output=True)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(content)


STATES = st.fixed_dictionaries(
    {
        "exclude": st.sets(st.sampled_from(["parrot", "gull"])),
        "hosts": st.sets(st.sampled_from("abc"), min_size=1).map(lambda names: {"a", *names}),
        "domain": st.sampled_from(["crow.example", "crow.example.org"]),
        "waiver": st.booleans(),
        "own": st.sampled_from(["absolute", "relative", "templated", "called as the project's"]),
    }
)


@pytest.mark.slow
@examples(8, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # each runs git a lot
@example(CALLED_ALIKE, CALLED_ALIKE, False)
@given(STATES, STATES, st.booleans())
def test_the_plans_of_a_revision_are_those_that_were_compiled_then(tmp_path_factory, old, new, waivers_apart):
    where = tmp_path_factory.mktemp("histories").resolve()
    project, policy, own = where / "project", where / "policy", where / "own"
    made_catalogue(project / "catalog")
    (project / "playbooks").mkdir()
    waivers = policy / "waivers"
    for top in (project, policy, own, *([waivers] if waivers_apart else [])):
        top.mkdir(exist_ok=True)
        git(top, "init", "--quiet")
    write(policy / ".gitignore", "waivers/\n" if waivers_apart else "")
    write(policy / "approvers.yml", "all: {head: b}\n")
    arguments = argparse.Namespace(
        **dict.fromkeys(("extra_vars", "vault_ids", "vault_password_files", "old_inventory", "as_now"), []),
        inventory=[str(policy)],
        limit="",
        ask_vault_pass=False,
    )
    compiled = []
    for state in (old, new):
        write(
            policy / "hosts.yml", f"all: {{hosts: {{{', '.join(f'{name}: {{}}' for name in sorted(state['hosts']))}}}}}"
        )
        inside = state["own"] == "called as the project's"  # as docs/catalogue.md has a folder called in an inventory
        named = {
            "absolute": own,
            "relative": "../own",
            "templated": "{{ inventory_dir }}/../own",
            "called as the project's": "catalog",
        }[state["own"]]
        write(
            policy / "group_vars" / "all.yml",
            f"proscribe_catalog_dirs: ['{named}']\nproscribe_services_exclude: {sorted(state['exclude'])}\n",
        )
        crow = OWN.format(domain=state["domain"])
        write(own / "webmail" / "crow.yml", None if inside else crow)
        write(policy / "catalog" / "webmail" / "crow.yml", crow if inside else None)
        write(waivers / "w1.yml", WAIVER if state["waiver"] else None)
        compiled.append(compile_hosts(inventory.question(arguments, project), NOW).hosts)
        for top in (project, policy, own, *([waivers] if waivers_apart else [])):
            git(top, "add", "--all")
            git(top, "commit", "--quiet", "--allow-empty", "--message", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier_plans, "PROJECT", project)
        found = earlier_plans.earlier("HEAD~1", arguments, NOW, where / "reports")
    assert found.hosts == compiled[0]
    own_repository = [] if old["own"] == "called as the project's" else [own]
    assert set(found.commits) == {project, policy, *own_repository, *([waivers] if waivers_apart else [])}


class Made:
    """A repository: what is written into it, and commits on given days."""

    def __init__(self, top):
        self.top = top
        top.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *words, when="2026-11-01T12:00:00+00:00"):
        author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        argv = ["git", "-C", str(self.top), "-c", "protocol.file.allow=always", *author, *words]
        environment = {**os.environ, **dates, "GIT_CONFIG_GLOBAL": os.devnull}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def file(self, name, content):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def commit(self, when=WHEN["one"]):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x", when=when)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def two(tmp_path):
    """Two repositories with two commits each; `a.yml` says one, then two."""
    made = Made(tmp_path / "policy"), Made(tmp_path / "catalogue")
    for repository in made:
        for text in WHEN:
            repository.file("in/a.yml", text)
            repository.file("whose", repository.top.name)  # else both would have the same commits
            repository.commit(WHEN[text])
        repository.file("in/a.yml", "of the working tree")
    return made


@pytest.fixture
def into(tmp_path):
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def test_folder_that_is_taken_as_now_is_recorded(two, into):
    policy, catalogue = two
    then = FilesAtRevision("HEAD~1", into, [str(catalogue.top)])
    assert then.path(catalogue.top / "in", "the catalogue") == catalogue.top / "in"
    assert then.same == [catalogue.top / "in"]
    assert then.path(policy.top / "in", "the inventory") != policy.top / "in"


@pytest.mark.parametrize(
    ("where", "message"),
    [("nowhere", "is not there"), ("outside", "lies in no git checkout"), ("policy/new", "is not in HEAD~1")],
)
def test_path_without_an_earlier_state_is_refused(two, into, tmp_path, where, message):
    (tmp_path / "outside").mkdir()
    two[0].file("new/a.yml", "x")
    with pytest.raises(Refused, match=message):
        FilesAtRevision("HEAD~1", into).path(tmp_path / where, "the inventory")


def test_a_repository_inside_another_has_its_own_history(two, into):
    waivers = Made(two[0].top / "in" / "waivers")
    for text in WHEN:
        waivers.file("w.yml", text)
        waivers.commit()
    found = FilesAtRevision("HEAD~1", into).path(two[0].top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("a.yml", "waivers/w.yml")] == ["one", "one"]


def test_links_lead_to_what_was_there_then(two, into):
    policy, catalogue = two
    policy.file("shared/all.yml", "one")
    (policy.top / "in" / "group_vars").symlink_to("../shared")
    (policy.top / "in" / "waivers").symlink_to(catalogue.top / "in")
    policy.commit()
    policy.file("shared/all.yml", "two")
    found = FilesAtRevision("HEAD", into).path(policy.top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("group_vars/all.yml", "waivers/a.yml")] == ["one", "two"]


def test_a_link_out_of_all_repositories_is_refused(two, into, tmp_path):
    (tmp_path / "anywhere").mkdir()
    (two[0].top / "in" / "waivers").symlink_to(tmp_path / "anywhere")
    two[0].commit()
    with pytest.raises(Refused, match="lies in no git checkout"):
        FilesAtRevision("HEAD", into).path(two[0].top / "in", "the inventory")


def test_a_submodule_is_refused(two, into):
    policy, catalogue = two
    policy.git("submodule", "--quiet", "add", str(catalogue.top), "in/group_vars")
    policy.commit()
    with pytest.raises(Refused, match="is a submodule"):
        FilesAtRevision("HEAD", into).path(policy.top / "in", "the inventory")


def test_a_shallow_clone_says_so(two, into, tmp_path):
    cut = tmp_path / "cut"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{two[0].top}", str(cut)], check=True)
    for name in ("HEAD~1", "2026-11-05"):
        with pytest.raises(Refused, match="shallow clone"):
            FilesAtRevision(name, into).path(cut / "in", "the inventory")


def test_a_missing_object_is_fetched_from_nowhere(two, into, tmp_path):
    """What a partial clone lacks, git would get by whatever the repository's configuration names."""
    policy = two[0]
    ran = tmp_path / "ran"
    blob = policy.git("rev-parse", "HEAD:in/a.yml")
    (policy.top / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for key, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::touch {ran}"),
        ("protocol.ext.allow", "always"),
    ):
        policy.git("config", key, value)
    with pytest.raises(Refused, match="cannot bring back"):
        FilesAtRevision("HEAD", into).path(policy.top / "in", "the inventory")
    assert not ran.exists()


@pytest.mark.parametrize("name", ["2026-13-01", "2026-11-01Tnoon"])
def test_a_day_of_no_calendar_is_refused(name):
    with pytest.raises(Refused, match="is no day"):
        before(name)


def test_a_length_is_that_long_ago(two):
    assert before("7d") is not None
    found = repository_of(two[0].top)
    assert found is not None
    with pytest.raises(Refused, match="has no commit before"):
        found.revision("2026-10-01")


def test_without_git_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="git is not installed"):
        repository_of(tmp_path)


def test_paths_of_then_are_named_as_in_their_repositories(two, into):
    then = FilesAtRevision("HEAD", into)
    assert then.located(f"{into}/0/a") == f"{into}/0/a" and then.now(Path("/x/../y")) == Path("/y")
    first, second = (then.path(made.top / "in", "the folder") for made in two)
    assert then.located(f"{first}/a.yml:3, {second}/a.yml") == f"HEAD:in/a.yml:3, HEAD:{two[1].top}/in/a.yml"
    assert [then.now(path) for path in (first / "a.yml", second / "../../own", into / "x")] == [
        two[0].top / "in/a.yml",
        two[1].top.parent / "own",
        into / "x",
    ]
