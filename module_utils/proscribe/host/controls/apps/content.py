"""What a process runs by its content: a file has its maker's mark in it under any name, deleted, in memory, or started
through a dynamic loader.

Nearly all processes run a program from a place of packages, where their path says enough. Only of the others, files
are read: the executable, and where that only starts another program, what it has mapped.
"""

from __future__ import annotations

from typing import Callable, Iterable, Mapping

from ....base import elf
from ....base.program_places import MEMORY_PREFIX, is_emulator_name, is_loader_name, is_starter_name, is_system_place
from ....base.tuples import NamedTuple
from ...system import Host, Process, escape_text
from ...system.mapped_files import MappedFile, MappedFiles


class Program(NamedTuple):
    """A file that a process runs as its program."""

    path: str
    package: str  # the Go package that it was built from; "" for none
    how: str  # in words, what of its start its path does not say; "" for nothing

    @property
    def name(self) -> str:
        return self.path[1:] if self.path.startswith(MEMORY_PREFIX) else self.path.rpartition("/")[2]


class _File(NamedTuple):
    """What the content of a file says."""

    package: str
    is_program: bool  # and no library
    starts_others: bool  # it may be a dynamic loader, or an emulator without one


class Contents:
    """Reads the programs of processes, each file once."""

    def __init__(self, host: Host, markers: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        self._files = MappedFiles(host)
        self._modules = {service: tuple(of.get("go", ())) for service, of in markers.items()}
        self._known: dict[tuple[int, ...], _File] = {}

    def programs(self, process: Process) -> list[Program]:
        """Return the programs of a process: its executable first, then those that this has mapped to run them. Raises
        Unseen where there are too many.
        """
        try:
            executable = self._files.find_executable(process)
        except OSError:
            return []
        content = self._read(process, executable)
        found = [Program(process.exe, content.package if content else "", _how(executable))]
        name = process.exe.rpartition("/")[2]
        if is_starter_name(name) or (content and content.starts_others):
            through = f"started through {escape_text(executable.path)}"
            is_emulator = is_emulator_name(name) or not is_loader_name(name)
            for file in self._files.list_mapped(process, includes_data=is_emulator):
                if file.path != executable.path and not (is_system_place(file.path) and _is_library(file.path)):
                    content = self._read(process, file)
                    if content.is_program if content else not _is_library(file.path):
                        package = content.package if content else ""
                        found.append(Program(file.path, package, ", ".join(filter(None, [_how(file), through]))))
        return found

    def services(self, program: Program) -> list[str]:
        """Return the services whose mark is in a program."""
        return [service for service, of in self._modules.items() if elf.is_built_from(program.package, of)]

    def _read(self, process: Process, file: MappedFile) -> _File | None:
        with self._files.open_mapped(process, file) as opened:
            if opened is None:
                return None
            if opened.identity not in self._known:
                self._known[opened.identity] = _judge(opened.read_content, file.path)
            return self._known[opened.identity]


def built_from(package: str) -> str:
    """Say by which mark a program is known."""
    return f"a program built from {package[:120]}"


def _judge(content: Callable[[int, int], bytes], path: str) -> _File:
    binary = elf.read_elf(content)
    if binary is None:
        return _File("", False, False)
    package = elf.read_go_package(content, binary)
    is_program = bool(package) or binary.has_interpreter or binary.kind == elf.FIXED_PROGRAM or not _is_library(path)
    return _File(package, is_program, elf.may_start_programs(binary, package))


def _is_library(path: str) -> bool:
    """Return whether a file has a library's name."""
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _how(file: MappedFile) -> str:
    if file.path.startswith(MEMORY_PREFIX):
        return "a file in memory alone"
    return "deleted file" if file.is_deleted else ""
