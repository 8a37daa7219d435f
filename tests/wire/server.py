"""A host's service in a namespace of a test: HTTP, bare TCP and UDP on one port, saying its name."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import sys

CLONE_NEWNET = 0x40000000


def main(netns: str, name: str, port: int) -> None:
    """Serve until standard input ends."""
    namespace = os.open(netns, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        sys.exit("setns failed")
    waiting = selectors.DefaultSelector()
    tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    udp.bind(("::", port))
    for file in (tcp, udp, sys.stdin):
        waiting.register(file, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is tcp:
                waiting.register(tcp.accept()[0], selectors.EVENT_READ)
            elif key.fileobj is udp:
                # The answer must come from the address that was asked, not from the host's first.
                _, asked, _, sender = udp.recvmsg(2048, 128)
                with contextlib.suppress(OSError):  # the address may have been taken away meanwhile
                    udp.sendmsg([name.encode()], asked, 0, sender)
            else:
                waiting.unregister(key.fileobj)
                answer(key.fileobj, name)


def answer(connection: socket.socket, name: str) -> None:
    """Answer one HTTP request; a connection that only opens and closes is fine."""
    with contextlib.suppress(OSError), connection:
        if connection.recv(4096):
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\nConnection: close\r\n\r\n"
            connection.send(head.encode() + name.encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
