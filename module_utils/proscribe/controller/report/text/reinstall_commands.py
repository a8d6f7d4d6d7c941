"""The command that installs removed packages again, built from fields that the host reported.

A host may be compromised, and an operator pastes the printed line. So the words of a command are ours
(package_commands.py). A host provides only a name or a path, in the spelling of the package system, and quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ....model.removal_record import RemovedPackage
from .package_commands import COMMANDS
from .shell_commands import quote_word

# Positions 0 to 2 in a value of COMMANDS: the pattern of ids, the pattern of names, the separator before a version.
# Positions 3 and 4: the commands by front end (`RemovedPackage.how`), and by mark (`RemovedPackage.mark`).

# The placeholders in a command: for all names of packages, or for a single name.
NAMES_FIELD, NAME_FIELD = "{names}", "{name}"
# The allowed forms of fields that a host reported. None of them can be an option or an address.
FIELD_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "tool": re.compile(r"(?:/[^/]+)*/?[a-z][a-z0-9.-]*"),
    "place": re.compile(r"/.+|[A-Za-z0-9][A-Za-z0-9._-]*|"),
    "source": re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._/-]*)?"),
}
VERSION_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_~-]{0,99}")
PYTHON_PIN = "=="  # stands before a version in Python's package systems, for which X_y and x-y are the same name
DEFAULT_INSTALLATION = "default"  # flatpak's name of the system-wide installation, which every host has
_TRANSIENT_SERVICE = (
    *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
    *("--property=KillSignal=SIGKILL", "--property=RuntimeMaxSec=3600"),
)
_NO_TERMINAL_SUFFIX = "</dev/null 2>&1 | cat -v"


def build_reinstall_command(packages: Sequence[RemovedPackage]) -> str:
    """Build the command line with which root installs removed packages again; "" for none.

    Packages without a command are left out. Packages of the same user with the same command share this command, unless
    it takes a single name. After the installation, a second command restores a package's mark, such as apt's `auto`.
    """
    lines: list[str] = []
    groups: dict[tuple[str, ...], list[RemovedPackage]] = {}
    ordered = sorted(packages, key=lambda package: (bool(package.user), package.user, package.manager, package.name))
    for package in filter(has_command, ordered):
        words = [*_list_command_words(package)]
        single_name = package.name if NAME_FIELD in words else ""
        groups.setdefault((package.user, package.manager, single_name, *words), []).append(package)
    for (user, manager, _, *line), members in groups.items():
        command_steps = [_build_command_line(user, line, members)]
        for mark, text in COMMANDS[manager][4].items():
            if marked_packages := [package for package in members if package.mark == mark]:
                command_steps.append(_build_command_line(user, text.split(), marked_packages, is_pinned=False))
        lines.append(" && ".join(command_steps))
    return "; ".join(lines)


def has_command(package: RemovedPackage) -> bool:
    """Return whether a package can be installed again by a command of its package system.

    The fields that the host reported must have the forms that the package system allows, or they could do harm.
    """
    reinstall_spec = COMMANDS.get(package.manager)
    if reinstall_spec is None or package.how not in reinstall_spec[3]:
        return False
    id_pattern, name_pattern, pin, *_ = reinstall_spec
    field_pattern = name_pattern.replace("{id}", re.escape(package.id))
    is_normalised = pin == PYTHON_PIN and _normalise_name(package.name) == _normalise_name(package.id)
    is_spelled = is_normalised or re.fullmatch(field_pattern, package.name)
    has_valid_fields = all(
        field_pattern.fullmatch(getattr(package, key))
        for key, field_pattern in FIELD_PATTERNS.items()
        if _is_field_needed(package, key)
    )
    return bool(re.fullmatch(id_pattern, package.id) and is_spelled and has_valid_fields)


def list_without_command(packages: Sequence[RemovedPackage]) -> list[RemovedPackage]:
    """Return the packages without a command, which an operator has to install from their files."""
    return [package for package in packages if not has_command(package)]


def _is_field_needed(package: RemovedPackage, key: str) -> bool:
    """Return whether a field of a package has to be checked, because the command of the package contains the field.

    A place is always checked unless it is "". Flatpak's command does not contain {place}, but {where} is made of it.
    """
    return f"{{{key}}}" in COMMANDS[package.manager][3][package.how] or (key == "place" and bool(package.place))


def _normalise_name(name: str) -> str:
    """Return the name of a Python package in the spelling that all its equal names share."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _list_command_words(package: RemovedPackage) -> Iterator[str]:
    """Yield the words of the command that installs a package, with a placeholder for the name.

    A word whose field is empty is left out. The field `where` is flatpak's option for the installation.
    """
    installation_option = "--user" if package.user else f"--installation={package.place or DEFAULT_INSTALLATION}"
    fields = {"tool": package.tool, "place": package.place, "source": package.source, "where": installation_option}
    for word in COMMANDS[package.manager][3][package.how].split():
        field_names = [key for key in fields if f"{{{key}}}" in word]
        if all(fields[key] for key in field_names):
            for key in field_names:
                word = word.replace(f"{{{key}}}", fields[key])
            yield word


def _build_command_line(
    user: str, words: Sequence[str], packages: Sequence[RemovedPackage], is_pinned: bool = True
) -> str:
    """Build the command line for these packages: for root, or to run as `user` if it is not "".

    If `is_pinned`, each name has the package's version where the package system allows that.
    """
    names = list(dict.fromkeys(_format_package_name(package, is_pinned) for package in packages))
    named_words = [*_fill_names(words, names)]
    return _build_line_for_account(user, named_words) if user else " ".join(map(quote_word, named_words))


def _fill_names(words: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command with names of packages instead of the placeholders.

    A command for a single name gets the first name.
    """
    for word in words:
        if word == NAMES_FIELD:
            yield from names
        else:
            yield word.replace(NAME_FIELD, names[0])


def _format_package_name(package: RemovedPackage, is_pinned: bool) -> str:
    pin = COMMANDS[package.manager][2] if is_pinned and VERSION_PATTERN.fullmatch(package.version) else ""
    return f"{package.name}{pin}{package.version}" if pin else package.name


def _build_line_for_account(account: str, words: Sequence[str]) -> str:
    """Return the command line with which root runs a program as another account of the host.

    The account controls its program. A program on root's terminal can type into that terminal (TIOCSTI), or stay there
    and request a password. So the program runs in a transient service of systemd. The service has no terminal, no file
    of root's but a pipe, and an end of all its processes. `cat -v` shows control characters as text.
    """
    # Double each $, because systemd replaces variables in arguments. Start the program by env: SELinux lets systemd
    # start env, but no program in a home directory.
    program = words if words[:1] == ["env"] else ["env", *words]
    escaped_words = [word.replace("$", "$$") for word in program]
    return (
        f"{' '.join(map(quote_word, [*_TRANSIENT_SERVICE, f'--uid={account}', '--', *escaped_words]))} "
        f"{_NO_TERMINAL_SUFFIX}"
    )
