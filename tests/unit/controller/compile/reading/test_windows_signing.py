"""Publishers of Windows programs: what Windows makes of the name of an app package's publisher, and what must fit."""

from __future__ import annotations

import yaml
from made_catalogue import GOOD
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.schema import check_service


def test_a_publisher_without_a_package_of_its_own_is_refused() -> None:
    publisher = "CN=24803D75-212C-471A-BC57-9EF86AB91435"
    entry = yaml.safe_load(GOOD)
    entry |= {"enforce": "true"}
    entry |= {"publishers": {"appx": [publisher]}, "packages": {"appx": ["Parrot_8wekyb3d8bbwe", "Parrot"]}}
    ((path, value, expected),) = check_service(entry)
    assert (path, value) == (("publishers", "appx", 0), publisher)
    assert expected == "the publisher of an app package in packages.appx: its family ends with _cv1g1gvanyjgm"
    entry["packages"]["appx"].append("Parrot_cv1g1gvanyjgm")
    assert list(check_service(entry)) == []


def test_no_two_services_have_one_publisher(own_catalogue: Catalogue) -> None:
    """One rule of AppLocker would deny the programs of both."""
    owners: dict[str, list[str]] = {}
    for id_, service in own_catalogue.services.items():
        for one in (*service.windows_publishers.get("programs", ()), *service.windows_installers):
            owners.setdefault(one.casefold(), []).append(id_)
    assert {one: ids for one, ids in owners.items() if len(ids) > 1} == {}
