"""Verdicts and lift of the firewall without nft, root, systemd or anything to refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from firewall_paths import BOOT_FILE, PROGRAM
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot, loaded_state, other_tables
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import ControlError, Host, Result
from proscribe.model.finding import NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, Verdict

NOT_LOADED = Result(1, "", "Error: No such file or directory")


class RecordedHost(Host):
    """A made tree, and an nft that answers every listing with the same."""

    def __init__(self, root: Path, listing: Result = NOT_LOADED, root_user: bool = True) -> None:
        super().__init__(str(root), self.answer)
        self.listing = listing
        self.root_user = root_user
        self.ran: list[list[str]] = []

    @property
    def privileged(self) -> bool:
        return self.root_user

    def answer(self, argv: list[str], **options: Any) -> Result:
        self.ran.append(list(argv))
        if argv[0] == "unshare":
            return Result(1, "", "unshare: unshare failed: Operation not permitted")
        return Result(0, "", "") if self.listing is NOT_LOADED and argv[1] == "-y" else self.listing

    def install(self, *names: str) -> RecordedHost:
        for name in names:
            self.write(f"/usr/sbin/{name}", "", 0o755)
        return self


def plan(dns_over_tls: str = "blocked", **services: dict[str, Any]) -> dict[str, Any]:
    usual = {"mode": "enforce", "networks": ["203.0.113.0/24"], "ports": []}
    entries = {id_: {"name": id_, **usual, **entry} for id_, entry in services.items()}
    section = {"mode": "enforce", "services": entries, "settings": {"dns_over_tls": dns_over_tls, "management": []}}
    return {"controls": {"firewall": section}}


def states(verdicts: list[Verdict]) -> dict[str, str]:
    return {verdict.rule.partition("/")[2]: verdict.state for verdict in verdicts}


def test_without_nft_every_rule_is_noncompliant_and_enforcing_says_what_to_install(tmp_path):
    host = RecordedHost(tmp_path)
    verdicts = firewall.observe(host, plan(telegram={}))
    assert set(states(verdicts).values()) == {NONCOMPLIANT}
    lacks = Finding("package", "nftables", manager="nftables", detail="nft is not installed")
    assert {finding for verdict in verdicts for finding in verdict.findings} == {lacks}
    with pytest.raises(ControlError, match="install the package nftables"):
        firewall.enforce(host, plan(telegram={}))


def test_an_ordinary_user_sees_nothing_and_the_reason_names_root(tmp_path):
    verdicts = firewall.observe(RecordedHost(tmp_path, root_user=False).install("nft"), plan(telegram={}))
    assert set(states(verdicts).values()) == {UNKNOWN}
    assert all("root" in verdict.reason for verdict in verdicts)


def test_a_container_without_the_capability_is_unknown(tmp_path):
    denied = Result(1, "", "netlink: Error: cache initialization failed: Operation not permitted")
    verdicts = firewall.observe(RecordedHost(tmp_path, denied).install("nft", "systemctl"), plan(telegram={}))
    assert (states(verdicts)["telegram"], states(verdicts)["boot"]) == (UNKNOWN, NONCOMPLIANT)
    host = RecordedHost(tmp_path, denied).install("nft", "systemctl")
    with pytest.raises(ControlError, match="CAP_NET_ADMIN"):
        firewall.enforce(host, plan(telegram={}))
    assert firewall.lift(host, plan(telegram={})).actions == []


@pytest.mark.parametrize(("entry", "state"), [({"mode": "upcoming", "effective_from": "2030-01-01"}, NOT_APPLICABLE)])
def test_plan_that_refuses_no_network_has_no_table(tmp_path, entry, state):
    host = RecordedHost(tmp_path).install("nft")
    verdicts = firewall.observe(host, plan(dns_over_tls="unmanaged", telegram=entry))
    assert states(verdicts) == {"telegram": state, "ruleset": NOT_APPLICABLE, "boot": NOT_APPLICABLE}
    assert firewall.enforce(host, plan(dns_over_tls="unmanaged", telegram=entry)).actions == []


def desired(**options: Any) -> str:
    return render(plan(telegram={})["controls"]["firewall"], Exemptions(**options))


def test_a_host_without_systemd_is_reported(tmp_path):
    host = RecordedHost(tmp_path, Result(0, desired(), "")).install("nft")
    assert "no systemd" in firewall.observe(host, plan(telegram={}))[-1].findings[-1].detail
    changes = firewall.enforce(host, plan(telegram={}))
    assert [str(action) for action in changes.actions] == [f"write {PROGRAM}", f"write {BOOT_FILE}"]
    assert [refusal.rule for refusal in changes.refused] == ["firewall/boot"]


@pytest.mark.parametrize(
    ("connection", "said"), [("203.0.113.5 50000 192.0.2.2 2222", ["203.0.113.5"]), ("UNKNOWN 65535 UNKNOWN 65535", [])]
)
def test_a_control_connection_from_a_refused_network_is_mentioned(tmp_path, connection, said):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/environ").write_text(f"SSH_CONNECTION={connection}\0")
    changes = firewall.enforce(RecordedHost(tmp_path).install("nft", "systemctl"), plan(telegram={}))
    assert [refusal.subject for refusal in changes.refused] == said


LATE = """\
table inet shaper {
	chain late {
		type nat hook output priority 100; policy accept;
	}
	chain marks {
		type route hook output priority -150; policy accept;
	}
}
table ip nat {
	chain OUTPUT {
		type nat hook output priority -100; policy accept;
	}
	chain POSTROUTING {
		type nat hook postrouting priority 100; policy accept;
	}
}
table inet proscribe {
	chain output {
		type filter hook output priority -10; policy accept;
	}
}
"""
# What sets an address, or forwards by itself, and comes after our chains; and what comes before them, or does neither.
LEADS = """\
table ip t {
	chain pre {
		type filter hook prerouting priority -300; policy accept;
		ip daddr set 203.0.113.1
	}
	chain early {
		type route hook output priority -150; policy accept;
		ip daddr 192.0.2.1 ip daddr set 203.0.113.1
	}
	chain sub {
		ip daddr 192.0.2.1 ip daddr set 203.0.113.1
		ip daddr 192.0.2.2 counter packets 0 bytes 0 accept
	}
	chain post {
		type filter hook postrouting priority 0; policy accept;
		@nh,128,32 set 0xcb007101
		ip saddr set 192.0.2.9
	}
}
table netdev t {
	chain e {
		type filter hook ingress device "veth0" priority 0; policy accept;
		fwd to "eth0"
	}
}
"""
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
    (verdict,) = other_tables.observe(RecordedHost(tmp_path, Result(0, listing, "")), "nft")
    assert (verdict.rule, verdict.state, verdict.drifted) == ("firewall/neighbours", state, False)
    assert [(f.kind, f.id, f.path) for f in verdict.findings] == named
    assert {f.manager for f in verdict.findings} == {"nftables"}
    reason = "seen and reported, counts nothing" if state == NOT_APPLICABLE else ""
    assert verdict.reason == reason


@pytest.mark.parametrize(("answer", "states_"), [(Result(0, "", ""), []), (Result(1, LATE, "Error: x"), [UNKNOWN])])
def test_only_neighbours_that_cannot_be_listed_are_a_rule(tmp_path, answer, states_):
    assert [verdict.state for verdict in other_tables.observe(RecordedHost(tmp_path, answer), "nft")] == states_


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({}, None),
        ({"etc/apt/sources.list": "deb http://203.0.113.9/ x main\n"}, "203.0.113.9"),
        (
            {
                "etc/apt/sources.list": "deb http://deb.example.org/ x main\n",
                "etc/proscribe/firewall.nft": '203.0.113.8 comment "package source deb.example.org"\n',
            },
            "203.0.113.8",
        ),
    ],
)
def test_package_source_in_a_refused_network_is_reported(tmp_path, files, named):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    host = RecordedHost(tmp_path, Result(0, desired(), "")).install("nft", "systemctl")
    found = [v for v in firewall.observe(host, plan(telegram={})) if v.rule == "firewall/exemptions"]
    assert [(v.state, v.findings[0].id) for v in found] == ([(NOT_APPLICABLE, named)] if named else [])
    assert all("stays reachable, in a network of telegram" in v.findings[0].detail for v in found)


class TestLifting:
    """What of ours is on a host goes, in the order in which nothing brings it back."""

    @pytest.fixture
    def host(self, tmp_path):
        host = RecordedHost(tmp_path)
        host.write(BOOT_FILE, "the table")
        for unit in boot.units("/usr/sbin/nft"):
            host.write(unit.path, unit.text)
        host.write(loaded_state.STATE, "state")
        return host

    def files(self, host: RecordedHost) -> set[str]:
        paths = (BOOT_FILE, loaded_state.STATE, *(unit.path for unit in boot.units("/usr/sbin/nft")))
        return {path for path in paths if host.stat(path)}

    def test_without_nft_what_is_stored_goes_and_what_may_be_loaded_is_said(self, host):
        changes = firewall.lift(host, plan(telegram={}))
        assert [refusal.subject for refusal in changes.refused] == ["inet proscribe"]
        assert self.files(host)
        for action in changes.actions:
            action.apply()
        assert self.files(host) == set()
        disabled = [action for action in changes.actions if action.verb == "disable"]
        units = [unit.name for unit in boot.units("/usr/sbin/nft")]
        assert [action.subject for action in disabled] == units[::-1], "the watcher first"
        assert all(action.before for action in disabled)
        assert host.ran == []  # there is no systemctl
        assert firewall.lift(host, plan(telegram={})).actions == []

    def test_a_unit_that_is_masked_is_disabled_all_the_same(self, tmp_path):
        host = RecordedHost(tmp_path).install("systemctl")
        unit = boot.units("nft")[0]
        place = Path(host.root + unit.path)
        place.parent.mkdir(parents=True)
        place.symlink_to("/dev/null")
        host.listing = Result(0, "", "")
        for action in firewall.lift(host, plan(telegram={})).actions:
            action.apply()
        assert host.ran == [["systemctl", "disable", unit.name]] and host.stat(unit.path) is None

    def test_lift_without_capability_fails_only_with_stored_files(self, tmp_path):
        refused = Result(1, "", "Error: Operation not permitted")
        host = RecordedHost(tmp_path, refused).install("nft")
        assert firewall.lift(host, plan(telegram={})).actions == []
        host.write(BOOT_FILE, "the table")
        with pytest.raises(ControlError):
            firewall.lift(host, plan(telegram={}))
