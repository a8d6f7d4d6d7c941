"""Many hosts observed by one process, over real SSH."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from machines import ACCOUNTS, PROJECT, booted, read_records, run_ansible
from patience import LONGEST

pytestmark = pytest.mark.whole_hosts

# The shell of bob talks.
PREPARE = """\
printf 'echo Welcome; printf "{ not: json, proscribe-answer:{} "\\n%s\\n' "$(cat /home/bob/.bashrc)" >/home/bob/.bashrc
echo "MaxStartups 200" >/etc/ssh/sshd_config.d/many.conf
systemctl reload ssh
mkdir -p /opt/other
cp /usr/bin/python3.13 /opt/other/python
"""
# Another's callback, which has every event: it stands for ARA, json, and what a controller shows.
CALLBACK = """
import json, os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "events"

    def _note(self, kind, result):
        shown = {key: value for key, value in result.result.items() if key not in ("record", "exception")}
        action = str(result.task.action)
        if action in ("compliance_state", "ansible.builtin.debug"):
            kind = kind if action == "compliance_state" else action
            self._write(kind, result.host.get_name(), json.loads(json.dumps(shown, default=str)))

    def _write(self, *event):
        with open(os.environ["EVENTS"], "a") as stream:
            stream.write(json.dumps(event) + "\\n")

    def v2_runner_on_start(self, host, task):
        if str(task.action) == "compliance_state":
            self._write("start", host.get_name(), {})

    def v2_runner_on_ok(self, result):
        self._note("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note("failed", result)

    def v2_runner_on_unreachable(self, result):
        self._note("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            self._write("recap", host, stats.summarize(host))
"""
APART = "-o ControlMaster=no -o ControlPath=none"
# Where Ansible runs `ssh` itself and that ends at once, it has one of two sentences: what `ssh` said, or that the input
# could not be written any more. Which one is a race in ansible-core (_send_initial_data), so it is no difference.
REACHED = r"remote host '([^']*)'\. Make sure this host can be reached over SSH"
BROKEN_PIPE = re.compile(REACHED + r"(: \[Errno 32\] Broken pipe|\.)")
ENDED = (
    r'remote host "\1". Make sure this host can be reached over ssh: ssh: connect to host \1 port 1: Connection refused'
)
PASSING = ("checked_at", "duration_ms", "logged_in", "full_scan", "host")  # another at every observation


class Ended(NamedTuple):
    """How a run ended: its exit code, what it printed, the records by host, and the events that others had."""

    code: int
    printed: str
    records: dict[str, Any]
    events: list[tuple[str, str, Any]]

    def of(self, kind):
        """The events of a kind, by host; one for each."""
        own = [(host, value) for name, host, value in self.events if name == kind]
        assert len(own) == len(dict(own)), own
        return dict(own)


class Controller:
    """An inventory of that host's many names, and runs over it."""

    def __init__(self, host, directory):
        self.host, self.directory = host, directory
        (directory / "callbacks").mkdir()
        (directory / "callbacks/events.py").write_text(CALLBACK)
        jump = f"ssh -F none {' '.join(host._ssh_options())} -W %h:%p root@{host.address}"
        self.names = {
            **{f"root{number}": {} for number in range(4)},
            "gated": {"proscribe_compliance_gate": "noncompliant"},
            "admin": {"ansible_user": "admin"},
            "admin-template": {"ansible_user": "{{ account }}", "account": "admin"},
            "bob": {"ansible_user": "bob", "ansible_become_password": "secret"},
            "carol": {"ansible_user": "carol", "ansible_become_password": "{{ word }}", "word": "secret"},
            "wrong-password": {"ansible_user": "carol", "ansible_become_password": "guess"},
            "no-password": {"ansible_user": "carol"},
            "address-template": {"ansible_host": "{{ place }}", "place": host.address},
            "other-python": {"ansible_python_interpreter": "/opt/other/python"},
            # What `ssh` says of a connection that another name opens at the same time is in the message.
            "no-python": {"ansible_python_interpreter": "/nosuch/python", "ansible_ssh_args": APART},
            "no-pipelining": {"ansible_pipelining": False},
            "alone": {"ansible_ssh_args": APART},
            "own-path": {"ansible_ssh_extra_args": f"-o ControlPath={directory}/%r-%h-%p"},
            "jump": {"ansible_ssh_extra_args": f"-o ProxyCommand='{jump}'"},
            "refused": {"ansible_port": 1},
            "retries": {"ansible_ssh_retries": 1, "ansible_port": 1},
            "module": {"ansible_connection": "ansible.legacy.ssh"},
        }
        controls = {"apps": "audit", "browser": "audit", "firewall": "off", "dns": "audit"}
        common = {**host.connection, "proscribe_controls": controls, "proscribe_history": "off"}
        (directory / "inventory.yml").write_text(json.dumps({"all": {"hosts": self.names, "vars": common}}))

    def run(self, *options, **environment):
        events, reports, inventory = (self.directory / name for name in ("events", "reports", "inventory.yml"))
        events.write_text("")
        own = {"ANSIBLE_CALLBACK_PLUGINS": f"{self.directory}/callbacks:{PROJECT}/callback_plugins"}
        own |= {"ANSIBLE_CALLBACKS_ENABLED": "events,proscribe_report", "EVENTS": str(events)}
        own["ANSIBLE_TIMEOUT"] = str(LONGEST)  # for the prompt of sudo: Ansible gives a host that is busy 10 seconds
        done = run_ansible("audit", inventory, reports, LONGEST, *options, **own, **environment)
        lasting = {}
        for host, record in read_records(reports).items():
            lasting[host] = {key: settled(value) for key, value in record.items() if key not in PASSING}
        noted = [tuple(map(settled, json.loads(line))) for line in events.read_text().splitlines()]
        return Ended(done.returncode, done.stdout + done.stderr, lasting, noted)


def settled(value):
    """What was said, without the race of those two sentences."""
    if isinstance(value, dict):
        return {key: settled(item) for key, item in value.items()}
    return BROKEN_PIPE.sub(ENDED, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def controller():
    with tempfile.TemporaryDirectory() as directory, booted("sweep", root="trixie-host") as (machine,):
        machine.run("sh", "-c", ACCOUNTS + PREPARE)
        yield Controller(machine, Path(directory))


@pytest.fixture(scope="module")
def one_by_one(controller):
    """A run with a worker for each host: what all others are compared with."""
    return controller.run(PROSCRIBE_SWEEP="off")


def test_hosts_have_the_record_or_its_reason_over_their_connections(one_by_one):
    failed, unreachable = one_by_one.of("failed"), one_by_one.of("unreachable")
    expected = {"gated", "wrong-password", "no-password", "no-python"}
    assert failed.keys() == expected, {host: failed.get(host) for host in failed.keys() ^ expected}
    assert "Incorrect sudo password" in failed["wrong-password"]["msg"]
    assert "Missing sudo password" in failed["no-password"]["msg"]
    assert unreachable.keys() == {"refused", "retries"}
    states = {host: record["state"] for host, record in one_by_one.records.items()}
    unknown = {host for host, state in states.items() if state == "unknown"}
    assert unknown == {"wrong-password", "no-password", "no-python", "refused", "retries"}
    assert set(states.values()) == {"unknown", "noncompliant"}
    rules = {host: record["rules"] for host, record in one_by_one.records.items() if host not in unknown}
    assert [host for host in rules if rules[host] != rules["root0"]] == []


@pytest.mark.parametrize("options", [(), ("--forks", "1"), ("--check", "--diff"), ("-vvv",)])
def test_one_process_reports_what_a_worker_for_each_host_does(controller, one_by_one, options):
    ended = controller.run(*options)
    assert ended.records.keys() == one_by_one.records.keys() and ended.code == one_by_one.code
    for host, expected in one_by_one.records.items():  # by host and key: whole records would be thousands of lines
        record = ended.records[host]
        assert [key for key in record.keys() | expected.keys() if record.get(key) != expected.get(key)] == [], host
    for kind in ("ok", "failed", "unreachable", "recap"):
        assert ended.of(kind) == one_by_one.of(kind), kind
    assert ended.of("start").keys() == one_by_one.of("start").keys()
