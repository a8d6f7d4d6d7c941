"""The firewall's part of a plan: what the catalogue and the restrictions come to, and what never gets into it."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from made import catalogue, service
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.schema import CATEGORIES
from proscribe.controller.compile.catalogue.shared_networks import shared_by
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


def test_networks_are_merged_and_spelled_as_the_packet_filter_lists_them() -> None:
    assert section()["services"]["chat"]["networks"] == ["198.51.100.0/24", "203.0.113.7", "2001:db8::/32"]


def test_a_service_of_which_only_names_are_known_is_left_to_the_names() -> None:
    assert set(section()["services"]) == {"chat", "quad9"}


def test_resolvers_are_refused_for_name_resolution_only() -> None:
    assert section()["services"]["quad9"]["ports"] == [53, 443, 853]
    assert section()["services"]["chat"]["ports"] == []


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


def test_no_plan_of_the_whole_catalogue_has_a_shared_or_unverified_network(own_catalogue: Catalogue) -> None:
    restrictions = read_restrictions({"proscribe_categories": list(CATEGORIES)}, str)
    services = compile_plan(own_catalogue, restrictions, (), TODAY)["controls"]["firewall"]["services"]
    assert len(services) > 10
    for id_, entry in services.items():
        feeds = [one for one in own_catalogue.feeds.values() if (one.service, one.kind) == (id_, "networks")]
        texts = [*own_catalogue.services[id_].networks, *(text for feed in feeds for text in feed.values)]
        published = [ipaddress.ip_network(text) for text in texts]
        for text in entry["networks"]:
            assert shared_by(text) == ""
            network = ipaddress.ip_network(text)
            assert any(network.version == one.version and one.subnet_of(network) for one in published)


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


def test_an_entry_with_the_address_of_a_managed_host_stops_the_run_before_anything_is_written(
    ask: Any, tmp_path: Path
) -> None:
    entry = SHARED.replace(", 172.67.1.0/24", "")
    with pytest.raises(PolicyErrors, match="contains 198.51.100.9, the address of host web01"):
        ask(entry)
    assert not (tmp_path / "reports").exists()
    (warning,) = ask(entry, management=["198.51.100.9"], catalog_max_age="forever")["warnings"]
    assert "198.51.100.9/32 lies in 198.51.100.0/24 of parrot: it stays reachable" in warning
