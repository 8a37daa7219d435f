"""Frames and packets that get lost: rules of nftables in one host of a lab, and on its LAN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from clusters.changes import Changes, HostUndo
from clusters.errors import Inconclusive, Refused
from clusters.lab.lab import Lab
from clusters.lab.network import port_name
from clusters.lab.plan import Host

TABLE = "mlc_fault"
MEMBERLIST_PORT = 7946

#: A table of nftables for the node that is to be cut off.
MEMBERLIST = f"""
table inet {TABLE} {{
  chain in {{
    type filter hook input priority -10;
    udp dport {MEMBERLIST_PORT} drop
    tcp dport {MEMBERLIST_PORT} drop
    tcp sport {MEMBERLIST_PORT} drop
  }}
  chain out {{
    type filter hook output priority -10;
    oifname != "lo" udp dport {MEMBERLIST_PORT} drop
    oifname != "lo" tcp dport {MEMBERLIST_PORT} drop
    oifname != "lo" tcp sport {MEMBERLIST_PORT} drop
  }}
}}
"""

# MetalLB broadcasts what nobody asked for, and answers questions to the asker alone.
_GRATUITOUS = """
table bridge {table} {{
  chain pass {{
    type filter hook forward priority -10;
    ether daddr ff:ff:ff:ff:ff:ff arp saddr ip {addresses} drop
  }}
}}
"""


# Both before any address is translated, so that a service's own address can be named.
_PORT = """
table inet {table} {{
  chain pass {{
    type filter hook {hook} priority -150;
    {side} "lo" tcp dport {port} reject with tcp reset
  }}
}}
"""
_ADDRESS = """
table inet {table} {{
  chain out {{
    type filter hook output priority -150;
    ip daddr {address} meta l4proto tcp reject with tcp reset
  }}
}}
"""
_ANSWERS = """
table bridge {table} {{
  chain pass {{
    type filter hook forward priority -10;
    {sender}arp saddr ip {address} drop
  }}
}}
"""
# Only what comes from clients: between nodes and pods all goes on, as it does where a firewall knows their ranges.
_BOUND_FOR = "ip daddr {address} "
_FORWARDED = """
table inet {table} {{
  chain pass {{
    type filter hook forward priority -10;
    {filtered}
  }}
}}
"""
# As early as connection tracking, so that what is dropped leaves no trace of itself there.
_LIMIT = """
table inet {table} {{
  chain pass {{
    type filter hook prerouting priority -290;
    ip daddr {address} tcp flags syn / syn,ack limit rate over {rate}/second burst {burst} packets drop
  }}
}}
"""
# Behind the nodes' own translation of addresses: what is left for the clients, too large and nobody told.
_LARGE = """
table inet {table} {{
  chain pass {{
    type filter hook postrouting priority 300;
    ip daddr {{ {clients} }} meta length > {size} drop
  }}
}}
"""
_LARGE_INWARD = """
table inet {table} {{
  chain pass {{
    type filter hook prerouting priority -300;
    ip saddr {{ {clients} }} meta length > {size} drop
  }}
}}
"""
# A bond chooses a link by the ports.
_FLOWS = """
table inet {table} {{
  chain pass {{
    type filter hook prerouting priority -300;
    ip saddr {sender} tcp sport & 1 == 1 drop
  }}
}}
"""
# What another node sends to pods is lost after it has left that node, as in a tunnel.
_ARRIVING = """
table inet {table} {{
  chain pass {{
    type filter hook prerouting priority -300;
    ip saddr {sender} ip daddr {to} meta l4proto {{ tcp, udp }} th dport {{ {ports} }} drop
  }}
}}
"""
# Of a switch: nothing passes between two of its ports, or frames for one host from one of them do not.
_PARTED = """
table bridge {table} {{
  chain pass {{
    type filter hook forward priority -10;
    iifname "{one}" oifname "{other}" drop
    iifname "{other}" oifname "{one}" drop
  }}
}}
"""
_ASTRAY = """
table bridge {table} {{
  chain pass {{
    type filter hook forward priority -10;
    iifname "{port}" ether daddr {mac} drop
  }}
}}
"""
_SENT = """
table inet {table} {{
  chain out {{
    type filter hook output priority 0;
    ip daddr {address} drop
  }}
}}
"""
_REPLIES = """
table bridge {table} {{
  chain pass {{
    type filter hook forward priority -10;
    ip saddr {address} drop
  }}
}}
"""


@contextmanager
def memberlist_cut(changes: Changes, lab: Lab, node: str) -> Iterator[None]:
    """Drop memberlist's packets, both ways, TCP and UDP, on one node of a lab."""
    with _table(changes, lab, node, family="inet", rules=MEMBERLIST, text=f"memberlist is cut on {node}"):
        yield


@contextmanager
def gratuitous_arp_lost(changes: Changes, lab: Lab, addresses: str) -> Iterator[None]:
    """Drop gratuitous ARP for the range `addresses` ("first-last") between all ports of the lab's LAN."""
    rules = _GRATUITOUS.format(table=TABLE, addresses=addresses)
    text = f"gratuitous ARP for {addresses} is dropped"
    with _table(changes, lab, "lan", family="bridge", rules=rules, text=text):
        yield


@contextmanager
def answers_lost(changes: Changes, lab: Lab, address: str, *, mac: str = "") -> Iterator[None]:
    """Drop all ARP that names `address` as its sender's, or only that of one machine, on the lab's LAN."""
    rules = _ANSWERS.format(table=TABLE, address=address, sender=f"ether saddr {mac} " if mac else "")
    text = f"answers for {address} are dropped"
    with _table(changes, lab, "lan", family="bridge", rules=rules, text=text):
        yield


@contextmanager
def port_refused(changes: Changes, lab: Lab, host: str, *, port: int, out: bool = False) -> Iterator[None]:
    """Refuse TCP to a port, from other hosts to `host`, or with `out` from `host` to others."""
    hook, side = ("output", "oifname !=") if out else ("input", "iifname !=")
    rules = _PORT.format(table=TABLE, hook=hook, side=side, port=port)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"port {port} is refused on {host}"):
        yield


@contextmanager
def address_refused(changes: Changes, lab: Lab, host: str, *, address: str) -> Iterator[None]:
    """Refuse TCP from the processes of `host` to one address, a service's own included."""
    rules = _ADDRESS.format(table=TABLE, address=address)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"{address} is refused on {host}"):
        yield


@contextmanager
def forwarding_filtered(
    changes: Changes, lab: Lab, host: str, *, to: str = "", verdict: str = "drop"
) -> Iterator[None]:
    """Drop what `host` forwards from clients of the lab, all of it or only to the IPv4 addresses `to`.

    `verdict` is nftables' word for what happens to it instead, such as "reject with icmpx admin-prohibited".
    """
    clients = [ip_address(each) for one in (lab.client, lab.remote) for each in one.addresses]
    bound_for = _BOUND_FOR.format(address=to) if to else ""
    filtered = [
        f"{'ip' if each.version == 4 else 'ip6'} saddr {each} {bound_for}{verdict}"
        for each in clients
        if each.version == 4 or not to
    ]
    rules = _FORWARDED.format(table=TABLE, filtered="\n    ".join(filtered))
    text = f"{host} does not forward{f' to {to}' if to else ''}"
    with _table(changes, lab, host, family="inet", rules=rules, text=text):
        yield


@contextmanager
def connections_limited(
    changes: Changes, lab: Lab, host: str, address: str, *, rate: int, burst: int
) -> Iterator[None]:
    """Drop new connections to `address` that come to `host` faster than so many a second."""
    rules = _LIMIT.format(table=TABLE, address=address, rate=rate, burst=burst)
    text = f"{host} limits connections to {address}"
    with _table(changes, lab, host, family="inet", rules=rules, text=text):
        yield


@contextmanager
def large_lost(changes: Changes, lab: Lab, host: str, *, size: int, inward: bool = False) -> Iterator[None]:
    """Drop packets of more than `size` bytes that `host` sends to the lab's clients, or gets, and tell nobody."""
    clients = ", ".join(each.address for each in (lab.client, lab.remote))
    rules = (_LARGE_INWARD if inward else _LARGE).format(table=TABLE, clients=clients, size=size)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"{host} drops large packets"):
        yield


@contextmanager
def arriving_lost(
    changes: Changes, lab: Lab, host: str, *, sender: str, to: str, ports: str
) -> Iterator[None]:
    """Drop what comes to `host` from one address to these `ports` of the addresses `to`."""
    rules = _ARRIVING.format(table=TABLE, sender=sender, to=to, ports=ports)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"{host} drops what {sender} sends"):
        yield


@contextmanager
def parted(changes: Changes, lab: Lab, one: Host, other: Host) -> Iterator[None]:
    """Let nothing pass between two hosts on the lab's LAN, as between ports of a switch that are kept apart."""
    ports = {name: port_name(host, host.interfaces[0]) for name, host in (("one", one), ("other", other))}
    rules = _PARTED.format(table=TABLE, **ports)
    text = f"{one.name} and {other.name} are kept apart"
    with _table(changes, lab, "lan", family="bridge", rules=rules, text=text):
        yield


@contextmanager
def frames_astray(changes: Changes, lab: Lab, sender: Host, to: Host) -> Iterator[None]:
    """Lose what one host sends to another's MAC; broadcasts pass, as where a switch has that MAC at a wrong port."""
    port = port_name(sender, sender.interfaces[0])
    rules = _ASTRAY.format(table=TABLE, port=port, mac=to.mac)
    text = f"frames of {sender.name} for {to.name} go astray"
    with _table(changes, lab, "lan", family="bridge", rules=rules, text=text):
        yield


@contextmanager
def sending_lost(changes: Changes, lab: Lab, host: str, address: str) -> Iterator[None]:
    """Drop what `host` itself sends to one address, before it leaves."""
    rules = _SENT.format(table=TABLE, address=address)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"{host} sends nothing to {address}"):
        yield


@contextmanager
def replies_lost(changes: Changes, lab: Lab, address: str) -> Iterator[None]:
    """Drop the packets that come from `address` on the lab's LAN; ARP and what is sent there pass."""
    rules = _REPLIES.format(table=TABLE, address=address)
    with _table(changes, lab, "lan", family="bridge", rules=rules, text=f"replies of {address} are dropped"):
        yield


@contextmanager
def flows_lost(changes: Changes, lab: Lab, host: str, sender: str) -> Iterator[None]:
    """Drop every other TCP flow that comes to `host` from an address, as a bond does one of whose two links is dead."""
    rules = _FLOWS.format(table=TABLE, sender=sender)
    with _table(changes, lab, host, family="inet", rules=rules, text=f"{host} loses flows of {sender}"):
        yield


def lift(lab: str, host: str, family: str) -> None:
    """Take the rules away; nothing happens where there are none, or the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["nft", "delete", "table", family, TABLE])


@contextmanager
def _table(changes: Changes, lab: Lab, host: str, *, family: str, rules: str, text: str) -> Iterator[None]:
    undo = HostUndo(
        text=text,
        action="clusters.faults.filters:lift",
        args={"lab": lab.name, "host": host, "family": family},
    )
    with changes.host_change(undo):
        done = lab.run(host, ["nft", "-f", "-"], input=rules)
        if done.returncode != 0:
            raise Inconclusive(f"nft refused the rules for {host}: {done.stderr.strip()}")
        yield
