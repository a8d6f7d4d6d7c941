"""The only door to the operating system: files, processes, users and tools of the host.

Every control goes through it, so each can be tested on a made tree and on recorded answers (`root`, `run`), and again on
the real thing. Root code meets hostile users here: nothing is run through a shell, no link that a user could have made
is followed, and a file appears whole or not at all. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

STATE_DIRECTORY = "/var/lib/proscribe"
LEDGER = STATE_DIRECTORY + "/directories"
TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
LARGEST_FILE = 64 * 1024 * 1024  # bytes; more than any file that a control has a reason to read whole

# What every file that Proscribe writes says about itself; the comment marks differ by format.
WRITTEN_BY = "Written by Proscribe, rewritten at its next run. To lift the ban on this host: ./proscribe lift"


class ControlError(Exception):
    """Something on the host that a control cannot go on with: what was tried, and what the host answered."""

    done: Sequence[str] = ()  # the actions that were carried out before it, when changing a host


class Unseen(Exception):
    """Something that could not be looked at, and why: the rules that need it are `unknown`."""


class Result(NamedTuple):
    """What a tool answered."""

    rc: int
    out: str
    err: str


class User(NamedTuple):
    """An account with a home directory."""

    name: str
    uid: int
    gid: int
    home: str


class Process(NamedTuple):
    """A running program, known by its executable and never by the name it gives itself."""

    pid: int
    uid: int
    started: int  # clock ticks since boot; with the pid it names one process for good
    exe: str  # as /proc/PID/exe shows it, without " (deleted)"
    cgroup: str


Runner = Callable[..., Result]


def run_tool(
    argv: Sequence[str],
    *,
    user: User | None = None,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Result:
    """Run a tool with an argument list, as root or as a user of the host, and return what it answered.

    Raises ControlError when the tool is missing or does not end within `timeout` seconds.
    """
    env = {**TOOL_ENVIRONMENT, **(environment or {})}
    identity: dict[str, Any] = {}
    if user is not None:
        env.update(HOME=user.home, USER=user.name, LOGNAME=user.name)
        identity = {"user": user.uid, "group": user.gid, "extra_groups": [user.gid], "cwd": "/"}
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            timeout=timeout,
            check=False,
            start_new_session=True,
            **identity,
        )
    except FileNotFoundError:
        raise ControlError(f"{argv[0]} is not installed on this host") from None
    except subprocess.TimeoutExpired:
        raise ControlError(f"{' '.join(argv)} did not end within {timeout:g} s") from None
    return Result(done.returncode, done.stdout, done.stderr)


class Host:
    """A host, seen from `root` ("/" but in tests) and through `run`, the runner of its tools."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        self.root = root
        self._run = run

    # -- who we are ----------------------------------------------------------------------------------------------------

    @property
    def privileged(self) -> bool:
        return os.geteuid() == 0

    @property
    def system(self) -> str:
        """The kernel's name: Linux, Darwin."""
        return os.uname().sysname

    def require_root(self) -> None:
        """Raises ControlError for an ordinary user: nothing on a host is changed half."""
        if not self.privileged:
            raise ControlError("this needs root: run it as root, or let Ansible become root (-b, and -K if sudo asks)")

    @contextlib.contextmanager
    def exclusive(self, patience: float = 60) -> Iterator[None]:
        """Keep a second run of Proscribe off this host; raises ControlError when another one holds it for too long.

        The lock is on a directory that every host has, so that no lock file stays behind.
        """
        descriptor = os.open(self._real("/var/lib"), os.O_RDONLY | os.O_DIRECTORY)
        try:
            end = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise ControlError(f"another run of Proscribe has been changing this host for {patience:g} s") from None
                    time.sleep(0.2)
            yield
        finally:
            os.close(descriptor)

    def platform(self) -> dict[str, str]:
        """The operating system in a few words, for the record."""
        release = dict(
            line.split("=", 1) for line in (self.text("/etc/os-release") or "").splitlines() if "=" in line
        )
        return {
            "os": release.get("ID", sys.platform).strip("\"'"),
            "version": release.get("VERSION_ID", "").strip("\"'"),
            "kernel": os.uname().release,
            "architecture": os.uname().machine,
            "python": ".".join(map(str, sys.version_info[:3])),
        }

    # -- files: looking ------------------------------------------------------------------------------------------------

    def _real(self, path: str) -> str:
        return self.root.rstrip("/") + path

    def _open_directory(self, path: str) -> int:
        """Open a directory of the host step by step; a link on the way counts only if root made it.

        Raises FileNotFoundError, NotADirectoryError, PermissionError, or ControlError for a link that a user made.
        """
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        walked = ""
        try:
            for name in path.split("/"):
                if not name:
                    continue
                walked += "/" + name
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                try:
                    step = os.open(name, flags, dir_fd=descriptor)
                except OSError as error:
                    if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                        raise
                    link = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if not stat.S_ISLNK(link.st_mode):
                        raise
                    if link.st_uid != 0:
                        raise ControlError(f"{walked} is a link that uid {link.st_uid} made: not followed") from None
                    step = os.open(name, flags & ~os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = step
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        descriptor = self._open_directory(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def stat(self, path: str) -> os.stat_result | None:
        """What stands at a path (a link is itself, never its target); None if nothing does. Raises Unseen."""
        parent, _, name = path.rstrip("/").rpartition("/")
        try:
            with self._directory(parent) as directory:
                return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise Unseen(f"{path} can only be read by root") from None

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted; none if it is not there. Raises Unseen."""
        try:
            with self._directory(path) as directory:
                return sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise Unseen(f"{path} can only be read by root") from None

    def read(self, path: str, limit: int = LARGEST_FILE) -> bytes | None:
        """A regular file's content; None if there is none. Raises Unseen, or ControlError when it is not regular or too big.

        A link at the end counts only if root made it (/etc/resolv.conf and /etc/os-release are such).
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
                follow = stat.S_ISLNK(seen.st_mode) and seen.st_uid == 0
                flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
                descriptor = os.open(name, flags, dir_fd=directory)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise Unseen(f"{path} can only be read by root") from None
        except OSError as error:
            raise ControlError(f"cannot read {path}: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ControlError(f"{path} is not a regular file")
            content = stream.read(limit + 1)
        if len(content) > limit:
            raise ControlError(f"{path} is larger than {limit} bytes")
        return content

    def text(self, path: str) -> str | None:
        """A file as text (UTF-8, what is not replaced by U+FFFD); None if it is not there."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")

    # -- files: changing -----------------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Put a file in place, whole or not at all: written beside, synced, renamed. Missing directories are made (0755)
        and remembered, so that `delete` can take them away again. Raises ControlError.
        """
        data = content.encode() if isinstance(content, str) else content
        parent, _, name = path.rpartition("/")
        self._make_directories(parent)
        try:
            with self._directory(parent) as directory:
                self._replace(directory, name, data, mode)
        except OSError as error:
            hint = " (it is a mount point of its own, as in some containers)" if error.errno == errno.EBUSY else ""
            raise ControlError(f"cannot write {path}: {error.strerror}{hint}") from None

    def _replace(self, directory: int, name: str, data: bytes, mode: int) -> None:
        # A leading dot and a tilde keep the half-written file out of every folder of drop-ins but Chromium's, and there
        # a file that is not JSON yet is skipped.
        beside = f".{name}.proscribe~"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(beside, flags, 0o600, dir_fd=directory)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.rename(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=directory)
            raise
        os.fsync(directory)

    def delete(self, path: str) -> None:
        """Take a file away (nothing happens if it is gone), and with it the directories that only Proscribe made and that
        are empty now. Never follows a link, never takes a directory with something in it.
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                os.unlink(name, dir_fd=directory)
                os.fsync(directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise ControlError(f"cannot delete {path}: {error.strerror}") from None
        self._remove_directories(parent)

    def _ledger(self) -> list[str]:
        return (self.text(LEDGER) or "").splitlines()

    def _make_directories(self, path: str) -> None:
        """Make the missing directories of a path; each is in the ledger before it is on the disk."""
        missing: list[str] = []
        while path and self.stat(path) is None:
            missing.append(path)
            path = path.rpartition("/")[0]
        if not missing:
            return
        known = self._ledger()
        if path_is_new := [step for step in missing if step not in known]:
            if STATE_DIRECTORY in path_is_new:  # the ledger's own home comes first
                self._mkdir(STATE_DIRECTORY)
            else:
                self._make_directories(STATE_DIRECTORY)
            self._write_ledger(sorted({*self._ledger(), *path_is_new}))
        for step in reversed(missing):
            self._mkdir(step)

    def _mkdir(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        if self.stat(parent or "/") is None:
            self._mkdir(parent)
        try:
            with self._directory(parent) as directory:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=directory)
                    os.chmod(name, 0o755, dir_fd=directory)  # whatever the umask
        except OSError as error:
            raise ControlError(f"cannot make the directory {path}: {error.strerror}") from None

    def _write_ledger(self, paths: Sequence[str]) -> None:
        with self._directory(STATE_DIRECTORY) as directory:
            self._replace(directory, "directories", "".join(f"{path}\n" for path in paths).encode(), 0o600)

    def _remove_directories(self, path: str) -> None:
        known = self._ledger()
        left = list(known)
        while path in left and path != STATE_DIRECTORY:
            if not self._rmdir(path):
                break
            left.remove(path)
            path = path.rpartition("/")[0]
        if left == known:
            return
        if set(left) <= {STATE_DIRECTORY} and self.list(STATE_DIRECTORY) == ["directories"]:
            with self._directory(STATE_DIRECTORY) as directory:
                os.unlink("directories", dir_fd=directory)
            self._rmdir(STATE_DIRECTORY)
        else:
            self._write_ledger(left)

    def _rmdir(self, path: str) -> bool:
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    # -- tools ---------------------------------------------------------------------------------------------------------

    def tool(self, name: str) -> str | None:
        """Where a tool is on this host, looked for in the system's own directories only; None if it is not installed."""
        for directory in TOOL_PATH.split(":"):
            path = f"{directory}/{name}"
            if os.access(self._real(path), os.X_OK):
                return path
        return None

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Run a tool of the host; options as for `run_tool`. A non-zero end is the caller's to judge."""
        return self._run(argv, **options)

    def must(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool that has to succeed, and return its output. Raises ControlError with what it said."""
        result = self.run(argv, **options)
        if result.rc:
            said = " ".join((result.err.strip() or result.out.strip()).split())[-400:]
            raise ControlError(f"{' '.join(argv)} ended with {result.rc}: {said}")
        return result.out

    # -- people and processes --------------------------------------------------------------------------------------------

    def users(self) -> list[User]:
        """The accounts that may have a home directory, each home once."""
        if self.root == "/":  # the name service knows more than the file: LDAP, SSSD, systemd-homed
            entries = [User(e.pw_name, e.pw_uid, e.pw_gid, e.pw_dir) for e in pwd.getpwall()]
        else:
            fields = [line.split(":") for line in (self.text("/etc/passwd") or "").splitlines() if line.count(":") == 6]
            entries = [User(f[0], int(f[2]), int(f[3]), f[5]) for f in fields]
        homes: dict[str, User] = {}
        for user in entries:
            if user.home.startswith("/") and user.home not in ("/", "/nonexistent", "/dev/null"):
                homes.setdefault(os.path.normpath(user.home), user)
        return list(homes.values())

    def processes(self) -> tuple[list[Process], int]:
        """The running programs, and how many more there are whose executable this user may not see."""
        seen: list[Process] = []
        hidden = 0
        for name in self.list("/proc"):
            if not name.isdigit():
                continue
            base = self._real(f"/proc/{name}")
            try:
                exe = os.readlink(base + "/exe")
                uid = os.stat(base).st_uid
                with open(base + "/stat", encoding="utf-8", errors="replace") as stream:
                    started = int(stream.read().rpartition(")")[2].split()[19])
                with open(base + "/cgroup", encoding="utf-8", errors="replace") as stream:
                    cgroup = stream.read()
            except PermissionError:
                hidden += 1
                continue
            except (OSError, ValueError, IndexError):  # it ended while we looked, or is a kernel thread
                continue
            exe = exe[: -len(" (deleted)")] if exe.endswith(" (deleted)") else exe
            seen.append(Process(int(name), uid, started, exe, cgroup))
        return seen, hidden

    def end(self, process: Process, grace: float = 5) -> None:
        """End a process: TERM, then KILL after `grace` seconds. Nothing happens if it is gone already, or if its number
        belongs to another program by now.
        """
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        try:
            if process.started not in [p.started for p in self.processes()[0] if p.pid == process.pid]:
                return
            for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, number)
                if self._ended(descriptor, patience):
                    return
            raise ControlError(f"process {process.pid} ({process.exe}) does not end, not even by KILL")
        finally:
            os.close(descriptor)

    @staticmethod
    def _ended(descriptor: int, patience: float) -> bool:
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(patience * 1000))
