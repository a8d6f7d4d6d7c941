"""What a plan's services are called on Windows, and which of them something on a host is."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.windows.catalogued import BY_NAMES, Catalogued
from proscribe.controller.windows.installed import Installed

NAMES = ["Parrot by Parrots", "Beak by the Owls by Co", "Macaw Messenger by Parrots"]
PARROT: dict[str, Any] = {
    "name": "Parrot Chat",
    "names": ["Parrot Talk", "鹦鹉"],
    "windows": ["Parrots/Chat/Parrot.exe"],
    "windows_processes": ["Parrot.exe", "Parrot Helper.exe"],
    "windows_packages": {"winget": ["Parrots.Chat"]},
    "windows_registered": {"keys": ["Parrot_is1"], "names": NAMES},
}
OWL: dict[str, Any] = {
    "name": "Owl",
    "windows_packages": {"appx": ["Owls.Owl_abc", "Owls.Other"]},
    "windows_registered": {"names": ["Owl by Parrots"]},
}
CATALOGUED = Catalogued({"parrot": PARROT, "owl": OWL})  # type: ignore[dict-item]


def services(**named: str) -> dict[str, str]:
    return CATALOGUED.services_of(Installed(named.pop("key", "{1}"), **named))


@pytest.mark.parametrize(
    "kind",
    [
        *("AB", "AG", "BV", "Co", "Corp", "Corporation", "GmbH", "Inc"),
        *("Limited", "LLC", "Ltd", "Pte", "SA", "Srl", "UG"),
    ],
)
def test_what_kind_of_company_a_publisher_is_makes_no_difference(kind: str) -> None:
    for publisher in (f"Parrots {kind}", f"Parrots, {kind}.", f"Parrots {kind} Co., Ltd."):
        assert services(name="Parrot", publisher=publisher) == {"parrot": BY_NAMES}
