"""What the control as a whole says and does beside its backend: what is left over, what is not covered, what reads
the hosts file again.
"""

from __future__ import annotations

from pathlib import Path

from proscribe.host.controls import dns
from proscribe.host.controls.applying import carry_out
from proscribe.model.finding import NOT_APPLICABLE, Finding, Verdict

from unit.host.controls.dns.test_choice import DNSMASQ_CONF, LOCAL, Machine, plan


def verdict(verdicts: list[Verdict], rule: str) -> Verdict:
    return next(one for one in verdicts if one.rule == f"dns/{rule}")


def left_over(manager: str, path: str) -> Finding:
    return Finding("file", path, manager=manager, path=path, detail="left over from another backend")


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
