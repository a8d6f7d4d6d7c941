"""Debian hosts with every package of Debian's archives that the catalogue names, as images.

apt installs the names, and what they need. A second image of a suite has what excludes another package, a third one
what the backports have. All downloaded archives stay in apt's cache, so that apt can install the names again on a host
without a network.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from machines import IMAGE, podman
from patience import LONGEST

COMPONENTS = "main contrib non-free non-free-firmware"
CACHE = "/var/cache/apt/archives"
# What a desktop had and a package needs, once an administrator has removed that desktop: an agent for polkit.
ELSE = ("lxpolkit",)
LIMIT = 12 * LONGEST  # seconds for the installation of some thousand packages
# In a container that is only filled, no service starts, no disk is waited for, and no Python module is compiled, which
# is most of the work of an installation.
PREPARE = r"""
set -e
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/filled
mkdir -p /usr/share/man/man1
ln -s /bin/true /usr/local/bin/py3compile
ln -s /bin/true /usr/local/sbin/update-initramfs
cat >/etc/apt/sources.list
rm -rf /etc/apt/sources.list.d/*
apt-get -q update
"""
FINISH = r"""
set -e
rm /usr/sbin/policy-rc.d /etc/dpkg/dpkg.cfg.d/filled /usr/local/bin/py3compile /usr/local/sbin/update-initramfs
systemctl set-default multi-user.target
systemctl enable ssh
"""
# A line for each package of each list of apt: the suite, the component, the package.
LISTS = r"""
apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(FILENAME)' 'Created-By: Packages' |
    while read -r suite component file; do
        /usr/lib/apt/apt-helper cat-file "$file" | sed -n "s,^Package: ,$suite $component ,p"
    done
"""
# A line for each package: its name, and what it depends on.
DEPENDENCIES = r"""
apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' | while read -r file; do
    /usr/lib/apt/apt-helper cat-file "$file" | awk '/^Package: / { name = $2 }
        /^(Pre-)?Depends: / { sub(/^[^ ]* /, ""); print name ": " $0 }'
done
"""


class Image(NamedTuple):
    """An image, and which of the catalogue's packages are installed in it."""

    id: str
    packages: tuple[str, ...]
    size: int  # bytes
    installed: int  # packages of all kinds


def mirrors() -> tuple[str, str]:
    """The mirrors of Debian and of its security updates that this machine's own apt uses; "" for none."""
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    debian = [line.removeprefix("Debian ") for line in lines if line.startswith("Debian ")]
    security = [uri for uri in debian if "security" in uri]
    return next((uri for uri in debian if uri not in security), ""), next(iter(security), "")


def sources(suite: str) -> str:
    """The lines of sources.list: all components of the suite, its updates, its backports, its security updates."""
    debian, security = mirrors()
    places = [(debian, name) for name in (suite, f"{suite}-updates", f"{suite}-backports")]
    places += [(security, f"{suite}-security")] if security else []
    return "".join(f"deb {uri} {name} {COMPONENTS}\n" for uri, name in places)


def alternatives(clause: str) -> set[str]:
    """The packages that one clause of a dependency names: `a (>= 1) | b:any` names a and b."""
    return {re.split(r"[ (:\[]", name.strip())[0] for name in clause.split("|")}


class Archives:
    """A container of a suite whose apt knows all of Debian's archives."""

    def __init__(self, name: str, suite: str) -> None:
        self.name, self.suite = name, suite

    def sh(self, script: str, *arguments: str, stdin: str = "") -> str:
        """What a script prints in the container."""
        quiet = ("--env", "DEBIAN_FRONTEND=noninteractive", "--env", "LC_ALL=C.UTF-8")
        command = ("exec", "--interactive", *quiet, self.name, "sh", "-c", script, "sh", *arguments)
        done = podman(*command, stdin=stdin, check=False, timeout=LIMIT)
        assert done.returncode == 0, (script, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def listed(self) -> dict[str, dict[str, set[str]]]:
        """The packages of each archive: suite -> component -> names."""
        found: dict[str, dict[str, set[str]]] = {}
        for line in self.sh(LISTS).splitlines():
            suite, component, package = line.split(" ")
            found.setdefault(suite, {}).setdefault(component, set()).add(package)
        return found

    def dependents(self, names: AbstractSet[str]) -> set[str]:
        """The other packages of the archives that cannot be installed without one of these."""
        needs = (line.partition(": ") for line in self.sh(DEPENDENCIES).splitlines())
        return {
            package
            for package, _, clauses in needs
            if package not in names and any(alternatives(clause) <= names for clause in clauses.split(","))
        }

    def prefer_backports(self) -> None:
        """Have apt take what is in the backports from there."""
        self.sh(f"echo 'APT::Default-Release \"{self.suite}-backports\";' >/etc/apt/apt.conf.d/backports")

    def fill(self, names: Collection[str], restricted: AbstractSet[str], image: str) -> Image:
        """Install these packages and make the image. What came with them is known by `restricted`, all names."""
        self.sh('apt-get -q --yes --no-install-recommends install "$@"', *sorted(names))
        self.sh('apt-get -q --yes --no-install-recommends --download-only install "$@"', *ELSE)
        installed = set(self.sh("dpkg-query -W -f '${Package}\\n'").split())
        self.sh(FINISH)
        podman("commit", "--quiet", self.name, image, timeout=LIMIT)
        size = int(podman("image", "inspect", "--format", "{{.Size}}", image).stdout)
        return Image(image, tuple(sorted(installed & restricted)), size, len(installed))


@contextlib.contextmanager
def archives(suite: str) -> Iterator[Archives]:
    """A container of the suite, from the image that Molecule's hosts are made from."""
    base = subprocess.run([str(IMAGE), suite], capture_output=True, text=True, timeout=3 * LONGEST, check=False)
    assert base.returncode == 0, base.stderr
    name = f"proscribe-test-archives-{suite}"
    podman(
        "run", "--detach", "--replace", "--name", name, "--network", "host", base.stdout.strip(), "sleep", "infinity"
    )
    try:
        made = Archives(name, suite)
        made.sh(PREPARE, stdin=sources(suite))
        yield made
    finally:
        podman("rm", "--force", "--ignore", "--time", "2", name, check=False)
