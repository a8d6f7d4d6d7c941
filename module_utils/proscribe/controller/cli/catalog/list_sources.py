"""Reading of a publisher's list, over https or from a directory."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ...compile.reading.plain_file import read_plain_file
from ...policy_errors import PolicyError
from .download import MAX_LIST_BYTES, FetchedList, FetchError, decode_list, fetch_list
from .list_files import ListReadError, fetch_texts, read_texts
from .publishers import Publisher

FetchPublisher = Callable[[Publisher], FetchedList]


def cache_fetches(fetch_publisher: FetchPublisher) -> FetchPublisher:
    """Return `fetch_publisher` with a cache, which fetches each address once and also stores errors.

    Several publishers of publishers.yml may read different parts of the same file.
    """
    outcomes: dict[tuple[str, str], FetchedList | FetchError] = {}

    def fetch_or_recall(publisher: Publisher) -> FetchedList:
        """Return a publisher's list, fetched at the first call for its address; raise a stored error again."""
        if (publisher.url, publisher.list_id) not in outcomes:
            try:
                outcomes[(publisher.url, publisher.list_id)] = fetch_publisher(publisher)
            except FetchError as error:
                outcomes[(publisher.url, publisher.list_id)] = error
        outcome = outcomes[(publisher.url, publisher.list_id)]
        if isinstance(outcome, FetchError):
            raise outcome
        return outcome

    return fetch_or_recall


def fetch_published_list(publisher: Publisher, ca_file: str = "") -> FetchedList:
    """Fetch a publisher's list over https, dated today. Raises FetchError.

    The files of a list of recall.yml are joined. `ca_file` has the certificates to trust; "" for the system's.
    """
    if not publisher.public_list:
        return fetch_list(publisher.url, ca_file)
    files: list[FetchedList] = []

    def fetch_text(url: str) -> str:
        files.append(fetch_list(url, ca_file))
        return files[-1].text

    try:
        file_texts = [text for _, text in fetch_texts(publisher.public_list, fetch_text)]
    except ListReadError as error:
        raise FetchError(str(error)) from None
    return files[0] if len(files) == 1 else _join_files(file_texts, min(file.day for file in files))


def read_list_from_folder(publisher: Publisher, folder: Path) -> FetchedList:
    """Read a publisher's list, fetched earlier or elsewhere, from a folder. Raises FetchError.

    The file has the publisher's id as its name. Without such a file, a list of recall.yml is read from the files that
    `recall` reads. The list's day is the modification date of its oldest file.
    """
    own_path = folder / publisher.id
    try:
        if publisher.public_list and not own_path.is_file():
            files = list(read_texts(publisher.public_list, folder))
            return _join_files([text for _, text in files], min(_find_file_date(path) for path, _ in files))
        return decode_list(read_plain_file(own_path, MAX_LIST_BYTES, within=folder), _find_file_date(own_path))
    except (PolicyError, ListReadError) as error:
        raise FetchError(str(error)) from None
    except OSError as error:
        raise FetchError(f"{own_path}: {error.strerror}") from None


def _find_file_date(path: Path) -> datetime.date:
    """Return the day (UTC) on which a file was last modified; today for a day in the future."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return min(today, datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc).date())


def _join_files(file_texts: Sequence[str], day: datetime.date) -> FetchedList:
    """Join the texts of a list's files, and return them as one list with the SHA-256 of the whole text."""
    text = "\n".join(file_texts)
    return FetchedList(text, day, hashlib.sha256(text.encode()).hexdigest())
