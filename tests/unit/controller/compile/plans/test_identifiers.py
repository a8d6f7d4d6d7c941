"""What a plan says to `apps` beyond packages and programs: web addresses, browsers without policies."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions

AFTER, BEFORE = datetime.date(2026, 1, 1), datetime.date(2024, 1, 1)


@pytest.fixture
def apps(own_catalogue: Catalogue) -> Callable[..., dict[str, Any]]:
    """Makes what a plan says to `apps`, on a day and with restrictions."""

    def made(today: datetime.date = AFTER, **chosen: Any) -> dict[str, Any]:
        restrictions = read_restrictions({f"proscribe_{name}": value for name, value in chosen.items()}, str)
        section: dict[str, Any] = compile_plan(own_catalogue, restrictions, [], today)["controls"]["apps"]
        return section

    return made


def test_no_two_services_have_one_name_on_windows(own_catalogue: Catalogue) -> None:
    """One program would be evidence of both."""
    services: dict[tuple[str, str], set[str]] = {}
    for service in own_catalogue.services.values():
        named = {
            "image": service.windows_processes,
            "app": service.packages.get("appx", ()),
            **service.windows_registered,
        }
        for kind, names in named.items():
            for name in names:
                services.setdefault((kind, name.casefold()), set()).add(service.id)
    assert len(services) > 200 and not {name: ids for name, ids in services.items() if len(ids) > 1}


@pytest.mark.parametrize(
    ("today", "chosen", "mode"),
    [
        (AFTER, {}, "report"),
        (AFTER, {"controls": {"dns": "audit"}}, "audit"),
        (AFTER, {"controls": {"firewall": "off"}}, "audit"),
        (AFTER, {"controls": {"browser": "off"}}, "report"),
        (AFTER, {"controls": {"dns": "off"}, "unmanaged_browsers": "report"}, "report"),
        (AFTER, {"unmanaged_browsers": "audit"}, "audit"),
        (BEFORE, {"controls": {"dns": "off"}}, "report"),
    ],
)
def test_browsers_without_policies(apps, today, chosen, mode):
    browsers = apps(today, **chosen)["settings"]["unmanaged_browsers"]
    assert browsers["mode"] == mode
    assert "dillo" in browsers["packages"]["apt"] and "qutebrowser" in browsers["processes"]
    assert "firefox" in browsers["copies"] and "firefox" not in browsers["processes"]
