"""What the machine that runs the tests has: tools, Pythons, and environments made from them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent
CACHE = (PROJECT / ".cache").resolve()  # a work tree may share that of another
PATH = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
HOST_PYTHONS = range(9, 15)  # 3.9 to 3.14: what a managed host may have

# What the tests run on, by the tool or file that shows whether it is there, and Debian's package for it.
TOOLS = {
    "/usr/lib/postgresql": "postgresql",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",  # Ubuntu's mmdebstrap comes without
    "chromium": "chromium",
    "createrepo_c": "createrepo-c",
    "bwrap": "bubblewrap",
    "distrobox-export": "distrobox",
    "dnsmasq": "dnsmasq-base",
    "faketime": "faketime",
    "firefox-esr": "firefox-esr",
    "flatpak": "flatpak",
    "goss": "goss",
    "gpg": "gpg",
    "git": "git",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "nft": "nftables",
    "node": "nodejs",
    "openssl": "openssl",
    "ostree": "ostree",
    "podman": "podman",
    "promtool": "promtool",
    "rpmbuild": "rpm",
    "runc": "runc",
    "shellcheck": "shellcheck",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "sudo": "sudo",
    "systemd-analyze": "systemd",
    "thunderbird": "thunderbird",
    "unbound": "unbound",
    "unshare": "util-linux",
}


def which(tool: str) -> str | None:
    """Where a tool is, also for a user whose PATH leaves out what is meant for root."""
    return shutil.which(tool, path=PATH)


def becoming_root() -> list[str] | None:
    """What to put before a command that needs root: nothing as root, sudo where it asks nothing, None if neither."""
    if os.geteuid() == 0:
        return []
    sudo = which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None


def install_tools() -> None:
    """Install the missing tools with apt where that is possible, and name them where it is not."""
    packages = sorted({package for tool, package in TOOLS.items() if not which(tool) and not os.path.exists(tool)})
    if not packages:
        return
    root, apt = becoming_root(), which("apt-get")
    if root is None or apt is None:
        print(f"The tests need these too; install them, by whatever name they have here: {' '.join(packages)}\n")
        return
    print(f"Installing {' '.join(packages)}", flush=True)
    get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", apt, "-q", "-y"]
    install = [*get, "install", "--no-install-recommends"]
    subprocess.run([*get, "update"], stdout=subprocess.DEVNULL)
    if subprocess.run([*install, *packages], stdout=subprocess.DEVNULL).returncode != 0:
        for package in packages:  # one that is not to be had here must not keep the others away
            subprocess.run([*install, package], stdout=subprocess.DEVNULL)


def find_pythons() -> dict[int, str]:
    """The Pythons 3.x of this machine, by minor version: those on the PATH, the system's own, and pyenv's."""
    names = [sys.executable, "python3", "/usr/bin/python3", *(f"python3.{minor}" for minor in HOST_PYTHONS)]
    candidates = [path for name in names if (path := which(name))]
    if pyenv := which("pyenv"):
        for minor in HOST_PYTHONS:
            prefix = subprocess.run([pyenv, "prefix", f"3.{minor}"], capture_output=True, text=True)
            candidates += [f"{prefix.stdout.strip()}/bin/python3"] if prefix.returncode == 0 else []
    found: dict[int, str] = {}
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

    def tool(self, name: str) -> str:
        """The path of a program in it."""
        return str(self.directory / "bin" / name)


def environment(end: End, pythons: dict[int, str], requirements: Sequence[str]) -> Environment:
    """The environment for one end, made unless it is there as these requirements call for it."""
    minor = next((minor for minor in end.pythons if minor in pythons), None)
    if minor is None:
        needed = " or ".join(f"3.{minor}" for minor in sorted(end.pythons))
        return Environment(f"core {end.core}", CACHE, f"ansible-core {end.core} needs Python {needed}, not found here")
    label = f"core {end.core}, Python 3.{minor}"
    directory = CACHE / f"core{end.core}-python3.{minor}"
    return made(label, directory, pythons[minor], [f"ansible-core=={end.core}.*", *requirements])


def made(label: str, directory: Path, python: str, packages: Sequence[str]) -> Environment:
    """The environment in that directory, made unless it is there as these packages call for it."""
    fingerprint = hashlib.sha256("\n".join([python, str(directory), *packages]).encode()).hexdigest()
    mark = directory / "made-for"
    if mark.is_file() and mark.read_text() == fingerprint:
        return Environment(label, directory)
    print(f"Making an environment for {label}", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    pip = [str(directory / "bin/python"), "-m", "pip", "-q", "--disable-pip-version-check", "install"]
    for command in [[python, "-m", "venv", str(directory)], [*pip, *packages]]:
        code = subprocess.run(command).returncode
        if code != 0:
            return Environment(label, directory, f"{' '.join(command[:3])} ended with {code}")
    mark.write_text(fingerprint)
    return Environment(label, directory)
