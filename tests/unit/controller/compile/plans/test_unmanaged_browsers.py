"""Browsers that no policy reaches: what a host scans for, in the shape of a service."""

from __future__ import annotations

from typing import Any

from made import catalogue, service
from proscribe.controller.compile.catalogue.loading import Browser
from proscribe.controller.compile.plans.unmanaged_browsers import unmanaged_browsers


def browser(id_: str, support: str, **keys: Any) -> Browser:
    blank: dict[str, Any] = {"packages": {}, "processes": (), "paths": ()}
    more: dict[str, Any] = {"policy_dir": {}, "policy_file": {}, "policy_fallbacks": (), "unverified": {}}
    return Browser(**{**blank, **more, "id": id_, "name": id_.title(), "policy_support": support, **keys})


def test_what_is_scanned_for() -> None:
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
