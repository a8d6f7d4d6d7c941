"""A release of ansible-core that renames what Proscribe uses without a promise: the run gives the same record."""

import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from checkout import PROJECT, REAL_ANSIBLE, clean_environment, launch, read_records
from proscribe_ansible import private_names

pytestmark = pytest.mark.playbook

HOSTS = ("h1", "h2", "h3")
# Notes who calls it, and runs the command. Ansible also finds out whether it keeps connections.
SSH = """#!/bin/sh
for last; do :; done
case $last in
    ControlPersist) ;;
    *) echo "$PPID" >>"{called}" && exec /bin/sh -c "$last" ;;
esac
"""
PASSING = ("checked_at", "duration_ms", "host", "logged_in", "full_scan")
NO_NAMES = "WorkerProcess.__init__"  # its parameters are common words
REPRESENTING = {"_queued_task_cache", "_final_q", "_callback_plugins", "_task"}  # by day; the others by night


class Ran(NamedTuple):
    """A run: its exit code, what it printed, the records, and the processes that called hosts."""

    code: int
    said: str
    records: list[Any]
    askers: list[str]

    @property
    def warnings(self):
        return [line for line in self.said.splitlines() if "ansible-core" in line and "has no" in line]


def run(directory, *names):
    """An audit of the hosts, with these names renamed."""
    called, ssh, inventory = (directory / name for name in ("called", "ssh", "hosts.json"))
    ssh.write_text(SSH.format(called=called))
    ssh.chmod(0o755)
    values = {"connection": "ssh", "ssh_executable": str(ssh), "ssh_transfer_method": "piped", "become": False}
    common = {f"ansible_{name}": value for name, value in values.items()}
    common["ansible_python_interpreter"] = sys.executable
    inventory.write_text(json.dumps({"all": {"hosts": dict.fromkeys(HOSTS, {}), "vars": common}}))
    python = Path(REAL_ANSIBLE).parent / "python"
    words = [str(Path(__file__).with_name("renamed_ansible.py")), *names, "--"]
    words += ["-i", str(inventory), "--tags", "dns", str(PROJECT / "playbooks/audit.yml")]
    known = {"PROSCRIBE_REPORTS": str(directory / "reports"), "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
    ended = launch(python, *words, cwd=directory, environment=clean_environment(**known))
    records = read_records(directory / "reports").values() if (directory / "reports/latest").exists() else ()
    lasting = [{key: value for key, value in record.items() if key not in PASSING} for record in records]
    return Ran(ended.code, ended.said, lasting, called.read_text().split() if called.exists() else [])


@pytest.fixture(scope="session")
def usual(tmp_path_factory):
    return run(tmp_path_factory.mktemp("usual"))


def test_a_run_asks_all_hosts_from_one_process(usual):
    assert (len(usual.records), len(usual.askers), len(set(usual.askers))) == (len(HOSTS), len(HOSTS), 1), usual.said
    assert usual.warnings == []


def every():
    """The names, each with the parts that use it. A name of another release is not renamed."""
    users = {}
    for uses in private_names.ALL_USES:
        for kind, names in uses.names.items():
            for name in names if kind != NO_NAMES else ():
                users.setdefault(name, []).append((uses, f"{kind}.{name}"))
    for name, of in users.items():
        yield pytest.param(name, of, id=name, marks=[] if name in REPRESENTING else [pytest.mark.nightly])


@pytest.mark.parametrize(("name", "of"), list(every()))
def test_a_name_that_is_missing_leaves_the_record_as_it_is(tmp_path, usual, name, of):
    ran = run(tmp_path, *name.split(private_names.NAME_SEPARATOR))
    parts = {uses.feature for uses, _ in of}
    if private_names.ACTIONS.feature in parts:
        assert ran.code and not ran.askers and not ran.records, ran.said
        assert any(f"has no ActionBase().{name}" in line for line in ran.warnings), ran.said
        return
    assert (ran.code, ran.records) == (usual.code, usual.records), ran.said
    expected = {uses.feature for uses, _ in of if uses not in (private_names.FOUND, private_names.JOINING)}
    warned = [match[1] for line in ran.warnings if (match := re.search(r", for ([^:]+):", line))]
    assert sorted(warned) == sorted(expected), ran.said
    asking = len(set(ran.askers))
    alone = {private_names.SWEEP.feature, private_names.STREAM.feature} & parts
    assert asking == len(HOSTS) if alone else asking == 1, ran.said
