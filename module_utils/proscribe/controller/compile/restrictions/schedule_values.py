"""Readers for restrictions about scheduled runs. Each raises UnexpectedValue for a wrong value."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...policy_errors import DescribedValue, UnexpectedValue
from ..reading.value_readers import read_duration

SCHEDULE_METHODS = ("controller", "pull", "awx", "off")

# Options that the schedule itself passes to a run.
SCHEDULE_OPTIONS = ("-i", "--inventory", "-l", "--limit")


def _make_text_reader(expression: str, expected: str) -> Callable[[object], str]:
    """Return a reader for texts that match a regular expression."""

    def read_text(setting: object) -> str:
        if not isinstance(setting, str) or not re.fullmatch(expression, setting):
            raise UnexpectedValue("", setting, expected)
        return str(setting)

    return read_text


# A calendar event. systemd itself validates it later.
read_calendar = _make_text_reader(
    r"(?! *\Z)[A-Za-z0-9 ,./:*~+_-]{1,100}",
    "a calendar event in the syntax of systemd.time(7): daily, or Mon..Fri *-*-* 02:30",
)
read_calendar_or_none = _make_text_reader(
    r"(?:(?! *\Z)[A-Za-z0-9 ,./:*~+_-]{1,100})?",
    "a calendar event in the syntax of systemd.time(7), such as weekly; or nothing",
)
# An empty value stands for the account that sets up the schedule.
read_account = _make_text_reader(r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,31})?", "the name of an account")
read_directory = _make_text_reader(r"(?:/[^\x00-\x1f\x7f]*)?", "an absolute path such as /srv/proscribe")
read_program = _make_text_reader(
    r"(?:/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f])?", "an absolute path such as /usr/bin/ansible-playbook"
)
read_branch = _make_text_reader(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}", "the name of a branch")
# An abbreviated commit could become ambiguous.
read_commit = _make_text_reader(
    r"(?:[0-9a-f]{40}|[0-9a-f]{64})?", "the whole name of a commit, in quotes, as `git rev-parse HEAD` prints it"
)


def read_spread_seconds(setting: object) -> int:
    """Return the longest delay of a run, in seconds; 0 for none."""
    if setting in (0, "0") and not isinstance(setting, bool):
        return 0
    return read_duration(setting)


def read_options(setting: object) -> tuple[str, ...]:
    """Return additional options for every scheduled run."""
    if not isinstance(setting, list | tuple):
        raise UnexpectedValue("", setting, "a list of options such as [--vault-password-file, /etc/proscribe/vault]")
    for index, word in enumerate(setting):
        if not isinstance(word, str) or not word.isprintable():
            raise UnexpectedValue(f"[{index}]", word, "one printable argument of a command line; numbers in quotes")
        if word.partition("=")[0] in SCHEDULE_OPTIONS:
            raise UnexpectedValue(
                f"[{index}]", word, "no option for inventory or hosts: those of the `schedule` run apply"
            )
    return tuple(str(word) for word in setting)


def read_inventory(setting: object) -> str:
    """Return a path inside the repository, or an absolute path; "" for the inventory of the `schedule` run."""
    is_good = (
        isinstance(setting, str) and setting.isprintable() and ".." not in setting.split("/") and setting[:1] != "-"
    )
    if not is_good:
        raise UnexpectedValue("", setting, "the inventory's path in the repository, such as inventory/prod")
    return str(setting)


def read_repository(setting: object) -> str:
    """Return the git URL or path of the repository; "" for none. Raises UnexpectedValue.

    Git's remote helpers (`ext::`) are refused, because they would run any command as root. A password in the URL is
    refused, because the URL is in files on the hosts.
    """
    expected = "a git URL such as https://git.example.org/it/proscribe.git, or an absolute path"
    if not isinstance(setting, str) or (setting and not re.fullmatch(r"[A-Za-z0-9_./][^\s\x00-\x1f\x7f]*", setting)):
        raise UnexpectedValue("", setting, expected)
    if (
        setting
        and "::" not in setting
        and (setting[0] == "/" or re.match(r"(https|ssh|file)://[^-]|[\w.-]+@[\w.-]+:", setting))
    ):
        if re.match(r"\w+://[^/?#:]*:[^/?#]*@", setting):
            no_password = (
                "no password in the URL: it would stand in the hosts' files; use a deploy key or git's credentials"
            )
            raise UnexpectedValue("", DescribedValue("a URL with a password"), no_password)
        return str(setting)
    if not setting:
        return ""
    raise UnexpectedValue("", setting, expected)


def read_signers(setting: object) -> tuple[str, ...]:
    """Return the signers of commits: lines of allowed_signers (ssh-keygen(1))."""
    if not isinstance(setting, list | tuple):
        raise UnexpectedValue("", setting, "a list of lines such as 'ops@example.org ssh-ed25519 AAAA...'")
    for index, line in enumerate(setting):
        if (
            not isinstance(line, str)
            or not line.isprintable()
            or not re.search(r"\S\s+(\S+\s+)*(sk-)?(ssh|ecdsa)-", line)
        ):
            raise UnexpectedValue(
                f"[{index}]", line, "a principal and the public key: 'ops@example.org ssh-ed25519 AAAA...'"
            )
    return tuple(str(line) for line in setting)
