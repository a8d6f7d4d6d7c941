"""Who fetched an export, by the log of the server: what nginx wrote of real and of hostile requests, and what strangers
might make of a log.
"""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.base.duration import spelled
from proscribe.controller.enforcement_points import access_log
from proscribe.controller.enforcement_points.access_log import LONGEST, MOST, Unreadable, fetches

# nginx 1.26.3 of Debian wrote it, with its format `combined`. curl and a bare socket sent the requests: escape
# sequences, quotation marks and whole lines of a log as agent, user and referrer, a request without a version, bytes of
# TLS, a path with a percent sign, HEAD, 206, 304 and 404.
REAL = Path(__file__).parents[2] / "recorded/enforcement_points/nginx_1.26_access.log"
FILES = {"proscribe.rpz"}
LINE = '{} - - [{}] "GET {} HTTP/1.1" {} 7 "-" "curl/8.14.1"\n'
TIME = "30/Nov/2026:12:00:00 +0000"


def line(address="192.0.2.1", at=TIME, path="/guests/proscribe.rpz", status=200):
    return LINE.format(address, at, path, status).encode("latin-1")


def seen(log, url="/guests"):
    return {one.address: spelled(one.at) for one in fetches(log, url, FILES).last}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "access.log"


def test_fetches_in_a_log_of_a_real_server():
    """127.0.0.2 to .8 tried what is no fetch of the file, but .3 (with a query) and .8 (with %70) fetched it."""
    assert seen(REAL) == {
        "127.0.0.1": "2026-11-30T12:33:20Z",
        "127.0.0.3": "2026-11-30T12:33:21Z",
        "127.0.0.8": "2026-11-30T12:33:21Z",
        "::1": "2026-11-30T12:33:21Z",
        "127.0.0.9": "2026-11-30T12:33:22Z",
        "127.0.0.10": "2026-11-30T12:33:22Z",
    }
    found = fetches(REAL, "/guests/", FILES)
    assert (found.addresses, spelled(found.since)) == (6, "2026-11-30T12:33:20Z")
    assert seen(REAL, "/other") == {} and fetches(REAL, "/guests", set()).last == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an escape sequence as address", line("\x1b[31m")),
        ("an address with a zone that is a text", line("fe80::1%\x1b[31m")),
        ("a name as address", line("evil.example")),
        ("no time", line(at="now")),
        ("no day", line(at="32/Nov/2026:12:00:00 +0000")),
        ("no month", line(at="30/Foo/2026:12:00:00 +0000")),
        ("a year before all", line(at="01/Jan/0001:00:00:00 +2359")),
        ("the time of another server", line(at="30/Nov/2026 12:00:00")),
        ("a status that failed", line(status=403)),
        ("another file", line(path="/guests/proscribe.rpz.bak")),
        ("a path that leads there", line(path="/guests/../guests/proscribe.rpz")),
        ("a user that is a request, as Apache escapes it", b'192.0.2.1 - x [' + TIME.encode()
         + b'] \\"GET /guests/proscribe.rpz HTTP/1.1\\" 200 1 [' + TIME.encode() + b'] "GET /x HTTP/1.1" 200 7\n'),
        ("a line that is too long", line(path="/guests/proscribe.rpz?" + "x" * LONGEST)),
        ("nothing", b""),
        ("zero bytes", b"\0" * 100 + b"\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_line_that_is_no_fetch_is_skipped(log, what, text):
    log.write_bytes(text)
    assert seen(log) == {}, what
    log.write_bytes(text + b"\n" + line("198.51.100.7"))
    assert list(seen(log)) == ["198.51.100.7"], "the next line counts"


def test_a_gigabyte_on_one_line_costs_its_end_alone(log):
    with open(log, "wb") as stream:
        stream.write(line("192.0.2.9"))
        stream.truncate(1 << 30)
    begin = time.process_time()
    assert seen(log) == {}
    assert time.process_time() - begin < 5
    with open(log, "ab") as stream:
        stream.write(b"\n" + line("192.0.2.1"))
    assert list(seen(log)) == ["192.0.2.1"]


@pytest.mark.slow
@pytest.mark.parametrize("text", [b"\n", b'"', b'" "GET /' * 3 + b"\n", line(path="/" + "%41" * 600)])
def test_the_time_is_linear(log, text):
    log.write_bytes(text * (MOST // len(text)))
    begin = time.process_time()
    assert seen(log) == {}
    assert time.process_time() - begin < 30


@pytest.mark.parametrize("kind", ["a link", "a directory", "a pipe", "a device", "absent", "below a file"])
def test_path_that_is_no_log_is_unreadable(tmp_path, log, kind):
    (tmp_path / "secret").write_bytes(line())
    if kind == "a link":
        log.symlink_to(tmp_path / "secret")
    elif kind == "a directory":
        log.mkdir()
    elif kind == "a pipe":
        os.mkfifo(log)
    place = {"a device": Path("/dev/zero"), "below a file": tmp_path / "secret/x"}.get(kind, log)
    with pytest.raises(Unreadable, match=r"cannot be read: |is no file"):
        fetches(place, "/guests", FILES)


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_no_line_makes_up_an_address_or_ends_the_reading(tmp_path_factory, text, user):
    log = tmp_path_factory.mktemp("log") / "access.log"
    escaped = user.replace(b'"', b"\\x22").replace(b"\n", b"\\n")  # as servers do
    head = b"192.0.2.7 - " + escaped + b" [" + TIME.encode() + b"] "
    log.write_bytes(text + b"\n" + head + b'"GET /guests/proscribe.rpz HTTP/1.1" 200 1\n')
    found = fetches(log, "/guests", FILES)
    assert "192.0.2.7" in [one.address for one in found.last]
    assert all(one.file in FILES and one.address.isascii() and one.address.isprintable() for one in found.last)
    assert len(found.last) <= access_log.MOST_FETCHES
