"""Where a collection says its sources are: where the checkout was cloned from, and nothing of who cloned it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from proscribe.controller.cli.collection import metadata, sources
from proscribe.controller.cli.collection.full_names import Names
from proscribe.controller.cli.collection.metadata import Release

HERE = "https://git.example.org/it/proscribe"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (HERE, HERE),
        (f"{HERE}.git", HERE),
        (f"{HERE}.git/", HERE),
        ("https://git.example.org:8443/it/proscribe.git", "https://git.example.org:8443/it/proscribe"),
        ("https://alice:secret@git.example.org/it/proscribe.git", HERE),
        ("https://token@git.example.org/it/proscribe", HERE),
        ("git@git.example.org:it/proscribe.git", HERE),
        ("git.example.org:it/proscribe", HERE),
        ("git@git.example.org:/it/proscribe.git", HERE),
        ("ssh://git@git.example.org/it/proscribe.git", HERE),
        ("ssh://git@git.example.org:2222/it/proscribe.git", HERE),
        ("https://git.example.org/~alice/proscribe.git", "https://git.example.org/~alice/proscribe"),
        ("", ""),
        ("/srv/git/proscribe.git", ""),
        ("../proscribe", ""),
        ("file:///srv/git/proscribe.git", ""),
        ("http://git.example.org/it/proscribe.git", ""),  # nobody should fetch code from there
        ("work:it/proscribe.git", ""),  # a name of one account's SSH configuration
        ("https://git.example.org", ""),
        ("https://git.example.org/", ""),
        ("https://git.example.org/it/proscribe?token=secret", ""),
        ("https://git.example.org/it\nsecret", ""),
        ("ext::sh -c id", ""),
    ],
)
def test_the_address_of_what_was_cloned(remote: str, address: str) -> None:
    assert sources.address_of(remote) == address


@pytest.mark.parametrize("remote", ["", "https://alice:secret@git.example.org/it/proscribe.git"])
def test_a_checkout_says_where_it_was_cloned_from(tmp_path: Path, remote: str) -> None:
    assert sources.of_checkout(tmp_path) == "", "an archive without git"
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert sources.of_checkout(tmp_path) == (HERE if remote else "")


@pytest.mark.parametrize("repository", ["", HERE])
def test_what_nobody_knows_is_not_in_galaxy_yml(repository: str) -> None:
    names = Names("acme.ban", *[frozenset[str]()] * 4)
    release = Release(names, "1.0.0", "1.0.0", "", "a ban", "GPL-3.0-or-later", ">=2.19", repository)
    lines = metadata.galaxy(release).splitlines()
    assert [line for line in lines if "repository" in line] == ([f"repository: {HERE}"] if repository else [])
