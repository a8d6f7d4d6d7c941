"""Plans of hosts: services that are chosen, warnings, places of browsers, notes of plans, departments."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from made import catalogue, service
from made_policy import restrictions
from proscribe.controller.compile.catalogue.loading import Browser, Catalogue
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.inventory.inventory import HostVariables, Question
from proscribe.controller.compile.plans.browsers import places
from proscribe.controller.compile.plans.cache import PlanCache
from proscribe.controller.compile.plans.chosen import chosen_services
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.plans.departments import departments_of, outermost
from proscribe.controller.compile.plans.hosts import Compiled
from proscribe.controller.compile.plans.unmanaged_browsers import unmanaged_browsers
from proscribe.controller.compile.plans.warnings import of_catalogue_age, of_policy, select_not_printed_today
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points.decision import decide
from proscribe.controller.enforcement_points.formats import rpz
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.name_closing import WITH_ALL_BELOW
from proscribe.host.controls.browser.other_controls import HostControls
from proscribe.host.controls.browser.rendering import fit_names
from proscribe.wire.store import Store

BODY = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ("a.example.org",)}}}}}
READ = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ["a.example.org"]}}}}}


def read_repeatedly(store: Store, state: bytes, times: int) -> tuple[list[dict[str, Any]], int]:
    """Return the plans of several runs, and how often a plan was compiled."""
    plans, compiled = [], []
    for _ in range(times):
        cache = PlanCache(store)
        plans.append(cache.body(state, "policy", True, lambda: compiled.append(1) or BODY))
        cache.note_down()
    return plans, len(compiled)


def test_same_policy_is_compiled_once_and_then_read_from_its_note(store):
    assert read_repeatedly(store, b"state", 3) == ([READ] * 3, 1)


def test_plan_without_a_hash_of_its_sources_is_not_noted(store):
    assert read_repeatedly(store, b"", 2) == ([BODY] * 2, 2)
    assert list(store.directory.iterdir()) == []


# -- departments


GROUPS = {
    "all": {"web1", "web2", "db1", "lap1"},
    "ungrouped": {"lap1"},
    "press": {"web1", "web2"},
    "press_desktops": {"web1"},
    "treasury": {"db1"},
}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (GROUPS, ["press", "treasury"]),
        ({"all": {"a"}, "ungrouped": {"a"}}, []),
        ({"a": {"1", "2"}, "b": {"2", "3"}, "c": {"2"}}, ["a", "b"]),
        ({"empty": set(), "press": {"1"}}, ["press"]),
        ({"departments": {"1", "2", "3"}, "press": {"1", "2"}, "treasury": {"3"}}, ["press", "treasury"]),
        ({"site": {"1", "2"}, "departments": {"1", "2"}, "press": {"1"}, "treasury": {"2"}}, ["press", "treasury"]),
        # One that has hosts of its own as well is a department around a team.
        ({"press": {"1", "2"}, "photographers": {"1"}}, ["press"]),
    ],
)
def test_the_outermost_groups_lie_within_no_other(groups, expected):
    assert outermost(groups) == expected


def test_only_hosts_of_the_run_count(tmp_path):
    groups = {name: frozenset(hosts) for name, hosts in GROUPS.items()}
    hosts = [HostVariables("web2", {}, {}, str(tmp_path))]
    question = Question(tmp_path, "audit", "audit", [str(tmp_path)], "", [], hosts, groups)
    assert departments_of(question) == {"press": ["web2"]}


# -- chosen services


MADE = catalogue(
    service("owl"),
    service("dodo", enforce=False),
    service("crow", category="social_media"),
    service("work", audience="enterprise"),
    service("both", audience="both", programs="both", tenants="google"),
)
KNOWN = {"packages": {"apt": ("x",)}, "networks": ("192.0.2.0/24",)}  # of a service, to apps and to firewall
SHARED = catalogue(
    service("own", **KNOWN),
    service("shared", **KNOWN, programs="both", tenants="google"),
    service("page", urls=("a.example/x",), domains=("a.example",)),
)
TENANTS = {"tenants": {"google": ["example.org"]}}
REMOVED = {"programs_for_both": "remove"}


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({}, "both crow- dodo- owl"),
        ({"services_include": ["dodo", "crow", "work"]}, "both crow dodo owl work"),
        ({"services_exclude": ["owl", "both"]}, "crow- dodo-"),
        ({"categories": ["social_media"]}, "crow"),
        ({"categories": [], "categories_reported": ["instant_messaging"]}, "both- dodo- owl-"),
        ({"audiences": ["enterprise"]}, "work"),
        ({"audiences": []}, ""),
    ],
)
def test_variables_choose_enforced_and_reported_services(values: dict[str, Any], chosen: str) -> None:
    found = chosen_services(MADE, restrictions(**values))
    assert [f"{one.id}{'' if enforced else '-'}" for one, enforced in found] == chosen.split()


@pytest.mark.parametrize(
    ("values", "key", "value", "expected"),
    [
        ({"services_include": ["owel"]}, "services_include", "owel", "a service of the catalogue, did you mean 'owl'?"),
        ({"services_exclude": ["xxxx"]}, "services_exclude", "xxxx", "a service of the catalogue"),
        ({"services_include": ["webmail"]}, "services_include", "webmail", "a service of the catalogue; 'webmail'"),
        ({"feeds": ["birds"]}, "feeds[0]", "birds", "a feed of the catalogue"),
    ],
)
def test_unknown_service_or_feed_is_a_mistake(values: dict[str, Any], key: str, value: str, expected: str) -> None:
    with pytest.raises(PolicyErrors) as wrong:
        chosen_services(MADE, restrictions(**values))
    (error,) = wrong.value.errors
    assert (error.where, error.key, error.value) == ("", f"proscribe_{key}", value)
    assert error.expected.startswith(expected)


@pytest.mark.parametrize(
    ("id_", "control", "values", "found"),
    [
        ("own", "apps", TENANTS, True),
        ("own", "apps", {"controls": {"apps": "off"}}, False),
        ("own", "firewall", {"controls": {"apps": "off"}}, True),
        ("own", "firewall", {"controls": {"firewall": "off"}}, False),
        ("shared", "apps", {}, False),  # its programs serve permitted accounts, too
        ("shared", "apps", REMOVED, True),
        ("shared", "firewall", {}, True),
        ("shared", "firewall", TENANTS, False),  # business accounts use its networks, too
        ("page", "apps", {}, False),
    ],
)
def test_service_for_groups_needs_programs_or_networks(
    id_: str, control: str, values: dict[str, Any], found: bool
) -> None:
    entry = {"services": [id_], "groups": ["guests"], "controls": [control]}
    own = restrictions(groups_restricted=[entry], **values)
    if found:
        assert (SHARED.services[id_], True) in chosen_services(SHARED, own)
        return
    with pytest.raises(PolicyErrors) as wrong:
        chosen_services(SHARED, own)
    (error,) = wrong.value.errors
    assert (error.key, error.value) == ("proscribe_groups_restricted[0].services[0]", id_)
    assert error.expected.startswith(f"a service of which {control} can find")


# -- warnings


NOW = datetime.datetime(2026, 11, 25, 8, tzinfo=datetime.timezone.utc)
OWL = service(
    "owl", checked="2026-11-20", packages={"apt": ("owl",)}, networks=("192.0.2.99/32",), networks_checked="2026-11-22"
)
FRESH = catalogue(OWL)
OLD = catalogue(OWL, service("parrot", checked="2026-06-01", networks=("192.0.2.0/28",), networks_checked="2026-05-01"))
BY_GROUP = {"groups_restricted": [{"services": ["owl"], "groups": ["guests"]}]}


def compile_warnings(
    of: dict[str, tuple[Catalogue, dict[str, Any]]], mode: str = "enforce", windows: tuple[str, ...] = ()
) -> list[str]:
    """Return the warnings for hosts, each with its catalogue and its variables."""
    own = {name: restrictions(**values) for name, (_, values) in of.items()}
    hosts = [HostVariables(name, {}, {}, ".") for name in of]
    question = Question(Path("/"), mode, mode, [], "", [], hosts, {}, windows=windows)
    catalogues = {name: made for name, (made, _) in of.items()}
    compiled = Compiled(catalogues, own, [], {}, {name: f"plan of {name}" for name in of}, {}, [], [])
    return [*of_policy(question, compiled), *of_catalogue_age(question, compiled, NOW, 180 * 86400)]


def test_a_reminder_is_printed_once_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path / "reports/plans")
    store.require()
    evening, night = NOW.replace(hour=23, minute=59), NOW + datetime.timedelta(days=1)
    calls = [(["old"], NOW), (["old"], NOW), (["old", "older"], evening), (["older", "old"], evening), (["old"], night)]
    printed = [select_not_printed_today(store, texts, moment) for texts, moment in calls]
    assert printed == [["old"], [], ["older"], [], ["old"]]


def test_unrestricted_service_may_be_old() -> None:
    assert compile_warnings({"a": (OLD, {"services_exclude": ["parrot"]})}) == []
    assert len(compile_warnings({"b": (OLD, {}), "a": (OLD, {"services_exclude": ["parrot"]})})) == 1


@pytest.mark.parametrize(
    ("mode", "windows", "lines"),
    [
        ("enforce", (), []),
        ("audit", ("w1", "w2"), []),
        ("enforce", ("w1",), ["w1"]),
        ("enforce", ("w1", "w2"), ["w1 (and 1 more)"]),
    ],
)
def test_windows_hosts_are_not_corrected(mode: str, windows: tuple[str, ...], lines: list[str]) -> None:
    assert [text.rpartition(": ")[2] for text in compile_warnings({"w1": (FRESH, {})}, mode, windows)] == lines


def test_controls_that_are_off_leave_services_open() -> None:
    off = {"controls": {"browser": "off"}}
    hosts = {
        "c": (FRESH, {**TENANTS, **off}),
        "a": (FRESH, {**TENANTS, **off}),
        "b": (FRESH, BY_GROUP),
        "e": (FRESH, {**BY_GROUP, **off}),
        "d": (FRESH, BY_GROUP),
    }
    apart, both, dns = compile_warnings(hosts)
    assert apart.startswith("proscribe_tenants") and "on a (and 1 more)" in apart
    assert "on b (and 1 more): browser and dns cannot" in both and "on e: dns cannot" in dns


def test_keys_that_nothing_reads_any_more_come_first_and_each_place_once() -> None:
    retired = dataclasses.replace(OLD, retired=("x.yml:1: engine", "x.yml:2: user_data"))
    first, second = compile_warnings({"a": (retired, {}), "b": (retired, {})})
    assert "engine" in first and "user_data" in first
    assert second.startswith("catalogue: 1 service")


# -- places of browsers


LATER = datetime.datetime(2026, 11, 29, tzinfo=datetime.timezone.utc)
MANAGED = "policies/managed/proscribe.json"
THUNDERBIRDS = [f"/var/lib/flatpak/app/{who}.Thunderbird" for who in ("org.mozilla", "net.thunderbird")]


def build_flatpak_path(app: str) -> str:
    """The file of policies in an extension of an app."""
    return f"/var/lib/flatpak/extension/{app}.systemconfig/<arch>/<branch>/policies/policies.json"


@pytest.fixture(scope="module")
def own(own_catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    return {str(place["path"]): place for place in places(own_catalogue)}


@pytest.mark.parametrize(
    ("path", "family", "first", "present"),
    [
        (f"/etc/chromium/{MANAGED}", "chromium", "chromium", None),
        (f"/etc/chromium-browser/{MANAGED}", "chromium", "chromium", None),
        (f"/etc/opt/chrome/{MANAGED}", "chromium", "google_chrome", None),
        (f"/etc/opt/edge/{MANAGED}", "chromium", "microsoft_edge", None),
        (f"/etc/brave/{MANAGED}", "chromium", "brave", None),
        (f"/etc/opt/yandex/browser/{MANAGED}", "chromium", "yandex_browser", None),
        (f"/etc/vivaldi/{MANAGED}", "chromium", "vivaldi", ["/opt/vivaldi/vivaldi-bin"]),
        ("/etc/firefox/policies/policies.json", "firefox", "firefox", None),
        ("/etc/thunderbird/policies/policies.json", "thunderbird", "thunderbird", None),
        (build_flatpak_path("org.mozilla.firefox"), "firefox", "firefox", ["/var/lib/flatpak"]),
        (build_flatpak_path("net.thunderbird.Thunderbird"), "thunderbird", "thunderbird", THUNDERBIRDS),
    ],
)
def test_place_is_named_after_its_first_browser(
    own: dict[str, dict[str, Any]], path: str, family: str, first: str, present: list[str] | None
) -> None:
    place = own[path]
    assert (place["family"], place["id"], place["browsers"][0], place.get("present")) == (family, first, first, present)


def test_firefox_reads_the_file_of_its_installation_where_there_is_no_other(own: dict[str, dict[str, object]]) -> None:
    assert own["/etc/firefox/policies/policies.json"]["fallbacks"] == [
        "/usr/lib/firefox/distribution/policies.json",
        "/usr/lib64/firefox/distribution/policies.json",
        "/usr/lib/firefox-esr/distribution/policies.json",
        "/usr/share/firefox-esr/distribution/policies.json",
    ]


def test_a_browser_that_no_policy_reaches_has_no_place(own: dict[str, dict[str, object]]) -> None:
    assert not [path for path, place in own.items() if "tor_browser" in str(place["browsers"])]


@pytest.mark.parametrize(
    ("path", "packaged"),
    [
        (f"/etc/opt/chrome/{MANAGED}", {"flatpaks": ["com.google.Chrome"]}),
        (f"/etc/chromium-browser/{MANAGED}", {"snaps": ["chromium"]}),
        (build_flatpak_path("org.mozilla.firefox"), {"flatpaks": ["org.mozilla.firefox"]}),
        # Not ungoogled Chromium's Flatpak: where that reads policies is known, from one source.
        (f"/etc/chromium/{MANAGED}", {"elsewhere": ["flatpak com.vivaldi.Vivaldi", "snap vivaldi"]}),
        (f"/etc/brave/{MANAGED}", {"flatpaks": ["com.brave.Browser"], "elsewhere": ["snap brave"]}),
        ("/etc/thunderbird/policies/policies.json", {}),
    ],
)
def test_place_names_the_packagings_that_read_it(
    own: dict[str, dict[str, object]], path: str, packaged: dict[str, list[str]]
) -> None:
    assert {key: own[path][key] for key in ("flatpaks", "snaps", "elsewhere") if key in own[path]} == packaged


def compile_every_category(own_catalogue: Catalogue) -> dict[str, Any]:
    """Compile the plan of all categories with a service of the organisation that has a hundred names."""
    own = service("own", domains=tuple(f"host{number}.example" for number in range(100)))
    both = dataclasses.replace(own_catalogue, services={**own_catalogue.services, "own": own})
    chosen = {"proscribe_categories": list(CATEGORIES), "proscribe_audiences": list(AUDIENCES)}
    return compile_plan(both, read_restrictions(chosen, str), [], datetime.date(2026, 11, 29))


def test_every_category_and_a_hundred_names_of_an_organisation_make_a_policy(own_catalogue: Catalogue) -> None:
    plan = compile_every_category(own_catalogue)
    of = fit_names(plan["controls"]["browser"], HostControls(plan, lambda: WITH_ALL_BELOW))
    assert (sum(of.listed.names.values()), len(of.left_out) > 20) == (1000, True)
    doors = {door for one in own_catalogue.services.values() for door in one.front_doors}
    assert not doors.intersection(str(one) for names in of.left_out.values() for one in names)
    assert Desired(plan, HostControls(plan, lambda: WITH_ALL_BELOW)).open_names() == {}  # the DNS filter has all
    zone_files = rpz.render(decide({"host": plan}, LATER, "", ("dns",)))
    assert b"host99.example" in b"".join(zone_files.files.values())


# -- unmanaged browsers


def browser(id_: str, support: str, **keys: Any) -> Browser:
    blank: dict[str, Any] = {"packages": {}, "processes": (), "paths": ()}
    more: dict[str, Any] = {"policy_dir": {}, "policy_file": {}, "policy_fallbacks": (), "unverified": {}}
    return Browser(**{**blank, **more, "id": id_, "name": id_.title(), "policy_support": support, **keys})


def test_unmanaged_browsers_are_scanned_for_without_shared_names() -> None:
    made = catalogue(
        service("relay", packages={"apt": ("finch-relay",)}, processes=("relayed",), paths=("/opt/relay/finch",))
    )
    browsers = [
        browser("chrome", "chromium", packages={"apt": ("chrome",)}, processes=("chrome", "both"), paths=("/opt/c",)),
        browser("fox", "firefox", processes=("fox", "relayed")),
        browser("bird", "thunderbird", processes=("bird",)),
        browser(
            "finch",
            "none",
            packages={"apt": ("finch", "finch-relay"), "rpm": ("finch",)},
            processes=("finch", "both", "relayed"),
            paths=("/opt/finch", "/opt/relay/finch"),
        ),
        browser("dove", "none", packages={"apt": ("dove",)}, processes=("dove", "finch"), paths=("/opt/dove",)),
    ]
    made.browsers.update({one.id: one for one in browsers})  # type: ignore[attr-defined]
    expected = {
        "name": "Browsers that no policy reaches",
        "mode": "audit",
        "packages": {"apt": ["finch", "dove"], "rpm": ["finch"]},
        "processes": ["dove", "finch"],
        "paths": ["/opt/dove", "/opt/finch"],
        "copies": ["both", "chrome", "fox"],
    }
    assert unmanaged_browsers(made, "audit", made.services.values()) == expected
    without = unmanaged_browsers(made, "report", [])
    assert (without["mode"], without["paths"]) == ("report", ["/opt/dove", "/opt/finch", "/opt/relay/finch"])
    assert without["packages"] == {"apt": ["finch", "finch-relay", "dove"], "rpm": ["finch"]}
    assert without["copies"] == ["both", "chrome", "fox", "relayed"]
