"""A segment of each test's own, and a vantage on it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clusters.vantage import NetnsVantage
from tests.wire.segment import VIP, Segment, segment


@pytest.fixture
def lan() -> Iterator[Segment]:
    """A client and three nodes; node a holds the address, and c is the neighbour that no test disturbs."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    with segment("a", "b", "c") as made:
        made["a"].take(VIP)
        yield made


@pytest.fixture
def client(lan: Segment) -> Iterator[NetnsVantage]:
    """The client's host."""
    with NetnsVantage(lan["client"].netns) as vantage:
        yield vantage
