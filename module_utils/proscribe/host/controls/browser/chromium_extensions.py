"""What several files of Chromium's policies come to in ExtensionSettings, and what Proscribe's file says there. Pure.

Tried on Chromium 156: the last file by name counts, whole. If PolicyDictionaryMultipleSourceMergeList of its own last
file names ExtensionSettings, or "*", the files are joined, and of an entry the FIRST file by name counts. A last file
whose value is no dictionary costs all of them their effect; another one is passed over. One value of a wrong type in
one entry costs the whole policy its effect; an unknown key does not. An id on ExtensionInstallAllowlist or
ExtensionInstallForcelist is an entry of its own: it may have what "*" blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping, Sequence

from ....base.patterns import compile_pattern
from ....base.tuples import NamedTuple
from ..policy_tables import is_same_json, is_text_list, read_list, read_table
from .chromium import MERGE_DICTIONARIES
from .chromium_file import File
from .extension_settings import (
    ALLOWED_PERMISSIONS,
    BLOCKED_PERMISSIONS,
    EVERY,
    EXTENSION_SETTINGS,
    MODE,
    REFUSING,
    closes,
    due,
)

if TYPE_CHECKING:
    from ..policy_tables import Policies

    Fits = Callable[[object], bool]

_IDS = compile_pattern(r"[a-p]{32}(?:,[a-p]{32})*,?")
_PERMISSION = compile_pattern(r"[a-z][a-zA-Z0-9._]*")
_VERSION = compile_pattern(r"[0-9]+(?:\.[0-9]+)*")
_HOST = compile_pattern(r"<all_urls>|(?:\*|[a-z]+)://(?:\*|(?:\*\.)?[A-Za-z0-9_.-]+)")
_OF_URL = "update_url:"
_HOSTS = ("runtime_allowed_hosts", "runtime_blocked_hosts")


def _one_of(*words: str) -> Fits:
    return lambda value: value in words


def _permissions(value: object) -> bool:
    return is_text_list(value) and all(_PERMISSION.fullmatch(one) for one in value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


_TYPES = ("extension", "theme", "user_script", "hosted_app", "legacy_packaged_app", "platform_app")
_OF_ALL: Mapping[str, Fits] = {
    MODE: _one_of("allowed", *REFUSING),
    BLOCKED_PERMISSIONS: _permissions,
    "install_sources": is_text_list,
    "allowed_types": lambda value: is_text_list(value) and set(value) <= set(_TYPES),
    "blocked_install_message": _text,
    **dict.fromkeys(_HOSTS, is_text_list),
}
_OF_IDS: Mapping[str, Fits] = {
    MODE: _one_of("allowed", "force_installed", "normal_installed", *REFUSING),
    BLOCKED_PERMISSIONS: _permissions,
    ALLOWED_PERMISSIONS: _permissions,
    "update_url": _text,
    "override_update_url": _flag,
    "file_url_navigation_allowed": _flag,
    "blocked_install_message": _text,
    "minimum_version_required": lambda value: isinstance(value, str) and bool(_VERSION.fullmatch(value)),
    "toolbar_pin": _one_of("force_pinned", "default_unpinned", "default_pinned"),
    **dict.fromkeys(_HOSTS, is_text_list),
}
_OF_URLS = {field: _OF_ALL.get(field, _permissions) for field in (MODE, BLOCKED_PERMISSIONS, ALLOWED_PERMISSIONS)}


class Lists(NamedTuple):
    """The lists of extensions that are in effect."""

    blocked: Sequence[str] = ()
    allowed: Sequence[str] = ()
    forced: Sequence[str] = ()


def flawed(settings: Policies) -> str:
    """The entry for which Chromium drops all of the settings; "" for none."""
    for key, entry in settings.items():
        fields = _fields(key)
        if fields is not None and not (
            isinstance(entry, dict) and all(fits(entry[field]) for field, fits in fields.items() if field in entry)
        ):
            return key
    return ""


def _fields(key: str) -> Mapping[str, Fits] | None:
    """The fields of an entry that have to be of a type; None for a key that Chromium does not know."""
    if key == EVERY:
        return _OF_ALL
    if key.startswith(_OF_URL):
        return _OF_URLS
    return _OF_IDS if _IDS.fullmatch(key) else None


def joined(files: Iterable[File]) -> bool:
    """Whether the files' settings are joined."""
    merged = _merged(files) or ()
    return EXTENSION_SETTINGS in merged or EVERY in merged


def _merged(files: Iterable[File]) -> list[object] | None:
    """What the last file by name names to be joined; None if no file has the setting."""
    having = [file for file in sorted(files) if MERGE_DICTIONARIES in file.said]
    return read_list(having[-1].said, MERGE_DICTIONARIES) if having else None


def together(files: Sequence[File]) -> dict[str, object]:
    """The settings of all files, whether or not Chromium takes what they come to."""
    every = [file for file in sorted(files) if EXTENSION_SETTINGS in file.said]
    if not every or not isinstance(every[-1].said[EXTENSION_SETTINGS], dict):
        return {}
    settings: dict[str, object] = {}
    for file in reversed(every) if joined(files) else every[-1:]:
        settings.update(read_table(file.said, EXTENSION_SETTINGS))
    return settings


def effective(files: Sequence[File]) -> dict[str, object]:
    """The settings that Chromium goes by."""
    settings = together(files)
    if flawed(settings):
        return {}
    hosts = [host for field in _HOSTS for host in read_list(read_table(settings, EVERY), field)]
    if not all(_HOST.fullmatch(str(host)) for host in hosts):  # then all of "*" is dropped, and nothing else
        del settings[EVERY]
    return settings


def deciding(files: Sequence[File], key: str) -> str:
    """The name of the file whose entry counts, or which hides the others'; "" if no file has the settings."""
    every = [file for file in sorted(files) if EXTENSION_SETTINGS in file.said]
    having = [file for file in every if read_table(file.said, EXTENSION_SETTINGS).get(key) is not None]
    if joined(files) and having:
        return having[0].name
    return every[-1].name if every else ""


def by_id(settings: Policies) -> dict[str, dict[str, object]]:
    """The entries of extensions, each under its own id: a key may name several."""
    return {
        id_: read_table(settings, key)
        for key in sorted(settings)
        if _IDS.fullmatch(key)
        for id_ in filter(None, key.split(","))
    }


def openings(settings: Policies, lists: Lists, excepted: Iterable[str]) -> Iterator[str]:
    """Whose extensions may have the permission and should not: "*", ids, and update URLs."""
    default = read_table(settings, EVERY)
    mode = default.get(MODE, "blocked" if EVERY in lists.blocked else "allowed")
    if mode not in REFUSING and not closes(default, of_all=True):
        yield EVERY
    entries = by_id(settings)
    for id_ in dict.fromkeys((*entries, *lists.allowed, *lists.forced)):
        if id_ in excepted or id_ == EVERY:
            continue
        entry = entries.get(id_, {})
        listings = (("forced", lists.forced), ("blocked", lists.blocked), ("allowed", lists.allowed))
        listed = next((word for word, ids in listings if id_ in ids), mode)
        if entry.get(MODE, listed) not in REFUSING and not closes(entry):
            yield id_
    for key in sorted(settings):
        entry = read_table(settings, key)
        if key.startswith(_OF_URL) and entry.get(MODE, mode) not in REFUSING and not closes(entry):
            yield key


class Fit(NamedTuple):
    """What Proscribe's file says, and whether it has its effect so without a change to the organisation's."""

    policies: Policies
    fits: bool = True


def fitted(foreign: Sequence[File], own: str, excepted: Sequence[str]) -> Fit:
    """What Proscribe's file says beside the organisation's, so that these keep their effect and the permission is
    blocked: its own entries, joined to theirs; or else theirs in full, not joined, which counts if no file follows it.
    """
    theirs = effective(foreign)
    required = due(theirs, excepted, tuple(by_id(theirs)))
    if is_same_json(required, theirs):
        return Fit({})
    added = {key: entry for key, entry in required.items() if key not in theirs or not is_same_json(theirs[key], entry)}
    merged = _merged(foreign)
    names = [one for one in merged or () if isinstance(one, str)]
    apart = [one for one in names if one not in (EXTENSION_SETTINGS, EVERY)]
    forms: tuple[Policies, ...] = (
        {EXTENSION_SETTINGS: added, MERGE_DICTIONARIES: sorted({EXTENSION_SETTINGS, *names})},
        {EXTENSION_SETTINGS: required, **({} if merged is None else {MERGE_DICTIONARIES: apart})},
    )
    for policies in forms:
        if is_same_json(effective([*foreign, File(own, policies)]), required):
            return Fit(policies)
    return Fit({}, fits=False)
