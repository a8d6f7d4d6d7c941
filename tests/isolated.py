"""Namespaces in which a part of a test run cannot leave anything on the machine: `isolated.py DIRECTORY COMMAND...`

Root's tests boot hosts, load firewall rules, and mount file systems. Here they have a process tree, mounts, a network
and a podman storage of their own, with /tmp and /var/tmp below DIRECTORY, and a layer over /etc and /var/lib. All of it
ends with the process that was started: the kernel kills the process tree, and the mounts and the network go with it.
So two runs, or two parts of one, never meet, whatever names their hosts and networks have.

A checkout below one of these places is visible at its path, and files that are written there stay.

DIRECTORY/network is the network of the machine, for downloads (`machine.outside`).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

OUTSIDE = "PROSCRIBE_TESTS_OUTSIDE"  # the environment variable that names the network of the machine
# Each run has its own of these places, on which programs of several runs would meet: below DIRECTORY, or in memory.
# Ansible's connections stay open below its directory, under the address of the host, which several runs have.
ON_DISK = ("/tmp", "/var/tmp", "/var/lib/containers", "/etc/containers/networks", str(Path.home() / ".ansible"))
IN_MEMORY = ("/run/netns", "/run/containers", "/run/libpod")
# Users, settings and states: the files of the machine are visible, and changes go with the run.
LAID_OVER = ("/etc", "/var/lib")
# In the new process tree. The mount replaces the old one, since tests read the list of mounts.
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


def command(directory, argv, downloads=False):
    """Return root's command to run `argv` in namespaces of its own, or with `downloads` in the machine's network."""
    processes = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    network = [] if downloads else ["unshare", "--net", "sh", "-c", SETUP, str(directory)]
    own = [sys.executable, "-I", __file__, str(directory), *network, *argv]
    return ["unshare", *processes, "sh", "-c", PROC + ' && exec "$@"', "sh", *own]


def prepare(directory):
    """Make the mounts, and return the variables that the environment needs."""
    open_paths = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in _find_paths_in_use(directory)}
    for place in LAID_OVER:
        _lay_over(place, directory)
        _bind_back(open_paths)
    for place in (*ON_DISK, *IN_MEMORY):
        Path(place).mkdir(parents=True, exist_ok=True)
        if place in IN_MEMORY:
            _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", place)
        else:
            own = _make(directory / _join(place))
            own.chmod(0o1777 if place.endswith("tmp") else 0o755)
            _mount("--bind", str(own), place)
        _bind_back(open_paths)
    for descriptor in open_paths.values():
        os.close(descriptor)
    network = directory / "network"
    network.touch()
    _mount("--bind", "/proc/self/ns/net", str(network))
    return {OUTSIDE: str(network), "TMPDIR": "/tmp"}


def _make(directory):
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _join(place):
    return place.strip("/").replace("/", "-")


def _find_paths_in_use(directory):
    """Return the paths that tests read or write: the checkout, its cache and history, and the run's directory."""
    project = Path(__file__).resolve().parent.parent
    question = ["git", "-C", str(project), "rev-parse", "--git-common-dir"]
    history = ""
    with contextlib.suppress(OSError):  # no git
        history = subprocess.run(question, capture_output=True, text=True).stdout.removesuffix("\n")
    paths = (project, project / ".cache", project / history, directory)
    return [path for path in dict.fromkeys(path.resolve() for path in paths) if path.is_dir()]


def _bind_back(open_paths):
    """Mount the directories again that the last mount has covered. `open_paths` has a descriptor of each."""
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


def _lay_over(place, directory):
    """Keep changes below a place apart. Mounts below it stay, such as a container's /etc/hosts."""
    points = [point for point in _list_mounts_below(place) if not Path(point).is_relative_to(directory)]
    own, changes = _make(directory / _join(place)), _make(directory / f"{_join(place)}-written")
    # The kernel refuses layers that lie in one another, so a run below such a place writes into memory.
    if any(directory.resolve().is_relative_to(Path(covered).resolve()) for covered in LAID_OVER):
        _mount("-t", "tmpfs", "tmpfs", str(changes))
    _make(changes / "work")
    shutil.copystat(place, _make(changes / "upper"))
    # Relative paths: a comma or a colon in the path of the checkout would end the option.
    _mount("-t", "overlay", "-o", f"lowerdir={place},upperdir=upper,workdir=work", "overlay", str(own), cwd=changes)
    for point in points:
        try:
            _mount("--bind", point, str(own) + point.removeprefix(place))
        except subprocess.CalledProcessError:
            if os.path.ismount(point):  # else somebody has unmounted it meanwhile, or removed its mount point
                raise
    _mount("--rbind", str(own), place)


def _list_mounts_below(place):
    """List the mounts below a place, except those that a part has of its own: containers of others come and go."""
    fields = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    points = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields]
    own = tuple(f"{path}/" for path in (*ON_DISK, *IN_MEMORY))
    return [point for point in points if point.startswith(f"{place}/") and not f"{point}/".startswith(own)]


def _mount(*words, cwd=None):
    subprocess.run(["mount", *words], check=True, cwd=cwd)


def _ignore_signals():
    """Leave the signals that a terminal sends to the whole group, or a person to this process, to the command."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)


def main(directory, *argv):
    """Start the command as the first process of the tree, and wait for all processes that the tree leaves to it."""
    environment = {**os.environ, **prepare(Path(directory))}
    with contextlib.suppress(FileNotFoundError):
        os.chdir(os.getcwd())  # the old directory is covered where the checkout is mounted again
    child = subprocess.Popen(argv, env=environment)
    _ignore_signals()
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status) % 256


def run_alone(*argv):
    """Run a command in namespaces and a temporary directory of its own, as `tests/tool` runs pytest."""
    sys.path.insert(0, str(Path(__file__).parent))
    import machine
    from suite import leftovers

    if OUTSIDE in os.environ:  # a test that runs tests
        os.execv(argv[0], argv)
    _ignore_signals()
    with leftovers.directory(machine.CACHE) as own:
        return subprocess.run(command(own, argv)).returncode


if __name__ == "__main__":
    sys.exit(run_alone(*sys.argv[2:]) if sys.argv[1] == "--own" else main(*sys.argv[1:]))
