"""The listener with real connections: the names that it counts."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patience import LONGEST, until
from proscribe.host.system import listener
from proscribe.host.system.listener import Listener, parse_http_host, parse_server_name

HTTP = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def hello(
    name: str, before: bytes = b"", session: bytes = b"", kind: int = 0, handshake: int = 1, suites: bytes = b"\x13\x01"
) -> bytes:
    """A TLS record with a client hello, as RFC 8446 has it."""
    entry = b"\x00" + len(name.encode()).to_bytes(2, "big") + name.encode()
    extensions = before + extension(kind, len(entry).to_bytes(2, "big") + entry) + extension(23, b"")
    body = b"\x03\x03" + bytes(32) + bytes([len(session)]) + session
    body += len(suites).to_bytes(2, "big") + suites + b"\x01\x00"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = bytes([handshake]) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (hello("a.example"), "a.example"),
        (hello("a.example", extension(10, b"12345") + extension(5, b"")), "a.example"),
        (hello("a.example", session=bytes(32), suites=bytes(600)), "a.example"),
        (hello("\u00e9.example"), "\ufffd\ufffd.example"),
        *((record, "") for record in (hello("a.example", kind=1), hello("a.example", handshake=2))),
        (b"\x17" + hello("a.example")[1:], ""),  # another record
        (hello("a.example") + extension(0, b"\0\x09\0\0\x06b.test"), "a.example"),
        (hello("", kind=7) + extension(0, b"\0\x09\0\0\x06b.test"), ""),  # only behind the end
    ],
)
def test_name_is_read_from_a_client_hello(record, name):
    assert parse_server_name(record) == name


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (HTTP % b"A.example:80", "A.example"),
        (b"GET / HTTP/1.1\r\nX-Host: b\r\nhOST :  a.example  \r\nHost: c\r\n\r\n", "a.example"),
        (HTTP % b"\xff.example", "\ufffd.example"),
        (b"Host: a.example\r\n\r\n", ""),
    ],
)
def test_name_is_read_from_an_http_request(request_, name):
    assert parse_http_host(request_) == name


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: hello("a.example")[:60] + tail))
def test_any_bytes_are_parsed_without_error(said):
    assert isinstance(parse_server_name(said), str) and isinstance(parse_http_host(said), str)


def connect(listening: Listener) -> socket.socket:
    return socket.create_connection((listening.address, listening.port), timeout=LONGEST)


def send_pieces(listening: Listener, *pieces: bytes) -> bytes:
    with connect(listening) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        return client.recv(100)


HELLO = hello("Mail.Example")


def test_silent_client_keeps_no_other_client_waiting(monkeypatch):
    monkeypatch.setattr(listener, "TIMEOUT_SECONDS", 0.2)
    with Listener() as listening, connect(listening) as silent:
        silent.sendall(HELLO[:20])
        send_pieces(listening, HELLO)
        assert listening.count_hits("mail.example") == 1
        assert silent.recv(1) == b"", "it is closed after a while"
        with connect(listening) as half:
            half.sendall(HELLO[:-4])
            half.shutdown(socket.SHUT_WR)
            assert half.recv(1) == b""


def test_listener_is_closed_after_its_block():
    with Listener() as listening:
        send_pieces(listening, HELLO)
    with pytest.raises(OSError):
        send_pieces(listening, HELLO)
    until(lambda: not listening._thread.is_alive())


@pytest.mark.parametrize(
    ("pieces", "hits"),
    [
        ([HELLO[:3], HELLO[3:40], HELLO[40:]], 1),
        ([hello("mail.example.")], 1),
        ([HTTP % b"MAIL.example:8080"], 1),
        ([HTTP % b"another.example"], 0),
        ([b"nonsense"], 0),
    ],
)
def test_connection_for_a_name_is_counted_and_gets_no_answer(pieces, hits):
    with Listener("127.0.0.7") as listening:
        assert (listening.address, send_pieces(listening, *pieces)) == ("127.0.0.7", b"")
        assert [listening.count_hits(name) for name in ("mail.EXAMPLE.", "example", "")] == [hits, 0, 0]


def test_connections_at_the_same_time_are_all_counted():
    with Listener() as listening:
        clients = [threading.Thread(target=send_pieces, args=(listening, HELLO)) for _ in range(20)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(LONGEST)
        assert listening.count_hits("mail.example") == 20
