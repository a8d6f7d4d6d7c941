"""The git configuration of a host that pulls: each line closes a route by which a repository could run code there."""

from __future__ import annotations

import hashlib
import json
import resource
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


LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_AS)
PRINT = f"import resource\nprint([resource.getrlimit(which)[0] for which in {LIMITS}])"


@pytest.mark.parametrize("bounded", [None, True])
def test_only_what_talks_to_strangers_is_bounded(bounded: bool | None) -> None:
    """What a whole checkout may need to be written is no business of a limit on what comes over the network."""
    more = {} if bounded is None else {"bounded": bounded}
    code, said, printed = commits.ended([sys.executable, "-I", "-S", "-c", PRINT], 60, **more)
    limits = [512 << 20, 2 << 30] if bounded else [resource.getrlimit(which)[0] for which in LIMITS]
    assert (code, said, json.loads(printed)) == (0, "", limits)


def test_no_variable_of_a_caller_steers_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_EXEC_PATH", "GIT_SSH", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "LC_ALL"):
        monkeypatch.setenv(name, "a caller's")
    code = "import json, os\nprint(json.dumps(dict(os.environ)))"
    message = json.loads(commits.ended([sys.executable, "-I", "-S", "-c", code], 60)[2])
    assert {name: value for name, value in message.items() if name.startswith(("GIT_", "SSH_ASKPASS", "LC_ALL"))} == {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "LC_ALL": "C",
    }


@pytest.mark.parametrize(("more", "first"), [({}, ""), ({"first_commit": None}, ""), ({"first_commit": "a1"}, "a1")])
@pytest.mark.parametrize("signed", [True, False])
def test_what_a_checkout_goes_by(more: dict[str, str | None], first: str, signed: bool) -> None:
    of = commits.Checkout("/state", {"repository": "ssh://x/y", "branch": "main", "signed": signed, **more})
    assert (of.store, of.directory) == ("/state/repository", "/state/checkout")
    assert (of.repository, of.branch, of.first) == ("ssh://x/y", "main", first)
    assert of.signers == (commits.SIGNERS if signed else "")


def test_what_stood_in_a_repository_is_gone_before_git_reads_it(tmp_path: Path) -> None:
    of = commits.Checkout(str(tmp_path / "state"), {"repository": "https://x/y", "branch": "main", "signed": True})
    of._forget_fetched()  # nothing is there, and that is as good
    store = tmp_path / "state/repository"
    files = ("hooks/post-checkout", "info/attributes", "worktrees/x", "modules/x", "refs/replace/x", "config.worktree",
             "shallow", "objects/info/alternates", "objects/info/http-alternates", "objects/info/commit-graph",
             "objects/info/commit-graphs/x")  # fmt: skip
    for name in (*files, "config", "objects/kept", "refs/heads/main", "../checkout/.git/config"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("evil")
    (tmp_path / "state/checkout/.git/config").unlink()
    of.prepare()
    left = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    assert left == ["config", "objects/kept", "refs/heads/main"]
    assert (store / "config").read_text() == commits.CONFIG.format(scheme="https")
    assert not (tmp_path / "state/checkout/.git").exists()


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


def test_what_is_checked_out_is_roots_alone(tmp_path: Path) -> None:
    of = commits.Checkout(str(tmp_path), {"repository": "https://x/y", "branch": "main", "signed": True})
    (tmp_path / "repository/objects/info").mkdir(parents=True)
    of.prepare()
    assert (tmp_path / "checkout").stat().st_mode & 0o777 == 0o700


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


def test_the_end_of_a_program_s_errors_is_reported_as_one_line() -> None:
    code = "import sys\nsys.stderr.buffer.write(b'a' * 400 + b'\\xff\\n  b\\n')\nsys.stdout.write('out')\nsys.exit(3)"
    assert commits.ended([sys.executable, "-I", "-S", "-c", code], 60) == (3, "a" * 297 + "\ufffd b", b"out")
