"""What a run costs: seconds by the clock, and of the processors, the controller's and the hosts' apart.

The processors' seconds are the kernel's own count for a control group, so that nothing else that the machine does is in
them. Version 1 and 2 of control groups have it in different places.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
LONGEST = 1800  # seconds for one run
JOIN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


class Cost(NamedTuple):
    """What one run cost: seconds."""

    wall: float
    controller: float
    hosts: float

    @property
    def cpu(self) -> float:
        return self.controller + self.hosts

    def each(self, hosts: int) -> str:
        """The same for one host, in milliseconds."""
        return "  ".join(f"{1000 * seconds / hosts:8.1f}" for seconds in (self.wall, self.controller, self.hosts))


class Group:
    """A control group of the bench's own."""

    def __init__(self, name: str) -> None:
        one = ROOT / "cpuacct"
        self.path = (one if one.is_dir() else ROOT) / f"proscribe-bench-{os.getpid()}-{name}"
        self.path.mkdir()

    def take(self, pid: int) -> None:
        """What this process starts from now on is counted here."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def seconds(self) -> float:
        usage = self.path / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        counts = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(counts["usage_usec"]) / 1e6

    def close(self) -> None:
        for _ in range(50):  # its last processes are ending
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Meter:
    """Runs commands of the controller, and counts."""

    def __init__(self) -> None:
        self.controller, self.hosts = Group("controller"), Group("hosts")

    def run(self, argv: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, subprocess.CompletedProcess[str]]:
        """Run a command in the controller's group."""
        before, started = (self.controller.seconds(), self.hosts.seconds()), time.perf_counter()
        command = ["sh", "-c", JOIN, str(self.controller.path), *argv]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST)
        wall = time.perf_counter() - started
        return Cost(wall, self.controller.seconds() - before[0], self.hosts.seconds() - before[1]), done

    def close(self) -> None:
        self.controller.close()
        self.hosts.close()
