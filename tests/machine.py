"""What the machine that runs the tests has: tools, Pythons, and environments made from them."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import isolated
from suite.sizes import NIGHTLY

PROJECT = Path(__file__).resolve().parent.parent
CACHE = (PROJECT / ".cache").resolve()  # a work tree may share that of another
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
HOST_PYTHONS = range(9, 15)  # 3.9 to 3.14: what a managed host may have


class Tool(NamedTuple):
    """Debian's package for a tool, and the parts or the size of a test run that need it."""

    package: str
    parts: frozenset[str]


def _tool(package, *parts):
    return Tool(package, frozenset(parts or ("integration",)))


# What the tests run on, by the tool or file that shows whether it is there.
_SAME_NAME = ("chromium", "firefox-esr", "flatpak", "openssl", "ostree", "prometheus", "promtool", "thunderbird")
TOOLS = {
    "/usr/lib/postgresql": _tool("postgresql"),
    # Ubuntu's mmdebstrap comes without
    "/usr/share/keyrings/debian-archive-keyring.gpg": _tool(
        "debian-archive-keyring", "integration", "molecule", "packages"
    ),
    **{name: _tool(name) for name in _SAME_NAME},
    **{name: _tool(name, "integration", "playbooks") for name in ("faketime", "gpg", "sudo")},
    **{name: _tool(name, "integration", "molecule") for name in ("mmdebstrap", "podman", "runc")},
    "/usr/bin/python3": _tool("python3"),
    "apt-get": _tool("apt"),
    "bwrap": _tool("bubblewrap"),
    "createrepo_c": _tool("createrepo-c"),
    "distrobox-export": _tool("distrobox"),
    "dnsmasq": _tool("dnsmasq-base"),
    "dpkg-deb": _tool("dpkg"),
    "getent": _tool("libc-bin"),
    "git": _tool("git", "integration", "playbooks", "lint"),
    "goss": _tool("goss", "molecule"),
    "ip": _tool("iproute2", "integration", "playbooks", "molecule"),
    "mkfs.btrfs": _tool("btrfs-progs"),
    "mksquashfs": _tool("squashfs-tools"),
    "nft": _tool("nftables"),
    "node": _tool("nodejs"),
    "npm": _tool("npm"),
    "nsenter": _tool("util-linux"),
    "rpmbuild": _tool("rpm"),
    "setpriv": _tool("util-linux"),
    "shellcheck": _tool("shellcheck", "lint"),
    "soffice": _tool("libreoffice-calc", NIGHTLY),
    "ssh": _tool("openssh-client", "integration", "playbooks", "molecule"),
    "ssh-keygen": _tool("openssh-client"),
    "sshd": _tool("openssh-server"),
    "systemctl": _tool("systemd"),
    "systemd-analyze": _tool("systemd"),
    "unbound": _tool("unbound"),
    "unshare": _tool("util-linux", "integration", "playbooks"),
}
# While packages are installed: none of their servers is started (invoke-rc.d(8)), which a laptop would then have.
POLICY = Path("/usr/sbin/policy-rc.d")


def which(tool):
    """Where a tool is, also for a user whose PATH leaves out what is meant for root."""
    return shutil.which(tool, path=PATH)


def outside(argv):
    """The command as one that has the network of the machine, for downloads: tests of root have one of their own."""
    network = os.environ.get(isolated.OUTSIDE)
    return ["nsenter", f"--net={network}", *argv] if network else list(argv)


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hosts_at_a_time():
    """How many tests with hosts run side by side: at most one more than processors, with 2 GiB of half the memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 2
    available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return max(1, min(processors() + 1, available // (4 << 20)))


def becoming_root():
    """What to put before a command that needs root: nothing as root, sudo where it asks nothing, None if neither."""
    if os.geteuid() == 0:
        return []
    sudo = which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def install_tools(parts):
    """Install with apt what these parts, and the size among them, need, or name it where that is not possible."""
    lacking = [(tool, needed) for tool, needed in TOOLS.items() if not which(tool) and not os.path.exists(tool)]
    packages = sorted({needed.package for _, needed in lacking if needed.parts & set(parts)})
    if not packages:
        return
    root, apt = becoming_root(), which("apt-get")
    if root is None or apt is None:
        print(f"The tests need these too; install them, by whatever name they have here: {' '.join(packages)}\n")
        return
    print(f"Installing for {', '.join(parts)} (no server of it is started): {' '.join(packages)}", flush=True)
    get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-q", "-y"]
    install = [*get, "install", "--no-install-recommends"]
    with starting_nothing(root):
        subprocess.run([*get, "update"], stdout=subprocess.DEVNULL)
        if subprocess.run([*install, *packages], stdout=subprocess.DEVNULL).returncode != 0:
            for package in packages:  # one that is not to be had here must not keep the others away
                subprocess.run([*install, package], stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def starting_nothing(root):
    """What is installed meanwhile starts no server, neither now nor at the next boot."""
    before = enabled_units()
    own = not POLICY.exists()
    if own:
        script = f"printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY}"
        subprocess.run([*root, "sh", "-c", script], check=True)
    try:
        yield
    finally:
        if own:
            subprocess.run([*root, "rm", "-f", str(POLICY)], check=True)
        if units := sorted(enabled_units() - before):
            subprocess.run([*root, "systemctl", "--root=/", "--quiet", "disable", *units])


def enabled_units():
    """The units that start when the machine does."""
    if not which("systemctl"):
        return set()
    listing = ["systemctl", "--root=/", "list-unit-files", "--state=enabled", "--no-legend", "--plain"]
    lines = subprocess.run(listing, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def find_pythons():
    """The Pythons 3.x of this machine, by minor version: those on the PATH, the system's own, and pyenv's."""
    names = [sys.executable, "python3", "/usr/bin/python3", *(f"python3.{minor}" for minor in HOST_PYTHONS)]
    candidates = [path for name in names if (path := which(name))]
    if pyenv := which("pyenv"):
        for minor in HOST_PYTHONS:
            prefix = subprocess.run([pyenv, "prefix", f"3.{minor}"], capture_output=True, text=True)
            candidates += [f"{prefix.stdout.strip()}/bin/python3"] if prefix.returncode == 0 else []
    found = {}
    for candidate in candidates:
        question = "import os, sys; print(sys.version_info[1], os.path.realpath(sys.executable))"
        answer = subprocess.run([candidate, "-c", question], capture_output=True, text=True)
        if answer.returncode == 0:
            minor, executable = answer.stdout.strip().split(" ", 1)
            found.setdefault(int(minor), executable)
    return found


class End(NamedTuple):
    """An ansible-core that is supported, and the Pythons (3.x) that run it, the wanted one first."""

    core: str
    pythons: Sequence[int]


OLDEST = End("2.19", (11, 12, 13))
NEWEST = End("2.21", (13, 14, 12))
BETWEEN = End("2.20", (12, 13, 14))  # tested where PROSCRIBE_TESTS_EVERY_CORE=1 calls for it


class Environment(NamedTuple):
    """A virtual environment with what tests need; `missing` says why there is none."""

    label: str
    directory: Path
    missing: str = ""

    def tool(self, name):
        """The path of a program in it."""
        return str(self.directory / "bin" / name)


def environment(end, pythons, requirements):
    """The environment for one end, made unless it is there as these requirements call for it."""
    minor = next((minor for minor in end.pythons if minor in pythons), None)
    if minor is None:
        needed = " or ".join(f"3.{minor}" for minor in sorted(end.pythons))
        return Environment(f"core {end.core}", CACHE, f"ansible-core {end.core} needs Python {needed}, not found here")
    label = f"core {end.core}, Python 3.{minor}"
    directory = CACHE / f"core{end.core}-python3.{minor}"
    return made(label, directory, pythons[minor], [f"ansible-core=={end.core}.*", *requirements])


def next_core(pythons, requirements):
    """The environment for the newest pre-release of ansible-core; None where there is none after the newest release."""
    minor = next((minor for minor in NEWEST.pythons if minor in pythons), None)
    if minor is None:
        return None
    ask = [pythons[minor], "-m", "pip", "-q", "--disable-pip-version-check", "install", "--dry-run", "--no-deps"]
    ask += ["--ignore-installed", "--pre", "--report", "-", f"ansible-core>={NEWEST.core}.0"]
    answer = subprocess.run(outside(ask), capture_output=True, text=True)
    core = json.loads(answer.stdout)["install"][0]["metadata"]["version"] if answer.returncode == 0 else ""
    if not core or core.startswith(f"{NEWEST.core}."):
        why = f"the newest is {core}" if core else "pip found out nothing"
        print(f"No pre-release of ansible-core is tested: {why}", flush=True)
        return None
    label, directory = f"core {core}, Python 3.{minor}", CACHE / f"core-next-python3.{minor}"
    return made(label, directory, pythons[minor], [f"ansible-core=={core}", *requirements])


def made(label, directory, python, packages):
    """The environment in that directory, made unless it is there as these packages call for it."""
    fingerprint = hashlib.sha256("\n".join([python, str(directory), *packages]).encode()).hexdigest()
    mark = directory / "made-for"
    if mark.is_file() and mark.read_text() == fingerprint:
        return Environment(label, directory)
    print(f"Making an environment for {label}", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    pip = [str(directory / "bin/python"), "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    for command in [[python, "-m", "venv", str(directory)], [*pip, *packages]]:
        code = subprocess.run(outside(command)).returncode
        if code != 0:
            return Environment(label, directory, f"{' '.join(command[:3])} ended with {code}")
    mark.write_text(fingerprint)
    return Environment(label, directory)
