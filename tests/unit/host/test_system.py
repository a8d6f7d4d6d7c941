"""The door to the operating system: files whole or not at all, hostile homes, and processes that are the ones meant."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from pathlib import Path

import pytest
from patience import LONGEST
from proscribe.host import system
from proscribe.host import system as host_module
from proscribe.host.system import DARWIN, ControlError, Host, names


def tree(root: Path) -> dict[str, str]:
    """Every path below a directory, with the content of files."""
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() and not path.is_symlink() else ""
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture
def made(tmp_path):
    """A host that is a made tree, with the directories that every host has."""
    for directory in ("etc", "var/lib", "home", "proc"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


def test_a_file_gets_another_name_once(made, tmp_path):
    made.write("/etc/a", "ours")
    made.write("/etc/b", "theirs")
    assert made.rename("/etc/a", "b") and not made.rename("/etc/a", "b") and not made.rename("/none/a", "b")
    assert tree(tmp_path / "etc") == {"b": "ours"}
    (tmp_path / "etc/d").mkdir()
    with pytest.raises(ControlError, match="^cannot rename /etc/b: Is a directory$"):
        made.rename("/etc/b", "d")


def test_what_hides_its_executable_is_counted_but_for_the_first_process(made, monkeypatch):
    for pid in ("1", "7", "8"):
        os.mkdir(made.root + f"/proc/{pid}")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(host_module.os, "readlink", refuse)
    assert made.processes() == ([], 2)


def test_two_runs_do_not_change_a_host_at_once(made):
    os.makedirs(made.root + "/run")
    with made.exclusive(), pytest.raises(ControlError, match="another run"), made.exclusive(patience=0):
        pass
    with made.exclusive(patience=0):
        pass


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ('PRETTY_NAME="A B=C"\nID=debian\nVERSION_ID="12"\nno line\n\nA="x\n', "debian", "12"),
        ("ID='rhel'\nVERSION_ID=9.4\nVARIANT_ID=x=y\n", "rhel", "9.4"),
        ("ID=arch\n", "arch", ""),
        ("", sys.platform, ""),
        (None, sys.platform, ""),
    ],
)
def test_its_system_in_a_few_words(tmp_path, text, name, version):
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/os-release").write_text(text)
    assert Host(str(tmp_path)).platform() == {
        "os": name,
        "version": version,
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}",
    }


def test_a_mac_has_no_such_file(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    monkeypatch.setattr(Host, "system", DARWIN)
    found = Host(str(tmp_path)).platform()
    assert (found["os"], found["version"]) == (sys.platform, "")


class Service:
    """A service behind a local socket, which says the same to everybody; `heard` is what it was given."""

    def __init__(self, place: Path) -> None:
        self.heard: list[bytes] = []
        self.says = b""
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.bind(str(place))
        self.listening.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                self.heard.append(connection.recv(4096))
                try:
                    connection.sendall(self.says)
                    if not self.says:
                        connection.recv(1)  # until the other one is gone
                except OSError:  # it does not read all of it
                    pass


@pytest.fixture
def service(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    made = Service(Path("run/it"))
    yield made
    made.listening.shutdown(socket.SHUT_RDWR)
    made.listening.close()


def reply(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (reply("200 OK", b"it"), b"it"),
        (reply("200 OK", b""), b""),
        (reply("404 Not Found", b"it"), None),
        (reply("201 Created", b"it"), None),
        (reply("200 OK", b"x" * 1000), b"x" * 1000),
        (reply("200 OK", b"x" * 1001), None),
        (b"nonsense\r\n\r\n", None),
    ],
    ids=["it", "nothing", "no such thing", "another status", "all", "more", "nonsense"],
)
def test_a_service_is_asked_over_its_socket(tmp_path, service, monkeypatch, says, found):
    monkeypatch.setattr(system, "LARGEST_FILE", 1000)
    service.says = says
    assert Host(str(tmp_path)).get("/run/it", "/v2/things", LONGEST) == found
    [heard] = service.heard
    assert heard.startswith(b"GET /v2/things HTTP/1.1\r\n") and b"\r\nHost: localhost\r\n" in heard


def test_who_does_not_answer_or_is_not_there_says_nothing(tmp_path, service):
    host = Host(str(tmp_path))
    assert host.get("/run/it", "/x", 0.05) is None
    assert host.get("/run/none", "/x", LONGEST) is None and host.get("/none/it", "/x", LONGEST) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_datagram_goes_to_either_kind_of_address(tmp_path, address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("there is no such address here")

        def echo():
            message, client = server.recvfrom(70_000)
            server.sendto(message[::-1], client)

        threading.Thread(target=echo, daemon=True).start()
        message = b"a" + bytes(20_000)
        assert Host(str(tmp_path)).exchange(address, server.getsockname()[1], message, LONGEST) == message[::-1]


@pytest.mark.parametrize(
    ("text", "mode", "number"),
    [("# no program\n", 0o700, errno.ENOEXEC), ("# no program\n", 0o600, errno.EACCES), (None, 0, errno.ENOENT)],
)
def test_what_is_no_program_is_refused(tmp_path, text, mode, number):
    if text is not None:
        (tmp_path / "file").write_text(text)
        (tmp_path / "file").chmod(mode)
    assert Host(str(tmp_path)).refused_execution("/file") == number


def test_a_made_tree_has_no_kernel_and_no_library_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "generation", lambda: "a state")
    monkeypatch.setattr(system, "refuses", lambda *given: given)
    monkeypatch.setattr(names, "resolve", lambda *given: given)

    def answers(host):
        return [host.ruleset_generation(), host.refuses("192.0.2.1", 5), host.resolve("a.example", 0, 2.0)]

    assert answers(Host(str(tmp_path))) == [None, None, None]
    assert answers(Host()) == ["a state", ("192.0.2.1", 5), ("a.example", 0, 2.0)]
