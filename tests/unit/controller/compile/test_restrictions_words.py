"""What the inventory's variables are when nobody sets them, the words that they know, and the bounds of numbers."""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

import pytest
from proscribe.controller.compile.restrictions import PREFIX, RESTRICTIONS, Restrictions, read_restrictions
from proscribe.controller.policy_errors import Expected

DAY = 24 * 3600
BLOCKED = "dns_over_https proxies extensions proxy_extensions sign_in browser_vpn tor_windows remote_debugging"
ENFORCED = dict.fromkeys(("apps", "browser", "firewall", "dns"), "enforce")
UNSET = {
    "hosts": "all",
    "categories": ("instant_messaging", "webmail", "cloud_storage", "circumvention"),
    "categories_reported": ("remote_control", "ai_assistants", "social_media", "code_hosting"),
    "audiences": ("consumer", "both"),
    "effective_from": datetime.date(2024, 10, 31),
    "controls": ENFORCED,
    "tenants": {"google": (), "microsoft": ()},
    "catalog_max_age": 180 * DAY,
    "feeds": "all",
    "waiver_max_days": 365,
    "waiver_signatures": "optional",
    "waiver_groups": "growing",
    "compliance_gate": "never",
    "stale_after": 3 * DAY,
    "observe_timeout": 300,
    "audit_with": "root",
    "round": "",
    "exports": ("csv", "junit", "oscal", "prometheus", "sarif"),
    "events": {},
    "history": "sqlite",
    "history_keep": 400 * DAY,
    "contact": "your IT service desk",
    "requests": True,
    "end_grace": 5,
    "quarantine_keep": 90 * DAY,
    "exec_control": "off",
    "applocker": "audit",
    "full_scan_every": 7,
    "network_homes": "unknown",
    "programs_for_both": "report",
    "unmanaged_browsers": "auto",
    "browser_settings": dict.fromkeys(BLOCKED.split(), "blocked"),
    "firewall_quic": "unmanaged",
    "firewall_log": True,
    "firewall_confirm_within": 60,
    "dns_backend": "auto",
    "watch_max_age": 14 * DAY,
    "batches": "auto",
    "max_change": {"hosts": "25%", "removals": "auto"},
    "max_failures": "10%",
    "schedule": "controller",
    "schedule_calendar": "*-*-* 02:30",
    "schedule_spread": 1800,
    "schedule_timeout": 6 * 3600,
    "schedule_branch": "main",
    "notify": {},
}
LISTS = "services_include services_exclude groups_restricted catalog_dirs waivers_removed browser_extensions_allowed "
LISTS += (
    "management firewall_rules firewall_nat64 dns_upstreams group_policy exports_fed schedule_options schedule_signers"
)
TEXTS = "catalog zone waivers_dir gate_baseline reports user_notice refusal_notice request_url exports_key "
TEXTS += "schedule_refresh schedule_account schedule_directory schedule_repository schedule_first_commit "
TEXTS += "schedule_inventory schedule_ansible"
OFF = {
    "waiver_blanket": False,
    "probe": False,
    "dns_force": False,
    "firewall_local_ssh": 0,
    "watch": 0,
    "reports_keep": 0,
}


def test_what_every_variable_is_when_nobody_sets_it() -> None:
    read = read_restrictions({}, str)
    found = {one.name: getattr(read, one.name) for one in dataclasses.fields(read)}
    assert found == {**UNSET, **OFF, **dict.fromkeys(LISTS.split(), ()), **dict.fromkeys(TEXTS.split(), "")}
    assert {type(found[name]) for name, value in OFF.items() if value is False} == {bool}


def test_parts_of_the_restrictions_have_no_methods_whose_making_takes_time_at_each_start() -> None:
    assert len(Restrictions.__bases__) > 5
    for part in Restrictions.__bases__:
        assert not vars(part).keys() & {"__init__", "__repr__", "__eq__"}, part
    with pytest.raises(dataclasses.FrozenInstanceError):
        read_restrictions({}, str).zone = "x"  # type: ignore[misc]


WORDS = {
    "audit_with": "root stored",
    "applocker": "off audit enforce",
    "compliance_gate": "never noncompliant incomplete",
    "dns_backend": "auto hosts",
    "exec_control": "fapolicyd off",
    "feeds": "all off",
    "firewall_quic": "blocked unmanaged",
    "history": "sqlite off",
    "network_homes": "unknown scan",
    "programs_for_both": "report remove",
    "schedule": "controller pull awx off",
    "unmanaged_browsers": "auto report audit off",
    "waiver_signatures": "required optional off",
    "waiver_groups": "growing frozen",
}


@pytest.mark.parametrize(("name", "words"), WORDS.items())
def test_each_word_that_a_variable_knows(name: str, words: str) -> None:
    assert [RESTRICTIONS[name].read(word) for word in words.split()] == words.split()
    for word in ("", "-", True):
        with pytest.raises(Expected, match=".*".join(words.split())):
            RESTRICTIONS[name].read(word)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("audiences", "consumer enterprise both"),
        ("categories", "instant_messaging webmail cloud_storage circumvention remote_control ai_assistants"),
        ("categories_reported", "social_media code_hosting webmail"),
    ],
)
def test_each_word_of_a_list(name: str, words: str) -> None:
    assert RESTRICTIONS[name].read(words.split()) == tuple(words.split())


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("audiences", "audiences"),
        *((name, "categories") for name in ("categories", "categories_reported")),
        *((name, "service ids") for name in ("services_include", "services_exclude")),
        ("catalog_dirs", "directories"),
        ("browser_extensions_allowed", "ids of browser extensions"),
        ("dns_upstreams", "addresses of name servers"),
        ("management", "addresses or networks"),
        ("exports", "exports"),
    ],
)
def test_what_a_list_is_of(name: str, what: str) -> None:
    with pytest.raises(Expected, match=f"^a list of {what}$"):
        RESTRICTIONS[name].read("x")


@pytest.mark.parametrize("control", ["apps", "browser", "firewall", "dns"])
@pytest.mark.parametrize("mode", ["enforce", "audit", "off"])
def test_each_mode_of_each_control(control: str, mode: str) -> None:
    assert RESTRICTIONS["controls"].read({control: mode}) == {**ENFORCED, control: mode}


@pytest.mark.parametrize(
    ("name", "unit", "least", "most"),
    [
        ("end_grace", "seconds", 0, 60),
        ("firewall_confirm_within", "seconds", 10, 900),
        ("full_scan_every", "runs", 1, 1000),
        ("waiver_max_days", "days", 1, 3660),
    ],
)
def test_the_bounds_of_a_number(name: str, unit: str, least: int, most: int) -> None:
    read = RESTRICTIONS[name].read
    assert (read(least), read(most)) == (least, most)
    for outside in (least - 1, most + 1):
        with pytest.raises(Expected, match=f"a whole number of {unit}, {least} to {most}"):
            read(outside)


OTHERS = {"proscribe_channel", "proscribe_rollout", "proscribe_run"}  # a channel's own, and names of plugins


def test_what_the_playbooks_register_is_no_mistake(project: Path) -> None:
    """Facts, and what is given for one run, are beside the restrictions."""
    files = [*(project / "playbooks").rglob("*.yml"), *(project / "roles").rglob("tasks/*.yml")]
    words = {word for file in files for word in re.findall(r"\bproscribe_\w+", file.read_text(encoding="utf-8"))}
    registered = words - OTHERS - {PREFIX + name for name in RESTRICTIONS}
    assert len(registered) > 5
    read_restrictions(dict.fromkeys(registered, "x"), str)
