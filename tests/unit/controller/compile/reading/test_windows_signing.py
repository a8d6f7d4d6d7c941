"""Publishers of Windows programs: what Windows makes of the name of an app package's publisher, and what must fit."""

from __future__ import annotations

import pytest
import yaml
from made_catalogue import GOOD
from proscribe.controller.compile.catalogue.loading import Catalogue
from proscribe.controller.compile.catalogue.schema import check_service
from proscribe.controller.compile.reading.windows_signing import publisher_id, unmatched

# From packages that are known with both: Windows' own, and apps of the Microsoft Store.
KNOWN = {
    "CN=Microsoft Corporation, O=Microsoft Corporation, L=Redmond, S=Washington, C=US": "8wekyb3d8bbwe",
    "CN=Microsoft Windows, O=Microsoft Corporation, L=Redmond, S=Washington, C=US": "cw5n1h2txyewy",
    "CN=24803D75-212C-471A-BC57-9EF86AB91435": "cv1g1gvanyjgm",
    'CN="Slack Technologies, LLC", O="Slack Technologies, LLC", L=San Francisco, S=California, C=US': "8yrtsj140pw4g",
}


@pytest.mark.parametrize(("subject", "expected"), KNOWN.items())
def test_the_end_of_a_family_follows_from_its_publisher(subject: str, expected: str) -> None:
    assert publisher_id(subject) == expected


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


PUBLISHER, ID = "CN=24803D75-212C-471A-BC57-9EF86AB91435", "cv1g1gvanyjgm"


@pytest.mark.parametrize(
    ("packages", "publishers", "unmatched_at"),
    [
        ({"appx": [f"Parrot_{ID}"]}, {"appx": [PUBLISHER]}, []),
        ({"appx": ["Owl_8wekyb3d8bbwe", f"Parrot_{ID}"]}, {"appx": [PUBLISHER]}, []),
        ({"appx": ["Owl_8wekyb3d8bbwe"]}, {"appx": ["CN=*", 7, PUBLISHER]}, [2]),
        ({"appx": [ID, 7]}, {"appx": [PUBLISHER, PUBLISHER]}, [0, 1]),  # no family, though it ends so
        ({"apt": ["parrot"]}, {"appx": [PUBLISHER]}, [0]),
        (["Parrot"], {"appx": [PUBLISHER]}, [0]),
        (None, {"appx": [PUBLISHER]}, [0]),
        ({"appx": [f"Parrot_{ID}"]}, {"programs": ["O=PARROT"]}, []),
        ({"appx": [f"Parrot_{ID}"]}, [PUBLISHER], []),
        (None, None, []),
    ],
)
def test_a_publisher_has_a_package_whatever_else_is_wrong(
    packages: object, publishers: object, unmatched_at: list[int]
) -> None:
    entry = {"packages": packages, "publishers": publishers}
    found = list(unmatched({key: value for key, value in entry.items() if value is not None}))
    expected = f"the publisher of an app package in packages.appx: its family ends with _{ID}"
    assert found == [(("publishers", "appx", index), PUBLISHER, expected) for index in unmatched_at]
