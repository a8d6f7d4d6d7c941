"""The files of a directory of the catalogue: which there may be, and the entries in them, read and checked.

    <category>/<id>.yml                     a service
    browsers.yml                            the browsers
    amends/<id>.yml                         changes a service (amendments.py)
    feeds/<id>.yml, feeds/<id>.txt          a large list (feeds.py)

Other parts read release.yml, known_good.txt, known_good_networks.txt, publishers.yml and recall.yml (release.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from ...policy_errors import Described, PolicyError, close_to
from ..reading.yaml_file import Document, KeyPath, read_yaml
from . import amendments, dates, feeds, guard_list, retired_keys
from .entries import Identifiers
from .kinds import Mistake
from .release import FILE as RELEASE_FILE
from .release import KNOWN_GOOD, KNOWN_GOOD_NETWORKS, PUBLISHERS, RECALL
from .schema import AMENDMENT, BROWSERS, CATEGORIES, FEED, check_browser, check_service

BROWSERS_FILE = "browsers.yml"


class Entry(NamedTuple):
    """A well-formed entry, and where it is."""

    kind: str
    id: str
    data: Mapping[str, object]
    document: Document
    place: KeyPath  # of the entry in its document
    rank: int  # of its directory; of an amended entry, that of the amendment
    origins: amendments.Origins = {}  # of the values that amendments brought
    retired: tuple[str, ...] = ()  # the places of keys that nothing reads any more

    @property
    def identifiers(self) -> Identifiers:
        return cast(Identifiers, self.data)  # of a service; they were checked

    def error(self, mistake: Mistake) -> PolicyError:
        return amendments.placed(mistake, self.document, self.place, self.origins)


def read_entries(directory: Path, rank: int, errors: list[PolicyError]) -> Iterator[Entry]:
    """The well-formed entries of a directory of that `rank`; what is wrong with the others is added to `errors`."""
    for path in _files(directory, errors):
        try:
            document = read_yaml(path)
        except PolicyError as error:
            errors.append(error)
            continue
        read = _service
        if path.name == BROWSERS_FILE and path.parent == directory:
            read = _browsers
        elif path.parent.name in (amendments.FOLDER, feeds.FOLDER):
            read = _beside
        retired = tuple(retired_keys.removed(document))
        for entry in read(document, rank, errors):
            yield entry._replace(retired=retired)


def _service(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[Entry]:
    data = document.data
    mistakes = list(check_service(data)) or [*_misplaced(data, document.path), *guard_list.check(data)]
    errors += [document.error(*mistake) for mistake in mistakes]
    if not mistakes:
        yield Entry("service", data["id"], data, document, (), rank)


def _beside(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[Entry]:
    """An amendment, or what describes a feed."""
    path = document.path
    if path.parent.name == feeds.FOLDER:
        mistakes, key, kind = list(FEED.check(document.data, ())), "id", "feed"
        mistakes += feeds.check(document.data) if not mistakes else []
    else:
        mistakes, key, kind = list(AMENDMENT.check(document.data, ())), "amends", "amendment"
    if not mistakes:
        mistakes += dates.check(document.data)
        if document.data[key] != path.stem:
            mistakes.append(((key,), document.data[key], f"{path.stem}, the name of its file"))
    errors += [document.error(*mistake) for mistake in mistakes]
    if not mistakes:
        yield Entry(kind, document.data[key], document.data, document, (), rank)


def _browsers(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[Entry]:
    mistakes = list(BROWSERS.check(document.data, ()))
    entries = document.data["browsers"] if not mistakes else []
    for index, entry in enumerate(entries):
        mistakes += [(("browsers", index, *path), value, expected) for path, value, expected in check_browser(entry)]
        yield Entry("browser", entry["id"], entry, document, ("browsers", index), rank)
    errors += [document.error(*mistake) for mistake in mistakes]


def _files(directory: Path, errors: list[PolicyError]) -> Iterator[Path]:
    """The YAML files of a directory, in order.

    What should not be there is a mistake: a file that nobody reads is a part of the ban that nobody enforces. Hidden
    files, Markdown and editors' backups (`~`) are left alone.
    """
    root = directory.resolve()
    for path in _listed(directory, errors):
        if path.is_dir() and path.name in (*CATEGORIES, amendments.FOLDER):
            candidates = [(file, "<service id>.yml") for file in _listed(path, errors)]
        elif path.is_dir() and path.name == feeds.FOLDER:
            candidates = [(file, "<feed id>.yml") for file in _listed(path, errors) if file.suffix != ".txt"]
        elif path.name in (RELEASE_FILE, KNOWN_GOOD, KNOWN_GOOD_NETWORKS, PUBLISHERS, RECALL):
            continue  # release.py, known_good.py, `catalog refresh` and `catalog recall` read them
        else:
            candidates = [(path, BROWSERS_FILE)]
        for file, name in candidates:
            if expected := _unwelcome(file, name, root):
                errors.append(PolicyError(str(file), "", file.name, expected))
            else:
                yield file


def _unwelcome(file: Path, name: str, root: Path) -> str:
    """Why a file cannot be read as what should be in its place: what was expected instead, or "" if it can."""
    if file.is_dir() and name == BROWSERS_FILE:
        folders = (*CATEGORIES, amendments.FOLDER, feeds.FOLDER)
        return f"the folder of a category, one of {', '.join(folders)}{close_to(file.name, folders)}"
    if name == BROWSERS_FILE and file.name != BROWSERS_FILE:
        return f"{BROWSERS_FILE} or <category>/<service id>.yml"
    if file.suffix != ".yml" or not file.is_file():  # a pipe would keep the load waiting
        return f"a file named {name}" + (", not .yaml" if file.suffix == ".yaml" else "")
    return "" if file.resolve().is_relative_to(root) else "a file of this directory, not a link out of it"


def _listed(directory: Path, errors: list[PolicyError]) -> list[Path]:
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        errors.append(PolicyError(str(directory), "", Described(error.strerror), "a directory that can be read"))
        return []
    return [path for path in paths if not passed_over(path.name)]


def passed_over(name: str) -> bool:
    """Whether what has this name is left alone: hidden files, Markdown and editors' backups."""
    return name.startswith(".") or name.endswith(("~", ".md"))


def _misplaced(data: Mapping[str, object], path: Path) -> Iterator[Mistake]:
    for key, expected, what in (("id", path.stem, "file"), ("category", path.parent.name, "folder")):
        if data[key] != expected:
            yield (key,), data[key], f"{expected}, the name of its {what}"
