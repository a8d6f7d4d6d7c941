"""Effect of a folder of Chromium policies whose content differs from Proscribe's file alone."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Iterator

from ...system import Host
from ..policy_values import find_missing_entries, is_same_json, make_distinct_entries, read_list
from .browser_settings import EXTENSIONS, PROXY_EXTENSIONS, SETTINGS, SIGN_IN
from .chromium import (
    ALLOW_LIST,
    BLOCK_LIST,
    EDGE_POLICY_NAMES,
    EXTENSION_ALLOW_LIST,
    EXTENSION_BLOCK_LIST,
    MERGE_DICTIONARIES,
    MERGE_LISTS,
    PREDICTION_POLICY,
    TENANT_DOMAINS,
    TENANT_HEADERS,
    is_accepted_list,
    list_closing_policies,
    make_policies,
    render_policies,
)
from .chromium_extensions import (
    ExtensionFit,
    ExtensionLists,
    find_deciding_file,
    find_flawed_entry,
    fit_extension_settings,
    group_entries_by_id,
    join_settings,
    list_permission_openings,
    read_effective_settings,
)
from .chromium_file import ChromiumPolicyFile, check_policy_file
from .extension_settings import EVERY_EXTENSION, EXTENSION_SETTINGS, MODE_FIELD, PERMISSION_NAMES, REFUSING_MODES
from .list_matching import ClosestMatch, parse_chromium_entry
from .policy_differences import describe_differences, shorten_value
from .policy_observation import POLICY_MARK, PolicyObservation, check_policy_path
from .policy_places import PolicyPlace
from .sign_in import SIGN_IN_PATTERN_POLICY, explain_open_sign_in
from .site_rules import MAX_CHROMIUM_ENTRIES, MAX_LIST_ENTRIES, BrowserRules, SiteName

if TYPE_CHECKING:
    from ..policy_values import Policies

# Browsers that accept MAX_CHROMIUM_ENTRIES (tried with Chromium). The limit of other makers' browsers is unknown.
TRIED_BROWSERS = frozenset({"chromium", "google_chrome"})
# By list whose entries are not texts: the entries that Chromium requires, in words for messages.
ENTRY_DESCRIPTIONS = {TENANT_HEADERS: "complete header rules"}
CLOUD_FIRST_POLICY = "CloudPolicyOverridesPlatformPolicy"
# Every key that Proscribe may have written. By these keys, a backup of its file differs from an organisation's file.
_OWN_POLICY_NAMES = {
    *(
        POLICY_MARK,
        BLOCK_LIST,
        ALLOW_LIST,
        MERGE_LISTS,
        PREDICTION_POLICY,
        TENANT_DOMAINS,
        TENANT_HEADERS,
        EXTENSION_BLOCK_LIST,
        EXTENSION_ALLOW_LIST,
    ),
    *(name for row in SETTINGS.values() for name in row.chromium),
    *(SIGN_IN_PATTERN_POLICY, MERGE_DICTIONARIES, *EDGE_POLICY_NAMES.values()),
}


class ChromiumPolicyFolder:
    """Policy folder of a place, read once: Proscribe's file, the organisation's files, and their joint effect.

    The constructor raises ObservationError, or ControlError for a folder behind a user's link.
    """

    def __init__(self, host: Host, place: PolicyPlace, rules: BrowserRules) -> None:
        self.place, self.rules = place, rules
        self.directory, _, self.own_name = place.path.rpartition("/")
        self.faults = check_policy_path(host, place.path)
        self.content: bytes | None = None  # of Proscribe's file; None if it is missing or unreadable
        self.is_link = False  # the path is a link: the content of its target is never reported
        self.own_file: ChromiumPolicyFile | None = None
        self.foreign_files: list[ChromiumPolicyFile] = []  # files of the organisation
        self.unclear_reasons: list[str] = []  # reasons why the effect of files is unknown
        self.backup_names: list[str] = []  # names of copies of Proscribe's file
        for name in host.list_directory(self.directory):
            self._sort_file(host, name)
        self._extension_fit = self._fit_extensions()
        self.expected_policies = self._make_expected_policies()

    def _sort_file(self, host: Host, name: str) -> None:
        """Read a file of the folder, and note it: as Proscribe's, as a backup of that, or as the organisation's.

        A file that browsers cannot read, and that only root can change, is left out. A reason is noted if its effect is
        unknown.
        """
        path = f"{self.directory}/{name}"
        status = host.find_entry(path)
        if status is None or stat.S_ISDIR(status.st_mode):
            return
        file, content = check_policy_file(host, path, status)
        if name == self.own_name:
            self.content, self.own_file = content, file
            self.is_link = stat.S_ISLNK(status.st_mode)
        elif self._is_backup(name, file.policy_table):
            self.backup_names.append(name)
        elif not file.is_hidden or file.foreign_access:
            self.foreign_files.append(file)
        elif file.unclear_reason:
            self.unclear_reasons.append(
                f"it is unknown what browsers take from {name} beside it: {file.unclear_reason}"
            )

    def _is_backup(self, name: str, policy_table: Policies) -> bool:
        """Return whether a file is a copy of Proscribe's own: a backup, or the remainder of a write."""
        if name == f".{self.own_name}.proscribe~":
            return True
        return POLICY_MARK in policy_table and set(policy_table) <= _OWN_POLICY_NAMES

    def _make_expected_policies(self) -> dict[str, object]:
        """Return the policies that Proscribe's file should have beside the organisation's files; {} for no file."""
        foreign_effect = ClosestMatch(
            self._list_foreign_entries(BLOCK_LIST), self._list_foreign_entries(ALLOW_LIST), accept_partial=True
        )
        foreign_blocks = [site_name for site_name in self.rules.allowed_names if foreign_effect.is_blocked(site_name)]
        merged_lists = (name for name in self._list_foreign_entries(MERGE_LISTS) if isinstance(name, str))
        own_policies = make_policies(
            self.rules,
            self.place,
            foreign_blocks,
            merged_lists,
            self.list_decided_settings(),
            self._extension_fit.policies,
        )
        # the organisation's own choice stays
        if any(PREDICTION_POLICY in file.policy_table for file in self.foreign_files):
            own_policies.pop(PREDICTION_POLICY, None)
        return own_policies

    def _fit_extensions(self) -> ExtensionFit:
        """Return the policies of extensions that close PROXY_EXTENSIONS beside the organisation's files."""
        if PROXY_EXTENSIONS not in dict(self.rules.settings):
            return ExtensionFit({})
        return fit_extension_settings(self.foreign_files, self.own_name, self.rules.chrome_allowed)

    def list_decided_settings(self) -> set[str]:
        """Return the ids of the plan's settings for which a file of the organisation has a policy: its choice stays."""
        foreign_policies = {name for file in self.foreign_files for name in file.policy_table}
        return {
            id_ for id_, _ in self.rules.settings if not foreign_policies.isdisjoint(SETTINGS[id_].deciding_policies)
        }

    def _list_foreign_entries(self, setting: str) -> Iterator[object]:
        """Yield the entries of a list in all of the organisation's files."""
        for file in self.foreign_files:
            yield from read_list(file.policy_table, setting)

    @property
    def rendered_content(self) -> bytes | None:
        """Desired content of Proscribe's file; None if there should be no file."""
        return render_policies(self.expected_policies) if self.expected_policies else None

    def _list_read_files(self) -> list[ChromiumPolicyFile]:
        """Return the files that browsers read: the organisation's, and Proscribe's if users can read it."""
        return [*self.foreign_files, *([self.own_file] if self.own_file and self.faults.is_readable else [])]

    def find_source(self, setting: str) -> tuple[str, object]:
        """Return the name of the last file with a setting, in the reading order of Chromium, and the value there.

        Returns ("", None) if no file has the setting.
        """
        last_source: tuple[str, object] = ("", None)
        for file in sorted(self._list_read_files()):
            if setting in file.policy_table:
                last_source = (file.name, file.policy_table[setting])
        return last_source

    def list_effective_texts(self, setting: str) -> list[str]:
        """Return the entries of a list as Chromium applies it, texts only (`list_effective_entries`)."""
        return [entry for entry in self.list_effective_entries(setting) if isinstance(entry, str)]

    def list_effective_entries(self, setting: str) -> list[object]:
        """Return the entries of a list as Chromium applies it.

        If the effective MERGE_LISTS names the list, Chromium joins the lists of all files. Otherwise only the list of
        the last file counts. The result is [] if the last file has no list. It is also [] if an entry of any file has a
        wrong type (156). A joined list has each entry once, and begins with those of the last file.
        """
        joined_lists, source_value = self.find_source(MERGE_LISTS)[1], self.find_source(setting)[1]
        if not (isinstance(source_value, list) and isinstance(joined_lists, list) and setting in joined_lists):
            return source_value if is_accepted_list(setting, source_value) else []  # type: ignore[return-value] # mypy widens it
        entries = [
            entry
            for file in sorted(self._list_read_files(), reverse=True)
            for entry in read_list(file.policy_table, setting)
        ]
        return make_distinct_entries(entries) if is_accepted_list(setting, entries) else []

    def list_overrides(self) -> list[str]:
        """Return the reasons why files of the organisation override Proscribe's file; [] if none do."""
        joined_lists = {
            policy for policy in self.expected_policies if policy in read_list(self.expected_policies, MERGE_LISTS)
        }
        reasons = self._find_spoiling_files(joined_lists)
        for file in sorted(self.foreign_files):
            if file.name < self.own_name:
                continue  # Proscribe's file comes later, and so it counts
            # joined lists and the policies of extensions have their own checks (_find_spoiling_files, list_unfit_files)
            for setting in sorted(
                set(self.expected_policies)
                & set(file.policy_table) - {POLICY_MARK, *self._extension_fit.policies} - joined_lists
            ):
                foreign_value = file.policy_table[setting]
                if setting == MERGE_LISTS:
                    if not joined_lists <= set(map(str, read_list(file.policy_table, MERGE_LISTS))):
                        reasons.append(
                            f"{file.name} sets {MERGE_LISTS} without {', '.join(sorted(joined_lists))}, after "
                            f"{self.own_name}"
                        )
                elif not is_same_json(foreign_value, self.expected_policies[setting]):
                    reasons.append(f"{file.name} overrides {setting} of {self.own_name}")
        return reasons + self._find_cloud_priority()

    def _find_cloud_priority(self) -> list[str]:
        """Return a fault if a file prefers policies of the browser's account or of its vendor's console; else []."""
        name, source_value = self.find_source(CLOUD_FIRST_POLICY)
        return (
            [f"{name} sets {CLOUD_FIRST_POLICY}, so that other policies win over all files here"]
            if source_value is True
            else []
        )

    def list_unfit_files(self) -> list[str]:
        """Return a fault if files prevent Proscribe's file from blocking a permission of extensions; else []."""
        if self._extension_fit.is_fitting:
            return []
        names = ", ".join(
            file.name
            for file in sorted(self.foreign_files)
            if {EXTENSION_SETTINGS, MERGE_DICTIONARIES} & set(file.policy_table)
        )
        return [
            f"{names}: {self.own_name} cannot block the permission {PERMISSION_NAMES} beside their {EXTENSION_SETTINGS}"
            f' without changing their effect: add it to blocked_permissions of "*" there'
        ]

    def _find_spoiling_files(self, joined_lists: set[str]) -> list[str]:
        """Return the faults of files whose part of a joined list Chromium rejects.

        Such a part also makes the other parts of the list ineffective.
        """
        return [
            f"{file.name} sets {setting} to what is no list of {ENTRY_DESCRIPTIONS.get(setting, 'texts')}:"
            f" it has no effect in {self.own_name} either"
            for file in sorted(self.foreign_files)
            for setting in sorted(joined_lists & set(file.policy_table))
            # A value that is no list matters only in the last file: in other files, Chromium skips it.
            if isinstance(file.policy_table[setting], list) or self.own_name < file.name == self.find_source(setting)[0]
            if not is_accepted_list(setting, file.policy_table[setting])
        ]

    def list_changeable_files(self) -> list[str]:
        """Return a fault for each of the organisation's files that accounts other than root can change.

        Such an account could set policies.
        """
        return [
            f"{file.name} beside it {file.foreign_access}" for file in sorted(self.foreign_files) if file.foreign_access
        ]

    def _explain_excess(self, setting: str, entries: list[str]) -> str:
        """Return the advice for a list with more entries than browsers are known to accept; "" for a shorter list.

        The entries of all files count together.
        """
        is_tried = self.place.id in TRIED_BROWSERS
        if len(entries) <= (MAX_CHROMIUM_ENTRIES if is_tried else MAX_LIST_ENTRIES):
            return ""
        foreign_lists = [
            (file.name, foreign_entries)
            for file in sorted(self.foreign_files)
            if (foreign_entries := read_list(file.policy_table, setting))
        ]
        by_file = ", ".join(f"{len(foreign_entries)} in {name}" for name, foreign_entries in foreign_lists)
        limit_text = f"Chromium takes {MAX_CHROMIUM_ENTRIES}"
        return (
            f"{len(entries)} entries in {setting} of all files together{f' ({by_file})' if by_file else ''},"
            f" {limit_text if is_tried else f'{limit_text}, and of its relatives only {MAX_LIST_ENTRIES} are known'}: "
            f"shorten the"
            " organisation's, or restrict fewer services"
        )

    def _list_foreign_openers(self) -> list[tuple[SiteName, str]]:
        """Return (name, description) of each exception in the organisation's files that opens a blocked name."""
        required_effect = ClosestMatch(map(str, self.rules.blocked_names), map(str, self.rules.allowed_names))
        openers = []
        for file in sorted(self.foreign_files):
            for text in read_list(file.policy_table, ALLOW_LIST):
                entry = parse_chromium_entry(text)
                if entry and entry.name.host != "*" and required_effect.is_blocked(entry.name):
                    openers.append((entry.name, f"{file.name} allows {text}"))
        return openers

    def make_observation(self) -> PolicyObservation:
        """Return the observation of the folder: the joint effect of all files, open settings, and faults."""
        block_texts, allow_texts = self.list_effective_texts(BLOCK_LIST), self.list_effective_texts(ALLOW_LIST)
        required_effect = ClosestMatch(map(str, self.rules.blocked_names), map(str, self.rules.allowed_names))
        entries = [entry for entry in map(parse_chromium_entry, allow_texts) if entry and entry.name.host != "*"]
        own_names = set(self.rules.allowed_names)
        # blocked names that exceptions of other files open
        openings = [
            entry.name for entry in entries if entry.name not in own_names and required_effect.is_blocked(entry.name)
        ]
        overrides = self.list_overrides()
        faults = [*self.faults.file_faults, *self.faults.directory_faults, *self._describe_differences()]
        faults += [*overrides, *self.list_header_overrides(), *self.list_unfit_files(), *self.list_changeable_files()]
        faults += [f"{name} beside it is a copy of it, and counts" for name in self.backup_names]
        long_lists = {
            name: entries
            for name, entries in ((BLOCK_LIST, block_texts), (ALLOW_LIST, allow_texts))
            if self._explain_excess(name, entries)
        }
        # More entries than Chromium accepts are a fault. Fewer entries are only uncertain, because the limit of other
        # makers' browsers is unknown.
        excess_by_list = {
            name: self._explain_excess(name, long_lists[name])
            for name in long_lists
            if len(long_lists[name]) > MAX_CHROMIUM_ENTRIES
        }
        faults += excess_by_list.values()
        return PolicyObservation(
            unseen_reason="; ".join(self.unclear_reasons),
            # Exceptions beyond the limit count here, because they may open a site.
            effect=ClosestMatch(block_texts[:MAX_CHROMIUM_ENTRIES], allow_texts),
            unclear_reason="; ".join(
                self._explain_excess(name, long_lists[name]) for name in long_lists if name not in excess_by_list
            ),
            foreign_openings=sorted(set(openings)),
            foreign_openers=self._list_foreign_openers(),
            general_reason=self._explain_loss() or (overrides[0] if overrides else ""),
            settings=self._list_open_settings(),
            unblocked_extensions=frozenset(self._list_unblocked_extensions()),
            faults=faults,
        )

    def _explain_loss(self) -> str:
        """Return the reason why browsers do not apply Proscribe's file; "" if they apply it."""
        if not self.faults.is_readable:
            return (self.faults.file_faults or self.faults.directory_faults or ["not readable for users"])[0]
        return self.own_file.loss_reason if self.own_file else "no policy file"

    def _describe_differences(self) -> list[str]:
        """Describe the differences of Proscribe's file from the desired file; [] if there are none."""
        if self.content == self.rendered_content:
            return []
        if self.own_file is None:
            return ["no policy file"]
        if self.own_file.loss_reason:
            return [self.own_file.loss_reason]
        difference_text = describe_differences(self.own_file.policy_table, self.expected_policies)
        return [f"not as the plan has it: {difference_text}"] if difference_text else ["written in another format"]

    def _list_open_settings(self) -> dict[str, str]:
        """Return, by id of a setting, the reason why the bypass is open. Closed settings are left out."""
        decided_settings = self.list_decided_settings()
        # the first policy of a setting that lacks its effect gives the reason
        reasons = {
            id_: next(
                filter(
                    None,
                    (
                        self._explain_open_policy(policy, policy_value)
                        for policy, policy_value in closing_policies.items()
                    ),
                ),
                "",
            )
            for id_, closing_policies in list_closing_policies(self.rules, self.place).items()
            if id_ not in decided_settings and id_ != PROXY_EXTENSIONS
        }
        if PROXY_EXTENSIONS in dict(self.rules.settings):
            reasons[PROXY_EXTENSIONS] = self._explain_open_proxies()
        if SIGN_IN not in decided_settings:
            reasons[SIGN_IN] = reasons.get(SIGN_IN) or explain_open_sign_in(self.rules, self.place)
        return {id_: reason for id_, reason in reasons.items() if reason}

    def _explain_open_policy(self, policy: str, required_value: object) -> str:
        """Return the reason why a policy lacks its required effect; "" if it has the effect."""
        name, source_value = self.find_source(policy)
        if not name:
            return self._explain_loss() or f"{policy} is not set"
        if isinstance(required_value, list):
            entries = self.list_effective_entries(policy)
            missing_texts = find_missing_entries(required_value, entries)
            if not missing_texts:
                return next(iter(self.list_header_overrides()), "") if policy == TENANT_HEADERS else ""
            entry = missing_texts[0] if isinstance(missing_texts[0], str) else shorten_value(missing_texts[0])
            return next(iter(self._find_spoiling_files({policy})), "") or f"{policy} is without {entry}"
        return (
            ""
            if is_same_json(source_value, required_value)
            else f"{name} sets {policy} to {shorten_value(source_value)}"
        )

    def list_header_overrides(self) -> list[str]:
        """Return a fault if a file makes browsers send another value of a required header than the plan's; else []."""
        from .tenant_mechanisms import find_overriding_header

        required = read_list(self.expected_policies, TENANT_HEADERS)
        entry, header = find_overriding_header(required, self.list_effective_entries(TENANT_HEADERS))
        files = (
            file.name for file in sorted(self.foreign_files) if entry in read_list(file.policy_table, TENANT_HEADERS)
        )
        return [f"{next(files, self.own_name)} sets another value of the header {header}"] if header else []

    def _explain_open_proxies(self) -> str:
        """Return the reason why extensions may set a proxy although the plan forbids it; "" if none may."""
        files = self._list_read_files()
        settings = read_effective_settings(files)
        extension_lists = ExtensionLists(
            self.list_effective_texts(EXTENSION_BLOCK_LIST),
            self.list_effective_texts(EXTENSION_ALLOW_LIST),
            self._list_forced_extensions(),
        )
        open_ids = list(list_permission_openings(settings, extension_lists, self.rules.chrome_allowed))
        if not open_ids:
            return ""
        if open_ids[0] == EVERY_EXTENSION:
            return self._explain_loss() or next(iter(self.list_unfit_files()), "") or self._explain_undecided(files)
        # the entry that names the extension; "" if only a list names it
        key = next(
            (settings_key for settings_key in settings if open_ids[0] in (settings_key, *settings_key.split(","))), ""
        )
        name = find_deciding_file(files, key) if key else ""
        remainder = f", and {len(open_ids) - 1} more" if len(open_ids) > 1 else ""
        source_name = name or "a list of the organisation's"
        allowed = "proscribe_browser_extensions_allowed"
        return (
            f"{source_name} lets {open_ids[0]}{remainder} have the permission {PERMISSION_NAMES}: refuse it there, "
            f"or name it in {allowed}"
        )

    def _explain_undecided(self, files: list[ChromiumPolicyFile]) -> str:
        """Return the reason why the entry "*" of ExtensionSettings does not block the permissions of PERMISSIONS."""
        if key := find_flawed_entry(join_settings(files)):
            return (
                f'{find_deciding_file(files, key)}: the entry "{key}" is not valid, and costs all '
                f"{EXTENSION_SETTINGS} its effect"
            )
        name = find_deciding_file(files, EVERY_EXTENSION)
        return (
            f'{name or self.own_name} does not block the permission {PERMISSION_NAMES} in "*" of {EXTENSION_SETTINGS}'
        )

    def _list_forced_extensions(self) -> list[str]:
        """Return the ids of the extensions that policies install by force. An entry of that list is `id;update URL`."""
        return [
            forced_entry.partition(";")[0] for forced_entry in self.list_effective_texts("ExtensionInstallForcelist")
        ]

    def _list_unblocked_extensions(self) -> set[str]:
        """Return the ids of extensions that the plan blocks and that the policies do not block.

        An exception has priority over a refusal: https://chromeenterprise.google/policies/#ExtensionSettings
        """
        blocked_ids, allowed_ids = (
            self.list_effective_texts(EXTENSION_BLOCK_LIST),
            self.list_effective_texts(EXTENSION_ALLOW_LIST),
        )
        entries = group_entries_by_id(read_effective_settings(self._list_read_files()))
        forced_ids = self._list_forced_extensions()
        unblocked_ids = set()
        for id_ in self.rules.chrome_extensions if EXTENSIONS in dict(self.rules.settings) else ():
            mode = entries.get(id_, {}).get(MODE_FIELD)  # None: no entry has a mode, so the lists decide
            is_refused = mode in REFUSING_MODES or (mode is None and (id_ in blocked_ids or "*" in blocked_ids))
            if not is_refused or (mode is None and (id_ in allowed_ids or id_ in forced_ids)):
                unblocked_ids.add(id_)
        return unblocked_ids
