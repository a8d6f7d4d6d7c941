"""What the kernel itself says of the packet filter: whether any table has changed, and whether it refuses a packet."""

from __future__ import annotations

import os

from ...base.tuples import NamedTuple

# linux/netfilter/nfnetlink.h and nf_tables.h: the subsystem, the request, and the attribute of the answer.
_NETLINK_NETFILTER, _NFNL_SUBSYS_NFTABLES, _NFT_MSG_GETGEN, _NFTA_GEN_ID = 12, 10, 16, 1
_NLM_F_REQUEST = 1
_HEADER = "=IHHII"  # nlmsghdr: length, type, flags, sequence, port
_ANSWER_STARTS = 16 + 4  # behind it and nfgenmsg


class Generation(NamedTuple):
    """A state of all tables of one network namespace: equal generations, equal tables."""

    number: int  # one more with each transaction that was committed, whoever made it
    place: str  # the boot and the network namespace in which the number counts

    def next(self) -> Generation:
        """The state after one more transaction."""
        return self._replace(number=(self.number + 1) % 2**32 or 1)  # the kernel leaves out 0 when it wraps


def refuses(address: str, port: int) -> bool | None:
    """Whether the kernel refuses an empty datagram to an address of another host; None where it has no way there."""
    import _socket

    asking = _socket.socket(_socket.AF_INET6 if ":" in address else _socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        asking.connect((address, port))
        if asking.getsockname()[0] in ("127.0.0.1", "::1"):  # the way there leads to this host itself
            return None
        asking.send(b"")
    except PermissionError:  # the packet filter's answer to who sends (NF_DROP in the kernel's nf_hook_slow)
        return True
    except OSError:
        return None
    finally:
        asking.close()
    return False


def generation() -> Generation | None:
    """The state in which the tables are now; None where the kernel does not say it. Any user may ask."""
    import _socket  # the part in C: the module around it takes longer to load than to use
    import struct

    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            place = f"{file.read().strip()} {os.readlink('/proc/self/ns/net')}"
        asking = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_NETFILTER)
        try:
            asking.settimeout(1)
            kind = _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETGEN
            asking.send(struct.pack(_HEADER, _ANSWER_STARTS, kind, _NLM_F_REQUEST, 1, 0) + bytes(4))
            answer = asking.recv(65536)
        finally:
            asking.close()
    except (OSError, AttributeError):  # no netlink here, no nf_tables in this kernel, not Linux
        return None
    length, kind = struct.unpack_from("=IH", answer)
    at = _ANSWER_STARTS
    while kind >> 8 == _NFNL_SUBSYS_NFTABLES and at + 8 <= min(length, len(answer)):
        size, attribute = struct.unpack_from("=HH", answer, at)
        if attribute == _NFTA_GEN_ID and size == 8:
            return Generation(struct.unpack_from("!I", answer, at + 4)[0], place)
        at += max(4, size + 3 & ~3)
    return None
