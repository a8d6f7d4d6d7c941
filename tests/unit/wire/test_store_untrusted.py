"""The store's limits and errors, and the packed code that is kept beside the file that Python keeps compiled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.wire.store import Store, Untrusted


def test_so_it_is_where_only_the_plans_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plans").mkdir(0o700)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)
    with pytest.raises(Untrusted, match="cannot write"):
        Store(tmp_path / "plans").require()


@pytest.mark.parametrize(("kind", "found"), [("link", "a link"), ("file", "no directory"), ("none", "")])
def test_what_is_in_the_place_of_a_store_is_reported(tmp_path: Path, kind: str, found: str) -> None:
    place = tmp_path / "plans"
    if kind == "link":
        place.symlink_to(tmp_path)
    elif kind == "file":
        place.touch()
    with pytest.raises(Untrusted if found else FileNotFoundError) as wrong, Store(place)._open():
        pass
    if isinstance(wrong.value, Untrusted):
        fields = (wrong.value.path, wrong.value.found, wrong.value.expected)
        assert fields == (str(place), found, "a directory; delete what is there, and one is made")
