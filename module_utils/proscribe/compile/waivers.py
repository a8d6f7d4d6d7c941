"""The waivers: approved exceptions, one YAML file each in the `waivers/` folder of an inventory.

A waiver that is malformed stops the run. One that is expired, or not valid yet, waives nothing and is reported.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..plan import CONTROLS
from .errors import PolicyError, PolicyErrors, close_to
from .yaml_file import read_yaml

# The longest time from the approval (or the first valid day) to the end. A year is what comparable rules allow.
LONGEST = datetime.timedelta(days=366)

LISTS = ("services", "controls", "hosts", "groups", "compensating_controls")
TIMES = ("approved_on", "valid_from", "expires")
TEXTS = ("id", "reason", "risk", "requested_by", "approved_by", "ticket")
REQUIRED = ("id", "services", "reason", "requested_by", "approved_by", "expires")


@dataclass(frozen=True)
class Waiver:
    """An approved exception: which services, for which controls, on which hosts, why, by whom, until when."""

    id: str
    services: tuple[str, ...]
    controls: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    reason: str
    requested_by: str
    approved_by: str
    expires: datetime.datetime
    valid_from: datetime.datetime | None
    file: str

    def status(self, now: datetime.datetime) -> str:
        """`active` in the half-open time [valid_from, expires), else `not_yet_valid` or `expired`."""
        if now >= self.expires:
            return "expired"
        return "not_yet_valid" if self.valid_from and now < self.valid_from else "active"

    def covers(self, host: str, groups: Iterable[str]) -> bool:
        return host in self.hosts or not set(groups).isdisjoint(self.groups)


# Notes a mistake: the key (and the place in its list), the value, what was expected.
Wrong = Callable[[tuple[str | int, ...], object, str], None]


@dataclass(frozen=True)
class Known:
    """What a waiver may name."""

    services: frozenset[str]
    hosts: frozenset[str]
    groups: frozenset[str]


def load_waivers(folders: Sequence[Path], known: Known) -> list[Waiver]:
    """Every waiver of the folders, by id. Raises PolicyErrors with every mistake."""
    waivers: dict[str, Waiver] = {}
    errors: list[PolicyError] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.y*ml"))):
        try:
            waiver = read_waiver(path, known)
        except PolicyErrors as wrong:
            errors += wrong.errors
            continue
        if waiver.id in waivers:
            errors.append(
                PolicyError(str(path), "id", waiver.id, f"an id that {waivers[waiver.id].file} does not have")
            )
        waivers[waiver.id] = waiver
    if errors:
        raise PolicyErrors(errors)
    return [waivers[id_] for id_ in sorted(waivers)]


def read_waiver(path: Path, known: Known) -> Waiver:
    """One waiver's file, checked. Raises PolicyErrors."""
    errors: list[PolicyError] = []
    try:
        document = read_yaml(path)
    except PolicyError as error:
        raise PolicyErrors([error]) from None
    data = document.data
    if not isinstance(data, Mapping):
        raise PolicyErrors([document.error((), data, "a mapping with the keys of a waiver")])

    def wrong(place: tuple[str | int, ...], value: object, expected: str) -> None:
        errors.append(document.error(place, value, expected))

    keys = LISTS + TIMES + TEXTS
    for key in data:
        if key not in keys:
            wrong((key,), key, f"a key of a waiver{close_to(key, keys)}")
    for key in REQUIRED:
        if not data.get(key):
            wrong((key,), data.get(key), "a value: every waiver has one")
    if not data.get("hosts") and not data.get("groups"):
        wrong(("hosts",), None, "hosts or groups that the waiver is for")
    for key in TEXTS:
        if key in data and not (isinstance(data[key], str) and data[key].isprintable()):
            wrong((key,), data[key], "one line of text")
    lists = {key: _list(data.get(key, []), key, wrong) for key in LISTS}
    for key, names, what in (
        ("services", known.services, "a service of the catalogue"),
        ("controls", CONTROLS, f"one of {', '.join(CONTROLS)}"),
        ("hosts", known.hosts, "a host of the inventory"),
        ("groups", known.groups, "a group of the inventory"),
    ):
        for index, name in enumerate(lists[key]):
            if name not in names:
                wrong((key, index), name, what + close_to(name, names))
    times = {key: _time(data.get(key), key, wrong) for key in TIMES}
    if data.get("id") and data["id"] != path.stem:
        wrong(("id",), data["id"], f"the name of its file, {path.stem}")
    if data.get("approved_by") and data.get("approved_by") == data.get("requested_by"):
        wrong(("approved_by",), data["approved_by"], "somebody else than requested_by")
    start, end = times["valid_from"] or times["approved_on"], times["expires"]
    if start and end and not datetime.timedelta() < end - start <= LONGEST:
        expected = f"a time after {start.isoformat()}, and at most {LONGEST.days} days after it"
        wrong(("expires",), data["expires"], expected)
    if errors or end is None:
        raise PolicyErrors(errors)
    return Waiver(
        id=data["id"],
        services=lists["services"],
        controls=lists["controls"] or CONTROLS,
        hosts=lists["hosts"],
        groups=lists["groups"],
        reason=data["reason"],
        requested_by=data["requested_by"],
        approved_by=data["approved_by"],
        expires=end,
        valid_from=times["valid_from"],
        file=str(path),
    )


def _list(value: object, key: str, wrong: Wrong) -> tuple[str, ...]:
    if value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        wrong((key,), value, "a list of words")
        return ()
    return tuple(dict.fromkeys(value))


def _time(value: object, key: str, wrong: Wrong) -> datetime.datetime | None:
    if not value:
        return None
    try:
        time = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        time = None
    # A day without a zone ends at another moment for every reader, so it is refused.
    if time is None or time.tzinfo is None:
        wrong((key,), value, "a time with its zone, such as 2026-12-31T18:00:00+08:00")
        return None
    return time.astimezone(datetime.timezone.utc)
