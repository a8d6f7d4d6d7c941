"""What every package system answers, and what a system is: one file here, one row in `systems.SYSTEMS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, AbstractSet, Callable, Iterable, Mapping, Protocol, Sequence

from .....base.tuples import NamedTuple
from .....model.finding import Finding
from ....system import ControlError, Host, ObservationError, Process, User, escape_text
from ...base import ControlAction
from ..blocks.parts import BlockPart

if TYPE_CHECKING:
    from typing import TypeVar

    UserAnswer = TypeVar("UserAnswer")


class Package(NamedTuple):
    """An installed package, whichever system installed it."""

    manager: str  # dpkg, flatpak
    id: str  # its name, as the catalogue has it
    version: str = ""
    handles: tuple[str, ...] = ()  # what its own system calls it: wechat:i386, app/com.tencent.WeChat/x86_64/stable
    owner: User | None = None  # whose own installation it is in; None for the system's
    path: str = ""
    is_held: bool = False  # an administrator asked the package system to leave it as it is

    @property
    def scope(self) -> str:
        return f"user:{self.owner.name}" if self.owner else "system"

    def make_finding(self) -> Finding:
        version, path = escape_text(self.version), escape_text(self.path)  # of a user's own package, his word
        return Finding("package", self.id, self.manager, version, self.scope, path)


def find_program_place(files: Iterable[str]) -> str:
    """Where a package's program lies, by the list of its files: its folder in /opt, or the first of its programs; ""
    if it has neither.
    """
    program_files = [file for file in files if file.startswith(("/opt/", "/usr/bin/", "/usr/sbin/", "/usr/games/"))]
    return next(
        ("/opt/" + file.split("/")[2] for file in program_files if file.startswith("/opt/")),
        min(program_files, default=""),
    )


class InstallBlock(NamedTuple):
    """What the install block of one package system refuses, and what it says to users."""

    ids: AbstractSet[str] = frozenset()
    contact: str = ""
    permitted_versions: Mapping[str, Sequence[str]] = {}  # Versions of some of them that may be installed.
    # Where the system shows what is in a package, one of another name that has one of these paths is refused as well.
    paths: Sequence[str] = ()
    messages: Sequence[str] = ()  # the organisation's own texts for a refusal, one line each

    @property
    def closed_ids(self) -> AbstractSet[str]:
        """The packages of which no version may be installed."""
        return self.ids - self.permitted_versions.keys()


def make_file_matcher(host: Host, files: Mapping[str, str]) -> Callable[[Process], str]:
    """A function that says to which package a running program of the host belongs, by the files of each."""
    return lambda process: files[process.exe] if process.exe in files and host.has_host_root(process) else ""


def ask_for_user(user: User | None, question: Callable[[], UserAnswer]) -> UserAnswer:
    """The answer to a question about something of a user's, which is asked apart (system/forked.py): it may never come.

    Raises ControlError, and Unseen.
    """
    if user is None or user.uid == 0:
        return question()
    from ....system.forked import WorkLimits, run_apart

    user_answer: UserAnswer = run_apart(question, WorkLimits(memory=0))
    return user_answer


def is_path_present(host: Host, user: User | None, path: str) -> bool:
    """Whether something stands at a path of a user's."""
    try:
        return ask_for_user(user, lambda: host.find_entry(path) is not None)
    except (ControlError, ObservationError):
        return False


class PackageSystem(Protocol):
    """The shape of a package system's file: the query and its parser, the programs, the removal, the block."""

    MANAGER: str
    CATALOGUE_KEY: str  # under which the catalogue names its packages
    # Files and directories of which one changes with every change of what is installed. None where to ask the system
    # costs no more than to read them.
    DATABASE_FILES: tuple[str, ...]

    def find_packages(self, host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """Which of these packages are installed for the whole host, and why some could not be checked ("" if
        all could).
        """

    def find_user_packages(self, host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
        """The same of what a user has installed for himself, below `user.home`; nothing where the system knows no such
        installations. It is asked on that user's budget (system/budget.py): what it reads is his word.
        """

    def list_owned_directories(self, host: Host, user: User | None) -> Sequence[str]:
        """The directories that are the system's own, of the host or of a user's installation, whether they are there
        or not. What is in them is seen and removed by the system alone: the file scan moves nothing out of them.
        """

    def make_program_matcher(
        self, host: Host, ids: AbstractSet[str], packages: Sequence[Package]
    ) -> Callable[[Process], str]:
        """A function that says to which of these packages a running program belongs; "" for none of them."""

    def plan_removal(
        self, host: Host, packages: Sequence[Package]
    ) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
        """What removes these packages and nothing else, and which are not removed, each with the reason."""

    def make_block_parts(self, block: InstallBlock) -> tuple[BlockPart, ...]:
        """What keeps packages from being installed again; nothing if the system has no install block."""

    def is_block_applicable(self, host: Host) -> bool:
        """Whether this host has the package system, so that an install block makes sense."""

    def is_present(self, host: Host, user: User | None) -> bool:
        """Whether there is a package system to be asked about, of the host or of a user: where there is none, that no
        package of it is installed says nothing.
        """
