"""A pool whose every address avoidBuggyIPs leaves out is told as such, and not as one that services have used up."""

from __future__ import annotations

import pytest

from clusters.metallb import pools
from clusters.metallb.allocation import World, predict_allocation
from clusters.metallb.services import Service

LEFT_OUT = "Pool edge has no address to give: avoidBuggyIPs leaves out those that end in .0 and .255."


@pytest.mark.parametrize(("spec", "said"), [({"avoidBuggyIPs": True}, True), ({}, False)])
def test_a_pool_without_a_usable_address_says_why(spec: dict[str, bool], said: bool) -> None:  # noqa: FBT001
    pool = pools.parse({"metadata": {"name": "edge"}, "spec": {"addresses": ["192.0.2.255/32"], **spec}})

    found = predict_allocation(Service(namespace="shop", name="web"), World((pool,)))

    assert bool(found.reason and LEFT_OUT in found.reason.text) is said
