"""A machine for scheduled runs: Debian with its own ansible-core, systemd and sshd; this checkout in /srv/proscribe.

It is controller and managed host in one: as a controller it reaches itself over SSH by the name web01.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

from machines import BOOT, PROJECT, image, podman
from patience import LONGEST, until

PACKAGES = ("ansible-core", "git", "dnsmasq", "faketime")
CHECKOUT = "/srv/proscribe"
PARTS = (
    "action_plugins",
    "ansible.cfg",
    "callback_plugins",
    "catalog",
    "doc_fragments",
    "filter_plugins",
    "library",
    "module_utils",
    "playbooks",
    "proscribe",
    "pyproject.toml",
    "roles",
)

HOSTS = """\
all:
  hosts:
    web01: {ansible_host: 127.0.0.1, ansible_user: root}
"""
RESTRICTIONS = """\
proscribe_categories: [instant_messaging]
proscribe_schedule_spread: "0"
proscribe_notify: {mail: it@example.org}
"""
# What a mail system offers programs, keeping what it gets.
SENDMAIL = """\
#!/bin/sh
{ printf 'to: %s\\n' "$*"; cat; echo; } >>/srv/mails
"""
# A package by the name of a restricted one.
WECHAT = """\
set -eu
mkdir -p /root/wechat/DEBIAN /root/wechat/opt/wechat
cp /bin/sleep /root/wechat/opt/wechat/wechat
printf 'Package: wechat\\nVersion: 4.1.0\\nArchitecture: all\\nMaintainer: T <t@example.org>\\nDescription: made\\n' \\
    >/root/wechat/DEBIAN/control
dpkg-deb --root-owner-group --build /root/wechat /root/wechat.deb
rm -r /root/wechat
"""
REACH_ITSELF = """\
set -eu
umask 077 && mkdir -p /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
echo "127.0.0.1 $(cat /etc/ssh/ssh_host_ed25519_key.pub)" >/root/.ssh/known_hosts
"""


class Scheduled:
    """The machine, and what stands on it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ansible = "/usr/bin/ansible-playbook"

    def run(self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = LONGEST) -> str:
        """What a command prints, both ways."""
        with_ansible = ("--env", f"PROSCRIBE_ANSIBLE_PLAYBOOK={self.ansible}")
        done = podman(
            "exec", "--interactive", *with_ansible, self.name, *argv, stdin=stdin, check=False, timeout=timeout
        )
        assert not check or done.returncode == 0, (argv, done.returncode, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout + done.stderr

    def script(self, text: str) -> str:
        return self.run("sh", "-eus", stdin=text)

    def succeeds(self, *argv: str) -> bool:
        return podman("exec", self.name, *argv, check=False).returncode == 0

    def proscribe(self, *words: str, check: bool = True) -> str:
        return self.run(f"{CHECKOUT}/proscribe", words[0], "-i", f"{CHECKOUT}/fleet", *words[1:], check=check)

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        self.run("sh", "-c", f'mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode} {path}', stdin=text)

    def there(self, path: str) -> bool:
        return self.succeeds("test", "-e", path)

    def read(self, path: str) -> str:
        return self.run("cat", path)

    def json(self, path: str) -> Any:
        return json.loads(self.read(path))

    def record(self, reports: str = f"{CHECKOUT}/reports") -> dict[str, Any]:
        """The last record of the only host."""
        return dict(json.loads(self.read(f"{reports}/latest/hosts.jsonl").splitlines()[0]))

    def log(self, unit: str) -> str:
        """What the last run of a unit said."""
        invocation = self.run("systemctl", "show", unit, "--property=InvocationID", "--value").strip()
        return self.run("journalctl", "-o", "cat", "--no-pager", f"_SYSTEMD_INVOCATION_ID={invocation}")

    def start(self, unit: str) -> bool:
        """Start a unit and wait for its end; whether it ended well."""
        # Tests are quicker than the five times in ten seconds that systemd starts a unit (systemd.unit(5), StartLimit).
        podman("exec", self.name, "systemctl", "reset-failed", unit, check=False)
        return podman("exec", self.name, "systemctl", "start", unit, check=False, timeout=3 * LONGEST).returncode == 0

    def wait_until_booted(self) -> None:
        until(lambda: "running" in self.run("systemctl", "is-system-running", "--wait", check=False))

    def become_host(self) -> None:
        """A name filter of its own that it asks, and a package to be tampered with."""
        self.run("systemctl", "enable", "--now", "dnsmasq")
        self.script("echo nameserver 127.0.0.1 >/etc/resolv.conf")
        self.script(WECHAT)

    def become_controller(self, hosts: str, restrictions: str) -> None:
        """The checkout with an inventory, and a mail system that keeps what it gets in /srv/mails."""
        self.write("/usr/sbin/sendmail", SENDMAIL, "0755")
        self.send_checkout()
        self.write(f"{CHECKOUT}/fleet/hosts.yml", hosts)
        self.write(f"{CHECKOUT}/fleet/group_vars/all.yml", restrictions)

    def send_checkout(self, more: Sequence[str] = ()) -> None:
        """Put this checkout where the machine's own stands; of all that is in it what runs, and some `more`."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for part in (*PARTS, *more):
                archive.add(PROJECT / part, part, filter=_plain)
        argv = ["podman", "--runtime", "runc", "exec", "--interactive", self.name]
        unpack = ["sh", "-c", f"mkdir -p {CHECKOUT} && tar -xf - -C {CHECKOUT}"]
        done = subprocess.run([*argv, *unpack], input=packed.getvalue(), capture_output=True, timeout=LONGEST)
        assert done.returncode == 0, done.stderr


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An entry of root's, without what Python has left there."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return None if "__pycache__" in entry.name else entry


def start(name: str, *network: str, of: str = "", hostname: str = "") -> Scheduled:
    """Have a machine begin to boot; `network` are podman's options for it. `of` is an image other than the usual."""
    options = ("--hostname", hostname or name, "--no-hosts", "--systemd", "always", "--privileged", *network)
    podman("run", "--detach", "--replace", "--name", name, *options, of or image("trixie", *PACKAGES), *BOOT)
    return Scheduled(name)


@contextlib.contextmanager
def frozen(machine: Scheduled, name: str) -> Iterator[str]:
    """An image of a machine as it is now, which is shut down for it; gone afterwards."""
    podman("stop", "--time", str(LONGEST), machine.name)
    podman("commit", "--quiet", machine.name, name)
    try:
        yield name
    finally:
        podman("rmi", "--force", name, check=False)


@contextlib.contextmanager
def thawed(image_name: str, name: str) -> Iterator[Scheduled]:
    """A machine that boots from such an image, without a network."""
    try:
        machine = start(name, "--network", "none", of=image_name, hostname="proscribe-schedule")
        machine.wait_until_booted()
        yield machine
    finally:
        remove(name)


def remove(*names: str) -> None:
    podman("rm", "--force", "--ignore", "--time", "2", *names, check=False)


@contextlib.contextmanager
def scheduled_machine(name: str, packages: Sequence[str] = ()) -> Iterator[Scheduled]:
    """The machine, booted, without a network, with the checkout and an inventory of itself."""
    try:
        machine = start(name, "--network", "none", of=image("trixie", *PACKAGES, *packages))
        machine.wait_until_booted()
        machine.script(REACH_ITSELF)
        machine.become_host()
        machine.become_controller(HOSTS, RESTRICTIONS)
        yield machine
    finally:
        remove(name)
