"""Effect of ExtensionSettings in several policy files of Chromium, and the entries that Proscribe adds. Pure.

Tried on Chromium 156:

    - The last file by name counts, with all of its ExtensionSettings. The others do not count.
    - The files are joined instead if a policy says so: PolicyDictionaryMultipleSourceMergeList, in the last file that
      has it, has to name ExtensionSettings or "*". Then the FIRST file by name counts for each entry.
    - If the value in the last file is no dictionary, no file has an effect. In another file, such a value is skipped.
    - If one value of one entry has a wrong type, the whole policy has no effect. An unknown key does no harm.
    - An id on ExtensionInstallAllowlist or ExtensionInstallForcelist counts as if it had its own entry: it may have
      what "*" blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping, Sequence

from ....base.lazy_patterns import compile_pattern
from ....base.named_tuple import NamedTuple
from ..policy_values import is_same_json, is_text_list, read_list, read_table
from .chromium import MERGE_DICTIONARIES
from .chromium_file import ChromiumPolicyFile
from .extension_settings import (
    ALLOWED_PERMISSIONS_FIELD,
    BLOCKED_PERMISSIONS_FIELD,
    EVERY_EXTENSION,
    EXTENSION_SETTINGS,
    MODE_FIELD,
    REFUSING_MODES,
    is_blocking_permissions,
    make_due_settings,
)

if TYPE_CHECKING:
    from ..policy_values import Policies

    FieldCheck = Callable[[object], bool]

_IDS_PATTERN = compile_pattern(r"[a-p]{32}(?:,[a-p]{32})*,?")
_PERMISSION_PATTERN = compile_pattern(r"[a-z][a-zA-Z0-9._]*")
_VERSION_PATTERN = compile_pattern(r"[0-9]+(?:\.[0-9]+)*")
_HOST_PATTERN = compile_pattern(r"<all_urls>|(?:\*|[a-z]+)://(?:\*|(?:\*\.)?[A-Za-z0-9_.-]+)")
_UPDATE_URL_PREFIX = "update_url:"
_HOST_FIELDS = ("runtime_allowed_hosts", "runtime_blocked_hosts")


def _make_choice_check(*choices: str) -> FieldCheck:
    """Return a check of a field that accepts only these values."""
    return lambda field_value: field_value in choices


def _is_permission_list(field_value: object) -> bool:
    return is_text_list(field_value) and all(_PERMISSION_PATTERN.fullmatch(permission) for permission in field_value)


def _is_text(field_value: object) -> bool:
    return isinstance(field_value, str)


def _is_flag(field_value: object) -> bool:
    return isinstance(field_value, bool)


_EXTENSION_TYPES = ("extension", "theme", "user_script", "hosted_app", "legacy_packaged_app", "platform_app")
# By field: the check of its value in the entry "*", in an entry with ids, and in an entry with an update URL.
_DEFAULT_FIELD_CHECKS: Mapping[str, FieldCheck] = {
    MODE_FIELD: _make_choice_check("allowed", *REFUSING_MODES),
    BLOCKED_PERMISSIONS_FIELD: _is_permission_list,
    "install_sources": is_text_list,
    "allowed_types": lambda value: is_text_list(value) and set(value) <= set(_EXTENSION_TYPES),
    "blocked_install_message": _is_text,
    **dict.fromkeys(_HOST_FIELDS, is_text_list),
}
_ID_FIELD_CHECKS: Mapping[str, FieldCheck] = {
    MODE_FIELD: _make_choice_check("allowed", "force_installed", "normal_installed", *REFUSING_MODES),
    BLOCKED_PERMISSIONS_FIELD: _is_permission_list,
    ALLOWED_PERMISSIONS_FIELD: _is_permission_list,
    "update_url": _is_text,
    "override_update_url": _is_flag,
    "file_url_navigation_allowed": _is_flag,
    "blocked_install_message": _is_text,
    "minimum_version_required": lambda value: isinstance(value, str) and bool(_VERSION_PATTERN.fullmatch(value)),
    "toolbar_pin": _make_choice_check("force_pinned", "default_unpinned", "default_pinned"),
    **dict.fromkeys(_HOST_FIELDS, is_text_list),
}
_URL_FIELD_CHECKS = {
    field: _DEFAULT_FIELD_CHECKS.get(field, _is_permission_list)
    for field in (MODE_FIELD, BLOCKED_PERMISSIONS_FIELD, ALLOWED_PERMISSIONS_FIELD)
}


class ExtensionLists(NamedTuple):
    """Ids of extensions on the lists that are in effect: blocked, allowed, and installed by force."""

    blocked_ids: Sequence[str] = ()
    allowed_ids: Sequence[str] = ()
    forced_ids: Sequence[str] = ()


def find_flawed_entry(settings: Policies) -> str:
    """Return the key of the entry because of which Chromium ignores all of ExtensionSettings; "" if there is none.

    Such an entry is no table, or has a field with a value of a wrong type.
    """
    for key, entry in settings.items():
        field_checks = _find_field_checks(key)
        if field_checks is not None and not (
            isinstance(entry, dict)
            and all(is_valid(entry[field]) for field, is_valid in field_checks.items() if field in entry)
        ):
            return key
    return ""


def _find_field_checks(key: str) -> Mapping[str, FieldCheck] | None:
    """Return, by field, the check of its type in an entry with this key; None if Chromium does not know the key."""
    if key == EVERY_EXTENSION:
        return _DEFAULT_FIELD_CHECKS
    if key.startswith(_UPDATE_URL_PREFIX):
        return _URL_FIELD_CHECKS
    return _ID_FIELD_CHECKS if _IDS_PATTERN.fullmatch(key) else None


def is_joined(files: Iterable[ChromiumPolicyFile]) -> bool:
    """Return whether Chromium joins the ExtensionSettings of the files."""
    merged_policies = _list_merged_policies(files) or ()
    return EXTENSION_SETTINGS in merged_policies or EVERY_EXTENSION in merged_policies


def _list_merged_policies(files: Iterable[ChromiumPolicyFile]) -> list[object] | None:
    """Return the names of policies that Chromium joins, from the last file with such a list; None without a list."""
    merging_files = [file for file in sorted(files) if MERGE_DICTIONARIES in file.policy_table]
    return read_list(merging_files[-1].policy_table, MERGE_DICTIONARIES) if merging_files else None


def join_settings(files: Sequence[ChromiumPolicyFile]) -> dict[str, object]:
    """Return the ExtensionSettings of all files as Chromium joins them, even if it ignores the result."""
    settings_files = [file for file in sorted(files) if EXTENSION_SETTINGS in file.policy_table]
    if not settings_files or not isinstance(settings_files[-1].policy_table[EXTENSION_SETTINGS], dict):
        return {}
    settings: dict[str, object] = {}
    # If the files are joined, the first file by name counts for each entry, so it is read last.
    for file in reversed(settings_files) if is_joined(files) else settings_files[-1:]:
        settings.update(read_table(file.policy_table, EXTENSION_SETTINGS))
    return settings


def read_effective_settings(files: Sequence[ChromiumPolicyFile]) -> dict[str, object]:
    """Return the ExtensionSettings that Chromium applies; {} if it ignores them because of an invalid entry."""
    settings = join_settings(files)
    if find_flawed_entry(settings):
        return {}
    hosts = [host for field in _HOST_FIELDS for host in read_list(read_table(settings, EVERY_EXTENSION), field)]
    # an invalid host pattern makes Chromium ignore all of "*", and nothing else
    if not all(_HOST_PATTERN.fullmatch(str(host)) for host in hosts):
        del settings[EVERY_EXTENSION]
    return settings


def find_deciding_file(files: Sequence[ChromiumPolicyFile], key: str) -> str:
    """Return the name of the file whose entry with this key counts; "" if no file has ExtensionSettings.

    If Chromium joins the files, that is the first file with the entry. Otherwise it is the last file with
    ExtensionSettings.
    """
    settings_files = [file for file in sorted(files) if EXTENSION_SETTINGS in file.policy_table]
    entry_files = [
        file for file in settings_files if read_table(file.policy_table, EXTENSION_SETTINGS).get(key) is not None
    ]
    if is_joined(files) and entry_files:
        return entry_files[0].name
    return settings_files[-1].name if settings_files else ""


def group_entries_by_id(settings: Policies) -> dict[str, dict[str, object]]:
    """Return, by id of an extension, its entry. The key of an entry in `settings` may name several ids."""
    return {
        id_: read_table(settings, key)
        for key in sorted(settings)
        if _IDS_PATTERN.fullmatch(key)
        for id_ in filter(None, key.split(","))
    }


def list_permission_openings(settings: Policies, lists: ExtensionLists, excepted_ids: Iterable[str]) -> Iterator[str]:
    """Yield the keys that wrongly give extensions a permission of PERMISSIONS: "*", extension ids, update URLs.

    `settings` are the effective ExtensionSettings. `excepted_ids` are extensions that may have the permissions.
    """
    default = read_table(settings, EVERY_EXTENSION)
    mode = default.get(MODE_FIELD, "blocked" if EVERY_EXTENSION in lists.blocked_ids else "allowed")
    if mode not in REFUSING_MODES and not is_blocking_permissions(default, is_default=True):
        yield EVERY_EXTENSION
    entries = group_entries_by_id(settings)
    # The entry "*" does not apply to extensions that have their own entry or are on a list.
    for id_ in dict.fromkeys((*entries, *lists.allowed_ids, *lists.forced_ids)):
        if id_ in excepted_ids or id_ == EVERY_EXTENSION:
            continue
        entry = entries.get(id_, {})
        # If the entry has no mode, the first list that has the extension decides; without a list, the mode of "*".
        listed_modes = (("forced", lists.forced_ids), ("blocked", lists.blocked_ids), ("allowed", lists.allowed_ids))
        listed_mode = next((mode_name for mode_name, ids in listed_modes if id_ in ids), mode)
        if entry.get(MODE_FIELD, listed_mode) not in REFUSING_MODES and not is_blocking_permissions(entry):
            yield id_
    for key in sorted(settings):
        entry = read_table(settings, key)
        if (
            key.startswith(_UPDATE_URL_PREFIX)
            and entry.get(MODE_FIELD, mode) not in REFUSING_MODES
            and not is_blocking_permissions(entry)
        ):
            yield key


class ExtensionFit(NamedTuple):
    """Policies of extensions for Proscribe's file.

    `is_fitting` is False if no policies can block the permissions, unless the organisation's files change.
    """

    policies: Policies
    is_fitting: bool = True


def fit_extension_settings(
    foreign_files: Sequence[ChromiumPolicyFile], own_name: str, excepted_ids: Sequence[str]
) -> ExtensionFit:
    """Return the policies that block PERMISSIONS and do not change the effect of the organisation's files.

    `own_name` is the name of Proscribe's file. `excepted_ids` are extensions that may have the permissions.

    The first choice is a file with Proscribe's entries only, which Chromium joins to the organisation's. The second
    choice is a file with all of the organisation's settings, which is not joined. It works only if no file sorts after
    Proscribe's.
    """
    foreign_settings = read_effective_settings(foreign_files)
    required_settings = make_due_settings(foreign_settings, excepted_ids, tuple(group_entries_by_id(foreign_settings)))
    if is_same_json(required_settings, foreign_settings):
        return ExtensionFit({})
    added_entries = {
        key: entry
        for key, entry in required_settings.items()
        if key not in foreign_settings or not is_same_json(foreign_settings[key], entry)
    }
    merged_policies = _list_merged_policies(foreign_files)
    merged_names = [merged_name for merged_name in merged_policies or () if isinstance(merged_name, str)]
    other_names = [
        merged_name for merged_name in merged_names if merged_name not in (EXTENSION_SETTINGS, EVERY_EXTENSION)
    ]
    candidate_policies: tuple[Policies, ...] = (
        {EXTENSION_SETTINGS: added_entries, MERGE_DICTIONARIES: sorted({EXTENSION_SETTINGS, *merged_names})},
        {
            EXTENSION_SETTINGS: required_settings,
            **({} if merged_policies is None else {MERGE_DICTIONARIES: other_names}),
        },
    )
    # A candidate is right if Chromium then applies the required settings, and no others.
    for policies in candidate_policies:
        if is_same_json(
            read_effective_settings([*foreign_files, ChromiumPolicyFile(own_name, policies)]), required_settings
        ):
            return ExtensionFit(policies)
    return ExtensionFit({}, is_fitting=False)
