"""A publisher's list: over https, or out of a folder."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ...compile.reading.plain_file import read_plain_file
from ...policy_errors import PolicyError
from .fetching import LARGEST, Fetched, NotFetched, decoded, fetch
from .list_files import NotRead, over_https, texts
from .publishers import Publisher

Fetch = Callable[[Publisher], Fetched]


def once(fetched: Fetch) -> Fetch:
    """Fetches each address once, whatever came of it: several lists may be parts of one."""
    seen: dict[tuple[str, str], Fetched | NotFetched] = {}

    def fetch_or_know(publisher: Publisher) -> Fetched:
        if (publisher.url, publisher.list_id) not in seen:
            try:
                seen[(publisher.url, publisher.list_id)] = fetched(publisher)
            except NotFetched as error:
                seen[(publisher.url, publisher.list_id)] = error
        found = seen[(publisher.url, publisher.list_id)]
        if isinstance(found, NotFetched):
            raise found
        return found

    return fetch_or_know


def published(publisher: Publisher, ca_file: str = "") -> Fetched:
    """A list over https, of today. Raises NotFetched."""
    if not publisher.listed:
        return fetch(publisher.url, ca_file)
    files: list[Fetched] = []

    def fetched(url: str) -> str:
        files.append(fetch(url, ca_file))
        return files[-1].text

    try:
        found = [text for _, text in over_https(publisher.listed, fetched)]
    except NotRead as error:
        raise NotFetched(str(error)) from None
    return files[0] if len(files) == 1 else _together(found, min(one.day for one in files))


def from_folder(publisher: Publisher, folder: Path) -> Fetched:
    """A list that was fetched elsewhere, of the day on which it was written: the file of the publisher's id, or where
    `recall` has it. Raises NotFetched.
    """
    own = folder / publisher.id
    try:
        if publisher.listed and not own.is_file():
            found = list(texts(publisher.listed, folder))
            return _together([text for _, text in found], min(_day(path) for path, _ in found))
        return decoded(read_plain_file(own, LARGEST, within=folder), _day(own))
    except (PolicyError, NotRead) as error:
        raise NotFetched(str(error)) from None
    except OSError as error:
        raise NotFetched(f"{own}: {error.strerror}") from None


def _day(path: Path) -> datetime.date:
    """The day on which a file was written; today for a later one."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return min(today, datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc).date())


def _together(found: Sequence[str], day: datetime.date) -> Fetched:
    """The files of a list as one."""
    text = "\n".join(found)
    return Fetched(text, day, hashlib.sha256(text.encode()).hexdigest())
