"""Namespaces in which a part of a test run cannot leave anything on the machine: `isolated.py DIRECTORY COMMAND...`

Root's tests boot hosts, load firewall rules, and mount file systems. In here they have a process tree, mounts, a
network and a podman storage of their own, with /tmp and /var/tmp below DIRECTORY, and what they write in /etc and
/var/lib. All of it ends with the process that was started, however that ends: the kernel kills the process tree, and
with it go the mounts and the network. Two runs, and two parts of one, never meet, whatever they call their hosts and
networks.

A checkout below one of these places is visible at its path, and files that are written there stay.

DIRECTORY/network is the network that the machine has, for downloads (`machine.outside`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
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
    open_paths = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in _find_paths_in_use(directory)}
    for place in LAID_OVER:
        _lay_over(place, directory)
        _bind_back(open_paths)
    for place in ON_DISK:
        own = directory / place.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o1777 if place.endswith("tmp") else 0o755)
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(own), place)
        _bind_back(open_paths)
    for place in IN_MEMORY:
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", place)
        _bind_back(open_paths)
    for descriptor in open_paths.values():
        os.close(descriptor)
    network = directory / "network"
    network.touch()
    _mount("--bind", "/proc/self/ns/net", str(network))
    return {OUTSIDE: str(network), "TMPDIR": "/tmp"}


def _find_paths_in_use(directory: Path) -> list[Path]:
    """Return the paths of which the tests read or write something, wherever they lie: the checkout, its cache and its
    history, which a work tree shares with another one, and the directory of the run.
    """
    project = Path(__file__).resolve().parent.parent
    question = ["git", "-C", str(project), "rev-parse", "--git-common-dir"]
    history = ""
    with contextlib.suppress(OSError):  # no git
        history = subprocess.run(question, capture_output=True, text=True).stdout.removesuffix("\n")
    paths = (project, project / ".cache", project / history, directory)
    return [path for path in dict.fromkeys(path.resolve() for path in paths) if path.is_dir()]


def _bind_back(open_paths: Mapping[Path, int]) -> None:
    """Mount the directories again that the last mount has covered. `open_paths` has an open descriptor of each."""
    for path, descriptor in open_paths.items():
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                continue
        for step in (*reversed(path.parents), path):
            if not step.exists():
                step.mkdir()
                step.chmod(0o755)  # some tests become an ordinary user
        argv = ["mount", "--no-canonicalize", "--bind", f"/proc/self/fd/{descriptor}", str(path)]
        subprocess.run(argv, check=True, pass_fds=[descriptor])


def _lay_over(place: str, directory: Path) -> None:
    """Keep what is written below a place apart. What is mounted below it, such as a container's /etc/hosts, stays."""
    points = [point for point in _mounted_below(place) if not Path(point).is_relative_to(directory)]
    name = place.strip("/").replace("/", "-")
    own, written = directory / name, directory / f"{name}-written"
    for made in (own, written):
        made.mkdir(parents=True, exist_ok=True)
    # The kernel refuses layers that lie in one another, so a run below such a place writes into memory.
    if any(directory.resolve().is_relative_to(Path(covered).resolve()) for covered in LAID_OVER):
        _mount("-t", "tmpfs", "tmpfs", str(written))
    for layer in ("upper", "work"):
        (written / layer).mkdir(exist_ok=True)
    shutil.copystat(place, written / "upper")
    # Relative paths: a comma or a colon in the path of the checkout would end the option.
    options = f"lowerdir={place},upperdir=upper,workdir=work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(own)], check=True, cwd=written)
    for point in points:
        try:
            _mount("--bind", point, str(own) + point.removeprefix(place))
        except subprocess.CalledProcessError:
            if os.path.ismount(point):  # else somebody has unmounted it meanwhile, or removed what it was on
                raise
    _mount("--rbind", str(own), place)


def _mounted_below(place: str) -> list[str]:
    """What is mounted below a place, but for what a part has of its own: containers of others come and go."""
    fields = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields]
    own = tuple(f"{one}/" for one in (*ON_DISK, *IN_MEMORY))
    return [point for point in points if point.startswith(f"{place}/") and not f"{point}/".startswith(own)]


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main(directory: str, *argv: str) -> int:
    """The first process of the tree: starts the command, and waits for all that the tree leaves to it."""
    environment = {**os.environ, **prepare(Path(directory))}
    with contextlib.suppress(FileNotFoundError):
        os.chdir(os.getcwd())  # the old directory is covered where the checkout is mounted again
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
