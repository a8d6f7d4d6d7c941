"""The only door to the operating system: files, processes, users and tools of the host.

Every control goes through it, so each can be tested on a made tree and on recorded answers (`root`, `run`), and again
on the real thing. Root code meets hostile users here: nothing is run through a shell, no link that a user could have
made is followed, and a file appears whole or not at all. Standard library only, Python 3.9 and newer.
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
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Sequence  # List: Host has a method `list`

STATE_DIRECTORY = "/var/lib/proscribe"
LEDGER = STATE_DIRECTORY + "/directories"
TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
LARGEST_FILE = 64 * 1024 * 1024  # bytes; more than any file that a control has a reason to read whole
PIECE = 256 * 1024  # bytes read at a time

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
    exe: str  # as /proc/PID/exe shows it, without " (deleted)"


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
    except OSError as error:
        raise ControlError(f"{argv[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ControlError(f"{' '.join(argv)} did not end within {timeout:g} s") from None
    return Result(done.returncode, done.stdout, done.stderr)


class Host:
    """A host, seen from `root` ("/" but in tests) and through `run`, the runner of its tools."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        self.root = root
        self._run = run
        self._users: List[User] | None = None

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
                        message = f"another run of Proscribe has been changing this host for {patience:g} s"
                        raise ControlError(message) from None
                    time.sleep(0.2)
            yield
        finally:
            os.close(descriptor)

    def platform(self) -> dict[str, str]:
        """The operating system in a few words, for the record."""
        release = dict(line.split("=", 1) for line in (self.text("/etc/os-release") or "").splitlines() if "=" in line)
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

        The descriptor is a place to start from (O_PATH): an ordinary user may pass through directories that he may not
        list. Raises OSError, or ControlError for a link that a user made.
        """
        descriptor = os.open(self.root, os.O_PATH | os.O_DIRECTORY)
        walked = ""
        try:
            for name in path.split("/"):
                if not name:
                    continue
                walked += "/" + name
                flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
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
                return os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unseen(path, error) from None

    def _unseen(self, path: str, error: OSError) -> Unseen:
        if isinstance(error, PermissionError) and not self.privileged:
            return Unseen(f"{path} can only be read by root")
        return Unseen(f"{path} cannot be read: {error.strerror}")  # root too: a dead network mount, a user's own FUSE

    def list(self, path: str) -> List[str]:
        """The names in a directory, sorted; none if it is not there. Raises Unseen."""
        try:
            with self._directory(path) as directory:
                listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
            try:
                return sorted(os.listdir(listed))
            finally:
                os.close(listed)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unseen(path, error) from None

    def read(self, path: str, limit: int = LARGEST_FILE) -> bytes | None:
        """A regular file's content; None if there is none. Raises Unseen, or ControlError: not regular, or too big.

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
        except PermissionError as error:
            raise self._unseen(path, error) from None
        except OSError as error:
            raise ControlError(f"cannot read {path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ControlError(f"{path} is not a regular file")
        # In pieces: some files of /proc cannot be read into a buffer as large as the limit.
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            content = b""
            while len(content) <= limit and (piece := stream.read(PIECE)):
                content += piece
        if len(content) > limit:
            raise ControlError(f"{path} is larger than {limit} bytes")
        return content

    def text(self, path: str) -> str | None:
        """A file as text (UTF-8, what is not replaced by U+FFFD); None if it is not there."""
        content = self.read(path)
        return None if content is None else content.decode("utf-8", "replace")

    # -- files: changing -----------------------------------------------------------------------------------------------

    def write(self, path: str, content: bytes | str, mode: int = 0o644) -> None:
        """Put a file in place, whole or not at all: written beside, synced, renamed. Raises ControlError.

        Missing directories are made (0755), and remembered so that `delete` can take them away again.
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
        beside = self._beside(name)
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
        self._sync(directory)

    @staticmethod
    def _beside(name: str) -> str:
        return f".{name}.proscribe~"

    @staticmethod
    def _sync(directory: int) -> None:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def delete(self, path: str) -> None:
        """Take a file away (nothing happens if it is gone), with what a killed `write` of it left, and with the
        directories that only Proscribe made and that are empty now. Never follows a link, never takes a directory with
        something in it.
        """
        parent, _, name = path.rpartition("/")
        try:
            with self._directory(parent) as directory:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._beside(name), dir_fd=directory)
                os.unlink(name, dir_fd=directory)
                self._sync(directory)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise ControlError(f"cannot delete {path}: {error.strerror}") from None
        self._remove_directories(parent)

    def traces(self, path: str) -> bool:
        """Whether `delete` would find something to take away: the file, what a killed `write` left of it, or the empty
        directory that was made for it.
        """
        parent, _, name = path.rpartition("/")
        if self.stat(path) or self.stat(f"{parent}/{self._beside(name)}"):
            return True
        return parent in self._ledger() and self.stat(parent) is not None and not self.list(parent)

    def _ledger(self) -> List[str]:
        return (self.text(LEDGER) or "").splitlines()

    def _make_directories(self, path: str) -> None:
        """Make the missing directories of a path; each is in the ledger before it is on the disk."""
        missing: List[str] = []
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
            with self._directory(parent) as directory, contextlib.suppress(FileExistsError):
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
        if set(left) <= {STATE_DIRECTORY} and self.list(STATE_DIRECTORY) == ["directories"]:
            with self._directory(STATE_DIRECTORY) as directory:
                os.unlink("directories", dir_fd=directory)
            self._rmdir(STATE_DIRECTORY)
        elif left != known:
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
        """Where a tool is on this host, looked for in the system's own directories only; None if it is not there."""
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

    # -- people and processes ------------------------------------------------------------------------------------------

    def users(self) -> List[User]:
        """The accounts that may have a home directory, each home once; also those of directories below /home that no
        list of accounts names, since a directory service (SSSD by default) lists none. Asked once for each run.
        """
        if self._users is None:
            self._users = self._find_users()
        return self._users

    def _find_users(self) -> List[User]:
        homes: dict[str, User] = {}
        for user in self._accounts():
            home = os.path.normpath(user.home)
            if home.startswith("/") and home not in ("/", "/nonexistent", "/dev/null"):
                homes.setdefault(home, user._replace(home=home))
        for home in self._directories("/home"):
            for path in [home, *self._directories(home)] if self._uid(home) == 0 else [home]:  # /home/<domain>/<name>
                if path not in homes and self._uid(path):
                    homes[path] = self.account(self._uid(path))._replace(home=path)
        return list(homes.values())

    def _directories(self, path: str) -> List[str]:
        found: List[str] = []
        with contextlib.suppress(Unseen):  # a home that cannot be read is told by who reads it, not by who lists homes
            for name in self.list(path):
                seen = self.stat(f"{path}/{name}")
                if seen and stat.S_ISDIR(seen.st_mode):
                    found.append(f"{path}/{name}")
        return found

    def _uid(self, path: str) -> int:
        seen = self.stat(path)
        return seen.st_uid if seen else 0

    def _accounts(self) -> List[User]:
        if self.root == "/":  # the name service knows more than the file: LDAP, SSSD, systemd-homed
            return [User(e.pw_name, e.pw_uid, e.pw_gid, e.pw_dir) for e in pwd.getpwall()]
        fields = [line.split(":") for line in (self.text("/etc/passwd") or "").splitlines() if line.count(":") == 6]
        return [User(f[0], int(f[2]), int(f[3]), f[5]) for f in fields]

    def account(self, uid: int) -> User:
        """The account that has a number; one named by the number itself, without a home, if there is none."""
        if self.root == "/":
            with contextlib.suppress(KeyError):
                entry = pwd.getpwuid(uid)  # also finds whom the directory service does not list
                return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
        known = [user for user in self._accounts() if user.uid == uid]
        return known[0] if known else User(str(uid), uid, uid, "/nonexistent")

    def processes(self) -> tuple[List[Process], int]:
        """The running programs, and how many more there are whose executable this user may not see."""
        seen: List[Process] = []
        hidden = 0
        for name in self.list("/proc"):
            if name.isdigit():
                try:
                    seen.append(Process(int(name), self._executable(int(name))))
                except PermissionError:
                    hidden += name != "1"  # the init of a container's own kernel hides itself even from root
                except OSError:  # it ended while we looked, or is a kernel thread
                    pass
        return seen, hidden

    def _executable(self, pid: int) -> str:
        exe = os.readlink(self._real(f"/proc/{pid}/exe"))
        return exe[: -len(" (deleted)")] if exe.endswith(" (deleted)") else exe

    def owner(self, process: Process) -> User | None:
        """The account that a process runs for (its real user id); None if it has ended."""
        for line in self._of_process(process.pid, "status").splitlines():
            if line.startswith("Uid:"):
                return self.account(int(line.split()[1]))
        return None

    def started(self, process: Process) -> str:
        """When a process started (UTC, to the second, as the system clock is set now); "" if it has ended."""
        fields = self._of_process(process.pid, "stat").rpartition(")")[2].split()
        boot = [line.split()[1] for line in (self.text("/proc/stat") or "").splitlines() if line.startswith("btime ")]
        if len(fields) < 20 or not boot:
            return ""
        seconds = int(boot[0]) + int(fields[19]) // os.sysconf("SC_CLK_TCK")
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    def lineage(self) -> set[int]:
        """This process, all that it descends from and the first one of all: ending one of them would end this run."""
        pids = {1}
        pid = os.getpid()
        while pid > 0 and pid not in pids:
            pids.add(pid)
            fields = self._of_process(pid, "stat").rpartition(")")[2].split()
            pid = int(fields[1]) if len(fields) > 1 else 0
        return pids

    def _of_process(self, pid: int, name: str) -> str:
        try:
            with open(self._real(f"/proc/{pid}/{name}"), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def shares_root(self, process: Process) -> bool:
        """Whether a process has the host's own file system as its root. In a container or a sandbox it has another, and
        then the path of its executable says nothing about the file of that path on the host.
        """
        try:
            its, ours = os.stat(self._real(f"/proc/{process.pid}/root")), os.stat(self.root)
        except OSError:
            return False
        return (its.st_dev, its.st_ino) == (ours.st_dev, ours.st_ino)

    def read_inside(self, process: Process, name: str, limit: int = 65536) -> bytes:
        """A regular file at the top of a process's own root, at most `limit` bytes of it; b"" if there is none.

        What a sandbox's root holds is the user's word: no link is followed there, nothing but a regular file is read.
        """
        try:
            root = os.open(self._real(f"/proc/{process.pid}/root"), os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return b""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=root)
        except OSError:
            return b""
        finally:
            os.close(root)
        try:
            return os.read(descriptor, limit) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def end(self, process: Process, still: Callable[[Process], bool], grace: float = 5) -> None:
        """End a process: TERM, then KILL after `grace` seconds. Raises ControlError if it survives.

        `still` says whether a program is one that is to be ended. It is asked once the process is held by a descriptor,
        so that nothing happens to another program that has the number by now, or that the process has turned into.
        """
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return
        except OSError as error:
            raise ControlError(f"cannot end process {process.pid} ({process.exe}): {error.strerror}") from None
        try:
            if not still(Process(process.pid, self._executable(process.pid))):
                return
            for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
                signal.pidfd_send_signal(descriptor, number)
                if self._ended(descriptor, patience):
                    return
        except (FileNotFoundError, ProcessLookupError):
            return  # it ended by itself
        except OSError as error:
            raise ControlError(f"cannot end process {process.pid} ({process.exe}): {error.strerror}") from None
        finally:
            os.close(descriptor)
        raise ControlError(f"process {process.pid} ({process.exe}) does not end, not even by KILL")

    @staticmethod
    def _ended(descriptor: int, patience: float) -> bool:
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(patience * 1000))
