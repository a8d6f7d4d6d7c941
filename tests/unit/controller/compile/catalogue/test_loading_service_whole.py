"""A service and browsers with every key that there is, and one with no more than it needs, as a load makes them."""

from __future__ import annotations

from pathlib import Path

import yaml
from made_catalogue import GOOD, Made
from proscribe.controller.compile.catalogue.loading import Catalogue, load

OTHER = GOOD.replace("parrot", "magpie").replace("Parrot", "Magpie")


def loaded(root: Path, **texts: str) -> Catalogue:
    write = Made(root)
    write(OTHER, "instant_messaging/magpie.yml")
    for name, text in texts.items():
        write(text, f"{name.replace('__', '/')}.yml")
    return load([root / "catalog"])


def test_programs_of_windows_are_known_by_what_is_below_the_folder_of_programs(tmp_path: Path) -> None:
    paths = [r"%ProgramFiles%\Crow\Crow.EXE", r"%ProgramFiles%\Crow.exe", r"%AppData%\Crow\data", r"%A%\a\b\c.exe"]
    text = yaml.safe_dump({**yaml.safe_load(GOOD), "enforce": "true", "paths": {"windows": paths}})
    service = loaded(tmp_path, instant_messaging__parrot=text).services["parrot"]
    assert (service.windows_programs, service.paths) == (("Crow/Crow.EXE", "a/b/c.exe"), ())
