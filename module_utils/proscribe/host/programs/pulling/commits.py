"""The commits that a host may run: fetched from one repository, signed by one of the signers, and only ever newer.

Goes to the host with `pull`, which imports it from beside itself, so it imports nothing of the project.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, Sequence

if TYPE_CHECKING:
    from ....model.types.schedule import PullSettings

SIGNERS = "/etc/proscribe/pull_signers"

FETCHING = 600  # seconds
LARGEST = 512 * 1024 * 1024  # bytes of any file that fetching writes: all of a fetch is one pack
MEMORY = 2 * 1024 * 1024 * 1024  # bytes that each program of a fetch may map
GOOD = "refs/proscribe/good"
FETCHED = "refs/proscribe/fetched"

# The whole configuration of git, whatever was in the repository's own file: of the repository nothing is run but what
# is checked out, and what came over the network is checked and bounded (git-config(1)).
CONFIG = """\
[core]
	repositoryFormatVersion = 0
	bare = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	fsmonitor = false
	commitGraph = false
	packedGitWindowSize = 32m
	packedGitLimit = 256m
[protocol]
	allow = never
[protocol "{scheme}"]
	allow = always
[fetch]
	fsckObjects = true
	unpackLimit = 1
	recurseSubmodules = false
[pack]
	threads = 1
[gc]
	autoDetach = false
[submodule]
	recurse = false
"""
SSH_SIGNATURE = re.compile(r"-----BEGIN SSH SIGNATURE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END SSH SIGNATURE-----\n?")


class Problem(Exception):
    """Something that keeps this run from being as it should, in words."""


def ended(
    argv: Sequence[str], timeout: float, stdin: str = os.devnull, bounded: bool = False
) -> tuple[int, str, bytes]:
    """Run a program to its end: its code, what it said, and what it printed. Raises Problem for one that is not there
    or does not end; then nothing that it has started goes on. `bounded`: as it talks to somebody that nobody knows yet.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_ASKPASS"))}
    environment.update(
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_GRAFT_FILE=os.devnull,
        GIT_TERMINAL_PROMPT="0",
        GIT_SSH_COMMAND="ssh -o BatchMode=yes",
        LC_ALL="C",
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    try:
        with (
            open(stdin, "rb") as given,
            subprocess.Popen(
                argv,
                env=environment,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that it can be ended with all that it has started
                preexec_fn=limit if bounded else None,  # this program has one thread
            ) as process,
        ):
            try:
                printed, said = process.communicate(timeout=timeout)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
    except FileNotFoundError:
        raise Problem(f"{argv[0]} is not installed on this host") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{argv[0]} did not end within {timeout:g} s") from None
    return process.returncode, " ".join(said.decode(errors="replace").split())[-300:], printed


class Checkout:
    """The repository as this host has it, and the files of one of its commits, in two directories."""

    def __init__(self, state: str, settings: PullSettings, signers: str = SIGNERS) -> None:
        self.store = os.path.join(state, "repository")
        self.directory = os.path.join(state, "checkout")
        self.repository = settings["repository"]
        self.branch = settings.get("branch", "")
        self.first = settings.get("first_commit") or ""
        self.signers = signers if settings.get("signed") else ""

    def git(self, *words: str, timeout: float = 120, bounded: bool = False) -> bytes:
        """What git prints. Raises Problem."""
        argv = ["git", f"--git-dir={self.store}", f"--work-tree={self.directory}", *words]
        code, said, printed = ended(argv, timeout, bounded=bounded)
        if code:
            raise Problem(f"git {words[0]}: {said or f'ended with {code}'}")
        return printed

    def _is(self, *words: str) -> bool:
        try:
            self.git(*words)
        except Problem:
            return False
        return True

    def good(self) -> str:
        """The last good commit; "" for none yet."""
        return self._commit(GOOD)

    def _commit(self, name: str) -> str:
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except Problem:
            return ""

    def prepare(self) -> None:
        """Make the repository as it has to be, whatever stood there. Raises Problem."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        # Where earlier versions had it, and where git would look for one.
        shutil.rmtree(os.path.join(self.directory, ".git"), ignore_errors=True)
        if not os.path.isdir(os.path.join(self.store, "objects")):
            shutil.rmtree(self.store, ignore_errors=True)
            code, said, _ = ended(["git", "init", "--quiet", "--bare", "--template=", self.store], 120)
            if code:
                raise Problem(f"git init: {said}")
        for name in ("hooks", "info", "worktrees", "modules", "refs/replace", "config.worktree", "shallow"):
            remove(os.path.join(self.store, name))
        for name in ("alternates", "http-alternates", "commit-graph", "commit-graphs"):
            remove(os.path.join(self.store, "objects/info", name))
        write(os.path.join(self.store, "config"), CONFIG.format(scheme=scheme_of(self.repository)).encode())

    def fetch(self) -> str:
        """The newest commit of the branch, if it may be run. Nothing is checked out yet. Raises Problem."""
        self.prepare()
        options = ("--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        branch = f"refs/heads/{self.branch}:{FETCHED}"  # a tag may have the branch's name
        with contextlib.suppress(Problem):  # git leaves what it was where it does not take what is there
            self.git("update-ref", "-d", FETCHED)
        try:
            try:
                self.git("fetch", *options, "--", self.repository, branch, timeout=FETCHING, bounded=True)
            except Problem as problem:
                raise Problem(f"the repository could not be fetched ({problem})") from None
            commit = self._commit(FETCHED)
            self._judge(commit)
        except Problem:
            self._forget_fetched()
            raise
        return commit

    def _judge(self, commit: str) -> None:
        """Raises Problem for a commit that may not be run."""
        short = commit[:12]
        if not commit:
            raise Problem("what was fetched is no commit, or the repository has no whole history (a shallow clone)")
        if self.signers:
            try:
                verify(self.git("cat-file", "commit", commit), commit, self.signers)
            except Problem as problem:
                raise Problem(f"commit {short} has no good signature ({problem})") from None
        if not self._begins_well(commit):
            why = f"is not, and does not come after, {self.first[:12]}, the first commit that is named for this host"
            raise Problem(f"commit {short} {why}")
        good = self.good()
        # A first commit that is named anew, which the last good one does not come after, begins another history.
        if good and self._begins_well(good) and not self._is("merge-base", "--is-ancestor", good, commit):
            raise Problem(
                f"commit {short} goes back behind the last good one, {good[:12]}, or comes from another branch"
            )

    def _begins_well(self, commit: str) -> bool:
        return not self.first or self._is("merge-base", "--is-ancestor", self.first, commit)

    def _forget_fetched(self) -> None:
        """Keep nothing of what was refused, or every night more of it would fill the disk."""
        if not self._commit(GOOD):
            shutil.rmtree(self.store, ignore_errors=True)
            return
        for words in (("update-ref", "-d", FETCHED), ("repack", "-a", "-d", "-q"), ("prune", "--expire=now")):
            with contextlib.suppress(Problem):
                self.git(*words)

    def have(self, commit: str) -> None:
        """Lay out exactly the files of a commit, whatever lay there. Raises Problem."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.store, "index.lock"))  # a run that was killed
        self.git("checkout", "--quiet", "--force", "--detach", commit)
        self.git("clean", "--quiet", "-ffdx", "--exclude=/.venv", "--exclude=/.venv-extras")

    def keep(self, commit: str) -> None:
        """From now on this is the last good commit."""
        self.git("update-ref", GOOD, commit)


def scheme_of(repository: str) -> str:
    """The only way by which git may fetch it, as protocol.<name>.allow has it. Raises Problem."""
    if repository.startswith("/"):
        return "file"
    scheme = repository.partition("://")[0] if "://" in repository else "ssh"  # user@host:path
    if scheme not in ("https", "ssh", "file"):
        raise Problem(f"the repository {repository!r} is fetched by none of https, ssh and file")
    return scheme


def verify(raw: bytes, commit: str, signers: str) -> None:
    """Raises Problem unless a commit was signed by one of the signers, with a key that is good now.

    Not left to git: it takes OpenPGP and X.509 as well, of whoever is in root's key ring. It judges an SSH key by the
    time that the commit itself gives (`-Overify-time` in git's gpg-interface.c), which whoever holds an expired key may
    choose. So the signature is taken out here and given to ssh-keygen, which judges by the time that it is.
    """
    algorithm = hashlib.sha1 if len(commit) == 40 else hashlib.sha256
    if algorithm(b"commit %d\0" % len(raw) + raw).hexdigest() != commit:
        raise Problem("its content is not what its name says")
    head, _, message = raw.partition(b"\n\n")
    payload: list[bytes] = []
    signatures: list[list[bytes]] = []
    ours = False
    for line in head.split(b"\n"):
        if not line.startswith(b" "):
            ours = line.startswith((b"gpgsig ", b"gpgsig-sha256 "))
            if ours:
                signatures.append([])
        if ours:
            signatures[-1].append(line.partition(b" ")[2])
        else:
            payload.append(line)
    if not signatures:
        raise Problem("it is not signed")
    if len(signatures) > 1:
        raise Problem("it has more than one signature")
    signature = b"\n".join(signatures[0]).decode("ascii", errors="replace")
    if not SSH_SIGNATURE.fullmatch(signature):
        raise Problem("its signature is none of SSH's")
    with tempfile.TemporaryDirectory(prefix="proscribe-") as made:
        given, signed = os.path.join(made, "signature"), os.path.join(made, "commit")
        write(given, signature.encode() + b"\n")
        write(signed, b"\n".join(payload) + b"\n\n" + message)
        keygen = ["ssh-keygen", "-Y"]
        code, said, printed = ended([*keygen, "find-principals", "-s", given, "-f", signers], 60)
        if code:
            raise Problem(f"none of the signers has made it, or their key is not good now: {said}")
        for principal in printed.decode(errors="replace").splitlines():
            check = ["verify", "-n", "git", "-I", principal, "-s", given, "-f", signers]
            code, said, _ = ended([*keygen, *check], 60, stdin=signed)
            if not code:
                return
        raise Problem(said or "ssh-keygen does not say why")


def write(path: str, content: bytes) -> None:
    """A file of this account's only, whole or not at all."""
    beside = f"{path}~"
    remove(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(beside, path)


def remove(path: str) -> None:
    """Take away a file, a link or a directory with all in it, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
