"""One request to a service as its users send it, with the answer judged by whoever asked: TLS, HTTP, UDP, DNS, QUIC.

Each is made by a thread of its own, as TLS and HTTP of Python's library wait; the agent's own thread only looks
whether it is done. Nothing is timed here to a millisecond, so that no measurement suffers.
"""

from __future__ import annotations

import base64
import http.client
import io
import secrets
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

from .loop import Loop, Output, Paced
from .probes import word

if TYPE_CHECKING:
    import ssl

LOOKED_EVERY = 0.02
#: So many requests of one task may be under way: with a second each, five times as many as are sent.
AT_ONCE = 25
MOST_BODY = 1 << 16
#: What any packet has room for (of 576 bytes, RFC 1122), TLS and headers besides.
PIECE = 400
DNS_HEADER = struct.Struct(">6H")
A, AAAA = 1, 28
#: Of a QUIC packet: a version that nobody speaks (RFC 9000, 15), the size below which a server stays silent (14.1).
NO_VERSION, LEAST_QUIC, ID = b"\x1a\x2a\x3a\x4a", 1200, 8
_MADE: dict[str, ssl.SSLContext] = {}
_MAKING = threading.Lock()


class Exchange:
    """A task: one request, and what came back."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.loop, self.output, self.task, self.ended = loop, output, task, ended
        self.found: dict[str, Any] | None = None
        self.thread = threading.Thread(target=self.work, daemon=True)
        output.send(id=task["id"], event="started", t=time.time_ns())
        self.thread.start()
        self.look()

    def work(self) -> None:
        """Ask; every end is an answer of some kind."""
        self.found = ask(self.task)

    def look(self) -> None:
        """Tell once it is done."""
        if self.found is None and self.thread.is_alive():
            self.loop.at(time.monotonic() + LOOKED_EVERY, self.look)
            return
        self.output.send(id=self.task["id"], event="done", **(self.found or {"error": "nothing came of it"}))
        self.ended()

    def stop(self) -> None:
        """The request has its own time limit; nothing is left of it."""


class Asking(Paced):
    """A task: the same request every `every` seconds, each told as an attempt: whether its answer kept the promise."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.pending: list[Asked] = []
        self.reason = ""
        super().__init__(loop, output, task, ended)
        self.look()

    def tick(self, number: int, late: float) -> None:
        """Send one request; where too many are under way already, this one is left out."""
        if len(self.pending) < AT_ONCE:
            self.pending.append(Asked(self.task, number, late))
        else:
            self.slipped(time.monotonic(), late, 1)

    def look(self) -> None:
        """Tell those that are done, and end with the last one after the last tick."""
        for one in [one for one in self.pending if one.told is not None or not one.thread.is_alive()]:
            self.pending.remove(one)
            lost = {"t": one.began, "ok": False, "ms": 0.0, "error": "nothing came of it"}
            self.output.send(
                id=self.task["id"],
                event="attempt",
                n=one.number,
                late=round(one.late * 1000, 3),
                server="",
                **(one.told or lost),
            )
        if self.reason and not self.pending:
            self.done(self.reason, skipped=self.ticker.skipped)
            return
        self.loop.at(time.monotonic() + LOOKED_EVERY, self.look)

    def finished(self, reason: str) -> None:
        """No more requests; those under way still count."""
        self.reason = reason


class Asked:
    """One request of many, in a thread of its own, and what is to be told of it."""

    def __init__(self, task: dict[str, Any], number: int, late: float) -> None:
        self.task, self.number, self.late = task, number, late
        self.told: dict[str, Any] | None = None
        self.began = time.time_ns()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        """Ask, and judge the answer."""
        began = time.monotonic()
        found = ask(self.task)
        error = found["error"] or broken(self.task, found)
        took = round((time.monotonic() - began) * 1000, 3)
        self.told = {"t": self.began, "ok": not error, "ms": took, "error": error}


def broken(task: dict[str, Any], found: dict[str, Any]) -> str:
    """What an answer does not keep, in a word or two: its code is none of those expected, or its text is not there."""
    code = found["status"]
    if task["expected"] and code not in task["expected"]:
        return "{} {}".format("http" if task["protocol"].startswith("http") else task["protocol"], code)
    return "" if task["holds"] in found["body"] else "another text"


def ask(task: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return what came of it, as fields of a message.

    `error` is empty where an answer was had, else a word or two; `stage` says how far it came. `status` is that of
    HTTP or the code of DNS, `body` as much of the answer as is looked at. Of TLS, `certificate` is the server's own
    (DER in base64), and `untrusted` says why it is not to be trusted, empty where it is. `size` is how many bytes of
    certificate and body came. A `segment` is the most that either side may put into one packet (TCP_MAXSEG); one
    that goes in `pieces` puts little into each packet itself, and the other side as much as it likes.
    """
    found: dict[str, Any] = {
        "error": "", "stage": "connecting", "status": 0, "body": "", "location": "", "size": 0,
    }  # fmt: skip
    try:
        if task["protocol"] in ("udp", "dns", "quic"):
            _by_datagram(task, found)
        else:
            _by_connection(task, found)
    except TimeoutError:
        found["error"] = "timeout"
    except OSError as error:
        reason = getattr(error, "reason", "")  # of TLS, whose errors are those of the system as well
        found["error"] = "tls: " + str(reason).replace("_", " ").lower() if reason else word(error)
    except (http.client.HTTPException, ValueError) as error:
        spoken = task["protocol"] if task["protocol"] in ("dns", "quic") else "http"
        found["error"] = f"no {spoken}: {type(error).__name__}"
    return found


def _by_datagram(task: dict[str, Any], found: dict[str, Any]) -> None:
    family = socket.AF_INET6 if ":" in task["host"] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(task["timeout"])
        sock.connect((task["host"], task["port"]))
        number, ids = secrets.randbits(16), (secrets.token_bytes(ID), secrets.token_bytes(ID))
        if task["protocol"] == "quic":
            sock.send(greeting(*ids))
        else:
            sock.send(
                query(task["hostname"], number) if task["protocol"] == "dns" else task["payload"].encode()
            )
        found["stage"] = "waiting for the answer"
        answer = sock.recv(MOST_BODY)
    if task["protocol"] == "dns":
        found["status"], found["body"] = answered(answer, number)
    elif task["protocol"] == "quic":
        found["body"] = versions(answer, *ids)
    else:
        found["body"] = answer.decode("utf-8", "replace")


def greeting(there: bytes, here: bytes) -> bytes:
    """A QUIC packet of a version that nobody speaks, which a server has to answer with those that it speaks."""
    head = b"\xc0" + NO_VERSION + bytes([ID]) + there + bytes([ID]) + here
    return head.ljust(LEAST_QUIC, b"\0")


def versions(data: bytes, there: bytes, here: bytes) -> str:
    """The versions in the answer to a greeting (RFC 9000, 17.2.1). Raises ValueError for anything else."""
    head = b"\0\0\0\0" + bytes([ID]) + here + bytes([ID]) + there
    listed = data[1 + len(head) :]
    if not data or not data[0] & 0x80 or data[1 : 1 + len(head)] != head or not listed or len(listed) % 4:
        raise ValueError("no answer to this greeting")
    return " ".join(listed[place : place + 4].hex() for place in range(0, len(listed), 4))


def query(name: str, number: int) -> bytes:
    """A DNS question for the IPv4 address of a name (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(part)]) + part for part in name.rstrip(".").encode("idna").split(b"."))
    return DNS_HEADER.pack(number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", A, 1)


def answered(data: bytes, number: int) -> tuple[int, str]:
    """Code and addresses of the DNS answer to the question of that number. Raises ValueError for anything else."""
    if len(data) < DNS_HEADER.size:
        raise ValueError("too short")
    got, flags, questions, answers, _, _ = DNS_HEADER.unpack_from(data)
    if got != number or not flags & 0x8000:
        raise ValueError("no answer to this question")
    place = DNS_HEADER.size
    for _ in range(questions):
        place = _after_name(data, place) + 4
    addresses = []
    for _ in range(answers):
        place = _after_name(data, place)
        if place + 10 > len(data):
            break
        kind, _, _, length = struct.unpack_from(">HHIH", data, place)
        value = data[place + 10 : place + 10 + length]
        if (kind, length) == (A, 4):
            addresses.append(socket.inet_ntop(socket.AF_INET, value))
        elif (kind, length) == (AAAA, 16):
            addresses.append(socket.inet_ntop(socket.AF_INET6, value))
        place += 10 + length
    return flags & 0xF, " ".join(addresses)


def _after_name(data: bytes, place: int) -> int:
    while place < len(data):
        length = data[place]
        if length >= 0xC0:
            return place + 2
        place += 1 + length
        if not length:
            return place
    raise ValueError("a name that does not end")


def _by_connection(task: dict[str, Any], found: dict[str, Any]) -> None:
    deadline = time.monotonic() + task["timeout"]
    sock = _connected(task)
    with sock:
        found["stage"] = "connected"
        if task["protocol"] == "https":
            sock = _secured(task, sock, found, deadline)
        if task["protocol"] == "tcp":
            return
        with sock:
            found["stage"] = "waiting for the answer"
            _by_http(task, sock, found, deadline)


def _connected(task: dict[str, Any]) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in task["host"] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(task["timeout"])
        if task.get("segment"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, task["segment"])
        sock.connect((task["host"], task["port"]))
    except OSError:
        sock.close()
        raise
    if task["proxy"]:
        own, other = sock.getsockname()[:2], sock.getpeername()[:2]
        family = "TCP6" if ":" in other[0] else "TCP4"
        sock.sendall(f"PROXY {family} {own[0]} {other[0]} {own[1]} {other[1]}\r\n".encode())
    return sock


def _trusting(ca: str) -> ssl.SSLContext:
    """What trusts these certificates, or those of this host; made once, as reading all of a host's takes a while."""
    import ssl  # noqa: PLC0415 - as in _secured

    with _MAKING:
        if ca not in _MADE:
            _MADE[ca] = ssl.create_default_context(cadata=ca or None)
        return _MADE[ca]


def _secured(
    task: dict[str, Any], sock: socket.socket, found: dict[str, Any], deadline: float
) -> socket.socket:
    """The connection with TLS; one whose certificate is not to be trusted is made a second time all the same."""
    import ssl  # noqa: PLC0415 - slow to load, and most agents are asked nothing of the kind

    name = task["hostname"] or task["host"]
    found["stage"] = "in the TLS handshake"
    try:
        secured = _trusting(task["ca"]).wrap_socket(sock, server_hostname=name)
        found["untrusted"] = ""
    except ssl.SSLCertVerificationError as error:
        found["untrusted"] = getattr(error, "verify_message", "") or "certificate verify failed"
        again = dict(task, timeout=max(0.1, deadline - time.monotonic()))
        sock = _connected(again)
        anyway = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyway.check_hostname, anyway.verify_mode = False, ssl.CERT_NONE
        secured = anyway.wrap_socket(sock, server_hostname=name)
    certificate = secured.getpeercert(binary_form=True) or b""
    found["certificate"] = base64.b64encode(certificate).decode()
    found["size"] = len(certificate)
    return secured


class Until(io.RawIOBase):
    """What a connection brings until a time: a limit for each read alone is one that slow bytes never reach."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock, self.deadline = sock, deadline

    def makefile(self, *_: Any) -> io.BufferedReader:
        """As HTTP of Python's library asks for it."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, room: Any) -> int:
        """Read what has come. Raises TimeoutError."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        return self.sock.recv_into(room)


def _send(task: dict[str, Any], sock: socket.socket, request: bytes) -> None:
    if not task.get("pieces"):
        sock.sendall(request)
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(request), PIECE):
        sock.sendall(request[start : start + PIECE])
        time.sleep(0.02)  # what waits for its turn in the kernel would be put together


def _by_http(task: dict[str, Any], sock: socket.socket, found: dict[str, Any], deadline: float) -> None:
    deadline = max(deadline, time.monotonic() + 0.1)
    sock.settimeout(deadline - time.monotonic())
    host = "[{}]".format(task["host"]) if ":" in task["host"] else task["host"]
    request = (
        "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: metallb-conformance\r\nAccept: */*\r\n"
        "Connection: close\r\n\r\n"
    )
    _send(task, sock, request.format(task["method"], task["path"], task["hostname"] or host).encode())
    slowest = Until(sock, deadline)
    answer = http.client.HTTPResponse(slowest, method=task["method"])  # type: ignore[arg-type]  # asks for a file only
    answer.begin()
    found["status"] = answer.status
    found["location"] = answer.getheader("Location", "")[:2000]
    body = answer.read(MOST_BODY)
    found["body"] = body.decode("utf-8", "replace")
    found["size"] += len(body)
