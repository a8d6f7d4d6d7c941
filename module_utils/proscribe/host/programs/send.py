"""Send an empty datagram to each "address port" argument, and print the arguments that the kernel accepted.

An argument "address port user" sends as the user with that number. The call fails at once if a firewall table of this
host refuses the packet. No program has to listen at the address.
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
