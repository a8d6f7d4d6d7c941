"""Accounts that may ask name servers beside the host's filter."""

from typing import Any

import pytest
from firewall_hosts import BOOT_FILE, FirewallHost, make_section
from proscribe.host.controls import firewall
from proscribe.host.controls.dns import choice
from proscribe.host.controls.firewall.forced_dns import askers
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import ControlError, Host
from proscribe.model.finding import NONCOMPLIANT, NOT_APPLICABLE

PASSWD = "root:x:0:0::/root:/bin/sh\nunbound:x:953:953::/:/bin/false\nresolve:x:101:101::/:/bin/false\n"


def plan(force: bool = True) -> dict[str, Any]:
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

    monkeypatch.setattr(choice, "resolver_users", resolver_users)


@pytest.mark.parametrize(
    ("backend", "users", "before", "numbers"),
    [
        ("unbound", [], [101, 953], [101, 953]),
        ("unbound", [], None, []),
        ("unbound", ["resolve"], [953], [101]),
        (choice.HOSTS, [], [101, 953], []),
    ],
)
def test_stopped_resolver_keeps_its_account(host, monkeypatch, backend, users, before, numbers):
    def choose(host: Host, settings: Any) -> choice.Choice:
        return choice.Choice(settings["backend"], choice.observe_resolution(host, ()), ())

    filtered_by(monkeypatch, *users)
    monkeypatch.setattr(choice, "choose", choose)
    of = plan()
    of["controls"]["dns"]["settings"]["backend"] = backend
    if before:
        host.lay(BOOT_FILE, render(of["controls"]["firewall"], Exemptions(askers=before)))
    assert askers(host, of) == numbers


def test_a_host_that_cannot_have_its_backend_filters_nothing_so_everybody_asks(host, monkeypatch):
    def refuse(host: Host, plan: Any) -> list[str]:
        raise ControlError("proscribe_dns_backend is unbound, which this host cannot have")

    monkeypatch.setattr(choice, "resolver_users", refuse)
    assert askers(host, plan()) == []


@pytest.mark.parametrize(("users", "state"), [(["unbound"], NONCOMPLIANT), ([], NOT_APPLICABLE)])
def test_forced_dns_is_a_rule(host, monkeypatch, users, state):
    filtered_by(monkeypatch, *users)
    states = {verdict.rule: verdict.state for verdict in firewall.observe(host, plan())}  # there is no nft
    assert states["firewall/plain-dns"] == state
    assert "firewall/plain-dns" not in {verdict.rule for verdict in firewall.observe(host, plan(force=False))}
