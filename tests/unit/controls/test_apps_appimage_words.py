"""Which words in an AppImage count as its app's name, one place after the other, and how many it takes."""

from __future__ import annotations

from typing import Any

import made_apps as made
import pytest
from made_apps import Read
from proscribe.controls.apps.portable.appimage_contents import _programs, doubt

CALLED = frozenset({"wechat", "com.tencent.wechat"})
ALONE = "known by its name alone: what is in it does not say that it is this app, so it is not moved"


class Listed:
    """An archive with these files, `None` for a directory."""

    def __init__(self, files: dict[str, bytes | None]) -> None:
        self.files, self.read = files, []  # type: ignore[var-annotated]

    def find(self, path: str) -> str | None:
        return path if path in self.files else None

    def listed(self, folder: str) -> list[tuple[str, int]]:
        return [(path[len(folder) + 1 :], 0) for path in self.files if path.startswith(f"{folder}/")]

    def head(self, path: str, size: int) -> bytes:
        self.read.append(path)
        return (self.files[path] or b"")[:size]


def programs(files: dict[str, bytes | None]) -> tuple[list[str], list[str]]:
    archive: Any = Listed(files)
    return _programs(archive, sorted({path.split("/")[0] for path in files}), CALLED), archive.read


def test_a_program_of_the_apps_name_is_found_among_any_number_of_others() -> None:
    """A Qt or Electron app has dozens of files at its root."""
    others = {f"a{number:02}": made.elf() for number in range(50)}
    assert programs({**others, "wechat": made.elf()}) == (["wechat"], ["wechat"])
    assert programs({**others, "usr": None, "usr/bin": None, "usr/bin/WeChat": made.elf()})[0] == ["WeChat"]
    assert programs({"wechat": b"#!/bin/sh\n"})[0] == [], "a script is anybody's"
    assert programs({"usr/bin": None, "usr/bin/other": made.elf()})[0] == []
    assert programs({"wechat": made.elf(), "usr": None})[0] == ["wechat"], "without a usr/bin"


def test_so_many_of_them_are_looked_into() -> None:
    """Each takes a read of the host's disk, and a made-up archive may have as many as it likes."""
    names = ("WECHAT", "WEchat", "WeChat", "Wechat", "wEchat", "wechat")
    found, read = programs({name: made.elf() for name in names})
    assert len(found) == len(read) == 4


@pytest.mark.parametrize(
    ("image", "why"),
    [
        pytest.param(made.image("wechat"), "", id="its entry and its program"),
        pytest.param(made.image("other"), ALONE, id="none"),
        pytest.param(made.image("other", desktop="wechat"), ALONE, id="the name of its entry alone"),
        pytest.param(made.image("other", desktop="wechat", StartupWMClass="WeChat"), "", id="and its window"),
        pytest.param(made.image("other", StartupWMClass="WeChat"), ALONE, id="its window alone"),
        pytest.param(
            made.image("other", desktop="wechat", update="gh-releases-zsync|x|WeChat|latest|y"), "", id="its updates"
        ),
        pytest.param(made.image("other", desktop="wechat", update="zsync|http://x/wechat.zsync"), ALONE, id="a word"),
    ],
)
def test_two_places_in_which_an_app_is_named_say_that_it_is_that_one(image: bytes, why: str) -> None:
    assert doubt(Read(image), CALLED) == why


@pytest.mark.parametrize(
    ("categories", "other"),
    [
        ("Network;InstantMessaging;", ""),
        ("Game;", "Game"),
        ("Game;Network;", ""),
        ("Video;Audio;Utility;", "Audio"),
        ("Utility;", ""),
        ("", ""),
    ],
)
def test_an_app_that_is_something_else_by_its_own_words_is_told(categories: str, other: str) -> None:
    image = made.elf({}, b"AI\x02") + made.squashfs(
        {"wechat.desktop": made.entry("wechat", categories), "wechat": made.elf()}
    )
    said = f"its own desktop entry says that it is something else ({other}), so it is not moved"
    assert doubt(Read(image), CALLED) == (said if other else "")
