"""Publishers' lists, over https or out of a folder; bounded in size and time, and nothing else is followed."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import IO, NamedTuple

from ....base.patterns import pattern
from ...compile.reading.plain_file import content_of
from ...policy_errors import PolicyError
from .publishers import Publisher

LARGEST = 16 << 20  # bytes of a list
SILENT = 30  # seconds without a byte
LONGEST = 180  # seconds for a list
_SHORT = pattern(r"[ -~]{1,80}")  # a version that is written down


class NotFetched(Exception):
    """A list that could not be had, and why."""


class Fetched(NamedTuple):
    """A list as it came, and the day of which it is."""

    text: str
    day: datetime.date
    sha256: str = ""
    version: str = ""  # as the server names it, with what the name is of


Fetch = Callable[[Publisher], Fetched]


def once(fetched: Fetch) -> Fetch:
    """Fetches each address once, whatever came of it: several lists may be parts of one."""
    seen: dict[str, Fetched | NotFetched] = {}

    def fetch_or_know(publisher: Publisher) -> Fetched:
        if publisher.url not in seen:
            try:
                seen[publisher.url] = fetched(publisher)
            except NotFetched as error:
                seen[publisher.url] = error
        found = seen[publisher.url]
        if isinstance(found, NotFetched):
            raise found
        return found

    return fetch_or_know


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to https alone; urllib itself ends a circle after ten."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request that follows a redirection. Raises NotFetched."""
        if not newurl.startswith("https://"):
            raise NotFetched("it redirects to something that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(publisher: Publisher, ca_file: str = "") -> Fetched:
    """Fetch a list; a proxy is that of the environment (https_proxy, no_proxy). Raises NotFetched."""
    done: list[Fetched | NotFetched] = []

    def work() -> None:
        try:
            done.append(_fetch(publisher, ca_file))
        except NotFetched as error:
            done.append(error)

    # Whoever sends a byte now and then is never silent, in the handshake, in a header or in the list. So somebody else
    # waits for it, and is left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(LONGEST)
    found = done[0] if done else NotFetched(f"it took longer than {LONGEST} seconds")
    if isinstance(found, NotFetched):
        raise found
    return found


def _fetch(publisher: Publisher, ca_file: str) -> Fetched:
    context = ssl.create_default_context(cafile=ca_file or None)
    opener = urllib.request.build_opener(_OnlyHttps, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(publisher.url, headers={"User-Agent": "proscribe", "Accept-Encoding": "identity"})
    try:
        with opener.open(request, timeout=SILENT) as answer:
            content = answer.read(LARGEST + 1)
            length = answer.headers.get("Content-Length", "")
            version = _version(answer.headers)
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: it redirects to what is no address
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", None) or error
        raise NotFetched(f"it could not be fetched: {reason}") from None
    if len(content) > LARGEST:
        raise NotFetched(f"it is larger than {LARGEST} bytes")
    if length.isdigit() and int(length) != len(content):
        raise NotFetched(f"it ended after {len(content)} of {length} bytes")
    return _fetched(content, datetime.datetime.now(datetime.timezone.utc).date(), version)


def _version(headers: Message) -> str:
    """How the server names what it has sent; "" where it does not, or in no way that a file can have."""
    for name in ("ETag", "Last-Modified"):
        if _SHORT.fullmatch(value := headers.get(name, "")):
            return f"{name} {value}"
    return ""


def from_folder(publisher: Publisher, folder: Path) -> Fetched:
    """A list that was fetched elsewhere: the file of the publisher's id, of the day on which it was written. Raises
    NotFetched.
    """
    path = folder / publisher.id
    try:
        content = content_of(path, LARGEST, within=folder)
        written = path.stat().st_mtime
    except PolicyError as error:
        raise NotFetched(str(error)) from None
    except OSError as error:
        raise NotFetched(f"{path}: {error.strerror}") from None
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return _fetched(content, min(today, datetime.datetime.fromtimestamp(written, datetime.timezone.utc).date()))


def _fetched(content: bytes, day: datetime.date, version: str = "") -> Fetched:
    try:
        return Fetched(content.decode("utf-8"), day, hashlib.sha256(content).hexdigest(), version)
    except UnicodeDecodeError as error:
        raise NotFetched(f"byte {error.start} is not UTF-8") from None
