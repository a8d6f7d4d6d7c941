"""Lists over https or out of a folder: limits, redirects, several files."""

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
from proscribe.controller.cli.catalog import fetching, list_files, obtaining
from proscribe.controller.cli.catalog.fetching import LARGEST, Fetched, NotFetched, fetch
from proscribe.controller.cli.catalog.obtaining import from_folder, published
from proscribe.controller.cli.catalog.public_lists import Source
from proscribe.controller.cli.catalog.publishers import Publisher

URL = "https://lists.example/x"
PARTS = {"list": ("a.example\ninclude:b\n", 5), "b": ("b.example", 3), "alone": ("c.example", 4)}
TOGETHER = "a.example\ninclude:b\n\nb.example"
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
    found = fetch(URL)
    assert found.day - day in (datetime.timedelta(), datetime.timedelta(days=1))
    assert found == Fetched(content.decode(), found.day, hashlib.sha256(content).hexdigest(), version)
    assert given.pop("handlers")[1] is urllib.request.HTTPSHandler
    headers = {"User-agent": "proscribe", "Accept-encoding": "identity"}
    assert given == {"url": URL, "headers": headers, "timeout": fetching.SILENT, "ca_file": None}


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
    with pytest.raises(NotFetched) as wrong:
        fetch(URL)
    assert str(wrong.value).endswith(why)


@pytest.mark.parametrize("more", [0, 1])
def test_fetched_list_has_a_largest_size(serve, monkeypatch, more):
    monkeypatch.setattr(fetching, "LARGEST", 9)
    serve(Answer(b"x" * (9 + more)))
    assert LARGEST > 9
    if not more:
        assert len(fetch(URL).text) == 9
        return
    with pytest.raises(NotFetched, match="it is larger than 9 bytes"):
        fetch(URL)


def redirected(handler, to):
    request = urllib.request.Request(URL, headers={"User-Agent": "proscribe"})
    return handler().redirect_request(request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), to)


def test_only_https_is_followed(serve):
    given = serve(Answer(b"a"))
    assert fetch(URL, "/ca.pem").text == "a" and given["ca_file"] == "/ca.pem"
    follows = given["handlers"][0]
    assert redirected(follows, "https://other.example/").full_url == "https://other.example/"
    for to in ("http://lists.example/x", "file:///etc/passwd", "ftp://x/https://"):
        with pytest.raises(NotFetched, match="it redirects to something that is not https"):
            redirected(follows, to)


def of_table(*paths):
    texts = {"publisher": "x", "family": "x", "folder": "birds", "format": "v2fly", "licence": "x", "popular": ""}
    more = {"only_popular": "", "about": (), "mixed": (), "takes_from": (), "named": (), "without": ()}
    source = Source(**{"id": "birds", "url": "https://x.example/", "paths": paths, "least": 1, **texts, **more})
    return Publisher("birds", source.url, "v2fly", "feed", "birds", ("",), 1, listed=source)


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
        return Fetched(content, datetime.date(2026, 1, day), "as it came")

    monkeypatch.setattr(obtaining, "fetch", fetch)
    assert published(publisher, "/ca.pem") == Fetched(text, datetime.date(2026, 1, day), sha256)
    if publisher.listed:
        (tmp_path / "birds").mkdir()
        for name, (content, of) in PARTS.items():
            (tmp_path / "birds" / name).write_text(content)
            late = datetime.datetime(2026, 1, of, 23, tzinfo=datetime.timezone.utc).timestamp()
            os.utime(tmp_path / "birds" / name, (0, late))
        assert from_folder(publisher, tmp_path) == Fetched(text, datetime.date(2026, 1, day), digest(text))


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [
        ("MOST_FILES", 2, ""),
        ("MOST_FILES", 1, "it has more than 1 files"),
        ("MOST_BYTES", BOTH, ""),
        ("MOST_BYTES", BOTH - 1, f"its files have more than {BOTH - 1} bytes"),
    ],
)
def test_the_files_of_a_list_have_limits_together(monkeypatch, tmp_path, limit, value, why):
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


def test_files_with_an_ending_are_read_in_their_order_and_whatever_their_bytes(tmp_path):
    (tmp_path / "birds").mkdir()
    for name, content in {"b.txt": b"\xff", "a.txt": b"a", "a.TXT": b"x", "txt": b"x"}.items():
        (tmp_path / "birds" / name).write_bytes(content)
    source = of_table("*.txt").listed
    assert source is not None
    read = [(path.name, text) for path, text in list_files.texts(source, tmp_path)]
    assert read == [("a.txt", "a"), ("b.txt", "\ufffd")]
    for paths, why in ((("*.md",), r"birds/\*.md: no such file"), (("x/*.md",), "birds/x: No such file or directory")):
        with pytest.raises(list_files.NotRead, match=f"^{why}$"):
            list(list_files.texts(source._replace(paths=paths), tmp_path))


def test_a_list_that_includes_what_is_elsewhere_is_not_fetched(monkeypatch):
    outside = Fetched("include:../x\n", datetime.date(2026, 1, 1))
    monkeypatch.setattr(obtaining, "fetch", lambda *_: outside)
    with pytest.raises(NotFetched, match="birds/list includes '../x'"):
        published(of_table("list"))


def test_endless_answer_is_left_after_a_limit_and_keeps_no_process(serve, monkeypatch):
    monkeypatch.setattr(fetching, "LONGEST", 0.01)
    ended = threading.Event()
    serve(lambda: ended.wait() and Answer(b""))
    before = threading.enumerate()
    try:
        with pytest.raises(NotFetched, match="longer than 0.01 seconds"):
            fetch(URL)
        assert [thread.daemon for thread in threading.enumerate() if thread not in before] == [True]
    finally:
        ended.set()
