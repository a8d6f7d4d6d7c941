"""Says what became of a TCP connection, and after how many seconds: `connect.py ADDRESS PORT` prints "open 0.00"."""

import socket
import sys
import time

started = time.monotonic()
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10).close()
    answer = "open"
except ConnectionRefusedError:
    answer = "refused"
except OSError as error:
    answer = type(error).__name__
print(f"{answer} {time.monotonic() - started:.2f}")
