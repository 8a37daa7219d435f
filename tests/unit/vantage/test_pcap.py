"""The capture file: what other programs read of it."""

from __future__ import annotations

import struct
from pathlib import Path

from scapy.utils import RawPcapReader

from clusters.vantage import captured_frames
from clusters.vantage.vantage_data import Frame

FRAMES = [
    Frame(t_ns=1_700_000_000_123_456_789, sent=False, data=b"\xff" * 42),
    Frame(t_ns=1_700_000_000_000_000_001, sent=True, data=b"\xaa" * 60),
]


def test_reads_back_in_order_with_nanoseconds(tmp_path: Path) -> None:
    with RawPcapReader(str(captured_frames.write(tmp_path / "capture.pcap", FRAMES))) as reader:
        rows = [(data, meta.sec, meta.usec) for data, meta in reader]
        assert (reader.nano, reader.linktype) == (True, 1)
    assert rows == [(b"\xaa" * 60, 1_700_000_000, 1), (b"\xff" * 42, 1_700_000_000, 123_456_789)]


def test_header_is_that_of_a_nanosecond_file(tmp_path: Path) -> None:
    data = captured_frames.write(tmp_path / "capture.pcap", []).read_bytes()
    magic, major, minor = struct.unpack("=IHH", data[:8])
    assert (magic, major, minor, len(data)) == (0xA1B23C4D, 2, 4, 24)
