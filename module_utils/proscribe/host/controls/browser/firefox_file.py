"""A policies.json of Firefox that is not just Proscribe's own: whose is what in it, what has to come of it,
what is in effect?

An organisation's file is kept as it was, byte for byte, below /var/lib/proscribe/browser. A note beside it has what it
was merged into, and what came of it. What stands at the path now may be:

- nothing, or an empty file: a merged file that somebody took away; the organisation's part is still known from the
  note.
- a file with Proscribe's mark: the merged file, with the organisation's later edits in it, if there are any.
- a file with the mark that is not valid JSON: Firefox ignores it; it is written anew from the note.
- a file without the mark: the organisation put it there. It is its own from now on, in place of an earlier one.
- one without the mark that is not valid JSON, or a link: not touched, only reported.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Mapping, Sequence

from ....base.json_text import parse_json
from ....base.tuples import NamedTuple
from ...system import SIGNATURE, STATE_DIRECTORY, ControlError, Host, ObservationError
from ..policy_tables import is_same_json, read_list, read_table
from .extension_settings import EVERY, EXTENSION_SETTINGS, MODE, NAMED
from .extension_settings import closes as closes_proxies
from .firefox import FILTER, closing, lists, policies, render
from .firefox_merge import assumed_ours, merge, parse, still_required, without_ours
from .matching import Closest, Unless, firefox_entry
from .observed import MARK, Observed, faults
from .places import Place
from .policy_differences import describe_differences
from .rendering import MOST_ENTRIES, Name, Rules
from .settings import EXTENSIONS, MICROSOFT_TENANTS, PRIVATE_LOGIN, PROXY_EXTENSIONS

if TYPE_CHECKING:
    from ..policy_tables import Policies

# What Firefox (153) wants of "*". Of an extension's own entry, what is wrong there costs that entry alone.
DEFAULT_FIELDS: Mapping[str, type] = {
    "blocked_install_message": str,
    "temporarily_allow_weak_signatures": bool,
    **dict.fromkeys(("allowed_permissions", "allowed_types", "blocked_permissions", "install_sources"), list),
    **dict.fromkeys(("restricted_domains", "runtime_allowed_hosts", "runtime_blocked_hosts"), list),
}


class Note(NamedTuple):
    """What Proscribe remembers of a merge."""

    base: Policies  # what it merged into: the organisation's file, or the one of Firefox's installation, or {}
    written: list[Policies]  # what came of it; two while a write is under way
    mode: int  # of the organisation's own file, and so what follows; None where it is not known
    owner: Sequence[int] | None = None  # its user and group
    modified: int | None = None  # in nanoseconds


class PolicyFile:
    """The file of one place, read once. Raises Unseen, or ControlError for a path behind a user's link."""

    def __init__(self, host: Host, place: Place, rules: Rules) -> None:
        self.place, self.rules = place, rules
        stored = STATE_DIRECTORY + "/browser/" + place.path.strip("/").replace("/", "-")
        self.original_path, self.note_path = stored + ".original", stored + ".note"
        self.faults = faults(host, place.path)
        self.seen = host.find_entry(place.path)
        self.content: bytes | None = None
        self.document: Policies | None = None
        self.lost = ""  # why Firefox takes nothing from it
        self.blocker = ""  # why Proscribe leaves it alone
        self._read(host)
        self.marked = MARK in (self.document or {}) or SIGNATURE.encode() in (self.content or b"")
        self.empty = not (self.content or b"").strip()
        self.unclear = ""  # why it is unknown whose is what
        self.original: bytes | None = None
        self.note: Note | None = None
        self.inherited = self._inherited(host)
        if self.document is None and not self.marked and not self.empty and not self.blocker:
            self.blocker = f"it is the organisation's, and {self.lost}: correct or remove it"
        try:
            self._remember(host)
        except (ObservationError, ControlError) as why:
            self.unclear = str(why)
        self.edited, self.base = self._base()
        self.listed = lists(rules, self._blocked_by(self.base))
        self.expected = self._expected()

    def _read(self, host: Host) -> None:
        """Read the file, and say why Firefox takes nothing from it, if so."""
        if self.seen is None:
            self.lost = "no policy file"
            return
        if stat.S_ISLNK(self.seen.st_mode):
            self.blocker = "a link is in its place: put a file there instead"
        try:
            self.content = host.read_file(self.place.path)
            self.document = parse(self.content or b"")
        except ObservationError:
            self.lost = "not readable for users"
        except ControlError as error:
            self.lost = self.blocker = str(error)
        except ValueError as error:
            self.lost = "not valid JSON: " + str(error)
        if not self.faults.readable and not self.lost:
            self.lost = "not readable for users"

    def _inherited(self, host: Host) -> Policies:
        """The policies of Firefox's own installation, which a file below /etc hides."""
        for path in self.place.fallbacks:
            try:
                content = host.read_file(path)
                if content is not None:
                    return parse(content)
            except (ValueError, ControlError, ObservationError):
                return {}  # Firefox takes nothing from it either
        return {}

    def _remember(self, host: Host) -> None:
        note = host.read_file(self.note_path)
        self.original = host.read_file(self.original_path)
        try:
            self.note = Note(**parse_json(note)) if note is not None else None
        except (ValueError, TypeError):
            self.note = None  # as if it were lost

    def _base(self) -> tuple[bool, Policies]:
        """The organisation's part as of now, and whether it is another one than what was merged into."""
        if self.document is not None and not self.marked:
            return True, self.document
        if self.content is not None and self.empty and not self.note:
            return True, {}
        remembered = self.note.base if self.note else self._original_document()
        if self.document is not None:
            written = self.note.written if self.note else assumed_ours(self.document)
            theirs = without_ours(self.document, remembered, written)
            if not is_same_json(theirs, remembered):
                return True, theirs
        return False, remembered if self.original is not None else self.inherited

    def _original_document(self) -> Policies:
        try:
            return parse(self.original or b"{}")
        except ValueError:
            return {}

    @staticmethod
    def _blocked_by(document: Policies) -> list[Name]:
        block = _filter(read_table(document, "policies"), "Block")
        return [entry.name for entry in map(firefox_entry, block) if entry]

    def _expected(self) -> dict[str, object] | None:
        ours = policies(self.rules, self.place, self.listed)
        return merge(self.base, ours) if ours else None

    @property
    def is_in_effect(self) -> bool:
        """Whether the file is what it has to be, however it is spelled."""
        if self.faults.file:
            return False
        if self.expected is None:
            return not self.marked
        return self.document is not None and is_same_json(self.document, self.expected)

    @property
    def ours(self) -> bool:
        """Whether what is at the path is Proscribe's to change back: the merged file, or what is left of it."""
        return not self.blocker and (self.marked or (self.note is not None and self.empty))

    def original_to_keep(self) -> bytes | None:
        """What a lift would restore: the organisation's file byte for byte, or with its later edits; None: nothing."""
        if not self.edited:
            return self.original
        if not self.marked:
            return self.content
        return render(self.base) if self.base.get("policies") or set(self.base) - {"policies"} else None

    def note_to_keep(self) -> tuple[Note, Note]:
        """What to remember while the file is being written, and after it."""
        after = Note(self.base, [self.expected or {}], 0o644)
        if self.seen is not None and not self.marked and not (self.empty and self.note):
            seen = self.seen
            after = after._replace(
                mode=stat.S_IMODE(seen.st_mode), owner=[seen.st_uid, seen.st_gid], modified=seen.st_mtime_ns
            )
        elif self.note:
            noted = self.note
            after = after._replace(mode=noted.mode, owner=noted.owner, modified=None if self.edited else noted.modified)
        earlier = self.note.written if self.note else []
        return after._replace(written=[*earlier, *after.written]), after

    def observed(self) -> Observed:
        """What the file comes to."""
        in_effect = read_table({} if self.document is None or self.lost else self.document, "policies")
        theirs = read_table(self.base, "policies")
        block, exceptions = _filter(in_effect, "Block"), _filter(in_effect, "Exceptions")
        required = Closest(map(str, self.rules.block), map(str, self.rules.allow))
        entries = [entry for entry in map(firefox_entry, exceptions) if entry]
        openings = {entry.name for entry in entries if entry.name.host != "*" and required.blocked(entry.name)}
        wrong = [*([self.blocker] if self.blocker else []), *self.faults.file, *self.faults.directories]
        wrong += [
            f"{len(listed)} entries in {FILTER}, {len(_filter(theirs, name))} of them the organisation's; Firefox"
            f" takes {MOST_ENTRIES}, doubles counted ({len(set(map(str, listed)))} are distinct): shorten the"
            " organisation's, or restrict fewer services"
            for name, listed in (("Block", block), ("Exceptions", exceptions))
            if len(listed) > MOST_ENTRIES
        ]
        unclear = ""
        if not self.blocker:
            if self.unclear and not self.lost:
                unclear = self.unclear if self._has_more_than_ours() else ""
                wrong += [] if self.marked or self.expected is None else ["it is the organisation's alone"]
            elif self.lost and (self.marked or self.expected is not None):
                wrong.append(self.lost if self.seen is not None else "no policy file")
            elif not self.is_in_effect and not self.faults.file:
                wrong += self._differences()
        return Observed(
            effect=Unless(block, exceptions),
            openings=sorted(openings),
            openers=[
                (entry.name, f"the organisation's exception {text} opens it")
                for text in _filter(theirs, "Exceptions")
                if (entry := firefox_entry(text))
            ],
            why=self.lost,
            settings=self._open(in_effect),
            unblocked=frozenset(self._unblocked(in_effect)),
            wrong=wrong,
            unclear=unclear,
        )

    def _open(self, said: Policies) -> dict[str, str]:
        """By setting that is open: what is wrong."""
        wrong = {
            id_: self.lost or describe_differences(said, {**said, **required})
            for id_, closed in closing(self.rules, self.place).items()
            if id_ != PROXY_EXTENSIONS
            if (required := still_required(said, closed))
        }
        if PROXY_EXTENSIONS in closing(self.rules, self.place) and (why := self._proxies(said)):
            wrong[PROXY_EXTENSIONS] = self.lost or why
        effect = Unless(_filter(said, "Block"), _filter(said, "Exceptions"))
        if self.rules.microsoft_tenants and not effect.blocked(Name(PRIVATE_LOGIN)):
            wrong[MICROSOFT_TENANTS] = self.lost or f"{PRIVATE_LOGIN} is not blocked"
        return wrong

    def _proxies(self, said: Policies) -> str:
        """Why extensions may have a proxy that should not; "" if none may."""
        settings = read_table(said, EXTENSION_SETTINGS)
        default = read_table(settings, EVERY)
        if wrong := [
            field for field, kind in DEFAULT_FIELDS.items() if not isinstance(default.get(field, kind()), kind)
        ]:
            return f'{wrong[0]} of "*" in {EXTENSION_SETTINGS} is of a wrong type, and costs all of it its effect'
        if default.get(MODE) == "removed" or not closes_proxies(default, of_all=True):
            return f'the permission {NAMED} is not blocked in "*" of {EXTENSION_SETTINGS}'
        others = (id_ for id_ in sorted(settings) if id_ != EVERY and id_ not in self.rules.firefox_allowed)
        open_ = [id_ for id_ in others if not closes_proxies(read_table(settings, id_))]
        if not open_:
            return ""
        more = f", and {len(open_) - 1} more," if len(open_) > 1 else ""
        allowed = "proscribe_browser_extensions_allowed"
        return (
            f"the organisation's {EXTENSION_SETTINGS} let {open_[0]}{more} have the permission {NAMED}: refuse it"
            f" there, or name it in {allowed}"
        )

    def _unblocked(self, said: Policies) -> set[str]:
        """The extensions that have to be refused and are not."""
        by_id = read_table(said, EXTENSION_SETTINGS)
        refused = self.rules.firefox_extensions if EXTENSIONS in dict(self.rules.settings) else ()
        return {id_ for id_ in refused if read_table(by_id, id_ if id_ in by_id else EVERY).get(MODE) != "blocked"}

    def _has_more_than_ours(self) -> bool:
        ours = policies(self.rules, self.place, lists(self.rules))
        return not is_same_json((self.document or {}).get("policies"), ours)

    def _differences(self) -> list[str]:
        if self.expected is None:
            return ["it still says what the plan no longer has"]
        if not self.marked:
            return ["it is the organisation's alone"]
        now, due = (read_table(one, "policies") for one in (self.document or {}, self.expected))
        different = describe_differences(now, due)
        return [f"not as the plan has it: {different}"] if different else ["its notice differs"]


def _filter(policies: Policies, name: str) -> list[object]:
    return read_list(read_table(policies, FILTER), name)
