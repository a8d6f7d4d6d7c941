"""The programs that run on a Mac, as `ps` lists them: each with the path of its executable (ps(1), `comm`)."""

from __future__ import annotations

from ...base.patterns import compile_pattern
from ...base.tuples import NamedTuple
from ..system import ControlError, Host

PS = ("/bin/ps", "-axo", "pid=,uid=,comm=")
MOST = 50_000
LONGEST = 4096  # characters of a path
_LINE = compile_pattern(r" *([0-9]{1,9}) +(-?[0-9]{1,10}) +(/.*)")


class Program(NamedTuple):
    """A program that runs."""

    pid: int
    uid: int
    path: str

    @property
    def bundle(self) -> str:
        """The outermost application that it belongs to; "" for none."""
        start, ended, _ = self.path.partition(".app/")
        return f"{start}.app" if ended else ""


def listed(host: Host) -> list[Program]:
    """The programs that run. Raises ControlError where they cannot be listed."""
    found = []
    for line in host.read_command_output(PS, timeout=30).splitlines():
        parts = _LINE.fullmatch(line)
        if parts and len(parts[3]) <= LONGEST:
            found.append(Program(int(parts[1]), int(parts[2]), parts[3].rstrip()))
        if len(found) > MOST:
            raise ControlError(f"more than {MOST:,} programs run")
    if not found:
        raise ControlError("ps lists no program")  # it runs itself
    return found
