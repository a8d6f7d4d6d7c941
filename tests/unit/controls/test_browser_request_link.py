"""The link to an organisation's page for requests in Firefox, which has one place for it: the menu Help."""

from __future__ import annotations

import json
from typing import Any

import pytest
from proscribe.controls.browser import firefox, firefox_merge
from proscribe.controls.browser.rendering import Name, Rules

URL = "https://help.example.org/ask"
MENU = {"Title": "Request an exception", "URL": URL}


def said(**rules: Any) -> dict[str, Any]:
    made = Rules(block=(Name("parrot.example"),), **rules)
    place: Any = None  # no setting is managed, so none is about a place
    return firefox.policies(made, place, firefox.lists(made))


@pytest.mark.parametrize(("url", "expected"), [(URL, MENU), ("", None)])
def test_it_is_there_where_the_organisation_has_a_page(url: str, expected: Any) -> None:
    assert said(request_url=url).get("SupportMenu") == expected


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({}, MENU),
        ({"SupportMenu": {}}, MENU),
        ({"SupportMenu": {"Title": "Ours", "URL": "https://x"}}, {"Title": "Ours", "URL": "https://x"}),
    ],
)
def test_an_entry_of_the_organisations_own_stays(theirs: dict[str, Any], expected: Any) -> None:
    merged = firefox_merge.merge({"policies": theirs}, said(request_url=URL))
    assert merged["policies"]["SupportMenu"] == expected
    json.dumps(merged)
