"""Debian hosts with every package of Debian's archives that the catalogue names, as layers of roots (tests/roots.py).

apt installs the names, and what they need. A second layer of a suite has what excludes another package, a third one
what the backports have. All downloaded archives stay in apt's cache, so that apt can install the names again on a host
without a network.
"""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import roots
from conftest import layers
from machine import outside
from patience import LONGEST
from roots import mirrors

COMPONENTS = "main contrib non-free non-free-firmware"
CACHE = "/var/cache/apt/archives"
# What a desktop had and a package needs, once an administrator has removed that desktop: an agent for polkit.
ELSE = ("lxpolkit",)
LIMIT = 12 * LONGEST  # seconds for the installation of some thousand packages
# In a root that is only filled, no service starts, no disk is waited for, and no Python module is compiled, which
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
: >/etc/machine-id
: >/etc/resolv.conf
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
# In mounts and processes of its own, a script in the root.
ENTER = """\
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs tmpfs "$0/run"
exec chroot "$0" "$@"
"""


class Filled(NamedTuple):
    """The layers of a root, and which of the catalogue's packages are installed in it."""

    layers: tuple[Path, ...]
    packages: tuple[str, ...]


def sources(suite: str) -> str:
    """Return sources.list: all components of the suite, its updates, its backports, its security updates."""
    debian, security = mirrors()
    places = [(debian, name) for name in (suite, f"{suite}-updates", f"{suite}-backports")]
    places += [(security, f"{suite}-security")] if security else []
    return "".join(f"deb {uri} {name} {COMPONENTS}\n" for uri, name in places)


class Archives:
    """A root of a suite whose apt knows all of Debian's archives."""

    def __init__(self, suite: str, root: Path, below: Sequence[Path]) -> None:
        self.suite, self.root, self.below = suite, root, below

    def sh(self, script: str, *arguments: str, stdin: str = "") -> str:
        quiet = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        apart = outside(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, str(self.root)])
        command = [*apart, "sh", "-c", script, "sh", *arguments]
        done = subprocess.run(command, env=quiet, input=stdin, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, (script, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def listed(self) -> dict[str, dict[str, set[str]]]:
        """Return the packages of each archive: suite -> component -> names."""
        found: dict[str, dict[str, set[str]]] = {}
        for line in self.sh(LISTS).splitlines():
            suite, component, package = line.split(" ")
            found.setdefault(suite, {}).setdefault(component, set()).add(package)
        return found

    def dependents(self, names: AbstractSet[str]) -> set[str]:
        """Return the other packages of the archives that cannot be installed without one of these."""
        dependents = set()
        for package, _, clauses in (line.partition(": ") for line in self.sh(DEPENDENCIES).splitlines()):
            for clause in clauses.split(","):  # such as `a (>= 1) | b:any`
                if {re.split(r"[ (:\[]", name.strip())[0] for name in clause.split("|")} <= names:
                    dependents.add(package)
        return dependents - names

    def prefer_backports(self) -> None:
        """Have apt take what is in the backports from there."""
        self.sh(f"echo 'APT::Default-Release \"{self.suite}-backports\";' >/etc/apt/apt.conf.d/backports")

    def fill(self, names: Collection[str], restricted: AbstractSet[str]) -> Filled:
        """Install these packages. What came with them is known by `restricted`, all names."""
        self.sh('apt-get -q --yes --no-install-recommends install "$@"', *sorted(names))
        self.sh('apt-get -q --yes --no-install-recommends --download-only install "$@"', *ELSE)
        installed = set(self.sh("dpkg-query -W -f '${Package}\\n'").split())
        self.sh(FINISH)
        return Filled((self.root.with_name("upper"), *self.below), tuple(sorted(installed & restricted)))


@contextlib.contextmanager
def archives(suite: str, directory: Path) -> Iterator[Archives]:
    """Mount a root of the suite to be filled. What is filled in stays in the directory."""
    below = layers(f"{suite}-host")
    with roots.mounted(below, directory) as root:
        shutil.copy("/etc/resolv.conf", root / "etc")
        made = Archives(suite, root, below)
        made.sh(PREPARE, stdin=sources(suite))
        yield made
