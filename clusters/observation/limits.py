"""How much one observation may ask for, so that it stays a look and never becomes a load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one collection.

    `free_addresses` is how many free addresses of each pool are asked for on the wire, `reached` how many
    service ports are tried from the vantage, `reached_beside` how many where one service alone is asked about; what
    share that was is recorded. `workers` requests run at a time, and a list is read in pages of `page` objects.

    Of each log the last `log_lines_read` lines are read, and without noise the last `log_lines` of them are kept, up to
    `log_lines_kept` where they are of the log's last `log_seconds`. Where what was read is of less than
    `log_seconds_read`, `log_lines_flooded` are read: speakers look for peers that they have lost once a minute.

    Each port is tried `tries_at_least` times, and up to `tries_at_most` times where all ports together then take no
    more than `tries_at_first` tries. Ports in trouble are tried `tries_at_most` times, up to `tries_in_trouble` tries
    in all; beside them `nodes_around` nodes are tried at their own addresses, `node_tries` times each, and `node_ports`
    NodePorts, `node_port_tries` times each: on the announcers and on `other_nodes` more. Of
    `partly_lost` ports of which some tries were lost and others not, up to `tries_again` lost ones are made again from
    their source ports, and `tries_slower` beside them.
    """

    workers: int = 8
    page: int = 500
    log_lines: int = 200
    log_lines_kept: int = 600
    log_lines_read: int = 2000
    log_lines_flooded: int = 12000
    log_seconds: float = 3600.0
    log_seconds_read: float = 90.0
    free_addresses: int = 64
    reached: int = 1024
    reached_beside: int = 64
    tries_at_first: int = 100
    tries_at_least: int = 3
    tries_at_most: int = 20
    tries_in_trouble: int = 400
    nodes_around: int = 8
    node_tries: int = 10
    other_nodes: int = 2
    node_ports: int = 20
    node_port_tries: int = 20
    partly_lost: int = 4
    tries_again: int = 12
    tries_slower: int = 6


DEFAULT = Limits()
