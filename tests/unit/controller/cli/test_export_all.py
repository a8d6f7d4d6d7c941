"""`export all`: what comes of each format, in one exit code, and those that come to the same together."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli import Refused, export_all
from proscribe.controller.enforcement_points.declaration import NOTHING, NotExportable
from proscribe.host.system import ControlError

NONE = NotExportable(f"{NOTHING}: no names")
MORE = NotExportable(f"{NOTHING}: no programs")
PATHS = NotExportable("it takes no paths")
FOR_ONE = "1 format with nothing to export:\n  a: no names\n"
FOR_TWO = "2 formats with nothing to export:\n  a, b: no names\n"
FOR_EACH = "2 formats with nothing to export:\n  a: no names\n  b: no programs\n"
TWO = "2 formats refused:\n  a, c: it takes no paths\n"
STALE = "no names. Delete {0}/a, which has an earlier export of it"
BAD = export_all.REFUSED


def refused(name: str, why: str) -> str:
    return f"1 format refused:\n  {name}: {why}\n"


@pytest.mark.parametrize(
    ("outcomes", "earlier", "code", "out", "err"),
    [
        ({"a": 1, "b": 3, "c": 2}, "", 3, "", ""),
        ({"a": NONE, "b": NONE, "c": 0}, "", 0, FOR_TWO, ""),
        ({"a": NONE, "b": MORE, "c": 0}, "", 0, FOR_EACH, ""),
        ({"a": PATHS, "b": 9, "c": PATHS}, "", BAD, "", TWO),
        ({"a": NONE, "b": PATHS}, "b", BAD, FOR_ONE, refused("b", "it takes no paths")),
        ({"a": NONE, "b": 0}, "a", BAD, "", refused("a", STALE)),
        *(({"a": kind("so"), "b": 0}, "", BAD, "", refused("a", "so")) for kind in (ControlError, Refused, OSError)),
    ],
)
def test_the_worst_that_comes_of_a_format_is_the_code(
    outcomes: dict[str, Any],
    earlier: str,
    code: int,
    out: str,
    err: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places: list[Path] = []

    def export(format_: Any, place: Path) -> int:
        places.append(place)
        if isinstance(outcomes[format_.name], Exception):
            raise outcomes[format_.name]
        return int(outcomes[format_.name])

    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(export_all, "FORMATS", {name: SimpleNamespace(name=name) for name in outcomes})
    monkeypatch.setattr(export_all.writing, "earlier", lambda place: "one" if place.name == earlier else None)
    assert export_all.run(tmp_path, export) == code
    assert places == [tmp_path / name for name in outcomes]
    assert capsys.readouterr() == (out, err.format(tmp_path))


def test_a_policy_with_nothing_for_any_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(format_: Any, place: Path) -> int:
        raise NONE

    monkeypatch.setattr(export_all, "FORMATS", {name: SimpleNamespace(name=name) for name in "ab"})
    with pytest.raises(Refused, match="^export all: the policy has nothing for any format$"):
        export_all.run(tmp_path, export)
