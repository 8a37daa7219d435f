"""Address ranges of both families: parsing as MetalLB does, size, overlap, free addresses.

Nothing here lists a range: an IPv6 /64 costs as much as an IPv4 /30.

Source: `ParseCIDR` and `cidrsOverlap` in MetalLB's internal/config/config.go, `ipConfusesBuggyFirmwares` in
internal/allocator/allocator.go, the same in 0.15.2 and 0.16.2 but for ranges whose ends are of two families:
0.16.2 refuses them, 0.15.2 panics on some and takes others for an empty pool. Here they are always an error.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from clusters.errors import ConformanceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BUGGY_OCTETS = (0, 255)
"""Last octets of the IPv4 addresses that `avoidBuggyIPs` keeps from being given out."""


class RangeError(ConformanceError):
    """A text that is no address range MetalLB would take. The text of the error quotes it."""


class AddressError(RangeError):
    """A text that is no single IP address."""


@dataclass(frozen=True)
class AddressRange:
    """All addresses from `first` to `last`, both included, of one family. `text` is how the user wrote it."""

    first: Address
    last: Address
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.first.version != self.last.version:
            raise RangeError(f"The range {self} starts and ends in different address families.")
        if int(self.first) > int(self.last):
            raise RangeError(f"The range {self} ends before it starts.")

    def __str__(self) -> str:
        return self.text or f"{self.first}-{self.last}"

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.first.version

    @property
    def size(self) -> int:
        """How many addresses lie in the range."""
        return int(self.last) - int(self.first) + 1

    @property
    def middle(self) -> Address:
        """An address of the middle: a prefix's first one is its network's, which no host has a way to."""
        return type(self.first)(int(self.first) + self.size // 2)

    @property
    def bounds(self) -> tuple[int, int, int]:
        """A key that sorts ranges by family and place."""
        return self.version, int(self.first), int(self.last)

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return False
        return address.version == self.version and int(self.first) <= int(address) <= int(self.last)

    def contains(self, address: Address) -> bool:
        """Whether `address` lies in the range."""
        return address in self

    def overlap(self, other: AddressRange) -> AddressRange | None:
        """The addresses that lie in both ranges, or None."""
        if self.version != other.version:
            return None
        first = max(self.first, other.first, key=int)
        last = min(self.last, other.last, key=int)
        return AddressRange(first, last) if int(first) <= int(last) else None

    def networks(self) -> tuple[Network, ...]:
        """The prefixes that make up the range, ascending: the order in which MetalLB walks them."""
        return tuple(ipaddress.summarize_address_range(self.first, self.last))

    def usable(self, *, avoid_buggy: bool = False) -> int:
        """How many addresses MetalLB would give out.

        MetalLB's own counters differ at two edges: it counts a pool with an IPv6 prefix of /66 or shorter as
        2**63-1 addresses, and with `avoidBuggyIPs` it subtracts a lone x.x.x.0/32 twice.
        """
        return self.size - (self._buggy() if avoid_buggy else 0)

    def addresses(self, *, avoid_buggy: bool = False) -> Iterator[Address]:
        """The addresses that MetalLB would give out, lazily and in its order."""
        for number in range(int(self.first), int(self.last) + 1):
            address = type(self.first)(number)
            if not (avoid_buggy and is_buggy(address)):
                yield address

    def _buggy(self) -> int:
        if self.version != 4:
            return 0
        low, high = int(self.first), int(self.last)
        return sum(_congruent(low, high, octet) for octet in BUGGY_OCTETS)


def _congruent(low: int, high: int, remainder: int) -> int:
    """How many numbers of low..high leave `remainder` when divided by 256."""
    return (high - remainder) // 256 - (low - 1 - remainder) // 256


def is_buggy(address: Address) -> bool:
    """Whether `avoidBuggyIPs` keeps this address back: an IPv4 address that ends in .0 or .255."""
    return address.version == 4 and int(address) % 256 in BUGGY_OCTETS


def parse_address(text: str) -> Address:
    """The address in `text`; an IPv4 address written as IPv6 (::ffff:1.2.3.4) becomes IPv4, as in Go.

    Raises AddressError; a zone (fe80::1%eth0) is one, as it is for MetalLB.
    """
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise AddressError(f"{text!r} is not an IP address.") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise AddressError(f"{text!r} carries a zone, which MetalLB does not take.")
        return address.ipv4_mapped or address
    return address


def parse(text: str) -> AddressRange:
    """An entry of `spec.addresses`: "10.0.0.1-10.0.0.9", "10.0.0.0/28", or the same in IPv6.

    As MetalLB has it: a lone address is not a range (write 10.0.0.1/32), host bits of a prefix are dropped,
    blanks are allowed around the ends of a range but not around a prefix. Raises RangeError.
    """
    return _parse_ends(text) if "-" in text else _parse_prefix(text)


def _parse_ends(text: str) -> AddressRange:
    start, _, end = text.partition("-")
    try:
        first, last = parse_address(start), parse_address(end)
    except AddressError as error:
        raise RangeError(f"The range {text!r} is malformed: {error}") from None
    return AddressRange(first, last, text)


def _parse_prefix(text: str) -> AddressRange:
    address, slash, length = text.partition("/")
    if not slash:
        hint = "/32" if "." in text else "/128"
        raise RangeError(
            f"{text!r} is neither a prefix nor a range.", remedy=f"A single address is written with {hint}."
        )
    if not (length.isascii() and length.isdigit()) or text != text.strip():
        raise RangeError(f"The prefix {text!r} is malformed.")
    try:
        network = ipaddress.ip_network((address, int(length)), strict=False)
    except ValueError:
        raise RangeError(f"The prefix {text!r} is malformed.") from None
    return AddressRange(network.network_address, network.broadcast_address, text)


def overlapping(ranges: Iterable[AddressRange]) -> Iterator[tuple[AddressRange, AddressRange, AddressRange]]:
    """Every pair that shares addresses, with what it shares: (one, other, shared). Each pair comes once."""
    open_ranges: list[AddressRange] = []
    for new in sorted(ranges, key=lambda each: each.bounds):
        # Sorted by family and start, an earlier range shares addresses if it reaches this one's start.
        open_ranges = [
            old for old in open_ranges if old.version == new.version and int(old.last) >= int(new.first)
        ]
        for old in open_ranges:
            yield old, new, AddressRange(new.first, min(old.last, new.last, key=int))
        open_ranges.append(new)


def merged(ranges: Iterable[AddressRange]) -> tuple[AddressRange, ...]:
    """The same addresses as ranges that neither overlap nor touch, ascending."""
    result: list[AddressRange] = []
    for new in sorted(ranges, key=lambda each: each.bounds):
        old = result[-1] if result else None
        if old and old.version == new.version and int(new.first) <= int(old.last) + 1:
            result[-1] = AddressRange(old.first, max(old.last, new.last, key=int))
        else:
            result.append(AddressRange(new.first, new.last))
    return tuple(result)


def first_free(
    ranges: Iterable[AddressRange], *, taken: Container[Address], count: int = 1, avoid_buggy: bool = False
) -> tuple[Address, ...]:
    """The first `count` addresses not in `taken`, in the order in which MetalLB would give them out.

    Looks at no more addresses than are taken or buggy before the last one returned.
    """
    free = (
        address
        for each in ranges
        for address in each.addresses(avoid_buggy=avoid_buggy)
        if address not in taken
    )
    return tuple(islice(free, count))


def edges(network: Network) -> tuple[Address, ...]:
    """The addresses of a node's network that no host may have: network and broadcast address.

    Empty for IPv6 and for IPv4 prefixes of /31 and longer (RFC 3021), which have neither.
    """
    if network.version == 6 or network.prefixlen >= 31:
        return ()
    return network.network_address, network.broadcast_address


def within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address lies in one of the networks; what is no address, or no network, does not."""
    for text in networks:
        try:
            if ipaddress.ip_address(address) in ipaddress.ip_network(text.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
