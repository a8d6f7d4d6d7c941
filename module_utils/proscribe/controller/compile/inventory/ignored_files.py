"""Files of `group_vars/` and `host_vars/` that Ansible ignores although it reads the folder.

For each group and host, Ansible takes a single entry: the first that exists of `name`, `name.yml`, `name.yaml` and
`name.json`. In an entry that is a folder, it takes the files with these endings. It also searches folders without a dot
in their name (`DataLoader.find_vars_files`). It ignores everything else there without a message.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible import constants
from ansible.errors import AnsibleError

from ....base.edit_distance import count_edits
from ...policy_errors import DescribedValue
from ..restrictions.variable_typos import is_policy_variable

VARIABLE_FOLDERS = {"group": "group_vars", "host": "host_vars"}
# Endings of files that no author expects Ansible to read: backups, samples and documentation.
IGNORED_ENDINGS = (
    *("~", ".bak", ".backup", ".orig", ".old", ".save", ".rej", ".swp", ".tmp", ".disabled", ".off", ".sample"),
    *(".example", ".template", ".dist", ".j2", ".md", ".rst", ".sig", ".rpmnew", ".rpmsave", ".dpkg-dist"),
    *(".dpkg-old", ".dpkg-new", ".ucf-dist", ".ucf-old"),
)
MAX_FILE_BYTES = 1024 * 1024  # bytes; larger files are not read
MAX_FILES = 100_000  # files that a run reads
MAX_VAULTS = 50  # encrypted files that a run reads: each takes a tenth of a second
MAX_DEPTH = 8  # depth of nested folders
MIN_WORD_LENGTH = 5  # letters; shorter words that differ in a single letter are taken for different names
KEY_PATTERN = re.compile(r"""(?:^|[{,\s"'])([A-Za-z][\w.-]{6,80})["']?\s*:""", re.MULTILINE)
VAULT_HEADER = b"$ANSIBLE_VAULT"
NAME_PART_PATTERN = re.compile(r"[a-z]+|[^a-z]+")


class IgnoredFile(NamedTuple):
    """A file that Ansible does not read, with its variables of Proscribe."""

    path: Path
    variables: Mapping[str, object]
    reason: str  # for the error message: the file that Ansible reads instead, or the right name
    missing: str = ""  # a group or host that the inventory does not have, if that is the only reason


class VariableFolder:
    """A folder beside an inventory or a playbook in which Ansible reads variables of these groups and hosts."""

    def __init__(self, path: Path, loader: Any, groups: Collection[str], hosts: Collection[str]) -> None:
        self.path, self._loader = path, loader
        self._names = {"group": groups, "host": hosts}
        # key: `group` or `host`, then a name with `a` in place of each word (_strip_letters); values: known names
        self._alike: dict[str, dict[str, list[str]]] = {}
        self._endings = ["", *constants.YAML_FILENAME_EXTENSIONS]  # in Ansible's order of search; "" for none
        self._files_left, self._vaults_left = MAX_FILES, MAX_VAULTS

    def find_ignored_files(self) -> Iterator[IgnoredFile]:
        """Yield the files with variables of Proscribe that Ansible does not read."""
        for kind, folder in VARIABLE_FOLDERS.items():
            for entry in list_names(self.path / folder):
                if not _is_left_out(entry):
                    yield from self._check_entry(kind, self.path / folder / entry)
        for entry in list_names(self.path):
            folder = self._guess_folder_name(entry)
            reason = f"a folder that is called {folder}: Ansible does not read {self.path / entry}"
            yield from self._select_with_variables(list_files(self.path / entry), reason) if folder else ()

    def _guess_folder_name(self, entry: str) -> str:
        """Return the intended name of a misnamed folder; "" for any other folder, or a file."""
        plain = entry.lower().replace("-", "_")
        intended_name = next((folder for folder in VARIABLE_FOLDERS.values() if count_edits(plain, folder, 1) <= 1), "")
        return intended_name if entry not in VARIABLE_FOLDERS.values() and (self.path / entry).is_dir() else ""

    def _check_entry(self, kind: str, path: Path) -> Iterator[IgnoredFile]:
        """Yield the ignored files of a file or folder in `group_vars/` or `host_vars/`.

        `kind` is `group` or `host`, `path` is the file or folder. An ignored file has the reason: another file takes
        precedence, a wrong ending, or a name that the inventory does not have.
        """
        known_names = self._names[kind]
        names = self._list_possible_names(path.name)
        known_name = next((name for name in names if name in known_names), "")
        if known_name:
            first = next((p for p in (path.with_name(known_name + end) for end in self._endings) if p.exists()), path)
            if first != path:
                reason = f"no variables in this file: Ansible reads {first} alone for the {kind} {known_name}"
                yield from self._select_with_variables(list_files(path), reason)
            elif path.is_dir():
                yield from self._find_passed_over_files(path)
            return
        stem = os.path.splitext(path.name)[0]
        if any(name in known_names for name in self._list_possible_names(stem)) and not path.is_dir():
            yield from self._select_with_variables([path], self._describe_endings())
            return
        name = names[-1]
        expected_file = f"a file that is named as a {kind} of the inventory"
        if intended_name := self._guess_name(kind, name):
            yield from self._select_with_variables(
                list_files(path), f"{expected_file}, did you mean {intended_name!r}?"
            )
        else:
            yield from self._select_with_variables(list_files(path), expected_file, f"{kind} {name}")

    def _list_possible_names(self, entry: str) -> list[str]:
        """Return the groups or hosts that a file or folder may be for: its name, and its name without an ending."""
        return [entry.removesuffix(ending) for ending in self._endings if entry.endswith(ending)]

    def _find_passed_over_files(self, folder: Path, depth: int = 0) -> Iterator[IgnoredFile]:
        """Yield the files that Ansible ignores in a folder of a group or host that it reads."""
        for entry in list_names(folder):
            path, ending = folder / entry, os.path.splitext(entry)[1]
            if _is_left_out(entry) or depth > MAX_DEPTH:
                continue
            if path.is_dir() and not ending:
                yield from self._find_passed_over_files(path, depth + 1)
            elif path.is_dir():
                reason = f"a folder without a dot in its name: Ansible does not search {path}"
                yield from self._select_with_variables(list_files(path), reason)
            elif ending not in self._endings:
                yield from self._select_with_variables([path], self._describe_endings())

    def _describe_endings(self) -> str:
        return f"a file that ends with {', '.join(self._endings[1:])}: Ansible reads no other here"

    def _guess_name(self, kind: str, name: str) -> str:
        """Return the known group or host that a mistyped name likely means; "" if there is none.

        The names may differ only in a single letter of one long word. Hosts are numbered, so names with different
        digits are different names. Short words that differ are different names, too.
        """
        if kind not in self._alike:
            alike = self._alike[kind] = {}
            for known_name in self._names[kind]:
                alike.setdefault(_strip_letters(known_name), []).append(known_name)
        words = NAME_PART_PATTERN.findall(_fold_name(name))
        for known_name in self._alike[kind].get(_strip_letters(name), ()):
            pairs = [
                pair for pair in zip(words, NAME_PART_PATTERN.findall(_fold_name(known_name))) if pair[0] != pair[1]
            ]
            are_long = all(min(map(len, pair)) >= MIN_WORD_LENGTH for pair in pairs)
            if not pairs or (len(pairs) == 1 and are_long and count_edits(*pairs[0], 1) <= 1):
                return known_name
        return ""

    def _select_with_variables(
        self, files: Iterator[Path] | Sequence[Path], reason: str, missing: str = ""
    ) -> Iterator[IgnoredFile]:
        """Yield those of `files` that have variables of Proscribe, with `reason` and `missing` (IgnoredFile)."""
        for file in files:
            if self._files_left and (variables := self._read_variables(file)):
                yield IgnoredFile(file, variables, reason, missing)

    def _read_variables(self, file: Path) -> Mapping[str, object]:
        """Return the variables of Proscribe in a file, by name; {} if the file cannot be read or decrypted.

        For a file with invalid YAML, return the names in its text, each with a placeholder.
        """
        self._files_left -= 1
        try:
            if not file.is_file() or file.stat().st_size > MAX_FILE_BYTES:
                return {}
            content = file.read_bytes()
        except OSError:
            return {}
        if content.startswith(VAULT_HEADER):
            self._vaults_left -= 1
            policy_variables = {}
        else:
            text = content.decode("utf-8", "replace")
            policy_variables = {
                name: DescribedValue("a value there") for name in filter(is_policy_variable, KEY_PATTERN.findall(text))
            }
            if not policy_variables:
                return {}
        if self._vaults_left < 0:  # too many encrypted files were read already
            return {}
        with contextlib.suppress(AnsibleError):
            data = self._loader.load_from_file(str(file), cache="none", unsafe=True)
            mapping = data if isinstance(data, Mapping) else {}
            return {str(name): setting for name, setting in mapping.items() if is_policy_variable(str(name))}
        return policy_variables


def _fold_name(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _strip_letters(name: str) -> str:
    """Return the name with `a` in place of each word. Names with the same result may be misspellings of each other."""
    return re.sub("[a-z]+", "a", _fold_name(name))


def _is_left_out(entry: str) -> bool:
    """Return True for a name that no author expects Ansible to read: a hidden file, a backup, documentation."""
    return entry.startswith((".", "#")) or entry.lower().endswith(IGNORED_ENDINGS)


def list_names(folder: Path) -> list[str]:
    """Return the sorted names in a folder; an empty list if the folder does not exist."""
    with contextlib.suppress(OSError):
        return sorted(os.listdir(folder))
    return []


def list_files(path: Path) -> Iterator[Path]:
    """Yield a file, or the files below a folder, without backups and samples. Links to folders are not followed."""
    if path.is_file():
        yield path
    for directory, folders, files in os.walk(path):
        folders.sort()
        if len(Path(directory).relative_to(path).parts) >= MAX_DEPTH:
            folders.clear()
        yield from (Path(directory, name) for name in sorted(files) if not _is_left_out(name))
