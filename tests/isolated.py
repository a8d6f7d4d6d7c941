"""Namespaces in which a part of a test run cannot leave anything on the machine: `isolated.py DIRECTORY COMMAND...`

Root's tests boot hosts, load firewall rules, and mount file systems. In here they have a process tree, mounts, a
network and a podman storage of their own, with /tmp and /var/tmp below DIRECTORY, and what they write in /etc and
/var/lib. All of it ends with the process that was started, however that ends: the kernel kills the process tree, and
with it go the mounts and the network. Two runs, and two parts of one, never meet, whatever they call their hosts and
networks.

DIRECTORY/network is the network that the machine has, for downloads (`machine.outside`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

OUTSIDE = "PROSCRIBE_TESTS_OUTSIDE"  # the environment variable that names the network of the machine
# What programs write or share on a machine under one name, and has to be each run's own: below DIRECTORY, or in memory.
# Ansible's connections stay open below its directory, under the address of the host, which several runs have.
ON_DISK = ("/tmp", "/var/tmp", "/var/lib/containers", "/etc/containers/networks", str(Path.home() / ".ansible"))
IN_MEMORY = ("/run/netns", "/run/containers", "/run/libpod")
# What the machine has there is to be seen, and what is written there goes: users, settings, states.
LAID_OVER = ("/etc", "/var/lib")
# In the new process tree. The mount is in the place of the old one and not over it: tests read what is mounted there.
PROC = "umount -R -l /proc && mount -t proc proc /proc"
# In the new network. /sys shows the interfaces of the network in which it was mounted; control groups are below it.
SETUP = """\
set -eu
ip link set lo up
mkdir -p "$0/sys"
mount -t sysfs sysfs "$0/sys"
mount --rbind /sys/fs/cgroup "$0/sys/fs/cgroup"
mount --rbind "$0/sys" /sys
exec "$@"
"""


def command(directory: Path, argv: Sequence[str], downloads: bool = False) -> list[str]:
    """The command that runs `argv` in namespaces of its own, by root. What downloads has the network of the machine."""
    unshare = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        PROC + ' && exec "$@"',
        "sh",
    ]
    network = [] if downloads else ["unshare", "--net", "sh", "-c", SETUP, str(directory)]
    return [*unshare, sys.executable, "-I", __file__, str(directory), *network, *argv]


def prepare(directory: Path) -> dict[str, str]:
    """Make the mounts, and return what the environment has to name."""
    for place in LAID_OVER:
        _lay_over(place, directory)
    for place in ON_DISK:
        own = directory / place.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o1777 if place.endswith("tmp") else 0o755)
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(own), place)
    for place in IN_MEMORY:
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", place)
    network = directory / "network"
    network.touch()
    _mount("--bind", "/proc/self/ns/net", str(network))
    return {OUTSIDE: str(network), "TMPDIR": "/tmp"}


def _lay_over(place: str, directory: Path) -> None:
    """Keep what is written below a place apart. What is mounted below it, such as a container's /etc/hosts, stays."""
    name = place.strip("/").replace("/", "-")
    own, upper, work = (directory / f"{name}{role}" for role in ("", "-written", "-work"))
    for made in (own, upper, work):
        made.mkdir(parents=True, exist_ok=True)
    shutil.copystat(place, upper)
    _mount("-t", "overlay", "-o", f"lowerdir={place},upperdir={upper},workdir={work}", "overlay", str(own))
    for point in _mounted_below(place):
        try:
            _mount("--bind", point, str(own) + point.removeprefix(place))
        except subprocess.CalledProcessError:
            if os.path.ismount(point):  # else somebody has unmounted it meanwhile, or removed what it was on
                raise
    _mount("--rbind", str(own), place)


def _mounted_below(place: str) -> list[str]:
    """What is mounted below a place, but for what a part has of its own: containers of others come and go."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    own = tuple(f"{one}/" for one in (*ON_DISK, *IN_MEMORY))
    return [point for point in points if point.startswith(f"{place}/") and not f"{point}/".startswith(own)]


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main(directory: str, *argv: str) -> int:
    """The first process of the tree: starts the command, and waits for all that the tree leaves to it."""
    environment = {**os.environ, **prepare(Path(directory))}
    child = subprocess.Popen(argv, env=environment)
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group, or to this process alone by a person
        signal.signal(number, lambda number, frame: None)
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status) % 256


def alone(*argv: str) -> int:
    """Run a command in namespaces and a directory of its own, which goes with it: how `tests/tool` runs pytest."""
    sys.path.insert(0, str(Path(__file__).parent))
    import machine
    from suite import leftovers

    if OUTSIDE in os.environ:  # a test that runs tests
        os.execv(argv[0], argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # the terminal sends them to the whole group, which ends in order
        signal.signal(number, lambda number, frame: None)
    with leftovers.directory(machine.CACHE) as own:
        return subprocess.run(command(own, argv)).returncode


if __name__ == "__main__":
    sys.exit(alone(*sys.argv[2:]) if sys.argv[1] == "--own" else main(*sys.argv[1:]))
