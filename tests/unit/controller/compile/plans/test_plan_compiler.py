"""Compilation of plans."""

import dataclasses
import datetime
import json
import time
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made import catalogue, service
from proscribe.controller.compile.catalogue.release import CatalogueRelease
from proscribe.controller.compile.controls.compiler import is_below
from proscribe.controller.compile.plans import difference, plan_compiler
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.document import read_waiver
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.host.controls.apps.requests.command_text import hash_command
from proscribe.model.plan import RESTRICTED_MODES
from proscribe.model.plan_hours import resolve_hours
from waiver_organisation import WAIVER

TODAY = datetime.date(2026, 11, 25)
CATALOGUE = catalogue(
    service("gmail", category="webmail", audience="both", domains=("mail.google.com",), tenants="google"),
    service("outlook", category="webmail", domains=("outlook.live.com",)),
    service("wecom", domains=("work.weixin.qq.com",), audience="enterprise"),
)


def compile_today(*waivers: Waiver, **restrictions: object):
    read = read_restrictions({f"proscribe_{name}": value for name, value in restrictions.items()}, str)
    return plan_compiler.compile_plan(CATALOGUE, read, waivers, TODAY)


@pytest.mark.parametrize(
    ("restrictions", "browser"),
    [
        ({}, {"gmail": "enforce", "outlook": "enforce"}),
        ({"controls": {"browser": "audit"}}, {"gmail": "audit", "outlook": "audit"}),
        ({"tenants": {"google": ["example.org"]}}, {"outlook": "enforce"}),
    ],
)
def test_the_restrictions_choose_the_services(restrictions, browser):
    services = compile_today(**restrictions)["controls"]["browser"]["services"]
    assert {id_: entry["mode"] for id_, entry in services.items()} == browser


def test_permitted_service_stays_open_and_needs_no_waiver(waiver):
    made = catalogue(service("wechat", domains=("weixin.qq.com",)), CATALOGUE.services["wecom"])
    chosen = plan_compiler.compile_plan(made, read_restrictions({}, str), (), TODAY)["controls"]
    for control in ("browser", "dns"):
        assert chosen[control]["services"]["wechat"]["allow"] == ["work.weixin.qq.com"]
    assert compile_today(waiver("a", services=("wecom",))) == compile_today()


BEGINS = datetime.date(2026, 11, 25)
KNOWN = {"packages": {"apt": ("x",)}, "networks": ("192.0.2.0/24",), "domains": ("owl.example",)}
MADE = dataclasses.replace(catalogue(service("owl", **KNOWN)), release=CatalogueRelease("2026.11.1", "2026-11-02"))
RULE = {"direction": "out", "verdict": "reject"}
ALL_OF_IT = {"protocol": "any", "addresses": [], "ports": [], "comment": ""}
SAID: dict[str, Any] = {"effective_from": BEGINS.isoformat(), "contact": "the desk", "watch": "5m"}
SAID |= {"user_notice": "Yours was removed.", "refusal_notice": "Ask.", "request_url": "https://ask.example.org/"}
SAID |= {"watch_max_age": "2d", "end_grace": 9, "quarantine_keep": "3d", "exec_control": "fapolicyd"}
SAID |= {"applocker": "enforce", "full_scan_every": 4, "network_homes": "scan", "unmanaged_browsers": "audit"}
SAID |= {"browser_settings": {"proxies": "unmanaged"}, "browser_extensions_allowed": ["a" * 32]}
SAID |= {"tenants": {"google": ["example.org"]}, "management": ["192.0.2.1"], "firewall_rules": [RULE]}
SAID |= {"firewall_quic": "blocked", "firewall_log": False, "firewall_confirm_within": 30}
SAID |= {"dns_backend": "hosts", "dns_upstreams": ["192.0.2.53"], "dns_force": True}


def compile_owl(*waivers: Waiver, made: Any = MADE, today: datetime.date = BEGINS, **more: Any) -> dict[str, Any]:
    values = {f"proscribe_{name}": value for name, value in {**SAID, **more}.items()}
    return plan_compiler.compile_body(made, read_restrictions(values, str), waivers, today)


def settings(**more: Any) -> dict[str, dict[str, Any]]:
    return {control: section["settings"] for control, section in compile_owl(**more)["controls"].items()}


BLOCKED = "dns_over_https extensions proxy_extensions sign_in browser_vpn tor_windows remote_debugging"
UNMANAGED = {"name": "Browsers that no policy reaches", "packages": {}, "processes": [], "paths": [], "copies": []}
APPS: dict[str, Any] = {"user_notice": "Yours was removed.", "refusal_notice": "Ask.", "grace": 9, "full_scan_every": 4}
APPS |= {"quarantine_keep": 3 * 86400, "exec_control": "fapolicyd", "applocker": "enforce", "network_homes": "scan"}
APPS |= {"unmanaged_browsers": {**UNMANAGED, "mode": "audit"}}
FIREWALL: dict[str, Any] = {"dns_over_tls": "blocked", "quic": "blocked", "log": False, "confirm_within": 30}
FIREWALL |= {"rules": [{**RULE, **ALL_OF_IT}], "management": ["192.0.2.1/32"], "force_dns": True}
TENANTS = {"tenants": {"google": ["example.org"]}}
IN_FORCE = {
    "apps": {**APPS, "requests": hash_command()},
    "browser": {"browsers": dict.fromkeys(BLOCKED.split(), "blocked"), "extensions_allowed": ["a" * 32], **TENANTS},
    "firewall": FIREWALL,
    "dns": {"backend": "hosts", "upstreams": ["192.0.2.53"]},
}
NOT_YET = {"dns_over_tls": "unmanaged", "quic": "unmanaged", "rules": [], "force_dns": False}
UPCOMING = {
    "apps": {**APPS, "exec_control": "off", "unmanaged_browsers": {**UNMANAGED, "mode": "report"}},
    "browser": {"browsers": {}, "extensions_allowed": [], "tenants": {}},
    "firewall": {**FIREWALL, **NOT_YET},
    "dns": IN_FORCE["dns"],
}


def test_the_settings_of_each_control_in_force_and_before():
    assert settings() == IN_FORCE
    assert settings(today=BEGINS - datetime.timedelta(days=1)) == UPCOMING


WITHOUT_SCAN = {key: value for key, value in IN_FORCE["apps"].items() if key != "unmanaged_browsers"}
NOT_FORCED = {**IN_FORCE["firewall"], "force_dns": False}


@pytest.mark.parametrize(
    ("more", "control", "changed"),
    [
        ({"requests": False}, "apps", APPS),
        ({"unmanaged_browsers": "off"}, "apps", WITHOUT_SCAN),
        *((more, "firewall", NOT_FORCED) for more in ({"dns_force": False}, {"controls": {"dns": "audit"}})),
        ({"tenants": {}}, "browser", {**IN_FORCE["browser"], "tenants": {}}),
    ],
)
def test_one_variable_changes_one_control(more, control, changed):
    assert settings(**more) == {**IN_FORCE, control: changed}


def test_difference_has_a_whole_setting_that_comes():
    (change,) = difference.compare_plans(compile_owl(unmanaged_browsers="off"), compile_owl())
    assert change._replace(after="") == difference.PlanChange("apps", "setting", subject="unmanaged_browsers")
    assert json.loads(change.after) == {**UNMANAGED, "mode": "audit"}


def test_plan_has_these_parts_beside_its_controls():
    whole = {"schema": "proscribe/plan/1", "contact": "the desk", "browsers": [], "catalog": "2026.11.1"}
    whole |= {"request_url": "https://ask.example.org/", "watch": {"every": 300, "max_age": 2 * 86400}}
    assert {key: value for key, value in compile_owl().items() if key != "controls"} == whole
    bare = compile_owl(made=catalogue(), request_url="", watch="off")
    assert set(bare) == {"schema", "contact", "browsers", "controls"}


@pytest.fixture
def waiver(tmp_path):
    (tmp_path / "w1.yml").write_text(yaml.safe_dump({**WAIVER, "services": ["owl"]}), encoding="utf-8")
    read = read_waiver(tmp_path / "w1.yml")
    return lambda id_, **changes: dataclasses.replace(read, id=id_, **changes)


HOURS = {"hours": ("mon 09:00-10:00",)}
WINDOWS = [[0, 540, 600]]
IN_HOURS = {"mode": "waived", "waiver": "a", "hours": WINDOWS, "otherwise": "enforce"}
OTHERS = [{"waiver": "b", "hours": WINDOWS}, {"waiver": "c", "users": ["alice"]}]
FOR_A: dict[str, object] = {"waiver": "a", "users": [], "posix_groups": ["press"]}
FOR_B: dict[str, object] = {"waiver": "b", "users": ["alice"], "hours": WINDOWS}
FOR_SOME = {"mode": "enforce", "exceptions": [FOR_A, FOR_B]}
MODES_BY_WAIVERS = [
    ({}, {"mode": "enforce"}),
    ({"a": {"controls": ("apps",)}}, {"mode": "enforce"}),
    ({"a": {}}, {"mode": "waived", "waiver": "a"}),
    ({"a": {}, "b": {}, "c": HOURS}, {"mode": "waived", "waiver": "b"}),
    ({"a": HOURS}, IN_HOURS),
    ({"b": HOURS, "c": {"users": ("alice",)}, "a": HOURS}, {**IN_HOURS, "exceptions": OTHERS}),
    ({"b": {"users": ("alice",), **HOURS}, "a": {"posix_groups": ("press",)}}, FOR_SOME),
]


@pytest.mark.parametrize(("waivers", "standing"), MODES_BY_WAIVERS)
def test_waivers_decide_the_mode_of_a_service(waivers, standing, waiver):
    of = [waiver(id_, **{"controls": ("firewall",), **changes}) for id_, changes in waivers.items()]
    entry = compile_owl(*of)["controls"]["firewall"]["services"]["owl"]
    assert entry == {**standing, "name": "Owl", "networks": ["192.0.2.0/24"], "ports": []}


def test_a_watching_host_knows_the_waivers_that_its_plan_names(waiver):
    everything = ("apps", "browser", "firewall", "dns")
    whole = waiver("a", controls=everything, request="00c0ffee00c0ffee", users=())
    part = waiver("b", controls=("firewall",), users=("alice",), posix_groups=("press",))
    named = {"expires": "2026-12-31T10:00:00Z", "services": ["Owl"]}
    waivers = compile_owl(whole, part, waiver("c", services=("nosuch",)))["waivers"]
    assert waivers == {"a": {**named, "users": [], "request": "00c0ffee00c0ffee"}}
    closed = "programs, pages in browsers, names (DNS)"
    limits = f"open: network addresses; closed to everybody on this host: {closed}"
    of_part = {**named, "users": ["alice"], "posix_groups": ["press"], "limits": limits}
    assert compile_owl(part)["waivers"] == {"b": of_part}
    assert "waivers" not in compile_owl(part, watch="off") and "waivers" not in compile_owl()


def test_a_service_that_a_control_leaves_alone_hides_none_after_it():
    bee = service("bee", **{**KNOWN, "domains": ("a.owl.example",)})
    made = catalogue(service("ant"), bee, service("owl", **KNOWN))
    by_group = [{"services": ["bee"], "groups": ["guests"], "controls": ["apps"]}]
    plan = compile_owl(made=made, groups_restricted=by_group, controls={"browser": "off", "dns": "off"})
    sections = plan["controls"]
    listed = {control: [*section["services"]] for control, section in sections.items()}
    assert listed == {"apps": ["bee", "owl"], "firewall": ["owl"]}
    assert sections["apps"]["nothing_known"] == sections["firewall"]["nothing_known"] == ["ant"]
    assert sections["apps"]["services"]["owl"]["web_allow"] == ["a.owl.example"], "whoever is no guest may open it"
    assert sections["apps"]["services"]["bee"]["only"] == {"posix_groups": ["guests"]}


class Entry(NamedTuple):
    """A made service: what it restricts, and whether it is restricted at all."""

    domains: tuple[str, ...]
    restricted: bool


LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
ENTRIES = st.builds(Entry, st.lists(LABELS, max_size=4).map(tuple), st.booleans())


@given(st.dictionaries(st.sampled_from("pqrst"), ENTRIES))
def test_a_permitted_name_below_a_restricted_one_is_let_through(made):
    services: dict[str, Any] = {
        id_: {"mode": RESTRICTED_MODES[0] if item.restricted else "report", "domains": list(item.domains)}
        for id_, item in made.items()
    }
    plan_compiler._allow_permitted_names(services, types.SimpleNamespace(services=made), "dns")  # type: ignore[arg-type]
    permitted = [name for item in made.values() if not item.restricted for name in item.domains]
    for id_, item in made.items():
        below = {name for name in permitted if is_below(name, item.domains) and name not in item.domains}
        assert services[id_].get("allow", []) == (sorted(below) if item.restricted else [])


ALL_DAY = [[day, 0, 1440] for day in range(7)]


@given(st.dictionaries(st.sampled_from("pqrst"), ENTRIES), st.sets(st.sampled_from("pqrst")), st.data())
def test_hours_come_to_what_is_compiled_without_them(made, timed, data):
    """Whichever services are open at a moment: others block and allow as if these were waived, and the rest not."""
    open_ = data.draw(st.sets(st.sampled_from(sorted(timed)))) if timed else set()

    def compiled(how: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        modes = {id_: how(id_) if item.restricted else {"mode": "report"} for id_, item in made.items()}
        services = {id_: {"domains": list(item.domains), **modes[id_]} for id_, item in made.items()}
        plan_compiler._allow_permitted_names(services, types.SimpleNamespace(services=made), "dns")  # type: ignore[arg-type]
        return services

    def waived(id_: str) -> dict[str, Any]:
        return {"mode": "waived", "waiver": "w"} if id_ in open_ else {"mode": "enforce"}

    def with_hours(id_: str) -> dict[str, Any]:
        hours = {"hours": ALL_DAY if id_ in open_ else [[0, 0, 1]], "otherwise": "enforce"}
        return {"mode": "waived", "waiver": "w", **hours} if id_ in timed else waived(id_)

    tuesday = time.struct_time((2026, 11, 24, 12, 0, 0, 1, 328, 0))
    resolved = resolve_hours({"controls": {"dns": {"services": compiled(with_hours)}}}, tuesday)
    now = resolved["controls"]["dns"]["services"]
    for id_, entry in compiled(waived).items():
        if entry["mode"] == "waived":  # nobody reads what a waived service allows
            entry["allow"] = now[id_]["allow"] = []
        assert now[id_] == entry
