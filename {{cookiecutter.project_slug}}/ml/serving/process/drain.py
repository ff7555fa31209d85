"""Drain a listening socket: drop new SYNs, accept what is in the backlog, then close.

Closing a listener resets every connection that the kernel has completed and the process has not
accepted yet, with the request that may be in it. So its end has two steps: a packet filter on the
socket drops what opens a connection (the client tries again after a second, and finds another
worker or a closed port, having sent nothing), and the event loop has a moment to accept the rest.

Newer kernels let only a process with CAP_NET_ADMIN attach a filter, which a hardened container has
not. There the listener takes packets with 255 hops left and no others: systems send 64 or 128. A
connection that was begun before and is completed after has the same limit until `lift_hop_limit`;
what its client has sent meanwhile comes again.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
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

# of Linux: packets with fewer hops left are dropped (RFC 5082); 0: none
IP_MINTTL, IPV6_MINHOPCOUNT = 21, 73
ALL_HOPS = 255


def stop_accepting(listener: socket.socket) -> None:
    """Let a listening socket begin no more connections, where the system can."""
    try:
        attach_filter(listener)
    except OSError:
        limit_hops(listener, ALL_HOPS)


def attach_filter(listener: socket.socket) -> None:
    """Drop what opens a connection.

    Raises:
        OSError: the system or the process's rights do not allow it.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in NO_NEW_CONNECTIONS)
    steps = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("HP", len(NO_NEW_CONNECTIONS), ctypes.addressof(steps))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def limit_hops(opened: socket.socket, hops: int) -> None:
    """Let a socket take packets with so many hops left; 0: all packets."""
    if sys.platform != "linux":  # the numbers mean something else there
        return
    with suppress(OSError):
        opened.setsockopt(socket.IPPROTO_IP, IP_MINTTL, hops)
    with suppress(OSError):  # a socket of IPv4
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MINHOPCOUNT, hops)


def lift_hop_limit(file: int) -> None:
    """Let an accepted connection take all packets.

    Args:
        file: number of its open file.
    """
    with socket.socket(fileno=os.dup(file)) as connection:
        limit_hops(connection, 0)
