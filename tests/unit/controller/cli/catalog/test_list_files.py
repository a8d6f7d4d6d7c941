"""A list in several files, over https and out of a folder: all of them are one list, and have limits together."""

from __future__ import annotations

import datetime
import hashlib
import os
from pathlib import Path

import pytest
from proscribe.controller.cli.catalog import list_files, obtaining
from proscribe.controller.cli.catalog.fetching import Fetched, NotFetched
from proscribe.controller.cli.catalog.obtaining import from_folder, published
from proscribe.controller.cli.catalog.public_lists import Source
from proscribe.controller.cli.catalog.publishers import Publisher

PARTS = {"list": ("a.example\ninclude:b\n", 5), "b": ("b.example", 3), "alone": ("c.example", 4)}
TOGETHER = "a.example\ninclude:b\n\nb.example"


def of_table(*paths: str) -> Publisher:
    """A list of recall.yml."""
    texts = {"publisher": "x", "family": "x", "folder": "birds", "format": "v2fly", "licence": "x", "popular": ""}
    more = {"only_popular": "", "about": (), "mixed": (), "takes_from": (), "named": (), "without": ()}
    source = Source(**{"id": "birds", "url": "https://x.example/", "paths": paths, "least": 1, **texts, **more})
    return Publisher("birds", source.url, "v2fly", "feed", "birds", ("",), 1, listed=source)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("publisher", "text", "day", "sha256"),
    [
        (of_table("list"), TOGETHER, 3, digest(TOGETHER)),
        (of_table("alone"), "c.example", 4, "as it came"),
        (Publisher("x", "https://x.example/alone", "lines", "feed", "x", ("x",), 1), "c.example", 4, "as it came"),
    ],
)
def test_a_list_is_all_of_its_files_and_of_the_day_of_the_oldest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, publisher: Publisher, text: str, day: int, sha256: str
) -> None:
    def fetch(url: str, ca_file: str) -> Fetched:
        content, day = PARTS[url.removeprefix("https://x.example/")]
        assert ca_file == "/ca.pem"
        return Fetched(content, datetime.date(2026, 1, day), "as it came")

    monkeypatch.setattr(obtaining, "fetch", fetch)
    assert published(publisher, "/ca.pem") == Fetched(text, datetime.date(2026, 1, day), sha256)
    if publisher.listed:
        (tmp_path / "birds").mkdir()
        for name, (content, of) in PARTS.items():
            (tmp_path / "birds" / name).write_text(content)
            os.utime(
                tmp_path / "birds" / name,
                (0, datetime.datetime(2026, 1, of, 23, tzinfo=datetime.timezone.utc).timestamp()),
            )
        assert from_folder(publisher, tmp_path) == Fetched(text, datetime.date(2026, 1, day), digest(text))


BOTH = sum(len(PARTS[name][0]) for name in ("list", "b"))


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("MOST_FILES", 2, ""),
        ("MOST_FILES", 1, "it has more than 1 files"),
        ("MOST_BYTES", BOTH, ""),
        ("MOST_BYTES", BOTH - 1, f"its files have more than {BOTH - 1} bytes"),
    ],
)
def test_the_files_of_a_list_have_limits_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, value: int, why: str
) -> None:
    monkeypatch.setattr(list_files, limit, value)
    (tmp_path / "birds").mkdir()
    for name, (content, _) in PARTS.items():
        (tmp_path / "birds" / name).write_text(content)
    source = of_table("list").listed
    assert source is not None
    for read in (
        lambda: list_files.texts(source, tmp_path),
        lambda: list_files.over_https(source, lambda url: PARTS[url.rpartition("/")[2]][0]),
    ):
        if why:
            with pytest.raises(list_files.NotRead, match=f"^{why}$"):
                list(read())
        else:
            assert [text for _, text in read()] == [PARTS["list"][0], PARTS["b"][0]]


def test_files_with_an_ending_are_read_in_their_order_and_whatever_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "birds").mkdir()
    for name, content in {"b.txt": b"\xff", "a.txt": b"a", "a.TXT": b"x", "txt": b"x"}.items():
        (tmp_path / "birds" / name).write_bytes(content)
    source = of_table("*.txt").listed
    assert source is not None
    assert [(path.name, text) for path, text in list_files.texts(source, tmp_path)] == [
        ("a.txt", "a"),
        ("b.txt", "\ufffd"),
    ]
    for paths, why in ((("*.md",), r"birds/\*.md: no such file"), (("x/*.md",), "birds/x: No such file or directory")):
        with pytest.raises(list_files.NotRead, match=f"^{why}$"):
            list(list_files.texts(source._replace(paths=paths), tmp_path))


def test_a_list_that_includes_what_is_elsewhere_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = Fetched("include:../x\n", datetime.date(2026, 1, 1))
    monkeypatch.setattr(obtaining, "fetch", lambda *_: outside)
    with pytest.raises(NotFetched, match="birds/list includes '../x'"):
        published(of_table("list"))
