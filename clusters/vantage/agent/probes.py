"""Attempts on a service: TCP connections, HTTP requests, UDP exchanges. None waits for another.

No source port comes twice while a node may remember the connection. Connection tracking on the node that answers keeps
the endpoint of a connection that got no answer for two minutes (nf_conntrack_tcp_timeout_syn_sent,
Documentation/networking/nf_conntrack-sysctl.rst). An attempt from the same port is sent to that endpoint again, however
long ago kube-proxy gave it up. The kernel's own choice is back at a port after half a minute of 50 attempts a second;
ports in turn are so after nine.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import http.client
import io
import os
import selectors
import socket
import time
import zlib
from pathlib import Path
from typing import Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

from . import refusals
from .loop import Loop, Output, Paced

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
MOST_BODY = 1 << 20
ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ENETDOWN: "network down",
    errno.EPIPE: "reset",
    errno.EACCES: "prohibited",
}


RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
#: So many attempts a second an earlier process may have made without this one meeting its ports.
PER_SECOND = 50
MOST_TAKEN = 64


class Ports:
    """Source ports in turn, by destination.

    Each destination has a place of its own to begin at, which moves with the clock: a later process begins where
    an earlier one has not been yet, and destinations that are tried at once take no port from each other.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.count = first, last - first + 1
        self.used: dict[tuple[object, ...], int] = {}

    def next(self, destination: tuple[object, ...]) -> int:
        """The port after the one that was last used for a destination."""
        number = self.used.get(destination)
        if number is None:
            number = zlib.crc32(repr(destination).encode()) + int(time.monotonic() * PER_SECOND)
        self.used[destination] = number + 1
        return self.first + number % self.count

    def bind(self, sock: socket.socket, destination: tuple[object, ...]) -> None:
        """Let `sock` leave from the next port that is free; where none of the next ones is, the kernel chooses."""
        for _ in range(MOST_TAKEN):
            try:
                sock.bind(("", self.next(destination)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    return
            else:
                return


@functools.lru_cache
def ports_of_this_host() -> Ports:
    """One for the whole process: the ports that the kernel of this network namespace itself would choose from."""
    first, last = 32768, 60999
    with contextlib.suppress(OSError, ValueError):
        first, last = (int(text) for text in Path(RANGE).read_text(encoding="ascii").split())
    return Ports(first, last)


def word(error: OSError) -> str:
    """An error in a word or two, the same on every machine."""
    number = error.errno or 0
    return ERRORS.get(number) or errno.errorcode.get(number, str(error))


class _Bytes:
    """What http.client wants of a socket: a file to read the answer from."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, *_: Any, **__: Any) -> io.BytesIO:
        return io.BytesIO(self.data)


def parse_http(data: bytes, *, closed: bool) -> tuple[int, str] | None:
    """(status, body) of an HTTP answer, or None while it is not all there. `closed`: no more will come."""
    if b"\r\n\r\n" not in data:
        return None
    answer = http.client.HTTPResponse(_Bytes(data))  # type: ignore[arg-type] # only makefile is used
    try:
        answer.begin()
        if not closed and answer.length is None and not answer.chunked:
            return None  # the body ends where the connection does
        body = answer.read()
    except (http.client.HTTPException, ValueError):
        return None
    return answer.status, body.decode("utf-8", "replace")


class Attempt:
    """One try, from its socket to one of: served, failed, timed out. `done(self)` is called once."""

    def __init__(self, loop: Loop, task: dict[str, Any], done: Callable[[Attempt], None]) -> None:
        self.loop, self.task, self.done = loop, task, done
        self.ok, self.error, self.server, self.ms = False, "", "", 0.0
        self.icmp, self.sent_by = "", ""
        self.source = 0
        self.data = b""
        self.stage = "connecting"
        self.over = False
        udp = task["protocol"] == "udp"
        family = socket.AF_INET6 if ":" in task["host"] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self.socket.settimeout(0)
        if task.get("icmp"):
            refusals.want(self.socket)
        self.began, self.began_mono = time.time_ns(), time.monotonic()
        loop.at(self.began_mono + task["timeout"], self.expire)

    def start(self) -> None:
        """Begin."""
        self.guard(self.open)

    def guard(self, step: Callable[[], None]) -> None:
        """Run one step; an error of the network ends the attempt with its name."""
        try:
            step()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.finish(error=word(error))

    def open(self) -> None:
        """Begin to connect (TCP), or send at once (UDP, where connecting sends nothing)."""
        destination = self.task["protocol"], self.task["host"], self.task["port"]
        if self.task.get("source"):
            self.socket.bind(("", self.task["source"]))
        else:
            ports_of_this_host().bind(self.socket, destination)
        code = self.socket.connect_ex((self.task["host"], self.task["port"]))
        self.source = self.socket.getsockname()[1]
        if self.task["protocol"] == "udp":
            if code:
                raise OSError(code, os.strerror(code))
            self.send(self.task["payload"].encode())
        elif code in (0, errno.EINPROGRESS):
            self.loop.on(self.socket, WRITE, lambda: self.guard(self.connected))
        else:
            raise OSError(code, os.strerror(code))

    def connected(self) -> None:
        """The connection stands or was refused."""
        code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        if self.task["protocol"] == "tcp":
            self.finish(ok=True)
            return
        host = f"[{self.task['host']}]" if ":" in self.task["host"] else self.task["host"]
        self.send(
            f"GET {self.task['path']} HTTP/1.1\r\nHost: {self.task.get('hostname') or host}\r\n"
            "User-Agent: metallb-conformance\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
        )

    def send(self, data: bytes) -> None:
        """Send the whole request; it is small enough for any send buffer."""
        self.stage = "waiting for the answer"
        self.loop.on(self.socket, READ, lambda: self.guard(self.receive))
        self.socket.send(data)

    def receive(self) -> None:
        """Take what came; decide where it is whole."""
        part = self.socket.recv(65536)
        self.data += part
        if self.task["protocol"] == "udp":
            self.finish(ok=True, server=self.data.decode("utf-8", "replace"))
            return
        answer = parse_http(self.data, closed=not part)
        if answer is not None:
            good = 200 <= answer[0] < 400
            self.finish(ok=good, error="" if good else f"http {answer[0]}", server=answer[1])
        elif not part:
            self.finish(error="closed" if self.data else "closed without an answer")
        elif len(self.data) > MOST_BODY:
            self.finish(error="answer too long")

    def expire(self) -> None:
        """The attempt's time is over."""
        if not self.over:
            self.finish(error="timeout " + self.stage)

    def finish(self, *, ok: bool = False, error: str = "", server: str = "") -> None:
        """Close, remember, and tell."""
        self.over = True
        self.ms = (time.monotonic() - self.began_mono) * 1000
        self.ok, self.error, self.server = ok, error, server.strip()[: self.task["body"]]
        self.loop.off(self.socket)
        if error and self.task.get("icmp"):
            self.icmp, self.sent_by = refusals.read(self.socket)
        self.socket.close()
        self.done(self)


class Probe(Paced):
    """A task: one attempt every `every` seconds; ends when the last attempt has ended."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.pending = 0
        self.reason = ""
        self.over = False
        super().__init__(loop, output, task, ended)

    def tick(self, number: int, late: float) -> None:
        """Start one attempt."""
        self.pending += 1

        def done(attempt: Attempt) -> None:
            self.pending -= 1
            self.output.send(
                id=self.task["id"],
                event="attempt",
                n=number,
                t=attempt.began,
                late=round(late * 1000, 3),
                ok=attempt.ok,
                ms=round(attempt.ms, 3),
                error=attempt.error,
                server=attempt.server,
            )
            self.conclude()

        try:
            Attempt(self.loop, self.task, done).start()
        except (
            OSError
        ) as error:  # no socket to be had: trouble of this process, which says nothing of the service
            self.pending -= 1
            self.output.send(id=self.task["id"], event="trouble", t=time.time_ns(), error=word(error))

    def finished(self, reason: str) -> None:
        """No more ticks; attempts under way still count."""
        self.reason = reason
        self.conclude()

    def conclude(self) -> None:
        """End the task where nothing is under way."""
        if self.reason and not self.pending and not self.over:
            self.over = True
            self.done(self.reason, skipped=self.ticker.skipped)
