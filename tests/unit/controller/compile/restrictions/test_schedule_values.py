"""What the restrictions of a schedule take, and what they refuse."""

from __future__ import annotations

import pytest
from proscribe.controller.compile.restrictions import RESTRICTIONS, channels, schedule_values
from proscribe.controller.policy_errors import Expected

KEY = "ops@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"

REPOSITORIES = ["https://git.example.org/it/proscribe.git", "ssh://git@git.example.org/proscribe"]
REPOSITORIES += ["git@git.example.org:it/proscribe.git", "/srv/git/proscribe.git"]
WEBHOOK = {"webhook": "https://chat.example.org/x?y=z"}

TAKEN = [
    (RESTRICTIONS["schedule"].read, "pull", "pull"),
    (RESTRICTIONS["schedule"].read, False, "off"),
    (schedule_values.read_calendar, "Mon..Fri *-*-* 02:30:00", "Mon..Fri *-*-* 02:30:00"),
    (schedule_values.read_calendar, "*:*:0/5", "*:*:0/5"),
    (schedule_values.read_spread, "30m", 1800),
    (schedule_values.read_spread, "0", 0),
    (schedule_values.read_spread, 0, 0),
    (RESTRICTIONS["schedule_timeout"].read, "6h", 21600),
    (schedule_values.read_options, ["--forks", "50"], ("--forks", "50")),
    (schedule_values.read_account, "", ""),
    (schedule_values.read_account, "proscribe", "proscribe"),
    (schedule_values.read_directory, "/srv/proscribe", "/srv/proscribe"),
    (schedule_values.read_program, "/usr/bin/ansible-playbook", "/usr/bin/ansible-playbook"),
    (schedule_values.read_program, "", ""),
    (schedule_values.read_inventory, "inventory/prod", "inventory/prod"),
    (schedule_values.read_inventory, "", ""),
    (schedule_values.read_options, ("-e", "x=-i"), ("-e", "x=-i")),
    (schedule_values.read_calendar_or_none, "", ""),
    (schedule_values.read_calendar_or_none, "weekly", "weekly"),
    (schedule_values.read_calendar, "x" * 100, "x" * 100),
    (schedule_values.read_repository, "ssh://git@git.example.org:22/x", "ssh://git@git.example.org:22/x"),
    (schedule_values.read_repository, "file:///srv/git", "file:///srv/git"),
    (schedule_values.read_signers, [f"ops sk-{KEY[16:]}"], (f"ops sk-{KEY[16:]}",)),
    (schedule_values.read_signers, [], ()),
    (schedule_values.read_repository, "", ""),
    *((schedule_values.read_repository, url, url) for url in REPOSITORIES),
    (schedule_values.read_branch, "main", "main"),
    (schedule_values.read_commit, "", ""),
    (schedule_values.read_commit, "0123456789abcdef" * 4, "0123456789abcdef" * 4),
    (schedule_values.read_commit, "a" * 40, "a" * 40),
    (schedule_values.read_signers, [KEY], (KEY,)),
    (schedule_values.read_signers, [f'* namespaces="git" {KEY[16:]}'], (f'* namespaces="git" {KEY[16:]}',)),
    (channels.read_notify, {"mail": "it@example.org"}, {"mail": "it@example.org"}),
    (channels.read_notify, WEBHOOK, WEBHOOK),
]

REFUSED = [
    (RESTRICTIONS["schedule"].read, "contoller", "did you mean 'controller'"),
    (schedule_values.read_calendar, "daily\nExecStart=/bin/sh", "systemd.time"),
    (schedule_values.read_calendar, " ", "systemd.time"),
    (schedule_values.read_spread, True, "length of time"),
    (schedule_values.read_spread, "-5m", "length of time"),
    (schedule_values.read_options, "--forks 50", "a list of options"),
    (schedule_values.read_options, [50], "in quotes"),
    (schedule_values.read_options, ["--limit", "x"], "no option for inventory or hosts"),
    (schedule_values.read_options, ["--limit=x"], "no option for inventory or hosts"),
    (schedule_values.read_options, ["a\nb"], "printable"),
    (schedule_values.read_account, "root\nUser=x", "account"),
    (schedule_values.read_directory, "srv", "absolute"),
    (schedule_values.read_program, "ansible-playbook", "absolute"),
    (schedule_values.read_program, "/usr/bin/", "absolute"),
    (schedule_values.read_inventory, "../elsewhere", "in the repository"),
    (schedule_values.read_inventory, "--help", "in the repository"),
    (schedule_values.read_repository, "ext::sh -c id", "a git URL"),
    (schedule_values.read_repository, "https::x", "a git URL"),
    *(
        (schedule_values.read_repository, url, "a git URL")
        for url in ("https://git.example.org/a::b", "/srv/a::b", "git@git.example.org")
    ),
    (schedule_values.read_repository, "--upload-pack=x", "a git URL"),
    (schedule_values.read_repository, "ssh://-oProxyCommand=x/y", "a git URL"),
    (schedule_values.read_repository, "http://git.example.org/x", "a git URL"),
    (schedule_values.read_repository, "https://u:secret@git.example.org/x", "no password"),
    (schedule_values.read_commit, "a" * 12, "the whole name"),
    (schedule_values.read_commit, 12345678, "in quotes"),
    (schedule_values.read_commit, "A" * 40, "the whole name"),
    (schedule_values.read_commit, "--output=/etc/x", "the whole name"),
    (schedule_values.read_branch, "-x", "name of a branch"),
    (schedule_values.read_branch, "a..b", "name of a branch"),
    (schedule_values.read_signers, ["nobody"], "the public key"),
    (channels.read_notify, {"mial": "x"}, "did you mean 'mail'"),
    (channels.read_notify, {"mail": "-x"}, "one mail address"),
    (channels.read_notify, {"mail": "a@b\nBcc: c@d"}, "one mail address"),
    (channels.read_notify, {"webhook": "file:///etc/passwd"}, "http or https"),
]


@pytest.mark.parametrize(("read", "value", "expected"), TAKEN)
def test_taken(read, value, expected):
    assert read(value) == expected


@pytest.mark.parametrize(("read", "value", "message"), REFUSED)
def test_refused(read, value, message):
    with pytest.raises(Expected) as raised:
        read(value)
    assert message in raised.value.expected


@pytest.mark.parametrize(
    ("read", "value", "key", "found"),
    [
        (schedule_values.read_options, ["--forks", 50], "[1]", 50),
        (schedule_values.read_options, ["-i"], "[0]", "-i"),
        (schedule_values.read_options, ["-l"], "[0]", "-l"),
        (schedule_values.read_options, ["x", "--inventory=y"], "[1]", "--inventory=y"),
        (schedule_values.read_options, "x", "", "x"),
        (schedule_values.read_signers, [KEY, "nobody"], "[1]", "nobody"),
        (schedule_values.read_signers, [f"{KEY}\n"], "[0]", f"{KEY}\n"),
        (schedule_values.read_signers, [KEY[16:]], "[0]", KEY[16:]),
        (schedule_values.read_signers, [7], "[0]", 7),
        (schedule_values.read_signers, KEY, "", KEY),
        (schedule_values.read_inventory, "a\nb", "", "a\nb"),
        (schedule_values.read_inventory, "a/../b", "", "a/../b"),
        (schedule_values.read_inventory, 7, "", 7),
        (schedule_values.read_repository, 7, "", 7),
        (schedule_values.read_repository, "/srv/a b", "", "/srv/a b"),
        (schedule_values.read_repository, "srv/git", "", "srv/git"),
        (schedule_values.read_calendar, "", "", ""),
        (schedule_values.read_calendar, "x" * 101, "", "x" * 101),
        (schedule_values.read_spread, False, "", False),
        (channels.read_notify, {"mial": "x"}, ".mial", "mial"),
        (channels.read_notify, {"mail": "-x"}, ".mail", "-x"),
        (channels.read_notify, {"mail": 7}, ".mail", 7),
        (channels.read_notify, {"webhook": "ftp://x"}, ".webhook", "something else"),
        (channels.read_notify, ["mail"], "", ["mail"]),
    ],
)
def test_the_part_that_is_wrong_is_named(read, value, key, found):
    with pytest.raises(Expected) as raised:
        read(value)
    assert (raised.value.key, raised.value.value) == (key, found)
