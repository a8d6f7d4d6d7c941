"""The places where browsers read policies, out of the catalogue: one entry a file, whoever reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_catalogue import OWN, Made
from proscribe.compile.browsers import places, too_many_names
from proscribe.compile.catalogue import Catalogue, load


@pytest.fixture(scope="module")
def own(own_catalogue: Catalogue) -> dict[str, dict[str, object]]:
    return {str(place["path"]): place for place in places(own_catalogue)}


@pytest.mark.parametrize(
    ("path", "family", "browsers", "present"),
    [
        (
            "/etc/chromium/policies/managed/proscribe.json",
            "chromium",
            ["chromium", "helium", "ungoogled_chromium", "thorium", "vivaldi"],
            None,
        ),
        ("/etc/chromium-browser/policies/managed/proscribe.json", "chromium", ["chromium"], None),
        ("/etc/opt/chrome/policies/managed/proscribe.json", "chromium", ["google_chrome"], None),
        ("/etc/opt/edge/policies/managed/proscribe.json", "chromium", ["microsoft_edge"], None),
        ("/etc/brave/policies/managed/proscribe.json", "chromium", ["brave"], None),
        ("/etc/opt/yandex/browser/policies/managed/proscribe.json", "chromium", ["yandex_browser"], None),
        ("/etc/vivaldi/policies/managed/proscribe.json", "chromium", ["vivaldi"], ["/opt/vivaldi/vivaldi-bin"]),
        ("/etc/firefox/policies/policies.json", "firefox", ["firefox", "firefox_esr"], None),
        ("/etc/thunderbird/policies/policies.json", "thunderbird", ["thunderbird"], None),
        (
            "/var/lib/flatpak/extension/org.mozilla.firefox.systemconfig/<arch>/<branch>/policies/policies.json",
            "firefox",
            ["firefox"],
            ["/var/lib/flatpak"],
        ),
        (
            "/var/lib/flatpak/extension/net.thunderbird.Thunderbird.systemconfig/<arch>/<branch>/policies/policies.json",
            "thunderbird",
            ["thunderbird"],
            ["/var/lib/flatpak/app/org.mozilla.Thunderbird", "/var/lib/flatpak/app/net.thunderbird.Thunderbird"],
        ),
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
        ("/etc/opt/chrome/policies/managed/proscribe.json", {"flatpaks": ["com.google.Chrome"]}),
        ("/etc/chromium-browser/policies/managed/proscribe.json", {"snaps": ["chromium"]}),
        ("/etc/firefox/policies/policies.json", {"snaps": ["firefox"]}),
        (
            "/var/lib/flatpak/extension/org.mozilla.firefox.systemconfig/<arch>/<branch>/policies/policies.json",
            {"flatpaks": ["org.mozilla.firefox"]},
        ),
        (
            "/etc/brave/policies/managed/proscribe.json",
            {"flatpaks": ["com.brave.Browser"], "elsewhere": ["snap brave"]},
        ),
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
    owl: dict[str, object] = {
        "id": "owl",
        "family": "chromium",
        "path": "/etc/owl/policies/managed/proscribe.json",
        "browsers": ["owl"],
    }
    owl["programs"] = ["owl"]
    assert owl in places(load([OWN, folder]))
