"""One end of connections, for tests of what a firewall lets through. Each line of its input is a command, and gets one
line as its answer.

    serve                                       listen on PORTS of every address, and greet whoever comes
    connect ADDRESS PORT [ADDRESS [PORT]]       open a connection (the second pair is this end) and hear the greeting
    say, hear                                   over the connection that was opened or accepted last
    send ADDRESS PORT                           a datagram
    pour ADDRESS PORT BYTES                     open a connection, send that much and close it without waiting
    drain BYTES                                 read that much from the connection that was accepted last

Answers: "ok", or the name of the error (ECONNREFUSED, ECONNRESET, ...), or "nothing" after PATIENCE seconds.
"""

import errno
import socket
import sys
import threading

PATIENCE = 4
PORTS = (22, 53, 443, 853, 2222, 8080)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def greet(listening, connections):
    while True:
        connection, _ = listening.accept()
        connections.append(connection)
        connection.sendall(b"+")


class Peer:
    def __init__(self):
        self.connections = []  # the last one is the one that is spoken over

    def serve(self):
        for port in PORTS:
            listening = socket.socket(socket.AF_INET6)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("::", port))
            listening.listen()
            threading.Thread(target=greet, args=(listening, self.connections), daemon=True).start()

    def connect(self, address, port, local="", local_port="0"):
        connection = socket.socket(family(address))
        connection.settimeout(PATIENCE)
        if local:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind((local, int(local_port)))
        connection.connect((address, int(port)))
        self.connections.append(connection)
        self.hear()

    def say(self):
        self.connections[-1].sendall(b"+")

    def hear(self):
        self.connections[-1].settimeout(PATIENCE)
        if not self.connections[-1].recv(1):
            raise ConnectionResetError(errno.ECONNRESET, "closed")

    def send(self, address, port):
        with socket.socket(family(address), socket.SOCK_DGRAM) as datagram:
            datagram.sendto(b"+", (address, int(port)))

    def pour(self, address, port, size):
        self.connect(address, port)
        connection = self.connections.pop()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * int(size))
        connection.sendall(bytes(int(size)))
        connection.close()

    def drain(self, size):
        self.connections[-1].settimeout(PATIENCE)
        left = int(size)
        while left:
            some = len(self.connections[-1].recv(65536))
            if not some:
                raise ConnectionResetError(errno.ECONNRESET, "closed")
            left -= some


peer = Peer()
for line in sys.stdin:
    verb, *words = line.split()
    try:
        getattr(peer, verb)(*words)
        print("ok", flush=True)
    except TimeoutError:
        print("nothing", flush=True)
    except OSError as error:
        print(errno.errorcode[error.errno or 0], flush=True)
