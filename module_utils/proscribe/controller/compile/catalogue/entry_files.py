"""Files of a directory of the catalogue: the permitted names, and the entries, read and checked.

    <category>/<id>.yml                     a service
    browsers.yml                            the browsers
    amends/<id>.yml                         changes a service (amendments.py)
    feeds/<id>.yml, feeds/<id>.txt          a large list (feeds.py)

Other modules read release.yml, known_good.txt, known_good_networks.txt, publishers.yml and recall.yml (release.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from ...policy_errors import DescribedValue, PolicyError, propose_similar_names
from ..reading.document_schema import Mistake
from ..reading.yaml_file import Document, KeyPath, read_yaml
from . import amendments, check_dates, feeds, guard_list, retired_keys
from .entry_types import ServiceIdentifiers
from .release import FILE as RELEASE_FILE
from .release import (
    KNOWN_GOOD_FILE,
    KNOWN_GOOD_NETWORKS_FILE,
    KNOWN_GOOD_PROGRAMS_FILE,
    PUBLISHERS_FILE,
    RECALL_FILE,
)
from .schema import AMENDMENT, BROWSERS, CATEGORIES, FEED, check_browser, check_service

BROWSERS_FILE = "browsers.yml"
# Files of a catalogue that other modules read.
OTHER_FILES = (
    RELEASE_FILE,
    KNOWN_GOOD_FILE,
    KNOWN_GOOD_NETWORKS_FILE,
    KNOWN_GOOD_PROGRAMS_FILE,
    PUBLISHERS_FILE,
    RECALL_FILE,
)


class CatalogueEntry(NamedTuple):
    """A well-formed entry and its place."""

    kind: str
    id: str
    data: Mapping[str, object]
    document: Document
    path_in_document: KeyPath  # path of the entry in its document
    # position of the entry's directory, 0 for Proscribe's; for an amended service, at least that of the amendment
    rank: int
    origins: amendments.Origins = {}  # sources of the values that amendments added
    retired: tuple[str, ...] = ()  # places of retired keys (retired_keys.py)

    @property
    def identifiers(self) -> ServiceIdentifiers:
        """The content of a service's entry, with the type of its identifiers."""
        return cast(ServiceIdentifiers, self.data)  # only called for a service, whose data was checked

    def make_error(self, mistake: Mistake) -> PolicyError:
        """Return a mistake of this entry as an error, at the file and line that caused it."""
        return amendments.locate_mistake(mistake, self.document, self.path_in_document, self.origins)


def read_entries(directory: Path, rank: int, errors: list[PolicyError]) -> Iterator[CatalogueEntry]:
    """Yield the well-formed entries of a directory of the catalogue. Add the mistakes of other entries to `errors`.

    `rank` is the position of the directory; 0 is Proscribe's.
    """
    for path in _list_entry_files(directory, errors):
        try:
            document = read_yaml(path)
        except PolicyError as error:
            errors.append(error)
            continue
        reader = _read_service
        if path.name == BROWSERS_FILE and path.parent == directory:
            reader = _read_browsers
        elif path.parent.name in (amendments.FOLDER, feeds.FOLDER):
            reader = _read_amendment_or_feed
        retired = tuple(retired_keys.remove_retired_keys(document))
        for entry in reader(document, rank, errors):
            yield entry._replace(retired=retired)


def _read_service(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[CatalogueEntry]:
    """Yield the service of a document; nothing if it has mistakes, which go to `errors`."""
    data = document.data
    mistakes = list(check_service(data)) or [
        *_check_id_and_category(data, document.path),
        *guard_list.check_guarded_names(data),
    ]
    errors += [document.make_error(*mistake) for mistake in mistakes]
    if not mistakes:
        yield CatalogueEntry("service", data["id"], data, document, (), rank)


def _read_amendment_or_feed(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[CatalogueEntry]:
    """Yield the amendment or feed description of a document; nothing if it has mistakes, which go to `errors`."""
    path = document.path
    if path.parent.name == feeds.FOLDER:
        mistakes, key, kind = list(FEED.check(document.data, ())), "id", "feed"
        mistakes += feeds.check_feed_keys(document.data) if not mistakes else []
    else:
        mistakes, key, kind = list(AMENDMENT.check(document.data, ())), "amends", "amendment"
    if not mistakes:
        mistakes += check_dates.check_dates(document.data)
        if document.data[key] != path.stem:
            mistakes.append(((key,), document.data[key], f"{path.stem}, the name of its file"))
    errors += [document.make_error(*mistake) for mistake in mistakes]
    if not mistakes:
        yield CatalogueEntry(kind, document.data[key], document.data, document, (), rank)


def _read_browsers(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[CatalogueEntry]:
    """Yield the browsers of a document.

    Mistakes go to `errors`, which later prevents the use of the catalogue.
    """
    mistakes = list(BROWSERS.check(document.data, ()))
    entries = document.data["browsers"] if not mistakes else []
    for index, entry in enumerate(entries):
        mistakes += [
            (("browsers", index, *path), bad_value, expected) for path, bad_value, expected in check_browser(entry)
        ]
        yield CatalogueEntry("browser", entry["id"], entry, document, ("browsers", index), rank)
    errors += [document.make_error(*mistake) for mistake in mistakes]


def _list_entry_files(directory: Path, errors: list[PolicyError]) -> Iterator[Path]:
    """Yield the files with entries in a directory of the catalogue, in order.

    An unexpected file becomes an error: no code would read it, so a part of the ban would not be enforced. Hidden
    files, Markdown and backups of editors (`~`) are ignored.
    """
    root = directory.resolve()
    for path in _list_directory(directory, errors):
        if path.is_dir() and path.name in (*CATEGORIES, amendments.FOLDER):
            candidates = [(file, "<service id>.yml") for file in _list_directory(path, errors)]
        elif path.is_dir() and path.name == feeds.FOLDER:
            candidates = [(file, "<feed id>.yml") for file in _list_directory(path, errors) if file.suffix != ".txt"]
        elif path.name in OTHER_FILES:
            continue  # release.py, known_good.py, `catalog refresh` and `catalog recall` read them
        else:
            candidates = [(path, BROWSERS_FILE)]
        for file, name in candidates:
            if expected := _check_file_name(file, name, root):
                errors.append(PolicyError(str(file), "", file.name, expected))
            else:
                yield file


def _check_file_name(file: Path, name: str, root: Path) -> str:
    """Return a phrase for the file that belongs in place of a wrong file; "" for a right file.

    `name` is the expected name, such as `<service id>.yml`. `root` is the real path of the catalogue's directory.
    """
    if file.is_dir() and name == BROWSERS_FILE:
        folders = (*CATEGORIES, amendments.FOLDER, feeds.FOLDER)
        return f"the folder of a category, one of {', '.join(folders)}{propose_similar_names(file.name, folders)}"
    if name == BROWSERS_FILE and file.name != BROWSERS_FILE:
        return f"{BROWSERS_FILE} or <category>/<service id>.yml"
    if file.suffix != ".yml" or not file.is_file():  # reading a pipe would block the load
        return f"a file named {name}" + (", not .yaml" if file.suffix == ".yaml" else "")
    return "" if file.resolve().is_relative_to(root) else "a file of this directory, not a link out of it"


def _list_directory(directory: Path, errors: list[PolicyError]) -> list[Path]:
    """Return the sorted paths in a directory, without ignored names; [] and an error if it cannot be read."""
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        errors.append(PolicyError(str(directory), "", DescribedValue(error.strerror), "a directory that can be read"))
        return []
    return [path for path in paths if not is_ignored_name(path.name)]


def is_ignored_name(name: str) -> bool:
    """Return True for the name of a hidden file, of Markdown, or of an editor's backup."""
    return name.startswith(".") or name.endswith(("~", ".md"))


def _check_id_and_category(data: Mapping[str, object], path: Path) -> Iterator[Mistake]:
    """Yield a mistake if the id differs from the file's name, or the category from the folder's name."""
    for key, expected, noun in (("id", path.stem, "file"), ("category", path.parent.name, "folder")):
        if data[key] != expected:
            yield (key,), data[key], f"{expected}, the name of its {noun}"
