#!/usr/bin/env python3
"""What a run costs before its first host: Ansible's start, the inventory, the compiled plans.

    tests/bench/compile_scale.py [--hosts N ...] [--kinds ini yaml script] [--rounds R] [--plain]
        [--against CHECKOUT ...]

It runs two plays and stops where the second one begins: nobody is contacted. Each kind of inventory has the same hosts,
in departments and sites, with an address each and templates among their variables; with --plain they have their
addresses only, and so one plan. `nothing` has one task that says
something, so that it shows what Ansible itself takes; `compile` has the task of an audit. `workers` is the processor
time of the process that compiles, `main` that of the others. Rounds take turns with those of other checkouts, and the
least of each figure counts, because a busy machine only adds. A run over a few hosts fills the caches before.

`ansible-playbook` is taken from the PATH, or from PROSCRIBE_ANSIBLE_PLAYBOOK. Needs no root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
LONGEST = 3600  # seconds for one run
DEPARTMENTS, SITES = 20, 5

# Ends the run where its second play begins, and writes down what it cost until then.
STOP = """
from __future__ import annotations
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


def _shared() -> dict[str, Any]:
    return {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "proscribe_contact": "helpdesk-{{ site }}@example.org",
        "proscribe_tenants": {"google": ["example.org"]},
    }


def _of_department(number: int) -> dict[str, Any]:
    return (
        {"proscribe_services_exclude": [("slack", "wechat", "telegram", "dropbox")[number % 4]]} if number % 2 else {}
    )


def _host(number: int) -> dict[str, Any]:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {"ansible_host": address, "site": f"site{number % SITES}", "proscribe_zone": f"{{{{ site }}}}-{number % 3}"}


def _fleet(hosts: int, plain: bool = False) -> dict[str, Any]:
    """The inventory as a script prints it; `plain` for one without any variable of Proscribe's."""
    names = [f"host{number:06d}" for number in range(hosts)]
    groups = {
        f"department{number}": {"hosts": names[number::DEPARTMENTS], "vars": {} if plain else _of_department(number)}
        for number in range(DEPARTMENTS)
    }
    variables = {name: _host(number) for number, name in enumerate(names)}
    fleet = {**groups, "all": {"vars": _shared()}, "_meta": {"hostvars": variables}}
    for said in (fleet["all"]["vars"], *variables.values()) if plain else ():
        for name in [name for name in said if not name.startswith("ansible_")]:
            del said[name]
    return fleet


def _as_ini(fleet: Mapping[str, Any]) -> Iterator[str]:
    variables = fleet["_meta"]["hostvars"]
    for group, content in fleet.items():
        if group not in ("all", "_meta"):
            yield f"[{group}]"
            yield from (
                " ".join([name, *(f"{key}='{value}'" for key, value in variables[name].items())])
                for name in content["hosts"]
            )
    for group, content in fleet.items():
        if content.get("vars"):
            yield f"[{group}:vars]"
            yield from (f"{key}={value}" for key, value in content["vars"].items())


def _ini(folder: Path, fleet: Mapping[str, Any]) -> Path:
    path = folder / "hosts.ini"
    path.write_text("\n".join(_as_ini(fleet)) + "\n")
    return path


def _yaml(folder: Path, fleet: Mapping[str, Any]) -> Path:
    variables = fleet["_meta"]["hostvars"]
    children = {
        group: {"hosts": {name: variables[name] for name in content["hosts"]}, "vars": content["vars"]}
        for group, content in fleet.items()
        if group not in ("all", "_meta")
    }
    path = folder / "hosts.yml"
    path.write_text(json.dumps({"all": {"vars": fleet["all"]["vars"], "children": children}}, indent=1))  # YAML too
    return path


def _script(folder: Path, fleet: Mapping[str, Any]) -> Path:
    (folder / "fleet.json").write_text(json.dumps(fleet))
    path = folder / "hosts.sh"
    path.write_text(f"#!/bin/sh\nexec cat {folder / 'fleet.json'}\n")
    path.chmod(0o755)
    return path


KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], Path]] = {"ini": _ini, "yaml": _yaml, "script": _script}


def _playbooks(folder: Path) -> dict[str, Path]:
    """The two playbooks; the first play of the one is that of an audit, from the checkout that runs it."""
    audit = (PROJECT / "playbooks" / "audit.yml").read_text()
    first, second = audit[: audit.index("- name: Audit")], audit[audit.index("- name: Audit") :]
    hosts = second.split('hosts: "', 1)[1].split('"\n', 1)[0]
    texts = {"nothing": "---" + NOTHING + SECOND.format(hosts="all"), "compile": first + SECOND.format(hosts=hosts)}
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return {name: folder / f"{name}.yml" for name in texts}


def _run(checkout: Path, folder: Path, inventory: Path, playbook: Path) -> Cost:
    """Run a playbook as far as its second play; SystemExit with its output where it does not come so far."""
    ansible = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or shutil.which("ansible-playbook")
    if not ansible:
        raise SystemExit("needs ansible-playbook on the PATH, or PROSCRIBE_ANSIBLE_PLAYBOOK")
    stop = folder / "stop.json"
    stop.unlink(missing_ok=True)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
    environment = {
        **ours,
        "ANSIBLE_CONFIG": str(checkout / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": f"{checkout / 'callback_plugins'}:{folder / 'callbacks'}",
        "ANSIBLE_INVENTORY_ENABLED": "script,yaml,ini",
        "PROSCRIBE_REPORTS": str(folder / f"reports-{checkout.name}"),
        "STOP_FILE": str(stop),
    }
    started = time.perf_counter()
    done = subprocess.run(
        [ansible, "-i", str(inventory), str(playbook)],
        env=environment,
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    wall = time.perf_counter() - started
    if not stop.exists():
        raise SystemExit(f"{playbook} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (main, main_memory), (workers, worker_memory) = json.loads(stop.read_text())
    return Cost(wall, main, workers, main_memory, worker_memory)


def _measure(folder: Path, fleet: dict[str, Any], kind: str, rounds: int, checkouts: list[Path]) -> None:
    inventory, hosts = KINDS[kind](folder, fleet), len(fleet["_meta"]["hostvars"])
    cases = [(name, path, checkout) for name, path in _playbooks(folder).items() for checkout in checkouts]
    found: dict[tuple[str, Path], list[Cost]] = {}
    for _ in range(rounds):
        for name, playbook, checkout in cases:
            found.setdefault((name, checkout), []).append(_run(checkout, folder, inventory, playbook))
    for (name, checkout), costs in found.items():
        least = Cost(*map(min, zip(*costs, strict=True)))
        cpu = min(one.main + one.workers for one in costs)
        print(
            f"{hosts:7d} {kind:7} {name:8} {checkout.name:20} {cpu:8.3f} {least.main:8.3f} {least.workers:8.3f}"
            f" {least.wall:8.3f} {least.main_memory:8.0f} {least.worker_memory:8.0f}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[100, 10_000], metavar="N")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=3, metavar="R")
    parser.add_argument("--plain", action="store_true", help="hosts that share one plan, without a template")
    parser.add_argument("--against", type=Path, nargs="*", default=[], metavar="CHECKOUT", help="other states, in turn")
    options = parser.parse_args()
    columns = ("CPU s", "main", "workers", "wall", "MB main", "worker")
    print(f"{'hosts':>7} {'kind':7} {'play':8} {'checkout':20}", *(f"{column:>8}" for column in columns))
    with tempfile.TemporaryDirectory(prefix="compile-scale-") as made:
        folder = Path(made)
        (folder / "callbacks").mkdir()
        (folder / "callbacks" / "stop_here.py").write_text(STOP)
        checkouts = [PROJECT, *map(Path.absolute, options.against)]
        for checkout in checkouts:
            _run(
                checkout,
                folder,
                _ini(folder, _fleet(DEPARTMENTS * SITES, options.plain)),
                _playbooks(folder)["compile"],
            )
        for hosts in options.hosts:
            for kind in options.kinds:
                _measure(folder, _fleet(hosts, options.plain), kind, options.rounds, checkouts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
