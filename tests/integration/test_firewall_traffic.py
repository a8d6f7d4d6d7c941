"""What the firewall refuses and what it lets pass, with real packets between network namespaces made for each test."""

import contextlib
import os
import subprocess

import ledger
import machine
import pytest
from conftest import missing
from namespaced import made_plan, own_rule
from proscribe.host.controls import firewall
from proscribe.model.finding import WAIVED
from three_namespaces import GATEWAY, LOCAL, LOCAL_6
from traffic_world import BAN, BLOCKED, BLOCKED_6, BLOCKED_HOST, FREE, FREE_6, plan, world

__all__ = ["world"]  # a fixture
REFUSED = "ECONNREFUSED"


def connect(world, role, *places):
    """Return how the connections of a role end, in turn; a place is an address, a port, and what `connect` takes."""
    return [world.send_command(role, "connect", *place) for place in places]


@pytest.mark.parametrize("address", [BLOCKED, BLOCKED_HOST, BLOCKED_6])
def test_a_restricted_address_is_refused_at_once_and_counted(world, address):
    assert connect(world, "local", (address, 443)) == ["ok"]
    world.enforce(BAN)
    assert connect(world, "local", (address, 443)) == [REFUSED]
    assert world.refused() == 1, "the first packet is answered: nobody sends it again and waits"
    assert world.send_command("local", "send", address, 443) == "EPERM"  # QUIC fails at once too
    assert world.refused() >= 2


NAT64 = "2001:db8:64:64::/64"  # a translator's own prefix (RFC 6052)
# Addresses by which a translator or a tunnel in the network reaches an IPv4 address: of BLOCKED, FREE and BLOCKED_HOST.
CARRIED = {
    "64:ff9b::cb00:7107": ("64:ff9b::c633:6450", "64:ff9b::c633:6407"),  # RFC 6052, the well-known prefix
    "64:ff9b:1:2::cb00:7107": ("64:ff9b:1:2::c633:6450", "64:ff9b:1:2::c633:6407"),  # RFC 8215, a prefix of 96 bits
    "2001:db8:64:64:cb:71:700::": ("2001:db8:64:64:c6:3364:5000::", "2001:db8:64:64:c6:3364:700::"),
    # Translators need not check bits 64 to 71, nor at what follows the address.
    "2001:db8:64:64:1cb:71:700:1": ("2001:db8:64:64:1c6:3364:5000:1", "2001:db8:64:64:1c6:3364:700:1"),
    "2002:cb00:7107::1": ("2002:c633:6450::1", "2002:c633:6407::1"),  # RFC 3056, 6to4
    "2001:0:c000:201:0:f00:34ff:8ef8": ("2001:0:c000:201:0:f00:39cc:9baf", "2001:0:c000:201:0:f00:39cc:9bf8"),  # Teredo
    "::203.0.113.7": ("::198.51.100.80", "::198.51.100.7"),  # RFC 4291, IPv4-compatible
}


@pytest.mark.parametrize("address", CARRIED)
def test_an_ipv4_address_that_ipv6_carries_is_refused_as_the_address_itself(world, address):
    free, exempt = CARRIED[address]
    for other in (address, free, exempt):
        subprocess.run(["ip", "-n", world.spaces.names["outside"], "addr", "add", other, "dev", "lo"], check=True)
    assert connect(world, "local", (address, 443), (free, 443), (exempt, 443)) == ["ok"] * 3
    world.file("/proc/net/route", "Iface\nlocal\t00000000\t076433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    world.enforce(plan("203.0.113.0/24", BLOCKED_HOST, nat64=[NAT64]))
    for role in ("local", "inner"):
        assert connect(world, role, (address, 443), (free, 443), (exempt, 443)) == [REFUSED, "ok", "ok"]
    assert world.refused() >= 2


def test_an_ipv4_address_in_a_socket_for_ipv6_is_refused(world):
    world.enforce(BAN)
    assert connect(world, "local", (f"::ffff:{BLOCKED}", 443)) == [REFUSED]


def test_dns_over_tls_is_refused_everywhere_but_on_the_host_itself(world):
    world.enforce(BAN)
    assert connect(world, "local", (FREE, 853), (FREE_6, 853), ("127.0.0.1", 853)) == [REFUSED, REFUSED, "ok"]
    assert world.send_command("local", "send", FREE, 853) == "EPERM" and world.refused("-dns-over-tls") >= 3


def test_ports_of_a_service_are_refused_and_no_others(world):
    world.enforce(plan("203.0.113.0/24", ports=(53, 443)))
    assert connect(world, "local", (BLOCKED, 443), (BLOCKED, 8080)) == [REFUSED, "ok"]


def test_a_guest_behind_the_host_is_refused_too(world):
    assert connect(world, "inner", (BLOCKED, 443)) == ["ok"]
    world.enforce(BAN)
    assert connect(world, "inner", (BLOCKED, 443), (BLOCKED_6, 443), (FREE, 443)) == [REFUSED, REFUSED, "ok"]
    assert world.refused() >= 2


@pytest.mark.parametrize(
    ("priority", "rule"), [(-300, "accept"), (100, "accept"), (-300, f"ip daddr {BLOCKED} notrack")]
)
def test_another_table_opens_nothing(world, priority, rule):
    hook = f"type filter hook output priority {priority}; {rule};"
    world.run(["nft", "-f", "-"], stdin=f"table inet own {{ chain c {{ {hook} }}; }}\n")
    world.enforce(BAN)
    assert connect(world, "local", (BLOCKED, 443)) == [REFUSED]


def control_connection(world, port):
    """Say that this run is controlled over a connection to that port, as sshd does; sudo has dropped it already."""
    world.file("/proc/self/environ", "SUDO_USER=ops\0")
    world.file("/proc/self/status", "PPid:\t7\n")
    world.file("/proc/7/environ", f"SSH_CONNECTION={BLOCKED} 50000 {LOCAL} {port}\0")
    world.file("/proc/7/status", "PPid:\t1\n")


@pytest.mark.parametrize("first", ["local", "outside"])
@pytest.mark.parametrize("port", [22, 2222])
def test_the_control_connection_survives_though_it_comes_from_a_restricted_network(world, port, first):
    """The connection is older than connection tracking on this host, and either side may be the first to speak."""
    assert world.send_command("outside", "connect", LOCAL, port, BLOCKED) == "ok"
    control_connection(world, port)
    assert f"port {port}" in world.enforce(BAN)[BLOCKED]
    other = {"local": "outside", "outside": "local"}
    for speaker in (first, other[first], first, other[first]):
        assert world.send_command(speaker, "say") == "ok" and world.send_command(other[speaker], "hear") == "ok"


@pytest.mark.parametrize("port", [22, 2222])
def test_the_port_of_the_control_connection_is_no_way_out(world, port):
    control_connection(world, port)
    world.enforce(BAN)
    assert connect(world, "local", (BLOCKED, 443, LOCAL, port - 1)) == [REFUSED]
    world.file("/etc/ssh/sshd_config", f"Port {port}\nPort 2300\n")
    world.enforce(BAN)
    assert connect(world, "local", (BLOCKED, 443, LOCAL, 2300), (FREE, 443, LOCAL, 2300)) == [REFUSED, "ok"]


def test_new_connections_from_a_restricted_network_are_answered(world):
    world.enforce(BAN)
    places = ((LOCAL, 22, BLOCKED), (LOCAL, 8080, BLOCKED), (LOCAL_6, 8080, BLOCKED_6))
    assert connect(world, "outside", *places) == ["ok"] * 3


@pytest.mark.parametrize("first", ["local", "outside"])
@pytest.mark.parametrize("address", [BLOCKED, BLOCKED_6])
def test_an_open_connection_to_a_restricted_address_dies(world, address, first):
    """Whoever speaks first: a packet from outside must not make the connection look like one that began there."""
    assert world.send_command("local", "connect", address, 443) == "ok"
    world.enforce(BAN)
    world.send_command(first, "say")
    if first == "outside":
        world.send_command("local", "hear")  # what was on its way may arrive; nothing is answered
    assert "nothing" not in {world.send_command("local", "say"), world.send_command("local", "hear")}
    assert world.send_command("local", "say") in ("EPIPE", "ECONNRESET", "ECONNREFUSED")
    assert world.refused() >= 1


def test_gateway_resolver_source_and_management_stay_reachable_and_it_is_said(world):
    world.file("/proc/net/route", "Iface\nlocal\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    world.file("/etc/resolv.conf", f"nameserver {BLOCKED_HOST}\n")
    world.file("/etc/apt/sources.list", "deb http://deb.example.org/debian x main\n")
    ban = plan("203.0.113.0/24", "198.51.100.0/24", "10.77.0.0/24", "2001:db8::/47", management=(f"{FREE_6}/128",))
    reasons = world.enforce(ban)
    assert {subject: reason.partition(":")[0] for subject, reason in reasons.items() if subject[0].isdigit()} == {
        GATEWAY: "default gateway",
        BLOCKED_HOST: "resolver",
        BLOCKED: "package source deb.example.org",
        FREE_6: "management",
    }
    assert connect(world, "local", (GATEWAY, 443), (BLOCKED_HOST, 53), (BLOCKED, 443), (FREE_6, 443)) == ["ok"] * 4
    assert connect(world, "local", (BLOCKED_HOST, 443), (FREE, 443), (BLOCKED_6, 443)) == [REFUSED] * 3


def excepting(*users):
    excepted = plan("203.0.113.0/24", "2001:db8::/48", signal=[BLOCKED_HOST])
    excepted["controls"]["firewall"]["services"]["telegram"]["exceptions"] = [{"waiver": "w1", "users": list(users)}]
    return excepted


def test_only_the_users_of_a_waiver_reach_the_service_and_only_that_one(world):
    world.user("alice", 51004)
    world.user("bob", 51005)
    world.enforce(excepting("alice", "nobody-here"))
    for role in ("alice", "bob", "local", "inner"):
        answer = "ok" if role == "alice" else REFUSED
        assert connect(world, role, (BLOCKED, 443), (BLOCKED_6, 443)) == [answer] * 2, role
    assert connect(world, "alice", (BLOCKED_HOST, 443)) == [REFUSED]
    (verdict,) = (v for v in firewall.observe(world.host, excepting("alice")) if v.rule == "firewall/telegram")
    assert (verdict.state, verdict.waiver) == (WAIVED, "w1")
    assert [finding.scope for finding in verdict.findings] == ["user:alice"]


ALL_NAMESPACES = "net.netfilter.nf_log_all_netns"  # only the machine's own network has it


def sysctl(*words):
    done = subprocess.run(machine.outside(["sysctl", "--values", *words]), capture_output=True, text=True)
    if done.returncode:
        missing(f"needs the kernel's log: {done.stderr}")
    return done.stdout.strip()


@pytest.fixture
def kernel_log():
    """What the kernel has logged since; also of namespaces, where it logs nothing of the packet filter by itself."""
    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as reason:
        missing(f"needs the kernel's log: {reason}")
    before = sysctl(ALL_NAMESPACES)
    ledger.add(sysctl=ALL_NAMESPACES, value=before)
    sysctl("--write", f"{ALL_NAMESPACES}=1")
    os.lseek(log, 0, os.SEEK_END)

    def lines():
        records = []
        with contextlib.suppress(BlockingIOError):
            while record := os.read(log, 8192):
                records.append(record.decode("utf-8", "replace").partition(";")[2].splitlines()[0])
        return records

    yield lines
    os.close(log)
    sysctl("--write", f"{ALL_NAMESPACES}={before}")


def test_a_log_line_names_the_service_and_the_user_and_few_are_written(world, kernel_log):
    world.user("bob", 51005)
    world.enforce(BAN)
    assert connect(world, "inner", (BLOCKED, 443)) == [REFUSED]
    assert connect(world, "bob", *[(BLOCKED, 443)] * 40) == [REFUSED] * 40
    assert connect(world, "local", (FREE, 443)) == ["ok"]
    lines = [line for line in kernel_log() if f"DST={BLOCKED} " in line]
    assert len(lines) in range(20, 24)  # 20 at once, and then 6 a minute; the counter has them all
    assert world.refused() >= 41
    forwarded, *of_user = lines
    assert forwarded.startswith("proscribe telegram IN=inner OUT=outside ") and "UID" not in forwarded
    for line in of_user:
        assert line.startswith("proscribe telegram IN= OUT=outside ") and " PROTO=TCP " in line
        assert " DPT=443 " in line and " UID=51005 " in line


def test_last_data_of_a_waived_user_arrives_after_the_program_has_ended(world):
    """Then the packets belong to no socket of a user any more."""
    world.user("alice", 51004)
    world.enforce(excepting("alice"))
    assert world.send_command("alice", "pour", BLOCKED, 443, 300_000) == "ok"
    world.peers["alice"].kill()
    world.peers["alice"].communicate()
    assert world.send_command("outside", "drain", 300_000) == "ok" and world.refused() == 0


def test_quic_is_refused_everywhere_and_tcp_is_not(world):
    world.enforce(made_plan({}, quic="blocked"))
    assert [world.send_command("local", "send", address, 443) for address in (FREE, FREE_6)] == ["EPERM"] * 2
    assert connect(world, "local", (FREE, 443)) == ["ok"]
    assert world.send_command("local", "send", FREE, 8080) == "ok" and world.refused("-quic") == 2


def rules(*own, **more):
    return made_plan({"telegram": {"networks": ["203.0.113.0/24"]}}, rules=list(own), **more)


def test_own_rules_for_what_goes_out_come_after_the_ban_and_open_nothing_of_it(world):
    accept = own_rule("out", "accept", protocol="tcp", addresses=[FREE, BLOCKED], ports=["443"])
    reject = own_rule("out", "reject", protocol="tcp", ports=["443", "2000-2999"], comment="no web")
    world.enforce(rules(accept, reject))
    assert connect(world, "local", (FREE, 443), (FREE, 8080)) == ["ok"] * 2
    assert connect(world, "local", (FREE_6, 443), (FREE, 2222), (BLOCKED, 443)) == [REFUSED] * 3
    assert (world.refused("-own-rules"), world.refused()) == (2, 1)


def test_refusing_all_that_goes_out_leaves_management_exemptions_and_what_comes_in(world):
    world.file("/proc/net/route", "Iface\nlocal\t00000000\t01004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    world.file("/etc/resolv.conf", f"nameserver {FREE}\n")
    world.enforce(rules(own_rule("out", "drop"), management=[f"{FREE_6}/128"]))
    assert connect(world, "local", (GATEWAY, 443), (FREE, 53), (FREE_6, 8080)) == ["ok"] * 3
    assert world.send_command("local", "send", FREE, 8080) == "EPERM"
    assert connect(world, "outside", (LOCAL, 8080, FREE), (LOCAL_6, 22, FREE_6)) == ["ok"] * 2


def test_own_rules_for_what_comes_in_judge_by_where_it_comes_from(world):
    accept = own_rule("in", "accept", protocol="tcp", addresses=["198.51.100.0/24"], ports=["8080"])
    reject = own_rule("in", "reject", protocol="tcp", ports=["8080"])
    world.enforce(rules(accept, reject, own_rule("in", "drop", ports=["53"])))
    assert connect(world, "outside", (LOCAL, 8080, FREE), (LOCAL, 443, GATEWAY)) == ["ok"] * 2
    assert connect(world, "outside", (LOCAL, 8080, GATEWAY), (LOCAL_6, 8080)) == [REFUSED] * 2
    assert connect(world, "outside", (LOCAL, 53, GATEWAY)) == ["nothing"]
    assert connect(world, "local", ("127.0.0.1", 8080), (FREE, 8080)) == ["ok"] * 2  # FREE's answers come in


def test_own_rules_for_what_passes_through(world):
    world.enforce(rules(own_rule("forward", "reject", addresses=[FREE])))
    assert connect(world, "inner", (FREE, 443), (FREE_6, 443)) == [REFUSED, "ok"]
    assert connect(world, "local", (FREE, 443)) == ["ok"]


@pytest.mark.parametrize("port", [22, 2222])
def test_no_own_rule_keeps_out_who_manages_the_host(world, port):
    """Neither over the connection that there is, which conntrack has never seen, nor over a new one."""
    assert world.send_command("outside", "connect", LOCAL, port, FREE) == "ok"
    world.file("/proc/self/environ", f"SSH_CONNECTION={FREE} 50000 {LOCAL} {port}\0")
    world.enforce(rules(own_rule("in", "drop"), management=[f"{FREE_6}/128"]))
    for role in ("outside", "local"):
        assert world.send_command(role, "say") == "ok"
        assert world.send_command({"outside": "local", "local": "outside"}[role], "hear") == "ok"
    assert connect(world, "outside", (LOCAL, port, FREE), (LOCAL_6, 8080, FREE_6)) == ["ok"] * 2
    assert connect(world, "outside", (LOCAL, 8080, FREE)) == ["nothing"]


def test_a_translation_to_a_restricted_address_is_refused_and_one_away_from_it_is_not(world):
    rules = f"ip daddr {FREE} dnat ip to {BLOCKED}; ip daddr {BLOCKED_HOST} dnat ip to {GATEWAY};"
    hook = f"type nat hook output priority dstnat; {rules}"
    world.run(["nft", "-f", "-"], stdin=f"table inet own {{ chain c {{ {hook} }}; }}\n")
    world.enforce(BAN)
    assert connect(world, "local", (FREE, 443), (BLOCKED_HOST, 443)) == [REFUSED, "ok"]
