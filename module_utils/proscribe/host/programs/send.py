"""Send an empty datagram to each "address port" in the arguments, and print those that the kernel accepted.

"address port user" sends as the user with that number. A table of this host that refuses a packet makes the call fail
at once. No listener at the address is needed.
"""

import os
import socket
import sys

for route in sys.argv[1:]:
    address, port, *user = route.split(" ")
    os.seteuid(int(user[0]) if user else 0)
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as datagram_socket:
            datagram_socket.sendto(b"", (address, int(port)))
        print(route)
    except OSError:
        pass
