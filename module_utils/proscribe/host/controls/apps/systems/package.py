"""Interface that the file of each package system implements, and the types that the interface uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Callable, Iterable, Mapping, Protocol, Sequence

from .....base.named_tuple import NamedTuple
from .....model.finding import Finding
from ....system import ControlError, Host, ObservationError, Process, User, escape_text
from ...base import ControlAction
from ..blocks.parts import BlockPart

if TYPE_CHECKING:
    from typing import TypeVar

    UserAnswer = TypeVar("UserAnswer")


class Package(NamedTuple):
    """Installed package of any package system."""

    manager: str  # name of the package system, such as dpkg or flatpak
    id: str  # name of the package in the catalogue
    version: str = ""
    # Names that the package system itself uses, such as wechat:i386 or app/com.tencent.WeChat/x86_64/stable. For some
    # systems these are directories or environments, as the file of the system says.
    handles: tuple[str, ...] = ()
    owner: User | None = None  # the user who installed the package; None if it is installed for the whole host
    path: str = ""  # path of the package or its program, which a waiver may name; "" if it is unknown
    is_held: bool = False  # whether an administrator told the package system to leave this package unchanged

    @property
    def scope(self) -> str:
        """Owner of the package as findings show it: "system", or "user:" with the user's name."""
        return f"user:{self.owner.name}" if self.owner else "system"

    def make_finding(self) -> Finding:
        """Return the finding that reports this package as installed."""
        # In a package of a user, that user controls version and path, so both are escaped.
        version, path = escape_text(self.version), escape_text(self.path)
        return Finding("package", self.id, self.manager, version, self.scope, path)


def find_program_place(files: Iterable[str]) -> str:
    """Return where the program of a package is, from the paths of the package's files, or "".

    The result is the package's folder in /opt. Without such a folder, it is the program whose path sorts first.
    """
    program_files = [file for file in files if file.startswith(("/opt/", "/usr/bin/", "/usr/sbin/", "/usr/games/"))]
    return next(
        ("/opt/" + file.split("/")[2] for file in program_files if file.startswith("/opt/")),
        min(program_files, default=""),
    )


class InstallBlock(NamedTuple):
    """Packages that the install block of a package system has to refuse, and the texts that users get."""

    ids: AbstractSet[str] = frozenset()  # the restricted packages
    contact: str = ""  # person or office that refused users can ask
    permitted_versions: Mapping[str, Sequence[str]] = {}  # by package: the versions that a waiver permits
    # A package that contains one of these paths is refused, whatever its name. This works only if the package system
    # shows the files of a package before its installation.
    paths: Sequence[str] = ()
    messages: Sequence[str] = ()  # texts of the organisation that a refusal shows, each one line

    @property
    def closed_ids(self) -> AbstractSet[str]:
        """Restricted packages of which no waiver permits a version, so that every version is refused."""
        return self.ids - self.permitted_versions.keys()


def make_file_matcher(host: Host, files: Mapping[str, str]) -> Callable[[Process], str]:
    """Make the function that returns the package of a running program, or "".

    `files` has the package by file path. A program in a container gives "", because its path says nothing about the
    host's files.
    """
    return lambda process: files[process.exe] if process.exe in files and host.has_host_root(process) else ""


def ask_for_user(user: User | None, question: Callable[[], UserAnswer]) -> UserAnswer:
    """Return the result of `question`, a function that reads files of a user.

    A user can make a file that never answers, so the function runs in a forked process (system/forked_work.py). For
    root, or the host (None), it runs in this process. Raises ControlError and ObservationError.
    """
    if user is None or user.uid == 0:
        return question()
    from ....system.forked_work import WorkLimits, run_apart

    user_answer: UserAnswer = run_apart(question, WorkLimits(memory=0))
    return user_answer


def is_path_present(host: Host, user: User | None, path: str) -> bool:
    """Return whether something exists at a path that `user` controls; None is a path of the host.

    An unreadable path counts as missing.
    """
    try:
        return ask_for_user(user, lambda: host.find_entry(path) is not None)
    except (ControlError, ObservationError):
        return False


class PackageSystem(Protocol):
    """Interface of the file of a package system.

    Its functions find packages and their running programs, and remove and block packages.
    """

    MANAGER: str
    CATALOGUE_KEY: str  # key of the system's packages in a service of the catalogue
    # Files and directories of which at least one changes whenever the installed packages change. If all are unchanged,
    # the system is not queried again. () if a query is as cheap as the check of such files.
    DATABASE_FILES: tuple[str, ...]

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """Return the packages among `ids` that are installed for the whole host, and why some are unknown.

        The reason is "" if all could be checked.
        """

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """Return the packages among `ids` that a user has installed, and why some are unknown.

        The reason is "" if all could be checked. The packages are below `user.home`, or in a host directory with the
        user's name. A system without installations of users returns no packages. The user controls the files, so the
        query is limited by that user's budget (system/budget.py).
        """

    def list_owned_directories(self, host: Host, user: User | None) -> Sequence[str]:
        """Return the directories in which the system keeps packages of `user` (None is the host).

        The directories need not exist. Only the package system itself observes and removes their content. The file scan
        moves no file out of them.
        """

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """Make the function that returns the restricted package of a running program: its id, or "".

        `ids` are the restricted packages, and `packages` those of them that are installed.
        """

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        """Return the actions that remove packages, and the packages that stay, each with the reason.

        The actions remove no other package. A package stays if that is impossible, for example.
        """

    def make_block_parts(self, block: InstallBlock) -> tuple[BlockPart, ...]:
        """Return the parts of the install block, which makes the system refuse the packages in `block`.

        With an empty `block`, return all parts that an earlier block may have left. Return () if the system can have no
        block.
        """

    def is_block_applicable(self, host: Host) -> bool:
        """Return whether this host can have an install block, because it has the package system."""

    def is_present(self, host: Host, user: User | None) -> bool:
        """Return whether the host (`user` is None) or a user has the package system.

        Without the package system, the absence of its packages proves nothing.
        """
