"""What a run costs: seconds of the processors, the controller's and the hosts' apart, and by the clock.

The kernel counts for a control group, in which a process stays when it outlives what started it. So the controller's
group has the command, its children, and the OpenSSH masters in the background, for Ansible and its peers alike. A count
ends when both groups have become quiet; the clock stops at the command's end.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
LONGEST = 1800  # seconds for one run
JOIN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'
PAUSE, QUIET = 0.05, 0.001  # a group is quiet if it used less of a processor in such a pause; seconds
PATIENCE = 10  # seconds to wait for that


class Cost(NamedTuple):
    """What one run cost: seconds."""

    controller: float
    hosts: float
    wall: float

    @property
    def cpu(self):
        return self.controller + self.hosts


def least(costs):
    return Cost(*(min(column) for column in zip(*costs)))


class Group:
    """A control group of the bench's own."""

    def __init__(self, name):
        one = ROOT / "cpuacct"
        self.path = (one if one.is_dir() else ROOT) / f"proscribe-bench-{os.getpid()}-{name}"
        self.path.mkdir()

    def take(self, pid):
        """What this process starts from now on is counted here."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def processes(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def seconds(self):
        usage = self.path / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        counts = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(counts["usage_usec"]) / 1e6

    def close(self):
        for _ in range(50):  # its last processes are ending
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class Meter:
    """Runs commands of the controller, and counts."""

    def __init__(self):
        self.controller, self.hosts = Group("controller"), Group("hosts")

    def run(self, argv, environment, *, alone=False):
        """Run a command in the controller's group. `alone`: the end of its background is counted too."""
        before, started = self._seconds(), time.perf_counter()
        command = ["sh", "-c", JOIN, str(self.controller.path), *argv]
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": LONGEST}
        done = subprocess.run(command, env=environment, **options)
        wall = time.perf_counter() - started
        self._settle(alone)
        after = self._seconds()
        return Cost(after[0] - before[0], after[1] - before[1], wall), done

    def _seconds(self):
        return self.controller.seconds(), self.hosts.seconds()

    def _settle(self, alone):
        """Wait until the groups are quiet; `alone`: and until no process is left on the controller's side."""
        end, last = time.monotonic() + PATIENCE, sum(self._seconds())
        while time.monotonic() < end:
            time.sleep(PAUSE)
            now = sum(self._seconds())
            if now - last < QUIET and not (alone and self.controller.processes()):
                return
            last = now

    def end_background(self):
        """End what earlier runs of the controller left in the background: their open connections."""
        for pid in self.controller.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        self._settle(alone=True)

    def close(self):
        self.controller.close()
        self.hosts.close()
