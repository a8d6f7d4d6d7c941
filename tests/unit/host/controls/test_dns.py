"""What the control as a whole says and does beside its backend: what is left over, what is not covered, what reads
the hosts file again.
"""

from __future__ import annotations

from pathlib import Path

from proscribe.host.controls import dns
from proscribe.host.controls.applying import carry_out
from proscribe.model.finding import NOT_APPLICABLE, Finding, Verdict

from unit.host.controls.dns.test_choice import DNSMASQ_CONF, LOCAL, REMOTE, Machine, plan

LEFT = "/etc/unbound/local.d/proscribe.conf"
EXACT = (
    "not covered, nor are canaries: /etc/hosts has exact names and addresses only, "
    "and programs pass it with HOSTALIASES or LOCALDOMAIN"
)


def verdict(verdicts: list[Verdict], rule: str) -> Verdict:
    return next(one for one in verdicts if one.rule == f"dns/{rule}")


def left_over(manager: str, path: str) -> Finding:
    return Finding("file", path, manager=manager, path=path, detail="left over from another backend")


def test_with_the_hosts_file_it_is_said_that_sub_domains_are_not_covered_and_why(tmp_path: Path) -> None:
    host = Machine(tmp_path, {"etc/resolv.conf": REMOTE})
    why = "this host has no resolver of its own that could filter: install and use dnsmasq or unbound"
    for settings, said in [({}, f"{EXACT}; {why}"), ({"backend": "hosts"}, EXACT)]:
        finding = Finding("coverage", "sub-domains", manager="hosts", path="/etc/hosts", detail=said)
        reason = "the hosts file cannot cover them"
        found = verdict(dns.observe(host, plan(**settings)), "sub-domains")
        assert found == Verdict("dns/sub-domains", NOT_APPLICABLE, (finding,), reason=reason)


def test_files_of_other_backends_are_left_over(tmp_path: Path) -> None:
    host = Machine(tmp_path, {"etc/resolv.conf": REMOTE, LEFT[1:]: "server:\n"})
    assert left_over("unbound", LEFT) in verdict(dns.observe(host, plan()), "hosts-file").findings
    changes = dns.enforce(host, plan())
    assert [str(action) for action in changes.actions] == ["write /etc/hosts", f"delete {LEFT}"]


def test_a_filter_blocks_canaries_too_and_the_block_of_the_hosts_file_is_left_over(tmp_path: Path) -> None:
    host = Machine(tmp_path, {"etc/resolv.conf": LOCAL, **DNSMASQ_CONF}, "", ["dnsmasq.service"])
    carry_out(dns.enforce(host, plan(backend="hosts")))
    of = plan()
    of["controls"]["dns"]["services"]["wechat"]["canaries"] = ["canary.example"]
    block = Finding(
        *("hosts_line", "block"), manager="hosts", path="/etc/hosts", detail="left over from another backend"
    )
    assert block in verdict(dns.observe(host, of), "resolver").findings
    written, *others = dns.enforce(host, of).actions
    assert "local=/canary.example/\nlocal=/wechat.com/\n" in written.after
    assert [str(action) for action in others] == ["write /etc/hosts", "reload dnsmasq.service"]


def test_where_nothing_is_blocked_every_file_of_ours_is_left_over(tmp_path: Path) -> None:
    ours = "etc/dnsmasq.d/proscribe.conf"
    host = Machine(tmp_path, {"etc/resolv.conf": LOCAL, **DNSMASQ_CONF, ours: ""}, "", ["dnsmasq.service"])
    none = plan()
    none["controls"]["dns"]["services"]["wechat"]["domains"] = []
    none["controls"]["dns"]["services"]["wechat"]["mode"] = "report"
    found = verdict(dns.observe(host, none), "resolver")
    assert (found.state, found.findings) == ("noncompliant", (left_over("dnsmasq", f"/{ours}"),))
    assert [str(action) for action in dns.enforce(host, none).actions] == [f"delete /{ours}"]
    Path(tmp_path, ours).unlink()
    reason = "no name is to be blocked"
    assert verdict(dns.observe(host, none), "resolver") == Verdict("dns/resolver", NOT_APPLICABLE, reason=reason)


def test_a_dnsmasq_that_runs_reads_the_hosts_file_again_where_that_changes(tmp_path: Path) -> None:
    host = Machine(tmp_path, {"etc/resolv.conf": LOCAL}, "", ["dnsmasq.service"])
    changes = dns.enforce(host, plan())
    assert [str(action) for action in changes.actions] == ["write /etc/hosts", "reload dnsmasq.service"]
    for action in changes.actions:
        action.apply()
    assert host.calls[-1].endswith("/systemctl try-reload-or-restart dnsmasq.service")
    assert dns.enforce(host, plan()).actions == []
    assert [str(action) for action in dns.lift(host, plan()).actions] == ["write /etc/hosts", "reload dnsmasq.service"]
    without = Machine(tmp_path, {"etc/resolv.conf": LOCAL})
    assert [str(action) for action in dns.lift(without, {"controls": {}}).actions] == []
