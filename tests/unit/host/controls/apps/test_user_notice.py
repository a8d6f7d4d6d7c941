"""Notifications to logged-in users: on real terminals, never blocking, never more than text."""

import os
import pty
import select
import tty
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from file_hosts import make_directories, write_files
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.apps import user_notice
from proscribe.host.controls.apps.requests.notifications import send_messages
from proscribe.host.controls.base import ControlAction
from proscribe.host.system import ControlError, Host, ToolResult

TWO = "Ask the service desk.\n請聯絡資訊科技服務台。"
HINT = 'To request an exception: proscribe-request {} "reason"'


@pytest.mark.parametrize(
    ("text", "verbs", "actions"),
    [
        ("Ask IT", ["write", "quarantine"], ["tell logged-in users"]),
        ("Ask IT", ["remove"], ["tell logged-in users"]),
        ("Ask IT", ["write"], []),
        ("", ["end"], []),
    ],
)
def test_notice_is_shown_before_losses_alone(text, verbs, actions):
    losses = [ControlAction(verb, "x", str) for verb in verbs]
    result = user_notice.make_notify_actions(Host("/nonexistent"), text, losses)
    assert [(str(item), item.before, item.after) for item in result] == [(item, "", f"{text}\n") for item in actions]


@given(st.text())
def test_a_notice_commands_nothing(text):
    cleaned = user_notice.clean_line(text)
    assert cleaned.isprintable() and len(cleaned) <= user_notice.MAX_LINE_CHARACTERS
    assert not set(cleaned) & set("<>&\x1b\n\r")


@pytest.mark.parametrize("text", ["<b>IT</b> <img src='https://e.example/x'/> &lt;b&gt;", "No\x1b]0;root\x07\x9b2J"])
def test_answer_to_a_request_is_plain_text(text, alice, monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr(user_notice, "_write_to_terminal", lambda host, name, message: shown.append(message.decode()))
    monkeypatch.setattr(user_notice, "list_terminals", lambda *_: iter(["/dev/pts/1"]))
    monkeypatch.setattr(user_notice, "_notify_desktop", lambda host, uid, bus, text: shown.append(text))
    monkeypatch.setattr(user_notice, "run_apart", lambda work, of: work())
    send_messages(Terminals(alice), [("alice", text, {})])
    assert len(shown) == 2
    for message in shown:
        line = message.strip().removeprefix("proscribe: ")
        assert line.isprintable() and not set("<>&") & set(line)  # the markup of Desktop Notifications 1.2 is XML's


@pytest.fixture
def alice(tmp_path):
    """Return the root of a host on which alice has a desktop."""
    make_directories(tmp_path, "run/user/1000")
    write_files(tmp_path, {"etc/passwd": "alice:x:1000:1000::/home/alice:/bin/sh\n"})
    return tmp_path


class Terminals(Host):
    def __init__(self, root: Path, run: Any = None) -> None:
        super().__init__(str(root), run or (lambda argv, **options: ToolResult(0, "", "")))

    def list_ancestor_pids(self) -> set[int]:
        return set()


def test_terminals_are_written_to_and_a_full_one_is_skipped(tmp_path):
    ours, theirs = pty.openpty()
    full, clogged = pty.openpty()
    name = os.ttyname(theirs)
    os.set_blocking(clogged, False)
    tty.setraw(clogged)
    while select.select([], [clogged], [], 0)[1]:
        os.write(clogged, b"x" * 1000)
    os.chmod(name, 0o620)

    class Two(Terminals):
        def list_directory(self, path: str) -> list[str]:
            return [os.path.basename(os.ttyname(fd)) for fd in (clogged, theirs)] if path == "/dev/pts" else []

    host = Two(Path("/"))
    assert name in list(user_notice.list_terminals(host))
    user_notice.notify_users(host, "WeChat is not allowed here; ask IT")
    assert select.select([ours], [], [], 5)[0]
    assert b"proscribe: WeChat is not allowed here; ask IT" in os.read(ours, 1000)
    os.chmod(name, 0o600)  # mesg n
    assert name not in list(user_notice.list_terminals(host))
    for descriptor in (ours, theirs, full, clogged):
        os.close(descriptor)


def test_desktops_are_asked_as_their_users_with_a_limit(alice, monkeypatch):
    limits: list[Any] = []
    monkeypatch.setattr(user_notice, "run_apart", lambda work, of: (limits.append(of), work()))  # the calls are noted
    calls: list[tuple[Sequence[str], Any]] = []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        calls.append((argv, options))
        raise ControlError("no answer")

    for user in ("1001", "odd"):
        (alice / "run/user" / user).mkdir()
    (alice / "run/user/1000/bus").touch()
    user_notice.notify_users(Terminals(alice, run), "it's over")
    ((argv, options),) = calls
    name = "org.freedesktop.Notifications"
    words = "busctl --address=unix:path=/run/user/1000/bus --auto-start=no --timeout=4 call"
    assert argv == [
        *f"{words} {name} /{name.replace('.', '/')} {name} Notify susssasa{{sv}}i proscribe 0".split(),
        *("dialog-information", "Restricted software", "it's over", "0", "0", "-1"),
    ]
    assert (options["user"].name, 4 < options["timeout"] <= 5) == ("alice", True)
    assert all(options["timeout"] < of.seconds <= 10 and of.memory == 0 for of in limits)
    for uid, times in ((1001, 1), (1000, 2)):
        user_notice.notify_users(Terminals(alice, run), "it's over", uid)
        assert len(calls) == times


@pytest.mark.parametrize(
    ("text", "verb", "until", "shown"),
    [
        (TWO, "quarantine", "2027-02-24T02:30:00Z", f"{TWO} What is moved is kept until 2027-02-24.\n"),
        ("\x1b[2J\n \n<b>x</b>", "end", "", "[2J\n(b)x(/b)\n"),
    ],
)
def test_a_notice_in_two_languages_is_shown_in_both_in_their_order(text, verb, until, shown):
    losses = [ControlAction(verb, "x", str)]
    (notification,) = user_notice.make_notify_actions(Host("/nonexistent"), text, losses, until)
    assert notification.after == shown


def test_text_on_a_terminal_has_a_line_for_each_language(tmp_path, monkeypatch):
    written: list[bytes] = []
    monkeypatch.setattr(user_notice, "list_terminals", lambda *_: iter(["/dev/pts/1"]))
    monkeypatch.setattr(user_notice, "_write_to_terminal", lambda host, name, message: written.append(message))
    for text in (TWO, "no text: \udc80"):
        user_notice.notify_users(Terminals(tmp_path), text)
    lines = "proscribe: Ask the service desk.\r\nproscribe: 請聯絡資訊科技服務台。"
    assert written == [f"\r\n\r\n{lines}\r\n\r\n".encode(), b"\r\n\r\nproscribe: no text:\r\n\r\n"]


def test_link_or_file_in_place_of_a_terminal_is_not_written_to(tmp_path, monkeypatch):
    ours, theirs = pty.openpty()
    (tmp_path / "link").symlink_to(os.ttyname(theirs))
    (tmp_path / "file").touch()
    monkeypatch.setattr(user_notice, "list_terminals", lambda *_: iter([f"{tmp_path}/link", f"{tmp_path}/file"]))
    user_notice.notify_users(Terminals(Path("/")), "Ask IT")
    assert not select.select([ours], [], [], 0)[0] and (tmp_path / "file").read_bytes() == b""
    os.close(ours)
    os.close(theirs)


DEVICES = {
    "/dev/pts/0": (0o020620, 1000, 5),
    "/dev/pts/1": (0o020620, 1001, 6),
    "/dev/pts/2": (0o020620, 0, 7),
    "/dev/pts/3": (0o020600, 1000, 8),  # mesg n
    "/dev/pts/4": (0o100620, 1000, 9),  # a file
    "/dev/pts/5": (0o020620, 1000, os.makedev(136, 300)),  # the one that this run talks to
    "/dev/pts/ptmx": (0o020620, 1000, 10),
    "/dev/tty1": (0o020620, 1000, 11),
    "/dev/tty2": (0o020620, 0, 12),  # which nobody uses
    "/dev/ttyS0": (0o020620, 1000, 13),
}


class Devices(Host):
    """A host with these devices, by mode, owner and number. Root alone makes real ones."""

    def list_ancestor_pids(self) -> set[int]:
        return {40, 41, 42}

    def list_directory(self, path: str) -> list[str]:
        names = [name for folder, _, name in (item.rpartition("/") for item in DEVICES) if folder == path]
        return names + ["gone"] * (path == "/dev/pts")

    def find_entry(self, path: str) -> Any:
        mode, uid, device = DEVICES.get(path, (0, 0, 0))
        return SimpleNamespace(st_mode=mode, st_uid=uid, st_rdev=device) if mode else None

    def read_text(self, path: str) -> str | None:
        number = 136 << 8 | (300 & 0xFF) | (300 & 0xFFF00) << 12
        return {"/proc/40/stat": f"40 (a) b) S 1 40 40 {number}", "/proc/41/stat": "41 (x) S 1 41 41"}.get(path)


@pytest.mark.parametrize(
    ("uid", "names"), [(None, ["pts/0", "pts/1", "pts/2", "tty1"]), (1000, ["pts/0", "tty1"]), (1001, ["pts/1"])]
)
def test_terminal_of_no_user_is_not_written_to(tmp_path, uid, names):
    terminals = user_notice.list_terminals(Devices(str(tmp_path)), uid)
    assert [path.removeprefix("/dev/") for path in terminals] == names


@pytest.mark.parametrize(
    ("text", "services", "hints"),
    [
        ("Ask IT", ["wechat"], [HINT.format("wechat")]),
        ("Ask IT", ["wechat", "qq"], [HINT.format("SERVICE")]),
        ("一", [], [HINT.format("SERVICE"), "申請例外許可：proscribe-request SERVICE 「理由」"]),
        ("请", [], [HINT.format("SERVICE"), "申请例外许可：proscribe-request SERVICE \u201c理由\u201d"]),
    ],
)
def test_hint_to_the_command_comes_last(text, services, hints):
    assert user_notice.append_request_hints(text, services, True).split("\n") == [text, *hints]
    assert user_notice.append_request_hints(text, services, False) == text
    assert user_notice.append_request_hints("", services, True) == ""
