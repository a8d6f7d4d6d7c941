"""The rest of the world, for tests of what can be reached: it answers every name and on every address that it has.

Its input is one line of JSON: [{"names": {name: [IPv4, IPv6]}, "others": [IPv4, IPv6], "tcp": [ports], "tls": [ports],
"udp": [ports], "certificate": path of a file that has the key too}]. It answers ["ready"], and runs until it is killed.

    port 53     a name server over UDP and TCP: records of the types A, AAAA and HTTPS for every name
    TCP, TLS    connections are taken
    UDP         every datagram comes back
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys

A, AAAA, HTTPS = 1, 28, 65
_HEADER = 12  # bytes


class Names:
    def __init__(self, names, others):
        self.names, self.others = names, others

    def answer(self, message):
        """The answer to a question; a type that no name has gets none, which is no error."""
        end, labels = _HEADER, []
        while message[end]:
            labels.append(message[end + 1 : end + 1 + message[end]].decode("ascii", "replace"))
            end += message[end] + 1
        kind = struct.unpack_from(">H", message, end + 1)[0]
        v4, v6 = self.names.get(".".join(labels).lower(), self.others)
        data = {
            A: socket.inet_pton(socket.AF_INET, v4),
            AAAA: socket.inet_pton(socket.AF_INET6, v6),
            HTTPS: b"\0\1\0",  # priority 1, at the name itself (RFC 9460)
        }.get(kind, b"")
        record = struct.pack(">HHHIH", 0xC000 | _HEADER, kind, 1, 60, len(data)) + data if data and labels else b""
        header = message[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if record else 0, 0, 0)
        return header + message[_HEADER : end + 5] + record

    async def serve(self, reader, writer):
        """One question over TCP."""
        try:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
            answer = self.answer(await reader.readexactly(size))
            writer.write(struct.pack(">H", len(answer)) + answer)
            await writer.drain()
        except asyncio.IncompleteReadError:  # it only wanted to know whether somebody is there
            pass
        writer.close()


async def take(reader, writer):
    """A connection, until the other side closes it."""
    with contextlib.suppress(OSError):  # a reset closes it too
        await reader.read()
    writer.close()


def listening(kind, port):
    """A socket on every address of both families."""
    made = socket.socket(socket.AF_INET6, kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("::", port))
    made.setblocking(False)
    return made


def datagrams(port, answer):
    here = listening(socket.SOCK_DGRAM, port)
    here.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def one():
        message, ancillary, _, sender = here.recvmsg(4096, 256)
        arrived = [item for item in ancillary if item[:2] == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)]
        # Its address, and not the link: the addresses of the world lie on lo.
        packet_info = [(level, type_, data[:16] + bytes(4)) for level, type_, data in arrived]
        here.sendmsg([answer(message)], packet_info, 0, sender)

    asyncio.get_running_loop().add_reader(here, one)


async def run(settings):
    names = Names(settings["names"], settings["others"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["certificate"])
    datagrams(53, names.answer)
    for port in settings["udp"]:
        datagrams(port, bytes)
    servers = [await asyncio.start_server(names.serve, sock=listening(socket.SOCK_STREAM, 53))]
    for port in settings["tcp"]:
        servers.append(await asyncio.start_server(take, sock=listening(socket.SOCK_STREAM, port)))
    for port in settings["tls"]:
        servers.append(await asyncio.start_server(take, sock=listening(socket.SOCK_STREAM, port), ssl=context))
    print(json.dumps(["ready"]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(run(*json.loads(sys.stdin.readline())))
