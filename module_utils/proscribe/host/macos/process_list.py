"""Running programs of a Mac as `ps` lists them, each with the path of its executable (ps(1), `comm`)."""

from __future__ import annotations

from ...base.lazy_patterns import compile_pattern
from ...base.named_tuple import NamedTuple
from ..system import ControlError, Host

PS_COMMAND = ("/bin/ps", "-axo", "pid=,uid=,comm=")
MAX_PROGRAMS = 50_000
MAX_PATH_CHARACTERS = 4096  # longer paths are left out
_LINE_PATTERN = compile_pattern(r" *([0-9]{1,9}) +(-?[0-9]{1,10}) +(/.*)")


class MacProgram(NamedTuple):
    """Running process of a Mac, with the path of its executable."""

    pid: int
    uid: int
    path: str

    @property
    def bundle(self) -> str:
        """The outermost application that contains the program; "" for none."""
        start, separator, _ = self.path.partition(".app/")
        return f"{start}.app" if separator else ""


def list_programs(host: Host) -> list[MacProgram]:
    """Return the running programs. Raises ControlError if they cannot be listed."""
    programs = []
    for line in host.read_command_output(PS_COMMAND, timeout=30).splitlines():
        parts = _LINE_PATTERN.fullmatch(line)
        if parts and len(parts[3]) <= MAX_PATH_CHARACTERS:
            programs.append(MacProgram(int(parts[1]), int(parts[2]), parts[3].rstrip()))
        if len(programs) > MAX_PROGRAMS:
            raise ControlError(f"more than {MAX_PROGRAMS:,} programs run")
    if not programs:
        raise ControlError("ps lists no program")  # ps itself runs, so an empty list is an error
    return programs
