"""Users and processes of the host: who has a home, what runs, and how a program is ended."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from typing import Callable, Iterable, List, Sequence

from ...base.moments import format_timestamp
from .files import Files
from .forked import Limits, run_apart
from .links import PLACE
from .mounts import here, mount_of
from .tools import Runner, Tools, run_tool
from .types import ControlError, Ending, Process, Unseen, User

NOBODY = 65534  # the number of an account that is not known
ROOT_LIMITS = Limits(seconds=5)  # for a view from within a process
ONE_THREAD = 3  # links of the directory of threads of a process with one thread


def _identity(seen: os.stat_result | None) -> tuple[int, int] | None:
    return (seen.st_dev, seen.st_ino) if seen else None


class RootNotRead(Exception):
    """A question to the root directory of a process, which somebody may have made who answers when he likes."""


class Processes(Tools):
    """The accounts and the running programs of a host. It reads the roots of processes only where it `asks_roots`."""

    asks_roots = True

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root, run)
        self._users: List[User] | None = None
        self._mounts = ""  # which this process has
        self._accounts_here = ""  # the user namespace of this process
        self._boot: int | None = None  # when the host booted, in seconds since the epoch; 0 if unknown

    def users(self) -> List[User]:
        """The accounts that may have a home directory, each home once. Those of directories below /home that no list of
        accounts names are among them, since a directory service (SSSD by default) lists none. Read once for each run.
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
        for home, uid in self._directories("/home").items():
            # /home/<domain>/<name>
            for path, owner in {home: uid, **(self._directories(home) if uid == 0 else {})}.items():
                if path not in homes and owner:
                    account = self.account(owner) if owner > 0 else self._owner_by_name(path)
                    homes[path] = account._replace(home=path)
        return list(homes.values())

    def _directories(self, path: str) -> dict[str, int]:
        """The directories in a directory, each with the number of its owner: -1 for one that something is mounted on.

        That is not read: its server may be the user's own program, or another machine.
        """
        found: dict[str, int] = {}
        # The reader of a home reports that it cannot be read.
        with contextlib.suppress(Unseen, ControlError, OSError):
            names = self.list(path)
            with self.directory(path) as directory:
                for name in names:
                    with contextlib.suppress(OSError):
                        seen = here(directory, name)
                        if seen is None or stat.S_ISDIR(seen.st_mode):
                            found[f"{path}/{name}"] = seen.st_uid if seen else -1
        return found

    def _owner_by_name(self, path: str) -> User:
        """The account of a home whose owner is not read: the one of that name, as everywhere."""
        name = path.rpartition("/")[2]
        uid = self.user_id(name)
        return self.account(uid) if uid else User(name, NOBODY, NOBODY, path)

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

    def user_id(self, name: str) -> int | None:
        """The number of the account that has a name; None if the host knows none."""
        if self.root == "/":
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_uid  # also finds whom the directory service does not list
            return None
        return next((user.uid for user in self._accounts() if user.name == name), None)

    def processes(self) -> tuple[List[Process], int]:
        """The running programs, and how many more there are whose executable this user may not see."""
        return self._once(self._processes, "/proc")

    def _processes(self, proc: str) -> tuple[List[Process], int]:
        seen: List[Process] = []
        hidden = 0
        for name in self.list(proc):
            if name.isdigit():
                try:
                    seen.append(Process(int(name), self._executable(int(name))))
                except PermissionError:
                    hidden += name != "1"  # the init of a container's own kernel hides itself even from root
                except OSError:  # it ended meanwhile, or is a kernel thread
                    pass
        return seen, hidden

    def process(self, pid: int) -> Process | None:
        """A running program by its number; None if it has ended, or hides its executable."""
        try:
            return Process(pid, self._executable(pid))
        except OSError:
            return None

    def _executable(self, pid: int) -> str:
        exe = self._link(pid, "exe")
        return exe[: -len(" (deleted)")] if exe.endswith(" (deleted)") else exe

    def _link(self, pid: int, name: str) -> str:
        """Read a link of a process in /proc. Raises OSError."""
        try:
            return os.readlink(self._real(f"/proc/{pid}/{name}"))
        except FileNotFoundError:
            return os.readlink(f"{self._of_living_thread(pid)}/{name}")

    def _of_living_thread(self, pid: int) -> str:
        """The directory in /proc of a thread that lives on in a process whose first thread has ended. Then the links of
        the process itself lead nowhere. Raises FileNotFoundError where no thread lives, as in the kernel's own.
        """
        threads = self._real(f"/proc/{pid}/task")
        if os.stat(threads).st_nlink > ONE_THREAD:
            for thread in os.listdir(threads):
                with contextlib.suppress(FileNotFoundError):
                    os.readlink(f"{threads}/{thread}/exe")
                    return f"{threads}/{thread}"
        raise FileNotFoundError(threads)

    def _root_of(self, process: Process) -> str:
        """Where the root that a process has can be opened; its path in /proc alone where the process has ended."""
        root = self._real(f"/proc/{process.pid}/root")
        try:
            os.readlink(root)
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                return f"{self._of_living_thread(process.pid)}/root"
        except OSError:  # whoever opens it says so
            pass
        return root

    def owner(self, process: Process) -> User | None:
        """The account that a process runs for (its real user id); None if it has ended."""
        uid = self._real_user(process)
        return None if uid is None else self.account(uid)

    def _real_user(self, process: Process) -> int | None:
        ids = f"\n{self.of_process(process.pid, 'status')}".partition("\nUid:")[2].split()
        return int(ids[0]) if ids else None

    def user_of(self, process: Process) -> int:
        """The number of the user that a process belongs to; 0 for root's own, and for one that has ended."""
        with contextlib.suppress(OSError):
            uid = os.stat(self._real(f"/proc/{process.pid}")).st_uid
            if uid not in (0, os.geteuid()):
                return uid
        return self._real_user(process) or 0  # a process that hides its memory belongs to root there, whoever runs it

    def started(self, process: Process) -> str:
        """When a process started (UTC, to the second, as the system clock is set now); "" if it has ended."""
        seconds = self.start_time(process)
        return "" if seconds is None else format_timestamp(seconds)

    def start_time(self, process: Process) -> float | None:
        """When a process started, in seconds since the epoch, exact to about a second; None if it has ended."""
        fields = self._fields(process)
        if self._boot is None:
            lines = (self.text("/proc/stat") or "").splitlines()
            self._boot = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), 0)
        if len(fields) < 20 or not self._boot:
            return None
        return self._boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def parent(self, process: Process) -> int:
        """The number of the process that a process descends from; 0 if it has ended."""
        fields = self._fields(process)
        return int(fields[1]) if len(fields) > 1 else 0

    def forked(self, process: Process) -> bool:
        """Whether a process was forked by its program and has not become another (PF_FORKNOEXEC, linux/sched.h)."""
        fields = self._fields(process)
        return len(fields) > 6 and bool(int(fields[6]) & 0x40)

    def state(self, process: Process) -> str:
        """The state of a process as proc_pid_stat(5) has it; "" if it has ended."""
        return next(iter(self._fields(process)), "")

    def _fields(self, process: Process) -> List[str]:
        """What /proc/PID/stat has behind the name of the program, from the state on."""
        return self.of_process(process.pid, "stat").rpartition(")")[2].split()

    def sees(self, process: Process, path: str) -> bool | None:
        """Whether a process that opens a path gets the very file that the host has there; None if nobody can tell.

        A user may give a program a view of its own (user namespaces, sandboxes, containers). What lies there is the
        user's word. So it is only asked which file it is, and a link is followed only if root made it. Raises
        RootNotRead.
        """
        ours = self.stat(path)
        root = self._root_of(process)
        if ours is not None and (self._at_home(process) or self._same_root(root)):
            return True
        self._may_ask()
        try:
            its = run_apart(lambda: _identity(Files(root).stat(path)), ROOT_LIMITS)
        except (Unseen, ControlError):
            return False if self.privileged else None
        if ours is None or (its is None and not os.path.lexists(root)):
            return None
        return its is not None and tuple(its) == _identity(ours)

    def _at_home(self, process: Process) -> bool:
        """Whether a process has this one's root and mounts, by two links of /proc that the kernel alone answers for."""
        try:
            if not self._mounts:
                self._mounts = os.readlink(self._real("/proc/self/ns/mnt"))
            return self._link(process.pid, "root") == "/" and self._link(process.pid, "ns/mnt") == self._mounts
        except OSError:
            return False

    def has_own_accounts(self, process: Process) -> bool:
        """Return whether a process is in a user namespace that is not this one's. There a user mounts what he likes at
        any path.
        """
        try:
            if not self._accounts_here:
                self._accounts_here = os.readlink(self._real("/proc/self/ns/user"))
            return os.readlink(self._real(f"/proc/{process.pid}/ns/user")) != self._accounts_here
        except OSError:
            return False

    def _may_ask(self) -> None:
        if not self.asks_roots:
            raise RootNotRead

    def _same_root(self, root: str) -> bool:
        """Whether a process has the very root that this one has, without asking what is mounted there."""
        try:
            its, ours = (os.open(place, PLACE) for place in (root, self.root))
        except OSError:
            return False
        try:
            same = mount_of(its) == mount_of(ours)
            return same and os.path.samestat(os.fstat(its), os.fstat(ours))
        finally:
            os.close(its)
            os.close(ours)

    def lineage(self) -> set[int]:
        """This process, all that it descends from and the first one of all: ending one of them would end this run."""
        pids = {1}
        pid = os.getpid()
        while pid > 0 and pid not in pids:
            pids.add(pid)
            pid = self.parent(Process(pid, ""))
        return pids

    def of_process(self, pid: int, name: str) -> str:
        """What the kernel says of a process in one of its files in /proc; "" if it has ended."""
        try:
            with open(self._real(f"/proc/{pid}/{name}"), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def shares_root(self, process: Process) -> bool:
        """Whether a process has the host's own file system as its root. In a container or a sandbox it has another.
        Then the path of its executable says nothing about the file of that path on the host. Raises RootNotRead.
        """
        if self._at_home(process):
            return True
        self._may_ask()
        try:
            return os.path.samestat(os.stat(self._root_of(process)), os.stat(self.root))
        except OSError:
            return False

    def read_inside(self, process: Process, name: str, limit: int = 65536) -> bytes:
        """A regular file at the top of the root that a process has for itself, at most `limit` bytes. b"" if there is
        none, or it has the host's root.

        What a sandbox's root holds is the user's word: no link is followed there, nothing but a regular file is read.
        Raises RootNotRead.
        """
        if self._at_home(process):
            return b""
        self._may_ask()
        try:
            root = os.open(self._root_of(process), PLACE)
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

    def end_program(
        self,
        program: Ending,
        of_user: Sequence[Ending] = (),
        again: Callable[[], Iterable[tuple[Process, Ending]]] = tuple,
        grace: float = 5,
    ) -> None:
        """See end_programs in ending.py, which only enforcing needs."""
        from .ending import end_programs

        end_programs(self, program, of_user or [program], again, grace)
