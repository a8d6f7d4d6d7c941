"""Public lists: fetched or out of a folder, plausible, and in edited files of the catalogue."""

import contextlib
import datetime
import hashlib
import http.client
import io
import os
import ssl
import threading
import urllib.error
import urllib.request
from email.message import Message
from types import SimpleNamespace

import pytest
import yaml
from file_hosts import write_files
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli.catalog import download, list_checks, list_files, list_sources, loaded_catalogue
from proscribe.controller.cli.catalog.download import FetchedList, FetchError, fetch_list
from proscribe.controller.cli.catalog.file_editor import EditError, change_keys, parse_data
from proscribe.controller.cli.catalog.list_checks import (
    MAX_SMALL_CHANGE,
    MAX_WRONG_PERCENT,
    check_list,
    find_left_out_names,
    require_bounded_change,
)
from proscribe.controller.cli.catalog.list_formats import ListFormatError
from proscribe.controller.cli.catalog.list_sources import fetch_published_list, read_list_from_folder
from proscribe.controller.cli.catalog.public_lists import PublicList, read_public_lists
from proscribe.controller.cli.catalog.publishers import Publisher, read_publishers
from proscribe.controller.policy_errors import PolicyErrors

URL = "https://lists.example/x"
PARTS = {"list": ("a.example\ninclude:b @x # y\n", 5), "b": ("b.example", 3), "alone": ("c.example", 4)}
TOGETHER = "a.example\ninclude:b @x # y\n\nb.example"
BOTH = sum(len(PARTS[name][0]) for name in ("list", "b"))


class Answer(io.BytesIO):
    status = 200

    def __init__(self, content, **headers):
        super().__init__(content)
        self.headers = Message()
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.headers[name.replace("_", "-")] = value


@pytest.fixture
def serve(monkeypatch):
    """Has a server answer; returns what it was sent, and how."""

    def serving(answer):
        given = {}

        def open_(request, timeout):
            given.update(url=request.full_url, headers=dict(request.header_items()), timeout=timeout)
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer

        def context(cafile):
            given["ca_file"] = cafile
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def opener(*handlers):
            given["handlers"] = [one if isinstance(one, type) else type(one) for one in handlers]
            return SimpleNamespace(open=open_)

        monkeypatch.setattr(ssl, "create_default_context", context)
        monkeypatch.setattr(urllib.request, "build_opener", opener)
        return given

    return serving


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"ETag": 'W/"5"', "Last_Modified": "today"}, 'ETag W/"5"'),
        ({"ETag": "x" * 81, "Last_Modified": "today"}, "Last-Modified today"),
        ({"ETag": "é"}, ""),
    ],
)
def test_a_list_as_it_came(serve, headers, version):
    content = "é.test\n".encode()[:7]
    given = serve(Answer(content, **headers))
    day = datetime.datetime.now(datetime.timezone.utc).date()
    found = fetch_list(URL)
    assert found.day - day in (datetime.timedelta(), datetime.timedelta(days=1))
    assert found == FetchedList(content.decode(), found.day, hashlib.sha256(content).hexdigest(), version)
    assert given.pop("handlers")[1] is urllib.request.HTTPSHandler
    headers = {"User-agent": "proscribe", "Accept-encoding": "identity"}
    assert given == {"url": URL, "headers": headers, "timeout": download.SILENCE_TIMEOUT_SECONDS, "ca_file": None}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"1234", Content_Length="5"), "it ended after 4 of 5 bytes"),
        (Answer(b"1234", Content_Length="many"), "the answer does not say where it ends (Content-Length)"),
        (Answer(b"a\xff"), "byte 1 is not UTF-8"),
        (urllib.error.HTTPError(URL, 404, "Not Found", http.client.HTTPMessage(), None), "HTTP Error 404: Not Found"),
        (urllib.error.URLError("no route"), "it could not be fetched: no route"),
        (ValueError("no address"), "it could not be fetched: no address"),
        (http.client.BadStatusLine("x"), "it could not be fetched: x"),
    ],
)
def test_answer_that_is_no_list_is_refused_with_a_reason(serve, answer, why):
    serve(answer)
    with pytest.raises(FetchError) as wrong:
        fetch_list(URL)
    assert str(wrong.value).endswith(why)


def test_fetched_list_has_a_largest_size(serve, monkeypatch):
    monkeypatch.setattr(download, "MAX_LIST_BYTES", 9)
    serve(Answer(b"x" * 9))
    assert len(fetch_list(URL).text) == 9
    serve(Answer(b"x" * 10))
    with pytest.raises(FetchError, match="it is larger than 9 bytes"):
        fetch_list(URL)


def redirected(handler, to):
    request = urllib.request.Request(URL, headers={"User-Agent": "proscribe"})
    return handler().redirect_request(request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), to)


def test_only_https_is_followed(serve):
    given = serve(Answer(b"a"))
    assert fetch_list(URL, "/ca.pem").text == "a" and given["ca_file"] == "/ca.pem"
    follows = given["handlers"][0]
    assert redirected(follows, "https://other.example/").full_url == "https://other.example/"
    for to in ("http://lists.example/x", "file:///etc/passwd", "ftp://x/https://"):
        with pytest.raises(FetchError, match="it redirects to something that is not https"):
            redirected(follows, to)


def of_table(*paths):
    texts = {"publisher": "x", "family": "x", "folder": "birds", "format": "v2fly", "licence": "x", "popular": ""}
    more = {"only_popular": "", "about": (), "mixed": (), "takes_from": (), "named": (), "without": ()}
    source = PublicList(**{"id": "birds", "url": "https://x.example/", "paths": paths, "least": 1, **texts, **more})
    return Publisher("birds", source.url, "v2fly", "feed", "birds", ("",), 1, public_list=source)


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("publisher", "text", "day", "sha256"),
    [
        (of_table("list"), TOGETHER, 3, digest(TOGETHER)),
        (of_table("alone"), "c.example", 4, "as it came"),
        (Publisher("x", "https://x.example/alone", "lines", "feed", "x", ("x",), 1), "c.example", 4, "as it came"),
    ],
)
def test_a_list_is_all_of_its_files_and_of_the_day_of_the_oldest(monkeypatch, tmp_path, publisher, text, day, sha256):
    def fetch(url, ca_file):
        content, day = PARTS[url.removeprefix("https://x.example/")]
        assert ca_file == "/ca.pem"
        return FetchedList(content, datetime.date(2026, 1, day), "as it came")

    monkeypatch.setattr(list_sources, "fetch_list", fetch)
    assert fetch_published_list(publisher, "/ca.pem") == FetchedList(text, datetime.date(2026, 1, day), sha256)
    if publisher.public_list:
        for name, (content, of) in PARTS.items():
            write_files(tmp_path / "birds", {name: content})
            late = datetime.datetime(2026, 1, of, 23, tzinfo=datetime.timezone.utc).timestamp()
            os.utime(tmp_path / "birds" / name, (0, late))
        expected = FetchedList(text, datetime.date(2026, 1, day), digest(text))
        assert read_list_from_folder(publisher, tmp_path) == expected


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("MAX_LIST_FILES", 2, ""),
        ("MAX_LIST_FILES", 1, "it has more than 1 files"),
        ("MAX_LIST_BYTES", BOTH, ""),
        ("MAX_LIST_BYTES", BOTH - 1, f"its files have more than {BOTH - 1} bytes"),
    ],
)
def test_the_files_of_a_list_have_limits_together(monkeypatch, tmp_path, limit, value, why):
    monkeypatch.setattr(list_files, limit, value)
    write_files(tmp_path / "birds", {name: content for name, (content, _) in PARTS.items()})
    source = of_table("list").public_list
    assert source is not None
    for read_list in (
        lambda: list_files.read_texts(source, tmp_path),
        lambda: list_files.fetch_texts(source, lambda url: PARTS[url.rpartition("/")[2]][0]),
    ):
        if why:
            with pytest.raises(list_files.ListReadError, match=f"^{why}$"):
                list(read_list())
        else:
            assert [text for _, text in read_list()] == [PARTS["list"][0], PARTS["b"][0]]


def test_files_with_an_ending_are_read_in_their_order_and_whatever_their_bytes(tmp_path):
    write_files(tmp_path / "birds", {"b.txt": b"\xff", "a.txt": b"a", "a.TXT": b"x", "txt": b"x"})
    source = of_table("*.txt").public_list
    assert source is not None
    read = [(path.name, text) for path, text in list_files.read_texts(source, tmp_path)]
    assert read == [("a.txt", "a"), ("b.txt", "\ufffd")]
    for paths, why in ((("*.md",), r"birds/\*.md: no such file"), (("x/*.md",), "birds/x: No such file or directory")):
        with pytest.raises(list_files.ListReadError, match=f"^{why}$"):
            list(list_files.read_texts(source._replace(paths=paths), tmp_path))


def test_a_list_that_includes_what_is_elsewhere_is_not_fetched(monkeypatch):
    outside = FetchedList("include:../x\n", datetime.date(2026, 1, 1))
    monkeypatch.setattr(list_sources, "fetch_list", lambda *_: outside)
    with pytest.raises(FetchError, match="birds/list includes '../x'"):
        fetch_published_list(of_table("list"))


def test_endless_answer_is_left_after_a_limit_and_keeps_no_process(serve, monkeypatch):
    monkeypatch.setattr(download, "FETCH_TIMEOUT_SECONDS", 0.01)
    ended = threading.Event()
    serve(lambda: ended.wait() and Answer(b""))
    before = threading.enumerate()
    try:
        with pytest.raises(FetchError, match="longer than 0.01 seconds"):
            fetch_list(URL)
        assert [thread.daemon for thread in threading.enumerate() if thread not in before] == [True]
    finally:
        ended.set()


BIRDS = [f"bird{number:03}.example" for number in range(100)]
NETWORKS = ["8.8.8.0/24", "8.8.9.0/24"]
WIDE = "a network of at least /8, or /16 of IPv6"
WRONG = MAX_WRONG_PERCENT + 1  # of a hundred values
MUCH = MAX_SMALL_CHANGE + 1
NO_NAMES = [f"bird_{number}" for number in range(WRONG)]
OWN = {"domains": ("owl.example", "a.own.test"), "allow_domains": ("ok.example",), "nxdomain_canaries": ("nx.example",)}
OPEN = {"shared_domains": ("cdn.example", "a.open.test"), "mail_hosts": ("mx.example",)}
OPEN |= {"urls": ("web.example/x", "page.example")}
DECIDED = [{"as": "blocked", "names": ["meant.example"]}, {"as": "shared", "names": ["stays.example"]}]
NOTHING = dict.fromkeys([*OWN, *OPEN], ())
NEW_NETWORKS = ["198.51.100.0/24", "203.0.113.0/24"]
COMMENTED = "id: a\nnetworks:\n  - 192.0.2.0/24  # ours\n  - 198.51.100.0/24  # theirs\n# of whom?\nsources: [b]\n"


def believed(*values, kind="domains", agreeing=False, version="", **changed):
    of = {"format": "lines", "into": kind if kind == "networks" else "feed", "of": "owl"}
    publisher = Publisher(**{"id": "birds", "url": "", "named": ("",), "least": 1, **of, **changed})
    fetched = FetchedList("\n".join(values), datetime.date(2026, 11, 25), "5ad", version)
    return check_list(publisher, fetched, kind, agreeing)


@pytest.mark.parametrize(
    ("values", "how", "found"),
    [
        (("B.example.", "a.example", "a.example"), {}, ["a.example", "b.example"]),
        (("www.b.example/x", "*.a.example"), {"agreeing": True}, ["a.example", "b.example"]),
        (("8.8.9.7/24", "8.8.8.0/24", "9.9.9.9"), {"kind": "networks"}, ["8.8.8.0/23", "9.9.9.9/32"]),
        (NETWORKS, {"kind": "networks", "into": "feed"}, NETWORKS),
        (("10.0.0.0/8", "fc00::/16"), {"kind": "networks", "adds": False}, ["10.0.0.0/8", "fc00::/16"]),
    ],
)
def test_the_values_of_a_list_are_each_there_once(values, how, found):
    assert believed(*values, **how).values == found


@pytest.mark.parametrize(
    ("values", "how", "why"),
    [
        (("a.example", "x y"), {"format": "first_column"}, "found 'x y', expected "),
        (("a.example", "com"), {}, "found 'com', expected "),
        (("10.0.0.0/7",), {"kind": "networks", "adds": False}, f"found '10.0.0.0/7', expected {WIDE}"),
        (("fc00::/15",), {"kind": "networks", "adds": False}, f"found 'fc00::/15', expected {WIDE}"),
        (("8.8.8.8", "owl"), {"kind": "networks", "adds": False}, f"found 'owl', expected {WIDE}"),
        (BIRDS[WRONG:] + NO_NAMES, {"agreeing": True}, f"{WRONG} of its 100 values are no names, expected "),
        (("a.example",), {"least": 2}, "it has 1 value, expected at least 2"),
        ((*BIRDS[:MUCH], *BIRDS[:MUCH]), {}, f"it has each of its {MUCH} values twice or more"),
    ],
)
def test_a_list_that_is_another_one_is_not_believed(values, how, why):
    with pytest.raises(ListFormatError) as refused:
        believed(*values, **how)
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(("agreeing", "limit"), [(False, "MAX_LIST_VALUES"), (True, "MAX_LIST_NAMES")])
def test_a_list_has_so_many_values_at_most(agreeing, limit, monkeypatch):
    for name in ("MAX_LIST_VALUES", "MAX_LIST_NAMES"):
        monkeypatch.setattr(list_checks, name, 3 if name == limit else 99)
    assert len(believed(*BIRDS[:3], BIRDS[0], agreeing=agreeing).values) == 3
    with pytest.raises(ListFormatError, match="it has more than 3 values"):
        believed(*BIRDS[:4], agreeing=agreeing)


@pytest.mark.parametrize("version", ["", "r7"])
def test_record_of_a_comparison_names_list_day_and_digest(version):
    said = {"with": "birds", "day": "2026-11-25", "sha256": "5ad", "values": "2"}
    assert believed(*BIRDS[:2], version=version).comparison == {**said, **({"version": "r7"} if version else {})}


@pytest.mark.parametrize(
    ("before", "added", "gone", "most", "why"),
    [
        (0, MAX_SMALL_CHANGE, MAX_SMALL_CHANGE, 0, ""),
        (100, 25, 25, 25, ""),
        (100, 26, 0, 25, "x: 26 values are new, 26 % of 100: more than --max-change 25"),
        (100, 25, 26, 25, "x: 26 values are gone, 26 % of 100: more than --max-change 25"),
        (0, MUCH, 0, 25, f"x: {MUCH} values are new, {MUCH * 100} % of 0: more than --max-change 25"),
    ],
)
def test_a_review_can_take_in_so_much_of_a_list(before, added, gone, most, why):
    try:
        require_bounded_change(before, added, gone, most, "x: ")
        said = ""
    except ListFormatError as refused:
        said = str(refused)
    assert said == why


@pytest.mark.parametrize(
    ("name", "out"),
    [
        *((name, True) for values in OWN.values() for name in values),
        *((f"below.{name}", True) for values in OWN.values() for name in values),
        *((name, True) for name in ("cdn.example", "mx.example", "web.example", "page.example", "stays.example")),
        *((f"below.{name}", False) for name in ("cdn.example", "mx.example", "web.example", "stays.example")),
        ("meant.example", False),
        *((name, True) for name in ("example", "own.test", "open.test")),
        ("googleapis.com", True),
        ("good.other", True),
        ("other", True),
        ("below.good.other", False),
        ("free.other", False),
    ],
)
def test_an_agreement_leaves_out_what_is_known_shared_or_of_an_entry(name, out, tmp_path):
    (tmp_path / "known_good.txt").write_text("good.other\n")
    entry = SimpleNamespace(**NOTHING | OWN | OPEN, decided=DECIDED)
    services = {"owl": SimpleNamespace(**NOTHING, decided=[]), "parrot": entry}
    chosen = loaded_catalogue.LoadedCatalogue([tmp_path], SimpleNamespace(services=services))
    assert find_left_out_names([name, "x.another"], "owl", chosen) == ({name} if out else set())


LEAST = {"id": "birds", "publisher": "Bird Watchers", "family": "watchers", "folder": "watchers-lists"}
LEAST |= {"paths": ["data/*.txt", "more/list.txt"], "format": "lines", "least": "25", "licence": "CC0"}
LEAST |= {"about": ["vpn"]}
ALL = LEAST | {"mixed": ["tor"], "paths": ["list.txt"], "url": "https://lists.example:8443/a/", "named": ["owl"]}
ALL |= {"takes_from": ["others", "top"], "without": ["top"], "only_popular": "it has ended", "notes": "seen"}
TOP = {**LEAST, "id": "top", "family": "others", "popular": "ranked"}
del TOP["about"]
OWN_ROW = {"id": "nets", "url": "https://x.example/nets", "format": "lines", "into": "networks", "of": "parrot"}
OWN_ROW |= {"least": "3"}


def write_tables(folder, **tables):
    for name, rows in tables.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(rows, sort_keys=False))
    return folder


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "Birds"}, "id: found 'Birds'"),
        ({"least": "0"}, "least: found '0', expected a number, 1 to 9999999"),
        ({"mixed": ["vpn"]}, "mixed.0.: found 'vpn', expected a category that is not in about"),
        ({"popular": "ranked"}, "found 'birds', expected either popular, or"),
        ({"about": []}, "about: found"),
        ({"takes_from": ["watcher"]}, "takes_from.0.: found 'watcher', expected the id or the family .*'watchers'"),
        ({"without": ["brds"]}, "without.0.: found 'brds', expected the id of a list .*'birds'"),
        ({"without": ["birds"]}, "without.0.: found 'birds', expected the id of a list that leaves nothing out"),
        ({"more": "x"}, "more: found"),
    ],
)
def test_a_mistake_in_a_row_of_a_public_list(tmp_path, change, why):
    with pytest.raises(PolicyErrors, match=why):
        read_public_lists([write_tables(tmp_path, recall=[{**LEAST, **change}])])


def test_a_publisher_says_all_of_its_row(tmp_path):
    more = {"id": "names", "named": "owl", "family": "owls", "adds": "false", "notes": "seen", "into": "domains"}
    shared = {"lists": ["birds", "top"], "of": "fed", "notes": "seen"}
    listed = [{**ALL, "without": []}, {**TOP, "url": "https://top.example/", "paths": ["a"]}]
    del listed[0]["without"]
    folder = write_tables(tmp_path, recall=listed, publishers=[OWN_ROW, {**OWN_ROW, **more}, shared])
    sources = read_public_lists([folder])
    own, fed = (OWN_ROW["url"], "lines"), ("lines", "feed", "fed")
    birds = PublicList(
        *("birds", "Bird Watchers", "watchers", ("vpn",), ("tor",), "", "watchers-lists", ("list.txt",)),
        *("https://lists.example:8443/a/", "lines", ("owl",), ("others", "top"), (), "it has ended", 25, "CC0"),
    )
    assert [*sources] == ["birds", "top"] and sources["birds"] == birds and birds.categories == ("vpn", "tor")
    of_top = {"id": "top", "family": "others", "about": (), "mixed": (), "popular": "ranked", "paths": ("a",)}
    of_top |= {"url": "https://top.example/", "named": (), "takes_from": (), "only_popular": ""}
    assert sources["top"] == birds._replace(**of_top)
    assert read_publishers([folder]) == [
        Publisher("nets", *own, "networks", "parrot", ("parrot",), 3, "nets", True, folder, None),
        Publisher("names", *own, "domains", "parrot", ("owl",), 3, "owls", False, folder, None),
        Publisher("birds", ALL["url"], *fed, ("owl",), 25, "watchers", True, folder, sources["birds"]),
        Publisher("top", "https://top.example/", *fed, ("",), 25, "others", True, folder, sources["top"]),
    ]
    assert [one.list_id for one in read_publishers([folder])] == ["", "", "birds", "top"]
    assert read_publishers([tmp_path / "nowhere"]) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        *(({key: None}, f"expected {key} beside it, or lists of recall.yml") for key in OWN_ROW if key != "of"),
        ({"of": None}, "of: found nothing, expected a value"),
        ({"url": "http://x.example/"}, "url: found 'http://x.example/', expected an address with https://"),
        ({"into": "names"}, "into: found 'names', expected one of feed, networks, domains"),
        ({"least": "0"}, "least: found '0', expected a number, 1 to 999999"),
        ({"named": "a\nb"}, "named: found"),
        ({"more": "x"}, "more: found"),
    ],
)
def test_a_mistake_in_a_row_of_a_publisher(tmp_path, change, why):
    with pytest.raises(PolicyErrors, match="id: found 'nets', expected an id of its own; .*publishers.yml:1 has this"):
        read_publishers([write_tables(tmp_path, publishers=[OWN_ROW, {**OWN_ROW, "of": "owl"}])])
    row = {key: value for key, value in {**OWN_ROW, **change}.items() if value is not None}
    with pytest.raises(PolicyErrors, match=why):
        read_publishers([write_tables(tmp_path, publishers=[row])])


@pytest.mark.parametrize("changes", [{"networks": NEW_NETWORKS, "checked": "2026-02-02"}, {"checked": "2026-02-02"}])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("- a\n- b\n", "it is no mapping", id="no mapping"),
        pytest.param("id: a\n", "it has neither notes nor sources", id="no place for it"),
        pytest.param("{id: a,\nsources: [b]}\n", "by hand", id="another form"),
        pytest.param("notes: |\n  a\nsources: b\n? checked\n: old\n", "by hand", id="a key that stands twice"),
        pytest.param("networks: &a [x]\nchecked: &b y\nsources: [*a, *b]\n", "by hand", id="what others refer to"),
        pytest.param("id: a\nnotes: b\nnetworks:\n- x\ny: |\n checked: 5\nchecked: [\n", "by hand", id="no YAML"),
    ],
)
def test_edit_that_changes_another_meaning_is_refused(changes, text, why):
    with pytest.raises(EditError, match=why):
        change_keys(text, changes)


def test_a_comment_on_a_line_of_its_own_would_be_lost():
    lines = "  - 198.51.100.0/24  # theirs\n  - 203.0.113.0/24\n# of whom?\n"
    assert change_keys(COMMENTED, {"networks": NEW_NETWORKS}) == f"id: a\nnetworks:\n{lines}sources: [b]\n"
    with pytest.raises(EditError, match="a comment in its networks would be lost"):
        change_keys(COMMENTED.replace("networks:\n", "networks:\n  # the old ones\n"), {"networks": NEW_NETWORKS})


def test_values_of_every_shape_and_a_key_that_goes():
    text = "---\namends: a\nremove:\n  domains: [x.example]\nsources: [b]\n"
    records = [{"with": "list", "version": 'ETag W/"it\'s: 5"'}, {"with": "other", "day": "2026-01-01"}]
    added = {"domains": ["c.example"], "packages": {"apt": ["d"]}}
    assert change_keys(text, {"add": added, "remove": {}, "compared": records}) == (
        "---\namends: a\nadd:\n  domains:\n    - c.example\n  packages:\n    apt:\n      - d\ncompared:\n"
        "  - with: list\n    version: 'ETag W/\"it''s: 5\"'\n  - with: other\n    day: 2026-01-01\nsources: [b]\n"
    )


@given(st.text("ab:#'\"- \\@,[]{}é", min_size=1, max_size=20).filter(lambda text: text == text.strip()))
@examples(200)
def test_any_text_comes_back_as_it_was_or_is_refused(value):
    with contextlib.suppress(EditError):
        assert parse_data(change_keys("sources: [a]\n", {"version": value, "more": [value]}))["more"] == [value]
