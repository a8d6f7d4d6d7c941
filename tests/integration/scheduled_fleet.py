"""A controller and the hosts that it corrects, each a booted machine, on a network that leads nowhere else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inotify import room
from machines import podman
from scheduled_machine import CHECKOUT, RESTRICTIONS, Scheduled, remove, start

REPORTS = f"{CHECKOUT}/reports"
SERVICE = "proscribe-drift.service"

KEY = """\
umask 077 && mkdir -p /root/.ssh && cd /root/.ssh
test -e id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f id_ed25519
cat id_ed25519.pub
"""


class Fleet:
    """The controller, and its hosts by their names in the inventory."""

    def __init__(self, controller: Scheduled, hosts: Mapping[str, Scheduled], addresses: Mapping[str, str]) -> None:
        self.controller, self.hosts, self.addresses = controller, hosts, addresses
        self.variables: dict[str, dict[str, Any]] = {
            host: {"ansible_host": address, "ansible_user": "root"} for host, address in addresses.items()
        }

    def say(self, host: str, **variables: Any) -> None:
        """Give a host more inventory variables; None takes one away."""
        merged = {**self.variables[host], **variables}
        self.variables[host] = {name: value for name, value in merged.items() if value is not None}
        self.write_inventory()

    @property
    def inventory(self) -> str:
        return json.dumps({"all": {"hosts": self.variables}}, indent=1)

    def write_inventory(self) -> None:
        self.controller.write(f"{CHECKOUT}/fleet/hosts.yml", self.inventory)

    def records(self, run: str = "latest") -> dict[str, dict[str, Any]]:
        """What the hosts answered in a run, by host."""
        lines = self.controller.read(f"{REPORTS}/{run}/hosts.jsonl").splitlines()
        return {record["host"]: record for record in map(json.loads, lines)}

    def latest(self) -> str:
        """The id of the last complete run; "" for none yet."""
        return self.controller.run("readlink", f"{REPORTS}/latest", check=False).strip()

    def let_in(self, host: str) -> None:
        """Give a host the controller's key, and the controller the host's."""
        self.hosts[host].script(f"umask 077; mkdir -p /root/.ssh; echo '{self.key}' >/root/.ssh/authorized_keys")
        known = self.hosts[host].read("/etc/ssh/ssh_host_ed25519_key.pub")
        self.controller.script(f"echo '{self.addresses[host]} {known.strip()}' >>/root/.ssh/known_hosts")

    @property
    def key(self) -> str:
        return self.controller.script(KEY).strip()


@contextlib.contextmanager
def scheduled_fleet(name: str, network: str, hosts: Sequence[str], restrictions: str = RESTRICTIONS) -> Iterator[Fleet]:
    """The fleet, booted. `network` begins the addresses of its own /24; the machines are called NAME-HOST."""
    with room(), _booted(name, network, hosts, restrictions) as fleet:
        yield fleet


@contextlib.contextmanager
def _booted(name: str, network: str, hosts: Sequence[str], restrictions: str) -> Iterator[Fleet]:
    subnet = ("--subnet", f"{network}.0/24", "--gateway", f"{network}.1")
    podman("network", "create", "--ignore", "--internal", "--disable-dns", *subnet, name)
    machines = {
        host: (f"{name}-{host}", f"{network}.{number}") for number, host in enumerate(("controller", *hosts), start=10)
    }
    try:
        booted = {
            # Podman writes resolv.conf again at each boot.
            host: start(machine, "--network", name, "--ip", address, "--dns", "127.0.0.1")
            for host, (machine, address) in machines.items()
        }
        for machine in booted.values():
            machine.wait_until_booted()
        controller = booted.pop("controller")
        fleet = Fleet(controller, booted, {host: machines[host][1] for host in hosts})
        for host, machine in booted.items():
            machine.become_host()
            fleet.let_in(host)
        controller.become_controller(fleet.inventory, restrictions)
        yield fleet
    finally:
        remove(*(machine for machine, _ in machines.values()))
        podman("network", "rm", "--force", name, check=False)
