"""Readers for restrictions about scheduled runs. Each raises UnexpectedValue for a wrong value."""

from __future__ import annotations

import re

from ...policy_errors import DescribedValue, UnexpectedValue
from ..reading.value_readers import make_text_reader, read_duration, read_items

SCHEDULE_METHODS = ("controller", "pull", "awx", "off")

# Options that the schedule itself passes to a run.
SCHEDULE_OPTIONS = ("-i", "--inventory", "-l", "--limit")


# A calendar event. systemd itself validates it later.
read_calendar = make_text_reader(
    r"(?! *\Z)[A-Za-z0-9 ,./:*~+_-]{1,100}",
    "a calendar event in the syntax of systemd.time(7): daily, or Mon..Fri *-*-* 02:30",
)
read_calendar_or_none = make_text_reader(
    r"(?:(?! *\Z)[A-Za-z0-9 ,./:*~+_-]{1,100})?",
    "a calendar event in the syntax of systemd.time(7), such as weekly; or nothing",
)
# An empty value stands for the account that sets up the schedule.
read_account = make_text_reader(r"(?:[A-Za-z_][A-Za-z0-9_.-]{0,31})?", "the name of an account")
read_directory = make_text_reader(r"(?:/[^\x00-\x1f\x7f]*)?", "an absolute path such as /srv/proscribe")
read_program = make_text_reader(
    r"(?:/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f])?", "an absolute path such as /usr/bin/ansible-playbook"
)
read_branch = make_text_reader(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_./-]{0,200}", "the name of a branch")
# An abbreviated commit could become ambiguous.
read_commit = make_text_reader(
    r"(?:[0-9a-f]{40}|[0-9a-f]{64})?", "the whole name of a commit, in quotes, as `git rev-parse HEAD` prints it"
)


def read_spread_seconds(setting: object) -> int:
    """Return the longest delay of a run, in seconds; 0 for none."""
    if setting in (0, "0") and not isinstance(setting, bool):
        return 0
    return read_duration(setting)


def read_options(setting: object) -> tuple[str, ...]:
    """Return additional options for every scheduled run."""
    expected = "a list of options such as [--vault-password-file, /etc/proscribe/vault]"
    return read_items(setting, _read_option, expected)


def _read_option(setting: object) -> str:
    if not isinstance(setting, str) or not setting.isprintable():
        raise UnexpectedValue("", setting, "one printable argument of a command line; numbers in quotes")
    if setting.partition("=")[0] in SCHEDULE_OPTIONS:
        raise UnexpectedValue("", setting, "no option for inventory or hosts: those of the `schedule` run apply")
    return str(setting)


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
    return read_items(setting, _read_signer, "a list of lines such as 'ops@example.org ssh-ed25519 AAAA...'")


def _read_signer(setting: object) -> str:
    is_line = isinstance(setting, str) and setting.isprintable()
    if not is_line or not re.search(r"\S\s+(\S+\s+)*(sk-)?(ssh|ecdsa)-", str(setting)):
        raise UnexpectedValue("", setting, "a principal and the public key: 'ops@example.org ssh-ed25519 AAAA...'")
    return str(setting)
