"""Refreshed feeds: agreements of several lists, directories, and amendments."""

import datetime
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from proscribe.controller.cli import command_line as launcher
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from recording import compare, join_files

PARROT = (
    "---\nid: parrot\nname: Parrot\ncategory: circumvention\nvendor: Example\nclass: vpn\nenforce: true\n"
    "domains:\n  - parrot.example\nshared_domains: [cdn.example]\nallow_domains: [work.parrot.example]\n"
    "networks:\n  - 8.8.4.0/24\n  - 8.8.8.8/32\nchecked: 2026-01-02\nnetworks_checked: 2026-01-02\n"
    "decided: [{names: [toys.example], as: refused, why: merchandise}]\n"
    "unverified: {domains: [unsure.example]}\nsources:\n  - a test\n"
)
BIRDS = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources:\n  - a test\n"
DAY = 1_790_000_000  # 2026-09-21
NAMES = "\n".join(f"bird{number:03}.example" for number in range(100))
# With others beside them, neither list copies the other one.
ONE = "\n".join([NAMES, *(f"tree{number:03}.example" for number in range(50))])
TWO = "\n".join([NAMES, *(f"bush{number:03}.example" for number in range(30))])
EMPTY = "z1.example\n"
MORE = NAMES.replace("bird", "wren")
WRENS = TWO.replace("bird", "wren").replace("bush", "moss")
OWL = (
    "---\nid: owl\nname: Owl\ncategory: webmail\nvendor: E\naudience: consumer\nenforce: true\n"
    "domains: [owl.example]\nchecked: 2026-01-02\nsources: [a test]\n"
)
TABLE = """\
- {id: %s, publisher: x, family: %s, %s: [vpn], folder: %s, paths: [list], url: 'https://x.example/', format: lines,
   least: '1', licence: x%s}
"""
WRITTEN = ("amends/parrot.yml", "feeds/birds.yml", "feeds/birds.txt")
NETS = {"id": "nets", "into": "networks", "of": "parrot"}
COVERING = {"id": "covering", "into": "networks", "of": "parrot", "adds": "false"}
AMENDS = "---\namends: parrot\nadd:\n  domains:\n    - ours.example\nsources:\n  - our desk\n"


class Refreshed:
    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.release, self.ours, self.lists = root, root / "release", root / "ours", root / "lists"
        self._capsys = capsys
        for directory in (self.release, self.ours, self.lists):
            directory.mkdir()
        self.write("release/circumvention/parrot.yml", PARROT)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def publishers(self, directory: str, *rows: Mapping[str, Any]) -> None:
        """Write publishers.yml: each row an id with what differs from a list of names for the feed birds."""
        usual = {"format": "lines", "into": "feed", "of": "birds", "least": "1"}
        listed = [{"url": f"https://x.example/{row['id']}", **usual, **row} for row in rows]
        self.write(f"{directory}/publishers.yml", yaml.safe_dump(listed))

    def refresh(self, lists: Mapping[str, str], *words: str, day: int = DAY) -> tuple[int, list[str]]:
        for name, text in lists.items():
            os.utime(self.write(f"lists/{name}", text), (day, day))
        directories = ["--catalog", str(self.release), "--dir", str(self.ours)]
        code = launcher.main(["catalog", "refresh", *directories, "--from", str(self.lists), *words])
        return code, "".join(self._capsys.readouterr()).splitlines()

    def content(self) -> dict[str, bytes]:
        files = [*self.release.rglob("*.*"), *self.ours.rglob("*.*")]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(files)}

    def data(self, name: str) -> Any:
        return yaml.load((self.root / name).read_text(), yaml.BaseLoader)


FAMILIES = {"one": "one", "copy": "one", "two": "two", "three": "three"}
LISTS = [{"id": id_, "family": family} for id_, family in FAMILIES.items()]


@pytest.fixture
def made(tmp_path, capsys):
    made = Refreshed(tmp_path, capsys)
    made.write("release/feeds/birds.yml", BIRDS.replace("checked:", "agreement: '2'\nchecked:"))
    made.write("release/feeds/birds.txt", "# what sings\nhand.example\n")
    made.write("release/known_good.txt", "www.gov.example\n")
    made.publishers("release", *LISTS)
    return made


def lists(one="", copy="", two="", three=""):
    named = {"one": one, "copy": copy, "two": two, "three": three}
    return {name: EMPTY.replace("z1", name) + text.replace(" ", "\n") + "\n" for name, text in named.items()}


WRONG = {
    "one is empty": ({"two": ""}, "two: it has 0 values, expected at least 1"),
    "one is a page": ({"two": "<html>\n<p>\nbird000.example\n"}, "two: 2 of its 3 values are no names"),
    "one has lost half": ({"two": "\n".join(TWO.split()[:65])}, "two: 65 values are gone, 50 % of 130"),
    "one has doubled": ({"two": f"{TWO}\n{WRENS}"}, "two: 130 values are new, 100 % of 130"),
    "one has each twice": ({"two": f"{TWO}\n{TWO}"}, "two: it has each of its 130 values twice or more"),
    "one is another list": ({"two": WRENS}, "no name is in enough of its lists"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_list_changes_nothing_and_says_which_it_is(made, name):
    published = {"one": ONE, "copy": EMPTY, "two": TWO, "three": EMPTY.replace("z1", "z3")}
    assert made.refresh(published)[0] == 0
    before = made.content()
    changed, why = WRONG[name]
    code, printed = made.refresh(changed)
    assert code == 1 and printed[0].startswith("birds: refused, nothing is changed")
    assert why in " ".join(" ".join(printed).split()) and made.content() == before


def test_a_list_that_cannot_be_had_takes_no_name_away_and_is_named(made):
    assert made.refresh(lists("a.example b.example", two="a.example b.example"))[0] == 0
    published = lists("c.example", three="c.example")
    (made.lists / "two").unlink()
    code, printed = made.refresh({id_: text for id_, text in published.items() if id_ != "two"})
    said = " ".join(" ".join(printed).split())
    assert code == 1 and "birds: no name is taken away, since not every list could be had: two: " in said
    text = "# what sings\na.example # 2\nb.example # 2\nc.example # 2\nhand.example\n"
    assert (made.release / "feeds/birds.txt").read_text() == text


RECORDED = Path(__file__).parents[3] / "recorded/cli"


def show(place, *calls):
    """Show what was printed, and the files that changed."""
    shown = {}
    for number, (lists_, words) in enumerate(calls, 1):
        before = place.content()
        code, printed = place.refresh(lists_, *words)
        shown[f"{number}, ended with {code}"] = "\n".join(printed).replace(f"{place.root}/", "")
        after = place.content()
        shown |= {f"{number}, {name}": after[name].decode() for name in after if after[name] != before.get(name)}
    return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1", join_files(shown))


def test_agreement_of_lists_is_written_as_recorded(made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    names = " ".join(f"bird{number:02}.example" for number in range(12))
    known = "www.gov.example cdn.example parrot.example below.parrot.example toys.example below.bird00.example"
    copied, three = f"{names} only.copies.example", "bird00.example bird01.example"
    first = lists(f"{names} {known}", copied, f"{names} {known}", three)
    fewer = lists("bird00.example hand.example", two="bird00.example hand.example new.example", three="new.example")
    shown = show(made, (first, ["--dry-run"]), (first, []), (fewer, []), (fewer, ["--into", str(made.ours)]))
    compare(RECORDED / "refresh.agreement.txt", shown)


def test_refreshed_files_are_as_recorded(place, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rows = [{"id": "list"}, NETS, {"id": "names", "into": "domains", "of": "parrot"}]
    names = "toys.example cdn.example unsure.example new.example x.parrot.example".replace(" ", "\n")
    published = {"list": "c.example\nB.example.\n", "names": names, "nets": "8.8.8.8/32\n9.9.9.0/24\n"}
    published["covering"] = "8.0.0.0/8"
    place.publishers("release", *rows)
    shown = "### the release's own lists\n" + show(place, ({**published, "names": "new.example\n"}, []))
    place.write("release/circumvention/parrot.yml", PARROT)
    place.publishers("release", COVERING)
    place.publishers("ours", *rows)
    shown += "### lists of another directory\n" + show(place, (published, []))
    removed = "remove:\n  networks:\n    - 8.8.8.8/32\nsources:"
    place.write("ours/amends/parrot.yml", AMENDS.replace("sources:", removed))
    shown += "### an amendment of a person\n" + show(place, (published, []))
    compare(RECORDED / "refresh.files.txt", shown)


WRONG_ROWS = {
    "- of: birds": "found 'birds', expected id beside it, or lists of recall.yml",
    "- {lists: [one], of: birds, least: '1'}": "no such key beside lists: recall.yml says it",
    "- {lists: [on], of: birds}": "found 'on', expected the id of a list of recall.yml, did you mean 'one'?",
    "- of: birds\n  lists:\n  - one\n  - on": "found 'on', expected the id of a list of recall.yml, did you mean",
    "- {lists: [far], of: birds}": "found 'far', expected a list that has an address",
    "- {lists: [one, one], of: birds}": "found 'one', expected every item once",
    "- {lists: [one], of: birds}\n- {lists: [one], of: birds, notes: x}": "found 'one', expected an id of its own; ",
}


@pytest.mark.parametrize("row", WRONG_ROWS)
def test_wrong_rows_are_named_at_their_place(made, row):
    far = (TABLE % ("far", "far", "about", "far", "")).replace("url: 'https://x.example/', ", "")
    made.write("release/recall.yml", "---\n" + TABLE % ("one", "one", "about", "one", "") + far)
    made.write("release/publishers.yml", f"---\n{row}\n")
    code, printed = made.refresh({})
    said = " ".join(" ".join(printed).split())
    assert code == 2 and f"publishers.yml:{2 + row.count(chr(10))}: " in said and WRONG_ROWS[row] in said


def test_lists_of_one_family_cannot_agree(made):
    made.publishers("release", *LISTS[:2])
    code, printed = made.refresh(lists("a.example", "a.example"))
    assert code == 1 and "its publishers are of 1 families, expected 2 or more" in " ".join(printed)


def test_all_of_its_lists_are_read_whichever_is_named(made):
    for words in (("birds",), ("two",), ("three", "birds")):
        code, printed = made.refresh(lists("a.example", two="a.example"), *words)
        assert code == 0 and [line.partition(":")[0] for line in printed if ":" in line[:6]] == ["birds"]


@pytest.fixture
def place(tmp_path, capsys):
    place = Refreshed(tmp_path, capsys)
    place.write("release/feeds/birds.yml", BIRDS)
    place.write("release/feeds/birds.txt", "a.example\nb.example\n")
    return place


def test_into_writes_what_the_release_would_get_elsewhere(place):
    place.publishers("release", NETS, {"id": "list"})
    before = place.content()
    assert place.refresh({"nets": "9.9.9.0/24\n", "list": "c.example\n"}, "--into", str(place.ours))[0] == 0
    assert place.content().keys() - before.keys() == {f"ours/{name}" for name in WRITTEN}
    assert place.content().items() >= before.items()
    code, printed = place.refresh({}, "--into", str(place.root))
    assert code == 2 and "expected one of" in " ".join(printed)


def test_a_list_that_covers_none_of_the_networks_takes_none_away(place):
    place.publishers("release", COVERING)
    before = place.content()
    code, printed = place.refresh({"covering": "9.9.9.0/24\n"})
    assert code == 1 and "it covers none of the 2 networks of parrot" in " ".join(printed) and place.content() == before


def test_lists_that_cover_an_entrys_networks_together_are_one_job(place):
    place.publishers("release", COVERING, {**COVERING, "id": "second"})
    code, printed = place.refresh({"covering": "8.8.4.0/24\n", "second": "8.8.8.0/24\n"})
    assert (code, printed) == (0, ["covering, second: unchanged"])
    (first, second) = read_catalogue([place.release, place.ours]).services["parrot"].compared
    assert (first["with"], second["with"]) == ("covering", "second")


@pytest.fixture
def published(place):
    """The hundred names of birds as a list of at least fifty; `names` is a list of an entry's domains."""
    place.write("release/feeds/birds.txt", f"# what sings\n{NAMES}\n")
    place.write("release/webmail/owl.yml", OWL)
    place.publishers("release", {"id": "birds", "least": "50"}, {"id": "names", "into": "domains", "of": "parrot"})
    return place


def test_a_list_that_is_older_than_the_last_one_is_refused(published):
    assert published.refresh({"birds": NAMES}, "birds")[0] == 0
    before = published.content()
    code, printed = published.refresh({"birds": MORE}, "birds", day=1_789_000_000)
    assert code == 1 and "it is of 2026-09-10, expected one that is not older" in " ".join(" ".join(printed).split())
    assert published.content() == before


def test_change_that_does_not_load_is_taken_back(published):
    before = published.content()
    code, printed = published.refresh({"names": "new.example\nowl.example"}, "names")
    assert code == 1 and "would not load" in printed[0]
    assert published.content() == before


def test_all_lists_where_none_is_named(published):
    code, printed = published.refresh({"names": ""})
    assert code == 1 and [line.partition(":")[0] for line in printed] == ["birds", "names"]
    assert all("refused, nothing is changed" in line for line in printed)


def test_checked_day_is_that_of_the_file_and_never_a_day_to_come(published):
    today = datetime.datetime.now(datetime.timezone.utc)
    for days_ago, expected in ((10, 10), (-10, 0)):
        written = today - datetime.timedelta(days=days_ago)
        lists = {"names": f"new{expected}.example"}
        assert published.refresh(lists, "names", day=int(written.timestamp()))[0] == 0
        days = [str(today.date() - datetime.timedelta(days=expected - late)) for late in (0, 1)]  # midnight may pass
        assert published.data("release/circumvention/parrot.yml")["checked"] in days


@pytest.mark.parametrize(
    ("values", "most", "taken"),
    [
        (NAMES.split() + MORE.split()[:40], "40", True),
        (NAMES.split() + MORE.split()[:40], "39", False),
        (NAMES.split()[40:], "39", False),
        (NAMES.split()[:49], "100", False),  # fewer than the publisher always has
    ],
)
def test_list_that_changes_more_than_allowed_is_refused(published, values, most, taken):
    names = "\n".join(f"{name.upper()}." for name in NAMES.split())
    assert published.refresh({"birds": names}, "birds") == (0, ["birds: unchanged"])
    before = (published.release / "feeds/birds.txt").read_text()
    code, printed = published.refresh({"birds": "\n".join(values)}, "birds", "--max-change", most)
    assert code == (0 if taken else 1), printed
    assert ((published.release / "feeds/birds.txt").read_text() != before) is taken
