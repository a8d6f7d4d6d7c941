"""The places where browsers read policies, out of the catalogue: one entry a file, whoever reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_catalogue import OWN, Made
from proscribe.compile.browsers import places, too_many_names
from proscribe.compile.catalogue import Catalogue, load

MANAGED = "policies/managed/proscribe.json"
LIKE_CHROMIUM = ["chromium", "helium", "ungoogled_chromium", "thorium", "vivaldi"]
THUNDERBIRDS = [f"/var/lib/flatpak/app/{who}.Thunderbird" for who in ("org.mozilla", "net.thunderbird")]


def in_flatpak(app: str) -> str:
    """The file of policies in an extension of an app."""
    return f"/var/lib/flatpak/extension/{app}.systemconfig/<arch>/<branch>/policies/policies.json"


@pytest.fixture(scope="module")
def own(own_catalogue: Catalogue) -> dict[str, dict[str, object]]:
    return {str(place["path"]): place for place in places(own_catalogue)}


@pytest.mark.parametrize(
    ("path", "family", "browsers", "present"),
    [
        (f"/etc/chromium/{MANAGED}", "chromium", LIKE_CHROMIUM, None),
        (f"/etc/chromium-browser/{MANAGED}", "chromium", ["chromium"], None),
        (f"/etc/opt/chrome/{MANAGED}", "chromium", ["google_chrome"], None),
        (f"/etc/opt/edge/{MANAGED}", "chromium", ["microsoft_edge"], None),
        (f"/etc/brave/{MANAGED}", "chromium", ["brave"], None),
        (f"/etc/opt/yandex/browser/{MANAGED}", "chromium", ["yandex_browser"], None),
        (f"/etc/vivaldi/{MANAGED}", "chromium", ["vivaldi"], ["/opt/vivaldi/vivaldi-bin"]),
        ("/etc/firefox/policies/policies.json", "firefox", ["firefox", "firefox_esr"], None),
        ("/etc/thunderbird/policies/policies.json", "thunderbird", ["thunderbird"], None),
        (in_flatpak("org.mozilla.firefox"), "firefox", ["firefox"], ["/var/lib/flatpak"]),
        (in_flatpak("net.thunderbird.Thunderbird"), "thunderbird", ["thunderbird"], THUNDERBIRDS),
    ],
)
def test_a_place_of_the_project_s_own_catalogue(
    own: dict[str, dict[str, object]], path: str, family: str, browsers: list[str], present: list[str] | None
) -> None:
    place = own[path]
    assert (place["family"], place["browsers"], place.get("present")) == (family, browsers, present)


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
        (f"/etc/brave/{MANAGED}", {"flatpaks": ["com.brave.Browser"], "elsewhere": ["snap brave"]}),
        ("/etc/thunderbird/policies/policies.json", {}),
    ],
)
def test_which_packagings_read_a_place_and_of_which_nobody_knows(
    own: dict[str, dict[str, object]], path: str, packaged: dict[str, list[str]]
) -> None:
    assert {key: own[path][key] for key in ("flatpaks", "snaps", "elsewhere") if key in own[path]} == packaged


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
        (section(1000, tenants=True), 1001),  # Firefox needs one entry to refuse private accounts
        (section(1001), 1001),
        (section(5000, mode="waived"), 0),
        (section(5000, mode="audit"), 5000),
    ],
)
def test_more_names_than_browsers_take_stop_the_run_before_any_host(made: dict[str, Any], count: int) -> None:
    errors = [str(error) for error in too_many_names(made, "proscribe_categories")]
    assert len(errors) == (count > 0)
    for line in errors:
        assert f"proscribe_categories: found {count} blocked names in the browsers' list, expected at most 1000" in line
        assert "the largest are many (" in line


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
