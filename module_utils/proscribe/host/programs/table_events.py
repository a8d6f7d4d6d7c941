"""Program that prints a line when the kernel deletes Proscribe's firewall table, and when events were lost.

The watcher in firewall.sh reads these lines.
"""

import errno
import socket
import struct

events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
events.bind((0, 1 << 6))  # NFNLGRP_NFTABLES
while True:
    try:
        data = events.recv(1 << 17)
    except OSError as error:
        if error.errno != errno.ENOBUFS:
            raise
        print("events were lost", flush=True)
        continue
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        if kind == 0xA02 and b"@TABLE@\0" in data[:length]:  # NFT_MSG_DELTABLE
            print("delete table inet @TABLE@", flush=True)
        data = data[max(length + 3 & ~3, 16) :]
