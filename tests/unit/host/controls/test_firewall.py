"""The firewall: its control, its rules, and DNS by force."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from file_hosts import apply
from firewall_hosts import BOOT_FILE, PROGRAM, FirewallHost, make_section
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.reading.networks import merge_networks
from proscribe.host.controls import firewall
from proscribe.host.controls.dns import backend_choice
from proscribe.host.controls.firewall import boot_units, find_resolver_uids, loaded_state, other_tables
from proscribe.host.controls.firewall.rule_syntax import ExemptNetwork, FirewallExemptions
from proscribe.host.controls.firewall.ruleset import render_ruleset
from proscribe.host.controls.firewall.table_listing import compare_parts, parse_table
from proscribe.host.system import ControlError, Host, ToolResult
from proscribe.model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, WAIVED, Finding, RuleVerdict
from recording import compare

RECORDED = Path(__file__).parents[2] / "recorded/controls/firewall"
DENIED = ToolResult(1, "", "netlink: Error: cache initialization failed: Operation not permitted")
STORED = {BOOT_FILE: '203.0.113.8 comment "package source deb.example.org"\n'}


def plan(dns_over_tls: str = "blocked", **entry: Any) -> dict[str, Any]:
    telegram = {"networks": ["203.0.113.0/24"], **entry}
    return {"controls": {"firewall": make_section({"telegram": telegram}, dns_over_tls=dns_over_tls)}}


def states(verdicts: list[RuleVerdict]) -> dict[str, str]:
    return {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts}


def test_without_nft_every_rule_is_noncompliant_and_enforcing_says_what_to_install(tmp_path):
    host = FirewallHost(tmp_path)
    verdicts = firewall.observe(host, plan())
    assert set(states(verdicts).values()) == {NONCOMPLIANT}
    lacks = Finding("package", "nftables", manager="nftables", detail="nft is not installed")
    assert {finding for verdict in verdicts for finding in verdict.findings} == {lacks}
    with pytest.raises(ControlError, match="install the package nftables"):
        firewall.enforce(host, plan())


def test_ordinary_user_sees_nothing_and_the_reason_names_root(tmp_path, monkeypatch):
    monkeypatch.setattr(FirewallHost, "privileged", False)
    verdicts = firewall.observe(FirewallHost(tmp_path, "nft"), plan())
    assert set(states(verdicts).values()) == {UNKNOWN}
    assert all("root" in verdict.reason for verdict in verdicts)


def test_container_without_the_capability_is_unknown_and_lifts_without_stored_files(tmp_path):
    host = FirewallHost(tmp_path, "nft", "systemctl", table=DENIED)
    verdicts = states(firewall.observe(host, plan()))
    assert (verdicts["telegram"], verdicts["boot"]) == (UNKNOWN, NONCOMPLIANT)
    with pytest.raises(ControlError, match="CAP_NET_ADMIN"):
        firewall.enforce(host, plan())
    assert firewall.lift(host, plan()).actions == []
    host.lay(BOOT_FILE, "the table")
    with pytest.raises(ControlError):
        firewall.lift(host, plan())


def test_plan_that_refuses_no_network_has_no_table(tmp_path):
    host, later = FirewallHost(tmp_path, "nft"), plan("unmanaged", mode="upcoming", effective_from="2030-01-01")
    assert states(firewall.observe(host, later)) == dict.fromkeys(("telegram", "ruleset", "boot"), NOT_APPLICABLE)
    assert firewall.enforce(host, later).actions == []


TEXT = render_ruleset(plan()["controls"]["firewall"], FirewallExemptions())


def test_host_without_systemd_is_reported(tmp_path):
    host = FirewallHost(tmp_path, "nft", table=TEXT)
    assert "no systemd" in firewall.observe(host, plan())[-1].findings[-1].detail
    changes = firewall.enforce(host, plan())
    assert [str(action) for action in changes.actions] == [f"write {PROGRAM}", f"write {BOOT_FILE}"]
    assert [refusal.rule for refusal in changes.refusals] == ["firewall/boot"]


def test_user_whom_a_waiver_lets_through_is_named(tmp_path):
    waived = plan(exceptions=[{"waiver": "w1", "users": ["alice", "gone", "alice"]}])
    text = render_ruleset(waived["controls"]["firewall"], FirewallExemptions(waived_uids={"telegram": [1000]}))
    host = FirewallHost(tmp_path, "nft", table=text)
    host.lay("/etc/passwd", "alice:x:1000:1000::/home/alice:/bin/sh\n")
    (verdict,) = (one for one in firewall.observe(host, waived) if one.rule == "firewall/telegram")
    let = Finding("network", "telegram", scope="user:alice", detail="not refused, by waiver")
    assert verdict == RuleVerdict("firewall/telegram", WAIVED, (let,), waiver="w1")


@pytest.mark.parametrize(
    ("connection", "said"), [("203.0.113.5 50000 192.0.2.2 2222", ["203.0.113.5"]), ("UNKNOWN 65535 UNKNOWN 65535", [])]
)
def test_control_connection_from_a_refused_network_is_mentioned(tmp_path, connection, said):
    host = FirewallHost(tmp_path, "nft", "systemctl")
    host.lay("/proc/self/environ", f"SSH_CONNECTION={connection}\0")
    assert [refusal.subject for refusal in firewall.enforce(host, plan()).refusals] == said


def make_table(name: str, **chains: list[str]) -> str:
    parts = ["\n\t\t".join([f"\tchain {chain} {{", *lines]) + "\n\t}\n" for chain, lines in chains.items()]
    return f"table {name} {{\n{''.join(parts)}}}\n"


def hook(kind: str, priority: int) -> str:
    return f"type {kind} priority {priority}; policy accept;"


LATE = (
    make_table("inet shaper", late=[hook("nat hook output", 100)], marks=[hook("route hook output", -150)])
    + make_table("ip nat", OUTPUT=[hook("nat hook output", -100)], POSTROUTING=[hook("nat hook postrouting", 100)])
    + make_table("inet proscribe", output=[hook("filter hook output", -10)])
)
# Rules that set an address, or forward, and come after our chains; and rules that come before them, or do neither.
LEADS = make_table(
    "ip t",
    pre=[hook("filter hook prerouting", -300), "ip daddr set 203.0.113.1"],
    early=[hook("route hook output", -150), "ip daddr 192.0.2.1 ip daddr set 203.0.113.1"],
    sub=["ip daddr 192.0.2.1 ip daddr set 203.0.113.1", "ip daddr 192.0.2.2 counter packets 0 bytes 0 accept"],
    post=[hook("filter hook postrouting", 0), "@nh,128,32 set 0xcb007101", "ip saddr set 192.0.2.9"],
) + make_table("netdev t", e=[hook('filter hook ingress device "veth0"', 0), 'fwd to "eth0"'])
OFFLOAD = "table inet fast {\n\tflowtable ft {\n\t\thook ingress priority 0\n\t\tdevices = { eth0 }\n\t}\n}\n"


@pytest.mark.parametrize(
    ("listing", "state", "named"),
    [
        (LATE, NONCOMPLIANT, [("chain", "late", "inet shaper")]),
        (LEADS, NONCOMPLIANT, [("rule", "sub", "ip t"), ("rule", "post", "ip t"), ("rule", "e", "netdev t")]),
        (OFFLOAD, NOT_APPLICABLE, [("flowtable", "ft", "inet fast")]),
        (LATE + OFFLOAD, NONCOMPLIANT, [("chain", "late", "inet shaper"), ("flowtable", "ft", "inet fast")]),
    ],
)
def test_foreign_table_that_bypasses_ours_is_reported(tmp_path, listing, state, named):
    host = FirewallHost(tmp_path)
    host.answers |= dict.fromkeys(("-y", "-t"), ToolResult(0, listing, ""))
    (verdict,) = other_tables.observe_other_tables(host, "nft")
    commands = [["nft", "-y", "list chains; list flowtables"]]
    commands += [["nft", "-t", "list table ip t; list table netdev t"]] if listing == LEADS else []
    commands += [["nft", "-t", "list table inet shaper; list table ip nat"]] if LATE in listing else []
    assert host.ran == commands
    assert (verdict.rule, verdict.state, verdict.drifted) == ("firewall/neighbours", state, False)
    assert [(f.kind, f.id, f.path) for f in verdict.findings] == named
    assert {f.manager for f in verdict.findings} == {"nftables"}
    assert verdict.reason == ("reported only, without effect on the state" if state == NOT_APPLICABLE else "")


@pytest.mark.parametrize(("answer", "seen"), [(ToolResult(0, "", ""), []), (ToolResult(1, LATE, "Error"), [UNKNOWN])])
def test_only_neighbours_that_cannot_be_listed_are_a_rule(tmp_path, answer, seen):
    host = FirewallHost(tmp_path)
    host.answers["-y"] = answer
    assert [verdict.state for verdict in other_tables.observe_other_tables(host, "nft")] == seen
    without_flowtables = [["nft", "-y", "list chains"]] * len(seen)  # an older kernel has none
    assert host.ran == [["nft", "-y", "list chains; list flowtables"], *without_flowtables]


@pytest.mark.parametrize(
    ("source", "files", "named"),
    [("", {}, None), ("203.0.113.9", {}, "203.0.113.9"), ("deb.example.org", STORED, "203.0.113.8")],
)
def test_package_source_in_a_refused_network_is_reported(tmp_path, source, files, named):
    host = FirewallHost(tmp_path, "nft", "systemctl", table=TEXT)
    for path, text in {"/etc/apt/sources.list": f"deb http://{source}/ x main\n" if source else "", **files}.items():
        host.lay(path, text)
    found = [v for v in firewall.observe(host, plan()) if v.rule == "firewall/exemptions"]
    assert [(v.state, v.findings[0].id) for v in found] == ([(NOT_APPLICABLE, named)] if named else [])
    assert all("stays reachable, in a network of telegram" in v.findings[0].detail for v in found)


def test_lift_without_nft_deletes_stored_files_and_says_what_may_be_loaded(tmp_path):
    host, units = FirewallHost(tmp_path), boot_units.make_units("/usr/sbin/nft")
    ours = (BOOT_FILE, loaded_state.STATE_PATH, *(unit.path for unit in units))
    host.path("/run/systemd/system").rmdir()
    for path in ours:
        host.lay(path, "ours")
    changes = firewall.lift(host, plan())
    assert [refusal.subject for refusal in changes.refusals] == ["inet proscribe"]
    assert all(map(host.find_entry, ours))
    apply(changes)
    assert not any(map(host.find_entry, ours))
    disabled = [action for action in changes.actions if action.verb == "disable"]
    assert [action.subject for action in disabled] == [unit.name for unit in units][::-1], "the watcher first"
    assert all(action.before for action in disabled)
    assert host.ran == []  # there is no systemctl
    assert firewall.lift(host, plan()).actions == []


def test_lift_disables_a_masked_unit_all_the_same(tmp_path):
    host, unit = FirewallHost(tmp_path, "systemctl"), boot_units.make_units("nft")[0]
    host.path("/run/systemd/system").rmdir()
    place = host.lay(unit.path)
    place.unlink()
    place.symlink_to("/dev/null")
    real, seen = host.read_command_output, []
    host.read_command_output = lambda argv, **options: (seen.append(place.is_symlink()), real(argv, **options))[1]
    apply(firewall.lift(host, plan()))
    assert host.ran == [["systemctl", "disable", unit.name]] and host.find_entry(unit.path) is None
    assert seen == [False]  # systemctl disables no unit that is masked


NETWORKS = st.one_of(st.ip_addresses().map(str), st.builds(
    lambda address, length: str(ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False)),
    st.ip_addresses(), st.integers(1, 128),
))  # fmt: skip
BOTH = ["10.0.0.1", "10.1.0.0/16", "2001:db8::1"]


def rules(text: str, chain: str = "restricted") -> tuple[str, ...]:
    return parse_table(text)["chain", chain].lines


def elements(text: str, name: str) -> set[str]:
    return set(parse_table(text)["set", name].elements)


def test_a_limit_for_connections_to_the_hosts_own_sshd_stands_before_loopback_passes():
    text = render_ruleset(make_section(local_ssh=8), FirewallExemptions(ssh_ports=(22, 2222)))
    limit = "tcp dport { 22, 2222 } ct state new meta skuid != 0 ct count over 8 jump refuse-local-ssh"
    assert rules(text, "output")[1:3] == (f"meta oiftype loopback {limit}", "meta oiftype loopback accept")
    assert not any("local-ssh" in line for line in rules(text, "forward"))
    expected = [f"rule meta oiftype loopback {limit}: missing in chain output"]
    assert changed(text, "over 8", "over 9000")["local-ssh"] == expected


def changed(text: str, old: str, new: str) -> dict[str, list[str]]:
    """What is said of a listing in which something was replaced."""
    assert old in text
    found = compare_parts(parse_table(text), parse_table(text.replace(old, new)))
    return {rule: [f"{f.kind} {f.id}: {f.detail}" for f in all_] for rule, all_ in found.items()}


TELEGRAM = make_section({"telegram": ["203.0.113.7", "203.0.113.9", "198.51.100.0/24"]}, dns_over_tls="blocked")
RULES_TEXT = render_ruleset(TELEGRAM, FirewallExemptions())
JUMP, REJECT = "ip daddr @nets4_telegram jump refuse_telegram", 'counter name "refused_telegram"\n'
TYPED = "set foreign {\ntype ipv4_addr\n}\n"
# What is replaced, by what, the rule that this counts against, what is said of it.
CHANGES: list[tuple[str, str, str, list[str]]] = [
    ("203.0.113.7", "203.0.113.8", "telegram",
     ["set hosts4_telegram: 1 missing: 203.0.113.7; 1 not of the plan: 203.0.113.8",
      "set hosts4in96_telegram: 1 missing: ::203.0.113.7; 1 not of the plan: ::203.0.113.8"]),
    (f"{JUMP}\n", "", "telegram", [f"rule {JUMP}: missing in chain restricted"]),
    (REJECT, f"accept\n{REJECT}", "telegram", ["rule accept: not of the plan, in chain refuse_telegram"]),
    ("counter refused_telegram {\n\t}\n", "", "telegram", ["counter refused_telegram: missing"]),
    ("jump restricted\n", "", "ruleset",
     [f"rule jump restricted: missing in chain {hook}" for hook in ("output", "forward")]),
    ("ct direction", "accept\nct direction", "ruleset", ["rule accept: not of the plan, in chain restricted"]),
    ("counter refused_telegram {", f"{TYPED}counter refused_telegram {{", "ruleset", ["set foreign: not of the plan"]),
    (f"{JUMP}\n", f"{JUMP}\n{JUMP}\n", "ruleset", ["chain restricted: in another order, or doubled"]),
    ("\tcomment", "\tflags dormant\n\tcomment", "ruleset",
     ["rule flags dormant: not of the plan, in table proscribe"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "said"), CHANGES)
def test_a_change_to_the_table_is_named_and_counts_against_its_rule(old, new, rule, said):
    assert changed(RULES_TEXT, old, new) == {rule: said}


@pytest.mark.slow
@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.lists(NETWORKS, max_size=8), max_size=4)
)
def test_every_address_of_a_service_is_in_its_sets_and_no_other(services):
    section = make_section({id_: merge_networks(nets) for id_, nets in services.items()})
    parts = parse_table(render_ruleset(section, FirewallExemptions()))
    for id_, given_networks in services.items():
        held = [
            ipaddress.ip_network(element)
            for (kind, name), part in parts.items()
            if kind == "set" and name.partition("_")[2] == id_ and "4in" not in name
            for element in part.elements
        ]
        for family in (4, 6):
            desired = [n for n in map(ipaddress.ip_network, given_networks) if n.version == family]
            mine = [n for n in held if n.version == family]
            assert list(ipaddress.collapse_addresses(desired)) == sorted(mine)  # type: ignore[type-var]


def own(direction: str, verdict: str = "accept", **more: Any) -> dict[str, Any]:
    """A rule of the organisation's own, as a plan has it."""
    usual = {"protocol": "any", "addresses": [], "ports": [], "comment": ""}
    return {"direction": direction, "verdict": verdict, **usual, **more}


def net(text: str) -> Any:
    return ipaddress.ip_network(text)


SERVICES = {
    "telegram": {
        "networks": ["203.0.113.1", "203.0.113.6", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48"],
        "ports": [443, 80],
    },
    "members": {"networks": ["203.0.113.2"], "only": {"users": ["a"]}},
    "nobody": {"networks": ["203.0.113.3"], "only": {"users": ["b"]}},
    "empty": {},
    "without_members": {"networks": ["203.0.113.10"], "only": {"users": []}},
    "waived": {"networks": ["203.0.113.4"], "mode": "waived"},
    "audited": {"networks": ["203.0.113.5"], "mode": "audit"},
}
OWN_RULES = [
    own("in", protocol="tcp", addresses=["192.0.2.0/24"], ports=["22"], comment="ours"),
    own("in", "drop", addresses=["2001:db8::5"], ports=["53", "8000-8080"]),
    own("in", protocol="icmp", addresses=["192.0.2.7", "2001:db8::7"]),
    own("out", protocol="icmp"),
    own("out", "reject", protocol="udp", ports=["514"]),
    own("forward", "drop"),
]
# Each protocol, direction and verdict; the addresses lie in IPv6 addresses, too.
MORE_RULES = [
    own("out", comment="why"),
    own("out", "reject", protocol="udp", ports=["25", "30-40"]),
    own("out", ports=["25"]),
    own("out", protocol="icmp", addresses=BOTH),
    own("in", protocol="tcp", ports=["22"], addresses=BOTH[1:]),
    own("forward", addresses=BOTH[:1]),
]
LETS = FirewallExemptions(
    exempt_networks=[
        ExemptNetwork(net("203.0.113.9/32"), "management", ("telegram",)),
        ExemptNetwork(net("192.0.0.0/24"), "gateway"),  # with one of the witnesses in it
    ],
    resolvers=[ExemptNetwork(net("203.0.113.53/32"), "name server")],
    resolver_ports=[53, 853],
    ssh_ports=[2222, 22],
    ephemeral_ports=(30000, 40000),
    controllers=[(net("198.51.100.7/32"), 22), (net("2001:db8::9/128"), 2222)],
    waived_uids={"telegram": [1001, 1000], "audited": [1002]},
    restricted_uids={"members": [1004, 1003]},
    resolver_uids=[101],
)


@pytest.mark.parametrize(
    ("name", "services", "rules", "lets", "settings"),
    [
        ("everything", SERVICES, OWN_RULES, LETS, {"dns_over_tls": "blocked", "quic": "blocked", "log": True}),
        ("own_rules", {}, MORE_RULES, FirewallExemptions(), {}),
    ],
    ids=["everything", "own rules"],
)
def test_table_is_as_recorded(name, services, rules, lets, settings):
    compare(RECORDED / f"table_{name}.txt", render_ruleset(make_section(services, rules=rules, **settings), lets))


PASSWD = "root:x:0:0::/root:/bin/sh\nunbound:x:953:953::/:/bin/false\nresolve:x:101:101::/:/bin/false\n"


def forced_plan(force: bool = True) -> dict[str, Any]:
    dns = {"mode": "enforce", "services": {}, "settings": {}}
    return {"controls": {"firewall": make_section(dns_over_tls="unmanaged", force_dns=force), "dns": dns}}


@pytest.fixture
def host(tmp_path):
    host = FirewallHost(tmp_path)
    host.lay("/etc/passwd", PASSWD)
    return host


def filtered_by(monkeypatch: pytest.MonkeyPatch, *users: str) -> None:
    def resolver_users(host: Host, plan: Any) -> list[str]:
        return list(users) if plan["controls"]["dns"]["mode"] == "enforce" else []

    monkeypatch.setattr(backend_choice, "list_resolver_users", resolver_users)


@pytest.mark.parametrize(
    ("backend", "users", "before", "numbers"),
    [
        ("unbound", [], [101, 953], [101, 953]),
        ("unbound", [], None, []),
        ("unbound", ["resolve"], [953], [101]),
        (backend_choice.HOSTS_BACKEND, [], [101, 953], []),
    ],
)
def test_stopped_resolver_keeps_its_account(host, monkeypatch, backend, users, before, numbers):
    def choose(host: Host, settings: Any) -> backend_choice.BackendChoice:
        return backend_choice.BackendChoice(settings["backend"], backend_choice.observe_resolution(host, ()), ())

    filtered_by(monkeypatch, *users)
    monkeypatch.setattr(backend_choice, "choose_backend", choose)
    of = forced_plan()
    of["controls"]["dns"]["settings"]["backend"] = backend
    if before:
        host.lay(BOOT_FILE, render_ruleset(of["controls"]["firewall"], FirewallExemptions(resolver_uids=before)))
    assert find_resolver_uids(host, of) == numbers


def test_a_host_that_cannot_have_its_backend_filters_nothing_so_everybody_asks(host, monkeypatch):
    def refuse(host: Host, plan: Any) -> list[str]:
        raise ControlError("proscribe_dns_backend is unbound, which this host cannot have")

    monkeypatch.setattr(backend_choice, "list_resolver_users", refuse)
    assert find_resolver_uids(host, forced_plan()) == []


@pytest.mark.parametrize(("users", "state"), [(["unbound"], NONCOMPLIANT), ([], NOT_APPLICABLE)])
def test_forced_dns_is_a_rule(host, monkeypatch, users, state):
    filtered_by(monkeypatch, *users)
    states = {verdict.rule: verdict.state for verdict in firewall.observe(host, forced_plan())}  # there is no nft
    assert states["firewall/plain-dns"] == state
    assert "firewall/plain-dns" not in {verdict.rule for verdict in firewall.observe(host, forced_plan(force=False))}
