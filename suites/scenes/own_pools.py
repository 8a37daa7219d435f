"""Pools of the run's own, from addresses that the profile grants. The cluster's pools are never touched."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from clusters.changes import Changes
from clusters.workloads import builders
from suites.scenes.free_addresses import Addresses


@dataclass
class OwnPool:
    """A pool of the run's own, and its advertisement where it has one."""

    name: str
    addresses: tuple[str, ...]
    namespace: str
    changes: Changes
    advertised: ExitStack

    def advertise(self) -> None:
        """Create an L2Advertisement of this pool alone."""
        made = builders.l2_advertisement(self.name, namespace=self.namespace, pools=[self.name])
        self.advertised.enter_context(self.changes.created(made))

    def stop_advertising(self) -> None:
        """Delete the pool's L2Advertisement now."""
        self.advertised.close()


class OwnPools:
    """Makes pools; each leaves with the check. None serves a service that does not ask for it by name."""

    def __init__(self, changes: Changes, addresses: Addresses, stack: ExitStack) -> None:
        self._changes, self._addresses, self._stack = changes, addresses, stack

    def create(self, *, size: int) -> OwnPool:
        """A pool of `size` spare addresses, with an L2Advertisement of its own."""
        namespace = self._addresses.metallb_namespace
        granted = self._addresses.spare(size)
        name = f"conformance-{self._changes.run_id}-{self._changes.serial()}"
        spans = [f"{one}-{one}" for one in granted]
        made = builders.address_pool(name, namespace=namespace, addresses=spans)
        self._stack.enter_context(self._changes.created(made))
        advertised = self._stack.enter_context(ExitStack())
        pool = OwnPool(name, granted, namespace, self._changes, advertised)
        pool.advertise()
        return pool
