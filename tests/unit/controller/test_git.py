"""Calls of git in a repository that anybody may have written."""

import os

import pytest
from proscribe.controller.git import git

GIT = """#!/bin/sh
pwd -P; cat; echo; echo oops >&2
for word; do echo "argument $word"; done
env | sort
exit 3
"""
ALWAYS = {"LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none", "GIT_ATTR_NOSYSTEM": "1", "GIT_GRAFT_FILE": "/dev/null"}
ALWAYS |= dict.fromkeys(("GIT_NO_LAZY_FETCH", "GIT_NO_REPLACE_OBJECTS"), "1")
ALWAYS |= dict.fromkeys(("GIT_OPTIONAL_LOCKS", "GIT_TERMINAL_PROMPT"), "0")
ALONE = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture(autouse=True)
def surrounding(tmp_path, monkeypatch):
    """A git that says how it was called, and what a hook of another repository has set."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(GIT)
    (tmp_path / "bin/git").chmod(0o755)
    set_before = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": "/home/a", "LC_ALL": "de_DE.UTF-8"}
    set_before |= {"GIT_DIR": "/elsewhere/.git", "GIT_CONFIG_GLOBAL": "/elsewhere/config"}
    set_before |= {"SSH_ASKPASS": "/elsewhere/asks", "SSH_ASKPASS_REQUIRE": "force"}
    for name, value in set_before.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("alone", "own"), [(False, {}), (True, ALONE)])
@pytest.mark.parametrize("more", [{}, {"GIT_INDEX_FILE": "/x", "GIT_GRAFT_FILE": "/y"}])
def test_git_ignores_environment_and_hooks_of_the_repository(tmp_path, alone, own, more):
    done = git(tmp_path, "log", "--x", patience=600, alone=alone, content=b"\xff content", more=more or None)
    assert (done.returncode, done.stderr) == (3, b"oops\n")
    where, content, *said = done.stdout.splitlines()
    assert (where.decode(), content) == (os.path.realpath(tmp_path), b"\xff content")
    words = [line.decode() for line in said]
    assert [word.removeprefix("argument ") for word in words if word.startswith("argument ")] == [
        *["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0"],
        "log",
        "--x",
    ]
    environment = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("argument "))
    concerning = {name: value for name, value in environment.items() if name.startswith(("GIT_", "SSH_ASK", "LC_ALL"))}
    assert environment["HOME"] == "/home/a" and concerning == {**ALWAYS, **own, **more}


def test_without_git_that_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        git(tmp_path, "log", patience=600)
