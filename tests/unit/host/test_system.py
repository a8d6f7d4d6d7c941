"""The operating system of a host: renames, processes, its release, local services and the kernel."""

import errno
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from patience import LONGEST
from proscribe.host import system
from proscribe.host.system import DARWIN, ControlError, Host, Process, Unseen, User, names
from proscribe.host.system.forked import run_apart
from refusals import make_refusal

NOBODY = User("nobody", 65534, 65534, "/nonexistent")


@pytest.fixture
def host(tmp_path):
    for directory in ("etc", "var/lib", "home", "proc"):
        (tmp_path / directory).mkdir(parents=True)
    return Host(str(tmp_path))


def test_file_is_renamed_once(host, tmp_path):
    host.write("/etc/a", "ours")
    host.write("/etc/b", "theirs")
    assert host.rename("/etc/a", "b") and not host.rename("/etc/a", "b") and not host.rename("/none/a", "b")
    assert {path.name: path.read_text() for path in (tmp_path / "etc").iterdir()} == {"b": "ours"}
    (tmp_path / "etc/d").mkdir()
    with pytest.raises(ControlError, match="^cannot rename /etc/b: Is a directory$"):
        host.rename("/etc/b", "d")


def test_processes_with_hidden_executables_are_counted(host, monkeypatch):
    for pid in ("1", "7", "8"):
        os.mkdir(host.root + f"/proc/{pid}")
    monkeypatch.setattr(system.os, "readlink", make_refusal(PermissionError(13, "Permission denied")))
    assert host.processes() == ([], 2)


def test_second_run_is_refused_while_the_first_changes_the_host(host):
    os.makedirs(host.root + "/run")
    with host.exclusive(), pytest.raises(ControlError, match="another run"), host.exclusive(patience=0):
        pass
    with host.exclusive(patience=0):
        pass


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ('PRETTY_NAME="A B=C"\nID=debian\nVERSION_ID="12"\nno line\n\nA="x\n', "debian", "12"),
        ("ID='rhel'\nVERSION_ID=9.4\nVARIANT_ID=x=y\n", "rhel", "9.4"),
        ("ID=arch\n", "arch", ""),
        *((text, sys.platform, "") for text in ("", None)),
    ],
)
def test_platform_is_read_from_os_release(tmp_path, text, name, version):
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/os-release").write_text(text)
    machine = {"kernel": os.uname().release, "architecture": os.uname().machine}
    python = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    assert Host(str(tmp_path)).platform() == {"os": name, "version": version, "python": python, **machine}


def test_os_release_of_a_mac_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    monkeypatch.setattr(Host, "system", DARWIN)
    found = Host(str(tmp_path)).platform()
    assert (found["os"], found["version"]) == (sys.platform, "")


class Service:
    """A service behind a local socket, which says the same to everybody; `heard` is what it was given."""

    def __init__(self, place: Path) -> None:
        self.heard, self.says = [], b""
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
    service = Service(Path("run/it"))
    yield service
    service.listening.shutdown(socket.SHUT_RDWR)
    service.listening.close()


def reply(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (reply("200 OK", b""), b""),
        (reply("404 Not Found", b"it"), None),
        (reply("200 OK", b"x" * 1000), b"x" * 1000),
        (reply("200 OK", b"x" * 1001), None),
        (b"nonsense\r\n\r\n", None),
    ],
)
def test_service_is_asked_over_its_socket(tmp_path, service, monkeypatch, says, found):
    monkeypatch.setattr(system, "LARGEST_FILE", 1000)
    service.says = says
    assert Host(str(tmp_path)).get("/run/it", "/v2/things", LONGEST) == found
    [heard] = service.heard
    assert heard.startswith(b"GET /v2/things HTTP/1.1\r\n") and b"\r\nHost: localhost\r\n" in heard


def test_service_without_an_answer_is_none(tmp_path, service):
    host = Host(str(tmp_path))
    assert host.get("/run/it", "/x", 0.05) is None
    assert host.get("/run/none", "/x", LONGEST) is None and host.get("/none/it", "/x", LONGEST) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagram_is_exchanged_with_an_address_of_each_family(tmp_path, address):
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
def test_file_that_is_no_program_is_refused(tmp_path, text, mode, number):
    if text is not None:
        (tmp_path / "file").write_text(text)
        (tmp_path / "file").chmod(mode)
    assert Host(str(tmp_path)).refused_execution("/file") == number


def test_directory_as_a_host_has_no_kernel_and_no_library(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "generation", lambda: "a state")
    monkeypatch.setattr(system, "refuses", lambda *given: given)
    monkeypatch.setattr(names, "resolve", lambda *given: given)

    for host, answers in ((Host(str(tmp_path)), [None] * 3), (Host(), ["a state", ("192.0.2.1", 5), ("x", 0, 2.0)])):
        assert [host.ruleset_generation(), host.refuses("192.0.2.1", 5), host.resolve("x", 0, 2.0)] == answers


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
@pytest.mark.parametrize("mode", [0o000, 0o711])
@pytest.mark.parametrize("read", ["read", "list", "stat"])
def test_directory_of_another_user_is_unseen_or_passed(host, read, mode):
    host.write("/home/bob/a", "text")
    for place in (Path(host.root), *Path(host.root).parents):
        place.chmod(place.stat().st_mode | 0o011)
    os.chmod(host.root + "/home/bob", mode)

    def ask():
        return bool(getattr(host, read)("/home/bob" if read == "list" else "/home/bob/a"))

    if mode and read != "list":
        assert run_apart(ask, user=NOBODY)
    else:
        with pytest.raises(Unseen, match="can only be read by root$"):
            run_apart(ask, user=NOBODY)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
def test_link_of_a_user_on_the_way_is_not_followed(host, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a").write_text("secret")
    (tmp_path / "home/alice").symlink_to(tmp_path / "secret")
    os.lchown(tmp_path / "home/alice", 65534, 65534)
    for ask in (host.read, host.list, host.stat, host.delete, lambda path: host.write(path, "x")):
        with pytest.raises(ControlError, match="/home/alice is a link that uid 65534 made: not followed"):
            ask("/home/alice/a")
    assert (tmp_path / "secret/a").read_text() == "secret"


def test_deleted_executable_is_listed_and_a_kernel_thread_is_not(host, tmp_path):
    for pid in ("7", "8"):
        (tmp_path / "proc" / pid).mkdir()
    (tmp_path / "proc/7/exe").symlink_to("/opt/wechat/wechat (deleted)")
    (tmp_path / "proc/uptime").write_text("1 1")
    assert host.processes() == ([Process(7, "/opt/wechat/wechat")], 0)


def test_lock_that_a_run_waited_for_is_the_one_that_is_there_and_goes_with_it(host):
    os.makedirs(host.root + "/run")
    held = []

    def wait():
        with host.exclusive(patience=LONGEST):
            held.append(os.stat(host.root + "/run/proscribe.lock").st_mode & 0o777)

    with host.exclusive():
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        assert held == []
    waiting.join()
    assert held == [0o600] and os.listdir(host.root + "/run") == []
