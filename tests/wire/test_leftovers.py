"""After a segment and its vantages are gone, nothing of them is left."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from clusters.vantage import NetnsVantage
from tests.wire.segment import PORT, VIP, segment


def namespaces() -> set[str]:
    folder = Path("/run/netns")
    return (
        {path.name for path in folder.iterdir() if path.name.startswith("wire")} if folder.exists() else set()
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_nothing_is_left() -> None:
    before = namespaces(), set(psutil.net_if_addrs()), set(psutil.Process().children(recursive=True))
    with segment("a") as lan:
        made = namespaces() - before[0]
        lan["a"].take(VIP)
        with NetnsVantage(lan["client"].netns) as vantage, vantage.watch(VIP, PORT):
            assert len(made) == 3
    assert not made & namespaces()
    assert set(psutil.net_if_addrs()) == before[1]
    assert set(psutil.Process().children(recursive=True)) <= before[2]
