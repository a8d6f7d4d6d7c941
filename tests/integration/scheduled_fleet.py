"""A controller and the hosts that it corrects, each a booted machine, on a network that leads nowhere else."""

import contextlib
import json
import tempfile
from pathlib import Path

from machines import booting, network
from scheduled_machine import CHECKOUT, RESTRICTIONS, ROOT, Scheduled

REPORTS = f"{CHECKOUT}/reports"
SERVICE = "proscribe-drift.service"

KEY = """\
umask 077 && mkdir -p /root/.ssh && cd /root/.ssh
test -e id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f id_ed25519
cat id_ed25519.pub
"""


class Fleet:
    def __init__(self, controller, hosts, addresses):
        self.controller, self.hosts, self.addresses = controller, hosts, addresses
        self.variables = {
            host: {"ansible_host": address, "ansible_user": "root"} for host, address in addresses.items()
        }

    def say(self, host, **variables):
        """Give a host more inventory variables; None takes one away."""
        merged = {**self.variables[host], **variables}
        self.variables[host] = {name: value for name, value in merged.items() if value is not None}
        self.write_inventory()

    @property
    def inventory(self):
        return json.dumps({"all": {"hosts": self.variables}}, indent=1)

    def write_inventory(self):
        self.controller.write(f"{CHECKOUT}/fleet/hosts.yml", self.inventory)

    def records(self, run="latest"):
        lines = self.controller.read(f"{REPORTS}/{run}/hosts.jsonl").splitlines()
        return {record["host"]: record for record in map(json.loads, lines)}

    def latest(self):
        """The id of the last complete run; "" for none yet."""
        return self.controller.run("readlink", f"{REPORTS}/latest", check=False).strip()

    def let_in(self, host):
        self.hosts[host].script(f"umask 077; mkdir -p /root/.ssh; echo '{self.key}' >/root/.ssh/authorized_keys")
        known = self.hosts[host].read("/etc/ssh/ssh_host_ed25519_key.pub")
        self.controller.script(f"echo '{self.addresses[host]} {known.strip()}' >>/root/.ssh/known_hosts")

    def schedule(self, nice):
        """Set up the scheduled run. The test starts it, and others use the machine too."""
        self.controller.proscribe("schedule")
        self.controller.write(f"/etc/systemd/system/{SERVICE}.d/nice.conf", f"[Service]\nNice={nice}\n")
        self.controller.run("systemctl", "daemon-reload")

    @property
    def key(self):
        return self.controller.script(KEY).strip()


@contextlib.contextmanager
def scheduled_fleet(called, hosts, restrictions=RESTRICTIONS):
    """The fleet, booted. Its addresses are .10 and so on of a network of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="proscribe-") as place,
        network(called) as (net, prefix),
        contextlib.ExitStack() as stack,
    ):
        booted, addresses = {}, {}
        for number, host in enumerate(("controller", *hosts), start=10):
            # Podman writes resolv.conf again at each boot.
            options = ("--network", net, "--ip", f"{prefix}.{number}", "--dns", "127.0.0.1")
            booted[host] = Scheduled(f"{net}-{host}")
            stack.enter_context(booting(booted[host].name, ROOT, Path(place) / host, *options))
            addresses[host] = f"{prefix}.{number}"
        for machine in booted.values():
            machine.wait_until_booted()
        controller, _ = booted.pop("controller"), addresses.pop("controller")
        fleet = Fleet(controller, booted, addresses)
        for host, machine in booted.items():
            machine.become_host()
            fleet.let_in(host)
        controller.become_controller(fleet.inventory, restrictions)
        yield fleet
