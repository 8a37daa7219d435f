"""Frames as they are: sent at a rate, and captured with the kernel's own timestamps."""

from __future__ import annotations

import ctypes
import selectors
import socket
import struct
import time
from typing import Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

from .loop import Loop, Output, Paced
from .probes import word

# Numbers of <linux/if_packet.h>, <asm-generic/socket.h> and <linux/if_ether.h> that Python does not name.
ETH_P_ALL = 0x0003
SO_TIMESTAMPNS = 35
SO_ATTACH_FILTER = 26
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP = 1
PACKET_STATISTICS = 6
PACKET_MR_UNICAST = 3
PACKET_OUTGOING = 4
SNAP = 256
AT_ONCE = 256


def permitted() -> str:
    """Why packet sockets cannot be had here, or "" where they can."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (AttributeError, OSError) as error:
        return str(error)
    return ""


def attach(sock: socket.socket, program: list[list[int]]) -> None:
    """Attach a classic BPF program: rows of (code, jump if true, jump if false, constant)."""
    code = b"".join(struct.pack("HBBI", *row) for row in program)
    room = ctypes.create_string_buffer(code)
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(room))
    )


class Capture:
    """A task: every frame of one interface that the filter accepts, received and sent, until stopped."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.loop, self.output, self.task, self.ended = loop, output, task, ended
        self.over = False
        # Protocol 0 receives nothing, so that no frame comes in before the filter is in place.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            attach(self.socket, task["bpf"])
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self.socket.bind((task["interface"], ETH_P_ALL))
            for mac in task.get("unicast", ()):
                self.join(mac)
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(0)
        loop.on(self.socket, selectors.EVENT_READ, self.receive)
        loop.at(time.monotonic() + task["for"], lambda: self.stop("limit"))
        output.send(id=task["id"], event="started", t=time.time_ns())

    def join(self, mac: str) -> None:
        """Have the interface take frames for one more MAC. Not promiscuous; it ends with the socket."""
        index = socket.if_nametoindex(self.task["interface"])
        raw = bytes.fromhex(mac.replace(":", ""))
        request = struct.pack("iHH8s", index, PACKET_MR_UNICAST, len(raw), raw)
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

    def receive(self) -> None:
        """Pass on what lies ready. An interface that goes down says so once and may come back."""
        for _ in range(AT_ONCE):
            try:
                data, extra, _, address = self.socket.recvmsg(SNAP, 128, socket.MSG_TRUNC)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.output.send(id=self.task["id"], event="trouble", t=time.time_ns(), error=word(error))
                return
            self.output.send(
                id=self.task["id"],
                event="frame",
                t=self.stamp(extra),
                out=address[2] == PACKET_OUTGOING,
                hex=data.hex(),
            )

    @staticmethod
    def stamp(extra: list[tuple[int, int, bytes]]) -> int:
        """When the kernel took the frame, in ns of CLOCK_REALTIME."""
        for level, kind, value in extra:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                return int(seconds * 1_000_000_000 + nanoseconds)
        return time.time_ns()

    def stop(self, reason: str = "stopped") -> None:
        """Take what is left, and say how many frames the kernel had no room for."""
        if self.over:
            return
        self.over = True
        self.receive()
        seen, dropped = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.loop.off(self.socket)
        self.socket.close()
        self.output.send(id=self.task["id"], event="done", reason=reason, seen=seen, dropped=dropped)
        self.ended()


class Sender(Paced):
    """A task: the given frames one after another, one a tick, again from the first when all were sent."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.frames = [bytes.fromhex(frame) for frame in task["frames"]]
        self.sent = self.failed = 0
        self.last_error = ""
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            self.socket.bind((task["interface"], 0))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(0)
        super().__init__(loop, output, task, ended)

    def tick(self, number: int, _: float) -> None:
        """Send one frame; an interface that is down is tried again at the next tick."""
        try:
            self.socket.send(self.frames[number % len(self.frames)])
            self.sent += 1
            self.last_error = ""
        except OSError as error:
            self.failed += 1
            if word(error) != self.last_error:
                self.last_error = word(error)
                self.output.send(id=self.task["id"], event="trouble", t=time.time_ns(), error=self.last_error)

    def finished(self, reason: str) -> None:
        """Close and tell."""
        self.socket.close()
        self.done(reason, sent=self.sent, failed=self.failed)
