"""What traffic goes to, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """What traffic goes to. `path` and `hostname` (the Host header) are for HTTP, `payload` for UDP.

    The default payload makes agnhost's UDP server answer with its host name, as its /hostname does for HTTP.
    """

    address: str
    port: int
    protocol: str = "http"
    path: str = "/hostname"
    payload: str = "hostname"
    hostname: str = ""

    @property
    def name(self) -> str:
        """Like "http 192.0.2.9:80"."""
        return f"{self.protocol} {self.address}:{self.port}"

    @property
    def arguments(self) -> dict[str, str | int]:
        """What the agent needs to know of it."""
        return {
            "host": self.address,
            "port": self.port,
            "protocol": self.protocol,
            "path": self.path,
            "payload": self.payload,
            "hostname": self.hostname,
        }


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a measurement samples; seconds.

    An attempt gets less than the kernel's first retransmission of a SYN takes (1 s, RFC 6298), so that what
    was begun during an outage is not served by a retry after it.
    """

    every: float = 0.02
    arp_every: float = 0.05
    timeout: float = 0.9
    at_most: float = 900.0
    neighbours: tuple[str, ...] = ()
    control: Target | None = None
