"""`catalog recall` and `propose --from-recall` on a made catalogue and a made folder of lists."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.cli.catalog import list_files
from proscribe.controller.cli.catalog.fetching import Fetched, NotFetched
from proscribe.controller.cli.catalog.recall import reading

ENTRY = """\
---
id: {id}
name: {id}
category: webmail
vendor: Example
audience: consumer
enforce: {enforce}
{more}
checked: 2026-01-02
sources:
  - a test
"""
OWL = """\
domains: [owlmail.example, deep.partly.example, enforced.example]
urls: [portal.example/mail, whole.example]
shared_domains: [shared.example]
allow_domains: [open.owlmail.example]
front_doors: [owlmail.example]
decided:
  - {names: [refused.example], as: refused, why: toys}
unverified: {domains: [unverified.example]}"""
ROW = (
    "- {{id: {id}, publisher: X, family: {id}, {about}, folder: {id}, paths: [list], format: lines, least: {least},"
    " licence: MIT}}\n"
)
FEED = "---\nid: birds\nname: Birds\nservice: owl\nkind: domains\nchecked: 2026-01-02\nsources: [x]\n"
ABOUT = "about: [vpn]"
NAMES = [
    f"{name}.example"
    for name in ("missing", "owlmail", "x.owlmail", "reported", "open.owlmail", "shared", "refused", "unverified")
]
NAMES += ["known.example", "portal.example", "whole.example", "partly.example", "fed.example"]
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    root = tmp_path / "catalog"
    for path, text in {
        "webmail/owl.yml": ENTRY.format(id="owl", enforce="true", more=OWL),
        "webmail/wren.yml": ENTRY.format(id="wren", enforce="false", more="domains: [reported.example]"),
        "feeds/birds.yml": FEED,
        "feeds/birds.txt": "fed.example\n",
        "known_good.txt": "known.example\nlogin.needed.example\n",
        "recall.yml": "---\n"
        + ROW.format(id="first", about=ABOUT, least=1)
        + ROW.format(id="second", about=ABOUT, least=1)
        + ROW.format(id="top", about="popular: ranked", least=1),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "lists"
    for id_, names in {"first": NAMES, "second": NAMES, "top": ["a.example", *NAMES]}.items():
        (root / id_).mkdir(parents=True)
        (root / id_ / "list").write_text("\n".join(names))
    return root


@pytest.fixture
def call(catalog: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words: str) -> tuple[int, str]:
        code = launcher.main(["catalog", words[0], "--catalog", str(catalog), *words[1:]])
        return code, "".join(capsys.readouterr())

    return run


def result(call: Call, folder: Path, *words: str) -> Any:
    code, printed = call("recall", str(folder), "--json", *words)
    found = json.loads(printed)
    assert code == 0 and found["schema"] == "proscribe/catalog-recall/1"
    return found


def test_without_a_list_of_what_is_asked_for_a_goal_fails(call: Call, folder: Path) -> None:
    (folder / "top/list").unlink()
    code, printed = call("recall", str(folder), "--at-least", "vpn=0", "--at-least", "vpn:all=0.8")
    assert code == 1 and "vpn=0: not reached, nothing was measured: no list of the most asked-for names" in printed
    assert "missing: top: top/list: found No such file or directory" in printed and "vpn:all" not in printed
    assert "3 lists" not in printed and "2 lists read, 1 missing" in printed


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "No such file or directory"),
    "empty": (lambda path: path.write_text(""), "it has 0 names, expected at least 1"),
    "no names": (lambda path: path.write_text("<html>\n404\n"), "it has 0 names, expected at least 1"),
    "binary": (lambda path: path.write_bytes(b"SQLite format 3\0x.example"), "is no text: byte 15 is NUL"),
    "a pipe": (os.mkfifo, "expected a file"),
    "a folder": (Path.mkdir, "expected a file"),
    "a link out": (lambda path: path.symlink_to("/etc/hostname"), "not a link out of it"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "not a link out of it"),
    "a link in a circle": (lambda path: path.symlink_to("list"), "expected a file that can be read"),
    "too large": (lambda path: os.truncate(path, 0) if path.exists() else _sparse(path), "more than 33554432 bytes"),
    "too many names": (lambda path: path.write_text("".join(f"x{n}.example\n" for n in range(101))), "more than 100"),
}


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(list_files.LARGEST + 1)


@pytest.mark.parametrize("case", HOSTILE)
def test_a_list_that_cannot_be_read_is_named_and_measures_nothing(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(reading, "MOST_NAMES", 100)
    make, why = HOSTILE[case]
    (folder / "second/list").unlink()
    make(folder / "second/list")
    code, printed = call("recall", str(folder), "--category", "vpn", "--at-least", "vpn=0")
    assert code == 1 and "lists of 1 publishers" in printed
    line = next(line for line in printed.splitlines() if line.startswith("missing: second: "))
    assert why in line and "2 lists read, 1 missing" in printed


def test_a_folder_that_is_a_link_out_is_not_followed(call: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "second").rename(tmp_path / "second")
    (folder / "second").symlink_to(tmp_path / "second")
    assert "not a link out of it" in call("recall", str(folder))[1]


def more_rows(catalog: Path, *rows: str) -> None:
    with (catalog / "recall.yml").open("a") as stream:
        stream.writelines(f"{row}\n" for row in rows)


V2FLY = (
    "- {id: third, publisher: X, family: third, about: [vpn], folder: third, paths: [data/list], format: v2fly,"
    " least: 1, licence: MIT}"
)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"list": "a.example\ninclude:b\ninclude:b\n", "b": "b.example\ninclude:list\n"}, 2),
        ({"list": "a.example\ninclude:b\n"}, "third/data/b: found No such file"),
        ({"list": "a.example\ninclude:../../first/list\n"}, "includes '../../first/list', expected a file beside it"),
        ({"list": "".join(f"include:{n}\n" for n in range(9)), **{str(n): "" for n in range(9)}}, "more than 5 files"),
    ],
)
def test_a_list_in_several_files(
    call: Call, catalog: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], found: int | str
) -> None:
    monkeypatch.setattr(list_files, "MOST_FILES", 5)
    more_rows(catalog, V2FLY)
    (folder / "third/data").mkdir(parents=True)
    for name, text in files.items():
        (folder / "third/data" / name).write_text(text)
    data = result(call, folder)
    assert (found in data["missing_lists"]["third"]) if isinstance(found, str) else data["lists"]["third"] == found


def test_only_the_lists_of_a_category_are_read_and_what_these_need(call: Call, catalog: Path, folder: Path) -> None:
    row = V2FLY.replace("[vpn]", "[tor]").replace("v2fly", "lines")
    more_rows(catalog, row.replace("licence", "without: [first], licence"))
    assert list(result(call, folder, "--category", "vpn")["lists"]) == ["first", "second", "top"]
    data = result(call, folder, "--category", "tor")
    assert list(data["lists"]) == ["first", "top"] and list(data["missing_lists"]) == ["third"]


def test_all_files_with_an_ending_and_names_that_another_list_has(call: Call, catalog: Path, folder: Path) -> None:
    row = V2FLY.replace("data/list", "data/*.txt").replace("v2fly", "lines")
    more_rows(catalog, row.replace("licence", "without: [first], licence"))
    (folder / "third/data").mkdir(parents=True)
    for name, text in {"a.txt": "a.example\nmissing.example", "b.txt": "b.example", "c.md": "c.example"}.items():
        (folder / "third/data" / name).write_text(text)
    assert result(call, folder)["lists"]["third"] == 2
    (folder / "first/list").unlink()
    data = result(call, folder)
    assert "third" not in data["lists"] and "those of first are not known" in str(data["missing_lists"]["third"])


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (ROW.format(id="first", about=ABOUT, least=2), "id: found 'first', expected an id of its own"),
        (
            ROW.format(id="x", about="notes: x", least=1),
            "found 'x', expected either popular, or what the list is about",
        ),
        (ROW.format(id="x", about=ABOUT, least=1).replace("[list]", "[../list]"), "paths[0]: found '../list'"),
        (ROW.format(id="x", about=ABOUT, least=1).replace("folder: x", "folder: .."), "folder: found '..'"),
        (
            ROW.format(id="x", about=f"{ABOUT}, url: 'https://a.example/'", least=1).replace("[list]", "['*.txt']"),
            "paths[0]: found '*.txt', expected a file: what is fetched has a name",
        ),
        ("- {id: x}\n", "publisher: found nothing, expected a value"),
    ],
)
def test_a_mistake_in_the_table_names_its_place(call: Call, catalog: Path, folder: Path, row: str, line: str) -> None:
    more_rows(catalog, row.rstrip("\n"))
    code, printed = call("recall", str(folder))
    place = f"{catalog}/recall.yml:5: [3]"
    assert code == 2 and any(place in each and line in each for each in printed.splitlines()), printed


def test_a_catalogue_without_a_table_and_a_folder_that_is_not_there(call: Call, catalog: Path, folder: Path) -> None:
    assert "expected the folder of the lists" in call("recall", str(folder / "absent"))[1]
    (catalog / "recall.yml").unlink()
    assert "has a recall.yml" in call("recall", str(folder))[1]


def test_fetched_lists_are_written_into_the_folder(
    call: Call, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = {
        "https://x.example/third/data/list": "a.example\ninclude:b\n",
        "https://x.example/third/data/b": "b.example",
        "https://x.example/fifth/data/list": "c.example",
    }

    def fetch(url: str, ca_file: str = "") -> Fetched:
        if url not in published:
            raise NotFetched("it could not be fetched: 404")
        return Fetched(published[url], datetime.date(2026, 1, 2))

    monkeypatch.setattr(reading, "fetch", fetch)
    for id_ in ("third", "fourth", "fifth"):
        more_rows(catalog, V2FLY.replace("third", id_).replace("least", f"url: 'https://x.example/{id_}/', least"))
    new = tmp_path / "new"
    (new / "fifth").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (new / "fifth/data").symlink_to(tmp_path / "outside")
    code, printed = call("recall", str(new), "--fetch")
    lines = printed.splitlines()
    assert code == 0 and "third: 2 files" in lines and "fourth: not fetched: it could not be fetched: 404" in lines
    assert any(line.startswith("fifth: not fetched: ") and "leads out of" in line for line in lines)
    assert f"first: not fetched, it has no address; put it into {new / 'first'}" in lines
    assert (new / "third/data/b").read_text() == "b.example" and not list((tmp_path / "outside").iterdir())


# -- proposals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def new_names(folder: Path) -> None:
    names = [
        "owlmail.test.com",
        "unverified.example",
        "nothing.example",
        "needed.example",
        "google.com",
        "partly.example",
    ]
    for id_ in ("first", "second", "top"):
        (folder / id_ / "list").write_text("\n".join(names))


@pytest.mark.usefixtures("new_names")
def test_an_amendment_that_is_there_is_not_written_over(
    call: Call, catalog: Path, folder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own/amends"
    own.mkdir(parents=True)
    (own / "owl.yml").write_text("amends: owl\nadd: {domains: [x.example]}\nsources: [x]\n")
    code, printed = call("propose", "--from-recall", str(folder), "--dir", str(tmp_path / "own"))
    assert code == 0 and "owl.yml is there already; add these under add.domains: unverified.example" in printed
    assert "x.example" in (own / "owl.yml").read_text()


def test_what_another_entry_has_or_needs_is_left_out(call: Call, catalog: Path, folder: Path) -> None:
    (catalog / "webmail/wren.yml").write_text(
        ENTRY.format(id="wren", enforce="false", more="domains: [wrenmail.com]\nshared_domains: [needs.wrenmail.net]")
    )
    for id_ in ("first", "second", "top"):
        (folder / id_ / "list").write_text("wrenmail.net\nneeds.wrenmail.net\nalso.example\n")
    printed = call("propose", "--from-recall", str(folder))[1]
    assert "left out wrenmail.net, rank 1" in printed and "shared_domains" in printed
    assert "also.example" in printed


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("owl", "list", "--from-recall", "x"), "found LIST or --source beside --from-recall"),
        (("--source", "x", "--from-recall", "x"), "found LIST or --source beside --from-recall"),
        (("robin", "--from-recall", "x"), "there is no service 'robin'"),
        (("--from-recall", "absent"), "expected the folder of the lists"),
    ],
)
def test_what_propose_has_to_be_asked(call: Call, words: tuple[str, ...], why: str) -> None:
    code, printed = call("propose", *words)
    assert code == 2 and why in printed


def test_a_proposal_needs_a_list_of_what_is_asked_for(call: Call, folder: Path) -> None:
    (folder / "top/list").unlink()
    code, printed = call("propose", "--from-recall", str(folder))
    assert code == 2 and "has no list of the most asked-for names" in printed
