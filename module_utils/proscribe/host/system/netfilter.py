"""Kernel's data about its packet filter: whether tables have changed, and whether packets are refused."""

from __future__ import annotations

import os

from ...base.named_tuple import NamedTuple

# Constants of linux/netfilter/nfnetlink.h and nf_tables.h: netlink family, subsystem, request, attribute of the answer.
_NETLINK_NETFILTER, _NFNL_SUBSYS_NFTABLES, _NFT_MSG_GETGEN, _NFTA_GEN_ID = 12, 10, 16, 1
_NLM_F_REQUEST = 1
_HEADER_FORMAT = "=IHHII"  # struct nlmsghdr: length, type, flags, sequence, port
_ANSWER_OFFSET = 16 + 4  # the attributes follow the structs nlmsghdr (16 bytes) and nfgenmsg (4 bytes)


class RulesetGeneration(NamedTuple):
    """Number of the current state of all packet filter tables in a network namespace.

    Equal generations mean that no table has changed.
    """

    number: int  # increases by 1 with each committed transaction of any program
    namespace: str  # boot id and network namespace; numbers of different namespaces must not be compared

    def make_next(self) -> RulesetGeneration:
        """Return the generation that follows after one more transaction."""
        return self._replace(number=(self.number + 1) % 2**32 or 1)  # the kernel skips 0 when the number overflows


def is_destination_refused(address: str, port: int) -> bool | None:
    """Return whether the packet filter refuses packets to an address and port.

    An empty datagram is sent as a test. Returns None if there is no route, or if the address belongs to this host.
    """
    import _socket

    probe_socket = _socket.socket(_socket.AF_INET6 if ":" in address else _socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        probe_socket.connect((address, port))
        # the address is routed to this host itself, so the test would prove nothing
        if probe_socket.getsockname()[0] in ("127.0.0.1", "::1"):
            return None
        probe_socket.send(b"")
    # the sender gets this error if the packet filter drops the packet (NF_DROP in the kernel's nf_hook_slow)
    except PermissionError:
        return True
    except OSError:
        return None
    finally:
        probe_socket.close()
    return False


def read_ruleset_generation() -> RulesetGeneration | None:
    """Return the current generation of the packet filter tables; None if the kernel does not report it.

    Any user may call this.
    """
    import _socket  # the C module: loading the module `socket` takes longer than this call
    import struct

    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            namespace = f"{file.read().strip()} {os.readlink('/proc/self/ns/net')}"
        netlink_socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_NETFILTER)
        try:
            netlink_socket.settimeout(1)
            message_type = _NFNL_SUBSYS_NFTABLES << 8 | _NFT_MSG_GETGEN
            netlink_socket.send(
                struct.pack(_HEADER_FORMAT, _ANSWER_OFFSET, message_type, _NLM_F_REQUEST, 1, 0) + bytes(4)
            )
            answer = netlink_socket.recv(65536)
        finally:
            netlink_socket.close()
    except (OSError, AttributeError):  # no permission for netlink, no nf_tables in this kernel, or not Linux
        return None
    length, message_type = struct.unpack_from("=IH", answer)
    offset = _ANSWER_OFFSET
    while message_type >> 8 == _NFNL_SUBSYS_NFTABLES and offset + 8 <= min(length, len(answer)):
        size, attribute = struct.unpack_from("=HH", answer, offset)
        if attribute == _NFTA_GEN_ID and size == 8:
            return RulesetGeneration(struct.unpack_from("!I", answer, offset + 4)[0], namespace)
        offset += max(4, size + 3 & ~3)  # the kernel pads each attribute to four bytes
    return None
