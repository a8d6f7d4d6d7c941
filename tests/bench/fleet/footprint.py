"""The memory of the controller's processes while a command runs: their proportional share (PSS), sampled.

PSS divides a page among the processes that share it, so that the sum over a tree counts each page once. It is without
the page cache, which a control group's `memory.peak` would count. A peak between two samples is not seen.
"""

import threading
from pathlib import Path
from typing import NamedTuple

EVERY = 0.5  # seconds between two samples


class Sample(NamedTuple):
    """MB and processes: of all, and of these the `ssh` clients and masters."""

    whole: float
    count: int
    ssh: float
    ssh_count: int


def sample(pids):
    """The memory of these processes now. One that has ended counts nothing."""
    sizes = {True: [], False: []}
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        sizes[name == "ssh"].extend(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))
    ssh, others = sizes[True], sizes[False]
    return Sample(sum(ssh) + sum(others), len(ssh) + len(others), sum(ssh), len(ssh))


class Footprint(threading.Thread):
    """Samples a group until the block ends."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.samples, self.over = group, [Sample(0, 0, 0, 0)], threading.Event()

    def run(self):
        while not self.over.wait(EVERY):
            self.samples.append(sample(self.group.processes()))

    @property
    def peak(self):
        """The sample with the most memory."""
        return max(self.samples)

    @property
    def others(self):
        """The most that was held without `ssh`, in MB."""
        return max(taken.whole - taken.ssh for taken in self.samples)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.join()
