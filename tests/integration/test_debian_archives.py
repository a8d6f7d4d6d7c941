"""Every package of Debian's archives that the catalogue names, on whole hosts of Debian 12 and 13.

A second layer of a suite has what excludes another package, a third one what the backports have.
"""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest
import roots
import yaml
from conftest import layers, missing
from machine import outside
from machines import booted, podman
from patience import LONGEST
from proscribe.controller.compile.catalogue.schema import CATEGORIES
from roots import mirrors

pytestmark = pytest.mark.nightly
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


TABLE = Path(__file__).parents[1] / "catalog/debian_packages.yml"
# Each line of standard input has the packages of a service. apt is to install them all at once, dpkg each by itself. A
# line is printed for each: the package, what apt did, what dpkg did.
REINSTALL = rf"""
cd {CACHE}
try() {{
    if "$@" >/tmp/printed 2>&1 </dev/null; then
        answer=installed
    elif grep -qF "proscribe: the policy of this organisation does not allow " /tmp/printed; then
        answer=refused
    else
        answer=failed
        tail -n 5 /tmp/printed | sed "s/^/$1: /" >&2
    fi
}}
while read -r names; do
    try apt-get -q --yes --no-download --no-install-recommends install $names
    by_apt=$answer
    for name in $names; do
        try dpkg --install "$name"_*.deb
        grep -qF "not allow $name on this host" /tmp/printed || answer="without its name"
        echo "$name $by_apt $answer"
    done
done
"""


class Seen(NamedTuple):
    found: bool
    left: str  # why it was not removed; "" if it was
    gated: bool


class Filled(NamedTuple):
    """The layers of a root, and which of the catalogue's packages are installed in it."""

    layers: tuple[Path, ...]
    packages: tuple[str, ...]


def sources(suite):
    debian, security = mirrors()
    places = [(debian, name) for name in (suite, f"{suite}-updates", f"{suite}-backports")]
    places += [(security, f"{suite}-security")] if security else []
    return "".join(f"deb {uri} {name} {COMPONENTS}\n" for uri, name in places)


class Archives:
    """A root of a suite whose apt knows all of Debian's archives."""

    def __init__(self, suite, root, below):
        self.suite, self.root, self.below = suite, root, below

    def sh(self, script, *arguments, stdin=""):
        quiet = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        apart = outside(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", ENTER, str(self.root)])
        command = [*apart, "sh", "-c", script, "sh", *arguments]
        done = subprocess.run(command, env=quiet, input=stdin, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, (script, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def listed(self):
        """Return the packages of each archive: suite -> component -> names."""
        found = {}
        for line in self.sh(LISTS).splitlines():
            suite, component, package = line.split(" ")
            found.setdefault(suite, {}).setdefault(component, set()).add(package)
        return found

    def dependents(self, names):
        """Return the other packages of the archives that cannot be installed without one of these."""
        dependents = set()
        for package, _, clauses in (line.partition(": ") for line in self.sh(DEPENDENCIES).splitlines()):
            for clause in clauses.split(","):  # such as `a (>= 1) | b:any`
                if {re.split(r"[ (:\[]", name.strip())[0] for name in clause.split("|")} <= names:
                    dependents.add(package)
        return dependents - names

    def prefer_backports(self):
        self.sh(f"echo 'APT::Default-Release \"{self.suite}-backports\";' >/etc/apt/apt.conf.d/backports")

    def fill(self, names, restricted):
        """Install these packages. What came with them is known by `restricted`, all names."""
        self.sh('apt-get -q --yes --no-install-recommends install "$@"', *sorted(names))
        self.sh('apt-get -q --yes --no-install-recommends --download-only install "$@"', *ELSE)
        installed = set(self.sh("dpkg-query -W -f '${Package}\\n'").split())
        self.sh(FINISH)
        return Filled((self.root.with_name("upper"), *self.below), tuple(sorted(installed & restricted)))


@contextlib.contextmanager
def archives(suite, directory):
    """Mount a root of the suite to be filled. What is filled in stays in the directory."""
    below = layers(f"{suite}-host")
    with roots.mounted(below, directory) as root:
        shutil.copy("/etc/resolv.conf", root / "etc")
        root_of_suite = Archives(suite, root, below)
        root_of_suite.sh(PREPARE, stdin=sources(suite))
        yield root_of_suite


@pytest.fixture(scope="module")
def table():
    return yaml.safe_load(TABLE.read_text())


def of_archives(archive, names, table):
    """Return the catalogue's names in the archives of a suite, and in its backports. Check the table of them."""
    own = {
        suite: {component: sorted(named) for component, all_ in components.items() if (named := all_ & names)}
        for suite, components in archive.listed().items()
        if not suite.endswith(("-updates", "-security"))
    }
    expected = {suite: named for suite, named in table["suites"].items() if suite.startswith(archive.suite)}
    assert {suite: named for suite, named in own.items() if named} == expected, f"{TABLE} is not up to date"
    suites = [own.get(f"{archive.suite}{part}", {}) for part in ("", "-backports")]
    stable, backports = ({name for named in suite.values() for name in named} for suite in suites)
    unexplained = archive.dependents(stable | backports) - table["dependents"].keys()
    assert not unexplained, f"they depend on a restricted package, which they keep on a host: {sorted(unexplained)}"
    return stable, backports


def restrictions(catalogue):
    """Return variables that restrict all services, by the control `apps` alone."""
    variables = {
        "categories": list(CATEGORIES),
        "categories_reported": [],
        "audiences": ["consumer", "both", "enterprise"],
        "services_include": [id_ for id_, service in catalogue.services.items() if not service.enforce],
        "controls": {"apps": "enforce", "browser": "off", "firewall": "off", "dns": "off"},
    }
    limits = {"max_change": "unlimited", "max_failures": "100%", "observe_timeout": "30m"}
    return {f"proscribe_{name}": value for name, value in {**variables, **limits}.items()}


def record(host, playbook, variables, reports):
    """Run a playbook, and return the host record."""
    done = host.playbook(playbook, variables, reports, LIMIT)
    lines = (reports / "latest/hosts.jsonl").read_text().splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return json.loads(lines[0])


def installed(host):
    lines = host.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").splitlines()
    return {line.split()[1] for line in lines if line[1] not in "nc"}


def played(host, filled, catalogue, reports):
    """The whole story of a host: observed, enforced, and each package installed again by apt and by dpkg."""
    variables, names = restrictions(catalogue), set(filled.packages)
    assert names <= installed(host)
    audited = record(host, "audit", variables, reports / "audit")
    findings = [finding for rule in audited["rules"] for finding in rule["findings"]]
    found = {f["id"] for f in findings if (f["kind"], f["manager"]) == ("package", "dpkg")}
    after = record(host, "enforce", variables, reports / "enforce")
    left = names & installed(host)
    why = {}
    for error in after["errors"]:
        subject, _, reason = error["message"].partition(": ")[2].partition(" was left as it is: ")
        why[subject] = reason or error["message"]
    # What stays is removed as an administrator does it, with what depends on it.
    if left:
        host.run("apt-get", "-q", "--yes", "remove", *sorted(left))
    assert names.isdisjoint(installed(host))
    argv = ("exec", "--interactive", "--env", "DEBIAN_FRONTEND=noninteractive", host.name, "sh", "-c", REINSTALL)
    of_services = [names.intersection(service.packages.get("apt", ())) for service in catalogue.services.values()]
    done = podman(*argv, stdin="".join(f"{' '.join(sorted(own))}\n" for own in of_services if own), timeout=LIMIT)
    answers = {name: answers for name, *answers in (line.split() for line in done.stdout.splitlines())}
    assert names.isdisjoint(installed(host))
    stayed = {name: why.get(name, "no reason is given") for name in left}
    gated = {name for name in filled.packages if answers[name] == ["refused"] * 2}
    return {name: Seen(name in found, stayed.get(name, ""), name in gated) for name in filled.packages}


@pytest.mark.parametrize("number", (1, 2, 3), ids=("stable", "apart", "backports"))
@pytest.mark.parametrize("suite", ("bookworm", "trixie"))
def test_every_package_of_the_archives_is_found_removed_and_gated(suite, number, table, own_catalogue, tmp_path):
    if not mirrors()[0]:
        missing("needs a machine whose own apt knows a mirror of Debian")
    names = {name for service in own_catalogue.services.values() for name in service.packages.get("apt", ())}
    apart = table["apart"]
    host = f"{suite}-{number}"
    with tempfile.TemporaryDirectory(prefix="proscribe-") as place:
        with archives(suite, Path(place)) as archive:
            stable, backports = of_archives(archive, names, table)
            whole = (stable - apart.keys(), stable & apart.keys(), backports - apart.keys())[number - 1]
            if number == 3:
                archive.prefer_backports()
            filled = archive.fill(whole, names)
        states = ("running", "degraded")  # what the packages bring does not all start without a network
        with booted(f"archives-{host}", 1, filled.layers, states) as hosts:
            seen = played(hosts[0], filled, own_catalogue, tmp_path / "reports")
    assert seen.keys() >= whole and [name for name, result in seen.items() if not result.found] == []
    assert {name: result.left for name, result in seen.items() if result.left} == table["stays"].get(host, {})
    assert [name for name, result in seen.items() if not result.gated] == []
