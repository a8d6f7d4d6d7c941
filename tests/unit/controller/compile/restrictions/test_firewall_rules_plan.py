"""The firewall's part of a plan: what the catalogue and the restrictions come to, and what never gets into it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.model.plan import CONTROLS

TODAY = datetime.date(2026, 11, 25)
NOW = datetime.datetime(2026, 11, 25, 8, tzinfo=datetime.timezone.utc)
MADE = catalogue(
    service("chat", networks=("198.51.100.128/25", "198.51.100.0/25", "203.0.113.7/32", "2001:db8::/32")),
    service("quad9", category="circumvention", service_class="encrypted_dns", networks=("9.9.9.9/32",)),
    service("mail", category="webmail", domains=("mail.example",), mail_hosts=("imap.mail.example",)),
)


def section(**values: Any) -> dict[str, Any]:
    restrictions = read_restrictions({f"proscribe_{name}": value for name, value in values.items()}, str)
    return compile_plan(MADE, restrictions, (), TODAY)["controls"]["firewall"]


RULE = {"direction": "out", "protocol": "tcp", "ports": [25], "verdict": "reject"}


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ({}, {"dns_over_tls": "blocked", "quic": "unmanaged", "log": True, "rules": []}),
        ({"firewall_quic": "blocked", "firewall_log": False}, {"quic": "blocked", "log": False}),
        ({"firewall_nat64": ["2001:db8:64::/96"]}, {"nat64": ["2001:db8:64::/96"]}),
        ({"firewall_local_ssh": 8}, {"local_ssh": 8}),
        ({"firewall_rules": [RULE]}, {"rules": [{**RULE, "ports": ["25"], "addresses": [], "comment": ""}]}),
        (
            {"firewall_rules": [RULE], "firewall_quic": "blocked", "effective_from": "2027-01-01"},
            {"dns_over_tls": "unmanaged", "quic": "unmanaged", "rules": []},
        ),
    ],
)
def test_the_restrictions_become_settings(values: dict[str, Any], settings: dict[str, Any]) -> None:
    found = section(**values)["settings"]
    assert {name: found[name] for name in settings} == settings


SHARED = """\
id: parrot
name: Parrot
category: instant_messaging
vendor: Example
audience: consumer
enforce: true
networks: [198.51.100.0/24, 172.67.1.0/24]
sources: [a test]
"""


@pytest.fixture
def ask(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Compile for one host at 198.51.100.9, with a catalogue of the organisation's own."""
    monkeypatch.setenv("PROSCRIBE_REPORTS", str(tmp_path / "reports"))

    def compiled(entry: str, **values: Any) -> dict[str, Any]:
        folder = tmp_path / "catalog" / "instant_messaging"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "parrot.yml").write_text(entry, encoding="utf-8")
        own = {"proscribe_catalog_dirs": ["catalog"], **{f"proscribe_{name}": value for name, value in values.items()}}
        host = HostVariables("web01", own, {}, str(tmp_path), address="198.51.100.9")
        groups = {"all": frozenset({"web01"})}
        question = Question(project, "audit", "audit", [str(tmp_path)], "", list(CONTROLS), [host], groups)
        return compile_run(question, NOW)

    return compiled


def test_an_entry_with_addresses_of_a_content_network_stops_the_run(ask: Any) -> None:
    with pytest.raises(PolicyErrors, match=r"networks\[1\]: found '172.67.1.0/24'.*Cloudflare"):
        ask(SHARED)
