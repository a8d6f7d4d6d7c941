"""What can be reached from where this runs. Each line of its input is a JSON list of questions, and is answered with a
JSON list of answers in the same order.

    ["name", NAME]                          what programs get for a name: the addresses that lead somewhere, sorted
    ["dns", SERVER, NAME, TYPE, PROTOCOL]   what a name server says, asked over udp or tcp: the number of records, or
                                            "no such name"
    ["tcp", ADDRESS, PORT]                  a connection
    ["tls", ADDRESS, PORT, NAME]            a connection with a whole TLS handshake, for that server name
    ["udp", ADDRESS, PORT]                  a datagram and an answer to it

The answer to the last three is "ok". What fails is the name of its error ("ECONNREFUSED"), or "nothing" where nothing
comes back in PATIENCE seconds.
"""

import errno
import json
import socket
import ssl
import struct
import sys

from name_server import question

PATIENCE = 3
NO_SUCH_NAME = 3  # RFC 1035, section 4.1.1

_CONTEXT = ssl.create_default_context()
_CONTEXT.check_hostname = False
_CONTEXT.verify_mode = ssl.CERT_NONE


def name(hostname):
    try:
        found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    return sorted({str(entry[4][0]) for entry in found} - {"0.0.0.0", "::"})


def dns(server, hostname, kind, protocol):
    message = question(hostname, kind)
    with _socket(server, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as channel:
        channel.connect((server, 53))
        if protocol == "tcp":
            channel.sendall(struct.pack(">H", len(message)) + message)
            reply = channel.makefile("rb").read(2 + 12)[2:]
        else:
            channel.send(message)
            reply = channel.recv(65535)
    if not reply:
        return "closed"
    return "no such name" if reply[3] & 0xF == NO_SUCH_NAME else struct.unpack_from(">H", reply, 6)[0]


def tcp(address, port):
    with _socket(address, socket.SOCK_STREAM) as connection:
        connection.connect((address, port))
    return "ok"


def tls(address, port, server):
    with _socket(address, socket.SOCK_STREAM) as connection:
        connection.connect((address, port))
        with _CONTEXT.wrap_socket(connection, server_hostname=server):
            return "ok"


def udp(address, port):
    with _socket(address, socket.SOCK_DGRAM) as channel:
        channel.connect((address, port))  # so that a refusal comes back as an error
        channel.send(question("reach.example", 1))  # port 53 answers nothing else
        channel.recv(65535)
    return "ok"


def _socket(address, kind):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    made.settimeout(PATIENCE)
    return made


QUESTIONS = {"name": name, "dns": dns, "tcp": tcp, "tls": tls, "udp": udp}


def answer(verb, *words):
    """The answer to a question; an error of the network is one."""
    try:
        return QUESTIONS[verb](*words)
    except TimeoutError:
        return "nothing"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def serve(more):
    """Answer questions until the input ends; `more` are those that only this place is asked."""
    for line in sys.stdin:
        questions = json.loads(line)
        answers = [more[words[0]](*words[1:]) if words[0] in more else answer(*words) for words in questions]
        print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    serve({})
