"""Snaps: from the files of snapd, and from its own answer, given here by a server of the tests on a real socket.

The answer was put together after snapd's REST API documentation; no snapd ran for it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tools import DONE, Tools
from made_users import put, tree
from proscribe.host.controls.apps.systems import snap
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, Process
from proscribe.model.removed import Removed

ANSWER = {
    "type": "sync",
    "status-code": 200,
    "status": "OK",
    "result": [
        {
            "id": "yHSVjQzeRnKiRPmCr9vS4MV0dpRfvCLL",
            "name": "telegram-desktop",
            "type": "app",
            "version": "5.8.3",
            "revision": "6389",
            "channel": "latest/stable",
            "status": "active",
            "confinement": "strict",
            "mounted-from": "/var/lib/snapd/snaps/telegram-desktop_6389.snap",
        },
        {"name": "core22", "type": "base", "version": "20240904", "revision": "1621", "status": "active"},
    ],
}
IDS = {"telegram-desktop", "signal-desktop"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tree(tmp_path)
    for file in ("telegram-desktop_6380.snap", "telegram-desktop_6389.snap", "core22_1621.snap", "partial", "x.snap"):
        put(made, f"{snap.SNAPS}/{file}")
    (made / "run").mkdir()
    return made


@pytest.fixture
def snapd(root: Path) -> Iterator[Callable[[bytes], list[bytes]]]:
    """snapd's socket in the tree, with one answer for whoever asks; the requests are kept."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(root / "run", os.O_RDONLY)
    server.bind(f"/proc/self/fd/{directory}/snapd.socket")
    os.close(directory)

    def answering(answer: bytes) -> list[bytes]:
        requests: list[bytes] = []

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(answer)

        server.listen()
        threading.Thread(target=serve, daemon=True).start()
        return requests

    yield answering
    server.close()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


PATH = f"{snap.SNAPS}/telegram-desktop_6389.snap"


def test_snapd_reports_the_version(root: Path, snapd: Callable[[bytes], list[bytes]]) -> None:
    requests = snapd(http(json.dumps(ANSWER).encode()))
    [found], unseen = snap.query(Host(str(root)), IDS)
    assert (found.finding()[:6], unseen) == (
        ("package", "telegram-desktop", "snap", "5.8.3", "system", PATH),
        "",
    )
    assert requests[0].startswith(b"GET /v2/snaps HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense", http(b"{"), http(b"[]"), http(b"{}", "500 Internal Server Error")]
)
def test_what_snapd_does_not_tell_is_seen_all_the_same(
    root: Path, snapd: Callable[[bytes], list[bytes]], answer: bytes
) -> None:
    snapd(answer)
    [found], unseen = snap.query(Host(str(root)), IDS)
    assert (found.version, found.path, unseen) == ("revision 6389", PATH, "")


def test_each_instance_is_one_and_is_remembered_as_it_was_installed(
    root: Path, snapd: Callable[[bytes], list[bytes]]
) -> None:
    for file in ("slack_3.snap", "slack_work_9.snap", "slack_work_12.snap"):
        put(root, f"{snap.SNAPS}/{file}")
    put(root, "usr/bin/snap", mode=0o755)
    usual = {"name": "slack", "status": "active", "version": "4", "confinement": "strict"}
    result = [usual, {**usual, "name": "slack_work", "confinement": "classic", "tracking-channel": "latest/edge"}]
    found, _ = snap.query(Host(str(root)), {"slack"})
    assert [(one.id, one.handles, one.path.rpartition("/")[2]) for one in found] == [
        ("slack", ("slack",), "slack_3.snap"),
        ("slack", ("slack_work",), "slack_work_12.snap"),
    ]
    snapd(http(json.dumps({**ANSWER, "result": result}).encode()))
    actions, refused = snap.removal(Host(str(root)), found)
    assert [(one.name, one.how, one.source) for action in actions for one in action.takes] == [
        ("slack", "", ""),
        ("slack_work", "classic", "latest/edge"),
    ]
    assert refused == []


def test_without_snapd_the_files_tell(root: Path) -> None:
    [found], _ = snap.query(Host(str(root)), IDS)
    assert (found.id, found.version) == ("telegram-desktop", "revision 6389")


def test_nobody_is_asked_where_nothing_of_interest_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(str(root))
    monkeypatch.setattr(host, "get", lambda *_, **__: pytest.fail("snapd was asked"))
    assert snap.query(host, {"signal-desktop"}) == ([], "")
    assert snap.query(host, set()) == ([], "")


@pytest.mark.parametrize(
    ("file", "parsed"),
    [
        ("slack_12.snap", ("slack", "slack", "12")),
        ("slack_x1.snap", ("slack", "slack", "x1")),  # snap try
        ("slack_work_12.snap", ("slack", "slack_work", "12")),  # a parallel instance
        ("slack_12.snap.partial", ("", "", "")),
        ("../slack_12.snap", ("", "", "")),
        ("slack_12.snap\n", ("", "", "")),
    ],
)
def test_names_of_files(file: str, parsed: tuple[str, str, str]) -> None:
    assert snap.parse_file(file) == parsed


@given(st.text())
def test_any_name_of_a_file_is_read_without_an_error(file: str) -> None:
    assert len(snap.parse_file(file)) == 3


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(
    st.binary()
    | values.map(lambda v: json.dumps(v).encode())
    | values.map(lambda v: json.dumps({"result": v}).encode())
)
def test_any_answer_is_read_without_an_error(answer: bytes) -> None:
    assert all(isinstance(version, str) for version in snap.parse(answer).values())


@pytest.mark.parametrize(
    ("exe", "group", "id_"),
    [
        ("/snap/telegram-desktop/6389/usr/bin/Telegram", "", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop.telegram-desktop-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/snap.telegram-desktop_work.app-5a.scope", "telegram-desktop"),
        ("/usr/bin/python3", "/user.slice/app-org.gnome.Terminal.slice", ""),
        ("/snap/core22/1621/bin/sh", "", ""),
    ],
)
def test_whose_a_program_is(root: Path, exe: str, group: str, id_: str) -> None:
    (root / "proc/7").mkdir()
    (root / "proc/7/root").symlink_to(root)
    put(root, "proc/7/cgroup", f"0::{group}\n")
    put(root, exe)
    program = snap.programs(Host(str(root)), IDS, [Package("snap", "telegram-desktop")])
    assert program(Process(7, exe)) == id_
    assert snap.programs(Host(str(root)), IDS, [])(Process(7, exe)) == ""


def test_data_is_saved_before_a_snap_goes(root: Path) -> None:
    tools = Tools(("snap", DONE))
    package = Package("snap", "slack", "1", ("slack_work",))
    assert snap.removal(Host(str(root), tools), [package])[1] == [
        (package, "snap itself is not installed on this host")
    ]
    put(root, "usr/bin/snap", mode=0o755)
    [action], refused = snap.removal(Host(str(root), tools), [package])
    action.apply()
    assert (str(action), refused) == ("remove slack_work (system)", [])
    assert action.takes == (Removed("snap", "slack", "1", "system", "slack_work"),)
    assert tools.calls == ["snap save slack_work", "snap remove slack_work"]
