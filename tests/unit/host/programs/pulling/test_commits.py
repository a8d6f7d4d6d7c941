"""The git configuration of a host that pulls: each line closes a route by which a repository could run code there."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from proscribe.host.programs.pulling import commits


def test_git_gets_exactly_this_configuration() -> None:
    message: dict[str, dict[str, str]] = {}
    for line in commits.CONFIG.splitlines():
        if line.startswith("["):
            section = message.setdefault(line.strip("[]"), {})
        else:
            key, _, value = line.strip().partition(" = ")
            section[key] = value
    assert message == {
        "core": {
            "repositoryFormatVersion": "0",
            "bare": "false",
            "hooksPath": "/dev/null",
            "attributesFile": "/dev/null",
            "fsmonitor": "false",
            "commitGraph": "false",
            "packedGitWindowSize": "32m",
            "packedGitLimit": "256m",
        },
        "protocol": {"allow": "never"},
        'protocol "{scheme}"': {"allow": "always"},
        "fetch": {"fsckObjects": "true", "unpackLimit": "1", "recurseSubmodules": "false"},
        "pack": {"threads": "1"},
        "gc": {"autoDetach": "false"},
        "submodule": {"recurse": "false"},
    }


def test_what_is_no_repository_is_made_anew(tmp_path: Path) -> None:
    of = commits.Checkout(str(tmp_path), {"repository": "https://x/y", "branch": "main", "signed": True})
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/rest").touch()
    of.prepare()
    assert not (tmp_path / "repository/rest").exists() and (tmp_path / "repository/objects").is_dir()
    assert of.good() == ""


def test_a_run_that_was_killed_leaves_no_lock_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = commits.Checkout(str(tmp_path), {"repository": "https://x/y", "branch": "main", "signed": True})
    (tmp_path / "repository").mkdir()
    lock = tmp_path / "repository/index.lock"
    lock.touch()
    commands: list[str] = []

    def git(*words: str, **more: object) -> bytes:
        assert not lock.exists()
        commands.append(" ".join(words))
        return b""

    monkeypatch.setattr(of, "git", git)
    of.have("a1")
    assert commands[:2] == [
        "checkout --quiet --force --detach a1",
        "clean --quiet -ffdx --exclude=/.venv --exclude=/.venv-extras",
    ]
    of.have("a1")  # without one


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (b"", "it is not signed"),
        (b"gpgsig a\n b\ngpgsig c\n d\n", "it has more than one signature"),
        (b"gpgsig -----BEGIN PGP SIGNATURE-----\n x\n", "its signature is none of SSH's"),
        (b"gpgsig \xff\n", "its signature is none of SSH's"),
    ],
)
def test_a_commit_has_one_signature_of_ssh(headers: bytes, message: str) -> None:
    """Of two signatures, git might check one and Proscribe the other."""
    raw = b"tree 1\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n" + headers + b"\nmessage\n"
    for algorithm in (hashlib.sha1, hashlib.sha256):
        commit = algorithm(b"commit %d\0" % len(raw) + raw).hexdigest()
        with pytest.raises(commits.Problem) as wrong:
            commits.verify(raw, commit, "/nowhere")
        assert str(wrong.value) == message
        with pytest.raises(commits.Problem, match="^its content is not what its name says$"):
            commits.verify(raw + b"\n", commit, "/nowhere")


@pytest.mark.parametrize(
    ("program", "timeout", "message"),
    [
        (["/nowhere/git"], 60, "/nowhere/git is not installed on this host"),
        ([sys.executable, "-c", "import time\ntime.sleep(60)"], 0.5, f"{sys.executable} did not end within 0.5 s"),
    ],
)
def test_a_program_that_is_not_there_or_does_not_end_is_a_problem(
    program: list[str], timeout: float, message: str
) -> None:
    with pytest.raises(commits.Problem) as wrong:
        commits.ended(program, timeout)
    assert str(wrong.value) == message
