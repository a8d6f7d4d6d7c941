"""The firewall's table on the real nft and the real kernel, in an empty network namespace made for each test."""

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import require_root, require_tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from namespaced import NamespacedHost, made_plan, own_rule
from patience import processor
from proscribe.controller.compile.reading.networks import merge_networks, parse_rule_network
from proscribe.controller.compile.restrictions.firewall_rules import read_firewall_rules
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot_units, exemptions, loaded_state, program, table_listing, table_update
from proscribe.host.controls.firewall.rule_syntax import FirewallExemptions
from proscribe.host.controls.firewall.ruleset import render_ruleset
from proscribe.host.system import ControlError, run_tool
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT


def plan(dns_over_tls="blocked", mode="enforce", **services):
    merged = {id_: merge_networks(networks) for id_, networks in services.items()}
    return made_plan(merged, mode, dns_over_tls=dns_over_tls)


TELEGRAM = plan(telegram=["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"], signal=["198.51.100.8", "198.51.100.10"])


class Namespaced:
    """A host with the files of a tree, the real systemctl on that tree, and the real nft in a network namespace."""

    def __init__(self, name, root):
        self.name, self.root = name, root
        self.host = NamespacedHost(str(root), self.run)

    def run(self, argv, **options):
        if Path(argv[0]).name == "systemctl":
            return run_tool(["systemctl", f"--root={self.root}", *argv[1:]], **options)
        return run_tool(["nsenter", f"--net=/run/netns/{self.name}", *argv], **options)

    def nft(self, *words, stdin=None):
        result = self.run(["nft", *words], stdin=stdin)
        assert result.rc == 0, result.err
        return result.out

    def enforce(self, of):
        return self.apply(firewall.enforce(self.host, of))

    def apply(self, changes):
        for action in changes.actions:
            action.apply()
        return [str(action) for action in changes.actions]

    def states(self, of):
        return {verdict.rule.partition("/")[2]: verdict.state for verdict in firewall.observe(self.host, of)}

    def link(self):
        self.ip("link add out type veth peer name outer")
        for words in ("link set lo up", "link set out up", "link set outer up", "address add 192.0.2.2/24 dev out"):
            self.ip(words)
        self.ip("route add default dev out")

    def ip(self, words):
        ip("-n", self.name, *words.split(" "))

    def tree(self):
        paths = [path for path in sorted(self.root.rglob("*")) if not path.is_dir()]
        return {str(path): os.readlink(path) if path.is_symlink() else path.read_text() for path in paths}


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def space(tmp_path):
    require_root()
    tools = {name: require_tool(name) for name in ("nft", "ip", "unshare", "systemctl")}
    for directory in ("usr/sbin", "etc/systemd/system", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    for name in ("nft", "systemctl"):
        (tmp_path / "usr/sbin" / name).symlink_to(tools[name])
    name = f"proscribe-{os.getpid()}"
    ip("netns", "add", name)
    try:
        yield Namespaced(name, tmp_path)
    finally:
        ip("netns", "del", name)


def test_loaded_once_found_compliant_and_not_touched_again(space):
    assert set(space.states(TELEGRAM).values()) == {NONCOMPLIANT}
    done = space.enforce(TELEGRAM)
    units = [
        action for unit in boot_units.make_units("nft") for action in (f"write {unit.path}", f"enable {unit.name}")
    ]
    assert done == [
        f"write {program.PROGRAM_PATH}",
        "load inet proscribe",
        f"write {boot_units.BOOT_FILE_PATH}",
        *units,
    ]
    assert set(space.states(TELEGRAM).values()) == {COMPLIANT}
    before = space.nft("-j", "list", "ruleset")  # handles would change with a reload
    assert space.enforce(TELEGRAM) == [] and space.nft("-j", "list", "ruleset") == before


def test_table_of_the_next_boot_loads_and_is_enabled(space):
    require_tool("systemd-analyze")
    space.enforce(TELEGRAM)
    verify = ["systemd-analyze", "verify", f"{space.root}{boot_units.LOAD_UNIT_PATH}"]
    verified = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert os.readlink(space.root / boot_units.LOAD_ENABLED_LINK.lstrip("/")).endswith(boot_units.LOAD_UNIT)
    assert (space.root / boot_units.BOOT_FILE_PATH.lstrip("/")).stat().st_mode & 0o777 == 0o600
    space.nft("flush", "ruleset")
    space.nft("-f", str(space.root / boot_units.BOOT_FILE_PATH.lstrip("/")))
    assert set(space.states(TELEGRAM).values()) == {COMPLIANT}


def test_lifting_leaves_the_host_as_it_was_and_foreign_tables_alone(space):
    space.nft("-f", "-", stdin="table inet own { chain c { type filter hook output priority 0; counter; }; }\n")
    before, tables = space.tree(), space.nft("list", "ruleset")
    space.enforce(TELEGRAM)
    assert space.apply(firewall.lift(space.host, TELEGRAM)) == [
        *(f"disable {unit.name}" for unit in reversed(boot_units.make_units("nft"))),
        "delete inet proscribe",
        *(f"delete {path}" for path in (boot_units.BOOT_FILE_PATH, program.PROGRAM_PATH, loaded_state.STATE_PATH)),
    ]
    assert (space.tree(), space.nft("list", "ruleset")) == (before, tables)
    assert not (space.root / "etc/proscribe").exists()
    assert space.apply(firewall.lift(space.host, TELEGRAM)) == []


TAMPERINGS = {
    "delete table inet proscribe": {"telegram", "signal", "dns-over-tls", "ruleset"},
    "flush ruleset": {"telegram", "signal", "dns-over-tls", "ruleset"},
    "add element inet proscribe hosts4_signal { 192.0.2.1 }": {"signal"},
    "delete element inet proscribe hosts4_signal { 198.51.100.8 }": {"signal"},
    "flush chain inet proscribe refuse_telegram": {"telegram"},
    "flush chain inet proscribe refuse-dns-over-tls": {"dns-over-tls"},
    "insert rule inet proscribe restricted ip daddr 203.0.113.7 accept": {"ruleset"},
    "add set inet proscribe more { type ipv4_addr; }": {"ruleset"},
    "add table inet proscribe { flags dormant; }": {"ruleset"},
    "add chain inet proscribe output { policy drop; }": {"ruleset"},
    "insert rule inet proscribe own-in accept": {"own-rules"},
    "flush chain inet proscribe input": {"ruleset"},
}
NO_MAIL, NO_DISCOVERY = own_rule("out", "reject", protocol="tcp", ports=["25"]), own_rule("in", "drop", ports=["5353"])
OWN = made_plan({}, rules=[NO_MAIL, NO_DISCOVERY])


@pytest.mark.parametrize("command", TAMPERINGS)
def test_tampering_is_found_and_repaired(space, command):
    desired = OWN if "own-in" in command or command.endswith("input") else TELEGRAM
    space.enforce(desired)
    assert set(space.states(desired).values()) == {COMPLIANT}
    space.nft(*command.split(" "))
    seen = space.states(desired)
    assert {rule for rule, state in seen.items() if state == NONCOMPLIANT} == TAMPERINGS[command]
    assert {rule for rule, state in seen.items() if state == COMPLIANT} == set(seen) - TAMPERINGS[command]
    assert space.enforce(desired) == ["load inet proscribe"]
    assert set(space.states(desired).values()) == {COMPLIANT}


def test_a_ruleset_that_does_not_load_leaves_the_old_table(space, monkeypatch):
    space.enforce(TELEGRAM)
    before = space.nft("-j", "list", "ruleset")
    changes = firewall.enforce(space.host, plan(telegram=["203.0.113.0/25"]))
    real = space.host._run

    def spoilt(argv, **options):
        stdin = (options.pop("stdin", None) or "") + "add rule inet proscribe nosuch accept\n"
        return real(argv, stdin=stdin, **options)

    monkeypatch.setattr(space.host, "_run", spoilt)
    with pytest.raises(ControlError, match="nft .* ended with 1"):
        changes.actions[0].apply()
    assert space.nft("-j", "list", "ruleset") == before


def test_ten_thousand_addresses_take_less_than_five_seconds_of_the_processor(space):
    addresses = [str(ipaddress.ip_address(0x0A000000 + 2 * n)) for n in range(8000)]
    many = plan(telegram=addresses + [f"172.{n // 256}.{n % 256}.0/25" for n in range(2000)])
    before = processor()
    space.enforce(many)
    assert set(space.states(many).values()) == {COMPLIANT} and processor() - before < 5


EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NETWORKS = st.builds(
    lambda address, length: str(ipaddress.ip_network((address, length % address.max_prefixlen + 1), strict=False)),
    st.ip_addresses(),
    st.integers(0, 127),
).filter(parse_rule_network)


@EXAMPLES
@given(
    networks=st.dictionaries(st.sampled_from(["one", "two", "element"]), st.lists(NETWORKS, max_size=12)),
    near=st.lists(st.integers(0, 63), max_size=12),
    users=st.lists(st.integers(0, 2**32 - 2), max_size=3),
)
def test_kernel_lists_the_table_as_it_was_written(space, networks, near, users):
    """Neighbours and overlaps too: `near` are blocks of two addresses side by side."""
    section = plan(three=[f"192.0.2.{2 * n}/31" for n in near], **networks)["controls"]["firewall"]
    text = render_ruleset(
        section, FirewallExemptions(ssh_ports=[22, 2222], waived_uids={"one": users} if users else {})
    )
    space.nft("-f", "-", stdin=text)
    assert table_listing.parse_table(space.nft("list", "table", "inet", "proscribe")) == table_listing.parse_table(text)


PORT = st.integers(1, 65535)
RANGE = st.tuples(PORT, PORT).map(lambda both: f"{min(both)}-{max(both)}")
PORTS = st.lists(st.one_of(PORT, RANGE), min_size=1, max_size=6)
WORDS = {
    "direction": st.sampled_from(["in", "out", "forward"]),
    "protocol": st.sampled_from(["tcp", "udp", "any"]),
    "verdict": st.sampled_from(["accept", "reject", "drop"]),
}
COMMENT = st.text("abc XYZ019 .,:;/@()+=_#-", max_size=100)
ADDRESSES = st.lists(NETWORKS, min_size=1, max_size=5)
RULES = st.fixed_dictionaries(WORDS, optional={"addresses": ADDRESSES, "ports": PORTS, "comment": COMMENT})
PINGS = st.fixed_dictionaries(
    {"direction": st.sampled_from(["in", "out"]), "protocol": st.just("icmp"), "verdict": st.just("drop")},
    optional={"addresses": st.lists(NETWORKS, min_size=1, max_size=3)},
)


@EXAMPLES
@given(rules=st.lists(st.one_of(RULES, PINGS), min_size=1, max_size=5))
def test_the_kernel_lists_own_rules_as_they_were_written(space, rules):
    section = made_plan({}, rules=list(read_firewall_rules(rules)), management=["10.0.0.0/8"])["controls"]["firewall"]
    lets = exemptions.collect_exemptions(
        space.host, section, "", lambda _: [], [("203.0.113.9", 22), ("2001:db8::9", 2222)]
    )
    text = render_ruleset(section, lets)
    space.nft("-f", "-", stdin=text)
    assert table_listing.parse_table(space.nft("list", "table", "inet", "proscribe")) == table_listing.parse_table(text)


def counted(space):
    return {v.rule: v.attempts for v in firewall.observe(space.host, TELEGRAM) if v.attempts}


def attempt(space):
    """A connection to a restricted address, in a namespace of its own."""
    space.link()
    code = "import socket; s = socket.socket(); s.settimeout(2); s.connect_ex(('203.0.113.9', 443))"
    assert space.run([sys.executable, "-c", code]).rc == 0


def handles(space):
    """The chains and sets of the table: new ones where it was replaced."""
    listed = json.loads(space.nft("-t", "-j", "list", "table", "inet", "proscribe"))["nftables"]
    return [item["handle"] for part in listed for item in part.values() if "handle" in item]


def test_attempts_are_counted_and_counts_survive_new_elements_and_a_new_table(space):
    space.enforce(TELEGRAM)
    attempt(space)
    assert counted(space) == {"firewall/telegram": 1}
    more = plan(telegram=["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"], signal=["198.51.100.8", "198.51.100.12"])
    before = handles(space)
    space.enforce(more)
    assert handles(space) == before  # changed in place
    assert set(space.states(more).values()) == {COMPLIANT} and counted(space) == {"firewall/telegram": 1}
    space.enforce(plan(telegram=["203.0.113.0/24"], line=["198.51.100.99"]))
    assert handles(space) != before and counted(space) == {"firewall/telegram": 1}


SETS = st.sets(st.integers(1, 40), min_size=1).map(lambda numbers: [f"198.51.100.{3 * n}" for n in sorted(numbers)])
NETS = st.sets(st.integers(1, 40), min_size=1).map(lambda numbers: [f"203.0.{3 * n}.0/25" for n in sorted(numbers)])


@settings(EXAMPLES, max_examples=6)
@given(st.lists(st.tuples(SETS, NETS), min_size=2, max_size=4))
def test_the_sets_are_as_wanted_whatever_was_there_before(space, steps):
    nft = str(space.host.find_tool("nft"))
    for hosts, nets in steps:
        text = render_ruleset(plan(telegram=[*hosts, *nets])["controls"]["firewall"], FirewallExemptions())
        table_update.load_table(space.host, nft, table_listing.observe_table(space.host, nft, text), text)
        assert table_listing.list_table_parts(space.host, nft) == table_listing.parse_table(text)


NAT = "table inet own {{ chain late {{ type nat hook output priority {}; dnat ip to 203.0.113.9; }}; }}\n"
SETS_ADDRESS = "ip daddr 192.0.2.1 ip daddr set 203.0.113.9"


def at_hook(family, hook, rule, priority=0):
    """A table of another's with one chain, `own`, and in it one rule."""
    return f"table {family} t {{ chain own {{ type filter hook {hook} priority {priority}; {rule}; }}; }}\n"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (NAT.format(100), ["late"]),
        (NAT.format(-100), []),
        (at_hook("ip", "output", SETS_ADDRESS, -150), []),  # ours sees the new address
        (at_hook("inet", "postrouting", SETS_ADDRESS), ["own"]),
        (at_hook("inet", "postrouting", "ip saddr set 192.0.2.9"), []),
        (at_hook("netdev", "egress device out", SETS_ADDRESS), ["own"]),
        (at_hook("netdev", "ingress device out", "fwd to out"), ["own"]),
    ],
)
def test_another_table_that_works_round_ours_is_named(space, table, named):
    space.link()
    space.nft("-f", "-", stdin=table)
    space.enforce(TELEGRAM)
    verdicts = firewall.observe(space.host, TELEGRAM)
    neighbours = [verdict for verdict in verdicts if verdict.rule == "firewall/neighbours"]
    assert [finding.id for verdict in neighbours for finding in verdict.findings] == named
    assert not any(verdict.drifted for verdict in neighbours)


DORMANT = "add table inet proscribe { flags dormant; }"


@pytest.mark.parametrize(
    "command", ["insert rule inet proscribe output accept", DORMANT, "delete table inet proscribe"]
)
def test_a_table_that_refuses_nothing_is_found_whatever_the_host_remembers(space, command):
    space.link()
    space.enforce(TELEGRAM)
    assert set(space.states(TELEGRAM).values()) == {COMPLIANT}
    space.nft(*command.split(" "))
    text = (space.root / boot_units.BOOT_FILE_PATH.lstrip("/")).read_text()
    loaded_state.save_loaded_state(
        space.host, text, space.host.read_ruleset_generation(), is_alone=True
    )  # root's word for it
    assert NONCOMPLIANT in space.states(TELEGRAM).values()
    assert space.enforce(TELEGRAM) == ["load inet proscribe"]
    assert set(space.states(TELEGRAM).values()) == {COMPLIANT}


def test_a_device_that_has_taken_the_name_of_loopback_is_none(space):
    space.link()
    space.enforce(TELEGRAM)
    for command in ("lo down", "lo name l0", "out down", "out name lo", "lo up", "l0 up"):
        space.ip(f"link set {command}")
    space.ip("route add default dev lo")
    assert (
        space.host.is_destination_refused("203.0.113.7", 9) is True
        and space.host.is_destination_refused("192.0.2.99", 9) is False
    )
