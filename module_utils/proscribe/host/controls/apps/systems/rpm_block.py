"""Install block of the rpm family, by which rpm, dnf and zypper refuse restricted packages.

rpm checks no policy before an installation, but it refuses a package that conflicts with an installed package. So
Proscribe installs an empty package, the guard (rpm_guard_package.py), which conflicts with each restricted package. The
guard works on every route, `rpm -i` too. dnf with `--allowerasing` would remove the guard, and so might a person. So
the guard is in dnf's list of protected packages, and has a lock in zypper. dnf and zypper also exclude the restricted
names themselves. The exclusions still work after somebody has erased the guard with rpm.
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Iterable, Sequence

from .....base.hashing import sha256
from .....base.lazy_patterns import compile_pattern
from .....base.named_tuple import NamedTuple
from ....system import WRITTEN_BY, Host
from ..blocks.parts import (
    DIFFERENT_PROBLEM,
    LEFT_OVER_PROBLEM,
    MISSING_PROBLEM,
    BlockFile,
    BlockPart,
    BlockTrial,
    SharedFile,
)
from ..blocks.polkit import make_packagekit_rule
from ..blocks.refusal_text import format_contact
from .guard_conflicts import GUARD_PACKAGE, GUARD_PACKAGE_PATH, PackageConflict, list_conflicts
from .package import InstallBlock
from .rpm_database import has_database, query_database

DNF_PROGRAMS = ("/usr/bin/dnf", "/usr/bin/dnf-3", "/usr/bin/dnf5", "/usr/bin/microdnf")
ZYPPER_PROGRAMS = ("/usr/bin/zypper",)
DNF_CONFIGURATION = "/etc/dnf/dnf.conf"
DNF_PROTECTED = "/etc/dnf/protected.d/proscribe.conf"
ZYPPER_LOCKS = "/etc/zypp/locks"

# rpm accepts these characters in the name of a package. Other characters could make a name a pattern or several names
# in a configuration file. Then other packages would be excluded too.
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


def make_block_parts(block: InstallBlock) -> tuple[BlockPart, ...]:
    """Return the parts of the install block: the guard package, and files of dnf, zypper and polkit.

    If a waiver permits a version of a package, only the guard refuses the other versions. dnf's and zypper's exclusions
    cannot distinguish versions.
    """
    names = sorted(id_ for id_ in block.ids if id_[:1].isalnum() and NAME_CHARACTERS.issuperset(id_))
    closed_names = [name for name in names if name not in block.permitted_versions]
    policy = f"Restricted by the policy of this organisation; ask {format_contact(block.contact)}."
    # The parts are installed in this order and removed in reverse. The protection and the lock would prevent the
    # removal of the guard. So they come after the guard, and are removed before it.
    locked_names = [*closed_names, *([GUARD_PACKAGE] if names else [])]
    return (
        SharedFile(DNF_CONFIGURATION, partial(merge_excludes, closed_names, policy), strip_excludes, DNF_PROGRAMS),
        GuardPackage(tuple(list_conflicts(names, block.permitted_versions)), policy, messages=tuple(block.messages)),
        BlockFile(DNF_PROTECTED, f"# {WRITTEN_BY}\n{GUARD_PACKAGE}\n", needed_paths=DNF_PROGRAMS),
        SharedFile(ZYPPER_LOCKS, partial(merge_locks, locked_names, policy), strip_locks, ZYPPER_PROGRAMS),
        make_packagekit_rule("rpm", block.closed_ids, block.contact),
        *(
            [BlockTrial("a made package", _list_dependencies, partial(_find_open_routes, closed_names[0]))]
            if closed_names
            else []
        ),
    )


def _list_dependencies(host: Host) -> Iterable[str]:
    """Return the paths of the files on which the result of the trial depends."""
    from . import rpm_trial  # loaded here, because only a trial needs it

    return rpm_trial.list_dependencies(host)


def _find_open_routes(restricted: str, host: Host) -> str:
    """Describe how the restricted package `restricted` could still be installed, or return ""."""
    from . import rpm_trial

    return rpm_trial.find_open_routes(host, restricted)


# -- exclusions of dnf -------------------------------------------------------------------------------------------------

BLOCK_BEGIN = "# proscribe: begin. "
BLOCK_END = "# proscribe: end"


def merge_excludes(names: Sequence[str], policy: str, text: str) -> str:
    """Return the dnf.conf `text` with lines of Proscribe that exclude the packages `names`.

    The lines are at the end of the section [main], the first with the sentence `policy` as a comment. dnf has two names
    for one option, `excludepkgs` and `exclude`, and adds their values. If one name occurs twice, its last line counts
    (dnf 4.23). So Proscribe's line has the name that the administrator does not use. If the administrator uses both,
    Proscribe's line repeats the administrator's value, which it would replace. If `names` is empty, earlier lines of
    Proscribe are removed.
    """
    foreign_text = strip_excludes(text)
    if not names:
        return foreign_text
    lines = foreign_text.splitlines(keepends=True)
    insert_line, values = _read_main_section(lines)
    key = "exclude" if "excludepkgs" in values else "excludepkgs"
    excluded_names = ",".join([*values.get(key, "").replace(",", " ").split(), *names])
    block_lines = [
        f"{BLOCK_BEGIN}{WRITTEN_BY}",
        f"# {policy}",
        *([] if insert_line else ["[main]"]),
        f"{key}={excluded_names}",
        BLOCK_END,
    ]
    insert_line = insert_line or len(lines)
    # The line before Proscribe's lines is the file's last line and has no line break. So Proscribe's last line has none
    # either, and `strip_excludes` can restore the file byte for byte.
    if insert_line and not lines[insert_line - 1].endswith("\n"):
        return foreign_text + "\n" + "\n".join(block_lines)
    return "".join([*lines[:insert_line], *(line + "\n" for line in block_lines), *lines[insert_line:]])


def strip_excludes(text: str) -> str:
    """Return the dnf.conf `text` without Proscribe's lines, from a line with BLOCK_BEGIN to the line BLOCK_END.

    A line with BLOCK_BEGIN that no BLOCK_END follows is left as it is.
    """
    lines = text.split("\n")
    last_end = max((number for number, line in enumerate(lines) if line == BLOCK_END), default=0)
    foreign_lines: list[str] = []
    line_index = 0
    while line_index < len(lines):
        if line_index < last_end and lines[line_index].startswith(BLOCK_BEGIN):
            line_index = lines.index(BLOCK_END, line_index)
        else:
            foreign_lines.append(lines[line_index])
        line_index += 1
    return "\n".join(foreign_lines)


def _read_main_section(lines: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Return the number of the last line of the section [main] in dnf.conf, and its options as values by name.

    Empty lines and comments at the end of the section do not count. The number is 0 if there is no [main]. If [main]
    occurs several times, its last occurrence gives the number.
    """
    last_line, section, key = 0, "", ""
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            section, key = line.strip(), ""
        elif not line.strip() or line[0] in "#;":
            continue
        elif section == "[main]" and line[0].isspace():  # continues the value of the line before
            values[key] = values.get(key, "") + " " + line.strip()
        elif section == "[main]":
            key, _, option_value = (word.strip() for word in line.partition("="))
            values[key] = option_value
        last_line = number if section == "[main]" else last_line
    return last_line, values


# -- locks of zypper ---------------------------------------------------------------------------------------------------

LOCK_TEMPLATE = "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {name}\ncomment: {comment}\n\n"
# A lock is a stanza: lines `key: value`, and an empty line. zypper rewrites the whole file in its own order and drops
# lines that it does not know. It keeps the comment of a lock, so the comment marks the locks of Proscribe.
OWN_LOCK_PATTERN = compile_pattern(r"(?m)(?:^\n)?(?:^\w+: .*\n)+?comment: Written by Proscribe.*\n(?:^\n)?")
STANZA_PATTERN = compile_pattern(r"(?m)(?:^\w+: .*(?:\n|\Z))+")


def merge_locks(names: Sequence[str], policy: str, text: str) -> str:
    """Return the zypper locks file `text` with a lock for each package in `names`, so that zypper does not change it.

    The comment of a lock has the sentence `policy`. Outdated locks of Proscribe are removed. A name that the
    administrator has locked already gets no second lock. If nothing has to change, the text is returned unchanged.
    """
    comment = f"{WRITTEN_BY}. {policy}"
    own_stanzas = [stanza for stanza in STANZA_PATTERN.findall(text) if "\ncomment: Written by Proscribe" in stanza]
    foreign_text = strip_locks(text)
    foreign_stanzas = {stanza.strip() for stanza in STANZA_PATTERN.findall(foreign_text)}
    desired_stanzas = [
        LOCK_TEMPLATE.format(name=name, comment=comment)
        for name in names
        if _format_plain_lock(name) not in foreign_stanzas
    ]
    if sorted(own_stanzas) == sorted(stanza.strip("\n") + "\n" for stanza in desired_stanzas):
        return text
    # Proscribe's locks go first, because the last line of the other locks may lack a line break.
    return "".join(desired_stanzas) + foreign_text


def _format_plain_lock(name: str) -> str:
    """Return the stanza (lines) of a lock on every version of a package, as zypper writes a lock without comment."""
    return LOCK_TEMPLATE.format(name=name, comment="").replace("comment: \n", "").strip()


def strip_locks(text: str) -> str:
    """Return the zypper locks file `text` without Proscribe's locks."""
    return OWN_LOCK_PATTERN.sub("", text) if "comment: Written by Proscribe" in text else text


def list_locked_names(text: str) -> set[str]:
    """Return the package names in Proscribe's locks. `text` is the zypper locks file."""
    own_locks = [match[0] for match in OWN_LOCK_PATTERN.finditer(text)]
    return {
        line.partition(": ")[2]
        for lock in own_locks
        for line in lock.splitlines()
        if line.startswith("solvable_name: ")
    }


# -- the guard ---------------------------------------------------------------------------------------------------------


class GuardPackage(NamedTuple):
    """Part of the install block: the guard, an empty rpm package that conflicts with restricted packages.

    rpm would refuse a guard that conflicts with an installed package. So the guard has no conflict with packages that
    are installed when the guard is installed. The release of the guard, a part of its version, is a digest of its
    content.
    """

    conflicts: tuple[PackageConflict, ...]
    policy: str  # sentence that users read when rpm refuses a package
    path: str = f"package {GUARD_PACKAGE}"  # name of the part in findings and actions
    # names of packages that this run removes before it installs the guard
    removed_packages: AbstractSet[str] = frozenset()
    # The organisation's texts, for the description of the guard package. Each refusal of rpm shows the guard's version.
    # A version has only Latin letters, so the texts cannot be there.
    messages: tuple[str, ...] = ()

    def exclude_packages(self, removed_packages: AbstractSet[str]) -> BlockPart:
        """Return this part for a host from which `removed_packages` are removed before the guard is installed.

        The guard can then conflict with these packages.
        """
        return self._replace(removed_packages=removed_packages)

    def is_applicable(self, host: Host) -> bool:
        return bool(self.conflicts)

    def find_problem(self, host: Host, called_for: bool) -> str:
        """Describe what is wrong with the installed guard, or return "".

        `called_for` says whether the plan requires the guard. If not, an installed guard is the problem.
        """
        release, present_names = self._observe_guard(host)
        if not called_for:
            return LEFT_OVER_PROBLEM if release else ""
        if not release:
            return MISSING_PROBLEM
        # A restricted package may have been installed after the guard: by force, or because a waiver permits its
        # version. So a guard that conflicts with it too is right.
        return "" if release in (self.make_release(present_names), self.make_release(set())) else DIFFERENT_PROBLEM

    def _observe_guard(self, host: Host) -> tuple[str, set[str]]:
        """Return the release of the installed guard ("" for no guard), and the restricted names that are installed.

        Packages that this run removes before it installs the guard do not count as installed.
        """
        if not has_database(host) or not host.find_tool("rpm"):
            return "", set()
        release = query_database(host, ["-q", "--qf", "%{NAME}\t%{RELEASE}", GUARD_PACKAGE]).partition(
            f"{GUARD_PACKAGE}\t"
        )[2]
        names = {conflict.name for conflict in self.conflicts}
        # The guard conflicts with every package that provides the name. Every package provides its own name.
        provided_names = (
            query_database(host, ["-q", "--qf", "[%{PROVIDENAME}\n]", "--whatprovides", *sorted(names)])
            if names
            else ""
        )
        return release, (names & set(provided_names.splitlines())) - self.removed_packages

    def list_active_conflicts(self, present_names: AbstractSet[str]) -> list[PackageConflict]:
        """Return the conflicts that a guard can have while the packages `present_names` are installed."""
        return [conflict for conflict in self.conflicts if conflict.name not in present_names]

    def make_release(self, present_names: AbstractSet[str]) -> str:
        """Return the release of the guard that can be installed beside the packages `present_names`.

        The release is a digest of the guard's content, so an installed guard with another content is recognised.
        """
        content = repr((self.list_active_conflicts(present_names), self.policy, *self.messages))
        return sha256(content.encode()).hexdigest()[:16]

    def is_in_place(self, host: Host) -> bool:
        """Return whether the guard is installed, or a file from its installation is left."""
        return bool(
            self._observe_guard(host)[0]
            or host.find_entry(GUARD_PACKAGE_PATH)
            or host.has_unfinished_write(GUARD_PACKAGE_PATH)
        )

    def read_current_text(self, host: Host) -> str:
        release = self._observe_guard(host)[0]
        return f"{GUARD_PACKAGE} {release}\n" if release else ""

    def make_desired_text(self, host: Host) -> str:
        """Return the guard's release and its conflicts after `enforce`, for a diff."""
        lines = [
            f"Conflicts: {' '.join(filter(None, conflict))}\n"
            for conflict in self.list_active_conflicts(self._observe_guard(host)[1])
        ]
        return f"{GUARD_PACKAGE} {self.make_release(self._observe_guard(host)[1])}\n" + "".join(lines)

    def make_lifted_text(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        """Install the guard, without conflicts with restricted packages that are installed.

        Raises ControlError.
        """
        from .rpm_guard_package import install_guard

        present_names = self._observe_guard(host)[1]
        install_guard(
            host,
            self.list_active_conflicts(present_names),
            self.make_release(present_names),
            self.policy,
            self.messages,
        )

    def lift(self, host: Host) -> None:
        from .rpm_guard_package import remove_guard

        if self._observe_guard(host)[0]:
            remove_guard(host)
        host.delete_file(GUARD_PACKAGE_PATH)
