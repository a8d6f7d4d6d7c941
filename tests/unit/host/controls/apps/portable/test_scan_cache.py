"""The files of what observations remember: root's alone, and never read where somebody else could have written them."""

from __future__ import annotations

import os
from typing import Any

import pytest
from made_host import MadeHost
from proscribe.host.controls.apps.portable import scan_cache
from proscribe.host.controls.apps.portable.scan_cache import Memory, keep, of_user, remembered
from proscribe.host.system import ControlError, Unseen


@pytest.mark.parametrize("error", [Unseen("x"), ControlError("x"), ValueError(), EOFError(), KeyError(), TypeError()])
def test_whatever_is_wrong_with_a_memory_all_is_read_anew(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(scan_cache, "load", failing)
    assert remembered(host, "names", 30).fresh
    assert of_user(host, Memory({}, "s", "now", 0), 1000) == {}


MEMORY = Memory({"/opt": [1]}, "6 names", "2026-11-25T08:00:00Z", 3, {"npm": ([2], [3])})


@pytest.mark.parametrize(
    ("names", "every", "begins", "runs"),
    [
        ("names", 30, False, 3),
        ("names", 30, True, 4),
        ("names", 4, False, 3),
        ("names", 4, True, None),
        ("names", 3, False, None),
        ("others", 30, False, None),
    ],
)
def test_the_next_scan_takes_what_is_remembered_of_the_same_names_until_a_full_one_is_due(
    host: MadeHost, names: str, every: int, begins: bool, runs: int | None
) -> None:
    keep(host, MEMORY._replace(stamp=remembered(host, "names", 1).stamp), begins)
    found = remembered(host, names, every)
    if runs is None:
        assert (found.known, found.packages, found.runs, found.fresh) == ({}, {}, 0, True)
    else:
        assert found == MEMORY._replace(stamp=found.stamp, runs=runs)


@pytest.mark.parametrize(
    ("change", "found"),
    [({}, {"/home/alice": [1]}), ({"stamp": "t"}, {}), ({"full_at": "later"}, {}), ({"fresh": True}, {})],
)
def test_a_users_file_counts_with_the_scan_that_it_belongs_to(
    host: MadeHost, change: dict[str, Any], found: dict[str, Any]
) -> None:
    memory = Memory({}, "s", "now", 0)
    text = scan_cache.text_of_user(memory, {}, {"/home/alice": [1]})  # type: ignore[dict-item]
    keep(host, memory._replace(users={"1000": text}))
    assert of_user(host, memory._replace(**change), 1000) == found


def test_a_users_text_is_made_where_something_is_new_and_dropped_where_it_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory: Any = Memory({}, "s", "now", 0)
    one: Any = {"/a": [1]}
    text = scan_cache.text_of_user(memory, {}, one)
    assert text and scan_cache.text_of_user(memory, one, one) is None
    assert scan_cache.text_of_user(memory._replace(fresh=True), one, one) == text
    for room, made in ((len(text), text), (len(text) - 1, "")):
        monkeypatch.setattr(scan_cache, "LARGEST", room)
        assert scan_cache.text_of_user(memory, {}, one) == made


def test_files_of_users_who_are_gone_and_of_earlier_releases_go(host: MadeHost) -> None:
    for name in ("walk-1", "walk-2", "walk-3", "walk.json", "other"):
        host.write(f"/var/lib/proscribe/apps/{name}", name)
    keep(host, Memory({}, "s", "now", 0, users={"1": None, "2": "", "4": "text"}))
    assert sorted(os.listdir(host.root + "/var/lib/proscribe/apps")) == ["other", "walk", "walk-1", "walk-4"]
    assert [path.rpartition("/")[2] for path in sorted(scan_cache.traces(host))] == ["walk", "walk-1", "walk-4"]


def test_folders_of_a_user_are_part_of_the_stamp_in_any_order() -> None:
    assert scan_cache.stamped("s", []) == "s"
    one, two, three = (scan_cache.stamped("s", of) for of in (["/a", "/b"], ["/b", "/a"], ["/a"]))
    assert one == two != three and one.startswith("s ")
