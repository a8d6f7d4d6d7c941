"""The DNS filter on a whole Debian host, a container with systemd."""

import contextlib
import itertools
import json
import os
from pathlib import Path

import pytest
from dns_samples import PACKAGED, UNITS
from machines import Machine, booting
from made_plans import make_plan
from patience import until
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE

pytestmark = pytest.mark.whole_hosts
PROJECT = Path(__file__).resolve().parents[2]
UPSTREAM, ANOTHER = "198.51.100.53", "198.51.100.54"
BLOCKED, OPEN = "no such name", "an address"
NAMES = {
    "wechat.com": BLOCKED,
    "a.b.wechat.com": BLOCKED,
    "use-application-dns.net": BLOCKED,
    "work.wechat.com": OPEN,
    "notwechat.com": OPEN,
    "host.corp.example": OPEN,  # a name of the link's own domain
}
# Runs on the host: what `python3 -` gets besides is in `call`.
CALL = """
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "/proscribe")
from proscribe.host.controls import dns
from proscribe.host.controls.dns.backend_choice import choose_backend, list_resolver_users
from proscribe.host.system import Host
from proscribe.host.controls.change_execution import apply_changes

call = json.loads(%r)
host, plan, answer = Host(), call["plan"], {}
if call["verb"] != "observe":
    changes = getattr(dns, call["verb"])(host, plan)
    apply_changes(changes)
    answer["actions"] = [str(action) for action in changes.actions]
answer["backend"] = choose_backend(host, plan["controls"]["dns"]["settings"]).backend_name
answer["users"] = list_resolver_users(host, plan)
verdicts = [verdict for verdict in dns.observe(host, plan) if verdict.rule != "dns/private-view"]
answer["states"] = sorted({verdict.state for verdict in verdicts})
answer["hits"] = {verdict.rule: verdict.attempts for verdict in verdicts if verdict.attempts}
answer["told"] = [[finding.id, finding.detail] for verdict in verdicts for finding in verdict.findings]
print(json.dumps(answer))
"""
ASK = """
import socket, sys
for name in sys.argv[1:]:
    try:
        print("an address" if socket.getaddrinfo(name + ".", None, socket.AF_INET) else "")
    except socket.gaierror as error:
        print("no such name" if error.errno in (socket.EAI_NONAME, -5) else error)
"""
UNIT = "/etc/systemd/system/proscribe-dns.service"
MASK = f"systemctl stop proscribe-dns; ln -sf /dev/null {UNIT}; systemctl daemon-reload"
MANUAL = "ipv4.method manual ipv4.addresses 198.51.100.2/24 ipv4.gateway 198.51.100.1"
MANUAL += f" ipv4.dns {UPSTREAM} ipv4.dns-search corp.example"
SERVER = f"systemd-run --quiet --unit name-server ip netns exec outside python3 -B /tests/name_server.py {UPSTREAM}"
NETWORK = f"""
set -eu
mount -o remount,ro /sys  # NetworkManager would wait for udev, which a container has not
systemctl disable --now {" ".join(UNITS[name] for name in PACKAGED)} unbound-resolvconf 2>/dev/null || true
ip netns add outside
ip link add link0 type veth peer name outer netns outside
ip -n outside link set lo up
ip -n outside address add {UPSTREAM}/24 dev outer
ip -n outside link set outer up
{SERVER}
systemctl restart NetworkManager
nmcli device set link0 managed yes
nmcli connection add type ethernet ifname link0 con-name link0 {MANUAL} ipv6.method disabled
nmcli connection up link0
"""
# A DHCP server on the other side of the link, which announces the only name server that answers there. The host asks it
# for an address.
LEASE = """
set -eu
systemctl stop name-server dhcp 2>/dev/null || true
ip -n outside address replace %(server)s/24 dev outer
systemd-run --quiet --unit name-server ip netns exec outside python3 -B /tests/name_server.py %(server)s
systemd-run --quiet --unit dhcp ip netns exec outside dnsmasq --keep-in-foreground --pid-file --conf-file=/dev/null \
    --port=0 --interface=outer --bind-interfaces --dhcp-leasefile=/run/leases --dhcp-authoritative \
    --dhcp-range=198.51.100.10,198.51.100.20,2m --dhcp-option=option:dns-server,%(server)s \
    --dhcp-option=option:domain-search,corp.example
nmcli connection modify link0 ipv4.method auto ipv4.addresses '' ipv4.gateway '' ipv4.dns '' ipv4.dns-search ''
nmcli connection up link0
"""
BY_HAND = f"""
set -eu
systemctl stop name-server dhcp
{SERVER}
nmcli connection modify link0 {MANUAL}
nmcli connection up link0
"""
NUMBERS = itertools.count()


def plan(backend="auto", **more):
    canary = {"canaries": ["use-application-dns.net"]}
    services = {"wechat": {"domains": ["wechat.com"], "allow": ["work.wechat.com"]}, "canary": canary}
    settings = {"backend": backend, "upstreams": []}
    return make_plan("dns", {id_: {**entry, **more} for id_, entry in services.items()}, settings=settings)


class Container(Machine):
    def sh(self, script):
        return self.run("sh", stdin=script)

    def until(self, condition):
        until(lambda: self.run("sh", "-c", f"{condition} && echo so", check=False).endswith("so\n"))

    def call(self, verb, of=None):
        call = json.dumps({"verb": verb, "plan": of or plan()})
        return json.loads(self.run("python3", "-I", "-", stdin=CALL % call))

    def resolved(self):
        """What the C library says of the names, once each of them is answered."""
        said = {}

        def answered():
            said.update(zip(NAMES, self.run("python3", "-c", ASK, *NAMES).splitlines(), strict=True))
            return set(said.values()) <= {BLOCKED, OPEN}

        until(answered)
        return said

    def is_compliant(self):
        assert (self.resolved(), self.call("observe")["states"]) == (NAMES, [COMPLIANT])

    def asks(self, server):
        """Have one of its own resolvers answer its programs, as Debian runs it; the others are there and stopped."""
        self.without_resolved()
        self.sh("systemctl disable --now NetworkManager")
        self.sh("ip address replace 198.51.100.2/24 dev link0; ip link set link0 up")
        for packaged in PACKAGED.values():
            for path, text in packaged.files.items():
                self.run("tee", f"/{path}", stdin=text.format(upstream=UPSTREAM))
        self.sh(f"systemctl stop {' '.join(UNITS[name] for name in PACKAGED)}")
        self.sh("printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf")
        self.sh(f"systemctl start {UNITS[server]}")

    def without_resolved(self):
        """Have NetworkManager write /etc/resolv.conf itself."""
        self.sh("dpkg --purge libnss-resolve systemd-resolved >/dev/null; rm -f /etc/resolv.conf")
        self.sh("systemctl restart NetworkManager")
        self.until(f"grep -s '^nameserver {UPSTREAM}' /etc/resolv.conf")

    def ends(self, part):
        before = self.run("pidof", part).strip()
        self.sh(f"kill -KILL {before}")
        self.until(f'test -n "$(pidof {part})" -a "$(pidof {part})" != \'{before}\'')

    def counts_hits(self, unit, *lines):
        """What is refused is in the journal, and nothing else that was asked for; and in what an audit says."""
        before = self.call("observe")["hits"]
        assert self.resolved() == NAMES

        def counted():  # what is printed is in the journal a moment later
            hits = self.call("observe")["hits"]
            return {rule: hits[rule] > before.get(rule, 0) for rule in hits} == {"dns/wechat": True, "dns/canary": True}

        until(counted)
        settled = self.call("observe")["hits"]  # what an observation itself asks for is no hit
        assert [self.call("observe")["hits"] for _ in range(3)] == [settled] * 3
        log = self.run("journalctl", "--quiet", "--unit", unit, "--boot", "--output", "cat")
        assert [line for line in lines if line not in log] == []
        assert [name for name in ("notwechat.com", "host.corp.example") if name in log] == []

    def survives_dhcp(self):
        """The host gets its address by DHCP, and then one with another name server, which is asked from then on."""
        for server in (UPSTREAM, ANOTHER):
            self.sh(LEASE % {"server": server})
            self.is_compliant()
        self.sh(BY_HAND)

    def files(self):
        others = "! -type d ! -path /etc/resolv.conf ! -path '*/system-connections/*'"
        sums = f"find /etc /usr/libexec /var/lib/proscribe {others} -exec sha256sum {{}} + 2>/dev/null | sort -k 2"
        return self.sh(f"{sums}; find /etc -type d | sort; ls /etc/systemd/system/*.wants")

    def filters(self, backend, verbs):
        """Check what every backend has to do: observe, enforce, and change nothing when enforced again."""
        before = self.files()
        assert set(self.resolved().values()) == {OPEN}
        first = self.call("observe")
        assert (first["backend"], first["states"]) == (backend, [NONCOMPLIANT])
        enforced = self.call("enforce")
        assert (enforced["backend"], enforced["states"], enforced["told"]) == (backend, [COMPLIANT], [])
        assert [action.split()[0] for action in enforced["actions"]] == [verbs]
        assert self.call("enforce")["actions"] == [] and self.resolved() == NAMES
        self.after_enforcing, self.before = enforced, before

    def lifts(self):
        assert self.call("lift")["states"] == [NONCOMPLIANT] and set(self.resolved().values()) == {OPEN}
        assert self.files() == self.before


@contextlib.contextmanager
def booted_desk(root, directory):
    """A desk of a root, with the project's code and a network of its own."""
    container = Container(f"proscribe-dns-{os.getpid()}-{next(NUMBERS)}", "", Path())
    here = ("--volume", f"{PROJECT}/module_utils:/proscribe:ro", "--volume", f"{PROJECT}/tests/integration:/tests:ro")
    with booting(container.name, root, directory, "--network", "none", *here, hostname="desk"):
        container.until("systemctl is-active --quiet dbus NetworkManager systemd-resolved")
        container.sh(NETWORK)
        yield container


@pytest.fixture
def host(tmp_path):
    with booted_desk("trixie-resolvers", tmp_path) as container:
        yield container


def test_systemd_resolved_with_a_filter_behind_it(host):
    host.filters("resolved", "write")
    assert host.after_enforcing["users"] == ["dnsmasq", "systemd-resolve"]
    host.counts_hits("proscribe-dns", "config a.b.wechat.com is NXDOMAIN")
    # The link's name servers change while systemd-resolved runs, as DHCP changes them.
    host.sh(f"nmcli connection modify link0 ipv4.dns '{UPSTREAM} {ANOTHER}'; nmcli device reapply link0")
    host.until(f"resolvectl dns link0 | grep -F {ANOTHER}")
    host.is_compliant()
    host.survives_dhcp()
    host.sh("systemctl restart systemd-resolved")
    host.is_compliant()
    for part in ("dnsmasq", "sed"):
        host.ends(part)
        host.is_compliant()
    host.sh(MASK)
    assert host.call("observe")["states"] != [COMPLIANT]
    host.call("enforce")
    host.is_compliant()
    host.sh("nmcli device down link0")
    host.until("! resolvectl dns link0 | grep -F 198.51.100")  # offline, systemd-resolved answers nobody
    assert host.call("observe")["states"] == [COMPLIANT]
    host.sh("nmcli connection up link0")
    host.until("resolvectl dns link0 | grep -F 198.51.100")
    assert host.resolved() == NAMES
    host.sh("resolvectl domain link0 '~.'")
    # Now two are asked for every name. The first one that answers may let names through, and a finding reports that.
    assert ["link0", "its own name servers are asked for every name too"] in host.call("observe")["told"]
    host.sh(f"nmcli connection modify link0 ipv4.dns {UPSTREAM}; nmcli device reapply link0")
    host.sh(MASK)
    host.lifts()


def test_networkmanager_switches_its_dnsmasq_on(host):
    host.without_resolved()
    host.filters("networkmanager", "write")
    assert host.after_enforcing["users"] == ["nobody"]
    host.sh("systemctl restart NetworkManager")
    host.until("grep -s '^nameserver 127.0.0.1' /etc/resolv.conf && pidof dnsmasq")
    host.sh("nmcli device reapply link0")
    host.is_compliant()
    host.survives_dhcp()
    host.lifts()


@pytest.mark.parametrize("server", PACKAGED)
def test_a_resolver_that_debian_runs(host, server):
    packaged, unit = PACKAGED[server], UNITS[server]
    host.asks(server)
    host.filters(server, "write")
    assert host.after_enforcing["users"] == [packaged.user]
    path, text = packaged.logging
    if packaged.refused:
        host.counts_hits(unit, packaged.refused)
    else:
        assert host.call("observe")["hits"] == {}
    if path:
        host.run("tee", f"/{path}", stdin=text)
        host.sh(f"systemctl restart {unit}")
        assert host.resolved() == NAMES
        until(lambda: set(host.call("observe")["hits"]) == {"dns/wechat", "dns/canary"})
        host.sh(f"rm /{path}")
    host.sh(f"systemctl restart {unit}")
    host.is_compliant()
    host.lifts()
    # One that was started often of late is not left stopped: StartLimitBurst= is 5, and systemd refuses one more.
    limit = f"/run/systemd/system/{unit}.d"
    host.sh(f"mkdir -p {limit}; printf '[Unit]\\nStartLimitIntervalSec=1h\\n' >{limit}/limit.conf")
    host.sh("systemctl daemon-reload")
    used_up = f"systemctl reset-failed {unit}; for start in 1 2 3 4 5; do systemctl restart {unit}; done"
    host.sh(used_up)
    host.filters(server, "write")
    host.sh(used_up)
    host.lifts()


def test_another_resolver_takes_over_and_the_traces_of_the_first_go(host):
    host.asks("unbound")
    host.call("enforce")
    host.sh("systemctl stop unbound; systemctl start dnsmasq")
    seen = host.call("observe")
    assert (seen["backend"], seen["states"]) == ("dnsmasq", [NONCOMPLIANT])
    assert ["/etc/unbound/unbound.conf.d/proscribe.conf", "left over from another backend"] in seen["told"]
    enforced = host.call("enforce")
    assert [action.split()[0] for action in enforced["actions"]] == ["write", "delete"]
    assert (enforced["states"], host.resolved()) == ([COMPLIANT], NAMES)
    # Its programs ask another name server beside it: this is reported, and left to the organisation.
    host.sh(f"printf 'nameserver 127.0.0.1\\nnameserver {UPSTREAM}\\n' >/etc/resolv.conf")
    assert host.call("enforce")["actions"] == []
    assert host.call("observe")["told"] == [[UPSTREAM, "asked besides the filter, whenever that is slow to answer"]]
    # No resolver of its own any more: the hosts file, and then back again.
    host.sh(f"systemctl disable --now dnsmasq 2>/dev/null; printf 'nameserver {UPSTREAM}\\n' >/etc/resolv.conf")
    enforced = host.call("enforce")
    assert enforced["backend"] == "hosts"
    assert enforced["actions"] == ["write /etc/hosts", "delete /etc/dnsmasq.d/proscribe.conf"]
    assert host.resolved() == {**NAMES, "wechat.com": OPEN, "a.b.wechat.com": OPEN, "use-application-dns.net": OPEN}
    host.sh("systemctl enable --now dnsmasq 2>/dev/null; printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf")
    assert [action.split(",")[0] for action in host.call("enforce")["actions"]] == [
        "write /etc/dnsmasq.d/proscribe.conf",
        "write /etc/hosts",
        "reload dnsmasq.service",  # it had read /etc/hosts with our block in it
    ]
    assert host.resolved() == NAMES
    host.call("lift")
    assert set(host.resolved().values()) == {OPEN}


ORDER = "/etc/nsswitch.conf"
# What keeps users' programs from the hosts file, and the finding of an audit.
PAST_THE_FILE = {
    f"sed -i 's/^hosts:.*/hosts: dns/' {ORDER}": "has no `files` in its line `hosts`",
    f"sed -i 's/^hosts:.*/hosts: files [SUCCESS=continue] dns/' {ORDER}": "goes on after `files` ([SUCCESS=continue])",
    "chmod 600 /etc/hosts": "users' programs cannot read it",
    "sed -i '/BEGIN proscribe/,/END proscribe/d' /etc/hosts": "missing",
}


def addresses(host, name):
    answer = host.run("setpriv", "--reuid=1000", "--clear-groups", "getent", "ahosts", name, check=False)
    return {line.split()[0] for line in answer.splitlines()}


def test_a_hosts_file_that_programs_do_not_go_by_is_reported_and_corrected(host):
    host.without_resolved()
    hosts = plan("hosts")
    host.call("enforce", hosts)
    for tampering, said in PAST_THE_FILE.items():
        order = host.run("cat", ORDER)
        assert host.call("observe", hosts)["states"] == [COMPLIANT, NOT_APPLICABLE]
        host.sh(tampering)
        assert addresses(host, "wechat.com") - {"0.0.0.0", "::"}, tampering
        seen = host.call("observe", hosts)
        assert NONCOMPLIANT in seen["states"] and any(said in detail for _, detail in seen["told"]), seen
        assert host.call("enforce", hosts)["states"] == [COMPLIANT, NOT_APPLICABLE]
        assert "0.0.0.0" in addresses(host, "wechat.com") <= {"0.0.0.0", "::"}
        tampered = order if "/etc/hosts" in tampering else host.run("sed", "s/^#proscribe# //", ORDER)
        host.call("lift", hosts)
        assert host.run("cat", ORDER) in tampered
        host.run("sh", stdin=f"cat >{ORDER} <<'END'\n{order}END\n")
        host.call("enforce", hosts)


SECOND = "dnsmasq --conf-file=/dev/null --no-hosts --no-resolv --pid-file=/run/second.pid"
# What opens a name, or leads users' programs past the filter; what an audit says; and what takes it back.
PAST_THE_FILTER = {
    "one user's questions are led elsewhere": (
        "nft add table ip t; nft 'add chain ip t o { type nat hook output priority -100; }';"
        f"nft add rule ip t o meta skuid != 0 udp dport 53 dnat to {UPSTREAM}",
        "programs do not go by it: the C library says of filter.proscribe.internal",
        "nft delete table ip t",
    ),
    "another resolver beside it": (
        f"{SECOND} --listen-address=127.0.0.9 --bind-interfaces --server={UPSTREAM};"
        "printf 'nameserver 127.0.0.1\\nnameserver 127.0.0.9\\noptions rotate\\n' >/etc/resolv.conf",
        "asked besides the filter",
        "kill $(cat /run/second.pid); printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf",
    ),
    "a file that another one names": (
        f"echo 'server=/wechat.com/{UPSTREAM}' >/root/o.conf; echo conf-file=/root/o.conf >/etc/dnsmasq.d/zz.conf;"
        "systemctl restart dnsmasq",
        "the organisation's own line opens it: server=/wechat.com/",
        "rm /root/o.conf /etc/dnsmasq.d/zz.conf; systemctl restart dnsmasq",
    ),
}


def test_bypass_of_the_filter_is_named_and_left(host):
    host.asks("dnsmasq")
    host.sh("printf 'listen-address=127.0.0.1\\nbind-interfaces\\n' >>/etc/dnsmasq.d/own.conf")
    host.call("enforce")
    for bypass, (tampering, said, back) in PAST_THE_FILTER.items():
        host.is_compliant()
        host.sh(tampering)
        seen = host.call("observe")
        assert NONCOMPLIANT in seen["states"] and any(said in detail for _, detail in seen["told"]), (bypass, seen)
        assert host.call("enforce")["actions"] == []
        host.sh(back)
    host.is_compliant()
    # A resolver that is stopped answers nobody, which no busy host is.
    host.sh("systemctl kill --signal=STOP dnsmasq")
    assert any("stopped by a signal" in detail for _, detail in host.call("observe")["told"])
    assert host.call("enforce")["actions"] == ["restart dnsmasq.service"]
    host.is_compliant()
