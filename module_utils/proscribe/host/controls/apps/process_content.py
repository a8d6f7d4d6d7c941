"""Identification of a process by the content of its files.

A Go program has the mark of its maker in it: the module that it was built from. The name of the program does not
matter. The mark is also there if the file is deleted or exists only in memory. A start through a dynamic loader (ld.so)
does not hide it.

Nearly all processes run a program from a directory of the package systems, where the path identifies the program. Files
are read only for other processes: the executable, and its mapped files if the executable only starts another program.
"""

from __future__ import annotations

from typing import Callable, Iterable, Mapping

from ....base import elf
from ....base.named_tuple import NamedTuple
from ....base.program_paths import MEMORY_PREFIX, is_emulator_name, is_loader_name, is_starter_name, is_system_place
from ...system import Host, Process, escape_text
from ...system.mapped_files import MappedFile, MappedFiles


class ProcessProgram(NamedTuple):
    """File that a process runs as its program."""

    path: str
    package: str  # the Go package that the program was built from; "" for a program that is not Go's
    start_detail: str  # how the program was started, for example `deleted file`; "" if the path shows it

    @property
    def name(self) -> str:
        """Base name of the path, or the name of a file that exists only in memory."""
        return self.path[1:] if self.path.startswith(MEMORY_PREFIX) else self.path.rpartition("/")[2]


class _FileContent(NamedTuple):
    """Facts from the content of a file."""

    package: str  # the Go package that the program was built from, or ""
    is_program: bool  # a program, not a library
    # the program may be a dynamic loader, or an emulator that runs without a dynamic loader
    starts_other_programs: bool


class ProcessContents:
    """Reader of the programs of processes. It reads each file once."""

    def __init__(self, host: Host, markers: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        self._mapped_files = MappedFiles(host)
        self._go_modules = {
            service: tuple(service_markers.get("go", ())) for service, service_markers in markers.items()
        }
        self._judged_files: dict[tuple[int, ...], _FileContent] = {}

    def list_programs(self, process: Process) -> list[ProcessProgram]:
        """Return the programs of a process: its executable, then programs that the executable has mapped to run them.

        Only a dynamic loader or an emulator maps other programs. Return [] if the executable cannot be found, because
        the process has ended for example. Raises ObservationError if the process has mapped too many files.
        """
        try:
            executable = self._mapped_files.find_executable(process)
        except OSError:
            return []
        content = self._read_content(process, executable)
        programs = [ProcessProgram(process.exe, content.package if content else "", _describe_start(executable))]
        name = process.exe.rpartition("/")[2]
        if is_starter_name(name) or (content and content.starts_other_programs):
            start_detail = f"started through {escape_text(executable.path)}"
            is_emulator = is_emulator_name(name) or not is_loader_name(name)
            for file in self._mapped_files.list_mapped(process, includes_data=is_emulator):
                if file.path != executable.path and not (is_system_place(file.path) and _is_library_name(file.path)):
                    content = self._read_content(process, file)
                    if content.is_program if content else not _is_library_name(file.path):
                        package = content.package if content else ""
                        programs.append(
                            ProcessProgram(
                                file.path, package, ", ".join(filter(None, [_describe_start(file), start_detail]))
                            )
                        )
        return programs

    def find_services(self, program: ProcessProgram) -> list[str]:
        """Return the services whose mark (a Go module) is in a program."""
        return [service for service, modules in self._go_modules.items() if elf.is_built_from(program.package, modules)]

    def _read_content(self, process: Process, file: MappedFile) -> _FileContent | None:
        """Return facts from the content of a file that a process has mapped, or None if the file cannot be opened."""
        with self._mapped_files.open_mapped(process, file) as open_file:
            if open_file is None:
                return None
            if open_file.identity not in self._judged_files:
                self._judged_files[open_file.identity] = _judge_file(open_file.read_content, file.path)
            return self._judged_files[open_file.identity]


def describe_go_package(package: str) -> str:
    """Describe the mark that identifies a program: the Go package that it was built from."""
    return f"a program built from {package[:120]}"


def _judge_file(read_content: Callable[[int, int], bytes], path: str) -> _FileContent:
    """Return facts from the content of a file.

    A file that is no ELF file is no program.
    """
    binary = elf.read_elf(read_content)
    if binary is None:
        return _FileContent("", False, False)
    package = elf.read_go_package(read_content, binary)
    is_program = (
        bool(package) or binary.has_interpreter or binary.kind == elf.FIXED_PROGRAM or not _is_library_name(path)
    )
    return _FileContent(package, is_program, elf.may_start_programs(binary, package))


def _is_library_name(path: str) -> bool:
    """Return whether a file has the name of a library."""
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _describe_start(file: MappedFile) -> str:
    """Describe what is unusual about the file of a program: it is deleted, or exists only in memory.

    Return "" if nothing is unusual.
    """
    if file.path.startswith(MEMORY_PREFIX):
        return "a file in memory alone"
    return "deleted file" if file.is_deleted else ""
