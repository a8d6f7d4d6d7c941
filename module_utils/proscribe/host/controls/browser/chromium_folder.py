"""A folder of Chromium policies in which not just Proscribe's own file is as it should be: what is in effect?"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Iterator

from ...system import Host
from ..policy_tables import find_missing_entries, is_same_json, make_distinct_entries, read_list
from .chromium import (
    ALLOW,
    BLOCK,
    EDGE,
    MERGE,
    MERGE_DICTIONARIES,
    NO_EXTENSIONS,
    PREDICTION,
    SOME_EXTENSIONS,
    TENANT_DOMAINS,
    TENANT_HEADERS,
    closing,
    policies,
    render,
    takes_list,
)
from .chromium_extensions import Fit, Lists, by_id, deciding, effective, fitted, flawed, openings, together
from .chromium_file import File, check_file
from .extension_settings import EVERY, EXTENSION_SETTINGS, MODE, NAMED, REFUSING
from .matching import Closest, chromium_entry
from .observed import MARK, Observed, faults
from .places import Place
from .policy_differences import describe_differences, shorten_value
from .rendering import CHROMIUM_ENTRIES, MOST_ENTRIES, Name, Rules
from .settings import EXTENSIONS, PROXY_EXTENSIONS, SETTINGS, SIGN_IN
from .sign_in import PATTERN, explain_open_sign_in

if TYPE_CHECKING:
    from ..policy_tables import Policies

# The browsers whose own folders are known to take CHROMIUM_ENTRIES, since Chromium was tried; of others with another
# maker nobody knows it.
TRIED = frozenset({"chromium", "google_chrome"})
ENTRIES = {TENANT_HEADERS: "complete header rules"}  # what the entries of a list have to be, where they are no texts
CLOUD_FIRST = "CloudPolicyOverridesPlatformPolicy"
# Every key that Proscribe may have written: they distinguish a backup of its file from a file of the organisation's.
_EVER_SAID = {
    *(MARK, BLOCK, ALLOW, MERGE, PREDICTION, TENANT_DOMAINS, TENANT_HEADERS, NO_EXTENSIONS, SOME_EXTENSIONS),
    *(name for row in SETTINGS.values() for name in row.chromium),
    *(PATTERN, MERGE_DICTIONARIES, *EDGE.values()),
}


class Folder:
    """The folder of one place, read once. Raises Unseen, or ControlError for a folder behind a user's link."""

    def __init__(self, host: Host, place: Place, rules: Rules) -> None:
        self.place, self.rules = place, rules
        self.directory, _, self.own_name = place.path.rpartition("/")
        self.faults = faults(host, place.path)
        self.content: bytes | None = None
        self.link = False  # whether a link is where the file should be: then its content is reported to nobody
        self.own: File | None = None
        self.foreign: list[File] = []
        self.odd: list[str] = []
        self.backups: list[str] = []
        for name in host.list_directory(self.directory):
            self._sort(host, name)
        self._fit = self._fitted()
        self.expected = self._expected()

    def _sort(self, host: Host, name: str) -> None:
        path = f"{self.directory}/{name}"
        seen = host.find_entry(path)
        if seen is None or stat.S_ISDIR(seen.st_mode):
            return
        file, content = check_file(host, path, seen)
        if name == self.own_name:
            self.content, self.own = content, file
            self.link = stat.S_ISLNK(seen.st_mode)
        elif self._is_backup(name, file.said):
            self.backups.append(name)
        elif not file.hidden or file.loose:
            self.foreign.append(file)
        elif file.odd:
            self.odd.append(f"it is unknown what browsers take from {name} beside it: {file.odd}")

    def _is_backup(self, name: str, said: Policies) -> bool:
        """Whether a file is another of Proscribe's own: a backup that a tool made, or what a kill left of a write."""
        if name == f".{self.own_name}.proscribe~":
            return True
        return MARK in said and set(said) <= _EVER_SAID

    def _expected(self) -> dict[str, object]:
        foreign = Closest(self._listed(BLOCK), self._listed(ALLOW), in_part=True)
        shut = [one for one in self.rules.allow if foreign.blocked(one)]
        merged = (name for name in self._listed(MERGE) if isinstance(name, str))
        said = policies(self.rules, self.place, shut, merged, self.decided(), self._fit.policies)
        if any(PREDICTION in file.said for file in self.foreign):
            said.pop(PREDICTION, None)
        return said

    def _fitted(self) -> Fit:
        """What closes PROXY_EXTENSIONS beside the other files."""
        if PROXY_EXTENSIONS not in dict(self.rules.settings):
            return Fit({})
        return fitted(self.foreign, self.own_name, self.rules.chrome_allowed)

    def decided(self) -> set[str]:
        """The settings that the organisation has answered itself, in a file of its own."""
        theirs = {name for file in self.foreign for name in file.said}
        return {id_ for id_, _ in self.rules.settings if not theirs.isdisjoint(SETTINGS[id_].left_to)}

    def _listed(self, setting: str) -> Iterator[object]:
        """The entries of a list in all of the organisation's files."""
        for file in self.foreign:
            yield from read_list(file.said, setting)

    @property
    def rendered(self) -> bytes | None:
        """What the file has to be; None if there should be none."""
        return render(self.expected) if self.expected else None

    def _read(self) -> list[File]:
        """The files that browsers read."""
        return [*self.foreign, *([self.own] if self.own and self.faults.readable else [])]

    def source(self, setting: str) -> tuple[str, object]:
        """The last file that has a setting, by the order in which Chromium reads them, and its value there."""
        last: tuple[str, object] = ("", None)
        for file in sorted(self._read()):
            if setting in file.said:
                last = (file.name, file.said[setting])
        return last

    def effective(self, setting: str) -> list[str]:
        """A list of texts as Chromium has it (`effective_entries`)."""
        return [entry for entry in self.effective_entries(setting) if isinstance(entry, str)]

    def effective_entries(self, setting: str) -> list[object]:
        """A list as Chromium has it: joined if the setting that says so has the last word, else the last file's. It is
        empty where the last file has no list, or where one entry of any file is of a wrong type (156). A joined list
        has each entry once, and begins with those of the last file.
        """
        joined, value = self.source(MERGE)[1], self.source(setting)[1]
        if not (isinstance(value, list) and isinstance(joined, list) and setting in joined):
            return value if takes_list(setting, value) else []  # type: ignore[return-value] # mypy widens it
        entries = [entry for file in sorted(self._read(), reverse=True) for entry in read_list(file.said, setting)]
        return make_distinct_entries(entries) if takes_list(setting, entries) else []

    def overriding(self) -> list[str]:
        """Files of the organisation that take effect away from Proscribe's, and by what."""
        joined = {one for one in self.expected if one in read_list(self.expected, MERGE)}
        found = self._spoiling(joined)
        for file in sorted(self.foreign):
            if file.name < self.own_name:
                continue  # Proscribe's comes later, and has the last word
            for setting in sorted(set(self.expected) & set(file.said) - {MARK, *self._fit.policies} - joined):
                value = file.said[setting]
                if setting == MERGE:
                    if not joined <= set(map(str, read_list(file.said, MERGE))):
                        found.append(
                            f"{file.name} sets {MERGE} without {', '.join(sorted(joined))}, after {self.own_name}"
                        )
                elif not is_same_json(value, self.expected[setting]):
                    found.append(f"{file.name} overrides {setting} of {self.own_name}")
        return found + self._clouded()

    def _clouded(self) -> list[str]:
        """Files that put the policies of a browser's account, or of its vendor's console, before all files."""
        name, value = self.source(CLOUD_FIRST)
        return [f"{name} sets {CLOUD_FIRST}, so that other policies win over all files here"] if value is True else []

    def unfit(self) -> list[str]:
        """Files that leave Proscribe's no room to block a permission of extensions."""
        if self._fit.fits:
            return []
        names = ", ".join(
            file.name for file in sorted(self.foreign) if {EXTENSION_SETTINGS, MERGE_DICTIONARIES} & set(file.said)
        )
        return [
            f"{names}: {self.own_name} cannot block the permission {NAMED} beside their {EXTENSION_SETTINGS}"
            f' without changing their effect: add it to blocked_permissions of "*" there'
        ]

    def _spoiling(self, joined: set[str]) -> list[str]:
        """Files whose part of a joined list is none that Chromium takes, and costs it the parts of all others."""
        return [
            f"{file.name} sets {setting} to what is no list of {ENTRIES.get(setting, 'texts')}:"
            f" it has no effect in {self.own_name} either"
            for file in sorted(self.foreign)
            for setting in sorted(joined & set(file.said))
            if isinstance(file.said[setting], list) or self.own_name < file.name == self.source(setting)[0]
            if not takes_list(setting, file.said[setting])
        ]

    def loose(self) -> list[str]:
        """Files of the organisation that others than root could change, and so make policies with."""
        return [f"{file.name} beside it {file.loose}" for file in sorted(self.foreign) if file.loose]

    def _too_many(self, setting: str, entries: list[str]) -> str:
        """What to do where the organisation's files and Proscribe's have more entries than browsers surely take."""
        tried = self.place.id in TRIED
        if len(entries) <= (CHROMIUM_ENTRIES if tried else MOST_ENTRIES):
            return ""
        theirs = [(file.name, value) for file in sorted(self.foreign) if (value := read_list(file.said, setting))]
        by_file = ", ".join(f"{len(value)} in {name}" for name, value in theirs)
        known = f"Chromium takes {CHROMIUM_ENTRIES}"
        return (
            f"{len(entries)} entries in {setting} of all files together{f' ({by_file})' if by_file else ''},"
            f" {known if tried else f'{known}, and of its relatives only {MOST_ENTRIES} are known'}: shorten the"
            " organisation's, or restrict fewer services"
        )

    def _openers(self) -> list[tuple[Name, str]]:
        """What the organisation's files open of what has to be blocked, and the words for each."""
        required = Closest(map(str, self.rules.block), map(str, self.rules.allow))
        found = []
        for file in sorted(self.foreign):
            for text in read_list(file.said, ALLOW):
                entry = chromium_entry(text)
                if entry and entry.name.host != "*" and required.blocked(entry.name):
                    found.append((entry.name, f"{file.name} allows {text}"))
        return found

    def observed(self) -> Observed:
        """What all the files together come to."""
        block, allow = self.effective(BLOCK), self.effective(ALLOW)
        required = Closest(map(str, self.rules.block), map(str, self.rules.allow))
        entries = [entry for entry in map(chromium_entry, allow) if entry and entry.name.host != "*"]
        own_allow = set(self.rules.allow)
        openings = [e.name for e in entries if e.name not in own_allow and required.blocked(e.name)]
        overriding = self.overriding()
        wrong = [*self.faults.file, *self.faults.directories, *self._differences()]
        wrong += [*overriding, *self.other_headers(), *self.unfit(), *self.loose()]
        wrong += [f"{name} beside it is a copy of it, and counts" for name in self.backups]
        many = {name: entries for name, entries in ((BLOCK, block), (ALLOW, allow)) if self._too_many(name, entries)}
        cut = {name: self._too_many(name, many[name]) for name in many if len(many[name]) > CHROMIUM_ENTRIES}
        wrong += cut.values()
        return Observed(
            unseen="; ".join(self.odd),
            # Of what is cut off, the exceptions count as if they were there: they may open something.
            effect=Closest(block[:CHROMIUM_ENTRIES], allow),
            unclear="; ".join(self._too_many(name, many[name]) for name in many if name not in cut),
            openings=sorted(set(openings)),
            openers=self._openers(),
            why=self._why() or (overriding[0] if overriding else ""),
            settings=self._settings(),
            unblocked=frozenset(self._unblocked()),
            wrong=wrong,
        )

    def _why(self) -> str:
        if not self.faults.readable:
            return (self.faults.file or self.faults.directories or ["not readable for users"])[0]
        return self.own.lost if self.own else "no policy file"

    def _differences(self) -> list[str]:
        """What is in the file that should not be, or is missing, in a few words."""
        if self.content == self.rendered:
            return []
        if self.own is None:
            return ["no policy file"]
        if self.own.lost:
            return [self.own.lost]
        different = describe_differences(self.own.said, self.expected)
        return [f"not as the plan has it: {different}"] if different else ["written in another format"]

    def _settings(self) -> dict[str, str]:
        """By setting that is open: what is wrong."""
        decided = self.decided()
        wrong = {
            id_: next(filter(None, (self._open(policy, value) for policy, value in closed.items())), "")
            for id_, closed in closing(self.rules, self.place).items()
            if id_ not in decided and id_ != PROXY_EXTENSIONS
        }
        if PROXY_EXTENSIONS in dict(self.rules.settings):
            wrong[PROXY_EXTENSIONS] = self._proxies()
        if SIGN_IN not in decided:
            wrong[SIGN_IN] = wrong.get(SIGN_IN) or explain_open_sign_in(self.rules, self.place)
        return {id_: why for id_, why in wrong.items() if why}

    def _open(self, policy: str, value: object) -> str:
        """Why a policy does not have the effect that it has to; "" if it has."""
        name, found = self.source(policy)
        if not name:
            return self._why() or f"{policy} is not set"
        if isinstance(value, list):
            entries = self.effective_entries(policy)
            missing = find_missing_entries(value, entries)
            if not missing:
                return next(iter(self.other_headers()), "") if policy == TENANT_HEADERS else ""
            entry = missing[0] if isinstance(missing[0], str) else shorten_value(missing[0])
            return next(iter(self._spoiling({policy})), "") or f"{policy} is without {entry}"
        return "" if is_same_json(found, value) else f"{name} sets {policy} to {shorten_value(found)}"

    def other_headers(self) -> list[str]:
        """The file that has browsers send another value of a header than the plan's."""
        from .tenants import overriding_header

        required = read_list(self.expected, TENANT_HEADERS)
        entry, header = overriding_header(required, self.effective_entries(TENANT_HEADERS))
        files = (file.name for file in sorted(self.foreign) if entry in read_list(file.said, TENANT_HEADERS))
        return [f"{next(files, self.own_name)} sets another value of the header {header}"] if header else []

    def _proxies(self) -> str:
        """Why extensions may have a proxy that should not; "" if none may."""
        files = self._read()
        settings = effective(files)
        lists = Lists(self.effective(NO_EXTENSIONS), self.effective(SOME_EXTENSIONS), self._forced())
        open_ = list(openings(settings, lists, self.rules.chrome_allowed))
        if not open_:
            return ""
        if open_[0] == EVERY:
            return self._why() or next(iter(self.unfit()), "") or self._undecided(files)
        key = next((one for one in settings if open_[0] in (one, *one.split(","))), "")
        name = deciding(files, key) if key else ""
        more = f", and {len(open_) - 1} more" if len(open_) > 1 else ""
        where = name or "a list of the organisation's"
        allowed = "proscribe_browser_extensions_allowed"
        return f"{where} lets {open_[0]}{more} have the permission {NAMED}: refuse it there, or name it in {allowed}"

    def _undecided(self, files: list[File]) -> str:
        if key := flawed(together(files)):
            return (
                f'{deciding(files, key)}: the entry "{key}" is not valid, and costs all {EXTENSION_SETTINGS} its effect'
            )
        name = deciding(files, EVERY)
        return f'{name or self.own_name} does not block the permission {NAMED} in "*" of {EXTENSION_SETTINGS}'

    def _forced(self) -> list[str]:
        return [one.partition(";")[0] for one in self.effective("ExtensionInstallForcelist")]

    def _unblocked(self) -> set[str]:
        """The extensions that have to be refused and are not. An exception wins over a refusal:
        https://chromeenterprise.google/policies/#ExtensionSettings
        """
        blocked, allowed = self.effective(NO_EXTENSIONS), self.effective(SOME_EXTENSIONS)
        entries = by_id(effective(self._read()))
        forced = self._forced()
        found = set()
        for id_ in self.rules.chrome_extensions if EXTENSIONS in dict(self.rules.settings) else ():
            mode = entries.get(id_, {}).get(MODE)
            refused = mode in REFUSING or (mode is None and (id_ in blocked or "*" in blocked))
            if not refused or (mode is None and (id_ in allowed or id_ in forced)):
                found.add(id_)
        return found
