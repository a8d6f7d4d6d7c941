"""The operating system of a host: its files, release and services, names, budgets, sessions and texts."""

import _socket
import contextlib
import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_hosts import make_directories, write_files
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST
from proscribe.host import system
from proscribe.host.system import (
    DARWIN,
    ControlError,
    Host,
    ObservationError,
    Process,
    escape_text,
    file_locks,
    format_one_line,
    name_resolution,
)
from proscribe.host.system.budget import ReadBudget
from proscribe.host.system.file_locks import lock_file, make_deadline
from proscribe.host.system.name_resolution import NameResolution, resolve_name
from proscribe.host.system.sessions import SESSIONS_DIRECTORY, list_logged_in_users
from proscribe.host.system.subordinate_ids import read_subordinate_ids
from proscribe.host.system.types import summarise_reasons
from proscribe.wire import installation
from refusals import make_refusal

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")


@pytest.fixture
def host(tmp_path):
    make_directories(tmp_path, "etc", "var/lib", "home", "proc")
    return Host(str(tmp_path))


def test_file_is_renamed_once(host, tmp_path):
    host.write_file("/etc/a", "ours")
    host.write_file("/etc/b", "theirs")
    assert host.rename_file("/etc/a", "b")
    assert not host.rename_file("/etc/a", "b") and not host.rename_file("/none/a", "b")
    assert {path.name: path.read_text() for path in (tmp_path / "etc").iterdir()} == {"b": "ours"}
    (tmp_path / "etc/d").mkdir()
    with pytest.raises(ControlError, match="^cannot rename /etc/b: Is a directory$"):
        host.rename_file("/etc/b", "d")


def test_processes_with_hidden_executables_are_counted(host, monkeypatch):
    for pid in ("1", "7", "8"):
        os.mkdir(host.root + f"/proc/{pid}")
    monkeypatch.setattr(system.os, "readlink", make_refusal(PermissionError(13, "Permission denied")))
    assert host.list_processes() == ([], 2)


def test_platform_is_read_from_os_release_except_on_a_mac(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    machine = {"kernel": os.uname().release, "architecture": os.uname().machine}
    machine["python"] = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    debian = 'PRETTY_NAME="A B=C"\nID=debian\nVERSION_ID="12"\nno line\n\nA="x\n'
    texts = {"": (sys.platform, ""), "ID=arch\n": ("arch", ""), "ID='rhel'\nVERSION_ID=9.4\nV=x=y\n": ("rhel", "9.4")}
    for text, (name, version) in {None: (sys.platform, ""), **texts, debian: ("debian", "12")}.items():
        if text is not None:
            (tmp_path / "etc/os-release").write_text(text)
        assert Host(str(tmp_path)).describe_platform() == {"os": name, "version": version, **machine}
    monkeypatch.setattr(Host, "kernel_name", DARWIN)
    found = Host(str(tmp_path)).describe_platform()
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
    monkeypatch.setattr(system, "MAX_FILE_BYTES", 1000)
    service.says = says
    assert Host(str(tmp_path)).request_resource("/run/it", "/v2/things", LONGEST) == found
    [heard] = service.heard
    assert heard.startswith(b"GET /v2/things HTTP/1.1\r\n") and b"\r\nHost: localhost\r\n" in heard


def test_service_without_an_answer_is_none(tmp_path, service):
    host = Host(str(tmp_path))
    assert host.request_resource("/run/it", "/x", 0.05) is None
    assert host.request_resource("/run/none", "/x", LONGEST) is None
    assert host.request_resource("/none/it", "/x", LONGEST) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_datagram_is_exchanged_with_an_address_of_each_family(host, address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("there is no such address here")

        def echo():
            message, client = server.recvfrom(70_000)
            server.sendto(message[::-1], client)

        threading.Thread(target=echo, daemon=True).start()
        port, message = server.getsockname()[1], b"a" + bytes(20_000)
        assert host.send_datagram(address, port, message, LONGEST) == message[::-1]
        assert host.send_datagram(address, port, b"abc", 0.05) is None, "open and silent"
    with pytest.raises(ConnectionRefusedError):
        host.send_datagram(address, port, b"abc", LONGEST)


def test_file_that_is_no_program_is_refused(tmp_path):
    host, file = Host(str(tmp_path)), tmp_path / "file"
    assert host.try_execution("/file") == errno.ENOENT
    file.write_text("# no program\n")
    for mode, number in ((0o700, errno.ENOEXEC), (0o600, errno.EACCES)):
        file.chmod(mode)
        assert host.try_execution("/file") == number


def test_directory_as_a_host_has_no_kernel_and_no_library(tmp_path, monkeypatch):
    monkeypatch.setattr(system, "read_ruleset_generation", lambda: "a state")
    monkeypatch.setattr(system, "is_destination_refused", lambda *given: given)
    monkeypatch.setattr(name_resolution, "resolve_name", lambda *given: given)
    for host, answers in ((Host(str(tmp_path)), [None] * 3), (Host(), ["a state", ("192.0.2.1", 5), ("x", 0, 2.0)])):
        state, refused = host.read_ruleset_generation(), host.is_destination_refused("192.0.2.1", 5)
        assert [state, refused, host.resolve_name("x", 0, 2.0)] == answers


@ROOT
def test_link_of_a_user_on_the_way_is_not_followed(host, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a").write_text("secret")
    (tmp_path / "home/alice").symlink_to(tmp_path / "secret")
    os.lchown(tmp_path / "home/alice", 65534, 65534)
    asks = (host.read_file, host.list_directory, host.find_entry, host.delete_file)
    for ask in (*asks, lambda path: host.write_file(path, "x")):
        with pytest.raises(ControlError, match="/home/alice is a link that uid 65534 made: not followed"):
            ask("/home/alice/a")
    assert (tmp_path / "secret/a").read_text() == "secret"


def test_deleted_executable_is_listed_and_a_kernel_thread_is_not(host, tmp_path):
    make_directories(tmp_path, "proc/7", "proc/8")
    (tmp_path / "proc/7/exe").symlink_to("/opt/wechat/wechat (deleted)")
    (tmp_path / "proc/uptime").write_text("1 1")
    assert host.list_processes() == ([Process(7, "/opt/wechat/wechat")], 0)


def test_lock_that_a_run_waited_for_is_the_one_that_is_there_and_goes_with_it(host):
    def wait():
        with host.lock_host(timeout=LONGEST):
            held.append(os.stat(host.root + "/run/proscribe.lock").st_mode & 0o777)

    os.makedirs(host.root + "/run")
    held = []
    with host.lock_host():
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        assert held == []
    waiting.join()
    assert held == [0o600] and os.listdir(host.root + "/run") == []


@given(st.text())
def test_escaped_text_is_printable(text):
    assert escape_text(text).isprintable() and format_one_line(text).isprintable()


def test_several_reasons_are_the_first_and_a_number():
    assert [summarise_reasons(reasons) for reasons in ([], ["no"], ["a", "b", "c"])] == ["", "no", "a (and 2 more)"]


def test_text_of_a_user_commands_no_terminal_and_begins_no_line():
    texts = {"a\nJun 1 root: did nothing": ("a\\x0aJun 1 root: did nothing", "a Jun 1 root: did nothing")}
    texts |= {"grün": ("grün", "grün"), "": ("", ""), "\x1b[2Ja": ("\\x1b[2Ja", "[2Ja")}
    texts |= {"a\u202eb": ("a\\u202eb", "a b"), "a\xadb\x80": ("a\\xadb\\x80", "a b")}
    texts |= {"\udc7f\udc80\udd00": ("\\udc7f\\x80\\udd00", "")}
    assert {text: (escape_text(text), format_one_line(text)) for text in texts} == texts


def test_file_of_a_user_is_read_up_to_its_limit(tmp_path):
    """docs/apps.md has this figure, too."""
    host = Host(str(tmp_path))
    host.budget = ReadBudget()
    (tmp_path / "file").write_bytes(b"x" * 2**20)
    assert len(host.read_file("/file") or b"") == 2**20
    (tmp_path / "file").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(ObservationError, match=f"^/file is larger than {2**20} bytes"):
        host.read_file("/file")


@pytest.mark.parametrize("kind", ["files", "bytes read"])
def test_budget_may_be_spent_to_its_end_and_no_further(kind):
    budget = ReadBudget(1_200, 1_200, 60)
    budget.consume_amount(kind, 1_000)
    budget.consume_amount(kind, 200)
    assert budget.remaining == {**dict.fromkeys(budget.limits, 1_200), kind: 0}, "each is paid by itself"
    budget.consume_amount(kind, 0)
    with pytest.raises(ObservationError, match=f"^over budget: more than 1,200 {kind}$"):
        budget.consume_amount(kind, 1)
    with pytest.raises(ObservationError, match="over budget"):
        budget.consume_amount(kind, 0)


def test_budget_ends_with_its_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = ReadBudget(seconds=2.5)
    now[0] = 102.5
    budget.check_deadline()
    budget.consume_amount("files", 1)
    now[0] = 102.6
    for work in (budget.check_deadline, lambda: budget.consume_amount("files", 1)):
        with pytest.raises(ObservationError, match=r"^over budget: more than 2\.5 s$"):
            work()


def test_user_has_3_million_files_256_mib_and_15_seconds():
    """docs/apps.md promises these figures."""
    before, budget, after = time.monotonic(), ReadBudget(), time.monotonic()
    assert budget.remaining == budget.limits == {"files": 3_000_000, "bytes read": 2**28}
    assert budget.seconds == 15.0 and before + 15 <= budget.deadline <= after + 15


def write_session(host: Host, name: str, text: str) -> None:
    write_files(Path(host.root), {f"{SESSIONS_DIRECTORY}/{name}": text})


def make_session(user: str, leader: object = 2**22 + 1, kind: str = "user") -> str:
    return f"# a file of systemd's\nUSER={user}\nCLASS={kind}\nLEADER={leader}\nDESKTOP=a=b\n"


def test_users_with_a_session_are_listed_once(host):
    assert list_logged_in_users(host) == []
    write_session(host, "1.ref", make_session("a pipe"))
    texts = [make_session(user) for user in ("mara", "ann", "mara", "")]
    texts += [make_session("ours", os.getpid()), make_session("greeter", kind="greeter")]
    texts += ["CLASS=user\n", "CLASS=user\nUSER=tom\n", "USER=nobody\n", make_session("zoe", "²x"), ""]
    for number, text in enumerate(texts):
        write_session(host, str(number), text)
    assert list_logged_in_users(host) == ["ann", "mara", "tom", "zoe"]


def test_first_50_users_are_listed(host):
    for number in range(53):
        write_session(host, str(number), make_session(f"u{number:03}"))
    assert list_logged_in_users(host) == [f"u{number:03}" for number in range(50)]


def test_unreadable_sessions_are_no_users(host, monkeypatch):
    write_session(host, "1", make_session("mara"))
    monkeypatch.setattr(host, "read_text", make_refusal(ObservationError("no")))
    assert list_logged_in_users(host) == []


@contextlib.contextmanager
def open_file(host: Host) -> Iterator[int]:
    """Open the file as a process does: a lock belongs to the open file, not to a process."""
    descriptor = os.open(f"{host.root}/file", os.O_RDWR | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_lock_is_waited_for_until_its_deadline(tmp_path, monkeypatch):
    host, now = Host(str(tmp_path)), [100.0]
    monkeypatch.setattr(file_locks.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(file_locks.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    with open_file(host) as first, open_file(host) as other:
        assert lock_file(host, "/file", first, make_deadline())
        with pytest.raises(ControlError, match="^another process has held /file for 5 s$"):
            lock_file(host, "/file", other, make_deadline())
    assert 105.0 < now[0] < 105.1


def test_lock_is_had_soon_after_it_is_free(tmp_path, monkeypatch):
    host, pauses = Host(str(tmp_path)), []
    with open_file(host) as first, open_file(host) as other:
        assert lock_file(host, "/file", first, make_deadline())

        def wait(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                fcntl.flock(first, fcntl.LOCK_UN)

        monkeypatch.setattr(file_locks.time, "sleep", wait)
        assert lock_file(host, "/file", other, make_deadline()) and len(pauses) == 3 and max(pauses) < 0.1


def test_file_that_is_no_longer_at_its_path_is_not_locked(tmp_path):
    host = Host(str(tmp_path))
    with open_file(host) as first:
        (tmp_path / "file").rename(tmp_path / "older")
        assert not lock_file(host, "/file", first, make_deadline())
        with open_file(host) as other:
            assert not lock_file(host, "/file", first, make_deadline())
            assert lock_file(host, "/file", other, make_deadline())


def test_lookup_ends_with_its_timeout(monkeypatch):
    monkeypatch.setattr(_socket, "getaddrinfo", lambda *_: time.sleep(100) or [])
    began = time.monotonic()
    with pytest.raises(ObservationError, match=r"no answer for slow\.example within 0\.1 s"):
        resolve_name("slow.example", 0, 0.1)
    assert time.monotonic() - began < 50


@ROOT
@pytest.mark.parametrize(
    ("order", "mode", "addresses"),
    [
        ("hosts: files dns", 0o644, ["0.0.0.0", "::"]),
        ("hosts: dns", 0o644, []),
        ("hosts: files [SUCCESS=continue] dns", 0o644, []),
        ("hosts: files dns", 0o600, []),  # which root could read
    ],
)
def test_real_c_library_answers_as_for_an_ordinary_user(tmp_path, order, mode, addresses):
    for name, text in {"hosts": "0.0.0.0 a.example\n:: a.example\n", "nsswitch.conf": f"{order}\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # where nobody answers: it has no network
    (tmp_path / "hosts").chmod(mode)
    files = ("hosts", "nsswitch.conf", "resolv.conf")
    mounts = "".join(f"mount --bind {tmp_path}/{name} /etc/{name}; " for name in files)
    code = "import sys; sys.path.insert(0, sys.argv[1]); from proscribe.host.system.name_resolution import resolve_name"
    asks = code + "; print(*resolve_name('A.EXAMPLE', 0, 20).addresses)"
    script = f'{mounts} exec "$0" -I -S -c "$1" "$2"'
    argv = ["unshare", "--mount", "--net", "sh", "-c", script, sys.executable, asks, str(installation.CODE_DIRECTORY)]
    assert sorted(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()) == addresses


def test_library_is_asked_for_the_name_and_the_family(monkeypatch):
    def answer(name, service, family, kind):
        return [(family, kind, 0, "", (name.decode(), 0)), (family, kind, 0, "", ("::1", 0))]

    monkeypatch.setattr(_socket, "getaddrinfo", answer)
    assert resolve_name("a.example", _socket.AF_INET, 600) == NameResolution(("a.example", "::1"))


def test_ordinary_user_asks_without_giving_up_rights(monkeypatch):
    monkeypatch.setattr(name_resolution.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(name_resolution.os, "setgroups", lambda _: pytest.fail("it is not root"), raising=False)
    monkeypatch.setattr(name_resolution, "_query_resolver", lambda *_: NameResolution(("192.0.2.1",)))
    assert resolve_name("a.example", 0, 600).addresses == ("192.0.2.1",)


@ROOT
def test_lookup_has_no_rights_of_root_and_gives_none_away(monkeypatch):
    def note_rights(*_):
        rights.append((os.geteuid(), os.getegid(), os.getgroups()))
        return NameResolution()

    rights, groups = [], os.getgroups()
    monkeypatch.setattr(name_resolution, "_query_resolver", note_rights)
    try:
        os.setgroups([0, 7])
        before = os.getresuid(), os.getresgid(), os.getgroups()
        resolve_name("name.example", 0, 5)
        assert rights == [(65534, 65534, [])] and (os.getresuid(), os.getresgid(), os.getgroups()) == before
    finally:
        os.setgroups(groups)


@pytest.mark.parametrize(
    ("error", "resolution"),
    [
        (_socket.gaierror(_socket.EAI_NONAME, "no such name"), NameResolution()),
        (_socket.gaierror(_socket.EAI_NODATA, "no address"), NameResolution()),
        (_socket.gaierror(_socket.EAI_AGAIN, "try again"), NameResolution(failure="try again")),
        (OSError(24, "too many open files"), NameResolution(failure="too many open files")),
    ],
)
def test_missing_name_is_no_failure(monkeypatch, error, resolution):
    monkeypatch.setattr(_socket, "getaddrinfo", make_refusal(error))
    assert resolve_name("a.example", 0, 600) == resolution


def test_subordinate_number_belongs_to_the_user_who_has_its_range(host):
    """A user starts programs as each of 65,536 of them (subuid(5))."""
    Path(host.root, "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    lines = (
        "ann:100000:65536 1001:200000:10 root:300000:9 no:310000:9 ann:x:9 ann:320000:9x ann:3²:9 ann:99999999999:9 ann"
    )
    Path(host.root, "etc/subuid").write_text(lines.replace(" ", "\n"))
    owner_of = read_subordinate_ids(host)
    owners = {99_999: 99_999, 100_000: 1000, 165_535: 1000, 165_536: 165_536, 200_000: 1001, 200_010: 200_010}
    numbers = [*owners, 300_000, 310_000, 320_000, 0]
    assert [owner_of(number) for number in numbers] == [*owners.values(), 300_000, 310_000, 320_000, 0]
