"""`catalog recall` and `propose --from-recall`: lists, measures, goals, hostile lists."""

import datetime
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from file_hosts import write_files
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.cli import CommandError, command_line
from proscribe.controller.cli.catalog import download, independence, list_files, loaded_catalogue, public_lists, recall
from proscribe.controller.cli.catalog.recall import list_reader
from proscribe.controller.cli.catalog.recall.list_reader import ListContents
from proscribe.controller.cli.catalog.recall.measurement import (
    CategoryResult,
    ListedName,
    PopularNames,
    collect_popular_names,
    measure_category,
)
from proscribe.controller.cli.catalog.recall.name_status import NAME_STATES, NameStatus, make_status_finder
from recording import compare, join_files, outline

ENTRY = (
    "---\nid: {id}\nname: {id}\ncategory: webmail\nvendor: Example\naudience: consumer\nenforce: {enforce}\n{more}\n"
    "checked: 2026-01-02\nsources: [a test]\n"
)
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
ABOUT = "about: [vpn]"
WORDS = "missing owlmail x.owlmail reported open.owlmail shared refused unverified known portal whole partly fed"
NAMES = [f"{word}.example" for word in WORDS.split()]
V2FLY = (
    "- {id: third, publisher: X, family: third, about: [vpn], folder: third, paths: [data/list], format: v2fly,"
    " least: 1, licence: MIT}"
)
CONTENTS = ListContents({"one": {"a": 1}, "two": {"a": 1, "b": 2}}, {"four": "it is not there", "five": "it is empty"})
NOBODY = PopularNames({}, frozenset(), ())
MISSING = NameStatus("missing")
IDS = "abcd"
LISTS_OF_NAMES = st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(["x", "y", "z", "x.y"]), max_size=4))
KEYS_OF_NAMES = ("domains", "nxdomain_canaries", "urls", "shared_domains", "allow_domains", "mail_hosts", "decided")
FEEDS = [
    SimpleNamespace(id="birds", kind="domains", service="owl", values=["fed.example", "x.deep.fed.other"]),
    SimpleNamespace(id="calm", kind="domains", service="quiet", values=["calm.example", "said.example"]),
    SimpleNamespace(id="nets", kind="networks", service="owl", values=["nets.example"]),
]


@pytest.fixture
def catalog(tmp_path):
    root = tmp_path / "catalog"
    files = {
        "webmail/owl.yml": ENTRY.format(id="owl", enforce="true", more=OWL),
        "webmail/wren.yml": ENTRY.format(id="wren", enforce="false", more="domains: [reported.example]"),
        "feeds/birds.yml": "---\nid: birds\nname: B\nservice: owl\nkind: domains\nchecked: 2026-01-02\nsources: [x]\n",
        "feeds/birds.txt": "fed.example\n",
        "known_good.txt": "known.example\nlogin.needed.example\n",
        "recall.yml": "---\n"
        + ROW.format(id="first", about=ABOUT, least=1)
        + ROW.format(id="second", about=ABOUT, least=1)
        + ROW.format(id="top", about="popular: ranked", least=1),
    }
    write_files(root, files)
    return root


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "lists"
    for id_, names in {"first": NAMES, "second": NAMES, "top": ["a.example", *NAMES]}.items():
        (root / id_).mkdir(parents=True)
        (root / id_ / "list").write_text("\n".join(names))
    return root


@pytest.fixture
def call(catalog, folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words):
        code = command_line.main(["catalog", words[0], "--catalog", str(catalog), *words[1:]])
        return code, "".join(capsys.readouterr())

    return run


def result(call, folder, *words):
    code, printed = call("recall", str(folder), "--json", *words)
    found = json.loads(printed)
    assert code == 0 and found["schema"] == "proscribe/catalog-recall/1"
    return found


HOSTILE = {
    "absent": (lambda path: None, "No such file or directory"),
    "empty": (lambda path: path.write_text(""), "it has 0 names, expected at least 1"),
    "binary": (lambda path: path.write_bytes(b"SQLite format 3\0x.example"), "is no text: byte 15 is NUL"),
    "a pipe": (os.mkfifo, "expected a file"),
    "a folder": (Path.mkdir, "expected a file"),
    "a link out": (lambda path: path.symlink_to("/etc/hostname"), "not a link out of it"),
    "a link to a device": (lambda path: path.symlink_to("/dev/zero"), "not a link out of it"),
    "a link in a circle": (lambda path: path.symlink_to("list"), "expected a file that can be read"),
    "too large": (lambda path: (path.touch(), os.truncate(path, (1 << 25) + 1)), "more than 33554432 bytes"),
    "too many names": (lambda path: path.write_text("".join(f"x{n}.example\n" for n in range(101))), "more than 100"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_list_that_cannot_be_read_is_named_and_measures_nothing(call, folder, monkeypatch, case):
    monkeypatch.setattr(list_reader, "MAX_LIST_NAMES", 100)
    make, why = HOSTILE[case]
    (folder / "second/list").unlink()
    make(folder / "second/list")
    code, printed = call("recall", str(folder), "--category", "vpn", "--at-least", "vpn=0")
    assert code == 1 and "lists of 1 publishers" in printed
    line = next(line for line in printed.splitlines() if line.startswith("missing: second: "))
    assert why in line and "2 lists read, 1 missing" in printed


def test_a_folder_that_is_a_link_out_is_not_followed(call, folder, tmp_path):
    (folder / "second").rename(tmp_path / "second")
    (folder / "second").symlink_to(tmp_path / "second")
    assert "not a link out of it" in call("recall", str(folder))[1]


def more_rows(catalog, *rows):
    with (catalog / "recall.yml").open("a") as stream:
        stream.writelines(f"{row}\n" for row in rows)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"list": "a.example\ninclude:b\ninclude:b\n", "b": "b.example\ninclude:list\n"}, 2),
        ({"list": "a.example\ninclude:b\n"}, "third/data/b: found No such file"),
        ({"list": "a.example\ninclude:../../first/list\n"}, "includes '../../first/list', expected a file beside it"),
        ({"list": "".join(f"include:{n}\n" for n in range(9)), **{str(n): "" for n in range(9)}}, "more than 5 files"),
    ],
)
def test_a_list_in_several_files(call, catalog, folder, monkeypatch, files, found):
    monkeypatch.setattr(list_files, "MAX_LIST_FILES", 5)
    more_rows(catalog, V2FLY)
    write_files(folder / "third/data", files)
    data = result(call, folder)
    assert (found in data["missing_lists"]["third"]) if isinstance(found, str) else data["lists"]["third"] == found


def test_only_the_lists_of_a_category_are_read_and_what_these_need(call, catalog, folder):
    row = V2FLY.replace("[vpn]", "[tor]").replace("v2fly", "lines")
    more_rows(catalog, row.replace("licence", "without: [first], licence"))
    assert list(result(call, folder, "--category", "vpn")["lists"]) == ["first", "second", "top"]
    data = result(call, folder, "--category", "tor")
    assert list(data["lists"]) == ["first", "top"] and list(data["missing_lists"]) == ["third"]


def test_all_files_with_an_ending_and_names_that_another_list_has(call, catalog, folder):
    row = V2FLY.replace("data/list", "data/*.txt").replace("v2fly", "lines")
    more_rows(catalog, row.replace("licence", "without: [first], licence"))
    files = {"a.txt": "a.example\nmissing.example", "b.txt": "b.example", "c.md": "c.example"}
    write_files(folder / "third/data", files)
    assert result(call, folder)["lists"]["third"] == 2
    (folder / "first/list").unlink()
    data = result(call, folder)
    assert "third" not in data["lists"] and "those of first are not known" in str(data["missing_lists"]["third"])


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (ROW.format(id="first", about=ABOUT, least=2), "id: found 'first', expected an id of its own"),
        (ROW.format(id="x", about=ABOUT, least=1).replace("[list]", "[../list]"), "paths[0]: found '../list'"),
        (ROW.format(id="x", about=ABOUT, least=1).replace("folder: x", "folder: .."), "folder: found '..'"),
        (
            ROW.format(id="x", about=f"{ABOUT}, url: 'https://a.example/'", least=1).replace("[list]", "['*.txt']"),
            "paths[0]: found '*.txt', expected a file: what is fetched has a name",
        ),
    ],
)
def test_a_mistake_in_the_table_names_its_place(call, catalog, folder, row, line):
    more_rows(catalog, row.rstrip("\n"))
    code, printed = call("recall", str(folder))
    place = f"{catalog}/recall.yml:5: [3]"
    assert code == 2 and any(place in each and line in each for each in printed.splitlines()), printed


def test_a_catalogue_without_a_table_and_a_folder_that_is_not_there(call, catalog, folder):
    assert "expected the folder of the lists" in call("recall", str(folder / "absent"))[1]
    (catalog / "recall.yml").unlink()
    assert "has a recall.yml" in call("recall", str(folder))[1]


def test_fetched_lists_are_written_into_the_folder(call, catalog, tmp_path, monkeypatch):
    published = {
        "https://x.example/third/data/list": "a.example\ninclude:b\n",
        "https://x.example/third/data/b": "b.example",
        "https://x.example/fifth/data/list": "c.example",
    }

    def fetch(url, ca_file=""):
        if url not in published:
            raise download.FetchError("it could not be fetched: 404")
        return download.FetchedList(published[url], datetime.date(2026, 1, 2))

    monkeypatch.setattr(list_reader, "fetch_list", fetch)
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


def test_name_that_another_entry_has_or_needs_is_left_out(call, catalog, folder):
    (catalog / "webmail/wren.yml").write_text(
        ENTRY.format(id="wren", enforce="false", more="domains: [wrenmail.com]\nshared_domains: [needs.wrenmail.net]")
    )
    for id_ in ("first", "second", "top"):
        (folder / id_ / "list").write_text("wrenmail.net\nneeds.wrenmail.net\nalso.example\n")
    printed = call("propose", "--from-recall", str(folder))[1]
    assert "left out wrenmail.net, rank 1" in printed and "shared_domains" in printed
    assert "also.example" in printed


def test_a_proposal_needs_a_list_of_what_is_asked_for(call, folder):
    (folder / "top/list").unlink()
    code, printed = call("propose", "--from-recall", str(folder))
    assert code == 2 and "has no list of the most asked-for names" in printed


def make_found(number, state, popular=True, rank=None, *lists):
    return ListedName(f"n{number}.example", NameStatus(state, "owl"), popular, rank, lists or ("one", "two"))


EVERY = [make_found(number, state, True, number + 1) for number, state in enumerate(NAME_STATES)]
OTHERS = [make_found(20, "missing"), make_found(21, "unverified", False, None, "two"), make_found(22, "blocked", False)]
RESULTS = (
    CategoryResult("vpn", {"one": 1200, "two": 12}, 2, 1201, [*EVERY, *OTHERS], True),
    CategoryResult("tor", {"one": 3}, 1, 3, [], True),
    CategoryResult("webmail", {"one": 3, "three": 5}, 2, 8, [], True),
    CategoryResult("messaging", {"one": 3, "two": 4}, 2, 7, [make_found(n, "blocked") for n in (30, 31)], False),
)


RECALL = recall.RecallReport(CONTENTS, RESULTS, ("top", "other"), 100_000)


@pytest.fixture
def run(monkeypatch, capsys):
    calls = []
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setattr(recall, "select_needed_lists", lambda chosen, categories: (chosen, tuple(categories)))
    monkeypatch.setattr(recall, "fetch_lists", lambda *given: [calls.append(given) or "one: 1 file"])

    def command(*words, found=RECALL):
        calls.clear()
        monkeypatch.setattr(recall, "compare_catalogue", lambda *given: calls.append(given) or found)
        _, arguments = command_line.parse_command("catalog", ["recall", "lists", *words])
        return arguments.run_subcommand(arguments, "chosen"), *capsys.readouterr(), list(calls)

    return command


def test_all_of_a_comparison(run):
    nothing = recall.RecallReport(ListContents({}, {}), (), (), 5)
    shown = {"printed": run()[1], "missing": run("--missing")[1].partition("\nvpn\t")[2]}
    shown["nothing"] = run("--missing", found=nothing)[1]
    shown["JSON"] = outline(json.loads(run("--json", "--at-least", "vpn=1")[1]))
    compare(Path(__file__).parents[3] / "recorded/cli/recall.printed.txt", join_files(shown))


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("vpn=0.7", ""),
        ("vpn=0.8", "vpn=0.8: not reached, 7 of 10 names are handled (0.700)"),
        ("vpn:all=0.6667", "vpn:all=0.6667: not reached, 8 of 12 names are handled (0.667)"),
        ("vpn:all=0.6666", ""),
        ("tor=0", "tor=0: not reached, nothing was measured: lists of 1 publishers, expected at least 2"),
        ("messaging=0", "messaging=0: not reached, nothing was measured: no list of the most asked-for names was read"),
        ("messaging:all=1", ""),
        ("webmail=0", "webmail=0: not reached, nothing was measured: no two independent lists share a name"),
    ],
)
def test_a_goal_is_reached_or_it_is_said_why_not(run, goal, said):
    code, _, printed, _ = run("--at-least", goal)
    assert (code, " ".join(printed.split())) == ((recall.BELOW_GOAL_CODE, said) if said else (0, ""))


def test_recall_compares_named_categories_and_popular_names(run):
    assert run("--popular", "7")[3] == [("chosen", Path("lists"), recall.LIST_SUBJECTS, 7)]
    code, _, printed, calls = run("--category", "vpn", "--category", "tor", "--fetch", "--ca-file", "ca.pem")
    fetched, compared = calls
    assert (code, printed) == (0, "one: 1 file\n")
    assert fetched == (("chosen", ("vpn", "tor")), Path("lists"), "ca.pem")
    assert compared == ("chosen", Path("lists"), ["vpn", "tor"], recall.DEFAULT_POPULAR_COUNT)
    with pytest.raises(CommandError, match="^--at-least tor=0.5 is about a category that --category leaves out"):
        run("--category", "vpn", "--at-least", "vpn=0.1", "--at-least", "tor=0.5")


@pytest.mark.parametrize(
    ("option", "text", "taken"),
    [
        *(("--popular", text, True) for text in ("1", "9999999")),
        *(("--popular", text, False) for text in ("0", "10000000")),
        *(("--at-least", f"vpn={text}", True) for text in ("0", "0.1234", "1.0000")),
        *(("--at-least", text, False) for text in ("vpn=1.1", "vpn=0.12345", "vpns=0.5", "vpn:most=0.5")),
    ],
)
def test_numbers_and_goals_have_a_form(run, option, text, taken):
    if taken:
        assert run(f"{option}={text}")[3]
        return
    with pytest.raises(SystemExit, match="2"):
        run(f"{option}={text}")


def source(id_, about="vpn", mixed="", takes_from="", popular="", only_popular=""):
    """A list: its family is what is before the _ of its id."""
    lists = {"about": about, "mixed": mixed, "takes_from": takes_from, "paths": "x", "named": "", "without": ""}
    own = {"publisher": "x", "folder": "x", "url": "", "format": "lines", "licence": "x"}
    own |= {key: tuple(value.split()) for key, value in lists.items()}
    return public_lists.PublicList(
        id=id_, family=id_.partition("_")[0], popular=popular, only_popular=only_popular, least=1, **own
    )


def listed(names):
    return {f"{name}.example": place for place, name in enumerate(names.split(), 1)}


@pytest.mark.parametrize(
    ("popular", "most", "name", "rank"),
    [
        ("ranked", 3, "tit", 3),
        ("ranked", 2, "tit", 0),
        ("ranked", 9, "owl", 2),  # x.owl is below it
        ("5", 5, "tit", None),
        ("5", 4, "tit", 0),  # nobody knows which are its first four
        ("5", 9, "owl", 0),
    ],
)
def test_popular_names_have_a_rank(popular, most, name, rank):
    found = collect_popular_names([source("top", "", popular=popular)], {"top": listed("a x.owl tit y.owl")}, most)
    assert found.has_name(f"{name}.example") is (rank != 0)
    assert found.ranks.get(f"{name}.example") == (rank or None)


def test_two_lists_of_what_is_asked_for_add_up():
    lists = [source("top", "", popular="ranked"), source("next", "", popular="ranked"), source("gone", "", popular="9")]
    found = collect_popular_names(lists, {"top": listed("a b"), "next": listed("b a c")}, 9)
    assert found.list_ids == ("top", "next")
    assert dict(found.ranks) == {"a.example": 1, "b.example": 1, "c.example": 3, "example": 1}


def find_nothing(_):
    return MISSING


BOTH_OF_C = [source("a", takes_from="c"), source("b", takes_from="c")]
ENDED = source("c", only_popular="ended")


@pytest.mark.parametrize(
    ("lists", "names", "top", "found"),
    [
        ([source("a"), source("a_2")], "owl,owl", "", ""),  # one family
        ([source("a", takes_from="b"), source("b_1")], "owl,owl", "", ""),
        ([source("a", takes_from="b"), source("b"), source("c")], "owl,wren,owl", "", "owl"),  # not beside its source
        ([*BOTH_OF_C, source("c")], "owl,owl,owl", "", ""),
        ([source("a"), source("b", "", "vpn")], "owl,owl wren", "", "owl"),
        ([source("a", "", "vpn"), source("b", "", "vpn")], "owl,owl", "", ""),  # both are mixed
        ([source("a"), source("b", "tor")], "owl,owl", "", ""),
        ([source("a"), source("b")], "owl x.owl,owl x.owl", "", "owl"),
        ([source("a"), source("b")], "owl x.owl,x.owl", "", "x.owl"),
        ([source("a"), ENDED], "owl,owl", "owl", "owl"),  # it is asked for
        ([source("a"), ENDED], "owl,owl", "", ""),
        ([source("a"), source("b"), ENDED], "owl,owl,owl", "", "owl"),
        ([*BOTH_OF_C, ENDED], "owl,owl,owl", "", ""),  # whoever has it from such a list is no new voice
    ],
)
def test_name_counts_where_two_independent_lists_have_it(lists, names, top, found):
    by_id = {one.id: listed(some) for one, some in zip(lists, names.split(","), strict=True)}
    popular = PopularNames(listed(top), frozenset(), ("top",))
    result = measure_category("vpn", lists, by_id, popular, find_nothing)
    assert {one.name for one in result.listed_names} == set(listed(found))


@pytest.mark.parametrize(
    ("small", "large", "shared", "copies"),
    [
        (25, 30, 25, "large"),
        (24, 30, 24, ""),
        (25, 25, 20, "large small"),
        (25, 30, 20, "large"),  # four fifths
        (25, 30, 19, ""),
    ],
)
def test_list_that_has_nearly_all_of_another_is_taken_for_a_copy(small, large, shared, copies):
    lists = {"small": {*range(small)}, "large": {*range(small - shared, small - shared + large)}}
    found = independence.find_copied_lists({id_: independence.Witness(id_) for id_ in lists}, lists)
    other = {"large": {"small"}, "small": {"large"}}
    assert found == {id_: taken if id_ in copies.split() else set() for id_, taken in other.items()}


def test_copy_at_second_hand_vouches_for_no_name_and_the_most_asked_for_comes_first():
    lists = [source("a", takes_from="b"), source("b", takes_from="c"), source("c")]
    names = {"a": listed("owl"), "b": listed("wren"), "c": listed("owl")}
    assert measure_category("vpn", lists, names, NOBODY, find_nothing).listed_names == []
    popular = PopularNames({"tit.example": 7, "owl.example": 9}, frozenset({"wren.example"}), ("top",))
    found = measure_category("vpn", lists[::2], dict.fromkeys("ac", listed("owl x wren tit")), popular, find_nothing)
    assert [name.name.partition(".")[0] for name in found.listed_names] == ["tit", "owl", "wren", "x"]


@given(lists=LISTS_OF_NAMES, taken=st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(IDS)), max_size=4))
def test_a_name_that_counts_is_in_two_families_and_saying_of_more_copies_adds_none(lists, taken):
    names = {id_: listed(" ".join(sorted(some))) for id_, some in lists.items()}
    free = measure_category("vpn", [source(one) for one in IDS], names, NOBODY, find_nothing)
    copies = [source(one, takes_from=" ".join(taken.get(one, ()))) for one in IDS]
    fewer = measure_category("vpn", copies, names, NOBODY, find_nothing)
    assert all(len(one.lists) > 1 for one in free.listed_names)
    assert all(any(one.name.endswith(other.name) for other in free.listed_names) for one in fewer.listed_names)


def service(id_, **says):
    return SimpleNamespace(**{"id": id_, "enforce": True, "unverified": {}, **dict.fromkeys(KEYS_OF_NAMES, ()), **says})


SERVICES = [
    service("quiet", enforce=False, domains=["quiet.example", "both.example"]),
    service("owl", domains=["owl.example", "deep.part.example", "both.example"], nxdomain_canaries=["canary.example"]),
    service("pages", urls=["page.example", "web.example/x", "owl.example/y"]),
    service("open", shared_domains=["cdn.example", "quiet.example"], allow_domains=["ok.owl.example"]),
    service("mail", mail_hosts=["mx.example"]),
    service("wren", decided=[{"names": ["said.example", "192.0.2.0/24", "mx.example", "kept.example"]}]),
    service("elf", unverified={"domains": ["perhaps.example", "owl.example"], "networks": ["192.0.2.0/24"]}),
]


@pytest.mark.parametrize(
    ("name", "state", "where"),
    [
        *((name, "blocked", "owl") for name in ("owl.example", "a.b.owl.example", "canary.example", "both.example")),
        *((name, "blocked", "pages") for name in ("page.example", "x.page.example")),
        ("fed.example", "blocked", "feeds/birds"),
        ("calm.example", "reported", "feeds/calm"),
        ("said.example", "reported", "feeds/calm"),
        ("quiet.example", "reported", "quiet"),
        *((name, "shared", "open") for name in ("cdn.example", "ok.owl.example", "x.ok.owl.example")),
        ("mx.example", "shared", "mail"),
        ("x.kept.example", "decided", "wren"),
        ("perhaps.example", "unverified", "elf"),
        ("good.other", "known good", "known_good.txt"),
        ("below.good.other", "missing", ""),
        ("web.example", "page", "pages"),
        ("part.example", "part", "owl"),
        ("deep.fed.other", "part", "feeds/birds"),
        ("x.nets.example", "missing", ""),
        ("nobody.example", "missing", ""),
        ("com", "known good", ""),
    ],
)
def test_the_first_saying_about_a_name_counts(name, state, where, tmp_path):
    (tmp_path / "known_good.txt").write_text("good.other\n")
    catalogue = SimpleNamespace(services={one.id: one for one in SERVICES}, feeds={feed.id: feed for feed in FEEDS})
    found = make_status_finder(loaded_catalogue.LoadedCatalogue([tmp_path], catalogue))(name)
    assert found.state == state
    assert found.source == where if where or state == "missing" else found.source.startswith("carries ")
