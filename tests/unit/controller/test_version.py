"""Version of the code: of a tag, a commit, a changed checkout, an archive, a collection."""

import datetime
import itertools
import json
import os
import subprocess

import pytest
from ansible.utils.version import SemanticVersion
from proscribe.controller import version as versions
from proscribe.controller.git import git as git_of_code
from proscribe.controller.version import Commit, version, version_of
from proscribe.wire import installation

NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.timezone.utc)


def test_versions_rise_with_time_as_ansible_galaxy_orders_them():
    later = NOON + datetime.timedelta(seconds=1)
    order = [
        "0.1.0",
        f"{'0.2.0'}-dev",  # an archive without git, of no known commit
        version_of("0.2.0", Commit("ffffffff", NOON, "", False, False)),
        version_of("0.2.0", Commit("00000000", later, "", False, False)),
        version_of("0.2.0", Commit("00000000", later, "v0.2.0", True, False)),
        version_of("0.2.0", Commit("00000000", later, "", True, False)),
        "0.2.1",
    ]
    parsed = [SemanticVersion(one) for one in order]
    assert all(one < two for one, two in itertools.pairwise(parsed)), order


def git(root, *words):
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_COMMITTER_DATE": "2026-11-30T12:00:00Z"}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *words], cwd=root, env={**os.environ, **own}, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    for path, text in (
        ("pyproject.toml", '[project]\nname = "x"\nversion = "0.2.0"\n'),
        ("CHANGELOG.md", "# C\n\n## [0.2.0] - unreleased\n\n## [0.1.0] - 2026-01-02\n"),
        ("library/one.py", "1"),
        ("inventory/hosts.yml", "all:\n"),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def test_a_branch_without_a_commit_has_no_version_of_another_one(checkout):
    git(checkout, "tag", "v0.2.0")
    git(checkout, "checkout", "--quiet", "--orphan", "empty")
    assert version(checkout) == "0.2.0-dev"


def test_git_is_asked_two_questions_and_reads_no_history(checkout, monkeypatch):
    commands = []
    monkeypatch.setattr(
        versions, "git", lambda *words, **more: commands.append(words[1]) or git_of_code(*words, **more)
    )
    version(checkout)
    assert commands == ["log", "status"]


def test_checkout_without_git_tool_is_no_release(checkout, monkeypatch):
    git(checkout, "tag", "v0.2.0")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert version(checkout) == "0.2.0-dev"


@pytest.mark.parametrize(("day", "expected"), [("unreleased", "0.2.0-dev"), ("2026-12-01", "0.2.0")])
def test_an_archive_without_git_is_a_release_where_the_changelog_has_its_day(checkout, day, expected):
    (checkout / ".git").rename(checkout / "elsewhere")
    (checkout / "CHANGELOG.md").write_text(f"# C\n\n## [0.2.0] - {day}\n")
    assert version(checkout) == expected


def test_an_installed_collection_says_what_its_manifest_says(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    for text, expected in ((None, "unknown"), ("[]", "unknown"), (manifest("1.2.3"), "1.2.3")):
        versions.own.cache_clear()
        if text is not None:
            (tmp_path / "MANIFEST.json").write_text(text)
        assert versions.own() == expected
    versions.own.cache_clear()


def manifest(said):
    return json.dumps({"collection_info": {"namespace": "acme", "name": "ban", "version": said}})
