"""The file of a waiver: its keys, read and checked."""

from __future__ import annotations

import contextlib
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
from ..reading.document_schema import GroupSchema, ListSchema, Mistake, OptionalSchema, TextSchema, get_key_texts
from ..reading.grammar import MAX_GROUPS, POSIX_GROUP_PATTERN, Check, PatternCheck, make_word_check
from ..reading.yaml_file import Document, read_yaml
from . import hours
from .waiver import NARROWING_KEYS, Revocation, Waiver

SUFFIXES = (".yml", ".yaml")

MAX_TEXT_LENGTH = 1000  # characters of a text
ID_PATTERN = compile_pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# The only accepted form of a time. Readers could understand a day alone, or a time without a zone, differently.
MOMENT_PATTERN = compile_pattern(
    r"(?:19|20|21)\d\d-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,  # digits are 0 to 9
)
NAME_PATTERN = compile_pattern(r"\S(?:.{0,98}\S)?")


@dataclass(frozen=True)
class LineCheck(PatternCheck):
    """A check by a regular expression over a line of printable text."""

    def __call__(self, text: str) -> str:
        return super().__call__(text) if text.isprintable() else self.expected


def _check_line(text: str) -> str:
    is_line = text.isprintable() and len(text) <= MAX_TEXT_LENGTH and text == text.strip()
    return "" if is_line else f"one line of text, at most {MAX_TEXT_LENGTH} printable characters"


def _check_printable(text: str) -> str:
    return "" if text.isprintable() else "one line of text"


def _check_moment(text: str) -> str:
    return "" if _parse_moment(text) else "a time with its zone, such as 2026-12-31T18:00:00+08:00"


# For each key with a list: the check of an item. It describes a right item as what it expects in place of "".
LIST_CHECKS: Mapping[str, Check] = {
    "services": LineCheck(compile_pattern(r"[a-z0-9_]+"), "a service's id"),
    "controls": make_word_check(*CONTROLS),
    "hosts": LineCheck(NAME_PATTERN, "a host's name"),
    "groups": LineCheck(NAME_PATTERN, "a group's name"),
    "zones": LineCheck(NAME_PATTERN, "a network zone, as proscribe_zone names it"),
    "signed_hosts": LineCheck(NAME_PATTERN, "a host's name"),
    # A name of the user database, as findings have it and the host of the packet filter resolves it. A number is
    # refused, because it may be another user on another host.
    "users": LineCheck(compile_pattern(r"""(?!-|\d+$)[^\s:/,"']{1,100}"""), "a user's login name"),
    "posix_groups": LineCheck(POSIX_GROUP_PATTERN, "the name of a group of the host's users"),
    "versions": LineCheck(
        compile_pattern(r"[!-~]{1,100}"), "a version as the package system writes it, such as 4.0.1-1"
    ),
    "paths": LineCheck(
        compile_pattern(r"(?!.*(?://|/\.\.?(?:/|$)))/.{0,997}[^/]"), "an absolute path, such as /opt/wechat/wechat"
    ),
    "hours": hours.check_hours,
    "compensating_controls": LineCheck(compile_pattern(r"\S.{0,998}"), "a sentence"),
}
TIME_KEYS = ("requested_on", "approved_on", "valid_from", "expires", "review_by", "reviewed_on")
PARTY_KEYS = ("requested_by", "approved_by")
TEXT_KEYS = (*PARTY_KEYS, "reason", "risk", "ticket", "request")
PLACE_KEYS = ("hosts", "groups", "zones")  # at least one is required
NAMING_KEYS = ("services", *PLACE_KEYS)

LINE, MOMENT = TextSchema(_check_line), TextSchema(_check_moment)
ID = TextSchema(PatternCheck(ID_PATTERN, "letters, digits, dots, hyphens and underscores, at most 100 of them"))
_WORDS = TextSchema(_check_printable)
REVOCATION = GroupSchema({"on": MOMENT, "by": _WORDS, "why": _WORDS}, required=("on", "by", "why"))
WAIVER = GroupSchema(
    {
        "id": ID,
        **{
            key: OptionalSchema(ListSchema(TextSchema(check), int(key == "services"), has_unique_items=False))
            for key, check in LIST_CHECKS.items()
        },
        **{key: OptionalSchema(MOMENT) for key in TIME_KEYS},
        **dict.fromkeys(TEXT_KEYS, LINE),
        "request": OptionalSchema(
            TextSchema(PatternCheck(REQUEST_ID_PATTERN, "the id of a request: 16 of 0-9 and a-f"))
        ),
        "revoked": REVOCATION,
    },
    required=("id", "services", "reason", "requested_by", "approved_by", "approved_on", "expires"),
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
    data = document.data
    if isinstance(data, dict) and data.get("hours") and isinstance(data["hours"], str):
        data = {**data, "hours": [data["hours"]]}
    mistakes = list(WAIVER.check(data, ()))
    if not isinstance(data, dict) or not data:
        raise WaiverFileError(document.make_error(*mistake) for mistake in mistakes)
    lists = {key: tuple(dict.fromkeys(get_key_texts(data, key))) for key in LIST_CHECKS}
    times: dict[str, Any] = {key: _parse_moment(data.get(key)) for key in TIME_KEYS}
    id_ = data.get("id")
    if id_ != path.stem and not any(ID.check(id_, ())):
        mistakes.append((("id",), id_, f"the name of its file, {path.stem}"))
    mistakes += [*_check_lists(lists), *_check_narrowing(lists), *_check_times(data, times)]
    if mistakes:
        names = {key: tuple(name for name in lists[key] if not LIST_CHECKS[key](name)) for key in NAMING_KEYS}
        raise WaiverFileError(
            (document.make_error(*mistake) for mistake in mistakes), MalformedWaiver(document, **names)
        )
    approved, expires = times["approved_on"], times["expires"]
    # The fields of Waiver have the names of the keys.
    fields: dict[str, Any] = {
        **{key: data.get(key, "") for key in ("id", *TEXT_KEYS)},
        **lists,
        "controls": lists["controls"] or CONTROLS,
    }
    return Waiver(
        **fields,
        requested_on=times["requested_on"],
        approved_on=approved,
        valid_from=times["valid_from"] or approved,
        expires=expires,
        review_by=times["review_by"] or min((times["reviewed_on"] or approved) + REVIEW_INTERVAL, expires),
        revoked=_make_revocation(data["revoked"]) if "revoked" in data else None,
        file=str(path),
        document=document,
    )


def read_revocation(document: Document) -> tuple[str, Revocation] | None:
    """Return the id and the revocation of a waiver in spite of other mistakes; None if it has no revocation."""
    data = document.data
    if not isinstance(data, dict) or any(
        (*LINE.check(data.get("id", ""), ()), *REVOCATION.check(data.get("revoked"), ()))
    ):
        return None
    return data.get("id", ""), _make_revocation(data["revoked"])


def _make_revocation(revoked: Mapping[str, Any]) -> Revocation:
    """Return the revocation of a well-formed key `revoked`."""
    on: Any = _parse_moment(revoked["on"])
    return Revocation(on, revoked["by"], revoked["why"])


def _parse_moment(text: object) -> datetime.datetime | None:
    """Return a time in UTC; None for a missing or wrong value."""
    if isinstance(text, str) and MOMENT_PATTERN.fullmatch(text):
        with contextlib.suppress(ValueError):  # no such day
            return datetime.datetime.fromisoformat(text).astimezone(datetime.timezone.utc)
    return None


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


def _check_lists(lists: Mapping[str, Sequence[str]]) -> Iterator[Mistake]:
    """Yield a mistake for lists with too many items, and for a waiver without a place."""
    if len(lists["hours"]) > hours.MAX_HOURS_TEXTS:
        yield ("hours",), f"{len(lists['hours'])} of them", f"at most {hours.MAX_HOURS_TEXTS}"
    if len(lists["posix_groups"]) > MAX_GROUPS:
        yield ("posix_groups",), f"{len(lists['posix_groups'])} groups", f"at most {MAX_GROUPS}"
    if not any(lists[key] for key in PLACE_KEYS):
        yield ("hosts",), None, "hosts, groups or zones that the waiver is for"


def _check_narrowing(lists: Mapping[str, Sequence[str]]) -> Iterator[Mistake]:
    """Yield a mistake for a limit, such as users or hours, that a control of the waiver cannot apply.

    So the approver notices the mistake, before users notice it on a host.
    """
    controls = lists["controls"]
    for key, (able_controls, reason) in NARROWING_KEYS.items():
        if lists[key] and (not controls or not set(controls) <= set(able_controls)):
            expected = f"controls: [{', '.join(able_controls)}] or less beside {key}, because {reason}"
            yield ("controls",), ", ".join(controls) or None, expected


def _check_times(data: Mapping[str, object], times: Mapping[str, datetime.datetime | None]) -> Iterator[Mistake]:
    """Yield a mistake for each time that contradicts another one."""
    approved, expires, requested, reviewed = (
        times[key] for key in ("approved_on", "expires", "requested_on", "reviewed_on")
    )
    if approved is None or expires is None:
        return
    begins = max(times["valid_from"] or approved, approved)
    if expires <= begins:
        yield ("expires",), data["expires"], f"a time after {begins.isoformat()}, when the waiver begins"
    if requested and requested > approved:
        yield ("requested_on",), data["requested_on"], "a time not after approved_on"
    if reviewed and reviewed < approved:
        yield ("reviewed_on",), data["reviewed_on"], "a time not before approved_on"
