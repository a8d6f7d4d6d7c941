"""A plan as a whole: every setting that its restrictions decide, in force and before; and what waivers make of it."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from made import catalogue, service
from made_waivers import WAIVER
from proscribe.controller.compile.catalogue.release import Release
from proscribe.controller.compile.plans.compiling import compile_body, upcoming_services
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.host.controls.apps.requests.command_text import digest

BEGINS = datetime.date(2026, 11, 25)
KNOWN = {"packages": {"apt": ("x",)}, "networks": ("192.0.2.0/24",), "domains": ("owl.example",)}
MADE = dataclasses.replace(catalogue(service("owl", **KNOWN)), release=Release("2026.11.1", "2026-11-02"))
RULE = {"direction": "out", "verdict": "reject"}
ALL_OF_IT = {"protocol": "any", "addresses": [], "ports": [], "comment": ""}
SAID: dict[str, Any] = {
    "effective_from": BEGINS.isoformat(),
    "contact": "the desk",
    "request_url": "https://ask.example.org/",
    "watch": "5m",
    "watch_max_age": "2d",
    "user_notice": "Yours was removed.",
    "refusal_notice": "Ask.",
    "end_grace": 9,
    "quarantine_keep": "3d",
    "exec_control": "fapolicyd",
    "applocker": "enforce",
    "full_scan_every": 4,
    "network_homes": "scan",
    "unmanaged_browsers": "audit",
    "browser_settings": {"proxies": "unmanaged"},
    "browser_extensions_allowed": ["a" * 32],
    "tenants": {"google": ["example.org"]},
    "management": ["192.0.2.1"],
    "firewall_rules": [RULE],
    "firewall_quic": "blocked",
    "firewall_log": False,
    "firewall_confirm_within": 30,
    "dns_backend": "hosts",
    "dns_upstreams": ["192.0.2.53"],
    "dns_force": True,
}


def compiled(*waivers: Waiver, made: Any = MADE, today: datetime.date = BEGINS, **more: Any) -> dict[str, Any]:
    values = {f"proscribe_{name}": value for name, value in {**SAID, **more}.items()}
    return compile_body(made, read_restrictions(values, str), waivers, today)


def settings(**more: Any) -> dict[str, dict[str, Any]]:
    return {control: section["settings"] for control, section in compiled(**more)["controls"].items()}


BLOCKED = "dns_over_https extensions proxy_extensions sign_in browser_vpn tor_windows remote_debugging"
UNMANAGED = {"name": "Browsers that no policy reaches", "packages": {}, "processes": [], "paths": [], "copies": []}
IN_FORCE = {
    "apps": {
        "user_notice": "Yours was removed.",
        "refusal_notice": "Ask.",
        "grace": 9,
        "quarantine_keep": 3 * 86400,
        "exec_control": "fapolicyd",
        "applocker": "enforce",
        "full_scan_every": 4,
        "network_homes": "scan",
        "requests": digest(),
        "unmanaged_browsers": {**UNMANAGED, "mode": "audit"},
    },
    "browser": {
        "browsers": dict.fromkeys(BLOCKED.split(), "blocked"),
        "extensions_allowed": ["a" * 32],
        "tenants": {"google": ["example.org"]},
    },
    "firewall": {
        "dns_over_tls": "blocked",
        "quic": "blocked",
        "log": False,
        "confirm_within": 30,
        "rules": [{**RULE, **ALL_OF_IT}],
        "management": ["192.0.2.1/32"],
        "force_dns": True,
    },
    "dns": {"backend": "hosts", "upstreams": ["192.0.2.53"]},
}
APPS = {key: value for key, value in IN_FORCE["apps"].items() if key != "requests"}
UPCOMING = {
    "apps": {**APPS, "exec_control": "off", "unmanaged_browsers": {**UNMANAGED, "mode": "report"}},
    "browser": {"browsers": {}, "extensions_allowed": [], "tenants": {}},
    "firewall": {
        **IN_FORCE["firewall"],
        "dns_over_tls": "unmanaged",
        "quic": "unmanaged",
        "rules": [],
        "force_dns": False,
    },
    "dns": IN_FORCE["dns"],
}


def test_the_settings_of_each_control_in_force_and_before() -> None:
    assert settings() == IN_FORCE
    assert settings(today=BEGINS - datetime.timedelta(days=1)) == UPCOMING


@pytest.fixture
def waiver(tmp_path: Path) -> Any:
    """A waiver for owl, with some of its fields changed."""
    (tmp_path / "w1.yml").write_text(yaml.safe_dump({**WAIVER, "services": ["owl"]}), encoding="utf-8")
    read = read_waiver(tmp_path / "w1.yml")
    return lambda id_, **changes: dataclasses.replace(read, id=id_, **changes)


HOURS = {"hours": ("mon 09:00-10:00",)}
WINDOWS = [[0, 540, 600]]


@pytest.mark.parametrize(
    ("waivers", "standing"),
    [
        ({}, {"mode": "enforce"}),
        ({"a": {"controls": ("apps",)}}, {"mode": "enforce"}),
        ({"a": {}}, {"mode": "waived", "waiver": "a"}),
        ({"a": {}, "b": {}, "c": HOURS}, {"mode": "waived", "waiver": "b"}),
        ({"a": HOURS}, {"mode": "waived", "waiver": "a", "hours": WINDOWS, "otherwise": "enforce"}),
        (
            {"b": HOURS, "c": {"users": ("alice",)}, "a": HOURS},
            {
                "mode": "waived",
                "waiver": "a",
                "hours": WINDOWS,
                "otherwise": "enforce",
                "exceptions": [{"waiver": "b", "hours": WINDOWS}, {"waiver": "c", "users": ["alice"]}],
            },
        ),
        (
            {"b": {"users": ("alice",), **HOURS}, "a": {"posix_groups": ("press",)}},
            {
                "mode": "enforce",
                "exceptions": [
                    {"waiver": "a", "users": [], "posix_groups": ["press"]},
                    {"waiver": "b", "users": ["alice"], "hours": WINDOWS},
                ],
            },
        ),
    ],
)
def test_what_waivers_make_of_a_service(waivers: dict[str, Any], standing: dict[str, Any], waiver: Any) -> None:
    of = [waiver(id_, **{"controls": ("firewall",), **changes}) for id_, changes in waivers.items()]
    entry = compiled(*of)["controls"]["firewall"]["services"]["owl"]
    assert entry == {**standing, "name": "Owl", "networks": ["192.0.2.0/24"], "ports": []}


def test_a_watching_host_knows_the_waivers_that_its_plan_names(waiver: Any) -> None:
    everything = ("apps", "browser", "firewall", "dns")
    whole = waiver("a", controls=everything, request="00c0ffee00c0ffee", users=())
    part = waiver("b", controls=("firewall",), users=("alice",), posix_groups=("press",))
    named = compiled(whole, part, waiver("c", services=("nosuch",)))["waivers"]
    assert named == {
        "a": {"expires": "2026-12-31T10:00:00Z", "users": [], "services": ["Owl"], "request": "00c0ffee00c0ffee"}
    }
    named, closed = compiled(part)["waivers"], "programs, pages in browsers, names (DNS)"
    assert named == {
        "b": {
            "expires": "2026-12-31T10:00:00Z",
            "users": ["alice"],
            "services": ["Owl"],
            "posix_groups": ["press"],
            "limits": f"open: network addresses; closed to everybody on this host: {closed}",
        }
    }
    assert "waivers" not in compiled(part, watch="off") and "waivers" not in compiled()


def test_what_is_announced() -> None:
    plan = compiled(today=BEGINS - datetime.timedelta(days=1))
    assert upcoming_services(plan) == [
        {"service": "owl", "control": control, "effective_from": BEGINS.isoformat()}
        for control in ("apps", "browser", "firewall", "dns")
    ]
    assert upcoming_services(compiled()) == []


def test_a_service_that_a_control_leaves_alone_hides_none_after_it() -> None:
    made = catalogue(service("ant"), service("bee", **KNOWN), service("owl", **{**KNOWN, "domains": ("owl.example",)}))
    by_group = [{"services": ["bee"], "groups": ["guests"], "controls": ["apps"]}]
    plan = compiled(made=made, groups_restricted=by_group, controls={"browser": "off", "dns": "off"})
    assert {control: [*section["services"]] for control, section in plan["controls"].items()} == {
        "apps": ["bee", "owl"],
        "firewall": ["owl"],
    }
    assert {control: section["nothing_known"] for control, section in plan["controls"].items()} == {
        "apps": ["ant"],
        "firewall": ["ant"],
    }
