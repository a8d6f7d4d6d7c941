"""Plans of an earlier revision: files out of each repository's own history, and refusals."""

import argparse
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from made_policy import NOW, made_catalogue
from properties import examples
from proscribe.controller.cli import Refused, inventory
from proscribe.controller.cli.diff import earlier_plans
from proscribe.controller.cli.diff.at_revision import FilesAtRevision
from proscribe.controller.cli.diff.revision import before, repository_of
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.policy_errors import PolicyError, PolicyErrors

CALLED_ALIKE = {"exclude": set(), "hosts": {"a"}, "domain": "crow.example.org", "waiver": False}
CALLED_ALIKE["own"] = "called as the project's"
WHEN = {"one": "2026-11-01T12:00:00+00:00", "two": "2026-11-10T12:00:00+00:00"}


OWN = (
    "---\nid: crow\nname: Crow\ncategory: webmail\nvendor: Example\nenforce: true\naudience: consumer\n"
    "sources: [a test]\ndomains: [{domain}]\n"
)
WAIVER = (
    "{id: w1, services: [owl], hosts: [a], reason: r, requested_by: x, approved_by: b,"
    " approved_on: 2026-11-01T00:00:00Z, expires: 2026-12-31T00:00:00Z}\n"
)

AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")


def git(top, *words):
    subprocess.run(["git", "-C", str(top), *AUTHOR, *words], check=True, capture_output=True)


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
    repositories = [project, policy, own, *([waivers] if waivers_apart else [])]
    for top in repositories:
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
        write(policy / "hosts.yml", json.dumps({"all": {"hosts": {name: {} for name in sorted(state["hosts"])}}}))
        inside = state["own"] == "called as the project's"  # as docs/catalogue.md has a folder called in an inventory
        places = {"absolute": own, "relative": "../own", "templated": "{{ inventory_dir }}/../own"}
        named = places.get(state["own"], "catalog")
        excluded = f"proscribe_services_exclude: {sorted(state['exclude'])}\n"
        write(policy / "group_vars" / "all.yml", f"proscribe_catalog_dirs: ['{named}']\n{excluded}")
        crow = OWN.format(domain=state["domain"])
        write(own / "webmail" / "crow.yml", None if inside else crow)
        write(policy / "catalog" / "webmail" / "crow.yml", crow if inside else None)
        write(waivers / "w1.yml", WAIVER if state["waiver"] else None)
        compiled.append(compile_hosts(inventory.question(arguments, project), NOW).hosts)
        for top in repositories:
            git(top, "add", "--all")
            git(top, "commit", "--quiet", "--allow-empty", "--message", "x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earlier_plans, "PROJECT", project)
        found = earlier_plans.earlier("HEAD~1", arguments, NOW, where / "reports")
    assert found.hosts == compiled[0]
    own_repository = [] if old["own"] == "called as the project's" else [own]
    assert set(found.commits) == {project, policy, *own_repository, *([waivers] if waivers_apart else [])}


class Made:
    def __init__(self, top):
        self.top = top
        top.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *words, when="2026-11-01T12:00:00+00:00"):
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        argv = ["git", "-C", str(self.top), "-c", "protocol.file.allow=always", *AUTHOR, *words]
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
def earlier(two, tmp_path, monkeypatch):
    """Call the reader of plans over the two repositories."""
    monkeypatch.setattr(earlier_plans, "PROJECT", tmp_path / "catalogue")
    monkeypatch.setattr(inventory, "sources", lambda names: names)
    (tmp_path / "catalogue/catalog").mkdir()
    Made.file(two[1], "catalog/x", "x")
    two[1].commit()

    def call(revision, *sources, **options):
        arguments = {"inventory": [str(source) for source in sources], "old_inventory": [], "as_now": [], "limit": ""}
        return earlier_plans.earlier(revision, argparse.Namespace(**arguments | options), NOW, tmp_path / "reports")

    return call


def test_inventory_that_is_or_was_not_there_is_refused(earlier, two):
    two[0].file("in/new.yml", "")
    for source, why in (("gone", "gone is not there"), ("in/new.yml", "is not in HEAD; --old-inventory names")):
        with pytest.raises(Refused, match=why):
            earlier("HEAD", two[0].top / source)


@pytest.mark.parametrize("error", [Refused("no host"), PolicyErrors([PolicyError("a.yml:3", "mode", "x", "y")])])
def test_policy_of_a_revision_that_does_not_compile_is_refused_with_the_reason(earlier, two, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(inventory, "question", refuse)
    with pytest.raises(Refused, match=f"cannot be compiled by the current code:\n{error}"):
        earlier("HEAD", two[0].top / "in/a.yml")


def test_comparison_with_everything_as_now_is_refused(earlier, two):
    with pytest.raises(Refused, match="nothing to compare"):
        earlier("HEAD", two[0].top / "in/a.yml", as_now=[str(made.top) for made in two])


@pytest.mark.parametrize("option", ["old_inventory", "as_now"])
def test_plans_of_a_run_take_no_option_of_a_revision(earlier, option, monkeypatch):
    monkeypatch.setattr(earlier_plans, "find_run", lambda reports, name: reports / name)
    with pytest.raises(Refused, match=f"^--{option.replace('_', '-')} goes with a git revision"):
        earlier("latest", **{option: ["x"]})


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
    policy, ran = two[0], tmp_path / "ran"
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
