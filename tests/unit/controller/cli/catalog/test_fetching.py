"""A list over https: what is taken for one, what is not, and that nobody is waited for without end."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import io
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli.catalog import fetching
from proscribe.controller.cli.catalog.fetching import LARGEST, Fetched, NotFetched, fetch

URL = "https://lists.example/x"
Serve = Callable[..., dict[str, Any]]


class Answer(io.BytesIO):
    status = 200

    def __init__(self, content: bytes, **headers: str) -> None:
        super().__init__(content)
        self.headers = Message()
        for name, value in {"Content_Length": str(len(content)), **headers}.items():
            self.headers[name.replace("_", "-")] = value


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Has a server answer; returns what it was sent, and how."""

    def serving(answer: Any) -> dict[str, Any]:
        given: dict[str, Any] = {}

        def open_(request: urllib.request.Request, timeout: float) -> Any:
            given.update(url=request.full_url, headers=dict(request.header_items()), timeout=timeout)
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer

        def context(cafile: str | None) -> ssl.SSLContext:
            given["ca_file"] = cafile
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def opener(*handlers: Any) -> Any:
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
        ({"Last_Modified": "today", "Content_Length": "7"}, "Last-Modified today"),
        ({"ETag": "x" * 81, "Last_Modified": "today"}, "Last-Modified today"),
        ({"ETag": "é"}, ""),
    ],
)
def test_a_list_as_it_came(serve: Serve, headers: dict[str, str], version: str) -> None:
    content = "é.test\n".encode()[:7]
    given = serve(Answer(content, **headers))
    day = datetime.datetime.now(datetime.timezone.utc).date()
    found = fetch(URL)
    assert found in [
        Fetched(content.decode(), of, hashlib.sha256(content).hexdigest(), version)
        for of in (day, day + datetime.timedelta(days=1))
    ]
    assert given.pop("handlers")[1] is urllib.request.HTTPSHandler
    assert given == {
        "url": URL,
        "headers": {"User-agent": "proscribe", "Accept-encoding": "identity"},
        "timeout": fetching.SILENT,
        "ca_file": None,
    }


def test_the_authority_may_be_an_own_one(serve: Serve) -> None:
    given = serve(Answer(b"a"))
    assert fetch(URL, "/ca.pem").text == "a" and given["ca_file"] == "/ca.pem"


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
def test_what_is_no_list_says_why(serve: Serve, answer: Any, why: str) -> None:
    serve(answer)
    with pytest.raises(NotFetched) as wrong:
        fetch(URL)
    assert str(wrong.value).endswith(why)


@pytest.mark.parametrize("more", [0, 1])
def test_a_list_has_a_largest_size(serve: Serve, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    monkeypatch.setattr(fetching, "LARGEST", 9)
    serve(Answer(b"x" * (9 + more)))
    assert LARGEST > 9
    if not more:
        assert len(fetch(URL).text) == 9
        return
    with pytest.raises(NotFetched, match="it is larger than 9 bytes"):
        fetch(URL)


def redirected(handler: Any, to: str) -> Any:
    request = urllib.request.Request(URL, headers={"User-Agent": "proscribe"})
    return handler().redirect_request(request, io.BytesIO(), 302, "Found", http.client.HTTPMessage(), to)


def test_only_https_is_followed(serve: Serve) -> None:
    given = serve(Answer(b"a"))
    fetch(URL)
    follows = given["handlers"][0]
    assert redirected(follows, "https://other.example/").full_url == "https://other.example/"
    for to in ("http://lists.example/x", "file:///etc/passwd", "ftp://x/https://"):
        with pytest.raises(NotFetched, match="it redirects to something that is not https"):
            redirected(follows, to)
