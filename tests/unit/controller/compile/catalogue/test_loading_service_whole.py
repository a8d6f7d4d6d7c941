"""A service and browsers with every key that there is, and one with no more than it needs, as a load makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from made import BLANK
from made_catalogue import GOOD, Made
from proscribe.controller.compile.catalogue.loading import Browser, Catalogue, Service, load

from unit.controller.compile.catalogue.test_schema import FULL_BROWSER, FULL_SERVICE

OTHER = GOOD.replace("parrot", "magpie").replace("Parrot", "Magpie")
RENAMED = {"class", "registered", "publishers", "installers"}


def made(value: Any) -> Any:
    """What a field has of a key: a tuple for each list."""
    if isinstance(value, dict):
        return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def loaded(root: Path, **texts: str) -> Catalogue:
    write = Made(root)
    write(OTHER, "instant_messaging/magpie.yml")
    for name, text in texts.items():
        write(text, f"{name.replace('__', '/')}.yml")
    return load([root / "catalog"])


def test_a_service_with_every_key(tmp_path: Path) -> None:
    text = yaml.safe_dump({**FULL_SERVICE, "unverified": {"notes": "a bird"}, "programs": "private"})
    as_they_are = {key: made(value) for key, value in FULL_SERVICE.items() if key not in RENAMED}
    assert loaded(tmp_path, circumvention__parrot=text).services["parrot"] == Service(
        **as_they_are
        | {
            "enforce": True,
            "retired": False,
            "service_class": "vpn",
            "tenant_control": FULL_SERVICE["tenant_control"],
            "processes": ("parrot",),
            "paths": ("/opt/Parrot/parrot",),
            "windows_programs": ("Parrot/parrot.exe",),
            "windows_processes": ("parrot.exe",),
            "mac_apps": ("Parrot.app",),
            "windows_registered": made(FULL_SERVICE["registered"]),
            "windows_publishers": made(FULL_SERVICE["publishers"]),
            "windows_installers": ("ParrotSetup*.exe",),
            "origins": {},
            "unverified": {"notes": "a bird"},
            "file": str(tmp_path / "catalog/circumvention/parrot.yml"),
        }
    )


def test_a_service_with_no_more_than_it_has_to_have(tmp_path: Path) -> None:
    least = "id: crow\nname: Crow\ncategory: circumvention\nvendor: Crow Ltd\nenforce: false\nclass: vpn\n"
    text = f"{least}domains: [crow.example]\nretired: true\nsources: [a test]\n"
    blank = {key: value for key, value in BLANK.items() if key != "category"}
    assert loaded(tmp_path, circumvention__crow=text).services["crow"] == Service(
        **blank
        | {"id": "crow", "name": "Crow", "category": "circumvention", "vendor": "Crow Ltd", "enforce": False}
        | {"service_class": "vpn", "domains": ("crow.example",), "retired": True, "sources": ("a test",)}
        | {"file": str(tmp_path / "catalog/circumvention/crow.yml"), "checked_accepted": {}}
    )


def test_browsers_with_every_key(tmp_path: Path) -> None:
    full = {key: value for key, value in FULL_BROWSER.items() if key not in ("policy_dir", "unverified")}
    full |= {"unverified": {"packages": {"apt": ["owl-x"]}, "notes": "a bird"}}
    places = {"policy_support": "chromium", "policy_dir": FULL_BROWSER["policy_dir"]}
    least = {"id": "crow", "name": "Crow", "packages": {"apt": ["crow"]}, "processes": ["crow"], "sources": ["a test"]}
    text = yaml.safe_dump({"browsers": [full, {**least, **places}]})
    owl = {key: made(value) for key, value in full.items() if key not in ("notes", "sources", "unverified")}
    assert list(loaded(tmp_path, browsers=text).browsers.values()) == [
        Browser(**owl, policy_dir={}, unverified=full["unverified"]),
        Browser(
            id="crow",
            name="Crow",
            packages={"apt": ("crow",)},
            processes=("crow",),
            paths=(),
            **{**places, "policy_file": {}, "policy_fallbacks": (), "unverified": {}},
        ),
    ]


def test_programs_of_windows_are_known_by_what_is_below_the_folder_of_programs(tmp_path: Path) -> None:
    paths = [r"%ProgramFiles%\Crow\Crow.EXE", r"%ProgramFiles%\Crow.exe", r"%AppData%\Crow\data", r"%A%\a\b\c.exe"]
    text = yaml.safe_dump({**yaml.safe_load(GOOD), "enforce": "true", "paths": {"windows": paths}})
    service = loaded(tmp_path, instant_messaging__parrot=text).services["parrot"]
    assert (service.windows_programs, service.paths) == (("Crow/Crow.EXE", "a/b/c.exe"), ())
