"""A slow link between two network namespaces, packet by packet: what netem does, where the kernel has no netem.

    slow_link.py SECONDS SHARE      a delay each direction adds, and the share of packets that get lost

It makes two tun(4) devices, `near` and `far`, in its own network namespace, prints "up", and carries IP packets between
them until its standard input ends. Then it prints what it did, as JSON. Each packet leaves a fixed time after it came,
in order; each is lost by itself, by a generator whose seed is fixed. TCP on both sides is the kernel's: it retransmits
as it does on a real link.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import os
import random
import resource
import select
import struct
import sys
import time
from collections.abc import Iterator

DEVICES = ("near", "far")
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
PACKET = 65536
BURST = 64  # packets taken from one side before the other has its turn
MOST = 20_000  # packets under way; netem's own `limit` drops above that too


class Line:
    """Packets under way. `delay` in seconds, `loss` a share of 1; at most `most` packets, and more are lost."""

    def __init__(self, delay: float, loss: float, most: int = MOST, seed: int = 1) -> None:
        self.delay, self.loss, self.most = delay, loss, most
        self.chance = random.Random(seed)
        self.packets: collections.deque[tuple[float, int, bytes]] = collections.deque()
        self.came = self.lost = self.overflowed = self.refused = 0
        self.late = 0.0  # the longest that a packet left after its time, in seconds

    def put(self, now: float, target: int, packet: bytes) -> None:
        """A packet came, for that side."""
        self.came += 1
        if self.chance.random() < self.loss:
            self.lost += 1
        elif len(self.packets) >= self.most:
            self.overflowed += 1
        else:
            self.packets.append((now + self.delay, target, packet))

    def due(self, now: float) -> Iterator[tuple[int, bytes]]:
        """The packets whose time has come, in order."""
        while self.packets and self.packets[0][0] <= now:
            time_due, target, packet = self.packets.popleft()
            self.late = max(self.late, now - time_due)
            yield target, packet

    def wait(self, now: float) -> float | None:
        """Seconds until the next packet is due; None if none is under way."""
        return max(0.0, self.packets[0][0] - now) if self.packets else None


def device(name: str) -> int:
    """A tun device of this namespace, as a descriptor that gives and takes IP packets."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def carry(line: Line, near: int, far: int, until: int) -> None:
    """Carry packets between two descriptors that do not block, until the third ends."""
    across = {near: far, far: near}
    while True:
        ready = select.select([near, far, until], [], [], line.wait(time.monotonic()))[0]
        if until in ready and not os.read(until, 1):
            return
        for fd in across.keys() & set(ready):
            with contextlib.suppress(BlockingIOError):
                for _ in range(BURST):
                    line.put(time.monotonic(), across[fd], os.read(fd, PACKET))
        for target, packet in line.due(time.monotonic()):
            try:
                os.write(target, packet)
            except OSError:  # the kernel takes no such packet there, or not yet
                line.refused += 1


def main() -> None:
    delay, loss = map(float, sys.argv[1:])
    near, far = map(device, DEVICES)
    print("up", flush=True)
    line = Line(delay, loss)
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # the delay is not to grow because other processes are busy
    carry(line, near, far, sys.stdin.fileno())
    used = resource.getrusage(resource.RUSAGE_SELF)
    counts = {"packets": line.came, "lost": line.lost, "overflowed": line.overflowed, "refused": line.refused}
    print(json.dumps({**counts, "late": line.late, "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
