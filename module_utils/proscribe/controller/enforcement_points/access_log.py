"""Who fetched an export last, by the access log of the web server that serves it: Common or Combined Log Format.

    192.0.2.7 - - [30/Nov/2026:08:00:01 +0800] "GET /guests/proscribe.rpz HTTP/1.1" 200 51712 "-" "curl/8.14.1"

Clients write much of a log, so it is data from strangers. Its end is read, at most 16 MiB, in one pass. A server
escapes a quotation mark that a client sent. So the first one of a line is where the request begins, and what is before
it is the server's own. Only an address, a time, and the name of a file of the export come out of a line. Whatever is
not of this form counts for nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import ipaddress
import os
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

MOST = 16 << 20  # bytes of a log, and of the one before it, together
LONGEST = 4096  # bytes of a line
MOST_FETCHES = 20  # addresses that are named
MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_TIME = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_REQUEST = re.compile(rb"GET (/[\x21\x23-\x7e]{0,2000}) HTTP/\d(?:\.\d)?")
_ADDRESS = re.compile(rb"[0-9A-Fa-f:.]{2,45}")  # without a zone, in which anything may stand
SUCCEEDED = (b"200", b"206", b"304")


class Fetch(NamedTuple):
    """The last time that an address fetched a file of an export."""

    address: str
    at: datetime.datetime  # UTC
    file: str


class Fetches(NamedTuple):
    """What a log says of an export."""

    last: list[Fetch]  # by address, the newest first, at most MOST_FETCHES
    addresses: int  # how many there are
    since: datetime.datetime | None  # UTC: from when on the log was read; None for one without any request


class Unreadable(Exception):
    """A log cannot be read; the text says why."""


def fetches(log: Path, url: str, files: Collection[str]) -> Fetches:
    """Who fetched which of the files below a path of the server. Raises Unreadable."""
    paths = {f"{url.rstrip('/')}/{name}".encode(): name for name in files}
    last: dict[bytes, tuple[bytes, bytes]] = {}
    since: datetime.datetime | None = None
    for line in _lines(log):
        found = _parsed(line) if b'"GET /' in line and len(line) <= LONGEST else None
        if found is None:
            continue
        address, time, path, status = found
        if since is None:
            since = _moment(time)
        if path in paths and status in SUCCEEDED:
            last.pop(address, None)  # the last one is the last of the log, too
            last[address] = time, path
    named = [
        Fetch(host, at, paths[path])
        for address, (time, path) in last.items()
        if (host := _address(address)) and (at := _moment(time))
    ]
    newest = sorted(named, key=lambda one: one.at, reverse=True)
    return Fetches(newest[:MOST_FETCHES], len(named), since)


def _lines(log: Path) -> io.BytesIO:
    """The last lines of a log, and before them of the one that it has replaced, as logrotate names it."""
    text = _end(log, MOST)
    if len(text) < MOST:
        with contextlib.suppress(Unreadable):
            text = _end(log.with_name(log.name + ".1"), MOST - len(text)) + text
    return io.BytesIO(text)


def _end(log: Path, most: int) -> bytes:
    """The last whole lines of a file. Raises Unreadable for what is no file; no link is followed."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(f"{log} cannot be read: {error.strerror}") from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        raise Unreadable(f"{log} is no file")
    with open(descriptor, "rb") as stream:
        begin = max(0, about.st_size - most)
        stream.seek(begin)
        text = stream.read(most)
    if begin:
        text = text.partition(b"\n")[2]  # the first line is cut
    return text[: text.rfind(b"\n") + 1]  # the last one is being written


def _parsed(line: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The address, the time, the path and the status of a request; None for any other line."""
    head, _, rest = line.partition(b'"')
    request, end, rest = rest.partition(b'" ')
    target = _REQUEST.fullmatch(request)
    if not end or target is None or not head.endswith(b"] "):
        return None
    path = unquote_to_bytes(target[1].partition(b"?")[0])
    return head.partition(b" ")[0], head[head.rfind(b"[") + 1 : -2], path, rest[:3]


def _address(text: bytes) -> str:
    """An address in its one spelling; "" for a name, which a stranger's DNS may have made up."""
    try:
        return str(ipaddress.ip_address(text.decode("ascii"))) if _ADDRESS.fullmatch(text) else ""
    except ValueError:
        return ""


def _moment(text: bytes) -> datetime.datetime | None:
    parts = _TIME.fullmatch(text)
    if parts is None or parts[2] not in MONTHS:
        return None
    offset = datetime.timedelta(hours=int(parts[8]), minutes=int(parts[9])) * (-1 if parts[7] == b"-" else 1)
    day, year, hour, minute, second = (int(parts[number]) for number in (1, 3, 4, 5, 6))
    try:
        local = datetime.datetime(year, MONTHS[parts[2]], day, hour, minute, second, tzinfo=datetime.timezone.utc)
        return local - offset
    except (ValueError, OverflowError):
        return None
