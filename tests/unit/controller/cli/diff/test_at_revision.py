"""The state of then comes out of each repository's own history, and nothing that the repository names is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from proscribe.controller.cli import Refused
from proscribe.controller.cli.diff.at_revision import FilesAtRevision
from proscribe.controller.cli.diff.revision import before, repository_of

WHEN = {"one": "2026-11-01T12:00:00+00:00", "two": "2026-11-10T12:00:00+00:00"}


class Made:
    """A repository: what is written into it, and commits on given days."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(parents=True)
        self.git("init", "--quiet")

    def git(self, *words: str, when: str = "2026-11-01T12:00:00+00:00") -> str:
        author = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        argv = ["git", "-C", str(self.top), "-c", "protocol.file.allow=always", *author, *words]
        environment = {**os.environ, **dates, "GIT_CONFIG_GLOBAL": os.devnull}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout.strip()

    def file(self, name: str, content: str) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def commit(self, when: str = WHEN["one"]) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x", when=when)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def two(tmp_path: Path) -> tuple[Made, Made]:
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
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def test_what_is_taken_as_it_is_now_has_to_be_named_and_is_recorded(two, into: Path) -> None:
    policy, catalogue = two
    then = FilesAtRevision("HEAD~1", into, [str(catalogue.top)])
    assert then.path(catalogue.top / "in", "the catalogue") == catalogue.top / "in"
    assert then.same == [catalogue.top / "in"]
    assert then.path(policy.top / "in", "the inventory") != policy.top / "in"


@pytest.mark.parametrize(
    ("where", "message"),
    [("nowhere", "is not there"), ("outside", "lies in no git checkout"), ("policy/new", "is not in HEAD~1")],
)
def test_what_has_no_state_of_then_is_refused(two, into: Path, tmp_path: Path, where: str, message: str) -> None:
    (tmp_path / "outside").mkdir()
    two[0].file("new/a.yml", "x")
    with pytest.raises(Refused, match=message):
        FilesAtRevision("HEAD~1", into).path(tmp_path / where, "the inventory")


def test_a_repository_inside_another_has_its_own_history(two, into: Path) -> None:
    waivers = Made(two[0].top / "in" / "waivers")
    for text in WHEN:
        waivers.file("w.yml", text)
        waivers.commit()
    found = FilesAtRevision("HEAD~1", into).path(two[0].top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("a.yml", "waivers/w.yml")] == ["one", "one"]


def test_links_lead_to_what_was_there_then(two, into: Path) -> None:
    policy, catalogue = two
    policy.file("shared/all.yml", "one")
    (policy.top / "in" / "group_vars").symlink_to("../shared")
    (policy.top / "in" / "waivers").symlink_to(catalogue.top / "in")
    policy.commit()
    policy.file("shared/all.yml", "two")
    found = FilesAtRevision("HEAD", into).path(policy.top / "in", "the inventory")
    assert [(found / name).read_text() for name in ("group_vars/all.yml", "waivers/a.yml")] == ["one", "two"]


def test_a_link_out_of_all_repositories_is_refused(two, into: Path, tmp_path: Path) -> None:
    (tmp_path / "anywhere").mkdir()
    (two[0].top / "in" / "waivers").symlink_to(tmp_path / "anywhere")
    two[0].commit()
    with pytest.raises(Refused, match="lies in no git checkout"):
        FilesAtRevision("HEAD", into).path(two[0].top / "in", "the inventory")


def test_a_submodule_is_refused(two, into: Path) -> None:
    policy, catalogue = two
    policy.git("submodule", "--quiet", "add", str(catalogue.top), "in/group_vars")
    policy.commit()
    with pytest.raises(Refused, match="is a submodule"):
        FilesAtRevision("HEAD", into).path(policy.top / "in", "the inventory")


def test_a_shallow_clone_says_so(two, into: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{two[0].top}", str(cut)], check=True)
    for name in ("HEAD~1", "2026-11-05"):
        with pytest.raises(Refused, match="shallow clone"):
            FilesAtRevision(name, into).path(cut / "in", "the inventory")


def test_a_missing_object_is_fetched_from_nowhere(two, into: Path, tmp_path: Path) -> None:
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
def test_a_day_of_no_calendar_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="is no day"):
        before(name)


def test_a_length_is_that_long_ago(two) -> None:
    assert before("7d") is not None
    found = repository_of(two[0].top)
    assert found is not None
    with pytest.raises(Refused, match="has no commit before"):
        found.revision("2026-10-01")


def test_without_git_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="git is not installed"):
        repository_of(tmp_path)


def test_paths_of_then_are_named_as_in_their_repositories(two, into: Path) -> None:
    then = FilesAtRevision("HEAD", into)
    assert then.located(f"{into}/0/a") == f"{into}/0/a" and then.now(Path("/x/../y")) == Path("/y")
    first, second = (then.path(made.top / "in", "the folder") for made in two)
    assert then.located(f"{first}/a.yml:3, {second}/a.yml") == f"HEAD:in/a.yml:3, HEAD:{two[1].top}/in/a.yml"
    assert [then.now(path) for path in (first / "a.yml", second / "../../own", into / "x")] == [
        two[0].top / "in/a.yml",
        two[1].top.parent / "own",
        into / "x",
    ]
