#!/usr/bin/env python3
"""What a run costs before its first host: Ansible's start, the inventory, the compiled plans.

    tests/bench/compile_scale.py [--hosts N ...] [--rounds R] [--plain] [--against CHECKOUT ...]

It runs two plays and stops where the second one begins: nobody is contacted. A script prints the hosts, in departments
and sites, with an address each and templates among their variables. With --plain they have their addresses only, and so
one plan. `nothing` prints one line, which shows what Ansible itself takes; `compile` has the task of an audit.
`workers` is the processor time of the process that compiles, `main` that of the others. Rounds take turns with those of
other checkouts, and the least of each figure counts. A run over a few hosts fills the caches before.

`ansible-playbook` is taken from the PATH, or from PROSCRIBE_ANSIBLE_PLAYBOOK. Needs no root.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from common import PROJECT, find_playbook_program, make_parser, measure, run_well

LONGEST = 3600  # seconds for one run
DEPARTMENTS, SITES = 20, 5

# Ends the run where its second play begins, and writes down what it cost until then.
STOP = """
DOCUMENTATION = "{name: stop_here, type: aggregate, short_description: stops, description: stops}"
import json, multiprocessing, os, resource, time
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME, CALLBACK_NEEDS_ENABLED = 2.0, "aggregate", "stop_here", False
    plays = 0
    def v2_playbook_on_play_start(self, play):
        self.plays += 1
        if self.plays == 2:
            while multiprocessing.active_children():  # a child is counted when it has ended
                time.sleep(0.001)
            used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            cost = [(one.ru_utime + one.ru_stime, one.ru_maxrss / 1024) for one in used]
            with open(os.environ["STOP_FILE"], "w") as stream:
                json.dump(cost, stream)
            os._exit(0)
"""
SECOND = """
- hosts: "{hosts}"
  gather_facts: false
  tasks: [ansible.builtin.debug: {{msg: never}}]
"""
NOTHING = """
- hosts: all
  gather_facts: false
  tasks: [{ansible.builtin.debug: {msg: nothing}, run_once: true}]
"""


class Cost(NamedTuple):
    """What a run cost: seconds, and megabytes at the most."""

    wall: float
    main: float
    workers: float
    main_memory: float
    worker_memory: float


def make_fleet(hosts, plain=False):
    """Make the inventory as a script prints it; `plain` for one without any variable of Proscribe's."""
    names = [f"host{number:06d}" for number in range(hosts)]
    shared = {"ansible_user": "root", "ansible_python_interpreter": "/usr/bin/python3"}
    ours = {"proscribe_contact": "helpdesk-{{ site }}@example.org", "proscribe_tenants": {"google": ["example.org"]}}
    variables = {}
    for number, name in enumerate(names):
        variables[name] = {"ansible_host": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
        if not plain:
            variables[name] |= {"site": f"site{number % SITES}", "proscribe_zone": f"{{{{ site }}}}-{number % 3}"}
    fleet = {}
    for number in range(DEPARTMENTS):
        left_out = {"proscribe_services_exclude": [("slack", "wechat", "telegram", "dropbox")[number % 4]]}
        own = left_out if number % 2 and not plain else {}
        fleet[f"department{number}"] = {"hosts": names[number::DEPARTMENTS], "vars": own}
    return {**fleet, "all": {"vars": shared if plain else {**shared, **ours}}, "_meta": {"hostvars": variables}}


def write_inventory(folder, fleet):
    (folder / "fleet.json").write_text(json.dumps(fleet))
    path = folder / "hosts.sh"
    path.write_text(f"#!/bin/sh\nexec cat {folder / 'fleet.json'}\n")
    path.chmod(0o755)
    return path


def write_playbooks(folder):
    """The two playbooks; the first play of the one is that of an audit, from the checkout that runs it."""
    audit = (PROJECT / "playbooks" / "audit.yml").read_text()
    first, second = audit[: audit.index("- name: Audit")], audit[audit.index("- name: Audit") :]
    hosts = second.split('hosts: "', 1)[1].split('"\n', 1)[0]
    texts = {"nothing": "---" + NOTHING + SECOND.format(hosts="all"), "compile": first + SECOND.format(hosts=hosts)}
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return {name: folder / f"{name}.yml" for name in texts}


def run_playbook(checkout, folder, inventory, playbook):
    """Run a playbook as far as its second play; SystemExit with its output where it does not come so far."""
    stop = folder / "stop.json"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    environment = {
        **inherited,
        "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": f"{checkout / 'callback_plugins'}:{folder / 'callbacks'}",
        "ANSIBLE_INVENTORY_ENABLED": "script",
        "PROSCRIBE_REPORTS": str(folder / f"reports-{checkout.name}"),
        "STOP_FILE": str(stop),
    }
    command = [find_playbook_program(), "-i", str(inventory), str(playbook)]
    wall, _ = measure(lambda: run_well(command, env=environment, cwd=checkout, timeout=LONGEST))
    if not stop.exists():
        raise SystemExit(f"{playbook} has no second play to stop at")
    (main, main_memory), (workers, worker_memory) = json.loads(stop.read_text())
    stop.unlink()
    return Cost(wall, main, workers, main_memory, worker_memory)


def measure_fleet(folder, fleet, rounds, checkouts):
    inventory, hosts = write_inventory(folder, fleet), len(fleet["_meta"]["hostvars"])
    cases = [(name, path, checkout) for name, path in write_playbooks(folder).items() for checkout in checkouts]
    found = {}
    for _ in range(rounds):
        for name, playbook, checkout in cases:
            found.setdefault((name, checkout), []).append(run_playbook(checkout, folder, inventory, playbook))
    for (name, checkout), costs in found.items():
        least = Cost(*map(min, zip(*costs, strict=True)))
        cpu = min(cost.main + cost.workers for cost in costs)
        print(
            f"{hosts:7d} {name:8} {checkout.name:20} {cpu:8.3f} {least.main:8.3f} {least.workers:8.3f}"
            f" {least.wall:8.3f} {least.main_memory:8.0f} {least.worker_memory:8.0f}",
            flush=True,
        )


def main():
    parser = make_parser(__doc__, rounds=3, plain=False)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--against", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    columns = ("CPU s", "main", "workers", "wall", "MB main", "worker")
    print(f"{'hosts':>7} {'play':8} {'checkout':20}", *(f"{column:>8}" for column in columns))
    with tempfile.TemporaryDirectory(prefix="compile-scale-") as made:
        folder = Path(made)
        (folder / "callbacks").mkdir()
        (folder / "callbacks" / "stop_here.py").write_text(STOP)
        checkouts = [PROJECT, *map(Path.absolute, options.against)]
        for checkout in checkouts:
            few = write_inventory(folder, make_fleet(DEPARTMENTS * SITES, options.plain))
            run_playbook(checkout, folder, few, write_playbooks(folder)["compile"])
        for hosts in options.hosts:
            measure_fleet(folder, make_fleet(hosts, options.plain), options.rounds, checkouts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
