"""`catalog` check, stats, list, show, stale, and propose with a list of names."""

import datetime
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_hosts import write_files
from proscribe.controller.cli import CommandError, command_line
from proscribe.controller.cli.catalog import amendment_proposal, loaded_catalogue
from proscribe.controller.cli.catalog.recall import measurement, name_status, proposals
from recording import compare, fold, join_files, outline

PARROT = (
    "---\nid: parrot\nname: Parrot\ncategory: instant_messaging\nvendor: Example\naudience: consumer\nenforce: true\n"
    "domains:\n  - parrot.example\nshared_domains: [cdn.example]\nnetworks:\n  - 8.8.8.0/24\n"
    "packages: {apt: [parrot], winget: [Example.Parrot]}\nfront_doors:\n  - parrot.example\n"
    "decided:\n  - {names: [cdn.example], as: shared, why: everybody's pictures lie there}\n"
    "  - {names: [toys.example], as: refused, why: merchandise}\nchecked: 2026-01-02\n"
    "networks_checked: 2024-10-21\nunverified: {domains: [parrot.test.example]}\nsources: [a test]\n"
)
OWL = (
    "---\nid: owl\nname: Owl\ncategory: webmail\nvendor: E\naudience: consumer\nenforce: true\n"
    "unverified: {domains: [owl.example]}\nsources: [a test]\n"
)
FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources: [a test]\n"
USUAL = {
    "instant_messaging/parrot.yml": PARROT,
    "webmail/owl.yml": OWL,
    "feeds/birds.yml": FEED,
    "feeds/birds.txt": "finch.example\n",
    "../ours/amends/parrot.yml": "---\namends: parrot\naccept: {domains: [parrot.test.example]}\nsources: [our desk]\n",
}
DOORS, DOMAINS = "front_doors:\n  - parrot.example\n", "domains:\n  - parrot.example\n"
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
OLD = 400  # days
RECORD = "compared:\n  - {{with: list, day: 2026-01-02, sha256: {}, values: 5{}}}\nsources:"
PUBLISHED = [("birds", "feed", "birds"), ("nets", "networks", "parrot"), ("names", "domains", "parrot")]


def written(place: Path, files: Mapping[str, str]) -> Path:
    root = place / "catalog"
    write_files(root, {**USUAL, **files})
    return root


@pytest.fixture
def catalog(tmp_path):
    return written(tmp_path, {"known_good.txt": "# updates\nupdates.example\n"})


def make_call(root, capsys):
    def run(*words):
        code = command_line.main(["catalog", *words, "--catalog", str(root)])
        return code, "".join(capsys.readouterr())

    return run


@pytest.fixture
def call(catalog, capsys):
    return make_call(catalog, capsys)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({}, []),
        ({DOORS: "", DOMAINS: "urls: [parrot.example/x]\n"}, ["front_doors"]),
        ({DOORS: "", DOMAINS: ""}, []),  # it has no page
        ({"\nchecked: 2026-01-02": ""}, ["checked"]),
        ({"networks_checked: 2024-10-21\n": ""}, ["networks_checked"]),
        ({"networks_checked: 2024-10-21\n": "", "networks:\n  - 8.8.8.0/24\n": ""}, []),
        ({DOORS: "", "\nchecked: 2026-01-02": "", "enforce: true": "enforce: false"}, []),
    ],
)
def test_check_names_what_a_service_lacks(call, catalog, changes, keys):
    (catalog / "webmail/owl.yml").unlink()
    file = catalog / "instant_messaging/parrot.yml"
    for before, after in changes.items():
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))
    code, printed = call("check", "--json")
    found = json.loads(printed)
    assert (code, found["schema"]) == (1 if keys else 0, "proscribe/catalog-check/1")
    assert [(one["service"], one["file"]) for one in found["problems"]] == [("parrot", str(file))] * len(keys)
    assert [one["what"].rpartition("(")[2] for one in found["problems"]] == [f"{key})" for key in keys]


@pytest.mark.parametrize(
    ("words", "said"),
    [("show parot", "mean 'parrot'?"), ("refresh x", "no list 'x'"), ("list --dir /no", "/no is not a directory")],
)
def test_a_wrong_name_is_refused(call, words, said):
    code, printed = call(*words.split())
    assert code == 2 and said in printed


def days_ago(days):
    return str(TODAY - datetime.timedelta(days=days))


@pytest.fixture
def old_catalog(tmp_path):
    parrot = PARROT.replace("sources:", RECORD.format("a" * 64, ", version: ETag x"))
    feed = FEED.replace("checked:", "agreement: '2'\nchecked:").replace("sources:", RECORD.format("b" * 64, ""))
    parrot = parrot.replace("\nchecked: 2026-01-02", f"\nchecked: {days_ago(OLD)}")
    files = {"feeds/birds.yml": feed, "feeds/birds.txt": "finch.example\nwren.example\n"}
    return written(tmp_path, {"instant_messaging/parrot.yml": parrot, **files})


@pytest.fixture
def call_old(old_catalog, capsys):
    return make_call(old_catalog, capsys)


# A different number of each.
WREN = """
packages: {apt: [wren], rpm: [b], pip: [c], winget: [A.B, A.C], choco: [f], brew: [g], brew_cask: [h], android: [a.b]}
paths: {linux: [/opt/w/a, /opt/w/b], windows: ['%ProgramFiles%\\Wren\\Wren.exe']}
processes: {linux: [wren, wrens, wrend], windows: [Wren.exe, Wrens.exe], macos: [Wren.app]}
desktop_files: [wren.desktop]
markers: {go: [example.org/wren], programs: [wren-tool, wren-cli]}
registered: {names: [Wren by Wren Ltd], keys: [Wren_is1]}
bundle_ids: [example.wren]
signing_ids: ["ABCDE12345:example.wren"]
team_ids: [ABCDE12345]
domains: [wren.example]
urls: [page.example/wren]
mail_hosts: [mx.wren.example]
browser_extensions: {chrome: [abcdefghijklmnopabcdefghijklmnop], firefox: [wren@example.org]}
unverified: {domains: [wrens.example], packages: {apt: [xx, yy]}, notes: a word}
"""
PRINTED = ["list", "list --json", "show parrot --dir OURS", "show parrot --json", "show owl", "show wren", "stats"]
PRINTED += ["stats --json", "stats --category webmail", "check", "stale --max-age 30d", "list --category webmail"]


def test_catalogue_is_printed_as_recorded(call_old, old_catalog, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    place, head = old_catalog.parent, OWL.partition("unverified")[0].replace("owl", "wren").replace("true", "false")
    (old_catalog / "webmail/wren.yml").write_text(f"{head}{WREN.strip()}\nsources: [a test]\n")
    (old_catalog / "known_good.txt").write_text("u.example\n")
    shown = {}
    for words in PRINTED:
        code, printed = call_old(*words.replace("OURS", str(place / "ours")).split())
        assert code < 2, printed
        for text, short in ((f"{place}/", ""), (days_ago(OLD), "2025-__-__"), ("a" * 64, "AAA"), ("b" * 64, "BBB")):
            printed = printed.replace(text, short)
        if "--json" in words:
            printed = outline(json.loads(printed))
        shown[f"{words}: {code}"] = fold(re.sub(r"[\d,]+ days ago", "N days ago", printed), 180)
    compare(Path(__file__).parents[2] / "recorded/cli/catalog.printed.txt", join_files(shown))


OF_PARROT = [("networks", "parrot"), ("entry", "parrot")]


def stale_of(call_old, *words):
    code, printed = call_old("stale", "--json", *words)
    found = json.loads(printed)
    assert found.pop("schema") == "proscribe/stale/1" and code == (1 if found["stale"] else 0)
    return found


def test_stale_names_the_lists_that_refresh_what_is_old(call_old, old_catalog):
    row = "- {{id: {}, url: 'https://x.example/', format: lines, into: {}, of: {}, least: '1'}}\n"
    (old_catalog / "publishers.yml").write_text("".join(row.format(*one) for one in PUBLISHED))
    found = stale_of(call_old, "--max-age", "30d")["stale"]
    assert [(one["what"], one["id"]) for one in found] == [("entry", "owl"), *OF_PARROT, ("feed", "birds")]
    assert [one["publishers"] for one in found] == [[], ["nets"], ["names"], ["birds"]]
    assert (found[0]["days"], found[0]["checked"], found[2]["days"] - OLD in (0, 1)) == (None, "", True)
    lines = call_old("stale", "--max-age", "30d")[1].splitlines()
    refreshed = [line.partition(" catalog refresh ")[2].split(" ")[-1] for line in lines if line.startswith("  ")]
    assert refreshed == ["nets", "names", "birds"]
    assert all(f" --catalog {old_catalog} " in line for line in lines if line.startswith("  "))


def test_accepted_entry_is_not_stale_and_comes_last(call_old, old_catalog):
    (old_catalog / "webmail/owl.yml").unlink()
    file = old_catalog / "instant_messaging/parrot.yml"
    word = f"checked_accepted: {{day: {days_ago(3)}, until: {days_ago(-30)}, why: it is rare}}\n"
    file.write_text(file.read_text().replace("sources:", f"{word}sources:"))
    found = stale_of(call_old, "--max-age", "30d")
    assert found["stale"] == [] and [(one["what"], one["until"], one["why"]) for one in found["accepted"]] == [
        (what, days_ago(-30), "it is rare") for what in ("entry", "networks", "feed")
    ]
    *accepted, last = call_old("stale", "--max-age", "30d")[1].splitlines()
    assert [line.rpartition("; ")[2] for line in accepted] == [f"accepted until {days_ago(-30)}: it is rare"] * 3
    assert last == "everything that is enforced was checked within 30 days or is accepted"
    assert call_old("stale", "--max-age", "9999d") == (0, "everything that is enforced was checked within 9,999 days\n")
    file.write_text(file.read_text().replace("enforce: true", "enforce: false"))
    assert stale_of(call_old, "--max-age", "1d") == {"stale": [], "accepted": []}


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


def test_names_of_a_list_are_read_in_each_form():
    text = "a.example\n# b.example\nC.Example. # c\ndomain:d.example:@cn\nfull:e.example\n||f.example^\n*.g.example\n"
    text += "0.0.0.0 h.example\n127.0.0.1 i.example # x\n:: j.example\n1.2.3.4 k.example\nl.example m.example x\n"
    text += ".n.example\ncom\n<html>\nlocalhost\na.example\n\xff\n"
    assert amendment_proposal.parse_names(text) == [f"{letter}.example" for letter in "acdefghijln"]


def test_amendment_accepts_unverified_names_and_adds_the_others():
    text = amendment_proposal.format_amendment(OWL_PROPOSING, ["a.example", "perhaps.example"], ["it's: one", "two"])
    accept = "---\namends: owl\naccept:\n  domains:\n    - perhaps.example\nadd:\n  domains:\n    - a.example\n"
    assert text == f"{accept}sources:\n  - 'it''s: one'\n  - 'two'\n"


def test_a_longer_list_is_a_feed(monkeypatch):
    monkeypatch.setattr(amendment_proposal, "MAX_NAMES", 2)
    assert len(amendment_proposal.parse_names("a.example\nb.example\na.example")) == 2
    with pytest.raises(CommandError, match="^3 names; expected at most 2: a longer list is a feed"):
        amendment_proposal.parse_names("a.example\nb.example\nc.example")


OWL_PROPOSING = SimpleNamespace(
    id="owl",
    domains=["owl.example"],
    urls=["page.example", "web.example/owl"],
    allow_domains=["ok.owl.example"],
    shared_domains=["cdn.example"],
    decided=[{"as": "shared", "names": ["said.example", "x.example"], "why": "others use it"}],
    unverified={"domains": ["perhaps.example"]},
)


def test_name_that_an_entry_has_or_has_decided_is_not_proposed():
    found = amendment_proposal.propose_names(OWL_PROPOSING, [*NEW, *KNOWN, "web.example", "googleapis.com"])
    assert found.added == ["new.example", "newer.example", "perhaps.example", "web.example"]
    assert found.left_out.pop("googleapis.com").startswith("it carries ")
    has = "the entry has it as shared or allowed"
    assert found.left_out == {"said.example": SAID, "cdn.example": has, "ok.owl.example": has}
    assert amendment_proposal.propose_names(OWL_PROPOSING, []) == ([], {})


class Command:
    def __init__(self, folder):
        self.folder = folder
        self.chosen = loaded_catalogue.LoadedCatalogue([folder], SimpleNamespace(services={"owl": OWL_PROPOSING}))
        (folder / "list").write_text("new.example\nsaid.example\n")

    def __call__(self, *words):
        _, arguments = command_line.parse_command("catalog", ["propose", *words])
        assert arguments.run_subcommand(arguments, self.chosen) == 0


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Command(tmp_path)


ADDED = "---\namends: owl\nadd:\n  domains:\n    - new.example\nsources:\n  - 'a test'\n"


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
    with pytest.raises(CommandError, match="^own/amends/owl.yml is there already; .* add.domains: new.example$"):
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
        (("owl",), "LIST is missing; expected SERVICE LIST --source TEXT, or --from-recall FOLDER"),
        ((), "SERVICE is missing; expected SERVICE LIST"),
    ],
)
def test_missing_word_of_propose_is_named(command, words, why):
    with pytest.raises(CommandError) as refused:
        command(*words)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize("name", ["list", "-"])
def test_a_list_has_a_largest_size(command, name, monkeypatch):
    content = b"new.example\n"
    for size in (len(content), len(content) - 1):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        Path("list").write_bytes(content)
        monkeypatch.setattr(amendment_proposal, "MAX_LIST_BYTES", size)
        if size == len(content):
            command("owl", name, *SOURCE)
        else:
            with pytest.raises(CommandError, match=f"^{name}: more than {size} bytes; expected a list of names"):
                command("owl", name, *SOURCE)


def missing(name, service, closes=""):
    found = measurement.ListedName(name, name_status.NameStatus("missing"), True, 7, ("one", "two"))
    return proposals.ProposedName(found, "vpn", service, closes)


SERVICES = {"new": "owl", "owl": "owl", "said": "owl", "gull": "gull", "nobody": ""}
FOUND = [missing(f"{name}.example", service) for name, service in SERVICES.items()]
FOUND.insert(3, missing("closes.example", "owl", "it carries all"))
OF_OWL = ADDED.replace("a test", f"public lists, compared on 2026-11-25: new.example, {OF}")
OF_GULL = OF_OWL.replace("owl", "gull").replace("new.example", "gull.example")


@pytest.fixture
def recalled(command, monkeypatch):
    calls = []
    services = {"owl": OWL_PROPOSING, "gull": SimpleNamespace(**{**vars(OWL_PROPOSING), "id": "gull", "decided": []})}
    command.chosen = loaded_catalogue.LoadedCatalogue([command.folder], SimpleNamespace(services=services))
    lists = SimpleNamespace(reasons_by_list={"four": "it is gone"})
    found = SimpleNamespace(popularity=("top",), lists=lists, results="all")
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda zone: DAY.astimezone(zone)), timezone=datetime.timezone)
    monkeypatch.setattr(amendment_proposal, "datetime", clock)
    monkeypatch.setattr(amendment_proposal, "compare_catalogue", lambda *given: calls.append(given) or found)
    monkeypatch.setattr(amendment_proposal, "propose_missing_names", lambda *given: calls.append(given) or [*FOUND])
    return calls


def test_recall_proposes_an_amendment_for_an_entry(command, recalled, capsys):
    command("--from-recall", "lists", "--popular", "9", "--category", "vpn")
    assert capsys.readouterr() == (f"{OF_GULL}{OF_OWL}{NOBODYS}", f"{MISSING}{CLOSES}{SAID_SO}{COUNT}")
    assert recalled == [(command.chosen, Path("lists"), ["vpn"], 9), ("all", command.chosen)]
    command("owl", "--from-recall", "lists")
    counted = "3 names proposed, 0 of them without an entry\n"
    assert capsys.readouterr() == (OF_OWL, f"{MISSING}{CLOSES}{SAID_SO}{counted}")
    assert recalled[2] == (command.chosen, Path("lists"), amendment_proposal.LIST_SUBJECTS, 100_000)


def test_proposed_amendments_are_written_unless_one_is_there(command, recalled, capsys):
    Path("own/amends").mkdir(parents=True)
    Path("own/amends/owl.yml").write_text("mine")
    command("--from-recall", "lists", "--dir", "own")
    wrote = "own/amends/gull.yml: 1 name to add; review it, then commit\n"
    there = "own/amends/owl.yml is there already; add these under add.domains: new.example\n"
    assert capsys.readouterr() == (NOBODYS, f"{MISSING}{CLOSES}{wrote}{SAID_SO}{there}{COUNT}")
    assert Path("own/amends/gull.yml").read_text() == OF_GULL and Path("own/amends/owl.yml").read_text() == "mine"
