"""The places where browsers read policies, out of the catalogue: one entry a file, whoever reads it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import pytest
from made import service
from proscribe.controller.compile.catalogue.loading import Browser, Catalogue
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.plans.browsers import places
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.compile.waivers.waiver import Waiver
from proscribe.controller.enforcement_points.decision import decide
from proscribe.controller.enforcement_points.formats import rpz
from proscribe.host.controls.browser.desired import Desired
from proscribe.host.controls.browser.name_closing import WITH_ALL_BELOW
from proscribe.host.controls.browser.other_controls import HostControls
from proscribe.host.controls.browser.rendering import fit_names

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


def every_category(own_catalogue: Catalogue, waivers: Sequence[Waiver] = (), names: int = 100) -> dict[str, Any]:
    """The plan of all categories, and of a service of the organisation with so many names."""
    own = service("own", domains=tuple(f"host{number}.example" for number in range(names)))
    both = dataclasses.replace(own_catalogue, services={**own_catalogue.services, "own": own})
    chosen = {"proscribe_categories": list(CATEGORIES), "proscribe_audiences": list(AUDIENCES)}
    return compile_plan(both, read_restrictions(chosen, str), list(waivers), datetime.date(2026, 11, 29))


def test_every_category_and_a_hundred_names_of_an_organisation_make_a_policy(own_catalogue: Catalogue) -> None:
    """Before, this stopped every run and every export."""
    plan = every_category(own_catalogue)
    of = fit_names(plan["controls"]["browser"], HostControls(plan, lambda: WITH_ALL_BELOW))
    assert (sum(of.listed.names.values()), len(of.left_out) > 20) == (1000, True)
    doors = {door for one in own_catalogue.services.values() for door in one.front_doors}
    assert not doors.intersection(str(one) for names in of.left_out.values() for one in names)
    assert Desired(plan, HostControls(plan, lambda: WITH_ALL_BELOW)).open_names() == {}  # the DNS filter has all
    left = rpz.render(decide({"host": plan}, NOW, "", ("dns",)))
    assert b"host99.example" in b"".join(left.files.values())
