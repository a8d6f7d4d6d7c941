"""The commits of a host that pulls: git's configuration, signatures, and the commits that are run or refused."""

import contextlib
import hashlib
import json
import os
import re
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.programs.pulling import commits
from proscribe.host.programs.pulling.commits import Checkout, PullError

COMMIT = "a1" * 20
SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\nAAAA\n-----END SSH SIGNATURE-----"
UNSIGNED = b"tree 1\nauthor a <a> 1 +0000\nmergetag object 2\n of it\nencoding x\n\nmessage\n\ngpgsig none\n"
CHECK = "ssh-keygen -Y verify -n git -I {} -s SIGNATURE -f /signers"
# The commits of a repository, each with its ancestors; `side` left main after `one`, and `three` is not signed.
PAST = {"one": {"one"}, "two": {"one", "two"}, "three": {"one", "two", "three"}, "side": {"one", "side"}}
PRINT_SELF = f"""\
import json, os, resource
limits = [resource.getrlimit(which)[0] for which in ({resource.RLIMIT_FSIZE}, {resource.RLIMIT_AS})]
print(json.dumps([limits, dict(os.environ)]))
"""
PARSED = "rev-parse --verify --quiet refs/proscribe/{}^{{commit}}"


def make_checkout(state: Path, **more: Any) -> Checkout:
    return Checkout(str(state), {"repository": "https://x/y", "branch": "main", "signed": False, **more})


class Ran:
    """The programs that were run, with their timeouts. Each answers as the first row that fits it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: Path, *answers: tuple[str, int, bytes]) -> None:
        self.state, self.answers = state, answers
        self.lines, self.limited = [], []
        self.files: list[tuple[bytes, bytes]] = []
        monkeypatch.setattr(commits, "run_program", self)

    def __call__(self, argv: Sequence[str], timeout: float, **more: Any) -> tuple[int, str, bytes]:
        repository = f"git --git-dir={self.state}/repository --work-tree={self.state}/checkout "
        line = " ".join(argv).removeprefix(repository)
        if argv[0] == "ssh-keygen":
            signature, signed = Path(argv[argv.index("-s") + 1]), Path(more.get("stdin", os.devnull))
            self.files.append((signature.read_bytes(), signed.read_bytes()))
            line = line.replace(str(signature), "SIGNATURE")
        self.lines.append((line, timeout))
        self.limited += [line.split()[0]] * bool(more.get("is_limited"))
        code, printed = next(((code, out) for words, code, out in self.answers if words in line), (0, b""))
        return code, f"said {code}" if code else "", printed


def test_git_gets_exactly_this_configuration():
    """Each line closes a route by which a repository could run code on the host."""
    assert [line.strip() for line in commits.GIT_CONFIG.splitlines() if line] == [
        "[core]",
        *("repositoryFormatVersion = 0", "bare = false", "hooksPath = /dev/null", "attributesFile = /dev/null"),
        *("fsmonitor = false", "commitGraph = false", "packedGitWindowSize = 32m", "packedGitLimit = 256m"),
        *("[protocol]", "allow = never", '[protocol "{scheme}"]', "allow = always"),
        *("[fetch]", "fsckObjects = true", "unpackLimit = 1", "recurseSubmodules = false"),
        *("[pack]", "threads = 1", "[gc]", "autoDetach = false", "[submodule]", "recurse = false"),
    ]


def test_directory_that_is_no_repository_is_made_anew(tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/rest").touch()
    checkout = make_checkout(tmp_path)
    checkout.prepare_repository()
    assert not (tmp_path / "repository/rest").exists() and (tmp_path / "repository/objects").is_dir()
    assert checkout.find_good_commit() == "" and (tmp_path / "checkout").stat().st_mode & 0o777 == 0o700


def test_lock_of_a_killed_run_is_removed(tmp_path, monkeypatch):
    def git(*words, **more):
        assert not lock.exists()
        commands.append(" ".join(words))
        return b""

    checkout, commands = make_checkout(tmp_path), []
    (tmp_path / "repository").mkdir()
    lock = tmp_path / "repository/index.lock"
    lock.touch()
    monkeypatch.setattr(checkout, "run_git", git)
    checkout.check_out_commit("a1")
    clean = "clean --quiet -ffdx --exclude=/.venv --exclude=/.venv-extras"
    assert commands[:2] == ["checkout --quiet --force --detach a1", clean]
    checkout.check_out_commit("a1")  # without a lock


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (b"", "is not signed"),
        (b"gpgsig a\n b\ngpgsig c\n d\n", "more than one signature"),
        (b"gpgsig -----BEGIN PGP SIGNATURE-----\n x\n", "none of SSH's"),
        (b"gpgsig \xff\n", "none of SSH's"),
    ],
)
def test_commit_without_exactly_one_signature_of_ssh_is_refused(headers, message):
    """Of two signatures, git might check one and Proscribe the other."""
    raw = b"tree 1\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n" + headers + b"\nmessage\n"
    for algorithm in (hashlib.sha1, hashlib.sha256):
        commit = algorithm(b"commit %d\0" % len(raw) + raw).hexdigest()
        with pytest.raises(PullError, match=message):
            commits.verify_signature(raw, commit, "/nowhere")
        with pytest.raises(PullError, match="^its content is not"):
            commits.verify_signature(raw + b"\n", commit, "/nowhere")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (["/nowhere/git"], "^/nowhere/git is not installed"),
        ([sys.executable, "-c", "import time\ntime.sleep(60)"], f"^{sys.executable} did not end within 0.5 s$"),
    ],
)
def test_program_that_is_missing_or_does_not_end_is_a_problem(program, message):
    with pytest.raises(PullError, match=message):
        commits.run_program(program, 0.5)


@pytest.mark.parametrize("good", [True, False])
def test_commit_that_could_not_be_fetched_is_forgotten(tmp_path, monkeypatch, good):
    (tmp_path / "repository/objects").mkdir(parents=True)
    ran = Ran(monkeypatch, tmp_path, ("fetch ", 128, b""), ("good^", 0 if good else 1, b"b2\n" if good else b""))
    with pytest.raises(PullError, match=r"could not be fetched \(git fetch: said 128\)$"):
        make_checkout(tmp_path).fetch_commit()
    assert (tmp_path / "repository").exists() is good
    forgets = ["update-ref -d refs/proscribe/fetched", "repack -a -d -q", "prune --expire=now"]
    assert [line for line, _ in ran.lines[2:]] == [PARSED.format("good"), *forgets * good]


def test_good_commit_is_kept_and_its_ancestors_are_checked(tmp_path, monkeypatch):
    ran = Ran(monkeypatch, tmp_path, ("good^", 0, b"b2\n"))
    checkout = make_checkout(tmp_path, first_commit="f1")
    checkout.keep_good_commit(COMMIT)
    assert checkout.find_good_commit() == "b2"
    checkout._check_commit(COMMIT)
    checks = [f"merge-base --is-ancestor {pair}" for pair in (f"f1 {COMMIT}", "f1 b2", f"b2 {COMMIT}")]
    good, lines = PARSED.format("good"), [line for line, _ in ran.lines]
    assert lines == [f"update-ref refs/proscribe/good {COMMIT}", good, checks[0], good, *checks[1:]]


@pytest.mark.parametrize(
    ("scheme", "repositories"),
    [
        ("file", ("/srv/policy.git", "file:///srv/policy.git")),
        ("https", ("https://x/y",)),
        ("ssh", ("ssh://git@x/y", "git@x:y.git")),
        ("", ("http://x/y", "ext://x")),
    ],
)
def test_repository_is_fetched_by_https_ssh_or_file_only(scheme, repositories):
    for repository in repositories:
        refused = pytest.raises(PullError, match=f"'{repository}' is fetched by none of https, ssh and file")
        with contextlib.nullcontext() if scheme else refused:
            assert commits.find_git_scheme(repository) == scheme


def sign(header: bytes = b"gpgsig") -> tuple[bytes, str]:
    """Return a commit with a signature among its headers, and its name."""
    raw = UNSIGNED.replace(b"encoding", header + b" " + SIGNATURE.replace(b"\n", b"\n ") + b"\nencoding")
    return raw, hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()


@pytest.mark.parametrize("header", [b"gpgsig", b"gpgsig-sha256"])
def test_signature_is_checked_for_each_signer_until_one_fits(tmp_path, monkeypatch, header):
    ran = Ran(monkeypatch, tmp_path, ("find-principals", 0, b"ann\nbob\neve\n"), ("-I ann", 255, b""))
    commits.verify_signature(*sign(header), "/signers")
    checks = [(CHECK.format(name), 60) for name in ("ann", "bob")]
    assert ran.lines == [("ssh-keygen -Y find-principals -s SIGNATURE -f /signers", 60), *checks]
    assert ran.files == [(SIGNATURE + b"\n", content) for content in (b"", UNSIGNED, UNSIGNED)]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([("find-principals", 255, b"")], "none of the signers has made it.*: said 255$"),
        ([("find-principals", 0, b"ann\n"), ("verify", 255, b"")], "^said 255$"),
        ([("find-principals", 0, b"")], "."),
    ],
)
def test_signature_of_nobody_is_refused(tmp_path, monkeypatch, answers, reason):
    Ran(monkeypatch, tmp_path, *answers)
    with pytest.raises(PullError, match=reason):
        commits.verify_signature(*sign(), "/signers")


def test_path_of_any_kind_is_removed_and_no_link_is_followed(tmp_path):
    (tmp_path / "kept/inner").mkdir(parents=True)
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("kept")
    for name in ("folder", "file", "link", "none"):
        commits.remove_path(str(tmp_path / name))
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["kept", "kept/inner"]


@pytest.fixture
def history(monkeypatch):
    class Judged(Checkout):
        def run_git(self, *words, **_):
            if words[:2] == ("cat-file", "commit"):
                return words[2].encode()
            if words[0] == "merge-base" and words[2] not in PAST[words[3]]:
                raise PullError("it is not")
            return b""

    def verify(raw, commit, signers):
        assert raw == commit.encode() and signers == commits.SIGNERS_PATH
        if commit == "three":
            raise PullError("it is not signed")

    def make(good, signed=True, first=""):
        settings = {"repository": "/r", "branch": "main", "signed": signed, "first_commit": first}
        checkout = Judged("/nowhere", settings)
        monkeypatch.setattr(checkout, "find_good_commit", lambda: good)
        return checkout

    monkeypatch.setattr(commits, "verify_signature", verify)
    return make


@pytest.mark.parametrize(
    ("commit", "good", "more", "refused"),
    [
        ("two", "", {}, ""),
        ("two", "one", {}, ""),
        ("two", "two", {}, ""),
        ("three", "two", {}, "no good signature (it is not signed)"),
        ("three", "two", {"signed": False}, ""),
        ("one", "two", {}, "goes back behind the last good one"),
        ("side", "two", {}, "or comes from another branch"),
        ("two", "", {"first": "one"}, ""),
        ("one", "", {"first": "one"}, ""),
        ("one", "", {"first": "two"}, "does not come after, two, the first commit"),
        ("two", "side", {"first": "two"}, ""),  # a first one that is named anew begins another history
        ("", "one", {}, "what was fetched is no commit"),
    ],
)
def test_commit_is_run_or_refused(history, commit, good, more, refused):
    with pytest.raises(PullError, match=re.escape(refused)) if refused else contextlib.nullcontext():
        history(good, **more)._check_commit(commit)


def test_refused_commit_is_not_kept(history, monkeypatch):
    """Every night more of it would fill the disk."""
    checkout, forgotten = history("two"), []
    monkeypatch.setattr(checkout, "prepare_repository", lambda: None)
    monkeypatch.setattr(checkout, "_find_commit", lambda name: "one")
    monkeypatch.setattr(checkout, "_forget_fetched", lambda: forgotten.append("fetched"))
    with pytest.raises(PullError, match="goes back"):
        checkout.fetch_commit()
    assert forgotten == ["fetched"]
    monkeypatch.setattr(checkout, "_find_commit", lambda name: "two")
    assert checkout.fetch_commit() == "two" and forgotten == ["fetched"]


@pytest.mark.parametrize("is_limited", [False, True])
def test_program_has_no_variable_of_the_caller_and_limits_where_it_talks_to_strangers(monkeypatch, is_limited):
    for name in ("GIT_DIR", "GIT_EXEC_PATH", "GIT_SSH", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "LC_ALL"):
        monkeypatch.setenv(name, "a caller's")
    more = {"is_limited": True} if is_limited else {}
    code, message, printed = commits.run_program([sys.executable, "-I", "-S", "-c", PRINT_SELF], 60, **more)
    limits, environment = json.loads(printed)
    plain = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_FSIZE, resource.RLIMIT_AS)]
    assert (code, message, limits) == (0, "", [512 << 20, 2 << 30] if is_limited else plain)
    assert {name: value for name, value in environment.items() if name.startswith(("GIT_", "SSH_ASK", "LC_ALL"))} == {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes", "LC_ALL": "C",
    }  # fmt: skip


def test_end_of_the_errors_of_a_program_is_one_line():
    code = "import sys\nsys.stderr.buffer.write(b'a' * 400 + b'\\xff\\n  b\\n')\nsys.stdout.write('out')\nsys.exit(3)"
    assert commits.run_program([sys.executable, "-I", "-S", "-c", code], 60) == (3, "a" * 297 + "\ufffd b", b"out")


def test_files_that_steer_git_are_gone_before_git_reads_them(tmp_path):
    checkout, store = make_checkout(tmp_path / "state"), tmp_path / "state/repository"
    checkout._forget_fetched()  # there is no repository, which is no problem
    evil = ("hooks/post-checkout", "info/attributes", "worktrees/x", "modules/x", "refs/replace/x", "config.worktree",
            "shallow", "objects/info/alternates", "objects/info/http-alternates", "objects/info/commit-graph",
            "objects/info/commit-graphs/x")  # fmt: skip
    for name in (*evil, "config", "objects/kept", "refs/heads/main", "../checkout/.git/config"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("evil")
    (tmp_path / "state/checkout/.git/config").unlink()
    checkout.prepare_repository()
    files = sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())
    assert files == ["config", "objects/kept", "refs/heads/main"]
    config = (store / "config").read_text()
    assert "evil" not in config and '[protocol "https"]' in config
    assert not (tmp_path / "state/checkout/.git").exists()


def test_fetch_begins_a_repository_and_names_the_commit(tmp_path, monkeypatch):
    ran = Ran(monkeypatch, tmp_path, ("fetched^", 0, COMMIT.encode() + b"\n"), ("good^", 1, b""))
    monkeypatch.setattr(commits, "write_private_file", lambda path, content: None)
    assert make_checkout(tmp_path).fetch_commit() == COMMIT
    options = "--quiet --force --no-tags --no-recurse-submodules --no-write-fetch-head"
    assert ran.lines == [
        (f"git init --quiet --bare --template= {tmp_path}/repository", 120),
        ("update-ref -d refs/proscribe/fetched", 120),
        (f"fetch {options} -- https://x/y refs/heads/main:refs/proscribe/fetched", 600),
        (PARSED.format("fetched"), 120),
        (PARSED.format("good"), 120),
    ]
    assert ran.limited == ["fetch"], "it alone talks to somebody that nobody knows"


def test_written_file_is_of_this_account_alone_and_replaces_links(tmp_path):
    path = tmp_path / "config"
    path.write_text("old")
    (tmp_path / "config~").symlink_to(path)
    commits.write_private_file(str(path), b"new")
    assert (path.read_text(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("new", 0o600, ["config"])


@pytest.mark.parametrize(
    ("ended", "message"),
    [
        ((128, "fatal: no such branch", b""), "git fetch: fatal: no such branch"),
        ((1, "", b""), "git fetch: ended with 1"),
        ((0, "warning: slow", b"printed"), None),
    ],
)
def test_failure_of_git_is_a_problem(monkeypatch, ended, message):
    calls, checkout = [], make_checkout(Path("/nowhere"))
    monkeypatch.setattr(
        commits, "run_program", lambda argv, timeout, is_limited: calls.append((timeout, is_limited)) or ended
    )
    if message is None:
        assert (
            checkout.run_git("fetch", "origin") == checkout.run_git("fetch", timeout=9, is_limited=True) == b"printed"
        )
        assert calls == [(120, False), (9, True)]
    else:
        with pytest.raises(PullError, match=f"^{message}$"):
            checkout.run_git("fetch", "origin")
