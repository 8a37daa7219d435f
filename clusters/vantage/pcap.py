"""Captured frames as a pcap file with nanoseconds, as Wireshark and tcpdump open it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clusters.vantage.frames import quiet
from clusters.vantage.vantage_data import Frame

ETHERNET = 1


def write(path: Path, frames: Iterable[Frame]) -> Path:
    """Write `frames` in the order of their times to `path`, which is replaced; returns `path`."""
    with quiet():
        from scapy.utils import RawPcapWriter  # noqa: PLC0415 - imported where it is needed, for it takes long

    with RawPcapWriter(str(path), linktype=ETHERNET, nano=True) as writer:
        writer.write_header(None)  # an empty capture is a valid file too
        for frame in sorted(frames, key=lambda one: one.t_ns):
            sec, nanosec = divmod(frame.t_ns, 1_000_000_000)
            writer.write_packet(frame.data, sec=sec, usec=nanosec)
    return path
