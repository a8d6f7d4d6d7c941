"""`catalog propose` with a list of names: what is a name, what of it is new, and the amendment that is written."""

import datetime
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from proscribe.controller.cli import Refused, command_line
from proscribe.controller.cli.catalog import proposing
from proscribe.controller.cli.catalog.chosen import Chosen
from proscribe.controller.cli.catalog.proposing import Proposal, amendment, names_of, propose
from proscribe.controller.cli.catalog.recall.measure import Found
from proscribe.controller.cli.catalog.recall.proposals import Proposed
from proscribe.controller.cli.catalog.recall.standing import Standing

NEW = ["a.b.new.example", "new.example", "perhaps.example", "newer.example"]
SAID = "shared: others use it"
KNOWN = ["owl.example", "below.owl.example", "page.example", "said.example", "cdn.example", "ok.owl.example"]
SOURCE = ("--source", "a test")
OF = "rank 7: one, two"
DAY = datetime.datetime(2026, 11, 25, tzinfo=datetime.timezone.utc)
NOBODYS = f"""\
# No entry has names of their vendors. A new entry, or a decision of one, speaks of them:
# vpn: nobody.example, {OF}
"""
MISSING = "missing: four: it is gone\n"
CLOSES = f"left out closes.example, {OF}: it carries all\n"
SAID_SO = f"left out said.example: {SAID}\n"
COUNT = "5 names proposed, 1 of them without an entry\n"


def test_a_longer_list_is_a_feed(monkeypatch):
    monkeypatch.setattr(proposing, "MOST", 2)
    assert len(names_of("a.example\nb.example\na.example")) == 2
    with pytest.raises(Refused, match="^3 names; expected at most 2: a longer list is a feed"):
        names_of("a.example\nb.example\nc.example")


OWL = SimpleNamespace(
    id="owl",
    domains=["owl.example"],
    urls=["page.example", "web.example/owl"],
    allow_domains=["ok.owl.example"],
    shared_domains=["cdn.example"],
    decided=[{"as": "shared", "names": ["said.example", "x.example"], "why": "others use it"}],
    unverified={"domains": ["perhaps.example"]},
)


def test_name_that_an_entry_has_or_has_decided_is_not_proposed():
    found = propose(OWL, [*NEW, *KNOWN, "web.example", "googleapis.com"])
    assert found.add == ["new.example", "newer.example", "perhaps.example", "web.example"]
    assert {**found.left, "googleapis.com": ""} == {
        "said.example": SAID,
        "cdn.example": "the entry has it as shared or allowed",
        "ok.owl.example": "the entry has it as shared or allowed",
        "googleapis.com": "",
    }
    assert found.left["googleapis.com"].startswith("it carries ")
    assert propose(OWL, []) == Proposal([], {})


class Command:
    def __init__(self, folder):
        self.folder = folder
        self.chosen = Chosen([folder], SimpleNamespace(services={"owl": OWL}))
        (folder / "list").write_text("new.example\nsaid.example\n")

    def __call__(self, *words):
        _, arguments = command_line.read("catalog", ["propose", *words])
        assert arguments.run_subcommand(arguments, self.chosen) == 0


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Command(tmp_path)


ADDED = amendment(OWL, ["new.example"], ["a test"])


def test_amendment_is_printed(command, capsys):
    command("owl", "list", *SOURCE)
    assert capsys.readouterr() == (ADDED, f"left out said.example: {SAID}\n")


def test_amendment_is_written_into_the_last_directory_and_over_no_file(command, capsys):
    options = ("owl", "list", *SOURCE, "--dir", "first", "--dir", "own")
    command(*options)
    assert Path("own/amends/owl.yml").read_text() == ADDED and not Path("first").exists()
    said = f"left out said.example: {SAID}\nown/amends/owl.yml: 1 name to add; review it, then commit\n"
    assert capsys.readouterr() == ("", said)
    Path("own/amends/owl.yml").write_text("mine")
    with pytest.raises(Refused, match="^own/amends/owl.yml is there already; .* add.domains: new.example$"):
        command(*options)
    assert Path("own/amends/owl.yml").read_text() == "mine"


def test_list_without_new_names_is_no_mistake(command, capsys):
    Path("list").write_text("owl.example\n")
    command("owl", "list", *SOURCE, "--dir", "own")
    assert capsys.readouterr() == ("", "nothing to add to owl\n") and not Path("own").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("owl", "list"), "--source is missing; expected where the list comes from"),
        (("owl", "list", "--source", "a\nb"), "--source: expected "),
        (("ow", "list", *SOURCE), "there is no service 'ow' in this catalogue, did you mean 'owl'"),
        (("owl", "gone", *SOURCE), "gone: No such file or directory"),
        (("owl", "list", "--from-recall", "x"), "found LIST or --source beside --from-recall"),
        ((*SOURCE, "--from-recall", "x"), "found LIST or --source beside --from-recall"),
        (("owl",), "LIST is missing; expected SERVICE LIST --source TEXT, or --from-recall FOLDER"),
        ((), "SERVICE is missing; expected SERVICE LIST"),
    ],
)
def test_missing_word_of_propose_is_named(command, words, why):
    with pytest.raises(Refused) as refused:
        command(*words)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize("name", ["list", "-"])
def test_a_list_has_a_largest_size(command, name, monkeypatch):
    content = b"new.example\n"
    for size in (len(content), len(content) - 1):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        Path("list").write_bytes(content)
        monkeypatch.setattr(proposing, "LARGEST", size)
        if size == len(content):
            command("owl", name, *SOURCE)
        else:
            with pytest.raises(Refused, match=f"^{name}: more than {size} bytes; expected a list of names"):
                command("owl", name, *SOURCE)


def missing(name, service, closes=""):
    found = Found(name, Standing("missing"), True, 7, ("one", "two"))
    return Proposed(found, "vpn", service, closes)


FOUND = [
    missing("new.example", "owl"),
    missing("owl.example", "owl"),
    missing("said.example", "owl"),
    missing("closes.example", "owl", "it carries all"),
    missing("gull.example", "gull"),
    missing("nobody.example", ""),
]
OF_OWL = amendment(OWL, ["new.example"], [f"public lists, compared on 2026-11-25: new.example, {OF}"])
OF_GULL = OF_OWL.replace("owl", "gull").replace("new.example", "gull.example")


@pytest.fixture
def recalled(command, monkeypatch):
    calls = []
    services = {"owl": OWL, "gull": SimpleNamespace(**{**vars(OWL), "id": "gull", "decided": []})}
    command.chosen = Chosen([command.folder], SimpleNamespace(services=services))
    found = SimpleNamespace(popularity=("top",), lists=SimpleNamespace(missing={"four": "it is gone"}), results="all")
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: DAY.astimezone(zone)), timezone=datetime.timezone)
    monkeypatch.setattr(proposing, "datetime", clock)
    monkeypatch.setattr(proposing, "compared", lambda *given: calls.append(given) or found)
    monkeypatch.setattr(proposing, "proposed", lambda results, chosen: calls.append((results, chosen)) or list(FOUND))
    return calls


def test_recall_proposes_an_amendment_for_an_entry(command, recalled, capsys):
    command("--from-recall", "lists", "--popular", "9", "--category", "vpn")
    assert capsys.readouterr() == (f"{OF_GULL}{OF_OWL}{NOBODYS}", f"{MISSING}{CLOSES}{SAID_SO}{COUNT}")
    assert recalled == [(command.chosen, Path("lists"), ["vpn"], 9), ("all", command.chosen)]
    command("owl", "--from-recall", "lists")
    counted = "3 names proposed, 0 of them without an entry\n"
    assert capsys.readouterr() == (OF_OWL, f"{MISSING}{CLOSES}{SAID_SO}{counted}")
    assert recalled[2] == (command.chosen, Path("lists"), proposing.CATEGORIES, 100_000)


def test_proposed_amendments_are_written_unless_one_is_there(command, recalled, capsys):
    Path("own/amends").mkdir(parents=True)
    Path("own/amends/owl.yml").write_text("mine")
    command("--from-recall", "lists", "--dir", "own")
    wrote = "own/amends/gull.yml: 1 name to add; review it, then commit\n"
    there = "own/amends/owl.yml is there already; add these under add.domains: new.example\n"
    assert capsys.readouterr() == (NOBODYS, f"{MISSING}{CLOSES}{wrote}{SAID_SO}{there}{COUNT}")
    assert Path("own/amends/gull.yml").read_text() == OF_GULL and Path("own/amends/owl.yml").read_text() == "mine"
