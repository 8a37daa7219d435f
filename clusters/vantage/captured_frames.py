"""Captured frames, sorted by what they say of which address, and kept as a pcap file with nanoseconds."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from clusters.vantage import frames
from clusters.vantage.analysis import round_of
from clusters.vantage.frames import Asker
from clusters.vantage.vantage_data import Frame, Gratuitous, Mac, Reply

#: That of a pcap file of Ethernet frames with nanoseconds (draft-ietf-opsawg-pcap), in this machine's order of bytes.
_HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0xFFFF, 1)


@dataclass
class Sightings:
    """What was seen of one address so far; times in ns of the epoch."""

    requests: list[int] = field(default_factory=list)
    answers: list[tuple[int, Mac]] = field(default_factory=list)
    gratuitous: list[tuple[int, Mac, str]] = field(default_factory=list)


class Wire:
    """Sorts frames as they come. Only answers to `askers` count, not what others say to each other."""

    def __init__(self, askers: Iterable[Asker]) -> None:
        self.askers = frozenset((asker.mac, ip_address(asker.address).version) for asker in askers)
        self.seen: defaultdict[str, Sightings] = defaultdict(Sightings)

    def add(self, frame: Frame) -> None:
        """Sort in one frame; what is neither ARP nor neighbour discovery is left out."""
        said = frames.parse(frame.data)
        if said is None:
            return
        seen, version = self.seen[said.address], ip_address(said.address).version
        if said.kind == "question" and frame.sent:
            # The kernel's own unicast requests (where the asker is the client itself) ask one host only.
            if (said.mac, version) in self.askers and frames.is_group(said.to):
                seen.requests.append(frame.t_ns)
        elif said.kind == "answer" and not frame.sent and (said.to, version) in self.askers:
            seen.answers.append((frame.t_ns, said.mac))
        elif said.kind == "gratuitous" and not frame.sent:
            seen.gratuitous.append((frame.t_ns, said.mac, said.form))

    def requests(self, address: str, began_ns: int) -> tuple[float, ...]:
        """When questions for `address` went out, in order."""
        return tuple(seconds(t, began_ns) for t in sorted(self.seen[address].requests))

    def replies(self, address: str, began_ns: int) -> tuple[Reply, ...]:
        """The answers for `address`, each with the number of the question before it."""
        asked = self.requests(address, began_ns)
        times = sorted((seconds(t, began_ns), mac) for t, mac in self.seen[address].answers)
        return tuple(Reply(t=t, mac=mac, round=round_of(asked, t)) for t, mac in times)

    def gratuitous(self, address: str, began_ns: int) -> tuple[Gratuitous, ...]:
        """The unasked announcements of `address`."""
        rows = sorted(self.seen[address].gratuitous)
        return tuple(Gratuitous(t=seconds(t, began_ns), mac=mac, kind=kind) for t, mac, kind in rows)


def seconds(t_ns: int, began_ns: int) -> float:
    """Seconds since the measurement began, to the microsecond."""
    return round((t_ns - began_ns) / 1e9, 6)


def write(path: Path, frames: Iterable[Frame]) -> Path:
    """Write `frames` in the order of their times to `path`, which is replaced; returns `path`."""
    rows = [_HEADER]  # an empty capture is a valid file too
    for frame in sorted(frames, key=lambda one: one.t_ns):
        sec, nanosec = divmod(frame.t_ns, 1_000_000_000)
        rows += (struct.pack("=IIII", sec, nanosec, len(frame.data), len(frame.data)), frame.data)
    path.write_bytes(b"".join(rows))
    return path
