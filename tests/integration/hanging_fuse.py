"""A file system that a user's own program answers for (FUSE), and that stops answering.

    hanging_fuse.py PLACE UID        mounts at PLACE, a directory or a file, as UID would with `user_allow_other`

It answers what a mount needs, and says what its root is (GETATTR) as often as ANSWERS allows; whoever asks it anything
else waits for ever. Prints "mounted" once it is. Ends, and lets everybody go, when its standard input is closed.
See linux/fuse.h, and https://docs.kernel.org/filesystems/fuse.html.
"""

import contextlib
import ctypes
import os
import select
import stat
import struct
import sys

GETATTR, INIT = 3, 26
IN_HEADER = struct.Struct("<IIQQIIII")  # len, opcode, unique, nodeid, uid, gid, pid, padding
OUT_HEADER = struct.Struct("<IiQ")  # len, error, unique
INIT_OUT = struct.Struct("<IIIIHHIIHHI28x")  # major, minor, max_readahead, flags, max_background, ..., max_write, ...
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")  # ino, size, blocks, a/m/ctime, their nsec, mode, nlink, uid, gid, rdev


def mounted(place, uid, mode, more=",allow_other"):
    """The descriptor that the kernel asks on."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode={mode:o},user_id={uid},group_id={uid}{more}"
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(b"hanging", os.fsencode(place), b"fuse.hanging", 2 | 4, options.encode()):  # nosuid, nodev
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), place)
    return device


def serve(device, answer):
    """Answer the kernel until stdin is closed. `answer` returns bytes, an error's number, or None for no answer."""
    while True:
        ready, _, _ = select.select([device, 0], [], [])
        if 0 in ready and not os.read(0, 1):
            return
        if device not in ready:
            continue
        request = os.read(device, 1 << 20)
        _, opcode, unique, node, *_ = IN_HEADER.unpack(request[: IN_HEADER.size])
        if opcode == INIT:
            reply = INIT_OUT.pack(7, 31, 65536, 0, 12, 9, 65536, 1, 0, 0, 0)
        else:
            reply = answer(opcode, node, request[IN_HEADER.size :])
        if reply is None:
            continue
        body, error = (b"", -reply) if isinstance(reply, int) else (reply, 0)
        with contextlib.suppress(OSError):  # who asked has gone, or does not take such an answer
            os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(body), error, unique) + body)


def answer_then_hang(uid, mode, answers):
    """Return what says so many times what the root is, and answers nothing else."""
    left = iter(range(answers))

    def answer(opcode, node, _):
        if opcode != GETATTR or node != 1 or next(left, None) is None:
            return None
        facts = (1, 4096, 8, 0, 0, 0, 0, 0, 0, mode, 1, uid, uid, 0, 4096, 0)
        return struct.pack("<QII", 0, 0, 0) + ATTRIBUTES.pack(*facts)

    return answer


def main():
    place, uid = sys.argv[1], int(sys.argv[2])
    mode = (stat.S_IFDIR | 0o755) if os.path.isdir(place) else (stat.S_IFREG | 0o755)
    device = mounted(place, uid, mode)
    print("mounted", flush=True)
    serve(device, answer_then_hang(uid, mode, int(sys.argv[3]) if len(sys.argv) > 3 else 0))


if __name__ == "__main__":
    main()
