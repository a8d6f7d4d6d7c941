"""What an operator may ask of quarantines: a selector that is forgotten, empty or mistyped never widens it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from proscribe.controller.cli import Refused, quarantine
from proscribe.controller.cli.command_line import main
from proscribe.controller.custody.request import ARGUMENTS, Request, Wrong, hosts_of, mistyped, read


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Request("list")),
        ({"do": "list", "users": ["alice"]}, Request("list", users=("alice",))),
        ({"do": "restore", "ids": ["a-0123abcd", " a-0123abcd "]}, Request("restore", ids=("a-0123abcd",))),
        ({"do": "prune", "all": True, "older_than": "30d"}, Request("prune", all=True, older_than=30 * 86400)),
        ({"do": "restore", "hosts": ["a"], "accept_loss": True}, Request("restore", hosts=("a",), accept_loss=True)),
    ],
)
def test_what_is_asked(values: dict[str, Any], expected: Request) -> None:
    assert read(values) == expected


def test_what_nobody_asked_for_is_neither_everything_nor_a_loss() -> None:
    nothing = {"hosts": (), "users": (), "services": (), "ids": (), "all": False, "older_than": 0, "accept_loss": False}
    assert Request("list")._asdict() == read({})._asdict() == {"do": "list", **nothing, "format": "table"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Request("list", format="table")),  # nothing is ever chosen that nobody has named
        ({"do": "restore", "ids": "a-0123abcd,b-0123abcd"}, Request("restore", ids=("a-0123abcd", "b-0123abcd"))),
        ({"do": "prune", "users": ["al"], "hosts": "a", "services": "x"}, Request("prune", ("a",), ("al",), ("x",))),
        ({"do": "prune", "all": "yes", "older_than": "1d"}, Request("prune", all=True, older_than=86400)),
        ({"do": "restore", "all": True, "accept_loss": "true"}, Request("restore", all=True, accept_loss=True)),
        ({"format": "table"}, Request("list", format="table")),
        ({"format": "json"}, Request("list", format="json")),
        *(({key: value}, None) for key, value in (("do", "purge"), ("format", "yaml"))),
        *(({key: {"a": 1}}, None) for key in ("all", "accept_loss", "hosts", "users", "services", "ids")),
    ],
)
def test_the_variables_of_the_playbook_are_read_as_ansible_reads_arguments(
    values: dict[str, Any], expected: Request | None
) -> None:
    validated = ArgumentSpecValidator(ARGUMENTS).validate(values)
    assert (None if validated.error_messages else read(validated.validated_parameters)) == expected


SELECTORS = "one of --host, --user, --service, --id, or --all for everything there is"


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        (
            {"do": "restore"},
            [f"restore: found no selector, expected {SELECTORS}"],
        ),
        ({"do": "prune", "older_than": "30d"}, ["prune: found no selector"]),
        ({"do": "restore", "accept_loss": True}, ["restore: found no selector"]),
        ({"do": "prune", "users": [""]}, ["--user: found nothing"]),
        ({"do": "prune", "ids": ["", "a-0123abcd"]}, ["--id: found nothing, expected a name"]),
        ({"do": "prune", "users": ["alice", " "]}, ["--user: found nothing"]),
        ({"do": "prune", "all": True, "users": ["alice"]}, ["--all: found beside a selector"]),
        ({"do": "prune", "users": ["alice"], "older_than": "30"}, ["--older-than: '30' is not a length of time"]),
        ({"do": "prune", "users": ["alice"], "accept_loss": True}, ["--accept-loss: found with prune"]),
        ({"do": "list", "older_than": "0d", "ids": ["x"]}, ["--id: found 'x'", "--older-than: '0d'"]),
    ],
)
def test_what_cannot_be_meant(values: dict[str, Any], mistakes: list[str]) -> None:
    with pytest.raises(Wrong) as wrong:
        read(values)
    found = [line[: len(start)] for line, start in zip(wrong.value.mistakes, mistakes)]
    assert (found, len(wrong.value.mistakes)) == (mistakes, len(mistakes))
    assert str(wrong.value).splitlines() == list(wrong.value.mistakes)


@pytest.mark.parametrize(
    "id_",
    ["../etc", "wechat-0123abcd/..", "/wechat-0123abcd", "wechat-0123abcd.unfinished", "wechat-0123ABCD", "$(id)", "*",
     "wechat-0123abcd\n", "-0123abcd", "a" * 65 + "-0123abcd", "README"],
)  # fmt: skip
def test_an_id_with_parts_of_a_path_is_none(id_: str) -> None:
    if id_.strip() == id_:
        with pytest.raises(Wrong, match="--id: found "):
            read({"do": "restore", "ids": [id_]})
    else:
        assert read({"do": "restore", "ids": [id_]}).ids == (id_.strip(),)


def test_the_hosts_that_are_asked() -> None:
    assert hosts_of(read({}), ["a", "b"], {"a", "b", "c"}) == ["a", "b"]
    assert hosts_of(read({"hosts": ["b"]}), ["a", "b"], {"a", "b", "c"}) == ["b"]
    with pytest.raises(Wrong) as wrong:
        hosts_of(read({"hosts": ["web10", "web2", "a*"]}), ["web1"], ["web1", "web2"])
    assert wrong.value.mistakes == (
        "--host: found 'web10', expected a host of the inventory, did you mean 'web1'?",
        "--host: found 'web2', expected a host that --limit leaves",
        "--host: found 'a*', expected a host of the inventory",
    )


def test_a_mistyped_variable_of_the_playbook_is_one_of_ours() -> None:
    assert mistyped(["quarantine_hosts", "quarantine_users"]) == [
        "quarantine_hosts: found an unknown variable, expected quarantine_host",
        "quarantine_users: found an unknown variable, expected quarantine_user",
    ]
    for name in ("quarntine_host", "quarantinehost", "my_quarantine_host"):
        assert mistyped([name]) == [f"{name}: found an unknown variable, expected quarantine_host"]
    assert mistyped(["quarantine_vlan", "quarantine_all", "quarantine_id", "users", "proscribe_quarantine_keep"]) == []
    (typed,) = mistyped(["quarantine_vlan", "quarantine_id", "our_vlan"], ["quarantine_vlan", "our_vlan"])
    assert typed.startswith(
        "quarantine_vlan: found an unknown variable, expected one of quarantine_do, quarantine_host, "
    )


def test_what_is_ansibles_is_handed_on_in_its_order_and_ours_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []

    def execute(file: str, argv: list[str]) -> None:
        became.append(argv)
        raise SystemExit  # the process is another program now

    monkeypatch.setattr(quarantine.os, "execvp", execute)
    monkeypatch.setenv("PROSCRIBE_ANSIBLE_PLAYBOOK", "/opt/ansible-playbook")
    words = ["restore", "-i", "inv", "--id", "a-0123abcd,b-0123abcd", "-e", "quarantine_all=true", "--user", "alice"]
    with pytest.raises(SystemExit):
        main(["quarantine", *words, "--limit", "web*", "--check", "-vv", "--vault-password-file", "x"])
    ((program, playbook, *rest, option, extra),) = became
    assert (program, playbook.rpartition("/")[2], option) == ("/opt/ansible-playbook", "quarantine.yml", "-e")
    options = ["-i", "inv", "-e", "quarantine_all=true", "--limit", "web*", "--check", "-vv"]
    assert rest == [*options, "--vault-password-file", "x"]
    variables = quarantine.json.loads(extra)
    assert variables["quarantine_id"] == ["a-0123abcd", "b-0123abcd"] and variables["quarantine_user"] == ["alice"]
    assert variables["quarantine_all"] is False, "no variable of a caller's makes it more than what was checked"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["restore", "wechat-0123abcd"], "an id is given with --id wechat-0123abcd"),
        (["restore", "--all", "-i", "inv", "wechat-0123abcd"], "an id is given with --id wechat-0123abcd"),
        (["restore", "--id", "a-0123abcd", "--format", "json"], "--format json: found with restore"),
        (["prune"], "prune: found no selector"),
        (["list", "--user", "alice,,bob"], "--user: found nothing"),
    ],
)
def test_nothing_is_run_for_what_cannot_be_meant(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quarantine.os, "execvp", lambda *argv: pytest.fail(f"ran {argv}"))
    assert main(["quarantine", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_options_and_the_variables_are_the_same() -> None:
    parser = quarantine.argparse.ArgumentParser()
    quarantine.add_arguments(parser)
    assert {action.dest for action in parser._actions} - {"help"} == set(quarantine.ARGUMENTS)
    assert issubclass(Refused, Exception)
