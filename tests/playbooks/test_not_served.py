"""Network devices in an inventory, and Windows hosts where a run does not observe."""

import socket
import threading

import pytest
from checkout import Site

pytestmark = pytest.mark.playbook

VARIABLES = "proscribe_dns_backend: hosts\n"
UNSERVED = ["a_switch", "b_switch", "c_switch"]


class Port:
    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.number = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.connections += 1


@pytest.fixture
def port():
    made = Port()
    yield made
    made.socket.close()


@pytest.fixture
def mixed(tmp_path, port):
    where = f"ansible_host: 127.0.0.1, ansible_port: {port.number}"
    own = "ansible.netcommon.network_cli, ansible_network_os: ios", "local, ansible_network_os: ios", "httpapi"
    switches = (f"{name}: {{ansible_connection: {how}, {where}}}" for name, how in zip(UNSERVED, own))
    site = Site(tmp_path, *switches, "here: {ansible_connection: local}")
    site.file("group_vars/all.yml", VARIABLES)
    return site


def test_unserved_hosts_are_counted_apart_and_never_connected_to(mixed, port):
    ended = mixed("audit", "--tags", "dns")
    assert ended.code == 0, ended.said
    assert "3 not served" in ended.said and "coverage 1 of 4" in ended.said and port.connections == 0
    report = mixed.report
    assert [entry["host"] for entry in report["not_served"]] == UNSERVED
    assert (report["run"]["expected_hosts"], report["summary"]["not_served"]) == (1, 3)
    coverage = report["summary"]["coverage"]
    assert (coverage["numerator"], coverage["denominator"]) == (1, 4) and list(mixed.records) == ["here"]
    latest = mixed.reports / "latest"
    for name in ("metrics.prom", "report.csv", "junit.xml", "report.sarif", "oscal.json", "report.html"):
        assert all(host in (latest / name).read_text() for host in UNSERVED), name
    assert 'proscribe_host_state{host="a_switch",state="not_served"} 1' in (latest / "metrics.prom").read_text()


WINRM, SHELL = "ansible_connection: winrm", "ansible_shell_type: powershell"


@pytest.mark.parametrize(
    ("words", "how"),
    [("enforce --check", ""), *((w, how) for w in ("lift --check", "collect") for how in (WINRM, SHELL))],
)
def test_no_other_run_connects_to_them_or_to_windows_hosts_or_ends_because_of_them(words, how, mixed, port):
    """Only audits and runs that enforce observe Windows hosts, with the connection that their inventory names."""
    if how:
        host = f"a_windows: {{ansible_host: 127.0.0.1, ansible_port: {port.number}, {how}}}"
        mixed.file("windows.yml", f"all:\n  hosts:\n    {host}\n")
    ended = mixed(*words.split(), "--tags", "dns")
    said = " ".join(ended.said.split())
    assert "not found" not in said and "a_switch" in said and port.connections == 0, ended.said
    assert not how or f"a_windows, a Windows host ({how})" in said or "4 not served" in said, ended.said


def test_a_gate_that_asks_for_a_complete_picture_is_not_met_until_they_are_left_out(mixed):
    gate = ["-e", "proscribe_compliance_gate=incomplete", "--tags", "dns", "-e", "proscribe_effective_from=2999-01-01"]
    first = mixed("audit", *gate)
    assert first.code == 11 and "proscribe_hosts" in first.said, first.said
    then = mixed("audit", *gate, "-e", "proscribe_hosts=here")
    assert then.code == 0, then.said
    assert mixed.report["not_served"] == [] and mixed.report["run"]["pattern"] == "here"


def test_the_inventory_says_whom_runs_are_about(mixed, port):
    mixed.file("group_vars/all.yml", VARIABLES + "proscribe_hosts: all:!b_switch:!c_switch\n")
    ended = mixed("audit", "--tags", "dns")
    assert ended.code == 0, ended.said
    assert [entry["host"] for entry in mixed.report["not_served"]] == ["a_switch"]
    ended = mixed("audit", "--tags", "dns", "--limit", "b_switch")
    assert ended.code == 12, ended.said
    assert port.connections == 0
