"""What is sent to a resolver, and what is read out of whatever comes back."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.dns.filtering import serves
from proscribe.host.controls.dns.question import TXT, ask
from proscribe.host.system import Host, Unseen

QUESTION = b"\x06filter\x09proscribe\x08internal\0\0\x10\0\x01"
HEADER = struct.pack(">HHHHHH", 0x5052, 0x8180, 1, 1, 0, 0)
RECORD = b"\xc0\x0c\0\x10\0\x01\0\0\0\0"


class Canned(Host):
    """A host whose resolver gives the replies of the test."""

    def __init__(self, *replies: bytes | None | OSError) -> None:
        super().__init__("/nonexistent")
        self.replies = list(replies)
        self.sent: tuple[str, int, bytes] | None = None
        self.waited: list[float] = []

    def exchange(self, address: str, port: int, message: bytes, timeout: float) -> bytes | None:
        self.sent = (address, port, message)
        self.waited.append(timeout)
        reply = self.replies[min(len(self.waited), len(self.replies)) - 1]
        if isinstance(reply, OSError):
            raise reply
        return reply


@pytest.mark.parametrize(
    ("address", "reply", "fine"),
    [
        ("127.0.0.1", HEADER + QUESTION + RECORD + b"\0\x06\x05abcde", True),
        ("127.0.0.1", HEADER + QUESTION + RECORD + b"\0\x06\x05abcdf", False),
        ("127.0.0.1", b"PR\x81\x83\0\0\0\0\0\0\0\0", False),
        ("127.0.0.1", b"PR\x81\x82\0\0\0\0\0\0\0\0", False),
        ("127.0.0.53", b"PR\x81\x82\0\0\0\0\0\0\0\0", True),  # systemd-resolved, offline
        ("127.0.0.53", b"PR\x81\x85\0\0\0\0\0\0\0\0", True),
        ("127.0.0.53", b"PR\x81\x83\0\0\0\0\0\0\0\0", False),
        ("127.0.0.53", ConnectionRefusedError(), False),
    ],
)
def test_whether_a_resolver_answers_out_of_the_file(address: str, reply: bytes | OSError, fine: bool) -> None:
    text = 'txt-record=filter.proscribe.internal,"abcde"\n'
    assert serves(Canned(reply), address, 53, text) is fine


def test_who_is_silent_is_not_seen_and_it_costs_six_seconds_at_most() -> None:
    host = Canned(None)
    with pytest.raises(Unseen, match=r"no answer from 127.0.0.1 port 53 \(asked 3 times in 6 s\)"):
        ask(host, "127.0.0.1", 53, "x.org", TXT)
    assert sum(host.waited) == 6
    with pytest.raises(Unseen):
        serves(Canned(None), "127.0.0.53", 53, "")


@given(st.binary(max_size=120))
def test_no_answer_can_make_it_fail(reply: bytes) -> None:
    for whole in (reply, HEADER + QUESTION + reply):
        answer = ask(Canned(whole), "127.0.0.1", 53, "x.org", TXT)
        assert answer is None or 0 <= answer.rcode < 16


def test_a_datagram_goes_to_the_address_and_back(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address, port = server.getsockname()

        def echo() -> None:
            message, client = server.recvfrom(100)
            server.sendto(message[::-1], client)

        threading.Thread(target=echo, daemon=True).start()
        assert Host(str(tmp_path)).exchange(address, port, b"abc", 60) == b"cba"
        assert Host(str(tmp_path)).exchange(address, port, b"abc", 0.05) is None, "open and silent"
    with pytest.raises(ConnectionRefusedError):
        Host(str(tmp_path)).exchange(address, port, b"abc", 60)
