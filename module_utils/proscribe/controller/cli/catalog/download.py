"""Download of a list over https, bounded in size and time. No link within a list is followed."""

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

from ....base.lazy_patterns import compile_pattern
from ...report.text.wording import clean_text

MAX_LIST_BYTES = 16 << 20
SILENCE_TIMEOUT_SECONDS = 30
FETCH_TIMEOUT_SECONDS = 180
_LENGTH_PATTERN = compile_pattern(r"[0-9]{1,12}")
_VERSION_PATTERN = compile_pattern(r"[ -~]{1,80}")  # a version that a catalogue file may record


class FetchError(Exception):
    """A list that could not be fetched, with the reason."""


class FetchedList(NamedTuple):
    """The text of a list as received, with its day, digest and version."""

    text: str
    day: datetime.date
    sha256: str = ""
    version: str = ""  # header and value, as the server sent them: `ETag "33a6"`; "" for none


class _HttpsRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Handler that follows redirections only to https. urllib itself stops a loop after ten redirections."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request that follows a redirection. Raises FetchError for an address without https."""
        if not newurl.startswith("https://"):
            raise FetchError("it redirects to something that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch_list(url: str, ca_file: str = "") -> FetchedList:
    """Fetch a list over https within FETCH_TIMEOUT_SECONDS. Raises FetchError.

    The request uses the proxy of the environment, if any (https_proxy, no_proxy). `ca_file` has the certificates to
    trust; "" for the system's.
    """
    outcomes: list[FetchedList | Exception] = []

    def fetch_in_thread() -> None:
        """Fetch the list, and store it or the error in `outcomes`."""
        try:
            outcomes.append(_fetch_now(url, ca_file))
        except Exception as error:  # raised below, in the thread of the caller
            outcomes.append(error)

    # A server that sends a byte now and then never triggers the silence timeout: in the handshake, in a header or in
    # the list. So another thread waits for it, and is abandoned after the total timeout.
    thread = threading.Thread(target=fetch_in_thread, daemon=True)
    thread.start()
    thread.join(FETCH_TIMEOUT_SECONDS)
    outcome = outcomes[0] if outcomes else FetchError(f"it took longer than {FETCH_TIMEOUT_SECONDS} seconds")
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _fetch_now(url: str, ca_file: str) -> FetchedList:
    """Fetch a list over https, without a limit on the total time.

    Raises FetchError for a failed request, and for a list that is too large, cut off, or no UTF-8 text. A server that
    sends nothing for SILENCE_TIMEOUT_SECONDS is a failure.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    opener = urllib.request.build_opener(_HttpsRedirectHandler, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, headers={"User-Agent": "proscribe", "Accept-Encoding": "identity"})
    try:
        with opener.open(request, timeout=SILENCE_TIMEOUT_SECONDS) as response:
            _require_whole_response(response)
            content = response.read(MAX_LIST_BYTES + 1)
            length = response.headers.get("Content-Length", "")
            version = _read_version(response.headers)
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: it redirects to an invalid address
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", None) or error
        raise FetchError(f"it could not be fetched: {reason}") from None
    if len(content) > MAX_LIST_BYTES:
        raise FetchError(f"it is larger than {MAX_LIST_BYTES} bytes")
    if _LENGTH_PATTERN.fullmatch(length) and int(length) != len(content):
        raise FetchError(f"it ended after {len(content)} of {length} bytes")
    return decode_list(content, datetime.datetime.now(datetime.timezone.utc).date(), version)


def _require_whole_response(response: http.client.HTTPResponse) -> None:
    """Raise FetchError unless a response has the whole list, uncompressed, and declares its end.

    Without a declared end, an attacker on the network path could cut off the list. A name that is cut off is another
    name.
    """
    if response.status != 200:
        raise FetchError(f"it was answered with {response.status}, expected the whole list (200)")
    encoding = response.headers.get("Content-Encoding", "").strip() or "identity"
    if encoding.lower() != "identity":
        raise FetchError(f"it is compressed ({clean_text(encoding[:20])}), which was not asked for")
    is_chunked = response.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    if not is_chunked and not _LENGTH_PATTERN.fullmatch(response.headers.get("Content-Length", "")):
        raise FetchError("the answer does not say where it ends (Content-Length)")


def _read_version(headers: Message) -> str:
    """Return the version of a list from the header ETag or Last-Modified; "" if none fits into a catalogue file."""
    for name in ("ETag", "Last-Modified"):
        if _VERSION_PATTERN.fullmatch(header_value := headers.get(name, "")):
            return f"{name} {header_value}"
    return ""


def decode_list(content: bytes, day: datetime.date, version: str = "") -> FetchedList:
    """Decode the bytes of a list, and add their SHA-256. Raises FetchError for bytes that are no UTF-8 text."""
    try:
        return FetchedList(content.decode("utf-8"), day, hashlib.sha256(content).hexdigest(), version)
    except UnicodeDecodeError as error:
        raise FetchError(f"byte {error.start} is not UTF-8") from None
