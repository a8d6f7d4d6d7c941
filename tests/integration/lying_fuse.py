"""A file system that a user's own program answers for (FUSE), and that lies.

    lying_fuse.py PLACE UID HOW [private]        mounts at the directory PLACE

HOW says what it answers. `error`: EIO to all. `endless`: a directory whose list of names never ends, each a program of
a restricted app. `changing`: each name is a file once and a directory the next time. `sizes`: files of a negative size,
and content without end. All that it has is said to be root's. With `private`, nobody but UID may enter it, not even
root. Prints "mounted" once it is. Ends when its standard input is closed. See linux/fuse.h.
"""

import errno
import stat
import struct
import sys

from hanging_fuse import ATTRIBUTES, mounted, serve

LOOKUP, GETATTR, OPEN, READ, OPENDIR, READDIR = 1, 3, 14, 15, 27, 28
HUGE = (1 << 64) - 1
NAME = b"QQ_%d.AppImage"
COUNT = 40  # names of a directory that has an end
DIRECTORY, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755


def attributes(node, mode, size):
    return ATTRIBUTES.pack(node, size, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class Liar:
    def __init__(self, how):
        self.how, self.turn = how, 0

    def answer(self, opcode, node, body):
        if self.how == "error" and not (opcode == GETATTR and node == 1):
            return errno.EIO
        if opcode in (GETATTR, LOOKUP):
            mode, size = (DIRECTORY, 4096) if node == 1 and opcode == GETATTR else self.entry()
            found = attributes(node if opcode == GETATTR else 1000 + self.turn, mode, size)
            entry = struct.pack("<QQQQII", 1000 + self.turn, 0, 0, 0, 0, 0)
            return struct.pack("<QII", 0, 0, 0) + found if opcode == GETATTR else entry + found
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", 7, 0, 0)
        if opcode == READ:
            return b"\x7fELF" + b"x" * (struct.unpack_from("<QQI", body)[2] - 4)  # as much as is asked for, for ever
        if opcode == READDIR:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.names(offset, size)
        return errno.ENOSYS

    def entry(self):
        self.turn += 1
        if self.how == "changing":
            return (DIRECTORY, 4096) if self.turn % 2 else (FILE, self.turn)
        return FILE, HUGE if self.how == "sizes" else 4096

    def names(self, offset, size):
        found = b""
        while self.how == "endless" or offset < COUNT:
            offset += 1
            name = NAME % offset
            entry = struct.pack("<QQII", 1000 + offset, offset, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found


def main():
    place, uid, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    device = mounted(place, uid, DIRECTORY, "" if "private" in sys.argv else ",allow_other")
    print("mounted", flush=True)
    serve(device, Liar(how).answer)


if __name__ == "__main__":
    main()
