"""Verdicts and lift of the firewall without nft, root, systemd or anything to refuse."""

from typing import Any

import pytest
from file_hosts import apply
from firewall_hosts import BOOT_FILE, PROGRAM, FirewallHost, make_section
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot, loaded_state, other_tables
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import ControlError, Result
from proscribe.model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, Verdict

DENIED = Result(1, "", "netlink: Error: cache initialization failed: Operation not permitted")
STORED = {BOOT_FILE: '203.0.113.8 comment "package source deb.example.org"\n'}


def plan(dns_over_tls: str = "blocked", **entry: Any) -> dict[str, Any]:
    telegram = {"networks": ["203.0.113.0/24"], **entry}
    return {"controls": {"firewall": make_section({"telegram": telegram}, dns_over_tls=dns_over_tls)}}


def states(verdicts: list[Verdict]) -> dict[str, str]:
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


TEXT = render(plan()["controls"]["firewall"], Exemptions())


def test_host_without_systemd_is_reported(tmp_path):
    host = FirewallHost(tmp_path, "nft", table=TEXT)
    assert "no systemd" in firewall.observe(host, plan())[-1].findings[-1].detail
    changes = firewall.enforce(host, plan())
    assert [str(action) for action in changes.actions] == [f"write {PROGRAM}", f"write {BOOT_FILE}"]
    assert [refusal.rule for refusal in changes.refused] == ["firewall/boot"]


@pytest.mark.parametrize(
    ("connection", "said"), [("203.0.113.5 50000 192.0.2.2 2222", ["203.0.113.5"]), ("UNKNOWN 65535 UNKNOWN 65535", [])]
)
def test_control_connection_from_a_refused_network_is_mentioned(tmp_path, connection, said):
    host = FirewallHost(tmp_path, "nft", "systemctl")
    host.lay("/proc/self/environ", f"SSH_CONNECTION={connection}\0")
    assert [refusal.subject for refusal in firewall.enforce(host, plan()).refused] == said


def make_table(name: str, **chains: list[str]) -> str:
    """Write a table as nft lists it."""
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
    host.answers |= dict.fromkeys(("-y", "-t"), Result(0, listing, ""))
    (verdict,) = other_tables.observe(host, "nft")
    assert (verdict.rule, verdict.state, verdict.drifted) == ("firewall/neighbours", state, False)
    assert [(f.kind, f.id, f.path) for f in verdict.findings] == named
    assert {f.manager for f in verdict.findings} == {"nftables"}
    assert verdict.reason == ("seen and reported, counts nothing" if state == NOT_APPLICABLE else "")


@pytest.mark.parametrize(("answer", "states_"), [(Result(0, "", ""), []), (Result(1, LATE, "Error: x"), [UNKNOWN])])
def test_only_neighbours_that_cannot_be_listed_are_a_rule(tmp_path, answer, states_):
    host = FirewallHost(tmp_path)
    host.answers["-y"] = answer
    assert [verdict.state for verdict in other_tables.observe(host, "nft")] == states_


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
    host, units = FirewallHost(tmp_path), boot.units("/usr/sbin/nft")
    ours = (BOOT_FILE, loaded_state.STATE, *(unit.path for unit in units))
    host.path("/run/systemd/system").rmdir()
    for path in ours:
        host.lay(path, "ours")
    changes = firewall.lift(host, plan())
    assert [refusal.subject for refusal in changes.refused] == ["inet proscribe"]
    assert all(map(host.stat, ours))
    apply(changes)
    assert not any(map(host.stat, ours))
    disabled = [action for action in changes.actions if action.verb == "disable"]
    assert [action.subject for action in disabled] == [unit.name for unit in units][::-1], "the watcher first"
    assert all(action.before for action in disabled)
    assert host.ran == []  # there is no systemctl
    assert firewall.lift(host, plan()).actions == []


def test_lift_disables_a_masked_unit_all_the_same(tmp_path):
    host, unit = FirewallHost(tmp_path, "systemctl"), boot.units("nft")[0]
    host.path("/run/systemd/system").rmdir()
    host.lay(unit.path).unlink()
    host.path(unit.path).symlink_to("/dev/null")
    apply(firewall.lift(host, plan()))
    assert host.ran == [["systemctl", "disable", unit.name]] and host.stat(unit.path) is None
