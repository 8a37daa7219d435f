"""A sample of the fault catalogue for kind, of every kind of fault. What must be said about each is the catalogue's.

Faults of objects and workloads are made as in a lab. What a lab's faults do to its network and its nodes is done here
with Docker's own means: to a node's container, or by a container that is no node.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from clusters import budgets
from clusters.faults import filters
from clusters.providers.kind import containers
from tests.faults.catalogue import IN_THE_CLUSTER
from tests.faults.catalogue_fault import Fault
from tests.faults.catalogue_mesh import parted
from tests.faults.catalogue_network import ADDRESS, FREE, until_ready
from tests.faults.catalogue_stage import Stage

#: As the catalogue has them.
_UNCHANGED = (
    "a pool that gives no address unasked",
    "a pool without a free address",
    "two pools with a common address",
    "an advertisement of a pool that does not exist",
    "an address that no pool holds",
    "a service that selects nothing",
    "a service whose only pod is never ready",
    "the webhook's service is gone",
    "the controller is scaled to nothing",
    "a controller with an argument that it does not know",
    "a speaker with an argument that it does not know",
)


def sample(name: str, image: str) -> tuple[Fault, ...]:
    """The faults for the kind cluster called `name`; strangers are containers of `image`."""
    node = f"{name}-worker2"

    @contextmanager
    def split(stage: Stage) -> Iterator[None]:
        with parted(stage, node, memberlist_cut(node)):
            yield

    @contextmanager
    def squatted(stage: Stage) -> Iterator[None]:
        with squatting(ADDRESS, image=image):
            yield

    @contextmanager
    def squatted_free(stage: Stage) -> Iterator[None]:
        with squatting(FREE, image=image):
            yield

    @contextmanager
    def stands_still(stage: Stage) -> Iterator[None]:
        with kubelet_frozen(node):
            until_ready(stage, node, "Unknown", budgets.get(budgets.NODE_NOT_READY))
            yield
        until_ready(stage, node, "True", budgets.get(budgets.NODE_READY))

    @contextmanager
    def frozen(stage: Stage) -> Iterator[None]:
        with paused(node):
            until_ready(stage, node, "Unknown", budgets.get(budgets.NODE_NOT_READY))
            yield
        until_ready(stage, node, "True", budgets.get(budgets.NODE_READY))

    on_node = f"node {node}"
    return (
        *map(_named, _UNCHANGED),
        replace(
            _named("memberlist is cut off on one node"), make=split, shows={"health.speaker-log": on_node}
        ),
        replace(_named("a stranger answers for an assigned address"), make=squatted),
        replace(_named("a stranger answers for a free address"), make=squatted_free),
        replace(
            _named("a kubelet that stands still"),
            make=stands_still,
            shows={"recovery.incident-scope": on_node},
        ),
        replace(
            _named("a kubelet that stands still"),
            name="a node that stands still",
            make=frozen,
            shows={"recovery.incident-scope": on_node},
        ),
    )


def _named(name: str) -> Fault:
    return next(fault for fault in IN_THE_CLUSTER if fault.name == name)


@contextmanager
def memberlist_cut(node: str) -> Iterator[None]:
    """Drop memberlist's packets in the container of a node."""
    _docker("exec", "--interactive", node, "nft", "-f", "-", given=filters.MEMBERLIST)
    try:
        yield
    finally:
        _docker("exec", node, "nft", "delete", "table", "inet", filters.TABLE)


@contextmanager
def squatting(address: str, *, image: str) -> Iterator[None]:
    """A container on the nodes' network that was given `address`."""
    where = ("--network", containers.network_name(), "--ip", address, "--entrypoint", "sleep")
    container = _docker("run", "--detach", "--rm", *where, image, "infinity")
    try:
        yield
    finally:
        _docker("rm", "--force", container)


@contextmanager
def kubelet_frozen(node: str) -> Iterator[None]:
    """The kubelet of a node stands still; its containers run on."""
    _docker("exec", node, "pkill", "-STOP", "-x", "kubelet")
    try:
        yield
    finally:
        _docker("exec", node, "pkill", "-CONT", "-x", "kubelet")


@contextmanager
def paused(node: str) -> Iterator[None]:
    """Every process of a node stands still."""
    _docker("pause", node)
    try:
        yield
    finally:
        _docker("unpause", node)


def _docker(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["docker", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
