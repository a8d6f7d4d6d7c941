"""What an export says that a point does not get, and what of a plan is no part of an export."""

from __future__ import annotations

from typing import Any

import pytest
from made_export import decision, plan
from proscribe.controller.enforcement_points import browsers
from proscribe.controller.enforcement_points.declaration import Decision, LeftOut
from proscribe.host.controls.group_policy import policies

TEAMS = "Teams: chats with people who have private accounts"
BOTH = {
    "onedrive_personal": ("microsoft", "OneDrive: accounts of other organisations"),
    "teams_personal": ("microsoft", "Teams: private accounts, and those of other organisations"),
    "google_drive": ("google", "Google Drive for desktop: all accounts"),
}


def of_browsers(services: dict[str, Any], **settings: Any) -> Decision:
    made = plan({"browser": {id_: {"domains": [], "urls": [], "allow": [], **one} for id_, one in services.items()}})
    made["controls"]["browser"]["settings"] |= settings
    return decision(made)


@pytest.mark.parametrize("mode", ["enforce", "audit", "report"])
@pytest.mark.parametrize("named", [(), ("google",), ("google", "microsoft")])
@pytest.mark.parametrize("id_", [*BOTH, "owl"])
def test_programs_that_serve_both_kinds_of_account_are_closed_by_tenant(
    id_: str, named: tuple[str, ...], mode: str
) -> None:
    found = browsers.accounts_left_out(of_browsers({id_: {"mode": mode}}, tenants=dict.fromkeys(named, ["x"])))
    provider, what = BOTH.get(id_, ("", ""))
    said = [what] * (bool(what) and mode != "report" and provider not in named)
    said += [TEAMS] * (id_ == "teams_personal" and mode != "report")
    assert [(one.rule, one.what) for one in found] == [(f"browser/{id_}", one) for one in said]


def test_what_browsers_do_not_get_is_said_by_service() -> None:
    a_decision = of_browsers(
        {
            "wren": {"mode": "enforce"},
            "tern": {"mode": "report"},
            "owl": {"mode": "enforce", "extensions": {"firefox": ["o@o.example"]}},
            "heron": {"mode": "audit", "domains": [f"heron{number}.example" for number in range(998)]},
            "egret": {"mode": "report", "domains": [f"egret{number}.example" for number in range(1002)]},
        }
    )
    full = "The lists of browsers take 1000 names. Exports for name servers and proxies have all of them."
    chrome = [one for one in policies.PROGRAMS if one.id == "google_chrome"]
    found = browsers.left_out(a_decision, "Mars", chrome)
    assert found[0] == LeftOut("browser/wren", "the service", "The catalogue has no site and no extension of it.")
    assert found[1] == LeftOut("browser/heron", "2 names", full)
    unknown = "Nobody has verified where they read policies on Mars. This export is for Google Chrome."
    assert found[2:] == [LeftOut("", "other browsers", unknown)]
    assert browsers.left_out(a_decision, "", chrome)[-1].why == "This export is for Google Chrome."
    assert [rule for rule in browsers.included(a_decision) if rule[8:] in ("wren", "tern", "owl", "heron")] == [
        *("browser/heron", "browser/owl")
    ]
