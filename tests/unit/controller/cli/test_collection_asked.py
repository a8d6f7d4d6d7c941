"""`collection`: options, version of the commit, place, and source address."""

import datetime
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.controller.cli import Refused, collection, command_line
from proscribe.controller.cli.collection import sources
from proscribe.wire import installation

PROJECT = """\
[project]
version = "1.2.0"
description = "A ban"
license = "GPL-3.0-or-later"
dependencies = ["{needs}"]
{urls}
"""
USUAL = (collection.NAMESPACE, collection.NAME)


class Checkout:
    def __init__(self, root, patch):
        self.root = root / "root"
        self.root.mkdir()
        self.says()
        self.commit = SimpleNamespace(tag="", time=datetime.date(2026, 11, 5))
        self.cloned = ""
        self.made = {}
        patch.setattr(installation, "ROOT", self.root)
        for name, answer in (
            ("source_files", "source"), ("build", "built"), ("packed", b"packed"), ("file_name", "p-b.tar.gz"),
            ("collection_files", "files"), ("target_of", "target"), ("place", None), ("version", "1.2.0+5"),
        ):  # fmt: skip
            patch.setattr(collection, name, self.noting(name, answer))
        patch.setattr(collection, "Names", SimpleNamespace(of=lambda source, *names: names))
        patch.setattr(collection, "commit_of", lambda root, declared: self.commit if declared == "1.2.0" else None)
        patch.setattr(collection.sources, "of_checkout", lambda root: self.cloned)

    def noting(self, name, answer):
        return lambda *given: self.made.update({name: given}) or answer

    def says(self, urls=""):
        (self.root / "pyproject.toml").write_text(PROJECT.format(needs="ansible-core>=2.19,<2.22", urls=urls))

    def run(self, *options):
        run, arguments = command_line.read("collection", options)
        assert run(arguments) == 0


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Checkout(tmp_path, monkeypatch)


def test_collection_is_placed_in_a_collections_path(checkout, capsys):
    checkout.run("--directory", "collections")
    assert checkout.made["target_of"] == (Path("collections"), USUAL)
    assert checkout.made["packed"] == ("files", USUAL, "1.2.0+5")
    assert checkout.made["place"] == (b"packed", "target") and "build" not in checkout.made
    assert capsys.readouterr() == ("target\n", f"{collection.NO_REPOSITORY}\n")
    assert os.listdir() == ["root"]


def test_collection_is_packed_for_a_new_repository(checkout, capsys):
    assert collection.archive() == ("p-b.tar.gz", b"packed")
    assert checkout.made["source_files"] == (checkout.root,) and checkout.made["file_name"] == (USUAL, "1.2.0+5")
    source, names, release = checkout.made["collection_files"]
    assert (source, names, release.repository) == ("source", USUAL, "")
    assert checkout.made["packed"] == ("files", USUAL, "1.2.0+5") and capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("tag", "refused"),
    [("", ""), ("v1.2.0", ""), ("v1.3.0", "found '1.2.0', expected 1.3.0 as the tag of this commit")],
)
def test_version_of_a_collection_is_that_of_the_tag(checkout, tag, refused):
    checkout.commit.tag = tag
    if refused:
        with pytest.raises(Refused, match=f"pyproject.toml: version: {refused}"):
            checkout.run()
        assert "build" not in checkout.made
    else:
        checkout.run()


def test_without_a_commit_its_day_is_not_known(checkout):
    checkout.commit = None
    checkout.run()
    assert checkout.made["collection_files"][2].day == ""


def test_collection_is_not_built_from_a_collection(checkout, monkeypatch):
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    with pytest.raises(Refused, match="this is the collection acme.ban; it is built from a checkout"):
        checkout.run()


@pytest.mark.parametrize("remote", ["", "https://alice:secret@git.example.org/it/proscribe.git"])
def test_a_checkout_says_where_it_was_cloned_from(tmp_path, remote):
    assert sources.of_checkout(tmp_path) == "", "an archive without git"
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert sources.of_checkout(tmp_path) == ("https://git.example.org/it/proscribe" if remote else "")
