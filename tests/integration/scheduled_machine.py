"""A machine for scheduled runs: controller and managed host (web01) in one, with this checkout in /srv/proscribe."""

import contextlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from machines import PROJECT, booting, podman
from patience import LONGEST, until

ROOT = "trixie-managed"
CHECKOUT = "/srv/proscribe"
PARTS = (
    *("action_plugins", "ansible.cfg", "callback_plugins", "catalog", "doc_fragments", "filter_plugins", "library"),
    *("module_utils", "playbooks", "proscribe", "pyproject.toml", "roles", "test_plugins"),
)

HOSTS = """\
all:
  hosts:
    web01: {ansible_host: 127.0.0.1, ansible_user: root}
"""
VARIABLES = f"{CHECKOUT}/fleet/group_vars/all.yml"
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
    def __init__(self, name, layers=()):
        self.name, self.layers = name, layers
        self.ansible = "/usr/bin/ansible-playbook"

    def run(self, *argv, check=True, stdin=None, timeout=LONGEST):
        environment = ("--env", "COLUMNS", "--env", f"PROSCRIBE_ANSIBLE_PLAYBOOK={self.ansible}")
        command = ("exec", "--interactive", *environment, self.name, *argv)
        done = podman(*command, stdin=stdin, check=False, timeout=timeout)
        assert not check or done.returncode == 0, (argv, done.returncode, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout + done.stderr

    def script(self, text):
        return self.run("sh", "-eus", stdin=text)

    def succeeds(self, *argv):
        return podman("exec", self.name, *argv, check=False).returncode == 0

    def proscribe(self, *words, check=True):
        return self.run(f"{CHECKOUT}/proscribe", words[0], "-i", f"{CHECKOUT}/fleet", *words[1:], check=check)

    def write(self, path, text, mode="0644"):
        self.run("sh", "-c", f'mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode} {path}', stdin=text)

    def there(self, path):
        return self.succeeds("test", "-e", path)

    def read(self, path):
        return self.run("cat", path)

    def json(self, path):
        return json.loads(self.read(path))

    def record(self, reports=f"{CHECKOUT}/reports"):
        return dict(json.loads(self.read(f"{reports}/latest/hosts.jsonl").splitlines()[0]))

    def log(self, unit):
        invocation = self.run("systemctl", "show", unit, "--property=InvocationID", "--value").strip()
        return self.run("journalctl", "-o", "cat", "--no-pager", f"_SYSTEMD_INVOCATION_ID={invocation}")

    def start(self, unit):
        """Start a unit and wait for its end; whether it ended well."""
        # Tests are quicker than the five times in ten seconds that systemd starts a unit (systemd.unit(5), StartLimit).
        podman("exec", self.name, "systemctl", "reset-failed", unit, check=False)
        return podman("exec", self.name, "systemctl", "start", unit, check=False, timeout=3 * LONGEST).returncode == 0

    def wait_until_booted(self):
        until(lambda: "running" in self.run("systemctl", "is-system-running", "--wait", check=False))

    def become_host(self):
        """Give the machine a resolver that it asks, for the DNS filter, and a package for the tests to tamper with."""
        self.run("systemctl", "enable", "--now", "dnsmasq")
        self.script("echo nameserver 127.0.0.1 >/etc/resolv.conf")
        self.script(WECHAT)

    def become_controller(self, hosts, restrictions):
        """The checkout with an inventory, and a mail system that keeps what it gets in /srv/mails."""
        self.write("/usr/sbin/sendmail", SENDMAIL, "0755")
        self.send_checkout()
        self.write(f"{CHECKOUT}/fleet/hosts.yml", hosts)
        self.write(VARIABLES, restrictions)

    def restrict(self, line):
        """Add a line to the restrictions of the checkout's fleet."""
        self.write(VARIABLES, f"{self.read(VARIABLES)}{line}\n")

    def send_checkout(self, more=()):
        """Put this checkout where the machine's own stands; of all that is in it what runs, and some `more`."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for part in (*PARTS, *more):
                archive.add(PROJECT / part, part, filter=_plain)
        argv = ["podman", "--runtime", "runc", "exec", "--interactive", self.name]
        unpack = ["sh", "-c", f"mkdir -p {CHECKOUT} && tar -xf - -C {CHECKOUT}"]
        done = subprocess.run([*argv, *unpack], input=packed.getvalue(), capture_output=True, timeout=LONGEST)
        assert done.returncode == 0, done.stderr


def mails(machine):
    """Return all mails of a controller as they were sent."""
    return machine.read("/srv/mails") if machine.there("/srv/mails") else ""


def mail_text(machine, earlier=""):
    """Return the mails after `earlier` in one line: long lines are broken in a mail (RFC 2045, 6.7)."""
    return " ".join(mails(machine).removeprefix(earlier).replace("=\n", "").split())


def _plain(entry):
    """An entry of root's, without what Python has left there."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return None if "__pycache__" in entry.name else entry


@contextlib.contextmanager
def thawed(called, root=ROOT):
    """A machine without a network, from a root or from what `frozen` has given."""
    name = f"proscribe-{called}-{os.getpid()}"
    with (
        tempfile.TemporaryDirectory(prefix="proscribe-") as place,
        booting(name, root, Path(place), "--network", "none", hostname=f"proscribe-{called}") as layers,
    ):
        machine = Scheduled(name, layers)
        machine.wait_until_booted()
        yield machine


def frozen(machine, place):
    """The layers of a machine as it is now, the newest of them moved to that place. The machine is shut down for it."""
    podman("stop", "--time", str(LONGEST), machine.name)
    upper, *below = machine.layers
    upper.rename(place)
    return (place, *below)


@contextlib.contextmanager
def scheduled_machine(called):
    """The machine, booted, without a network, with the checkout and an inventory of itself."""
    with thawed(called) as machine:
        machine.script(REACH_ITSELF)
        machine.become_host()
        machine.become_controller(HOSTS, RESTRICTIONS)
        yield machine
