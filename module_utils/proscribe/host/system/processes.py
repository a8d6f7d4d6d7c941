"""Users and processes of the host: accounts with a home directory, running programs, termination of programs."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from typing import Callable, Iterable, List, Sequence

from ...base.timestamps import format_timestamp
from .files import Files
from .forked_work import WorkLimits, run_apart
from .mounts import find_entry_on_mount, read_mount_id
from .path_traversal import PLACE_FLAGS
from .tools import Runner, Tools, run_tool
from .types import ControlError, ObservationError, Process, TerminationTarget, User

NOBODY_UID = 65534  # the user id that Linux shows for an unknown account
ROOT_READ_LIMITS = WorkLimits(seconds=5)  # limits for reading a file in the root directory of a process
SINGLE_THREAD_LINKS = 3  # hard link count of /proc/PID/task if the process has a single thread


def _make_identity(status: os.stat_result | None) -> tuple[int, int] | None:
    return (status.st_dev, status.st_ino) if status else None


class ProcessRootUnread(Exception):
    """Error of an observation that is not permitted to read the root directory of a process.

    A user may have made that root directory, and may delay each read.
    """


class Processes(Tools):
    """Accounts and running programs of a host.

    `reads_process_roots` permits the reading of files in the root directories of processes.
    """

    reads_process_roots = True

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root, run)
        self._users: List[User] | None = None
        self._mount_namespace = ""  # mount namespace of this process; "" until it is read
        self._user_namespace = ""  # user namespace of this process; "" until it is read
        # time of the host's boot in seconds since 1970; 0 if unknown, None until it is read
        self._boot_time: int | None = None

    def list_users(self) -> List[User]:
        """Return the accounts that may have a home directory, each home directory once.

        The owners of directories below /home are included: a directory service lists none of its accounts (the default
        of SSSD). The accounts are cached for the whole run.
        """
        if self._users is None:
            self._users = self._find_users()
        return self._users

    def _find_users(self) -> List[User]:
        """Find the accounts for `list_users`: listed accounts first, then owners of directories below /home."""
        homes: dict[str, User] = {}
        for user in self._list_accounts():
            home = os.path.normpath(user.home)
            if home.startswith("/") and home not in ("/", "/nonexistent", "/dev/null"):
                homes.setdefault(home, user._replace(home=home))
        for home, uid in self._list_directories_with_uids("/home").items():
            # A directory of root may be that of a domain: /home/DOMAIN/NAME.
            for path, owner in {home: uid, **(self._list_directories_with_uids(home) if uid == 0 else {})}.items():
                # uid 0: no home of a user; -1: a mount point, whose owner is not read
                if path not in homes and owner:
                    account = self.find_account(owner) if owner > 0 else self._find_owner_by_name(path)
                    homes[path] = account._replace(home=path)
        return list(homes.values())

    def _list_directories_with_uids(self, path: str) -> dict[str, int]:
        """Return the subdirectories of a directory: path to user id of the owner, or to -1 for a mount point.

        The owner of a mounted file system is not read: its server may be a user's program, or another machine.
        """
        uids: dict[str, int] = {}
        # Errors are ignored here: the later scan of the home directory reports them.
        with contextlib.suppress(ObservationError, ControlError, OSError):
            names = self.list_directory(path)
            with self.open_directory(path) as directory:
                for name in names:
                    with contextlib.suppress(OSError):
                        status = find_entry_on_mount(directory, name)
                        if status is None or stat.S_ISDIR(status.st_mode):
                            uids[f"{path}/{name}"] = status.st_uid if status else -1
        return uids

    def _find_owner_by_name(self, path: str) -> User:
        """Return the account that has the name of a mounted home directory.

        Without such an account, returns a made-up account with the user id NOBODY_UID. The owner of the directory is
        not read, because its server might never answer.
        """
        name = path.rpartition("/")[2]
        uid = self.find_user_id(name)
        return self.find_account(uid) if uid else User(name, NOBODY_UID, NOBODY_UID, path)

    def _list_accounts(self) -> List[User]:
        """Return the accounts that the name service lists; in a test, those of /etc/passwd."""
        # ask the name service: it also knows accounts of LDAP, SSSD or systemd-homed, which /etc/passwd lacks
        if self.root == "/":
            return [User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir) for entry in pwd.getpwall()]
        fields = [
            line.split(":") for line in (self.read_text("/etc/passwd") or "").splitlines() if line.count(":") == 6
        ]
        return [
            User(account_fields[0], int(account_fields[2]), int(account_fields[3]), account_fields[5])
            for account_fields in fields
        ]

    def find_account(self, uid: int) -> User:
        """Return the account with a user id.

        If the host has no such account, returns an account with the id as name and without a home directory.
        """
        if self.root == "/":
            with contextlib.suppress(KeyError):
                entry = pwd.getpwuid(uid)  # also finds accounts that the directory service does not list
                return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)
        accounts = [user for user in self._list_accounts() if user.uid == uid]
        return accounts[0] if accounts else User(str(uid), uid, uid, "/nonexistent")

    def find_user_id(self, name: str) -> int | None:
        """Return the user id of the account with this name; None if the host has no such account."""
        if self.root == "/":
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_uid  # also finds accounts that the directory service does not list
            return None
        return next((user.uid for user in self._list_accounts() if user.name == name), None)

    def list_processes(self) -> tuple[List[Process], int]:
        """Return the running programs, and the number of programs with an unreadable executable."""
        return self._read_once(self._list_processes, "/proc")

    def _list_processes(self, path: str) -> tuple[List[Process], int]:
        """List the processes in the directory `path` (/proc), uncached; see `list_processes`."""
        processes: List[Process] = []
        hidden = 0
        for name in self.list_directory(path):
            if name.isdigit():
                try:
                    processes.append(Process(int(name), self._read_executable(int(name))))
                except PermissionError:
                    hidden += name != "1"  # in some containers, even root cannot read the executable of process 1
                except OSError:  # the process ended meanwhile, or is a kernel thread
                    pass
        return processes, hidden

    def find_process(self, pid: int) -> Process | None:
        """Return the running program with a process id.

        Returns None if it has ended, or if its executable cannot be read.
        """
        try:
            return Process(pid, self._read_executable(pid))
        except OSError:
            return None

    def _read_executable(self, pid: int) -> str:
        """Return the path of a process's executable, without the suffix " (deleted)". Raises OSError."""
        exe = self._read_process_link(pid, "exe")
        return exe[: -len(" (deleted)")] if exe.endswith(" (deleted)") else exe

    def _read_process_link(self, pid: int, name: str) -> str:
        """Return the target of the link /proc/PID/`name`.

        If the first thread of the process has ended, the link of a running thread is read. Raises OSError.
        """
        try:
            return os.readlink(self._make_real_path(f"/proc/{pid}/{name}"))
        except FileNotFoundError:
            return os.readlink(f"{self._find_living_thread(pid)}/{name}")

    def _find_living_thread(self, pid: int) -> str:
        """Return the directory in /proc of a running thread, for a process whose first thread has ended.

        The links in the /proc directory of such a process lead nowhere. Raises FileNotFoundError if no thread runs, and
        for kernel threads.
        """
        threads = self._make_real_path(f"/proc/{pid}/task")
        if os.stat(threads).st_nlink > SINGLE_THREAD_LINKS:
            for thread in os.listdir(threads):
                with contextlib.suppress(FileNotFoundError):
                    os.readlink(f"{threads}/{thread}/exe")
                    return f"{threads}/{thread}"
        raise FileNotFoundError(threads)

    def _find_root_link(self, process: Process) -> str:
        """Return the path of a link in /proc that leads to the root directory of a process.

        The link leads nowhere if the process has ended.
        """
        root = self._make_real_path(f"/proc/{process.pid}/root")
        try:
            os.readlink(root)
        except FileNotFoundError:
            with contextlib.suppress(OSError):
                return f"{self._find_living_thread(process.pid)}/root"
        except OSError:  # ignored: the caller's open of the link reports the error
            pass
        return root

    def find_process_owner(self, process: Process) -> User | None:
        """Return the account that runs a process, by its real user id; None if the process has ended."""
        uid = self._read_real_uid(process)
        return None if uid is None else self.find_account(uid)

    def _read_real_uid(self, process: Process) -> int | None:
        """Return the real user id of a process; None if the process has ended."""
        ids = f"\n{self.read_process_file(process.pid, 'status')}".partition("\nUid:")[2].split()
        return int(ids[0]) if ids else None

    def find_process_uid(self, process: Process) -> int:
        """Return the user id of the user who runs a process; 0 for root, and for a process that has ended."""
        with contextlib.suppress(OSError):
            uid = os.stat(self._make_real_path(f"/proc/{process.pid}")).st_uid
            if uid not in (0, os.geteuid()):
                return uid
        # /proc/PID of a process that forbids memory dumps belongs to root, whoever runs the process.
        return self._read_real_uid(process) or 0

    def format_start_time(self, process: Process) -> str:
        """Return the start time of a process as a UTC timestamp in seconds; "" if the process has ended.

        The time depends on the current setting of the system clock.
        """
        seconds = self.read_start_time(process)
        return "" if seconds is None else format_timestamp(seconds)

    def read_start_time(self, process: Process) -> float | None:
        """Return the start time of a process in seconds since 1970; None if the process has ended.

        The time is exact to about a second.
        """
        fields = self._read_stat_fields(process)
        if self._boot_time is None:
            lines = (self.read_text("/proc/stat") or "").splitlines()
            self._boot_time = next((int(line.split()[1]) for line in lines if line.startswith("btime ")), 0)
        if len(fields) < 20 or not self._boot_time:
            return None
        return self._boot_time + int(fields[19]) / os.sysconf("SC_CLK_TCK")

    def read_parent_pid(self, process: Process) -> int:
        """Return the process id of a process's parent; 0 if the process has ended."""
        fields = self._read_stat_fields(process)
        return int(fields[1]) if len(fields) > 1 else 0

    def is_forked(self, process: Process) -> bool:
        """Return whether a process still runs the program of the parent that forked it.

        The kernel has a flag for that: PF_FORKNOEXEC in linux/sched.h.
        """
        fields = self._read_stat_fields(process)
        return len(fields) > 6 and bool(int(fields[6]) & 0x40)

    def read_process_state(self, process: Process) -> str:
        """Return the state letter of a process, such as "S" or "Z" (proc_pid_stat(5)).

        Returns "" if the process has ended.
        """
        return next(iter(self._read_stat_fields(process)), "")

    def _read_stat_fields(self, process: Process) -> List[str]:
        """Return the fields of /proc/PID/stat, without the process id and the program's name.

        Returns [] if the process has ended. Index 0 is the state.
        """
        return self.read_process_file(process.pid, "stat").rpartition(")")[2].split()

    def can_see_host_file(self, process: Process, path: str) -> bool | None:
        """Return whether a process that opens `path` gets the host's file at that path.

        Returns None if that is unknown, and if the host has no such file. A user may give a program another view of the
        file system (user namespaces, sandboxes, containers). The user controls the content of that view. So only the
        inode and device of the file are read there, and only links of root are followed. Raises ProcessRootUnread.
        """
        host_status = self.find_entry(path)
        root = self._find_root_link(process)
        if host_status is not None and (self._has_host_mounts(process) or self._is_host_root(root)):
            return True
        self._require_root_reads()
        try:
            process_identity = run_apart(lambda: _make_identity(Files(root).find_entry(path)), ROOT_READ_LIMITS)
        except (ObservationError, ControlError):
            return False if self.privileged else None  # without root, the permission may be missing
        # the host has no such file, or the process has ended
        if host_status is None or (process_identity is None and not os.path.lexists(root)):
            return None
        return process_identity is not None and tuple(process_identity) == _make_identity(host_status)

    def _has_host_mounts(self, process: Process) -> bool:
        """Return whether a process has the same root directory and the same mounts as this process.

        The two links in /proc that are compared are the kernel's, so no user can delay the answer.
        """
        try:
            if not self._mount_namespace:
                self._mount_namespace = os.readlink(self._make_real_path("/proc/self/ns/mnt"))
            return (
                self._read_process_link(process.pid, "root") == "/"
                and self._read_process_link(process.pid, "ns/mnt") == self._mount_namespace
            )
        except OSError:
            return False

    def has_own_user_namespace(self, process: Process) -> bool:
        """Return whether a process is in another user namespace than this process.

        There, an ordinary user can mount any file system at any path.
        """
        try:
            if not self._user_namespace:
                self._user_namespace = os.readlink(self._make_real_path("/proc/self/ns/user"))
            return os.readlink(self._make_real_path(f"/proc/{process.pid}/ns/user")) != self._user_namespace
        except OSError:
            return False

    def _require_root_reads(self) -> None:
        """Raise ProcessRootUnread if this observation may not read root directories of processes."""
        if not self.reads_process_roots:
            raise ProcessRootUnread

    def _is_host_root(self, root: str) -> bool:
        """Return whether the link `root` of a process leads to the root directory of this process.

        The file system at the link is not read before the mounts are compared.
        """
        try:
            process_root, host_root = (os.open(root_path, PLACE_FLAGS) for root_path in (root, self.root))
        except OSError:
            return False
        try:
            is_same_mount = read_mount_id(process_root) == read_mount_id(host_root)
            return is_same_mount and os.path.samestat(os.fstat(process_root), os.fstat(host_root))
        finally:
            os.close(process_root)
            os.close(host_root)

    def list_ancestor_pids(self) -> set[int]:
        """Return the ids of this process, of its ancestors, and of process 1.

        The end of any of them would end this run.
        """
        pids = {1}
        pid = os.getpid()
        while pid > 0 and pid not in pids:
            pids.add(pid)
            pid = self.read_parent_pid(Process(pid, ""))
        return pids

    def read_process_file(self, pid: int, name: str) -> str:
        """Return the content of the file /proc/PID/`name`; "" if the process has ended."""
        try:
            with open(self._make_real_path(f"/proc/{pid}/{name}"), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except OSError:
            return ""

    def has_host_root(self, process: Process) -> bool:
        """Return whether the root directory of a process is the host's root directory.

        In a container or a sandbox, a process has another root directory. The path of its executable then does not
        identify a file of the host. Raises ProcessRootUnread.
        """
        if self._has_host_mounts(process):
            return True
        self._require_root_reads()
        try:
            return os.path.samestat(os.stat(self._find_root_link(process)), os.stat(self.root))
        except OSError:
            return False

    def read_file_in_root(self, process: Process, name: str, limit: int = 65536) -> bytes:
        """Return at most `limit` bytes of a regular file at the top of a process's root directory.

        Returns b"" if there is no such file, or if the process has the host's root directory. A user controls the root
        directory of a sandbox. So no link is followed there, and only a regular file is read. Raises ProcessRootUnread.
        """
        if self._has_host_mounts(process):
            return b""
        self._require_root_reads()
        try:
            root = os.open(self._find_root_link(process), PLACE_FLAGS)
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
        program: TerminationTarget,
        user_programs: Sequence[TerminationTarget] = (),
        list_running: Callable[[], Iterable[tuple[Process, TerminationTarget]]] = tuple,
        grace: float = 5,
    ) -> None:
        """End a program. The parameters are those of `end_programs` in process_termination.py.

        The import is here because only enforcing runs need that module.
        """
        from .process_termination import end_programs

        end_programs(self, program, user_programs or [program], list_running, grace)
