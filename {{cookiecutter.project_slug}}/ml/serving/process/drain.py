"""Drain a listening socket: drop new SYNs, accept what is in the backlog, then close.

Closing a listener resets every connection that the kernel has completed and the process has not
accepted yet, with the request that may be in it. So its end has two steps: a packet filter on the
socket drops what opens a connection (the client tries again after a second, and finds another
worker or a closed port, having sent nothing), and the event loop has a moment to accept the rest.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from contextlib import suppress

# between readiness going and the port closing: a balancer's chance to look elsewhere
DRAIN_SECONDS = 0.5
# then for connections that clients have begun to open: a round trip, and their acceptance
BEGUN_SECONDS = 0.1

SO_ATTACH_FILTER = 26  # of Linux; the socket module does not name it
# classic BPF over the TCP header: code, jump if true, jump if false, operand
NO_NEW_CONNECTIONS = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # let the whole of it in
)


def stop_accepting(listener: socket.socket) -> None:
    """Let a listening socket begin no more connections, where the system can."""
    program = b"".join(struct.pack("HBBI", *step) for step in NO_NEW_CONNECTIONS)
    steps = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):
        pointer = struct.pack("HP", len(NO_NEW_CONNECTIONS), ctypes.addressof(steps))
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
