"""The places where browsers read policies, out of the catalogue: one entry a file, whoever reads it."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from made import catalogue, service
from made_catalogue import OWN, Made
from proscribe.controller.compile.catalogue.loading import Browser, Catalogue, load
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.plans.browsers import open_names, places, unlisted
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.enforcement_points.decision import decide
from proscribe.controller.enforcement_points.formats import rpz
from proscribe.host.controls.browser.rendering import rules

NOW = datetime.datetime(2026, 11, 29, tzinfo=datetime.timezone.utc)
MANAGED = "policies/managed/proscribe.json"
THUNDERBIRDS = [f"/var/lib/flatpak/app/{who}.Thunderbird" for who in ("org.mozilla", "net.thunderbird")]


def in_flatpak(app: str) -> str:
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
        (in_flatpak("org.mozilla.firefox"), "firefox", "firefox", ["/var/lib/flatpak"]),
        (in_flatpak("net.thunderbird.Thunderbird"), "thunderbird", "thunderbird", THUNDERBIRDS),
    ],
)
def test_a_place_of_the_project_s_own_catalogue(
    own: dict[str, dict[str, Any]], path: str, family: str, first: str, present: list[str] | None
) -> None:
    """A place is called after the browser that reads it and stands first in the file, whoever else comes to read it."""
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
        ("/etc/firefox/policies/policies.json", {"snaps": ["firefox"]}),
        (in_flatpak("org.mozilla.firefox"), {"flatpaks": ["org.mozilla.firefox"]}),
        # Not ungoogled Chromium's Flatpak: where that reads policies is known, from one source.
        (f"/etc/chromium/{MANAGED}", {"elsewhere": ["flatpak com.vivaldi.Vivaldi", "snap vivaldi"]}),
        (f"/etc/brave/{MANAGED}", {"flatpaks": ["com.brave.Browser"], "elsewhere": ["snap brave"]}),
        ("/etc/thunderbird/policies/policies.json", {}),
    ],
)
def test_which_packagings_read_a_place_and_of_which_nobody_knows(
    own: dict[str, dict[str, object]], path: str, packaged: dict[str, list[str]]
) -> None:
    assert {key: own[path][key] for key in ("flatpaks", "snaps", "elsewhere") if key in own[path]} == packaged


def browser(id_: str, support: str = "chromium", **keys: Any) -> Browser:
    blank: dict[str, Any] = {key: {} for key in ("packages", "policy_dir", "policy_file", "unverified")}
    blank |= dict.fromkeys(("processes", "paths", "policy_fallbacks"), ())
    return Browser(**{**blank, "id": id_, "name": id_.title(), "policy_support": support, **keys})


EXTENSION = "/var/lib/flatpak/extension/x"
BROWSERS = [
    browser(
        "finch",
        processes=("finch", "both"),
        paths=("/opt/finch", "~/finch"),
        packages={"apt": ("finch",), "flatpak": ("org.Finch",), "snap": ("finch", "finch-beta")},
        policy_dir={"native": "/etc/finch", "snap": "/etc/finch"},
    ),
    browser(
        "dove",
        processes=("dove", "both"),
        paths=("/opt/dove", "/opt/finch"),
        packages={"flatpak": ("org.Dove",), "snap": ("dove",)},
        policy_dir={"native": "/etc/finch"},
        unverified={"policy_dir": {"flatpak": (EXTENSION, "/etc/dove")}},
    ),
    browser(
        "fox",
        "firefox",
        processes=("fox",),
        packages={"flatpak": ("org.Fox",)},
        policy_file={"native": "/etc/fox.json", "flatpak": f"{EXTENSION}/fox.json"},
        policy_fallbacks=("/usr/fox.json", "/usr/local/fox.json"),
    ),
    browser("vixen", "firefox", policy_file={"native": "/etc/fox.json"}, policy_fallbacks=("/usr/fox.json",)),
    browser("wren", paths=("~/wren",), unverified={"policy_file": {"native": ("/etc/wren.json",)}}),
    browser("robin", paths=("~/r", "/opt/robin"), unverified={"policy_file": {"native": ("/etc/robin.json",)}}),
    browser("bird", "thunderbird", packages={"snap": ("bird",)}, policy_file={"native": "/etc/bird.json"}),
    browser("tor", "none", processes=("tor",)),
]


PLACES = [
    {
        "id": "finch",
        "family": "chromium",
        "path": "/etc/finch/proscribe.json",
        "browsers": ["finch", "dove"],
        "programs": ["finch", "both", "dove"],
        "paths": ["/opt/finch", "/opt/dove"],
        "snaps": ["finch", "finch-beta"],
        "elsewhere": ["flatpak org.Finch", "snap dove"],
    },
    {
        "id": "fox",
        "family": "firefox",
        "path": "/etc/fox.json",
        "browsers": ["fox", "vixen"],
        "programs": ["fox"],
        "fallbacks": ["/usr/fox.json", "/usr/local/fox.json"],
    },
    {
        "id": "fox",
        "family": "firefox",
        "path": f"{EXTENSION}/fox.json",
        "browsers": ["fox"],
        "programs": ["fox"],
        "flatpaks": ["org.Fox"],
        "present": ["/var/lib/flatpak"],
    },
    {"id": "bird", "family": "thunderbird", "path": "/etc/bird.json", "browsers": ["bird"]},
    {
        "id": "dove",
        "family": "chromium",
        "path": f"{EXTENSION}/proscribe.json",
        "browsers": ["dove"],
        "programs": ["dove", "both"],
        "paths": ["/opt/dove", "/opt/finch"],
        "flatpaks": ["org.Dove"],
        "present": ["/var/lib/flatpak/app/org.Dove"],
    },
    {
        "id": "dove",
        "family": "chromium",
        "path": "/etc/dove/proscribe.json",
        "browsers": ["dove"],
        "programs": ["dove", "both"],
        "paths": ["/opt/dove", "/opt/finch"],
        "flatpaks": ["org.Dove"],
        "present": ["/opt/dove", "/opt/finch"],
    },
    {
        "id": "robin",
        "family": "chromium",
        "path": "/etc/robin.json",
        "browsers": ["robin"],
        "paths": ["/opt/robin"],
        "present": ["/opt/robin"],
    },
]


def test_all_places_of_a_catalogue() -> None:
    made = catalogue()
    made.browsers.update({one.id: one for one in BROWSERS})  # type: ignore[attr-defined]
    assert places(made) == PLACES


def section(blocked: int, *, tenants: bool = False, mode: str = "enforce") -> dict[str, Any]:
    entry = {"name": "Many", "mode": mode, "domains": [f"host{n}.example" for n in range(blocked)], "urls": []}
    few = {"name": "Few", "mode": mode, "domains": ["host1.example", "www.host2.example"], "urls": [], "allow": []}
    microsoft = {"microsoft": ["0" * 8]} if tenants else {}
    return {"services": {"many": {**entry, "allow": []}, "few": few}, "settings": {"tenants": microsoft}}


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (section(1000), 0),  # what another service's names cover is no entry of its own
        (section(999, tenants=True), 0),
        (section(1000, tenants=True), 1),  # Firefox needs one entry to refuse private accounts
        (section(1001), 1),
        (section(5000, mode="waived"), 0),
        (section(5000, mode="audit"), 4001),
    ],
)
def test_what_browsers_do_not_take_is_named_and_stops_nothing(made: dict[str, Any], count: int) -> None:
    found = unlisted(made, {})
    assert sum(map(len, found.values())) == count
    for id_, texts in found.items():
        made["services"][id_]["unlisted"] = texts
    assert len(rules({**made, "settings": {**made["settings"], "browsers": {}}}).block) <= 1000


def test_what_people_type_comes_first() -> None:
    """Front doors, pages, then in turn one name of each service, the shorter ones before."""
    typed, page = "a.very.long.name.example", "zoo.example/drive"
    cdn = [f"{number}.cdn.example" for number in range(2000)]
    zoo = {"mode": "enforce", "domains": [typed, *cdn, "zoo-cdn.example"], "urls": [page], "allow": []}
    made = section(10)
    made["services"]["zoo"] = zoo
    found = unlisted(made, {"zoo": (f"www.{typed}",)})
    assert set(found) == {"zoo"} and len(found["zoo"]) == 1013
    assert not {typed, page, "zoo-cdn.example"}.intersection(found["zoo"])


@pytest.mark.parametrize(
    ("dns", "left"),
    [
        ({}, ["a.example", "b.c.example", "d.example/x"]),
        ({"mode": "enforce", "domains": ["a.example", "c.example", "d.example"]}, ["d.example/x"]),
        ({"mode": "audit", "domains": ["a.example", "c.example"]}, ["a.example", "b.c.example", "d.example/x"]),
    ],
)
def test_the_dns_filter_closes_the_hosts_that_it_has_and_no_page(dns: dict[str, Any], left: list[str]) -> None:
    assert open_names(["a.example", "b.c.example", "d.example/x"], {"services": {"one": dns}}, "one") == left


def test_every_category_and_a_hundred_names_of_an_organisation_make_a_policy(own_catalogue: Catalogue) -> None:
    """Before, this stopped every run and every export."""
    own = service("own", domains=tuple(f"host{number}.example" for number in range(100)))
    both = dataclasses.replace(own_catalogue, services={**own_catalogue.services, "own": own})
    chosen = {"proscribe_categories": list(CATEGORIES), "proscribe_audiences": list(AUDIENCES)}
    plan = compile_plan(both, read_restrictions(chosen, str), [], datetime.date(2026, 11, 29))
    services = plan["controls"]["browser"]["services"]
    beyond = {id_: entry["unlisted"] for id_, entry in services.items() if "unlisted" in entry}
    assert sum(map(len, beyond.values())) >= 50
    assert len(rules(plan["controls"]["browser"]).block) == 1000
    assert not any(entry.get("open") for entry in services.values())  # the DNS filter has all of them
    doors = {door for one in both.services.values() for door in one.front_doors}
    assert not doors.intersection(*[set(texts) for texts in beyond.values()])
    left = rpz.render(decide({"host": plan}, NOW, "", ("dns",)))
    assert b"host99.example" in b"".join(left.files.values())


def test_a_browser_of_the_organisation_is_one_entry(tmp_path: Path) -> None:
    folder = Made(tmp_path)(
        """\
browsers:
  - id: owl
    name: Owl
    packages: {apt: [owl]}
    processes: [owl]
    policy_support: chromium
    policy_dir: {native: /etc/owl/policies/managed}
    sources: [a test]
""",
        "browsers.yml",
    )
    owl: dict[str, object] = {"id": "owl", "family": "chromium", "path": f"/etc/owl/{MANAGED}"}
    owl |= {"browsers": ["owl"], "programs": ["owl"]}
    assert owl in places(load([OWN, folder]))
