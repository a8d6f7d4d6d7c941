"""What an operator may ask of quarantines: a selector that is forgotten, empty or mistyped never widens it."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.custody.request import Wrong, hosts_of, mistyped, read

SELECTORS = "one of --host, --user, --service, --id, or --all for everything there is"


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"do": "restore"}, [f"restore: found no selector, expected {SELECTORS}"]),
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
