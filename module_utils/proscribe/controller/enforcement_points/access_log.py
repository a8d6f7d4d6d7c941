"""Last fetches of an export, from the access log of its web server in Common or Combined Log Format.

    192.0.2.7 - - [30/Nov/2026:08:00:01 +0800] "GET /guests/proscribe.rpz HTTP/1.1" 200 51712 "-" "curl/8.14.1"

Clients write much of a log, so it is data from strangers. Only its end is read, at most 16 MiB, in a single pass. A
server escapes quotation marks from clients. So the first quotation mark of a line starts the request, and the text
before it comes from the server. Only an address, a time, and the name of a file of the export are taken from a line.
Lines in any other form are ignored.
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

MAX_LOG_BYTES = 16 << 20  # most bytes that are read of a log and its predecessor together
MAX_LINE_BYTES = 4096
MAX_NAMED_FETCHES = 20  # most fetches that the report names, each by another client address
MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_TIME_PATTERN = re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
_REQUEST_PATTERN = re.compile(rb"GET (/[\x21\x23-\x7e]{0,2000}) HTTP/\d(?:\.\d)?")
# an address without a zone, because a zone could contain any text
_ADDRESS_PATTERN = re.compile(rb"[0-9A-Fa-f:.]{2,45}")
SUCCESS_CODES = (b"200", b"206", b"304")


class ExportFetch(NamedTuple):
    """The last time that a client fetched a file of an export."""

    address: str
    fetched_at: datetime.datetime  # UTC
    file_name: str


class FetchSummary(NamedTuple):
    """The fetches of an export in a log."""

    last_fetches: list[ExportFetch]  # the last fetch of each client address, newest first, at most MAX_NAMED_FETCHES
    address_count: int  # number of all client addresses that fetched a file
    log_start: datetime.datetime | None  # UTC: first time in the log that was read; None for a log without requests


class UnreadableLogError(Exception):
    """A log that cannot be read, with the reason."""


def summarise_fetches(log: Path, url: str, files: Collection[str]) -> FetchSummary:
    """Return the successful fetches of an export's files in a web server's log. Raises UnreadableLogError.

    `url` is the path on the server below which the files are.
    """
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
            last_requests.pop(address, None)  # so that the addresses stay in the order of their last requests
            last_requests[address] = time_text, path
    export_fetches = [
        ExportFetch(host, fetched_at, paths[path])
        for address, (time_text, path) in last_requests.items()
        if (host := _parse_address(address)) and (fetched_at := _parse_log_time(time_text))
    ]
    newest_fetches = sorted(export_fetches, key=lambda fetch: fetch.fetched_at, reverse=True)
    return FetchSummary(newest_fetches[:MAX_NAMED_FETCHES], len(export_fetches), log_start)


def _read_log_lines(log: Path) -> io.BytesIO:
    """Return the last lines of a log, after the last lines of its predecessor (logrotate's name: `<log>.1`)."""
    text = _read_log_end(log, MAX_LOG_BYTES)
    if len(text) < MAX_LOG_BYTES:
        with contextlib.suppress(UnreadableLogError):
            text = _read_log_end(log.with_name(log.name + ".1"), MAX_LOG_BYTES - len(text)) + text
    return io.BytesIO(text)


def _read_log_end(log: Path, max_bytes: int) -> bytes:
    """Return the last whole lines of a file.

    Raises UnreadableLogError unless it is a plain file; no link is followed.
    """
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
        text = text.partition(b"\n")[2]  # the first line is incomplete
    return text[: text.rfind(b"\n") + 1]  # the server is still writing the last line


def _parse_request(line: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Return the client's address, the time, the path and the status code of a request; None for any other line."""
    head, _, remainder = line.partition(b'"')
    request, end, remainder = remainder.partition(b'" ')
    target = _REQUEST_PATTERN.fullmatch(request)
    if not end or target is None or not head.endswith(b"] "):
        return None
    path = unquote_to_bytes(target[1].partition(b"?")[0])
    return head.partition(b" ")[0], head[head.rfind(b"[") + 1 : -2], path, remainder[:3]


def _parse_address(text: bytes) -> str:
    """Return an address in its canonical spelling; "" for a name, which a stranger's DNS may have made up."""
    try:
        return str(ipaddress.ip_address(text.decode("ascii"))) if _ADDRESS_PATTERN.fullmatch(text) else ""
    except ValueError:
        return ""


def _parse_log_time(text: bytes) -> datetime.datetime | None:
    """Return a time such as 30/Nov/2026:08:00:01 +0800 in UTC; None for any other text."""
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
