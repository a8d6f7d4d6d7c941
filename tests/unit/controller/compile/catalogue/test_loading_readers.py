"""Every key of the catalogue has a reader: with another value of it, something else comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from made_catalogue import GOOD, Made, errors_of
from proscribe.controller.compile.catalogue.loading import load
from proscribe.controller.compile.catalogue.retired_keys import warning
from proscribe.controller.compile.catalogue.schema import BROWSER, FEED, SERVICE

CONTROL = {"headers": [{"name": "X-Parrot-Tenant"}]}
EXTENSION = "a" * 32
ACCEPTED = {"day": "2026-11-20", "until": "2027-05-01", "why": "nobody has a list"}

# What people read, in the file or as `./proscribe catalog show` prints it, and nothing else does anything with it.
SHOWN = {"vendor", "networks_note", "tenant_control", "retired", "notes", "sources"}
# By key: what an entry has beside it, and another value of it. What every entry has comes from GOOD.
SERVICES: dict[str, tuple[dict[str, Any], Any]] = {
    "id": ({}, "finch"),
    "name": ({}, "Finch"),
    "names": ({}, ["\u9e66\u9e49"]),
    "category": ({}, "ai_assistants"),
    "audience": ({}, "enterprise"),
    "enforce": ({}, "false"),
    "programs": ({}, "both"),
    "class": ({"networks": ["198.51.100.0/24"]}, "encrypted_dns"),
    "domains": ({}, ["finch.example"]),
    "urls": ({}, ["web.finch.example/chat"]),
    "mail_hosts": ({}, ["imap.finch.example"]),
    "shared_domains": ({}, ["files.example"]),
    "allow_domains": ({}, ["work.parrot.example"]),
    "networks": ({}, ["198.51.100.0/24"]),
    "packages": ({}, {"apt": ["finch"]}),
    "bundle_ids": ({}, ["com.example.Parrot"]),
    "signing_ids": ({}, ["EXAMPLE123:com.example.Parrot"]),
    "team_ids": ({}, ["EXAMPLE123"]),
    "processes": ({}, {"linux": ["parrot-desktop"]}),
    "paths": ({}, {"linux": ["/opt/Parrot/parrot"]}),
    "registered": ({}, {"keys": ["Parrot"]}),
    "publishers": ({}, {"programs": ["O=PARROT LTD, L=PERTH, C=AU"]}),
    "installers": ({}, ["ParrotSetup*.exe"]),
    "desktop_files": ({}, ["parrot.desktop"]),
    "markers": ({}, {"gecko": ["Parrot"]}),
    "browser_extensions": ({}, {"chrome": [EXTENSION]}),
    "tenants": ({"tenant_control": CONTROL}, "google"),
    "nxdomain_canaries": ({}, ["canary.example"]),
    "front_doors": ({}, ["parrot.example"]),
    "decided": ({"shared_domains": ["files.example"]}, [{"names": ["files.example"], "as": "shared", "why": "others"}]),
    "overlaps_with": ({"domains": ["shared.example"]}, ["magpie"]),
    "checked": ({}, "2026-11-20"),
    "networks_checked": ({"networks": ["198.51.100.0/24"]}, "2026-11-20"),
    "checked_accepted": ({"checked": "2024-01-01"}, ACCEPTED),
    "unverified": ({}, {"domains": ["files.example"]}),
}
BROWSERS: dict[str, tuple[dict[str, Any], Any]] = {
    "id": ({"policy_dir": {"native": "/etc/owl/policies/managed"}}, "owl"),
    "packages": ({"policy_support": "none"}, {"flatpak": ["example.owl.Owl"]}),
    "processes": ({}, ["owl"]),
    "paths": ({"policy_support": "none"}, ["/opt/owl/owl"]),
    "policy_support": ({}, "none"),
    "policy_dir": ({}, {"native": "/etc/owl/policies/managed"}),
    "policy_file": ({"policy_support": "firefox"}, {"native": "/etc/owl/policies.json"}),
    "policy_fallbacks": (
        {"policy_support": "firefox", "policy_file": {"native": "/etc/owl/policies.json"}},
        ["/opt/owl/distribution/policies.json"],
    ),
    "unverified": ({"paths": ["/opt/owl/owl"]}, {"policy_dir": {"native": ["/etc/owl/policies/managed"]}}),
}
BROWSER_SHOWN = {"name", "notes", "sources"}  # docs/browsers.md has the names
OWL = {
    "id": "kestrel",
    "name": "Kestrel",
    "packages": {"apt": ["kestrel"]},
    "processes": ["kestrel"],
    "policy_support": "chromium",
    "sources": ["a test"],
}
FEEDS: dict[str, tuple[dict[str, Any], Any]] = {
    "id": ({}, "finches"),
    "service": ({}, "magpie"),
    "kind": ({}, "networks"),
    "checked": ({}, "2026-11-20"),
    "checked_accepted": ({"checked": "2024-01-01"}, ACCEPTED),
}
FEED_SHOWN = {"name", "notes", "sources"}
BY_REFRESH = {"compared", "agreement", "replaces"}  # test_catalog_agreement.py, test_catalog_directories.py


def test_every_key_is_tried_or_is_for_people() -> None:
    assert SERVICES.keys() | SHOWN | {"compared"} == SERVICE.keys.keys()
    assert BROWSERS.keys() | BROWSER_SHOWN == BROWSER.keys.keys()
    assert FEEDS.keys() | FEED_SHOWN | BY_REFRESH == FEED.keys.keys()


def test_keys_of_earlier_versions_are_passed_over_and_named(tmp_path: Path) -> None:
    """A team's own entries load after an upgrade, as they did without these keys."""
    write = Made(tmp_path)
    without = load([write(GOOD, directory="without")])
    old = f"{GOOD}user_data: [~/.config/Parrot]\nunverified:\n  user_data: [~/.parrot]\n"
    write(yaml.safe_dump({"browsers": [OWL | {"engine": "blink", "user_data": ["~/.owl"]}]}), "browsers.yml")
    write("---\namends: parrot\nadd:\n  user_data: [~/x]\nsources: [a test]\n", "amends/parrot.yml")
    directory = write(old)
    catalogue = load([directory])
    assert catalogue.services["parrot"].unverified == {}
    assert catalogue.services["parrot"].domains == without.services["parrot"].domains
    file = directory / "instant_messaging/parrot.yml"
    assert {f"{file}:{line}: user_data" for line in (14, 16)} < set(catalogue.retired)
    assert len(catalogue.retired) == 5 and without.retired == ()
    assert warning(catalogue.retired).startswith("catalogue: nothing reads the keys engine and user_data any more")


def test_an_unknown_key_is_a_mistake_all_the_same(tmp_path: Path) -> None:
    assert [error.key for error in errors_of(Made(tmp_path)(f"{GOOD}user_dat: [~/x]\n"))] == ["user_dat"]
