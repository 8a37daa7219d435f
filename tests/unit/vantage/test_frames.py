"""Frames as they are built, as saved ones are read, and what the capture's filter lets through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers import inet6, l2

from clusters.vantage import frames
from clusters.vantage.frames import ARP_AND_ND, Asker, Said
from clusters.vantage.vantage_data import Interface, mac

CLIENT, OWNER = mac("02:00:00:00:00:01"), mac("0a:1b:2c:3d:4e:5f")
OWN = Asker(mac=CLIENT, address="10.0.0.9")

# A reply and a gratuitous request as a speaker sends them, and an answer to a solicitation, written out.
REPLY = bytes.fromhex(
    "020000000001 0a1b2c3d4e5f 0806 0001 0800 06 04 0002 0a1b2c3d4e5f 0a000064 020000000001 0a000009"
)
GRATUITOUS = bytes.fromhex(
    "ffffffffffff 0a1b2c3d4e5f 0806 0001 0800 06 04 0001 0a1b2c3d4e5f 0a000064 ffffffffffff 0a000064"
)
ADVERTISEMENT = bytes.fromhex(
    "020000000001 0a1b2c3d4e5f 86dd 60000000 0020 3a ff"
    "fd000000000000000000000000000100 fd000000000000000000000000000009"
    "8800 0000 40000000 fd000000000000000000000000000100 0201 0a1b2c3d4e5f"
)


def accepts(data: bytes) -> bool:
    """Run the filter as the kernel would; only the instructions that it uses."""
    place, value = 0, 0
    while True:
        code, yes, no, constant = ARP_AND_ND[place]
        place += 1
        if code in (0x28, 0x30):
            size = 2 if code == 0x28 else 1
            if constant + size > len(data):
                return False
            value = int.from_bytes(data[constant : constant + size], "big")
        elif code == 0x06:
            return constant > 0
        else:
            truth = {0x15: value == constant, 0x35: value >= constant, 0x25: value > constant}[code]
            place += yes if truth else no


class TestQuestion:
    def test_arp_is_a_broadcast_request_of_the_client(self) -> None:
        assert frames.question("10.0.0.100", OWN) == bytes.fromhex(
            "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000009 000000000000 0a000064"
        )

    def test_a_phantom_claims_no_address(self) -> None:
        asker = Asker.of_nobody()
        said = frames.parse(frames.question("10.0.0.100", asker))
        assert said == Said(
            kind="question", form="request", address="10.0.0.100", mac=asker.mac, to=frames.BROADCAST
        )
        assert frames.question("10.0.0.100", asker)[28:32] == bytes(4)

    def test_a_phantom_is_locally_administered_and_never_the_same(self) -> None:
        one, other = Asker.of_nobody(), Asker.of_nobody()
        assert one.mac != other.mac
        assert int(one.mac[:2], 16) & 3 == 2

    def test_a_solicitation_goes_to_the_group_of_the_address(self) -> None:
        data = frames.question("fd00::12:3456", Asker(mac=CLIENT, address="fd00::9"))
        assert data[:6].hex(":") == "33:33:ff:12:34:56"
        assert data[38:54].hex() == "ff0200000000000000000001ff123456"
        assert data[21] == 255
        said = frames.parse(data)
        assert said is not None
        assert (said.kind, said.address, said.mac) == ("question", "fd00::12:3456", CLIENT)

    def test_ipv6_is_asked_by_the_client_itself(self) -> None:
        route = Interface(name="eth0", index=2, mac=CLIENT, source="fd00::9", gateway="", up=True)
        phantom = Asker.of_nobody()
        assert frames.suited(phantom, "fd00::1", route) == Asker(mac=CLIENT, address="fd00::9")
        assert frames.suited(phantom, "10.0.0.1", route) is phantom


class TestParse:
    def test_reply(self) -> None:
        assert frames.parse(REPLY) == Said(
            kind="answer", form="reply", address="10.0.0.100", mac=OWNER, to=CLIENT
        )

    def test_padding_changes_nothing(self) -> None:
        assert frames.parse(REPLY + bytes(18)) == frames.parse(REPLY)

    @pytest.mark.parametrize("reply", [False, True], ids=["request", "reply"])
    def test_gratuitous(self, *, reply: bool) -> None:
        said = frames.parse(frames.announcement("10.0.0.100", OWNER, reply=reply))
        assert said is not None
        assert (said.kind, said.form) == ("gratuitous", "reply" if reply else "request")
        assert (said.address, said.mac) == ("10.0.0.100", OWNER)

    def test_gratuitous_request_as_sent_by_a_speaker(self) -> None:
        assert frames.announcement("10.0.0.100", OWNER) == GRATUITOUS

    def test_a_unicast_request_says_to_whom(self) -> None:
        said = frames.parse(bytes.fromhex("0a1b2c3d4e5f") + frames.question("10.0.0.100", OWN)[6:])
        assert said is not None
        assert (said.kind, said.to, frames.is_group(said.to)) == ("question", OWNER, False)

    def test_answer_to_a_solicitation(self) -> None:
        assert frames.parse(ADVERTISEMENT) == Said(
            kind="answer", form="advertisement", address="fd00::100", mac=OWNER, to=CLIENT
        )

    def test_an_unsolicited_advertisement_is_gratuitous(self) -> None:
        said = frames.parse(frames.announcement("fd00::100", OWNER))
        assert said is not None
        assert (said.kind, said.mac, said.address) == ("gratuitous", OWNER, "fd00::100")

    @pytest.mark.parametrize("size", [0, 6, 13, 20, 30])
    def test_what_is_cut_short_says_nothing(self, size: int) -> None:
        assert frames.parse(REPLY[:size]) is None

    @given(st.binary(max_size=120))
    def test_no_bytes_break_it(self, data: bytes) -> None:
        assert frames.parse(data) is None or isinstance(frames.parse(data), Said)

    @given(st.binary(max_size=60))
    def test_no_arp_breaks_it(self, rest: bytes) -> None:
        frames.parse(REPLY[:14] + rest)
        frames.parse(ADVERTISEMENT[:14] + rest)


class TestFilter:
    @pytest.mark.parametrize("frame", [REPLY, GRATUITOUS, ADVERTISEMENT], ids=["reply", "gratuitous", "nd"])
    def test_lets_address_resolution_through(self, frame: bytes) -> None:
        assert accepts(frame)

    @pytest.mark.parametrize("kind", [133, 134, 135, 136, 137])
    def test_lets_all_of_neighbour_discovery_through(self, kind: int) -> None:
        assert accepts(ADVERTISEMENT[:54] + bytes([kind]) + ADVERTISEMENT[55:])

    @pytest.mark.parametrize("kind", [1, 128, 132, 138, 143])
    def test_keeps_other_icmpv6_out(self, kind: int) -> None:
        assert not accepts(ADVERTISEMENT[:54] + bytes([kind]) + ADVERTISEMENT[55:])

    def test_keeps_traffic_out(self) -> None:
        assert not accepts(REPLY[:12] + b"\x08\x00" + bytes(46))
        assert not accepts(ADVERTISEMENT[:20] + b"\x06" + ADVERTISEMENT[21:])
        assert not accepts(REPLY[:12])


def test_capture_and_parser_agree_on_what_counts() -> None:
    for frame in (REPLY, GRATUITOUS, ADVERTISEMENT, frames.question("10.0.0.1", OWN)):
        assert accepts(frame)
        assert frames.parse(frame) is not None


MACS = st.binary(min_size=6, max_size=6).map(lambda data: mac(data.hex()))


class TestAsAPacketLibraryHasThem:
    """Scapy, which comes with the tests alone, builds the same bytes and reads the same out of them."""

    @given(MACS, st.ip_addresses(v=4), st.ip_addresses(v=4))
    def test_arp(self, who: Any, address: Any, target: Any) -> None:
        told = l2.Ether(src=who, dst=frames.BROADCAST)
        ask = l2.ARP(op="who-has", hwsrc=who, psrc=str(address), hwdst=frames.NO_MAC, pdst=str(target))
        has = l2.ARP(op="is-at", hwsrc=who, psrc=str(target), hwdst=frames.BROADCAST, pdst=str(target))

        assert frames.question(target, Asker(mac=who, address=str(address))) == bytes(told / ask)
        assert frames.announcement(target, who, reply=True) == bytes(told / has)

    @given(MACS, st.ip_addresses(v=6), st.ip_addresses(v=6))
    def test_neighbour_discovery(self, who: Any, address: Any, target: Any) -> None:
        low = target.packed[-3:].hex()
        group = f"ff02::1:ff{low[:2]}:{low[2:]}"
        ask = l2.Ether(src=who, dst=mac("3333ff" + low)) / inet6.IPv6(src=str(address), dst=group, hlim=255)
        ask /= inet6.ICMPv6ND_NS(tgt=str(target)) / inet6.ICMPv6NDOptSrcLLAddr(lladdr=who)
        has = l2.Ether(src=who, dst="33:33:00:00:00:01") / inet6.IPv6(
            src=str(target), dst="ff02::1", hlim=255
        )
        has /= inet6.ICMPv6ND_NA(tgt=str(target), R=0, S=0, O=1) / inet6.ICMPv6NDOptDstLLAddr(lladdr=who)

        assert frames.question(target, Asker(mac=who, address=str(address))) == bytes(ask)
        assert frames.announcement(target, who) == bytes(has)

    @given(
        option=st.sampled_from(["none", "own", "behind another"]),
        solicited=st.sampled_from([0, 1]),
        drawn=st.tuples(MACS, MACS, st.ip_addresses(v=6)),
    )
    def test_an_advertisement_is_read_as_it_was_built(self, option: str, solicited: int, drawn: Any) -> None:
        source, owner, target = drawn
        built = l2.Ether(src=source, dst=CLIENT) / inet6.IPv6(src=str(target), dst="fd00::9", hlim=255)
        built /= inet6.ICMPv6ND_NA(tgt=str(target), S=solicited)
        if option == "behind another":
            built /= inet6.ICMPv6NDOptMTU()
        if option != "none":
            built /= inet6.ICMPv6NDOptDstLLAddr(lladdr=owner)

        said = frames.parse(bytes(built) + bytes(10))

        assert said == Said(
            kind="answer" if solicited else "gratuitous",
            form="advertisement",
            address=str(target),
            mac=source if option == "none" else owner,
            to=CLIENT,
        )
