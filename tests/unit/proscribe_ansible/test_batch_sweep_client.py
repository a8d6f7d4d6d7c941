"""The command of `ssh` for a host is what Ansible's own plugin would make for it, though it is made for two only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from proscribe_ansible import batch

REMOTE = "/usr/bin/python3 -c 'pass'"
ADDRESSES = ("10.77.0.1", "h1.example", "fe80::1%eth0", "a.invalid", "a.invalid.example", "-x", "b", "høst")


def plugin(**variables: Any) -> Any:
    """Ansible's plugin, with the options that these variables give it."""
    connection = connection_loader.get("ssh", PlayContext())
    connection.set_options(var_options=variables)
    return connection


def by_ansible(connection: Any, address: str) -> tuple[bytes, ...]:
    """What the plugin itself would run for a host."""
    found: list[list[bytes]] = []
    connection._run = lambda client, data, sudoable=True: found.append(client) or (0, b"", b"")
    connection.set_option("host", address)
    connection.exec_command(REMOTE, in_data=b"-")
    del connection._run
    return tuple(one if isinstance(one, bytes) else one.encode() for one in found[0])


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"ansible_user": "admin", "ansible_port": 2222},
        {"ansible_user": "a.invalid", "ansible_ssh_private_key_file": "/keys/a.invalid"},
        {"ansible_control_path": "%(directory)s/%%h-%%r"},
        {"ansible_ssh_common_args": "-o ControlPath=/run/%C"},
        {"ansible_ssh_common_args": "-o ProxyJump=a.invalid"},
        {"ansible_ssh_args": "-C"},
        {"ansible_ssh_extra_args": "-v"},
    ],
    ids=lambda variables: " ".join(map(str, variables.values())) or "usual",
)
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_command_that_is_filled_in_is_the_plugins_own(
    tmp_path: Path, variables: dict[str, Any], address: str
) -> None:
    given = {"ansible_control_path_dir": str(tmp_path), **variables}
    made = batch._client(plugin(**given), REMOTE, sudoable=True)
    assert made(address) == by_ansible(plugin(**given), address)


def test_a_plugin_whose_commands_differ_in_more_is_asked_for_each_host(tmp_path: Path) -> None:
    connection = plugin(ansible_control_path_dir=str(tmp_path))
    build = connection._build_command

    def more(*arguments: Any) -> Any:
        return [*build(*arguments), f"tag={connection.host[::-1]}"]

    connection._build_command = more
    made = batch._client(connection, REMOTE, sudoable=True)
    assert made("h1.example")[-1] == b"tag=elpmaxe.1h"


def test_the_plugin_is_asked_for_two_hosts_of_a_hundred(tmp_path: Path) -> None:
    connection, built = plugin(ansible_control_path_dir=str(tmp_path)), []
    build = connection._build_command
    connection._build_command = lambda *arguments: built.append(1) or build(*arguments)
    made = batch._client(connection, REMOTE, sudoable=True)
    assert len({made(f"10.77.0.{number}") for number in range(100)}) == 100
    assert len(built) == 2
