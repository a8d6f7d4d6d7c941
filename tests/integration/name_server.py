"""A name server that stands for the organisation's: it answers every name, and remembers what it was asked."""

import contextlib
import signal
import socket
import struct
import sys
import threading

ADDRESS = "192.0.2.1"  # of every name


def question(name, kind):
    """A question for a name and a record type, on the wire."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, kind, 1)


def ask(address, name, kind=1, port=53, timeout=5):
    """What a name server answers: the code (0 no error, 3 no such name) and the number of records."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.connect((address, port))
        channel.send(question(name, kind))
        reply = channel.recv(65535)
    return reply[3] & 0xF, struct.unpack_from(">H", reply, 6)[0]


class NameServer:
    """Answers on `address` until it is closed; `asked` are the names that it was asked for."""

    def __init__(self, address):
        self.queries = []
        self.silent = False
        self._closed = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self):
        """Give the address up: it is free once this returns."""
        self._closed = True
        with contextlib.suppress(OSError):  # it is not connected, which it says after it has woken the thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            try:
                message, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if self._closed:
                return
            if len(message) <= 12:  # no question: somebody tries whether the address can be reached
                continue
            end, labels = 12, []
            while message[end]:
                labels.append(message[end + 1 : end + 1 + message[end]].decode("ascii", "replace"))
                end += message[end] + 1
            self.queries.append(".".join(labels).lower())
            kind = struct.unpack_from(">H", message, end + 1)[0]
            record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(ADDRESS) if kind == 1 else b""
            header = message[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if record else 0, 0, 0)
            if not self.silent:
                self._socket.sendto(header + message[12 : end + 5] + record, client)


if __name__ == "__main__":
    server = NameServer(sys.argv[1])
    signal.pause()
