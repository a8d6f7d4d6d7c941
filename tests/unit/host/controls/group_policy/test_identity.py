"""The ids of our Group Policy objects: a version that gave others would leave the earlier ones behind, in effect."""

from __future__ import annotations

import pytest
from proscribe.host.controls.group_policy.identity import MARK, guid, marked, rule

DESKTOPS = "{564ECAE6-2359-8653-974C-178DC694F313}"


@pytest.mark.parametrize("domain", ["example.com", "EXAMPLE.COM"])
def test_an_id_follows_from_the_domain_and_the_name(domain: str) -> None:
    assert guid(domain, "Proscribe desktops") == DESKTOPS


@pytest.mark.parametrize(
    ("description", "name"), [(f"{MARK}Proscribe", "Proscribe"), ("", ""), ("Its name: Proscribe", ""), (MARK[1:], "")]
)
def test_the_mark_has_the_name(description: str, name: str) -> None:
    assert marked(description) == name


def test_an_object_is_a_rule() -> None:
    assert rule("Proscribe: Desktops (2) ") == "group_policy/proscribe-desktops-2"
