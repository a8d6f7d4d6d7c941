"""What a host depends on, file by file and line by line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.management_exemptions import (
    control_connections,
    gateways,
    own_names,
    package_sources,
    resolvers,
    resolvers_need_tls,
    ssh_ports,
)
from proscribe.host.system import ControlError, Host, Unseen

ZEROS = "0" * 32


def host(root: Path, files: Mapping[str, str]) -> Host:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Host(str(root))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("eth0 00000000 {gateway} 0003 0 0 0 00000000", True),
        ("eth0 00000000 {gateway} 0013 0 0 0 00000000", True),
        ("eth0 00000000 {gateway} 0001 0 0 0 00000000", False),
        ("eth0 00000001 {gateway} 0003 0 0 0 00000000", False),
        ("eth0 00000000 {gateway} 0003 0 0 0 000000FF", False),
        ("eth0 00000000 {gateway} 0003 0 0 0", False),
    ],
)
def test_which_routes_lead_to_a_gateway(tmp_path: Path, line: str, found: bool) -> None:
    number = int.from_bytes(bytes([203, 0, 113, 1]), sys.byteorder)
    text = f"Iface Destination\n{line.format(gateway=f'{number:08X}')}\n"
    assert gateways(host(tmp_path, {"proc/net/route": text})) == ["203.0.113.1"] * found


@pytest.mark.parametrize(
    ("to", "length", "flags", "found"),
    [
        (ZEROS, "00", "3", True),
        (ZEROS, "00", "13", True),
        (ZEROS, "00", "1", False),
        (ZEROS, "40", "3", False),
        ("2" + ZEROS[1:], "00", "3", False),
    ],
)
def test_which_routes_of_ipv6_do(tmp_path: Path, to: str, length: str, flags: str, found: bool) -> None:
    line = f"{to} {length} {ZEROS} 00 fe800000000000000000000000000001 0 0 0 {flags}"
    for text, there in [(f"{line} eth0\n", found), (line, found), (line.rpartition(" ")[0], False)]:
        expected = ["fe80:0000:0000:0000:0000:0000:0000:0001"] * there
        assert gateways(host(tmp_path, {"proc/net/ipv6_route": text})) == expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nameserver 192.0.2.1\nnameserver\t192.0.2.2\nnameserver 192.0.2.1", ["192.0.2.1", "192.0.2.2"]),
        ("nameserver fe80::1%eth0", ["fe80::1"]),
        ("search 192.0.2.1\nnameserver\n# nameserver 192.0.2.1", []),
        ("nameserver 192.0.2.1234", []),
        ("nameserver 192.0.2", []),
        ("nameserver 192.0.2.x", []),
        ("nameserver ::1", ["::1"]),
        ("nameserver 1:2:3:4:5:6:7:8", ["1:2:3:4:5:6:7:8"]),
        ("nameserver 1:2:3:4:5:6:7:8:9", []),
        ("nameserver 1:2", []),
        ("nameserver 12345::1", []),
        ("nameserver g::1", []),
        ("nameserver ::ffff:192.0.2.1", ["::ffff:192.0.2.1"]),
    ],
)
def test_the_name_servers_of_a_host(tmp_path: Path, text: str, found: list[str]) -> None:
    assert resolvers(host(tmp_path, {"etc/resolv.conf": text})) == found


@pytest.mark.parametrize(
    ("value", "strict"),
    [
        *(("yes", True), ("true", True), ("On", True), ("1", True), ("0", False), ("no", False), ("", False)),
        *(("yes\nDNSOverTLS=no", False), ("no\nDNS = x\nXDNSOverTLS=yes", False)),
    ],
)
def test_whether_answers_are_taken_over_tls_only(tmp_path: Path, value: str, strict: bool) -> None:
    assert resolvers_need_tls(host(tmp_path, {})) is False
    assert resolvers_need_tls(host(tmp_path, {"etc/systemd/resolved.conf": f"DNSOverTLS={value}\n"})) is strict
    later = {"etc/systemd/resolved.conf.d/a.conf": "DNSOverTLS=no\n"}
    assert resolvers_need_tls(host(tmp_path, later)) is False


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("Port 65535\nPort 1\nport 1", [1, 65535]),
        ("Port 65536\nPort 0\nPort", [22]),
        ("ListenAddress 192.0.2.1:2200", [2200]),
        ("listenaddress [2001:db8::1]:2200", [2200]),
        ("ListenAddress 2001:db8::1\nListenAddress a.example", [22]),
        ("GatewayPort 2200\nMatch Address 192.0.2.1:2200", [22]),
    ],
)
def test_the_ports_of_sshd(tmp_path: Path, text: str, ports: list[int]) -> None:
    assert ssh_ports(host(tmp_path, {"etc/ssh/sshd_config": text})) == ports


def chain(*parents: str) -> dict[str, str]:
    """A process, its parent and so on, each with its environment."""
    names = ["self", *(str(100 + number) for number in range(1, len(parents)))]
    files = {}
    for number, (name, environment) in enumerate(zip(names, parents)):
        files[f"proc/{name}/environ"] = environment
        files[f"proc/{name}/status"] = f"Name:\tx\nPPid:\t{101 + number if name != names[-1] else 0}\n"
    return files


def test_what_cannot_be_read_of_a_process_ends_the_way_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = "SSH_CONNECTION=192.0.2.{} 5 192.0.2.9 22"
    made = host(tmp_path, chain(connection.format(1), "", connection.format(2)))
    (tmp_path / "proc/101/environ").write_bytes(b"A=\xff\0" + connection.format(3).encode())
    assert control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 3, 2)]
    (tmp_path / "proc/101/environ").unlink()
    assert control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 2)]
    (tmp_path / "proc/102/status").unlink()
    assert control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 2)]
    read = Host.read
    for error in (Unseen("not yours"), OSError("gone")):
        monkeypatch.setattr(Host, "read", refusing(error, lambda path: "101" in path, read))
        assert control_connections(made) == [("192.0.2.1", 22)]


def refusing(error: Exception, concerns: Callable[[str], bool], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def ask(self: Host, path: str, *words: Any) -> Any:
        if concerns(path):
            raise error
        return otherwise(self, path, *words)

    return ask


@pytest.mark.parametrize("error", [Unseen("not yours"), ControlError("a device")])
@pytest.mark.parametrize("what", ["list", "text"])
def test_a_file_or_folder_that_cannot_be_read_names_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, error: Exception
) -> None:
    files = {"etc/apt/sources.list.d/a": "http://a.example", "etc/yum.repos.d/b": "http://b.example"}
    made = host(tmp_path, files)
    assert package_sources(made) == ["a.example", "b.example"]
    monkeypatch.setattr(Host, what, refusing(error, lambda path: "apt" in path, getattr(Host, what)))
    assert package_sources(made) == ["b.example"]


def test_what_it_calls_itself(tmp_path: Path) -> None:
    own = os.uname().nodename.lower()
    assert own_names(host(tmp_path, {"etc/hostname": "Web01.Example.org\n\n"})) == {own, "web01.example.org"}
