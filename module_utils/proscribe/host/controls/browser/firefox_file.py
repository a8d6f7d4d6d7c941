"""A policies.json of Firefox that differs from Proscribe's part alone: its parts, desired content and effect.

The organisation's file is stored unchanged, byte for byte, below /var/lib/proscribe/browser. A note beside it has the
document before the merge, and the merged document. The path may now have:

- nothing, or an empty file: somebody removed a merged file. The note still has the organisation's part.
- a file with Proscribe's mark: the merged file, perhaps with later edits of the organisation.
- a file with the mark that is not valid JSON: Firefox ignores this file. It is rewritten from the note.
- a file without the mark: the organisation's new file. It replaces an earlier file of the organisation.
- a file without the mark that is not valid JSON, or a link: this is only reported, and not changed.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Mapping, Sequence

from ....base.json_text import parse_json
from ....base.named_tuple import NamedTuple
from ...system import SIGNATURE, STATE_DIRECTORY, ControlError, Host, ObservationError
from ..policy_values import is_same_json, read_list, read_table
from .browser_settings import EXTENSIONS, MICROSOFT_TENANTS, PRIVATE_LOGIN_HOST, PROXY_EXTENSIONS
from .extension_settings import EVERY_EXTENSION, EXTENSION_SETTINGS, MODE_FIELD, PERMISSION_NAMES
from .extension_settings import is_blocking_permissions as closes_proxies
from .firefox import WEBSITE_FILTER, list_closing_policies, make_filter_lists, make_policies, render_policies
from .firefox_merge import (
    guess_written_policies,
    list_required_changes,
    merge_policies,
    parse_policies,
    remove_own_policies,
)
from .list_matching import ClosestMatch, FilterMatch, parse_firefox_entry
from .policy_differences import describe_differences
from .policy_observation import POLICY_MARK, PolicyObservation, check_policy_path
from .policy_places import PolicyPlace
from .site_rules import MAX_LIST_ENTRIES, BrowserRules, SiteName

if TYPE_CHECKING:
    from ..policy_values import Policies

# Types that Firefox (153) requires for the fields of "*", the entry of ExtensionSettings for all other extensions. A
# wrong type there makes Firefox ignore all of ExtensionSettings. In another entry, Firefox ignores only that entry.
DEFAULT_FIELDS: Mapping[str, type] = {
    "blocked_install_message": str,
    "temporarily_allow_weak_signatures": bool,
    **dict.fromkeys(("allowed_permissions", "allowed_types", "blocked_permissions", "install_sources"), list),
    **dict.fromkeys(("restricted_domains", "runtime_allowed_hosts", "runtime_blocked_hosts"), list),
}


class MergeNote(NamedTuple):
    """Note about a merge: facts that Proscribe stores to separate the two parts of the file later."""

    base: Policies  # document before the merge: the organisation's file, or that of Firefox's installation, or {}
    written: list[Policies]  # merged document; two documents during a write
    mode: int  # of the organisation's own file, as are the next fields
    owner: Sequence[int] | None = None  # uid and gid
    modified: int | None = None  # time of the last modification in nanoseconds


class FirefoxPolicyFile:
    """Policy file of a place for Firefox, read once, with the organisation's stored file and the note of the merge.

    The constructor raises ObservationError, or ControlError for a path behind a user's link.
    """

    def __init__(self, host: Host, place: PolicyPlace, rules: BrowserRules) -> None:
        self.place, self.rules = place, rules
        stored_prefix = STATE_DIRECTORY + "/browser/" + place.path.strip("/").replace("/", "-")
        self.original_path, self.note_path = stored_prefix + ".original", stored_prefix + ".note"
        self.faults = check_policy_path(host, place.path)
        self.status = host.find_entry(place.path)
        self.content: bytes | None = None  # content of the file; None if it is missing or unreadable
        self.document: Policies | None = None  # parsed content; None if it is not valid
        self.loss_reason = ""  # reason why Firefox ignores the file
        self.blocker = ""  # reason why Proscribe does not change the file
        self._read_file(host)
        self.is_marked = POLICY_MARK in (self.document or {}) or SIGNATURE.encode() in (self.content or b"")
        self.is_empty = not (self.content or b"").strip()
        self.unclear_reason = ""  # reason why the two parts cannot be separated
        self.original: bytes | None = None  # the organisation's stored file; None if there is none
        self.note: MergeNote | None = None  # None without a valid note
        self.inherited_policies = self._read_inherited_policies(host)
        if self.document is None and not self.is_marked and not self.is_empty and not self.blocker:
            self.blocker = f"it is the organisation's, and {self.loss_reason}: correct or remove it"
        try:
            self._read_memory(host)
        except (ObservationError, ControlError) as error:
            self.unclear_reason = str(error)
        # whether the organisation's part changed since the merge, and that part
        self.is_edited, self.base_document = self._find_base_document()
        self.filter_lists = make_filter_lists(rules, self._list_blocked_names(self.base_document))
        self.expected_document = self._make_expected_document()

    def _read_file(self, host: Host) -> None:
        """Read the policy file, and set the reason if Firefox ignores the file, or if Proscribe must not change it."""
        if self.status is None:
            self.loss_reason = "no policy file"
            return
        if stat.S_ISLNK(self.status.st_mode):
            self.blocker = "a link is in its place: put a file there instead"
        try:
            self.content = host.read_file(self.place.path)
            self.document = parse_policies(self.content or b"")
        except ObservationError:
            self.loss_reason = "not readable for users"
        except ControlError as error:
            self.loss_reason = self.blocker = str(error)
        except ValueError as error:
            self.loss_reason = "not valid JSON: " + str(error)
        if not self.faults.is_readable and not self.loss_reason:
            self.loss_reason = "not readable for users"

    def _read_inherited_policies(self, host: Host) -> Policies:
        """Return the policies of Firefox's own installation, which a file below /etc hides."""
        for path in self.place.fallbacks:
            try:
                content = host.read_file(path)
                if content is not None:
                    return parse_policies(content)
            except (ValueError, ControlError, ObservationError):
                return {}  # Firefox ignores such a file too
        return {}

    def _read_memory(self, host: Host) -> None:
        """Read the organisation's stored file and the note of the merge. Raises ObservationError and ControlError."""
        note = host.read_file(self.note_path)
        self.original = host.read_file(self.original_path)
        try:
            self.note = MergeNote(**parse_json(note)) if note is not None else None
        except (ValueError, TypeError):
            self.note = None  # a damaged note counts as missing

    def _find_base_document(self) -> tuple[bool, Policies]:
        """Return whether the organisation's part changed since the merge, and the current document of that part.

        That document is the base of the next merge.
        """
        if self.document is not None and not self.is_marked:  # the organisation has put a new file there
            return True, self.document
        if self.content is not None and self.is_empty and not self.note:  # the organisation's own empty file
            return True, {}
        remembered_document = self.note.base if self.note else self._parse_original()
        if self.document is not None:
            written = self.note.written if self.note else guess_written_policies(self.document)
            foreign_document = remove_own_policies(self.document, remembered_document, written)
            if not is_same_json(foreign_document, remembered_document):
                return True, foreign_document
        # without a file of the organisation, the policies of Firefox's installation are the base
        return False, remembered_document if self.original is not None else self.inherited_policies

    def _parse_original(self) -> Policies:
        """Return the document in the organisation's stored file; {} if the file is missing or invalid."""
        try:
            return parse_policies(self.original or b"{}")
        except ValueError:
            return {}

    @staticmethod
    def _list_blocked_names(document: Policies) -> list[SiteName]:
        """Return the names that the WebsiteFilter of a document blocks."""
        block = _read_filter_list(read_table(document, "policies"), "Block")
        return [entry.name for entry in map(parse_firefox_entry, block) if entry]

    def _make_expected_document(self) -> dict[str, object] | None:
        """Return the merged document that the policy file should have; None if the plan has no policy for it."""
        own_policies = make_policies(self.rules, self.place, self.filter_lists)
        return merge_policies(self.base_document, own_policies) if own_policies else None

    @property
    def is_in_effect(self) -> bool:
        """True if the policy file has the desired content, in any format, and no faults of owner or mode."""
        if self.faults.file_faults:
            return False
        if self.expected_document is None:
            return not self.is_marked
        return self.document is not None and is_same_json(self.document, self.expected_document)

    @property
    def is_own(self) -> bool:
        """True if Proscribe may change the file at the path: the merged file, or the remainder of it."""
        return not self.blocker and (self.is_marked or (self.note is not None and self.is_empty))

    def make_stored_original(self) -> bytes | None:
        """Return the content that a lift restores; None if it restores nothing.

        The content is the organisation's file byte for byte, or with its later edits.
        """
        if not self.is_edited:
            return self.original
        if not self.is_marked:
            return self.content
        return (
            render_policies(self.base_document)
            if self.base_document.get("policies") or set(self.base_document) - {"policies"}
            else None
        )

    def make_merge_notes(self) -> tuple[MergeNote, MergeNote]:
        """Return the note for the time of the write, and the note for the time after the write.

        The first note also has the documents of earlier notes: an interrupted write may leave any of them at the path.
        """
        final_note = MergeNote(self.base_document, [self.expected_document or {}], 0o644)
        if self.status is not None and not self.is_marked and not (self.is_empty and self.note):
            status = self.status
            final_note = final_note._replace(
                mode=stat.S_IMODE(status.st_mode), owner=[status.st_uid, status.st_gid], modified=status.st_mtime_ns
            )
        elif self.note:
            earlier_note = self.note
            final_note = final_note._replace(
                mode=earlier_note.mode,
                owner=earlier_note.owner,
                modified=None if self.is_edited else earlier_note.modified,
            )
        earlier_documents = self.note.written if self.note else []
        return final_note._replace(written=[*earlier_documents, *final_note.written]), final_note

    def make_observation(self) -> PolicyObservation:
        """Return the observation of the policy file: its effect, open settings, and faults."""
        in_effect = read_table({} if self.document is None or self.loss_reason else self.document, "policies")
        foreign_policies = read_table(self.base_document, "policies")
        block_patterns, exception_patterns = (
            _read_filter_list(in_effect, "Block"),
            _read_filter_list(in_effect, "Exceptions"),
        )
        required_effect = ClosestMatch(map(str, self.rules.blocked_names), map(str, self.rules.allowed_names))
        entries = [entry for entry in map(parse_firefox_entry, exception_patterns) if entry]
        openings = {
            entry.name for entry in entries if entry.name.host != "*" and required_effect.is_blocked(entry.name)
        }
        faults = [*([self.blocker] if self.blocker else []), *self.faults.file_faults, *self.faults.directory_faults]
        faults += [
            f"{len(patterns)} entries in {WEBSITE_FILTER}, {len(_read_filter_list(foreign_policies, name))} of them "
            f"the organisation's; Firefox"
            f" takes {MAX_LIST_ENTRIES}, doubles counted ({len(set(map(str, patterns)))} are distinct): shorten the"
            " organisation's, or restrict fewer services"
            for name, patterns in (("Block", block_patterns), ("Exceptions", exception_patterns))
            if len(patterns) > MAX_LIST_ENTRIES
        ]
        unclear_reason = ""
        if not self.blocker:
            # Three cases: the stored files cannot be read, Firefox ignores the file, or the file differs.
            if self.unclear_reason and not self.loss_reason:
                unclear_reason = self.unclear_reason if self._has_foreign_policies() else ""
                faults += [] if self.is_marked or self.expected_document is None else ["it is the organisation's alone"]
            elif self.loss_reason and (self.is_marked or self.expected_document is not None):
                faults.append(self.loss_reason if self.status is not None else "no policy file")
            elif not self.is_in_effect and not self.faults.file_faults:
                faults += self._describe_differences()
        return PolicyObservation(
            effect=FilterMatch(block_patterns, exception_patterns),
            foreign_openings=sorted(openings),
            foreign_openers=[
                (entry.name, f"the organisation's exception {text} opens it")
                for text in _read_filter_list(foreign_policies, "Exceptions")
                if (entry := parse_firefox_entry(text))
            ],
            general_reason=self.loss_reason,
            settings=self._list_open_settings(in_effect),
            unblocked_extensions=frozenset(self._list_unblocked_extensions(in_effect)),
            faults=faults,
            unclear_reason=unclear_reason,
        )

    def _list_open_settings(self, current_policies: Policies) -> dict[str, str]:
        """Return, by id of a setting, the reason why the bypass is open. Closed settings are left out."""
        reasons = {
            id_: self.loss_reason or describe_differences(current_policies, {**current_policies, **required_policies})
            for id_, closing_policies in list_closing_policies(self.rules, self.place).items()
            if id_ != PROXY_EXTENSIONS
            if (required_policies := list_required_changes(current_policies, closing_policies))
        }
        if PROXY_EXTENSIONS in list_closing_policies(self.rules, self.place) and (
            proxy_reason := self._explain_open_proxies(current_policies)
        ):
            reasons[PROXY_EXTENSIONS] = self.loss_reason or proxy_reason
        effect = FilterMatch(
            _read_filter_list(current_policies, "Block"), _read_filter_list(current_policies, "Exceptions")
        )
        if self.rules.microsoft_tenants and not effect.is_blocked(SiteName(PRIVATE_LOGIN_HOST)):
            reasons[MICROSOFT_TENANTS] = self.loss_reason or f"{PRIVATE_LOGIN_HOST} is not blocked"
        return reasons

    def _explain_open_proxies(self, current_policies: Policies) -> str:
        """Return the reason why extensions may set a proxy although the plan forbids it; "" if none may."""
        settings = read_table(current_policies, EXTENSION_SETTINGS)
        default = read_table(settings, EVERY_EXTENSION)
        if wrong_fields := [
            field
            for field, field_type in DEFAULT_FIELDS.items()
            if not isinstance(default.get(field, field_type()), field_type)
        ]:
            return (
                f'{wrong_fields[0]} of "*" in {EXTENSION_SETTINGS} is of a wrong type, '
                "so Firefox ignores the whole setting"
            )
        if default.get(MODE_FIELD) == "removed" or not closes_proxies(default, is_default=True):
            return f'the permission {PERMISSION_NAMES} is not blocked in "*" of {EXTENSION_SETTINGS}'
        extension_ids = (
            id_ for id_ in sorted(settings) if id_ != EVERY_EXTENSION and id_ not in self.rules.firefox_allowed
        )
        open_ids = [id_ for id_ in extension_ids if not closes_proxies(read_table(settings, id_))]
        if not open_ids:
            return ""
        remainder = f", and {len(open_ids) - 1} more," if len(open_ids) > 1 else ""
        allowed = "proscribe_browser_extensions_allowed"
        return (
            f"the organisation's {EXTENSION_SETTINGS} let {open_ids[0]}{remainder} have the permission "
            f"{PERMISSION_NAMES}: refuse it"
            f" there, or name it in {allowed}"
        )

    def _list_unblocked_extensions(self, current_policies: Policies) -> set[str]:
        """Return the ids of extensions that the plan blocks and that the policies in effect do not block."""
        extension_entries = read_table(current_policies, EXTENSION_SETTINGS)
        refused_ids = self.rules.firefox_extensions if EXTENSIONS in dict(self.rules.settings) else ()
        return {
            id_
            for id_ in refused_ids
            if read_table(extension_entries, id_ if id_ in extension_entries else EVERY_EXTENSION).get(MODE_FIELD)
            != "blocked"
        }

    def _has_foreign_policies(self) -> bool:
        """Return whether the file has other policies than Proscribe alone would write."""
        own_policies = make_policies(self.rules, self.place, make_filter_lists(self.rules))
        return not is_same_json((self.document or {}).get("policies"), own_policies)

    def _describe_differences(self) -> list[str]:
        """Describe the differences of the policy file from the desired file, which it does not equal."""
        if self.expected_document is None:
            return ["it still says what the plan no longer has"]
        if not self.is_marked:
            return ["it is the organisation's alone"]
        current_policies, due_policies = (
            read_table(document, "policies") for document in (self.document or {}, self.expected_document)
        )
        difference_text = describe_differences(current_policies, due_policies)
        return [f"not as the plan has it: {difference_text}"] if difference_text else ["its notice differs"]


def _read_filter_list(policies: Policies, name: str) -> list[object]:
    """Return a list of WebsiteFilter: `name` is "Block" or "Exceptions". [] if the policies have no such list."""
    return read_list(read_table(policies, WEBSITE_FILTER), name)
