"""docs/browsers.md says what the code says: each switch with its default, and each place with who reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from proscribe.compile.browsers import places
from proscribe.compile.catalogue import Catalogue
from proscribe.controls.browser.settings import EXTENSIONS, SETTINGS, SIGN_IN, Setting


@pytest.fixture(scope="module")
def page(project: Path) -> str:
    return (project / "docs" / "browsers.md").read_text(encoding="utf-8")


def rows(page: str, first: str) -> list[str]:
    """The rows of the table whose first column has that heading."""
    return re.findall(r"^\|.*\|$", page.split(f"\n| {first} |", 1)[1].split("\n\n", 1)[0], re.MULTILINE)[1:]


def policies(said: Any) -> Iterator[str]:
    """The policies of a row, each with its value."""
    for name, value in said.items():
        if name == "Preferences":
            yield from (f"`{preference}` = {json.dumps(told['Value'])}, locked" for preference, told in value.items())
        else:
            yield f"`{name}` {json.dumps(value)}"


# What these rows say is made up from the plan.
MADE = {
    EXTENSIONS: ("`ExtensionInstallBlocklist`, `ExtensionInstallAllowlist`", "`ExtensionSettings`"),
}
MORE = {SIGN_IN: "; with Google tenants `RestrictSigninToPattern` instead"}


def row(id_: str, setting: Setting) -> str:
    made = MADE.get(id_, ("", ""))
    chromium = (made[0] or ", ".join(policies(setting.chromium)) or "-") + MORE.get(id_, "")
    firefox = made[1] or ", ".join(policies(setting.firefox)) or "-"
    values = ", ".join(f"**{value}**" if value == setting.default else value for value in setting.values)
    return f"| `{id_}` | {values} | {setting.meaning} | {chromium} | {firefox} |"


def test_it_has_each_switch_with_its_values_and_policies(page: str) -> None:
    assert rows(page, "switch") == [row(id_, setting) for id_, setting in SETTINGS.items()]


def test_it_has_each_place_with_the_browsers_that_read_it(page: str, own_catalogue: Catalogue) -> None:
    expected = [
        f"| `{place['path']}` | {', '.join(own_catalogue.browsers[id_].name for id_ in place['browsers'])}"
        f" | {'where it is installed' if place.get('present') else 'always'} |"
        for place in places(own_catalogue)
    ]
    assert rows(page, "file") == expected
