"""The file of a waiver: its keys, read and checked."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....base.lazy_patterns import compile_pattern
from ....model.plan import CONTROLS
from ....model.vocabulary import REQUEST_ID_PATTERN
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors, propose_similar_names
from ..catalogue.schema import CATEGORIES
from ..reading.grammar import MAX_GROUPS, POSIX_GROUP_PATTERN
from ..reading.yaml_file import Document, KeyPath, read_yaml
from . import hours
from .waiver import NARROWING_KEYS, Revocation, Waiver

SUFFIXES = (".yml", ".yaml")

# For each key with a list: the pattern of an item, and a phrase for a right item.
NAME_PATTERN = compile_pattern(r"\S(?:.{0,98}\S)?")
LIST_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "services": (compile_pattern(r"[a-z0-9_]+"), "a service's id"),
    "controls": (NAME_PATTERN, f"one of {', '.join(CONTROLS)}"),
    "hosts": (NAME_PATTERN, "a host's name"),
    "groups": (NAME_PATTERN, "a group's name"),
    "zones": (NAME_PATTERN, "a network zone, as proscribe_zone names it"),
    "signed_hosts": (NAME_PATTERN, "a host's name"),
    # A name of the user database, as findings have it and the host of the packet filter resolves it. A number is
    # refused, because it may be another user on another host.
    "users": (compile_pattern(r"""(?!-|\d+$)[^\s:/,"']{1,100}"""), "a user's login name"),
    "posix_groups": (POSIX_GROUP_PATTERN, "the name of a group of the host's users"),
    "versions": (compile_pattern(r"[!-~]{1,100}"), "a version as the package system writes it, such as 4.0.1-1"),
    "paths": (
        compile_pattern(r"(?!.*(?://|/\.\.?(?:/|$)))/.{0,997}[^/]"),
        "an absolute path, such as /opt/wechat/wechat",
    ),
    "hours": (hours.HOURS_PATTERN, hours.HOURS_DESCRIPTION),
    "compensating_controls": (compile_pattern(r"\S.{0,998}"), "a sentence"),
}
TIME_KEYS = ("requested_on", "approved_on", "valid_from", "expires", "review_by", "reviewed_on")
PARTY_KEYS = ("requested_by", "approved_by")
TEXT_KEYS = (*PARTY_KEYS, "reason", "risk", "ticket", "request")
REQUIRED_KEYS = ("id", "services", "reason", "requested_by", "approved_by", "approved_on", "expires")
REVOCATION_KEYS = ("on", "by", "why")
PLACE_KEYS = ("hosts", "groups", "zones")  # at least one is required
NAMING_KEYS = ("services", *PLACE_KEYS)
MAX_TEXT_LENGTH = 1000  # characters of a text
WAIVER_KEYS = ("id", *LIST_FORMS, *TIME_KEYS, *TEXT_KEYS, "revoked")

ID_PATTERN = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# The only accepted form of a time. Readers could understand a day alone, or a time without a zone, differently.
MOMENT_PATTERN = compile_pattern(
    r"(?:19|20|21)\d\d-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,  # digits are 0 to 9
)

# An approved exception is reviewed every month, as CIS Controls v8 2.3 requires for unauthorised software.
REVIEW_INTERVAL = datetime.timedelta(days=31)


@dataclass(frozen=True)
class KnownNames:
    """The names that a waiver may have."""

    services: frozenset[str]
    hosts: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True)
class MalformedWaiver:
    """The names in a waiver whose file has mistakes.

    They are checked as well, so that one run reports all mistakes.
    """

    document: Document
    services: tuple[str, ...]
    hosts: tuple[str, ...]
    groups: tuple[str, ...]
    zones: tuple[str, ...]


class WaiverFileError(PolicyErrors):
    """The mistakes of a waiver's file. The names that can be read are kept, so that they can be checked as well."""

    def __init__(self, errors: Iterable[PolicyError], malformed_waiver: MalformedWaiver | None = None) -> None:
        super().__init__(errors)
        self.malformed_waiver = malformed_waiver


def load_waivers(folders: Sequence[Path]) -> list[Waiver]:
    """Return every waiver of the folders, sorted by id.

    Raises PolicyErrors with every mistake. Each waiver is checked by itself: its names are not compared with the
    inventory or the catalogue.
    """
    waivers, _, errors = read_waivers(folders)
    if errors:
        raise PolicyErrors(errors)
    return waivers


def read_waivers(folders: Sequence[Path]) -> tuple[list[Waiver], list[MalformedWaiver], list[PolicyError]]:
    """Return the waivers of the folders, sorted by id, the names in malformed files, and every mistake."""
    waivers: dict[str, Waiver] = {}
    malformed: list[MalformedWaiver] = []
    errors: list[PolicyError] = []
    for path in (path for folder in folders for path in _list_files(folder, errors)):
        try:
            waiver = read_waiver(path)
        except WaiverFileError as error:
            errors += error.errors
            malformed += [error.malformed_waiver] if error.malformed_waiver else []
            continue
        if waiver.id in waivers:
            expected = f"an id that {waivers[waiver.id].file} does not have"
            errors.append(waiver.document.make_error(("id",), waiver.id, expected))
        waivers.setdefault(waiver.id, waiver)
    return [waivers[id_] for id_ in sorted(waivers)], malformed, errors


def _list_files(folder: Path, errors: list[PolicyError]) -> Iterator[Path]:
    """Yield the YAML files of a folder, in order. Hidden files of editors and file systems are ignored."""
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        errors.append(PolicyError(str(folder), "", DescribedValue(str(error.strerror)), "a folder that can be read"))
        return
    for path in paths:
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        else:  # a pipe would block the run
            errors.append(PolicyError(str(path), "", DescribedValue("something else"), "a file"))


def read_waiver(path: Path) -> Waiver:
    """Read the file of a waiver.

    Raises WaiverFileError with every mistake. The waiver is checked by itself: its names are not compared with the
    inventory or the catalogue.
    """
    try:
        document = read_yaml(path)
    except PolicyError as error:
        raise WaiverFileError([error]) from None
    if not isinstance(document.data, Mapping):
        raise WaiverFileError([document.make_error((), document.data, "a mapping with the keys of a waiver")])
    reader = _WaiverReader(document)
    waiver = reader.read_waiver()
    if reader.errors or waiver is None:
        raise WaiverFileError(reader.errors, reader.make_malformed_waiver())
    return waiver


def read_revocation(document: Document) -> tuple[str, Revocation] | None:
    """Return the id and the revocation of a waiver in spite of other mistakes; None if it has no revocation."""
    if not isinstance(document.data, Mapping):
        return None
    reader = _WaiverReader(document)
    revocation = reader.read_revocation()
    return (reader.read_text("id"), revocation) if revocation and not reader.errors else None


def find_unknown_names(waiver: Waiver | MalformedWaiver, known_names: KnownNames) -> Iterator[PolicyError]:
    """Yield an error for each unknown service, host or group in a waiver.

    If the name is known under another key, such as a host under `groups`, the error has a hint.
    """
    for key, names, description in (
        ("services", known_names.services, "a service of the catalogue"),
        ("hosts", known_names.hosts, "a host of the inventory, now or in an earlier run"),
        ("groups", known_names.groups, "a group of the inventory, now or in an earlier run"),
    ):
        for index, name in enumerate(getattr(waiver, key)):
            if name not in names:
                hint = explain_wrong_kind(name, known_names) or propose_similar_names(name, names)
                yield waiver.document.make_error((key, index), name, description + hint)


def explain_wrong_kind(name: str, known_names: KnownNames) -> str:
    """Return a hint if `name` is a known host, group, service or category, with its right key; "" if it is none."""
    for key, names, description in (
        ("hosts", known_names.hosts, "a host"),
        ("groups", known_names.groups, "a group"),
        ("services", known_names.services, "a service"),
    ):
        if name in names:
            return f"; {name!r} is {description}: {key}: [{name}]"
    return f"; {name!r} is a category, and a waiver names services" if name in CATEGORIES else ""


class _WaiverReader:
    """A reader for the keys of a file that collects their mistakes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: Mapping[str, object] = document.data
        self.errors: list[PolicyError] = []
        self.lists: Mapping[str, tuple[str, ...]] = {}

    def make_malformed_waiver(self) -> MalformedWaiver:
        """Return the well-formed services, hosts, groups and zones of a file with mistakes, to check them."""
        spelled = {key: tuple(map(str, filter(LIST_FORMS[key][0].fullmatch, self.lists[key]))) for key in NAMING_KEYS}
        return MalformedWaiver(self.document, **spelled)

    def add_error(self, place: KeyPath, wrong_value: object, expected: str) -> None:
        """Add a mistake at a path of the file, such as ("hosts", 2)."""
        self.errors.append(self.document.make_error(place, wrong_value, expected))

    def read_waiver(self) -> Waiver | None:
        """Return the waiver in the file, and add every mistake to `errors`.

        If the approval time or the end is missing or wrong, the result is None, because a waiver needs both.
        """
        for key in self.data:
            if key not in WAIVER_KEYS:
                self.add_error((key,), key, f"a key of a waiver{propose_similar_names(key, WAIVER_KEYS)}")
        for key in REQUIRED_KEYS:
            if not self.data.get(key):
                self.add_error((key,), None, "a value: every waiver has one")
        id_ = self.read_text("id")
        if id_ and not ID_PATTERN.fullmatch(id_):
            self.add_error(("id",), id_, "letters, digits, dots, hyphens and underscores, at most 100 of them")
        elif id_ and id_ != self.document.path.stem:
            self.add_error(("id",), id_, f"the name of its file, {self.document.path.stem}")
        texts = {key: self.read_text(key) for key in TEXT_KEYS}
        if texts["request"] and not REQUEST_ID_PATTERN.fullmatch(texts["request"]):
            self.add_error(("request",), texts["request"], "the id of a request: 16 of 0-9 and a-f")
        self.lists = {key: self.read_list(key) for key in LIST_FORMS}
        self.check_lists()
        times = {key: self.read_moment((key,), self.data.get(key)) for key in TIME_KEYS}
        revocation = self.read_revocation()
        approved, expires = times["approved_on"], times["expires"]
        if approved is None or expires is None:
            return None
        self.check_times(times, approved, expires)
        reviewed = times["reviewed_on"] or approved
        # The fields of Waiver have the names of the keys; LIST_FORMS and TEXT_KEYS determine their types.
        fields: dict[str, Any] = {**self.lists, **texts, "controls": self.lists["controls"] or CONTROLS}
        return Waiver(
            id=id_,
            **fields,
            requested_on=times["requested_on"],
            approved_on=approved,
            valid_from=times["valid_from"] or approved,
            expires=expires,
            review_by=times["review_by"] or min(reviewed + REVIEW_INTERVAL, expires),
            revoked=revocation,
            file=str(self.document.path),
            document=self.document,
        )

    def check_lists(self) -> None:
        """Check well-formed lists for values that nobody can intend, or with which the waiver would waive nothing."""
        self.check_hours(self.lists["hours"])
        if len(self.lists["posix_groups"]) > MAX_GROUPS:
            self.add_error(("posix_groups",), f"{len(self.lists['posix_groups'])} groups", f"at most {MAX_GROUPS}")
        for index, name in enumerate(self.lists["controls"]):
            if name not in CONTROLS:
                self.add_error(
                    ("controls", index), name, f"one of {', '.join(CONTROLS)}{propose_similar_names(name, CONTROLS)}"
                )
        if not any(self.lists[key] for key in PLACE_KEYS):
            self.add_error(("hosts",), None, "hosts, groups or zones that the waiver is for")
        self.check_narrowing(self.lists)

    def check_times(
        self, times: Mapping[str, datetime.datetime | None], approved: datetime.datetime, expires: datetime.datetime
    ) -> None:
        """Check the order of the times."""
        begins = max(times["valid_from"] or approved, approved)
        if expires <= begins:
            expected = f"a time after {begins.isoformat()}, when the waiver begins"
            self.add_error(("expires",), self.data["expires"], expected)
        requested, reviewed = times["requested_on"], times["reviewed_on"]
        if requested and requested > approved:
            self.add_error(("requested_on",), self.data["requested_on"], "a time not after approved_on")
        if reviewed and reviewed < approved:
            self.add_error(("reviewed_on",), self.data["reviewed_on"], "a time not before approved_on")

    def check_narrowing(self, lists: Mapping[str, tuple[str, ...]]) -> None:
        """Add an error for a limit, such as users or hours, that a control of the waiver cannot apply.

        So the approver notices the mistake, before users notice it on a host.
        """
        for key, (able_controls, reason) in NARROWING_KEYS.items():
            controls = lists["controls"]
            if lists[key] and (not controls or not set(controls) <= set(able_controls)):
                place: KeyPath = ("controls",)
                wrong_value = ", ".join(controls) if controls else None
                self.add_error(
                    place, wrong_value, f"controls: [{', '.join(able_controls)}] or less beside {key}, because {reason}"
                )

    def check_hours(self, texts: Sequence[str]) -> None:
        """Add an error for hours that are empty, and for more than MAX_HOURS_TEXTS of them."""
        if len(texts) > hours.MAX_HOURS_TEXTS:
            self.add_error(("hours",), f"{len(texts)} of them", f"at most {hours.MAX_HOURS_TEXTS}")
        for index, text in enumerate(texts):
            if hours.HOURS_PATTERN.fullmatch(text):
                try:
                    hours.merge_windows([text])
                except ValueError:
                    self.add_error(("hours", index), text, "a time that ends at another minute than it begins at")

    def read_text(self, key: str) -> str:
        """Return the text of a key; "" for a missing key or a wrong value, which becomes an error."""
        content = self.data.get(key, "")
        if (
            not isinstance(content, str)
            or not content.isprintable()
            or len(content) > MAX_TEXT_LENGTH
            or content != content.strip()
        ):
            self.add_error((key,), content, f"one line of text, at most {MAX_TEXT_LENGTH} printable characters")
            return ""
        return content

    def read_list(self, key: str) -> tuple[str, ...]:
        """Return the texts in the list of a key; () for a missing key. Add an error for each malformed item."""
        content = self.data.get(key, "")
        if content == "":
            return ()
        if key == "hours" and isinstance(content, str):
            content = [content]
        if not isinstance(content, list):
            self.add_error((key,), content, f"a list, such as [{content}]" if isinstance(content, str) else "a list")
            return ()
        form, description = LIST_FORMS[key]
        for index, text in enumerate(content):
            if not isinstance(text, str) or not text.isprintable() or not form.fullmatch(text):
                self.add_error((key, index), text, description)
        return tuple(dict.fromkeys(text for text in content if isinstance(text, str)))

    def read_moment(self, place: KeyPath, text: object) -> datetime.datetime | None:
        """Return a time in UTC; None for a missing key or a wrong value, which becomes an error."""
        if text is None or text == "":
            return None
        try:
            if isinstance(text, str) and MOMENT_PATTERN.fullmatch(text):
                return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
        except ValueError:  # no such day
            pass
        self.add_error(place, text, "a time with its zone, such as 2026-12-31T18:00:00+08:00")
        return None

    def read_revocation(self) -> Revocation | None:
        """Return the revocation in the file, and add its mistakes to `errors`.

        The result is None if the file has no key `revoked`, or no valid time in it.
        """
        if "revoked" not in self.data:
            return None
        revoked = self.data["revoked"]
        if not isinstance(revoked, Mapping):
            self.add_error(
                ("revoked",), revoked, "a mapping such as {on: 2026-12-01T09:00:00+08:00, by: name, why: reason}"
            )
            return None
        for key in revoked:
            if key not in REVOCATION_KEYS:
                self.add_error(
                    ("revoked", key),
                    key,
                    f"one of {', '.join(REVOCATION_KEYS)}{propose_similar_names(key, REVOCATION_KEYS)}",
                )
        for key in REVOCATION_KEYS:
            content = revoked.get(key)
            if not content:
                self.add_error(("revoked", key), None, "a value: every revocation has one")
            elif key != "on" and not (isinstance(content, str) and content.isprintable()):
                self.add_error(("revoked", key), content, "one line of text")
        on = self.read_moment(("revoked", "on"), revoked.get("on"))
        return Revocation(on, str(revoked.get("by")), str(revoked.get("why"))) if on else None
