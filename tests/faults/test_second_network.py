"""Addresses on a network of their own: nothing is wrong there, whatever a run creates.

Each node has a second card, which no InternalIP is on; the pool that gives to new services is on that network, and is
announced on that card alone.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters.gitops import example
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests.faults.bench import ROOT, Bench, opened_bench

pytestmark = pytest.mark.full
POOL, SPARE, CARD = "172.30.1.200-172.30.1.220", "172.30.1.230-172.30.1.239", "eth1"
_EDGE = f"""\
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: edge, namespace: metallb-system}}
spec: {{addresses: [{POOL}]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: edge, namespace: metallb-system}}
spec: {{ipAddressPools: [edge], interfaces: [{CARD}]}}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example platform, whose lab has that pool, and another one for what asks for its addresses."""
    root = tmp_path_factory.mktemp("platform") / "platform"
    example.materialise(ROOT / "examples/platform", root, today=dt.datetime.now(dt.UTC).date())
    config = root / "metallb/overlays/lab/config.yaml"
    asked = config.read_text().replace("spec:\n  addresses:", "spec:\n  autoAssign: false\n  addresses:", 1)
    config.write_text(asked + _EDGE)
    return root


@pytest.fixture(scope="module")
def second_lab(platform: Path) -> Iterator[Lab]:
    name = f"n{os.getpid()}"
    try:
        yield life.up(LabOptions(name=name, nics=2, overlay=str(platform / "metallb/overlays/lab")))
    finally:
        life.down(name)


@pytest.fixture
def second(second_lab: Lab, platform: Path, tmp_path: Path) -> Iterator[Bench]:
    """The lab, and a profile that says where its addresses are."""
    settings = yaml.safe_load((ROOT / "clusters/profiles/lab.yaml").read_text())
    settings |= {"name": second_lab.name, "spare_addresses": [SPARE]}
    settings["lab"] = {"nodes": 3, "nics": 2, "overlay": str(platform / "metallb/overlays/lab")}
    settings["pools"].append({"name": "edge", "addresses": [POOL]})
    del settings["gitops"]
    path = tmp_path / f"{second_lab.name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    with opened_bench(second_lab, path, tmp_path) as bench:
        yield bench


#: Both watch an address by questions for nodes' InternalIPs as well, and none of those is on its network.
WITHOUT_A_CONTROL = {"announcement.answered", "announcement.gratuitous"}


def test_nothing_is_wrong_with_addresses_on_a_network_of_their_own(second: Bench) -> None:
    seen = second.run("allocation or announcement", allow="create")

    assert seen.failed == {}, seen.text
    undecided = {check for check, outcome in seen.outcomes.items() if outcome == "inconclusive"}
    assert undecided == WITHOUT_A_CONTROL, seen.text
    assert all("was seen leaving" in seen[check]["reason"] for check in WITHOUT_A_CONTROL)
    assert seen.outcomes["announcement.withdrawn"] == "passed"
