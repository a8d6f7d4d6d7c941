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

MAX_LOG_BYTES = 16 << 20  # bytes of a log, and of the one before it, together
MAX_LINE_BYTES = 4096  # bytes of a line
MAX_NAMED_FETCHES = 20  # addresses that are named
MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_TIME_PATTERN = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_REQUEST_PATTERN = re.compile(rb"GET (/[\x21\x23-\x7e]{0,2000}) HTTP/\d(?:\.\d)?")
_ADDRESS_PATTERN = re.compile(rb"[0-9A-Fa-f:.]{2,45}")  # without a zone, in which anything may stand
SUCCESS_CODES = (b"200", b"206", b"304")


class ExportFetch(NamedTuple):
    """The last time that an address fetched a file of an export."""

    address: str
    fetched_at: datetime.datetime  # UTC
    file_name: str


class FetchSummary(NamedTuple):
    """What a log says of an export."""

    last_fetches: list[ExportFetch]  # by address, the newest first, at most MAX_NAMED_FETCHES
    address_count: int  # how many there are
    log_start: datetime.datetime | None  # UTC: from when on the log was read; None for one without any request


class UnreadableLogError(Exception):
    """A log cannot be read; the text says why."""


def summarise_fetches(log: Path, url: str, files: Collection[str]) -> FetchSummary:
    """Who fetched which of the files below a path of the server. Raises Unreadable."""
    paths = {f"{url.rstrip('/')}/{name}".encode(): name for name in files}
    last_requests: dict[bytes, tuple[bytes, bytes]] = {}
    log_start: datetime.datetime | None = None
    for line in _read_log_lines(log):
        request = _parse_request(line) if b'"GET /' in line and len(line) <= MAX_LINE_BYTES else None
        if request is None:
            continue
        address, time_text, path, status = request
        if log_start is None:
            log_start = _parse_log_time(time_text)
        if path in paths and status in SUCCESS_CODES:
            last_requests.pop(address, None)  # the last one is the last of the log, too
            last_requests[address] = time_text, path
    export_fetches = [
        ExportFetch(host, fetched_at, paths[path])
        for address, (time_text, path) in last_requests.items()
        if (host := _parse_address(address)) and (fetched_at := _parse_log_time(time_text))
    ]
    newest_fetches = sorted(export_fetches, key=lambda fetch: fetch.fetched_at, reverse=True)
    return FetchSummary(newest_fetches[:MAX_NAMED_FETCHES], len(export_fetches), log_start)


def _read_log_lines(log: Path) -> io.BytesIO:
    """The last lines of a log, and before them of the one that it has replaced, as logrotate names it."""
    text = _read_log_end(log, MAX_LOG_BYTES)
    if len(text) < MAX_LOG_BYTES:
        with contextlib.suppress(UnreadableLogError):
            text = _read_log_end(log.with_name(log.name + ".1"), MAX_LOG_BYTES - len(text)) + text
    return io.BytesIO(text)


def _read_log_end(log: Path, max_bytes: int) -> bytes:
    """The last whole lines of a file. Raises Unreadable for what is no file; no link is followed."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnreadableLogError(f"{log} cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnreadableLogError(f"{log} is no file")
    with open(descriptor, "rb") as stream:
        start_offset = max(0, status.st_size - max_bytes)
        stream.seek(start_offset)
        text = stream.read(max_bytes)
    if start_offset:
        text = text.partition(b"\n")[2]  # the first line is cut
    return text[: text.rfind(b"\n") + 1]  # the last one is being written


def _parse_request(line: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The address, the time, the path and the status of a request; None for any other line."""
    head, _, remainder = line.partition(b'"')
    request, end, remainder = remainder.partition(b'" ')
    target = _REQUEST_PATTERN.fullmatch(request)
    if not end or target is None or not head.endswith(b"] "):
        return None
    path = unquote_to_bytes(target[1].partition(b"?")[0])
    return head.partition(b" ")[0], head[head.rfind(b"[") + 1 : -2], path, remainder[:3]


def _parse_address(text: bytes) -> str:
    """An address in its one spelling; "" for a name, which a stranger's DNS may have made up."""
    try:
        return str(ipaddress.ip_address(text.decode("ascii"))) if _ADDRESS_PATTERN.fullmatch(text) else ""
    except ValueError:
        return ""


def _parse_log_time(text: bytes) -> datetime.datetime | None:
    parts = _TIME_PATTERN.fullmatch(text)
    if parts is None or parts[2] not in MONTHS:
        return None
    offset = datetime.timedelta(hours=int(parts[8]), minutes=int(parts[9])) * (-1 if parts[7] == b"-" else 1)
    day, year, hour, minute, second = (int(parts[number]) for number in (1, 3, 4, 5, 6))
    try:
        local = datetime.datetime(year, MONTHS[parts[2]], day, hour, minute, second, tzinfo=datetime.timezone.utc)
        return local - offset
    except (ValueError, OverflowError):
        return None
