"""The memory of the controller's processes while a command runs: their proportional share (PSS), sampled."""

import threading
from pathlib import Path
from typing import NamedTuple

EVERY = 0.5  # seconds between two samples


class Sample(NamedTuple):
    """MB and processes."""

    whole: float
    count: int


def sample(pids):
    """Return the memory of these processes. One that has ended counts nothing."""
    sizes = []
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return Sample(sum(sizes), len(sizes))


class Footprint(threading.Thread):
    """Samples a group until the block ends."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.samples, self.over = group, [Sample(0, 0)], threading.Event()

    def run(self):
        while not self.over.wait(EVERY):
            self.samples.append(sample(self.group.processes()))

    @property
    def peak(self):
        return max(self.samples)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.join()
