"""Interface of a package system, with the types of its answers. Each system has a file here."""

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

    manager: str  # dpkg, flatpak
    id: str  # name in the catalogue
    version: str = ""
    handles: tuple[str, ...] = ()  # names in its own system: wechat:i386, app/com.tencent.WeChat/x86_64/stable
    owner: User | None = None  # user of the installation; None for the whole host
    path: str = ""
    is_held: bool = False  # an administrator told the package system to leave it unchanged

    @property
    def scope(self) -> str:
        return f"user:{self.owner.name}" if self.owner else "system"

    def make_finding(self) -> Finding:
        # A user controls them in the user's own package.
        version, path = escape_text(self.version), escape_text(self.path)
        return Finding("package", self.id, self.manager, version, self.scope, path)


def find_program_place(files: Iterable[str]) -> str:
    """Return the place of a package's program, from the list of its files, or "".

    The place is the folder in /opt, or the first program.
    """
    program_files = [file for file in files if file.startswith(("/opt/", "/usr/bin/", "/usr/sbin/", "/usr/games/"))]
    return next(
        ("/opt/" + file.split("/")[2] for file in program_files if file.startswith("/opt/")),
        min(program_files, default=""),
    )


class InstallBlock(NamedTuple):
    """Content of the install block of a package system: the refused packages, and the texts for users."""

    ids: AbstractSet[str] = frozenset()
    contact: str = ""
    permitted_versions: Mapping[str, Sequence[str]] = {}  # versions of these packages that may be installed.
    # A package with one of these paths is refused under any name, if the system shows the content of packages.
    paths: Sequence[str] = ()
    messages: Sequence[str] = ()  # the organisation's own texts for a refusal, a line each

    @property
    def closed_ids(self) -> AbstractSet[str]:
        """Packages of which no version may be installed."""
        return self.ids - self.permitted_versions.keys()


def make_file_matcher(host: Host, files: Mapping[str, str]) -> Callable[[Process], str]:
    """Make the function that returns the package of a running program of the host, by the files of each package."""
    return lambda process: files[process.exe] if process.exe in files and host.has_host_root(process) else ""


def ask_for_user(user: User | None, question: Callable[[], UserAnswer]) -> UserAnswer:
    """Return the answer to a question about files of a user, from a process of its own (system/forked_work.py).

    The answer may never come. Raises ControlError and ObservationError.
    """
    if user is None or user.uid == 0:
        return question()
    from ....system.forked_work import WorkLimits, run_apart

    user_answer: UserAnswer = run_apart(question, WorkLimits(memory=0))
    return user_answer


def is_path_present(host: Host, user: User | None, path: str) -> bool:
    """Return whether an entry exists at a path of a user."""
    try:
        return ask_for_user(user, lambda: host.find_entry(path) is not None)
    except (ControlError, ObservationError):
        return False


class PackageSystem(Protocol):
    """Interface of a package system's file: query, parser, programs, removal and block."""

    MANAGER: str
    CATALOGUE_KEY: str  # key of its packages in the catalogue
    # Files and directories: each change of the installed packages changes one of them. Empty if a query costs no more
    # than reading them.
    DATABASE_FILES: tuple[str, ...]

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """Return the given packages that are installed for the whole host, and the reason why some are unknown.

        The reason is "" if all could be checked.
        """

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """Return the same for packages that a user has installed below `user.home`.

        The result is empty if the system has no such installations. The query runs within that user's budget
        (system/budget.py), because the user controls the files.
        """

    def list_owned_directories(self, host: Host, user: User | None) -> Sequence[str]:
        """Return the directories that belong to the system, of the host or of a user's installation.

        They need not exist. Only the system itself observes and removes their content. The file scan moves nothing out
        of them.
        """

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """Make the function that returns the package of a running program among the given ones, or ""."""

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        """Return the actions that remove exactly these packages, and the packages that stay, with the reasons."""

    def make_block_parts(self, block: InstallBlock) -> tuple[BlockPart, ...]:
        """Return the parts that keep packages from being installed again: none if the system has no install block."""

    def is_block_applicable(self, host: Host) -> bool:
        """Return whether this host has the package system, so that it needs an install block."""

    def is_present(self, host: Host, user: User | None) -> bool:
        """Return whether the host or a user has the package system.

        Without the system, the absence of its packages proves nothing.
        """
