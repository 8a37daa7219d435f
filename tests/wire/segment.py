"""A segment of a test's own: one bridge, some hosts, each in a network namespace. Nothing else is touched."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pyroute2 import NetNS, netns

from clusters.vantage import frames
from clusters.vantage.client import Client
from clusters.vantage.launch import Launch
from clusters.vantage.vantage_data import Mac, mac

PORT = 8080
VIP, VIP6 = "10.77.0.100", "fd77::100"
NODAD, NTF_MASTER, NUD_NOARP, NUD_STALE = (
    0x02,
    0x04,
    0x40,
    0x04,
)  # of <linux/if_addr.h> and <linux/neighbour.h>
SERVER = Path(__file__).with_name("server.py")


@dataclass
class Host:
    """One host; its interface is eth0 with 10.77.0.N/24 and fd77::N/64."""

    name: str
    netns: str
    number: int
    link: NetNS
    mac: Mac
    index: int
    server: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        return f"10.77.0.{self.number}"

    @property
    def address6(self) -> str:
        return f"fd77::{self.number}"

    def take(self, address: str) -> None:
        """Hold one more address; the kernel then answers for it, silently from now on."""
        flags = {"flags": NODAD} if ":" in address else {}
        self.link.addr("add", index=self.index, address=address, prefixlen=_whole(address), **flags)

    def release(self, address: str) -> None:
        self.link.addr("del", index=self.index, address=address, prefixlen=_whole(address))

    def up(self) -> None:
        self.link.link("set", index=self.index, state="up")

    def down(self) -> None:
        self.link.link("set", index=self.index, state="down")

    def sysctl(self, name: str, value: int) -> None:
        """Set one of the host's own."""
        command = ["nsenter", f"--net=/run/netns/{self.netns}", "sysctl", "-qw", f"{name}={value}"]
        subprocess.run(command, check=True)

    def filter(self, rules: str) -> None:
        """Load rules of nftables into the host, for as long as it is there."""
        command = ["nsenter", f"--net=/run/netns/{self.netns}", "nft", "-f", "-"]
        subprocess.run(command, input=rules, text=True, check=True)

    def announce(self, address: str, *, count: int = 1) -> None:
        """Send `count` pairs of gratuitous ARP (request and reply), or as many advertisements."""
        pair = [frames.announcement(address, self.mac, reply=reply).hex() for reply in (False, True)]
        with Client(self.name, Launch(netns=f"/run/netns/{self.netns}")) as client:
            limits = {"every": 0.002, "count": 2 * count, "for": 5}
            task = client.start("send", interface="eth0", frames=pair, **limits)
            task.until_started().until_done(5)


def _whole(address: str) -> int:
    return 128 if ":" in address else 32


@dataclass
class Segment:
    """The hosts, by name; `client` and the nodes that were asked for."""

    bridge: NetNS
    hosts: dict[str, Host] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def move(self, address: str, *, before: str, after: str, announce: bool = True) -> None:
        self[before].release(address)
        self[after].take(address)
        if announce:
            self[after].announce(address)

    def make_stale(self, address: str) -> None:
        """Have the client's kernel hold what it knows of an address for old, as it does after half a minute."""
        client = self["client"]
        entry = {"ifindex": client.index, "dst": address, "state": NUD_STALE}
        (known,) = (row for row in client.link.get_neighbours(dst=address))
        client.link.neigh("replace", lladdr=known.get_attr("NDA_LLADDR"), **entry)

    def bind_port(self, name: str) -> None:
        """Have the bridge take frames of one MAC only from a host, as switches with port security do."""
        port = self.bridge.link_lookup(ifname=f"p{self[name].number}")[0]
        self.bridge.brport("set", index=port, learning=0, locked=1)
        entry = {"ifindex": port, "lladdr": self[name].mac, "flags": NTF_MASTER, "state": NUD_NOARP}
        self.bridge.fdb("replace", **entry)


def _join(bridge: NetNS, lan: str, name: str, number: int) -> Host:
    space = f"{lan}-{name}"
    netns.create(space)
    link = NetNS(space)
    bridge.link("add", ifname=f"p{number}", kind="veth", peer={"ifname": "eth0", "net_ns_fd": space})
    port = bridge.link_lookup(ifname=f"p{number}")[0]
    bridge.link("set", index=port, master=bridge.link_lookup(ifname="br0")[0], state="up")
    index = link.link_lookup(ifname="eth0")[0]
    link.link("set", index=link.link_lookup(ifname="lo")[0], state="up")
    link.link("set", index=index, state="up")
    link.addr("add", index=index, address=f"10.77.0.{number}", prefixlen=24)
    link.addr("add", index=index, address=f"fd77::{number}", prefixlen=64, flags=NODAD)
    hardware = link.get_links(index)[0].get_attr("IFLA_ADDRESS")
    return Host(name=name, netns=space, number=number, link=link, mac=mac(hardware), index=index)


def _serve(host: Host) -> subprocess.Popen[str]:
    command = [sys.executable, "-I", str(SERVER), f"/run/netns/{host.netns}", host.name, str(PORT)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def _stop(server: subprocess.Popen[str]) -> None:
    for pipe in (server.stdin, server.stdout):
        assert pipe is not None
        pipe.close()
    server.wait(5)


@contextlib.contextmanager
def segment(*nodes: str) -> Iterator[Segment]:
    """A client and the named nodes on one bridge, each node serving on PORT at all of its addresses."""
    lan = f"wire{secrets.token_hex(3)}"
    with contextlib.ExitStack() as stack:
        netns.create(lan)
        stack.callback(netns.remove, lan)
        bridge = stack.enter_context(NetNS(lan))
        made = Segment(bridge)
        bridge.link("add", ifname="br0", kind="bridge")
        bridge.link("set", index=bridge.link_lookup(ifname="br0")[0], state="up")
        for number, name in enumerate(("client", *nodes), start=1):
            stack.callback(_remove, f"{lan}-{name}")
            host = _join(bridge, lan, name, number)
            stack.callback(host.link.close)
            made.hosts[name] = host
            if name != "client":
                host.server = _serve(host)
                stack.callback(_stop, host.server)
        yield made


def _remove(space: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        netns.remove(space)
