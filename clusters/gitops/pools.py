"""Address pools as repository and cluster state them: names and ranges, from objects or YAML text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from clusters.gitops.documents import FileError, Json, parse
from clusters.metallb import ranges
from clusters.metallb.ranges import Address, AddressRange, RangeError

GROUP = "metallb.io"
#: The kinds of MetalLB's configuration; its status kinds are written by MetalLB and never rendered.
CONFIGURATION = frozenset(
    {
        "IPAddressPool",
        "L2Advertisement",
        "BGPAdvertisement",
        "BGPPeer",
        "BFDProfile",
        "Community",
        "AddressPool",
    }
)
_POOLS = frozenset({"IPAddressPool", "AddressPool"})


@dataclass(frozen=True)
class Pool:
    """One pool's name and the texts of its ranges, in the order given."""

    name: str
    addresses: tuple[str, ...] = ()

    def parsed(self) -> tuple[AddressRange, ...]:
        """The ranges that can be understood; `malformed` has the others."""
        return tuple(found for text in self.addresses if (found := _range(text)) is not None)

    def malformed(self) -> tuple[tuple[str, str], ...]:
        """The texts that MetalLB would refuse, each with the reason."""
        return tuple((text, reason) for text in self.addresses if (reason := _refusal(text)))

    def bounds(self) -> tuple[tuple[int, int, int], ...]:
        """What the ranges cover, so that two spellings of the same addresses are equal."""
        return tuple(found.bounds for found in ranges.merged(self.parsed()))

    @property
    def size(self) -> int:
        """How many addresses the pool covers."""
        return sum(found.size for found in ranges.merged(self.parsed()))

    def holds(self, address: Address) -> bool:
        """Whether `address` lies in the pool."""
        return any(address in found for found in self.parsed())


def pool_of(found: Json) -> Pool:
    """An IPAddressPool object, rendered or live, as a Pool."""
    listed = (found.get("spec") or {}).get("addresses") or ()
    return Pool(found.get("metadata", {}).get("name", ""), tuple(str(entry) for entry in listed))


def pools_of(objects: Iterable[Json]) -> tuple[Pool, ...]:
    """The pools among rendered `objects`, by name."""
    found = (pool_of(each) for each in objects if each.get("kind") in _POOLS and is_metallb(each))
    return tuple(sorted(found, key=lambda pool: pool.name))


def is_metallb(found: Json) -> bool:
    """Whether an object is of MetalLB's API group."""
    return str(found.get("apiVersion", "")).startswith(f"{GROUP}/")


def is_configuration(found: Json) -> bool:
    """Whether an object is a piece of MetalLB's configuration, as people write it."""
    return is_metallb(found) and found.get("kind") in CONFIGURATION


def pools_in_text(text: str) -> dict[str, tuple[str, ...]]:
    """The ranges by pool name that a YAML file states: in a pool, or in a kustomization's patch of one.

    For reading old revisions without rendering them. A file that is not YAML states none.
    """
    try:
        documents = [entry.data for entry in parse(text, "") if isinstance(entry.data, dict)]
    except FileError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for data in documents:
        found.update((pool.name, pool.addresses) for pool in pools_of([data]) if pool.addresses)
        for patch in data.get("patches") or ():
            if isinstance(patch, dict):
                found.update(_patched(patch))
    return found


def _patched(patch: Json) -> Iterator[tuple[str, tuple[str, ...]]]:
    text = patch.get("patch")
    if not isinstance(text, str):
        return
    target = patch.get("target") or {}
    try:
        contents = [entry.data for entry in parse(text, "")]
    except FileError:
        return
    for content in contents:
        if isinstance(content, dict):
            yield from ((pool.name, pool.addresses) for pool in pools_of([content]) if pool.addresses)
        elif isinstance(content, list) and target.get("kind") in _POOLS:
            values = [
                entry.get("value")
                for entry in content
                if isinstance(entry, dict) and str(entry.get("path", "")).startswith("/spec/addresses")
            ]
            flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
            if flat:
                yield str(target.get("name", "")), tuple(str(item) for item in flat)


def addresses_of(service: Json) -> tuple[Address, ...]:
    """The addresses that a service holds, from its load balancer status."""
    given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return tuple(
        ranges.parse_address(entry["ip"]) for entry in given if isinstance(entry, Mapping) and entry.get("ip")
    )


def service_name(service: Json) -> str:
    """Namespace and name with a slash, as findings name a service."""
    metadata = service.get("metadata", {})
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def listed(addresses: Iterable[object]) -> str:
    """Ranges or addresses for a sentence: "a, b", or "no address"."""
    return ", ".join(str(each) for each in addresses) or "no address"


def key(found: Json) -> str:
    """The object's name among those of its kind: "IPAddressPool metallb-system/metallb-pool"."""
    metadata = found.get("metadata") or {}
    namespace = metadata.get("namespace")
    return f"{found.get('kind', 'object')} {f'{namespace}/' if namespace else ''}{metadata.get('name', '')}"


def canonical(value: object) -> str:
    """A value in one spelling, for comparing lists whose order means nothing."""
    return json.dumps(value, sort_keys=True, default=str)


def _range(text: str) -> AddressRange | None:
    try:
        return ranges.parse(text)
    except RangeError:
        return None


def _refusal(text: str) -> str:
    try:
        ranges.parse(text)
    except RangeError as error:
        return str(error)
    return ""
