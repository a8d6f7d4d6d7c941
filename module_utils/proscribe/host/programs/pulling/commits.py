"""Commits that a host may run: from one repository, signed by a listed signer, and never older than the last.

This file is installed beside `pull`, which imports it. So this file imports no other module of Proscribe.
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

SIGNERS_PATH = "/etc/proscribe/pull_signers"

FETCH_TIMEOUT_SECONDS = 600
MAX_FILE_BYTES = 512 * 1024 * 1024  # limit for each file that a fetch writes; git stores a whole fetch in one file
MAX_MEMORY_BYTES = 2 * 1024 * 1024 * 1024  # limit for the memory of each program of a fetch
GOOD_REF = "refs/proscribe/good"
FETCHED_REF = "refs/proscribe/fetched"

# This text replaces the repository's configuration of git. So git runs no hook, filter or other program that the
# repository names. Data from the network is checked and limited (git-config(1)).
GIT_CONFIG = """\
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
SSH_SIGNATURE_PATTERN = re.compile(
    r"-----BEGIN SSH SIGNATURE-----\n(?:[A-Za-z0-9+/=]{1,76}\n)+-----END SSH SIGNATURE-----\n?"
)


class PullError(Exception):
    """Problem because of which a commit cannot be fetched, checked or run, as text for the operator."""


def run_program(
    argv: Sequence[str], timeout: float, stdin: str = os.devnull, is_limited: bool = False
) -> tuple[int, str, bytes]:
    """Run a program to its end. Return its exit code, the end of its error messages, and its output.

    The program runs without the caller's git settings. `stdin` is the path of its input. `is_limited` limits memory and
    file sizes, for a program that talks to an unverified peer. Raises PullError if the program is missing or does not
    end within `timeout` seconds. In the second case, the program and its descendants are killed.
    """
    environment = {
        name: setting for name, setting in os.environ.items() if not name.startswith(("GIT_", "SSH_ASKPASS"))
    }
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

    def set_limits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))

    try:
        with (
            open(stdin, "rb") as input_file,
            subprocess.Popen(
                argv,
                env=environment,
                stdin=input_file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that the program can be ended with all its descendants
                preexec_fn=set_limits if is_limited else None,  # safe, because this program has only one thread
            ) as process,
        ):
            try:
                output, message = process.communicate(timeout=timeout)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
    except FileNotFoundError:
        raise PullError(f"{argv[0]} is not installed on this host") from None
    except subprocess.TimeoutExpired:
        raise PullError(f"{argv[0]} did not end within {timeout:g} s") from None
    return process.returncode, " ".join(message.decode(errors="replace").split())[-300:], output


class Checkout:
    """Git repository of this host and, in another directory, the checked-out files of one commit."""

    def __init__(self, state_directory: str, settings: PullSettings, signers_path: str = SIGNERS_PATH) -> None:
        self.repository_directory = os.path.join(state_directory, "repository")
        self.directory = os.path.join(state_directory, "checkout")
        self.repository = settings["repository"]
        self.branch = settings.get("branch", "")
        self.first_commit = settings.get("first_commit") or ""
        self.signers_path = signers_path if settings.get("signed") else ""

    def run_git(self, *arguments: str, timeout: float = 120, is_limited: bool = False) -> bytes:
        """Run git and return its output. Raises PullError."""
        argv = ["git", f"--git-dir={self.repository_directory}", f"--work-tree={self.directory}", *arguments]
        code, message, output = run_program(argv, timeout, is_limited=is_limited)
        if code:
            raise PullError(f"git {arguments[0]}: {message or f'ended with {code}'}")
        return output

    def _is_git_success(self, *arguments: str) -> bool:
        try:
            self.run_git(*arguments)
        except PullError:
            return False
        return True

    def find_good_commit(self) -> str:
        """Return the last commit that was run with a report; "" if there is none yet."""
        return self._find_commit(GOOD_REF)

    def _find_commit(self, name: str) -> str:
        """Return the id of the commit that `name` refers to; "" if there is none."""
        try:
            return self.run_git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
        except PullError:
            return ""

    def prepare_repository(self) -> None:
        """Make the repository if it is missing, and remove everything in it that could change what git does.

        Raises PullError.
        """
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        # Earlier versions of Proscribe had the repository in this directory, and git would still find that repository.
        shutil.rmtree(os.path.join(self.directory, ".git"), ignore_errors=True)
        if not os.path.isdir(os.path.join(self.repository_directory, "objects")):
            shutil.rmtree(self.repository_directory, ignore_errors=True)
            code, message, _ = run_program(
                ["git", "init", "--quiet", "--bare", "--template=", self.repository_directory], 120
            )
            if code:
                raise PullError(f"git init: {message}")
        for name in ("hooks", "info", "worktrees", "modules", "refs/replace", "config.worktree", "shallow"):
            remove_path(os.path.join(self.repository_directory, name))
        for name in ("alternates", "http-alternates", "commit-graph", "commit-graphs"):
            remove_path(os.path.join(self.repository_directory, "objects/info", name))
        write_private_file(
            os.path.join(self.repository_directory, "config"),
            GIT_CONFIG.format(scheme=find_git_scheme(self.repository)).encode(),
        )

    def fetch_commit(self) -> str:
        """Fetch the branch, and return its newest commit if that commit may be run.

        Raises PullError otherwise.

        Nothing is checked out yet.
        """
        self.prepare_repository()
        options = ("--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head")
        branch = f"refs/heads/{self.branch}:{FETCHED_REF}"  # a tag may have the same name as the branch
        with contextlib.suppress(PullError):  # git keeps the old reference if it refuses the fetched commit
            self.run_git("update-ref", "-d", FETCHED_REF)
        try:
            try:
                self.run_git(
                    "fetch", *options, "--", self.repository, branch, timeout=FETCH_TIMEOUT_SECONDS, is_limited=True
                )
            except PullError as problem:
                raise PullError(f"the repository could not be fetched ({problem})") from None
            commit = self._find_commit(FETCHED_REF)
            self._check_commit(commit)
        except PullError:
            self._forget_fetched()
            raise
        return commit

    def _check_commit(self, commit: str) -> None:
        """Raise PullError unless this commit may be run.

        A good signature is needed if signers are configured. The commit must be, or descend from, the configured first
        commit. The same holds for the last good commit, unless that does not descend from the first commit.
        """
        short_id = commit[:12]
        if not commit:
            raise PullError("what was fetched is no commit, or the repository has no whole history (a shallow clone)")
        if self.signers_path:
            try:
                verify_signature(self.run_git("cat-file", "commit", commit), commit, self.signers_path)
            except PullError as problem:
                raise PullError(f"commit {short_id} has no good signature ({problem})") from None
        if not self._is_after_first(commit):
            reason = (
                f"is not, and does not come after, {self.first_commit[:12]}, the first commit that is named for "
                f"this host"
            )
            raise PullError(f"commit {short_id} {reason}")
        good_commit = self.find_good_commit()
        # The operator may have configured another first commit. If the last good commit does not descend from it, a new
        # history begins.
        if (
            good_commit
            and self._is_after_first(good_commit)
            and not self._is_git_success("merge-base", "--is-ancestor", good_commit, commit)
        ):
            raise PullError(
                f"commit {short_id} goes back behind the last good one, {good_commit[:12]}, or comes from another "
                f"branch"
            )

    def _is_after_first(self, commit: str) -> bool:
        """Return whether a commit is or descends from the configured first commit.

        Returns true if no first commit is configured.
        """
        return not self.first_commit or self._is_git_success("merge-base", "--is-ancestor", self.first_commit, commit)

    def _forget_fetched(self) -> None:
        """Delete what git has fetched of a refused commit. Otherwise repeated fetches would fill the disk."""
        if not self._find_commit(GOOD_REF):
            shutil.rmtree(self.repository_directory, ignore_errors=True)
            return
        for arguments in (("update-ref", "-d", FETCHED_REF), ("repack", "-a", "-d", "-q"), ("prune", "--expire=now")):
            with contextlib.suppress(PullError):
                self.run_git(*arguments)

    def check_out_commit(self, commit: str) -> None:
        """Replace the files of the checkout by exactly the files of a commit. Raises PullError.

        The checkout's virtual environments are kept.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.repository_directory, "index.lock"))  # left by a killed run
        self.run_git("checkout", "--quiet", "--force", "--detach", commit)
        self.run_git("clean", "--quiet", "-ffdx", "--exclude=/.venv", "--exclude=/.venv-extras")

    def keep_good_commit(self, commit: str) -> None:
        """Record this commit as the last good commit: a run with it has produced a report."""
        self.run_git("update-ref", GOOD_REF, commit)


def find_git_scheme(repository: str) -> str:
    """Return the only protocol (https, ssh or file) that git may use for this repository.

    The name is that of git's setting protocol.<name>.allow. Raises PullError for other protocols.
    """
    if repository.startswith("/"):
        return "file"
    # git reads the form user@host:path as SSH
    scheme = repository.partition("://")[0] if "://" in repository else "ssh"
    if scheme not in ("https", "ssh", "file"):
        raise PullError(f"the repository {repository!r} is fetched by none of https, ssh and file")
    return scheme


def verify_signature(raw: bytes, commit: str, signers: str) -> None:
    """Raise PullError unless a listed signer signed the commit, with a key that is valid now.

    `raw` is the content of the commit object, `commit` its id, `signers` the path of the list of signers.

    git itself is not used for this check. git also accepts OpenPGP and X.509 signatures by root's key ring. git judges
    an SSH key by the time in the commit (`-Overify-time` in git's gpg-interface.c). The holder of an expired key may
    choose that time. So the signature is extracted here and passed to ssh-keygen, which judges by the current time.
    """
    algorithm = hashlib.sha1 if len(commit) == 40 else hashlib.sha256
    if algorithm(b"commit %d\0" % len(raw) + raw).hexdigest() != commit:
        raise PullError("its content is not what its name says")
    head, _, message = raw.partition(b"\n\n")
    payload: list[bytes] = []
    signatures: list[list[bytes]] = []
    is_signature = False
    for line in head.split(b"\n"):
        if not line.startswith(b" "):
            is_signature = line.startswith((b"gpgsig ", b"gpgsig-sha256 "))
            if is_signature:
                signatures.append([])
        if is_signature:
            signatures[-1].append(line.partition(b" ")[2])
        else:
            payload.append(line)
    if not signatures:
        raise PullError("it is not signed")
    if len(signatures) > 1:
        raise PullError("it has more than one signature")
    signature = b"\n".join(signatures[0]).decode("ascii", errors="replace")
    if not SSH_SIGNATURE_PATTERN.fullmatch(signature):
        raise PullError("its signature is none of SSH's")
    with tempfile.TemporaryDirectory(prefix="proscribe-") as temporary_directory:
        signature_path, payload_path = (
            os.path.join(temporary_directory, "signature"),
            os.path.join(temporary_directory, "commit"),
        )
        write_private_file(signature_path, signature.encode() + b"\n")
        write_private_file(payload_path, b"\n".join(payload) + b"\n\n" + message)
        keygen = ["ssh-keygen", "-Y"]
        code, error_text, output = run_program([*keygen, "find-principals", "-s", signature_path, "-f", signers], 60)
        if code:
            raise PullError(f"none of the signers has made it, or their key is not good now: {error_text}")
        for principal in output.decode(errors="replace").splitlines():
            verify_arguments = ["verify", "-n", "git", "-I", principal, "-s", signature_path, "-f", signers]
            code, error_text, _ = run_program([*keygen, *verify_arguments], 60, stdin=payload_path)
            if not code:
                return
        raise PullError(error_text or "ssh-keygen does not say why")


def write_private_file(path: str, content: bytes) -> None:
    """Write a file that only this account can read, in one step: another program sees the old or the new content."""
    temporary_path = f"{path}~"
    remove_path(temporary_path)
    descriptor = os.open(temporary_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(temporary_path, path)


def remove_path(path: str) -> None:
    """Remove a file, a link, or a directory with its content, if it exists."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
