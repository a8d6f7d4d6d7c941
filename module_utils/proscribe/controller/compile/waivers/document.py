"""A waiver's file: its keys, read and checked."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....base.patterns import compile_pattern
from ....model.plan import CONTROLS
from ....model.words import REQUEST_ID_PATTERN
from ...policy_errors import Described, PolicyError, PolicyErrors, close_to
from ..catalogue.schema import CATEGORIES
from ..reading.grammar import MOST_GROUPS, POSIX_GROUP
from ..reading.yaml_file import Document, KeyPath, read_yaml
from . import hours
from .waiver import NARROWER, Revocation, Waiver

SUFFIXES = (".yml", ".yaml")

# The key and what one item of it has to be.
NAMES = compile_pattern(r"\S(?:.{0,98}\S)?")
LISTS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "services": (compile_pattern(r"[a-z0-9_]+"), "a service's id"),
    "controls": (NAMES, f"one of {', '.join(CONTROLS)}"),
    "hosts": (NAMES, "a host's name"),
    "groups": (NAMES, "a group's name"),
    "zones": (NAMES, "a zone, as proscribe_zone names it"),
    "signed_hosts": (NAMES, "a host's name"),
    # As the user database has it: what a finding names, and what the packet filter's host resolves. Not a number, which
    # would be another user on another host.
    "users": (compile_pattern(r"""(?!-|\d+$)[^\s:/,"']{1,100}"""), "a user's login name"),
    "posix_groups": (POSIX_GROUP, "the name of a group of the host's users"),
    "versions": (compile_pattern(r"[!-~]{1,100}"), "a version as the package system says it, such as 4.0.1-1"),
    "paths": (
        compile_pattern(r"(?!.*(?://|/\.\.?(?:/|$)))/.{0,997}[^/]"),
        "an absolute path, such as /opt/wechat/wechat",
    ),
    "hours": (hours.HOURS, hours.EXPECTED),
    "compensating_controls": (compile_pattern(r"\S.{0,998}"), "a sentence"),
}
TIMES = ("requested_on", "approved_on", "valid_from", "expires", "review_by", "reviewed_on")
PARTIES = ("requested_by", "approved_by")
TEXTS = (*PARTIES, "reason", "risk", "ticket", "request")
REQUIRED = ("id", "services", "reason", "requested_by", "approved_by", "approved_on", "expires")
REVOCATION = ("on", "by", "why")
PLACES = ("hosts", "groups", "zones")  # one at least
NAMING = ("services", *PLACES)
LONGEST = 1000  # characters of a text
KEYS = ("id", *LISTS, *TIMES, *TEXTS, "revoked")

ID = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# One spelling of a moment: a day alone, or a time without its zone, is another moment for every reader.
MOMENT = compile_pattern(
    r"(?:19|20|21)\d\d-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,  # digits are 0 to 9
)

# An approved need is reviewed every month (CIS Controls v8 2.3 asks for as much of unauthorised software).
REVIEWED_EVERY = datetime.timedelta(days=31)


@dataclass(frozen=True)
class Known:
    """What a waiver may name."""

    services: frozenset[str]
    hosts: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True)
class Named:
    """What a waiver names whose file has mistakes."""

    document: Document
    services: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    zones: tuple[str, ...]


class Malformed(PolicyErrors):
    """The mistakes of a waiver's file, and what it names, where that can be read: to be checked all the same."""

    def __init__(self, errors: Iterable[PolicyError], named: Named | None = None) -> None:
        super().__init__(errors)
        self.named = named


def load_waivers(folders: Sequence[Path]) -> list[Waiver]:
    """Every waiver of the folders, by id, each checked for itself. Raises PolicyErrors with every mistake."""
    waivers, _, errors = read_waivers(folders)
    if errors:
        raise PolicyErrors(errors)
    return waivers


def read_waivers(folders: Sequence[Path]) -> tuple[list[Waiver], list[Named], list[PolicyError]]:
    """The waivers of the folders, by id; what the others name; and every mistake of each file for itself."""
    waivers: dict[str, Waiver] = {}
    malformed: list[Named] = []
    errors: list[PolicyError] = []
    for path in (path for folder in folders for path in _files(folder, errors)):
        try:
            waiver = read_waiver(path)
        except Malformed as wrong:
            errors += wrong.errors
            malformed += [wrong.named] if wrong.named else []
            continue
        if waiver.id in waivers:
            expected = f"an id that {waivers[waiver.id].file} does not have"
            errors.append(waiver.document.error(("id",), waiver.id, expected))
        waivers.setdefault(waiver.id, waiver)
    return [waivers[id_] for id_ in sorted(waivers)], malformed, errors


def _files(folder: Path, errors: list[PolicyError]) -> Iterator[Path]:
    """The YAML files of a folder, in order. Hidden ones are left alone: editors and file systems make them."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        errors.append(PolicyError(str(folder), "", Described(str(error.strerror)), "a folder that can be read"))
        return
    for path in paths:
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        else:  # a pipe would keep the run waiting
            errors.append(PolicyError(str(path), "", Described("something else"), "a file"))


def read_waiver(path: Path) -> Waiver:
    """One waiver's file, checked for itself. Raises Malformed with every mistake."""
    try:
        document = read_yaml(path)
    except PolicyError as error:
        raise Malformed([error]) from None
    if not isinstance(document.data, Mapping):
        raise Malformed([document.error((), document.data, "a mapping with the keys of a waiver")])
    reader = _Reader(document)
    waiver = reader.waiver()
    if reader.errors or waiver is None:
        raise Malformed(reader.errors, reader.named())
    return waiver


def read_revocation(document: Document) -> tuple[str, Revocation] | None:
    """Return the id and the revocation of a waiver, whatever else is wrong with it; None where it has none."""
    if not isinstance(document.data, Mapping):
        return None
    reader = _Reader(document)
    revocation = reader.revoked()
    return (reader.text("id"), revocation) if revocation and not reader.errors else None


def unknown_names(waiver: Waiver | Named, known: Known) -> Iterator[PolicyError]:
    """The services, hosts and groups that a waiver names and nothing has; with where one belongs that is of another
    kind.
    """
    for key, names, what in (
        ("services", known.services, "a service of the catalogue"),
        ("hosts", known.hosts, "a host of the inventory, now or in an earlier run"),
        ("groups", known.groups, "a group of the inventory, now or in an earlier run"),
    ):
        for index, name in enumerate(getattr(waiver, key)):
            if name not in names:
                hint = of_another_kind(name, known) or close_to(name, names)
                yield waiver.document.error((key, index), name, what + hint)


def of_another_kind(name: str, known: Known) -> str:
    """What a name is, where it is known as something else, and where that stands in a waiver; "" where it is not."""
    for key, names, what in (
        ("hosts", known.hosts, "a host"),
        ("groups", known.groups, "a group"),
        ("services", known.services, "a service"),
    ):
        if name in names:
            return f"; {name!r} is {what}: {key}: [{name}]"
    return f"; {name!r} is a category, and a waiver names services" if name in CATEGORIES else ""


class _Reader:
    """Reads the keys of one file and collects what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: Mapping[str, object] = document.data
        self.errors: list[PolicyError] = []
        self.lists: Mapping[str, tuple[str, ...]] = {}

    def named(self) -> Named:
        """What the file names, as far as it is spelled as names are."""
        spelled = {key: tuple(map(str, filter(LISTS[key][0].fullmatch, self.lists[key]))) for key in NAMING}
        return Named(self.document, **spelled)

    def wrong(self, place: KeyPath, value: object, expected: str) -> None:
        self.errors.append(self.document.error(place, value, expected))

    def waiver(self) -> Waiver | None:
        for key in self.data:
            if key not in KEYS:
                self.wrong((key,), key, f"a key of a waiver{close_to(key, KEYS)}")
        for key in REQUIRED:
            if not self.data.get(key):
                self.wrong((key,), None, "a value: every waiver has one")
        id_ = self.text("id")
        if id_ and not ID.fullmatch(id_):
            self.wrong(("id",), id_, "letters, digits, dots, hyphens and underscores, at most 100 of them")
        elif id_ and id_ != self.document.path.stem:
            self.wrong(("id",), id_, f"the name of its file, {self.document.path.stem}")
        texts = {key: self.text(key) for key in TEXTS}
        if texts["request"] and not REQUEST_ID_PATTERN.fullmatch(texts["request"]):
            self.wrong(("request",), texts["request"], "the id of a request: 16 of 0-9 and a-f")
        self.lists = {key: self.list(key) for key in LISTS}
        self.check_lists()
        times = {key: self.moment((key,), self.data.get(key)) for key in TIMES}
        revoked = self.revoked()
        approved, expires = times["approved_on"], times["expires"]
        if approved is None or expires is None:
            return None
        self.check_times(times, approved, expires)
        reviewed = times["reviewed_on"] or approved
        # Fields of a waiver have the names of the keys; LISTS and TEXTS say which type each has.
        given: dict[str, Any] = {**self.lists, **texts, "controls": self.lists["controls"] or CONTROLS}
        return Waiver(
            id=id_,
            **given,
            requested_on=times["requested_on"],
            approved_on=approved,
            valid_from=times["valid_from"] or approved,
            expires=expires,
            review_by=times["review_by"] or min(reviewed + REVIEWED_EVERY, expires),
            revoked=revoked,
            file=str(self.document.path),
            document=self.document,
        )

    def check_lists(self) -> None:
        """What is well formed and cannot be meant, or opens nothing."""
        self.hours(self.lists["hours"])
        if len(self.lists["posix_groups"]) > MOST_GROUPS:
            self.wrong(("posix_groups",), f"{len(self.lists['posix_groups'])} groups", f"at most {MOST_GROUPS}")
        for index, name in enumerate(self.lists["controls"]):
            if name not in CONTROLS:
                self.wrong(("controls", index), name, f"one of {', '.join(CONTROLS)}{close_to(name, CONTROLS)}")
        if not any(self.lists[key] for key in PLACES):
            self.wrong(("hosts",), None, "hosts, groups or zones that the waiver is for")
        self.narrowing(self.lists)

    def check_times(
        self, times: Mapping[str, datetime.datetime | None], approved: datetime.datetime, expires: datetime.datetime
    ) -> None:
        """The order of the times."""
        begins = max(times["valid_from"] or approved, approved)
        if expires <= begins:
            expected = f"a time after {begins.isoformat()}, when the waiver begins"
            self.wrong(("expires",), self.data["expires"], expected)
        requested, reviewed = times["requested_on"], times["reviewed_on"]
        if requested and requested > approved:
            self.wrong(("requested_on",), self.data["requested_on"], "a time not after approved_on")
        if reviewed and reviewed < approved:
            self.wrong(("reviewed_on",), self.data["reviewed_on"], "a time not before approved_on")

    def narrowing(self, lists: Mapping[str, tuple[str, ...]]) -> None:
        """A waiver that seems to open what it cannot open is refused: nobody should find that out on a host."""
        for key, (able, why) in NARROWER.items():
            controls = lists["controls"]
            if lists[key] and (not controls or not set(controls) <= set(able)):
                place: KeyPath = ("controls",)
                value = ", ".join(controls) if controls else None
                self.wrong(place, value, f"controls: [{', '.join(able)}] or less beside {key}, because {why}")

    def hours(self, given: Sequence[str]) -> None:
        """Times that are well formed and open nothing, or more of them than anybody can follow, are mistakes."""
        if len(given) > hours.MOST:
            self.wrong(("hours",), f"{len(given)} of them", f"at most {hours.MOST}")
        for index, text in enumerate(given):
            if hours.HOURS.fullmatch(text):
                try:
                    hours.windows([text])
                except ValueError:
                    self.wrong(("hours", index), text, "a time that ends at another minute than it begins at")

    def text(self, key: str) -> str:
        value = self.data.get(key, "")
        if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST or value != value.strip():
            self.wrong((key,), value, f"one line of text, at most {LONGEST} printable characters")
            return ""
        return value

    def list(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key, "")
        if value == "":
            return ()
        if key == "hours" and isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            self.wrong((key,), value, f"a list, such as [{value}]" if isinstance(value, str) else "a list")
            return ()
        form, what = LISTS[key]
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item.isprintable() or not form.fullmatch(item):
                self.wrong((key, index), item, what)
        return tuple(dict.fromkeys(item for item in value if isinstance(item, str)))

    def moment(self, place: KeyPath, value: object) -> datetime.datetime | None:
        if value is None or value == "":
            return None
        try:
            if isinstance(value, str) and MOMENT.fullmatch(value):
                return datetime.datetime.fromisoformat(value).astimezone(datetime.timezone.utc)
        except ValueError:  # no such day
            pass
        self.wrong(place, value, "a time with its zone, such as 2026-12-31T18:00:00+08:00")
        return None

    def revoked(self) -> Revocation | None:
        if "revoked" not in self.data:
            return None
        block = self.data["revoked"]
        if not isinstance(block, Mapping):
            self.wrong(("revoked",), block, "a mapping such as {on: 2026-12-01T09:00:00+08:00, by: name, why: reason}")
            return None
        for key in block:
            if key not in REVOCATION:
                self.wrong(("revoked", key), key, f"one of {', '.join(REVOCATION)}{close_to(key, REVOCATION)}")
        for key in REVOCATION:
            value = block.get(key)
            if not value:
                self.wrong(("revoked", key), None, "a value: every revocation has one")
            elif key != "on" and not (isinstance(value, str) and value.isprintable()):
                self.wrong(("revoked", key), value, "one line of text")
        on = self.moment(("revoked", "on"), block.get("on"))
        return Revocation(on, str(block.get("by")), str(block.get("why"))) if on else None
