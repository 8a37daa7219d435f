"""How much one observation may ask for, so that it stays a look and never becomes a load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one collection.

    `free_addresses` is how many free addresses of each pool are asked for on the wire, `reached` how many
    service ports are tried from the vantage; what share that was is recorded. `workers` requests run at a
    time, and a list is read in pages of `page` objects.
    """

    workers: int = 8
    page: int = 1000
    log_lines: int = 200
    free_addresses: int = 64
    reached: int = 1024
    probes_at_once: int = 32


DEFAULT = Limits()
