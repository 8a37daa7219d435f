"""Objects as repository and cluster state them: the pools among them, and what is sent for a later rendering.

Pools are read from plain objects or from YAML text. The steps from one rendering to the next are what `kubectl apply`
would send that has applied the earlier one: a field that is rendered no more is taken away, one that the cluster or
somebody else has added stays. Lists are replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.gitops.documents import FileError, listing, mapping, parse
from clusters.metallb import pools, ranges
from clusters.metallb.pools import Pool
from clusters.objects import Object, metadata_of, spec_of

GROUP = "metallb.io"
#: The kinds of MetalLB's configuration; its status kinds are written by MetalLB and never rendered.
CONFIGURATION = frozenset(
    {"IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"}
)
POOL = "IPAddressPool"
_SELECTING = frozenset({"serviceAllocation"})


def pool_of(found: Object) -> Pool:
    """An IPAddressPool object, rendered or live. Whom it is kept for is left out: nothing here asks it."""
    spec = {name: value for name, value in spec_of(found).items() if name not in _SELECTING}
    spec["addresses"] = [str(entry) for entry in listing(spec.get("addresses"))]
    metadata = metadata_of(found)
    named = {"name": str(metadata.get("name") or ""), "labels": mapping(metadata.get("labels"))}
    return pools.parse({"metadata": named, "spec": spec})


def pool_from(name: str, addresses: Iterable[str]) -> Pool:
    """A pool of these ranges."""
    return pool_of({"metadata": {"name": name}, "spec": {"addresses": list(addresses)}})


def pools_of(objects: Iterable[Object]) -> tuple[Pool, ...]:
    """The pools among rendered `objects`, by name."""
    found = (pool_of(each) for each in objects if each.get("kind") == POOL and is_metallb(each))
    return tuple(sorted(found, key=lambda pool: pool.name))


def bounds(pool: Pool) -> tuple[tuple[int, int, int], ...]:
    """What a pool covers, so that two spellings of the same addresses are equal."""
    return tuple(found.bounds for found in ranges.merged(pool.ranges))


def size(pool: Pool) -> int:
    """How many addresses a pool covers."""
    return sum(found.size for found in ranges.merged(pool.ranges))


def is_metallb(found: Object) -> bool:
    """Whether an object is of MetalLB's API group."""
    return str(found.get("apiVersion", "")).startswith(f"{GROUP}/")


def is_configuration(found: Object) -> bool:
    """Whether an object is a piece of MetalLB's configuration, as people write it."""
    return is_metallb(found) and found.get("kind") in CONFIGURATION


def key(found: Object) -> str:
    """The object's name among all: "IPAddressPool metallb-system/metallb-pool"."""
    metadata = metadata_of(found)
    namespace = metadata.get("namespace")
    return f"{found.get('kind', 'object')} {f'{namespace}/' if namespace else ''}{metadata.get('name', '')}"


def listed(entries: Iterable[object]) -> str:
    """Ranges, addresses or names for a sentence: "a, b", or "nothing"."""
    return ", ".join(str(each) for each in entries) or "nothing"


def pools_in_text(text: str) -> dict[str, tuple[str, ...]]:
    """The ranges by pool name that a YAML file states: in a pool, or in a kustomization's patch of one.

    For reading old revisions without rendering them. A file that is not YAML states none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for data in _contents(text):
        found.update(_stated(data))
        for patch in listing(mapping(data).get("patches")):
            if isinstance(patch, dict) and isinstance(patch.get("patch"), str):
                found.update(_patched(patch))
    return found


def _contents(text: str) -> list[Any]:
    try:
        return [entry.data for entry in parse(text, "")]
    except FileError:
        return []


def _stated(data: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The pool that one document is, or patches by its own content."""
    if isinstance(data, dict) and data.get("kind") == POOL and is_metallb(data):
        addresses = spec_of(data).get("addresses")
        if isinstance(addresses, list):
            yield str(metadata_of(data).get("name", "")), tuple(map(str, addresses))


def _patched(patch: Object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The ranges that an inline patch sets, as a piece of the object or as a list of operations."""
    target = mapping(patch.get("target"))
    for content in _contents(patch["patch"]):
        yield from _stated(content)
        if isinstance(content, list) and target.get("kind") == POOL:
            operations = [each for each in content if isinstance(each, dict)]
            values = [
                each.get("value")
                for each in operations
                if str(each.get("path", "")).startswith("/spec/addresses")
            ]
            flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
            if flat:
                yield str(target.get("name", "")), tuple(map(str, flat))


@dataclass(frozen=True)
class Step:
    """One object to send: `patch` (RFC 7386) is for one that is there, None where all of it is new."""

    obj: Object
    patch: Object | None


def steps(earlier: Sequence[Object], later: Sequence[Object]) -> list[Step]:
    """What to send, in the order of `later`. Objects that are rendered no more are left alone, see `dropped`."""
    known = {key(obj): obj for obj in earlier}
    found = []
    for obj in later:
        if key(obj) not in known:
            found.append(Step(obj, None))
        elif patch := merge_patch(known[key(obj)], obj):
            found.append(Step(obj, patch))
    return found


def dropped(earlier: Sequence[Object], later: Sequence[Object]) -> list[str]:
    """The objects that are rendered no more."""
    left = {key(obj) for obj in later}
    return sorted(key(obj) for obj in earlier if key(obj) not in left)


def merge_patch(old: Object, new: Object) -> Object:
    """The merge patch that makes `new` of `old`; empty where they are equal."""
    patch: Object = dict.fromkeys(name for name in old if name not in new)
    for name, value in new.items():
        had = old.get(name)
        if isinstance(value, dict) and isinstance(had, dict):
            if inner := merge_patch(had, value):
                patch[name] = inner
        elif name not in old or had != value:
            patch[name] = value
    return patch
