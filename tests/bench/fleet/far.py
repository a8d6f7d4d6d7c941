"""A controller that is far from the hosts: a network namespace of its own, and a slow link from there to theirs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hosts import NETWORK, Fleet

LINK = Path(__file__).with_name("slow_link.py")
ADDRESS = "10.76.0.2"  # of the controller there
QUEUE = "10000"  # packets that a device takes while the link's process waits for a processor


class Far:
    """The namespace. `counts` is what the link did, once it has ended: packets, lost, overflowed and refused; and in
    seconds late (the longest) and cpu.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.counts: dict[str, Any] = {}

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that has to reach the hosts over the link."""
        return ["ip", "netns", "exec", self.namespace]


@contextlib.contextmanager
def far(made: Fleet, delay: float, loss: float) -> Iterator[Far]:
    """A far controller: `delay` in seconds is added in each direction, `loss` is a share of 1. All ends with the
    block; nobody counts the link's own processor time as the controller's or the hosts'.
    """
    place = Far(f"{made.namespace}-far")
    subprocess.run(["ip", "netns", "add", place.namespace], check=True)
    try:
        argv = [*made.prefix, sys.executable, str(LINK), str(delay), str(loss)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as link:
            assert link.stdin is not None and link.stdout is not None
            if link.stdout.readline() != "up\n":
                raise SystemExit("the slow link needs /dev/net/tun")
            for command in (
                [made.namespace, "link", "set", "far", "netns", place.namespace],
                [made.namespace, "link", "set", "near", "up", "txqueuelen", QUEUE],
                [made.namespace, "route", "add", ADDRESS, "dev", "near"],
                [place.namespace, "link", "set", "lo", "up"],
                [place.namespace, "link", "set", "far", "up", "txqueuelen", QUEUE],
                [place.namespace, "addr", "add", ADDRESS, "dev", "far"],
                [place.namespace, "route", "add", f"{NETWORK}.0.0/16", "dev", "far", "src", ADDRESS],
            ):
                subprocess.run(["ip", "-n", *command], check=True)
            yield place
            link.stdin.close()
            place.counts = json.loads(link.stdout.readline())
    finally:
        pids = subprocess.run(["ip", "netns", "pids", place.namespace], capture_output=True, text=True).stdout.split()
        if pids:  # connections that are still open
            subprocess.run(["kill", *pids], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "delete", place.namespace])
