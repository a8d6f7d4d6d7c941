"""A refresh changes the files of the directory whose publishers.yml names the list, and no other directory's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.compile.catalogue.loading import load
from refreshed_catalogue import BIRDS, Refreshed

NETS = {"id": "nets", "into": "networks", "of": "parrot"}
NAMES = {"id": "names", "into": "domains", "of": "parrot"}
COVERING = {"id": "covering", "into": "networks", "of": "parrot", "adds": "false"}
AMENDS = "---\namends: parrot\nadd:\n  domains:\n    - ours.example\nsources:\n  - our desk\n"


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refreshed:
    made = Refreshed(tmp_path, capsys)
    made.write("release/feeds/birds.yml", BIRDS)
    made.write("release/feeds/birds.txt", "a.example\nb.example\n")
    return made


def service(made: Refreshed) -> Any:
    return load([made.release, made.ours]).services["parrot"]


def changed(made: Refreshed, before: dict[str, bytes]) -> set[str]:
    after = made.content()
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("row", "text", "file", "networks"),
    [
        (NETS, "8.8.4.0/24\n9.9.9.0/24\n", "parrot.yml", ("8.8.4.0/24", "9.9.9.0/24")),
        (COVERING, "8.8.0.0/20\n", "parrot.yml", ("8.8.4.0/24", "8.8.8.8/32")),
        (COVERING, "8.0.0.0/8\n", "parrot.yml", ("8.8.4.0/24", "8.8.8.8/32")),
        (COVERING, "8.8.4.0/25\n8.8.8.0/24\n9.9.9.0/24\n", "parrot.yml", ("8.8.8.8/32",)),
    ],
)
@pytest.mark.parametrize("directory", ["release", "ours"])
def test_networks_of_an_entry(
    made: Refreshed, directory: str, row: dict[str, str], text: str, file: str, networks: tuple[str, ...]
) -> None:
    made.publishers(directory, row)
    before = made.content()
    assert made.refresh({row["id"]: text})[0] == 0
    expected = f"release/circumvention/{file}" if directory == "release" else f"ours/amends/{file}"
    assert changed(made, before) == {expected}
    found = service(made)
    assert set(found.networks) == set(networks) and found.networks_checked == "2026-09-21"
    assert [one["with"] for one in found.compared] == [row["id"]]
    settled = made.content()
    assert made.refresh({}) == (0, [f"{row['id']}: unchanged"]) and changed(made, settled) == set()


@pytest.mark.parametrize("directory", ["release", "ours"])
def test_names_of_an_entry(made: Refreshed, directory: str) -> None:
    made.publishers(directory, NAMES)
    text = "new.example\nunsure.example\ntoys.example\nparrot.example\n"
    before = made.content()
    code, printed = made.refresh({"names": text})
    path = "release/circumvention/parrot.yml" if directory == "release" else "ours/amends/parrot.yml"
    if directory == "release":  # a name under `unverified` is the entry's author's to accept
        assert code == 1 and "a value that domains does not have already" in " ".join(" ".join(printed).split())
        assert made.content() == before
        return
    assert code == 0 and changed(made, before) == {path}
    assert made.data(path)["accept"] == {"domains": ["unsure.example"]}
    assert set(service(made).domains) == {"parrot.example", "new.example", "unsure.example"}


def test_what_a_person_wrote_in_an_amendment_stays(made: Refreshed) -> None:
    made.publishers("ours", NETS, NAMES)
    made.write("ours/amends/parrot.yml", AMENDS.replace("sources:", "remove:\n  networks:\n    - 8.8.8.8/32\nsources:"))
    assert made.refresh({"nets": "8.8.8.8/32\n9.9.9.0/24\n", "names": "ours.example\nnew.example\n"})[0] == 0
    data = made.data("ours/amends/parrot.yml")
    assert (data["add"], data["remove"], data["sources"]) == (
        {"domains": ["ours.example", "new.example"], "networks": ["9.9.9.0/24"]},
        {"networks": ["8.8.4.0/24"]},
        ["our desk"],
    )


@pytest.mark.parametrize("part", ["  domains:\n    - ours.example", "  networks:\n    - 9.9.8.0/24"])
def test_a_releases_own_list_leaves_amendments_alone(made: Refreshed, part: str) -> None:
    made.publishers("release", NETS, NAMES)
    made.write("ours/amends/parrot.yml", AMENDS.replace("  domains:\n    - ours.example", part))
    before = made.content()
    assert made.refresh({"nets": "8.8.4.0/24\n9.9.9.0/24\n", "names": "new.example\n"})[0] == 0
    assert changed(made, before) == {"release/circumvention/parrot.yml"}
    entry = made.data("release/circumvention/parrot.yml")
    assert entry["networks"] == ["8.8.4.0/24", "9.9.9.0/24"] and entry["domains"] == ["new.example", "parrot.example"]


def test_a_feed_of_the_release_is_replaced_in_the_directory_that_names_its_list(made: Refreshed) -> None:
    made.publishers("ours", {"id": "list"})
    before = made.content()
    assert made.refresh({"list": "c.example\na.example\n"})[0] == 0
    assert changed(made, before) == {"ours/feeds/birds.yml", "ours/feeds/birds.txt"}
    assert made.data("ours/feeds/birds.yml")["replaces"] == "true"
    assert load([made.release, made.ours]).feeds["birds"].values == ("a.example", "c.example")
    assert made.refresh({"list": "c.example\n"})[0] == 0
    assert load([made.release, made.ours]).feeds["birds"].values == ("c.example",)
    assert load([made.release]).feeds["birds"].values == ("a.example", "b.example")


def test_into_writes_what_the_release_would_get_elsewhere(made: Refreshed) -> None:
    made.publishers("release", NETS, {"id": "list"})
    before = made.content()
    assert made.refresh({"nets": "9.9.9.0/24\n", "list": "c.example\n"}, "--into", str(made.ours))[0] == 0
    assert changed(made, before) == {"ours/amends/parrot.yml", "ours/feeds/birds.yml", "ours/feeds/birds.txt"}
    code, printed = made.refresh({}, "--into", str(made.root))
    assert code == 2 and "expected one of" in " ".join(printed)


def test_an_id_of_two_directories_is_an_error_with_both_places(made: Refreshed) -> None:
    made.publishers("release", {"id": "other"}, {"id": "list"})
    made.publishers("ours", {"id": "list"})
    code, printed = made.refresh({})
    said = "".join(printed).replace("  ", " ")
    assert code == 2 and f"{made.ours}/publishers.yml:" in said and f"{made.release}/publishers.yml:" in said
    assert "[0].id: found 'list', expected an id of its own" in " ".join(" ".join(printed).split())


@pytest.mark.parametrize(
    ("directory", "replaces", "why"),
    [
        ("ours", "", "an id of its own"),
        ("ours", "replaces: 'true'\n", ""),
        ("release", "replaces: 'true'\n", "no such key"),
    ],
)
def test_a_feed_takes_the_place_of_another_where_it_says_so(
    made: Refreshed, directory: str, replaces: str, why: str
) -> None:
    made.write(f"{directory}/feeds/birds.yml", BIRDS.replace("sources:", f"{replaces}sources:"))
    made.write(f"{directory}/feeds/birds.txt", "c.example\n")
    code, printed = made.refresh({})
    assert (code, why in " ".join(printed)) == (2 if why else 0, True)


def test_a_list_that_covers_none_of_the_networks_takes_none_away(made: Refreshed) -> None:
    made.publishers("release", COVERING)
    before = made.content()
    code, printed = made.refresh({"covering": "9.9.9.0/24\n"})
    assert code == 1 and "it covers none of the 2 networks of parrot" in " ".join(printed) and made.content() == before


@pytest.mark.parametrize("value", ["0.0.0.0/0", "8.0.0.0/7", "::/0", "2001::/15", "x"])
def test_a_network_that_covers_everything_covers_nothing(made: Refreshed, value: str) -> None:
    made.publishers("release", COVERING)
    code, printed = made.refresh({"covering": f"{value}\n"})
    assert code == 1 and "expected a network of at least /8" in " ".join(" ".join(printed).split())


def test_lists_that_cover_an_entrys_networks_together_are_one_job(made: Refreshed) -> None:
    made.publishers("release", COVERING, {**COVERING, "id": "second"})
    code, printed = made.refresh({"covering": "8.8.4.0/24\n", "second": "8.8.8.0/24\n"})
    assert (code, printed) == (0, ["covering, second: unchanged"])
    assert [one["with"] for one in service(made).compared] == ["covering", "second"]


@pytest.mark.parametrize("row", [{"id": "list", "of": "brds"}, {**NETS, "of": "parot"}])
def test_a_list_of_nothing_keeps_no_other_back(made: Refreshed, row: dict[str, str]) -> None:
    made.publishers("ours", row, {"id": "fine"})
    code, printed = made.refresh({row["id"]: "9.9.9.0/24\n", "fine": "c.example\n"})
    assert code == 1 and "did you mean" in " ".join(printed) and "fine: 1 new, 2 gone" in " ".join(printed)
