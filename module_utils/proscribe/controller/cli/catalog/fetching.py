"""A list over https, bounded in size and time; nothing else is followed."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ssl
import threading
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, NamedTuple

from ....base.patterns import compile_pattern
from ...report.text.wording import clean

LARGEST = 16 << 20  # bytes of a list
SILENT = 30  # seconds without a byte
LONGEST = 180  # seconds for a list
_LENGTH = compile_pattern(r"[0-9]{1,12}")
_SHORT = compile_pattern(r"[ -~]{1,80}")  # a version that is written down


class NotFetched(Exception):
    """A list that could not be had, and why."""


class Fetched(NamedTuple):
    """A list as it came, and the day of which it is."""

    text: str
    day: datetime.date
    sha256: str = ""
    version: str = ""  # as the server names it, with what the name is of


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


def fetch(url: str, ca_file: str = "") -> Fetched:
    """Fetch a list; a proxy is that of the environment (https_proxy, no_proxy). Raises NotFetched."""
    done: list[Fetched | Exception] = []

    def work() -> None:
        try:
            done.append(_fetch(url, ca_file))
        except Exception as error:  # it is raised below
            done.append(error)

    # Whoever sends a byte now and then is never silent, in the handshake, in a header or in the list. So somebody else
    # waits for it, and is left behind.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(LONGEST)
    outcome = done[0] if done else NotFetched(f"it took longer than {LONGEST} seconds")
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _fetch(url: str, ca_file: str) -> Fetched:
    context = ssl.create_default_context(cafile=ca_file or None)
    opener = urllib.request.build_opener(_OnlyHttps, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers={"User-Agent": "proscribe", "Accept-Encoding": "identity"})
    try:
        with opener.open(request, timeout=SILENT) as answer:
            _require_whole(answer)
            content = answer.read(LARGEST + 1)
            length = answer.headers.get("Content-Length", "")
            version = _version(answer.headers)
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: it redirects to what is no address
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", None) or error
        raise NotFetched(f"it could not be fetched: {reason}") from None
    if len(content) > LARGEST:
        raise NotFetched(f"it is larger than {LARGEST} bytes")
    if _LENGTH.fullmatch(length) and int(length) != len(content):
        raise NotFetched(f"it ended after {len(content)} of {length} bytes")
    return decoded(content, datetime.datetime.now(datetime.timezone.utc).date(), version)


def _require_whole(answer: http.client.HTTPResponse) -> None:
    """Raises NotFetched for an answer that is a part of a list, or whose end somebody on the way could move.

    A name that is cut off is another name.
    """
    if answer.status != 200:
        raise NotFetched(f"it was answered with {answer.status}, expected the whole list (200)")
    encoding = answer.headers.get("Content-Encoding", "").strip() or "identity"
    if encoding.lower() != "identity":
        raise NotFetched(f"it is compressed ({clean(encoding[:20])}), which was not asked for")
    chunked = answer.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    if not chunked and not _LENGTH.fullmatch(answer.headers.get("Content-Length", "")):
        raise NotFetched("the answer does not say where it ends (Content-Length)")


def _version(headers: Message) -> str:
    """How the server names what it has sent; "" where it does not, or in no way that a file can have."""
    for name in ("ETag", "Last-Modified"):
        if _SHORT.fullmatch(value := headers.get(name, "")):
            return f"{name} {value}"
    return ""


def decoded(content: bytes, day: datetime.date, version: str = "") -> Fetched:
    """A list as it came. Raises NotFetched for what is no text."""
    try:
        return Fetched(content.decode("utf-8"), day, hashlib.sha256(content).hexdigest(), version)
    except UnicodeDecodeError as error:
        raise NotFetched(f"byte {error.start} is not UTF-8") from None
