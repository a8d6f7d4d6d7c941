#!/usr/bin/env python3
"""Debian roots for the tests: one made by mmdebstrap for each suite, and layers over it that apt-get installs.

A root is a stack of directories for an overlay, the newest first. Each is made once, on first use, as root. It is kept
in the directory of `root_directory.py`, and the hash of its recipe and its parents' is in its name. It gets this name
last, under a lock of its suite, so no half-made one is ever used.

    tests/roots.py NAME...                    makes these and prints their directories
    tests/roots.py --mount NAME DIRECTORY     mounts a root to be written to, as DIRECTORY/root
    tests/roots.py --unmount DIRECTORY        unmounts it, and removes all that was written

A name is a suite, or a suite and a layer of LAYERS: trixie, trixie-host, bookworm-host.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import NamedTuple

import machine
import root_directory

ROOTS = root_directory.find_directory()
INSTALLATION_SECONDS = 3600


class Layer(NamedTuple):
    """An addition to another layer of the same suite, or to the suite itself if `over` is empty."""

    over: str = ""
    packages: tuple[str, ...] = ()
    setup: str = ""  # a script, as root in there, after the installation


# Accounts, and names that are known without a name server. A boot changes nothing of the machine's kernel, and loads no
# module of it.
HOST = r"""
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n' >/etc/hosts
for user in admin alice; do useradd --create-home --shell /bin/bash $user; done
echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin
systemctl --quiet mask systemd-modules-load.service systemd-sysctl.service systemd-binfmt.service modprobe@.service \
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    sys-kernel-config.mount sys-fs-fuse-connections.mount
"""
HOST_PACKAGES = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo", "nftables", "iproute2")
HOST_PACKAGES += ("procps", "ca-certificates")
MANAGED_PACKAGES = ("firewalld", "ufw", "dnsmasq", "rsyslog", "logrotate", "ansible-core", "git", "faketime")
MANAGED_PACKAGES += ("python3-venv",)
APPLIANCES = ("bind9", "bind9-utils", "dnsmasq-base", "duktape", "ipset", "iptables", "squid", "unbound")
RESOLVERS = ("dnsmasq", "unbound", "network-manager", "systemd-resolved", "libnss-resolve")
LAYERS = {
    # Whole hosts: they boot with systemd and answer SSH. What a test wants to run it starts itself.
    "host": Layer("", HOST_PACKAGES, HOST),
    "managed": Layer("host", MANAGED_PACKAGES, "systemctl --quiet disable firewalld ufw dnsmasq rsyslog"),
    "shells": Layer("host", ("csh", "tcsh", "fish", "zsh", "ksh", "mksh", "busybox")),
    "docker": Layer("managed", ("docker.io",), "systemctl --quiet disable docker.socket docker containerd"),
    "resolvers": Layer("host", RESOLVERS),
    # Users may ask NetworkManager and systemd-resolved for changes. It cannot go over `resolvers`, whose resolv.conf is
    # a link that leads nowhere yet.
    "seats": Layer("host", (*RESOLVERS, "polkitd")),
    "snap": Layer("host", ("snapd", "polkitd")),
    "wine": Layer("host", ("wine", "wine64")),
    "chromium": Layer("host", ("chromium",)),
    "domain": Layer(
        "chromium",
        ("samba", "samba-ad-dc", "samba-ad-provision", "winbind", "smbclient", "krb5-user", "ldb-tools"),
        "systemctl --quiet disable smbd nmbd winbind samba-ad-dc",
    ),
    "desktop": Layer("chromium", ("flatpak", "firefox-esr", "gajim", "megatools")),
    "bench": Layer("host", ("goss", "openscap-scanner", "openssh-sftp-server")),
    "builder": Layer("host", ("python3-pip", "python3-venv", "git", "openssh-client")),
    # Roots in which a test runs single programs.
    "systems": Layer("", ("python3-pip", "pipx", "npm", "pacman-package-manager", "nix-bin", "rpm", "dnf", "zypper")),
    "dnf5": Layer("", ("rpm", "dnf5")),
    "appliances": Layer("", APPLIANCES),
}
USUAL = {
    "integration": (
        *("trixie", "trixie-host", "trixie-managed", "trixie-resolvers", "trixie-seats", "trixie-snap", "trixie-wine"),
        *("trixie-domain", "trixie-systems", "trixie-appliances", "trixie-shells"),
    ),
    "nightly": ("sid-managed", "sid-dnf5", "trixie-builder"),
    "molecule": ("bookworm-host", "trixie-desktop"),
}
# The packages of a suite's own root, and paths that no package gets there.
BASE = ("apt", "python3")
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
INSTALL = r"""
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d  # no service starts
chmod 755 /usr/sbin/policy-rc.d
apt-get -qq -o Acquire::AllowReleaseInfoChange=1 update
apt-get -qq --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 \
    -o Binary::apt-get::APT::Keep-Downloaded-Packages=1 install "$@"
rm /usr/sbin/policy-rc.d
"""
# The two .updated files keep a boot from updating /etc and /var.
FINISH = r"""
rm -f /var/cache/apt/*.bin /var/log/apt/* /var/log/*.log /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache
if [ -e /etc/machine-id ]; then : >/etc/machine-id; fi  # empty: this is no first boot, and yet each host has its own
touch /etc/.updated /var/.updated
"""
# In mounts and processes of its own: the overlay, mounts for the installation, and the directories of apt that all
# installations of a suite share. $1 is the place, $2 the layers below, $3 apt's directories; the rest are packages.
CHROOT = r"""
set -eu
root=$1/root apt=$3
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work,redirect_dir=off,index=off" "$root"
shift 3
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for directory in /run /tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root$directory"; done
chmod 755 "$root/run"
mount --bind "$apt/lists" "$root/var/lib/apt/lists"
mount --bind "$apt/archives" "$root/var/cache/apt/archives"
cp /etc/resolv.conf "$root/etc/"  # a file: some packages make it a link
exec chroot "$root" sh -c "$SCRIPT" sh "$@"
"""


class NotMade(Exception):
    """A root could not be made. The message has the last lines of the tool."""

    def __init__(self, name, errors):
        super().__init__(f"no Debian {name} could be made: {errors[-1000:].strip()}")
        self.suite = _suite_of(name)


def mirrors():
    """Return the mirrors of Debian and of its security updates that this machine's own apt uses; "" for none."""
    command = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    debian = [line.removeprefix("Debian ") for line in lines if line.startswith("Debian ")]
    security = [uri for uri in debian if "security" in uri]
    return next((uri for uri in debian if uri not in security), ""), next(iter(security), "")


def _suite_of(name):
    return name.partition("-")[0]


def _list_parents(name):
    """List a root and all below it, the newest first."""
    suite, _, label = name.partition("-")
    return [name, *_list_parents(f"{suite}-{LAYERS[label].over}".rstrip("-"))] if label else [name]


def place(name):
    """Return the directory of the newest layer of a root."""
    recipes = []
    for part in _list_parents(name):
        suite, _, label = part.partition("-")
        recipes += [suite, *((INSTALL, *LAYERS[label]) if label else (BASE, LEFT_OUT)), FINISH]
    return ROOTS / f"{name}-{hashlib.sha256(repr(recipes).encode()).hexdigest()[:12]}"


def layers(name):
    """Return the layers of a root, the newest first. Make those that are missing."""
    stack = []
    for part in reversed(_list_parents(name)):
        directory = place(part)
        if not directory.is_dir():
            with _lock(part):
                if not directory.is_dir():  # nobody else has made it meanwhile
                    _make(part, stack, directory)
        stack.insert(0, directory)
    return tuple(stack)


@contextlib.contextmanager
def mounted(stack, directory):
    """Mount a root to be written to, as DIRECTORY/root. DIRECTORY/upper keeps what is written."""
    root = _mount(stack, directory)
    try:
        yield root
    finally:
        _unmount(root)


def _mount(stack, directory):
    _make_overlay(directory)
    below = ":".join(map(str, stack))
    options = f"lowerdir={below},upperdir={directory}/upper,workdir={directory}/work,redirect_dir=off,index=off"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(directory / "root")], check=True)
    identity = directory / "root/etc/machine-id"
    if identity.exists() and not identity.read_text():  # each host has an identity of its own
        identity.write_text(f"{uuid.uuid4().hex}\n")
    return directory / "root"


def _make_overlay(directory):
    for part in ("root", "upper", "work"):
        (directory / part).mkdir(parents=True, exist_ok=True)
        (directory / part).chmod(0o755)


def _unmount(root):
    """Unmount a root, even if it is in use."""
    subprocess.run(["umount", "--lazy", "--recursive", str(root)], check=False)


def stale():
    """List the layers without a recipe, and those that were never finished."""
    suites = {_suite_of(name) for names in USUAL.values() for name in names}
    current = {place(name) for suite in suites for name in (suite, *(f"{suite}-{label}" for label in LAYERS))}
    return sorted(path for path in ROOTS.glob("*-*") if path not in current and not path.name.startswith("apt-"))


def remove(directories):
    """Remove layers, unless one is being made, or a test of another checkout uses it."""
    for directory in directories:
        with _lock(directory.name.strip(".")):
            if not root_directory.is_in_use(directory):
                subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=True)


@contextlib.contextmanager
def _lock(name):
    root_directory.make(ROOTS)
    with (ROOTS / f".{_suite_of(name)}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(name, below, directory):
    print(f"Making a root: Debian {name}", file=sys.stderr, flush=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}-making-", dir=ROOTS))
    try:
        _make_overlay(scratch)
        if below:
            _install(name, below, scratch)
        else:
            _bootstrap(name, scratch)
        (scratch / "upper").rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _bootstrap(suite, scratch):
    """Let mmdebstrap make the root of a suite, from the mirror and with the proxies of this machine's own apt."""
    command = ["apt-config", "dump", "--format", '%F "%v";%n', "Acquire"]
    settings = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    prefixes = ("Acquire::Check-", "Acquire::http::", "Acquire::https::")
    lines = [line for line in settings if line.startswith(prefixes) and not line.endswith(' "";')]
    # A mirror that does not answer once is no failure of what is tested, nor is one that is behind.
    lines += ['Acquire::Retries "5";', 'Acquire::Check-Valid-Until "false";']
    (scratch / "apt.conf").write_text("".join(f"{line}\n" for line in lines))
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--format=directory", f"--include={','.join(BASE)}"]
    command += [f"--aptopt={scratch / 'apt.conf'}", *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT)]
    command += [f"--customize-hook=chroot \"$1\" sh -c '{FINISH}'", suite, str(scratch / "upper")]
    _run(suite, [*command, *filter(None, mirrors()[:1])])
    for name, text in {"resolv.conf": "", "hostname": "debian\n"}.items():  # mmdebstrap leaves this machine's there
        (scratch / "upper/etc" / name).write_text(text)


def _install(name, below, scratch):
    suite, _, label = name.partition("-")
    apt = ROOTS / f"apt-{suite}"
    for folder in ("lists/partial", "archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CHROOT, "sh"]
    command += [str(scratch), ":".join(map(str, below)), str(apt), *LAYERS[label].packages]
    _run(name, command, SCRIPT=INSTALL + LAYERS[label].setup + FINISH)
    resolver = scratch / "upper/etc/resolv.conf"
    if not resolver.is_symlink():
        resolver.unlink()  # the empty one below is seen again


def _run(name, command, **environment):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, **environment}
    argv = machine.outside(command)
    done = subprocess.run(argv, env=environment, text=True, check=False, timeout=INSTALLATION_SECONDS, **pipes)
    if done.returncode:
        raise NotMade(name, done.stdout[-400:] + done.stderr)


def main(words):
    if words[:1] == ["--mount"] and len(words) == 3:
        _mount(layers(words[1]), Path(words[2]))
    elif words[:1] == ["--unmount"] and len(words) == 2:
        _unmount(Path(words[1]) / "root")
        shutil.rmtree(words[1], ignore_errors=True)
    elif words and not words[0].startswith("-"):
        for name in words:
            print(*layers(name), sep="\n", flush=True)
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NotMade as error:
        sys.exit(str(error))
