"""The controller: an inventory of the fleet, the commands, and how any of them is run and counted."""

import hashlib
import json
import os

from drift import wrong
from hosts import SILENT  # isort: split

from common import PING, PROJECT, find_playbook_program  # isort: split

from proscribe.wire import stream
from proscribe.wire.plan_store import PlanStore

LONG, IDLE = 3600, 1  # seconds that a connection stays open which nobody uses


class NoResult(SystemExit):
    """A run counts for nothing, and the bench ends unless somebody knows better; the text is the reason."""


class Bench:
    """A controller. `closed`: no run finds a connection open. `directory` has a short path, as sockets lie in it."""

    def __init__(self, directory, made, meter, forks, closed=False):
        self.directory, self.fleet, self.meter, self.forks, self.closed = directory, made, meter, forks, closed
        directory.mkdir(exist_ok=True)
        self.reports = directory / "reports"
        self.numbers = range(0)
        self.sockets = directory / "cp"
        self.sockets.mkdir(mode=0o700)
        (directory / "ping.yml").write_text(PING)
        ansible = find_playbook_program()
        self.options = ["--forks", str(forks), "-i", str(directory / "hosts.yml")]
        # As people type it: a playbook of theirs, and the project's own commands, of which the launcher is a part.
        self.commands = {"ping": [ansible, *self.options, str(directory / "ping.yml")]}
        launcher = str(PROJECT / "proscribe")
        self.commands |= {name: [launcher, name, *self.options] for name in ("audit", "drift", "enforce")}
        # Some machines forbid Python to cache what it has compiled; the peers' packages are compiled when installed.
        strange = ("ANSIBLE_", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        self.environment = {
            **inherited,
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
            "PROSCRIBE_ANSIBLE_PLAYBOOK": ansible,
            "ANSIBLE_SSH_ARGS": " ".join(self.persist),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.sockets),
            "PROSCRIBE_REPORTS": str(self.reports),
        }

    @property
    def persist(self):
        return ["-C", "-o", "ControlMaster=auto", "-o", f"ControlPersist={IDLE if self.closed else LONG}"]

    def master(self, address):
        """The socket of the master that Ansible keeps for an address: named for host, port (none is set) and user."""
        return self.sockets / hashlib.sha1(f"{address}-None-root".encode()).hexdigest()[:10]

    @property
    def ssh(self):
        """Options of ssh that every run here uses, whoever calls it."""
        options = ("StrictHostKeyChecking=accept-new", "IdentitiesOnly=yes", f"UserKnownHostsFile={self.known_hosts}")
        return ["-F", "none", *(part for option in options for part in ("-o", option))]

    @property
    def key(self):
        return str(self.fleet.directory / "key")

    @property
    def known_hosts(self):
        return str(self.directory / "known_hosts")

    def inventory(self, numbers, dead=0):
        """Name these hosts, and that many addresses that say nothing among them."""
        self.numbers = numbers
        variables = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": self.key,
            "ansible_ssh_common_args": " ".join(self.ssh),
            "proscribe_effective_from": "2024-10-31",
            "proscribe_history": "off",
        }
        silent = {len(numbers) * (2 * index + 1) // (2 * dead): f"{SILENT}.0.{index + 1}" for index in range(dead)}
        hosts = {f"host{n}": {"ansible_host": silent.get(i) or self.fleet.address(n)} for i, n in enumerate(numbers)}
        (self.directory / "hosts.yml").write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}))

    def run(self, name, ends=0, **environment):
        """Run one of the commands. Raises NoResult with its output unless it ends with that."""
        return self.count(name, self.commands[name], {**self.environment, **environment}, ends)[0]

    def count(self, what, argv, environment, ends=0):
        """Run a command from where the controller is. Raises NoResult with its output unless it ends with that."""
        cost, done = self.meter.run([*self.fleet.prefix, *argv], environment, alone=self.closed)
        if done.returncode != ends:
            raise NoResult(f"{what} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        return cost, done

    def plan(self):
        (path,) = (self.reports / "plans").glob("*.json")
        return dict(json.loads(path.read_text()))

    def streamed(self):
        """What an audit runs on a host that keeps the code, and what it pipes to that."""
        call = {"controls": [], "gate": "never", "will_correct": False, "probe": False, "remember": False}
        store = PlanStore(self.reports / "plans")
        plan = store.make_plan_part(digest=self.plan()["digest"])
        return stream.REPLYING_PROGRAM, stream.make_payload(
            store.make_code_part(probe=False), plan, call, with_content=False
        )

    def check(self, what, hosts, seeded=None):
        """Raise NoResult where the newest report is not what was seeded."""
        if mistakes := wrong(self.reports, hosts, seeded or {}):
            raise NoResult(f"{what}: no result, because the report is wrong: {'; '.join(mistakes[:5])}")


def answered(output):
    """Is this a host's answer to the bytes of an audit, with a record?"""
    found = stream.parse_answer(output)
    return found is not None and "record" in found
