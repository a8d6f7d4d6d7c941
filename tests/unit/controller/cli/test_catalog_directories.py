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


def test_into_writes_what_the_release_would_get_elsewhere(made: Refreshed) -> None:
    made.publishers("release", NETS, {"id": "list"})
    before = made.content()
    assert made.refresh({"nets": "9.9.9.0/24\n", "list": "c.example\n"}, "--into", str(made.ours))[0] == 0
    assert changed(made, before) == {"ours/amends/parrot.yml", "ours/feeds/birds.yml", "ours/feeds/birds.txt"}
    code, printed = made.refresh({}, "--into", str(made.root))
    assert code == 2 and "expected one of" in " ".join(printed)


def test_a_list_that_covers_none_of_the_networks_takes_none_away(made: Refreshed) -> None:
    made.publishers("release", COVERING)
    before = made.content()
    code, printed = made.refresh({"covering": "9.9.9.0/24\n"})
    assert code == 1 and "it covers none of the 2 networks of parrot" in " ".join(printed) and made.content() == before


def test_lists_that_cover_an_entrys_networks_together_are_one_job(made: Refreshed) -> None:
    made.publishers("release", COVERING, {**COVERING, "id": "second"})
    code, printed = made.refresh({"covering": "8.8.4.0/24\n", "second": "8.8.8.0/24\n"})
    assert (code, printed) == (0, ["covering, second: unchanged"])
    assert [one["with"] for one in service(made).compared] == ["covering", "second"]
