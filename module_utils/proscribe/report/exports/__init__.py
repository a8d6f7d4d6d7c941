"""The report in other tools' formats: one file each, all written in one pass over the host records.

An export is a class with `add(answer)`, called for each expected host, and `finish()`. It gets the stream of its file
and the fleet report, and never holds more of a host than a few bytes: fleets have 100,000 of them. Every expected host
is in every export, and one that did not answer is unknown there, never compliant; so is every host that is not served,
by that name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TextIO

from ..files import whole
from ..picture import Picture
from .answers import Answer, Reader

# What `proscribe_exports` may name, and the file that it makes in the run's folder.
FILES = {
    "csv": "report.csv",
    "junit": "junit.xml",
    "prometheus": "metrics.prom",
    "sarif": "report.sarif",
    "sarif_open": "report.sarif",  # without what is waived, for readers that show waived results as open
    "oscal": "oscal.json",
}
METRICS = "prometheus"  # of all that is known, not of the run alone
EVERY = ("csv", "junit", "prometheus", "sarif", "oscal")


class Export(Protocol):
    """The shape of an export."""

    def add(self, answer: Answer) -> None:
        """Take one host."""

    def not_served(self, host: str, why: str) -> None:
        """Take one host that is not served, after the expected ones: nothing is known of it."""

    def finish(self) -> None:
        """Write what comes after the last host."""


def write(
    directory: Path,
    report: Mapping[str, Any],
    records: Iterable[Mapping[str, Any]],
    names: Collection[str],
    picture: Picture | None = None,
) -> list[Path]:
    """Write the named exports of a report into its folder; returns their paths.

    `report` is the fleet report, `records` are the reconciled host records, one for each expected host; they are gone
    through once. Each file appears whole, and none of them if one fails. `picture` is all that is
    known, for what is read long after the run (None: nothing but this run). Raises OSError, and ValueError for a name
    that is no export.
    """
    for name in names:
        if name not in FILES:
            raise ValueError(f"there is no export {name!r}; expected some of {', '.join(FILES)}")
    paths = [directory / FILES[name] for name in names]
    if len(set(paths)) < len(paths):
        raise ValueError(f"two exports would be one file: {', '.join(names)}")
    if not names:
        return paths
    with contextlib.ExitStack() as stack:
        streams = {name: stack.enter_context(whole(path)) for name, path in zip(names, paths)}
        if picture is not None and (stream := streams.pop(METRICS, None)):
            import_module(f".{METRICS}", __name__).write(stream, report, picture)
        _fill([_export(name)(stream, report) for name, stream in streams.items()], report, records)
    return paths


def pour(stream: TextIO, report: Mapping[str, Any], records: Iterable[Mapping[str, Any]], name: str) -> None:
    """Write one export of a report, one of FILES, to a stream: the same text as in its file."""
    _fill([_export(name)(stream, report)], report, records)


def _fill(exports: Sequence[Export], report: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> None:
    answers = Reader()
    for record in records:
        answer = answers.read(record)
        for export in exports:
            export.add(answer)
    for one in report.get("not_served") or ():
        for export in exports:
            export.not_served(one["host"], one["why"])
    for export in exports:
        export.finish()


def refresh(directory: Path, report: Mapping[str, Any], picture: Picture) -> None:
    """Write the metrics of an earlier report anew, where it has some: who reads them there is to see what is known now.
    Raises OSError.
    """
    path = directory / FILES[METRICS]
    if path.is_file():
        with whole(path) as stream:
            import_module(f".{METRICS}", __name__).write(stream, report, picture)


def _export(name: str) -> Callable[[TextIO, Mapping[str, Any]], Export]:
    """What makes an export; only what is asked for is imported."""
    module, _, variant = name.partition("_")
    made: Any = import_module(f".{module}", __name__)
    return made.Open if variant else made.Export  # type: ignore[no-any-return]
