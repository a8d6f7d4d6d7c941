"""What the tables of publishers and of public lists say: all of a row, what it may leave out, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.cli.catalog.public_lists import read_sources
from proscribe.controller.cli.catalog.publishers import Publisher, read_publishers
from proscribe.controller.policy_errors import PolicyErrors

LEAST: dict[str, Any] = {
    "id": "birds",
    "publisher": "Bird Watchers",
    "family": "watchers",
    "folder": "watchers-lists",
    "paths": ["data/*.txt", "more/list.txt"],
    "format": "lines",
    "least": "25",
    "licence": "CC0",
    "about": ["vpn"],
}
ALL = LEAST | {
    "mixed": ["tor"],
    "paths": ["list.txt"],
    "url": "https://lists.example:8443/a/",
    "named": ["owl"],
    "takes_from": ["others", "top"],
    "without": ["top"],
    "only_popular": "it has ended",
    "notes": "seen",
}
TOP = {**LEAST, "id": "top", "family": "others", "popular": "ranked"}
del TOP["about"]
OWN = {
    "id": "nets",
    "url": "https://x.example/nets",
    "format": "lines",
    "into": "networks",
    "of": "parrot",
    "least": "3",
}


def written(folder: Path, **tables: list[dict[str, Any]]) -> Path:
    for name, rows in tables.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(rows, sort_keys=False))
    return folder


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "Birds"}, "id: found 'Birds'"),
        ({"least": "0"}, "least: found '0', expected a number, 1 to 9999999"),
        ({"format": "line"}, "format: found 'line'"),
        ({"url": "https://x.example/a"}, "url: found 'https://x.example/a'"),
        ({"mixed": ["vpn"]}, "mixed.0.: found 'vpn', expected a category that is not in about"),
        ({"popular": "ranked"}, "found 'birds', expected either popular, or"),
        ({"about": []}, "about: found"),
        ({"takes_from": ["watcher"]}, "takes_from.0.: found 'watcher', expected the id or the family .*'watchers'"),
        ({"without": ["brds"]}, "without.0.: found 'brds', expected the id of a list .*'birds'"),
        ({"without": ["birds"]}, "without.0.: found 'birds', expected the id of a list that leaves nothing out"),
        ({"licence": "two\nlines"}, "licence: found"),
        ({"more": "x"}, "more: found"),
    ],
)
def test_a_mistake_in_a_row_of_a_public_list(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    with pytest.raises(PolicyErrors, match=why):
        read_sources([written(tmp_path, recall=[{**LEAST, **change}])])


def test_a_publisher_says_all_of_its_row(tmp_path: Path) -> None:
    more = {"id": "names", "named": "owl", "family": "owls", "adds": "false", "notes": "seen", "into": "domains"}
    shared = {"lists": ["birds", "top"], "of": "fed", "notes": "seen"}
    listed = [{**ALL, "without": []}, {**TOP, "url": "https://top.example/", "paths": ["a"]}]
    del listed[0]["without"]
    folder = written(tmp_path, recall=listed, publishers=[OWN, {**OWN, **more}, shared])
    sources = read_sources([folder])
    own = (OWN["url"], "lines")
    assert read_publishers(folder) == [
        Publisher("nets", *own, "networks", "parrot", ("parrot",), 3, "nets", True, folder, None),
        Publisher("names", *own, "domains", "parrot", ("owl",), 3, "owls", False, folder, None),
        *(
            Publisher(id_, url, "lines", "feed", "fed", named, 25, family, True, folder, sources[id_])
            for id_, url, named, family in (
                ("birds", ALL["url"], ("owl",), "watchers"),
                ("top", "https://top.example/", ("",), "others"),
            )
        ),
    ]
    assert [one.list_id for one in read_publishers(folder)] == ["", "", "birds", "top"]
    assert read_publishers(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        *(({key: None}, f"expected {key} beside it, or lists of recall.yml") for key in OWN if key != "of"),
        ({"of": None}, "of: found nothing, expected a value"),
        ({"url": "http://x.example/"}, "url: found 'http://x.example/', expected an address with https://"),
        ({"format": "line"}, "format: found 'line'"),
        ({"into": "names"}, "into: found 'names', expected one of feed, networks, domains"),
        ({"least": "0"}, "least: found '0', expected a number, 1 to 999999"),
        ({"adds": "no"}, "adds: found 'no'"),
        ({"named": "a\nb"}, "named: found"),
        ({"more": "x"}, "more: found"),
    ],
)
def test_a_mistake_in_a_row_of_a_publisher(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    row = {key: value for key, value in {**OWN, **change}.items() if value is not None}
    with pytest.raises(PolicyErrors, match=why):
        read_publishers(written(tmp_path, publishers=[row]))
