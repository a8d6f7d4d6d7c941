"""The ban beside other programs with rules of their own; PROSCRIBE_TESTS_DOCKER=1: also beside Docker's own daemon."""

import os
import re

import pytest
from machines import played
from made_plans import make_plan
from patience import until
from proscribe.host.controls.firewall import boot_units

pytestmark = pytest.mark.whole_hosts
HOSTS = 3  # side by side
WITH_DOCKER = os.environ.get("PROSCRIBE_TESTS_DOCKER") == "1"
WITHIN = 20  # seconds until the ban is back: at once, and not when a timer checks, twice a minute
SETTINGS = {"dns_over_tls": "blocked", "management": [], "confirm_within": 60}
BAN = make_plan("firewall", {"telegram": ["203.0.113.0/24"]}, settings=SETTINGS)
# Debian's own begins with the flush, and stopping the service flushes too.
NFTABLES_CONF = """\
flush ruleset
table inet organisation {
    chain input {
        type filter hook input priority 0; policy accept;
        tcp dport 2323 drop
    }
}
"""
# What a start of Docker or podman with iptables leaves in the filter tables.
DOCKER = "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j RETURN\nCOMMIT\n"


def refused(host, *within):
    """Whether a connection into a restricted network is refused, and not only unanswered; `within` begins a command."""
    probe = "import socket; s = socket.socket(); s.settimeout(1); print(s.connect_ex(('203.0.113.7', 80)))"
    return host.run(*within, "python3", "-c", probe).strip() == "111"  # ECONNREFUSED


def rules_of_others(host):
    """All tables but ours, without counts; their chains by name, in whatever order they were made."""
    tables = re.split(r"^(?=table )", host.run("nft", "-s", "list", "ruleset"), flags=re.MULTILINE)
    others = [table for table in tables if not table.startswith("table inet proscribe ")]
    return "".join(part.strip() + "\n" for table in others for part in sorted(re.split(r"\n(?=\tchain |\}\n)", table)))


def back_within(host):
    """Wait until the ban is in effect, check that it is whole, and all that keeps it; return the seconds."""
    seconds = until(lambda: refused(host), WITHIN)
    record = host.call("compliance_state", {"plan": BAN})["record"]
    assert ([rule for rule in record["rules"] if rule["rule"] != "firewall/neighbours"], record["errors"]) == ([], [])
    return seconds


def ban(host):
    if not host.run("ip", "route", "show", "default"):
        host.run("ip", "route", "add", "default", "via", host.subnet.replace(".0/24", ".1"))
    answer = host.call("host_firewall", {"plan": BAN})
    assert not answer["failed"], answer


def beside(host, start, disturbances):
    """Start another firewall and disturb the host by it: the ban outlives that, and its rules outlive the ban."""
    host.run("sh", "-ec", start)
    until(lambda: refused(host), WITHIN)
    before = rules_of_others(host)
    assert before
    for command in disturbances:
        host.run("sh", "-ec", command)
        until(lambda: refused(host), WITHIN)
        assert rules_of_others(host) == before, command
    back_within(host)


def deleted(host, *commands):
    for command in commands:
        host.run("sh", "-ec", command)
        seconds = until(lambda: refused(host), WITHIN)
        print(f"{command}: back after {seconds:.1f} s")


def firewalld(host):
    ban(host)
    commands = ("--reload", "--complete-reload", "--panic-on; firewall-cmd --quiet --panic-off")
    restart = "systemctl restart firewalld"
    beside(host, "systemctl start firewalld", [*(f"firewall-cmd --quiet {words}" for words in commands), restart])
    deleted(host, "systemctl stop firewalld")


def ufw(host):
    ban(host)
    beside(host, "ufw allow 22/tcp; ufw --force enable", ["ufw reload"])
    deleted(host, "ufw disable", "iptables -F", "iptables -t nat -F")


def nftables_service(host):
    ban(host)
    host.run("tee", "/etc/nftables.conf", stdin=NFTABLES_CONF)
    again = ["systemctl restart nftables", "systemctl reload nftables", "nft -f /etc/nftables.conf"]
    beside(host, "systemctl start nftables", again)
    deleted(host, "nft flush ruleset", "nft delete table inet proscribe", "systemctl stop nftables")


def chains_of_docker(host):
    ban(host)
    host.run("tee", "/run/docker", stdin=DOCKER)
    beside(host, "iptables-restore --noflush /run/docker", ["iptables-restore --noflush /run/docker"])
    deleted(host, "nft flush ruleset")


CONTAINER = """
ip netns add guest
ip link add toguest type veth peer name eth0 netns guest
ip link set toguest master docker0 up
ip -n guest link set eth0 up
ip -n guest address add 172.17.0.2/16 dev eth0
ip -n guest route add default via 172.17.0.1
"""


def dockerd(host):
    """Containers do not start within a container; a guest on Docker's bridge goes the same way through its rules."""
    ban(host)
    beside(host, "systemctl start docker", ["systemctl restart docker"])
    host.run("sh", "-ec", CONTAINER)
    enter = ("ip", "netns", "exec", "guest")
    assert refused(host, *enter)
    host.run("nft", "delete", "table", "inet", "proscribe")
    until(lambda: refused(host, *enter), WITHIN)
    host.run("nft", "flush", "ruleset")
    until(lambda: refused(host), WITHIN)
    host.run("systemctl", "restart", "docker")
    assert refused(host, *enter) and "MASQUERADE" in host.run("iptables-save")
    host.run("sh", "-ec", "ip netns del guest; systemctl stop docker.socket docker")
    back_within(host)


def the_watcher_starts_again_and_does_not_fight(host):
    ban(host)
    host.run("systemctl", "kill", "--signal", "KILL", boot_units.WATCH_UNIT)
    host.run("nft", "flush", "ruleset")  # while nobody watches
    until(lambda: refused(host))
    # A program that deletes it again and again is answered twenty times, and then twice a minute.
    host.run("sh", "-c", "for i in $(seq 40); do nft delete table inet proscribe 2>/dev/null; sleep 0.1; done")
    log = host.run("journalctl", "--quiet", "--unit", boot_units.WATCH_UNIT, "--output", "cat")
    assert "something keeps deleting the table inet proscribe" in log
    host.run("systemctl", "restart", boot_units.WATCH_UNIT)
    until(lambda: refused(host), WITHIN)


BESIDE = (firewalld, nftables_service, ufw, chains_of_docker, *[dockerd] * WITH_DOCKER)
STORIES = (the_watcher_starts_again_and_does_not_fight, *BESIDE)  # the longest first


@pytest.fixture(scope="module")
def futures(request):
    with played(request, "coexistence", HOSTS, root="trixie-docker" if WITH_DOCKER else "trixie-managed") as stories:
        yield stories


@pytest.mark.parametrize("story", STORIES)
def test_the_ban_outlives_the_others_and_they_outlive_it(futures, story):
    futures[story].result()
