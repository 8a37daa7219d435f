"""A measurement through events whose true times the test knows, because it made them."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from scapy.layers.l2 import ARP
from scapy.utils import rdpcap

from clusters.errors import Inconclusive
from clusters.vantage import Measurement, NetnsVantage, Target, Timeline, VantageError
from tests.wire.segment import PORT, VIP, VIP6, Segment

EVERY = 0.02
SLACK = 0.015
"""What the test's own steps (a netlink request, a frame) may take on a busy machine, in seconds."""


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_the_schedule_is_kept(lan: Segment, client: NetnsVantage) -> None:
    with client.watch(VIP, PORT, every=EVERY, neighbours=[lan["c"].address]) as measurement:
        pause(5)
    timeline = measurement.timeline
    begun = [one.t for one in timeline.attempts]
    ticks = round(timeline.ended / EVERY)
    on_time = sum(one.late <= 0.005 for one in timeline.attempts)
    assert on_time >= 0.95 * ticks
    assert abs(len(begun) - ticks) <= 0.05 * ticks
    due = [one.t - one.late for one in timeline.attempts]
    off = [abs(t - due[0] - EVERY * round((t - due[0]) / EVERY)) for t in due]
    assert statistics.median(off[-50:]) < 0.002  # no drift
    assert (timeline.outages.count, timeline.address_outages.count) == (0, 0)
    assert timeline.servers == {"a": len(begun)}
    assert abs(len(timeline.requests) - timeline.ended / 0.05) <= 0.05 * timeline.ended / 0.05


@pytest.mark.parametrize("protocol", ["tcp", "udp", "http"])
def test_an_outage_is_measured_to_one_interval(lan: Segment, client: NetnsVantage, protocol: str) -> None:
    with client.watch(VIP, PORT, protocol=protocol, neighbours=[lan["c"].address]) as measurement:
        pause(0.5)
        steps = [time.monotonic()]
        lan["a"].release(VIP)
        steps.append(time.monotonic())
        measurement.mark("fault")
        pause(0.8)
        steps.append(time.monotonic())
        lan["a"].take(VIP)
        steps.append(time.monotonic())
        measurement.mark("restored")
        pause(0.5)
    outages = measurement.timeline.outages
    assert outages.count == 1
    # The true length lies between these two: when exactly the kernel did what it was asked is not known.
    shortest, longest = steps[2] - steps[1], steps[3] - steps[0]
    # A request that was under way when the fault struck fails too, and the first one after it takes its time.
    served = 2 * max(one.latency for one in measurement.timeline.attempts if one.ok)
    slack = outages.uncertainty + SLACK
    assert shortest - slack <= outages.longest <= longest + slack + served
    assert outages.total == outages.longest
    assert measurement.timeline.first_failure("fault") is not None


def test_two_short_outages_are_not_one_long_one(lan: Segment, client: NetnsVantage) -> None:
    with client.watch(VIP, PORT, protocol="tcp", neighbours=[lan["c"].address]) as measurement:
        for _ in range(2):
            pause(0.4)
            lan["a"].release(VIP)
            pause(0.3)
            lan["a"].take(VIP)
        pause(0.4)
    outages = measurement.timeline.outages
    assert outages.count == 2
    assert outages.longest < 0.3 + 3 * EVERY + 2 * SLACK
    assert outages.total == pytest.approx(0.6, abs=2 * (EVERY + SLACK) + EVERY)


def test_a_move_is_seen_on_the_wire_and_by_the_client(lan: Segment, client: NetnsVantage) -> None:
    a, b = lan["a"], lan["b"]
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.5)
        measurement.mark("fault")
        a.release(VIP)
        pause(0.5)
        measurement.mark("taken")
        b.take(VIP)
        b.announce(VIP, count=2)
        pause(0.5)
        assert measurement.owner() == b.mac
        measurement.mark("restored")
        lan.move(VIP, before="b", after="a")
        pause(0.5)
    timeline = measurement.timeline.require_control()
    assert [(one.before, one.after) for one in timeline.owner_changes] == [(a.mac, b.mac), (b.mac, a.mac)]
    taken = timeline.time_of("taken")
    assert -SLACK <= timeline.owner_changes[0].t - taken <= timeline.arp_every + SLACK
    assert timeline.address_gap == pytest.approx(0.5, abs=2 * timeline.arp_every + SLACK)
    assert [(one.mac, one.kind) for one in timeline.gratuitous_after("taken")][:4] == [
        (b.mac, "request"),
        (b.mac, "reply"),
    ] * 2
    assert [one.after for one in timeline.learned_changes] == [b.mac, a.mac]
    assert timeline.failback_after("restored") is not None
    assert (timeline.owner_at("fault"), timeline.owner_at("restored")) == (a.mac, b.mac)
    assert set(timeline.servers) == {"a", "b"}
    assert timeline.overlaps == ()


def test_double_answers_are_measured(lan: Segment, client: NetnsVantage) -> None:
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.4)
        lan["b"].take(VIP)
        pause(0.5)
        lan["a"].release(VIP)
        pause(0.4)
    timeline = measurement.timeline
    (overlap,) = timeline.overlaps
    assert overlap.macs == {lan["a"].mac, lan["b"].mac}
    assert timeline.overlap == pytest.approx(0.5, abs=2 * timeline.arp_every + SLACK)
    (change,) = timeline.owner_changes
    assert overlap.start <= change.t <= overlap.start + timeline.arp_every


def test_a_client_that_was_not_told_stays_with_the_old_owner(lan: Segment, client: NetnsVantage) -> None:
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.3)
        measurement.mark("fault")
        lan.move(VIP, before="a", after="b", announce=False)
        pause(0.7)
    timeline = measurement.timeline
    moved = timeline.moved_after("fault")
    assert moved is not None
    assert moved < 0.1
    assert timeline.gratuitous_after("fault") == ()
    assert (
        timeline.outages.windows[-1].recovered is False
    )  # the wire has moved, the client has not heard of it
    assert {one.mac for one in timeline.learned if one.mac} == {lan["a"].mac}


def test_ipv6_moves_the_same_way(lan: Segment, client: NetnsVantage) -> None:
    lan["a"].take(VIP6)
    with client.watch(VIP6, PORT, neighbours=[lan["c"].address6]) as measurement:
        pause(0.4)
        measurement.mark("fault")
        lan.move(VIP6, before="a", after="b")
        pause(0.6)
    timeline = measurement.timeline.require_control()
    assert [(one.before, one.after) for one in timeline.owner_changes] == [(lan["a"].mac, lan["b"].mac)]
    first = timeline.gratuitous_after("fault")[0]
    assert (first.mac, first.kind) == (lan["b"].mac, "advertisement")
    assert set(timeline.servers) == {"a", "b"}


def test_several_targets_share_one_clock_and_one_capture(
    lan: Segment, client: NetnsVantage, tmp_path: Path
) -> None:
    lan["b"].take("10.77.0.101")
    first, second = Target(address=VIP, port=PORT), Target(address="10.77.0.101", port=PORT, protocol="udp")
    steady = Target(address=lan["c"].address, port=PORT)
    watching = client.watch_all([first, second], neighbours=[lan["c"].address], control=steady)
    with watching as measurement:
        pause(0.3)
        lan["a"].release(VIP)
        pause(0.3)
    one, other = measurement.timelines[first.name], measurement.timelines[second.name]
    assert (one.outages.count, other.outages.count, one.control_outages.count) == (1, 0, 0)
    assert {attempt.server for attempt in one.control_attempts} == {"c"}
    assert one.began_ns == other.began_ns
    assert [path.name for path in measurement.save(tmp_path)] == [
        "timeline.json",
        "timeline-2.json",
        "capture.pcap",
    ]


def test_the_evidence_reads_back(lan: Segment, client: NetnsVantage, tmp_path: Path) -> None:
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.5)
    path, capture = measurement.save(tmp_path)
    assert Timeline.from_json(Timeline.to_json(measurement.timeline)) == measurement.timeline
    assert path.stat().st_size > 1000
    packets = rdpcap(str(capture))
    owners = {packet[ARP].hwsrc for packet in packets if ARP in packet and packet[ARP].psrc == VIP}
    assert owners == {lan["a"].mac}
    assert abs(float(packets[0].time) - measurement.timeline.began_ns / 1e9) < 1


def test_without_a_neighbour_nothing_is_proved(client: NetnsVantage) -> None:
    with client.watch(VIP, PORT) as measurement:
        pause(0.2)
    assert measurement.timeline.answers
    with pytest.raises(Inconclusive, match="no neighbour was named"):
        measurement.timeline.require_control()


def test_a_vantage_that_went_blind_proves_nothing(
    lan: Segment, client: NetnsVantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.vantage.asking.LONGEST_SILENCE", 1.0)
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.4)
        lan["client"].down()
        pause(1.5)
    assert measurement.timeline.outages.longest > 1.2
    with pytest.raises(Inconclusive, match=r"10\.77\.0\.4 did not answer for 1\.\d s"):
        measurement.timeline.require_control()


def kill(measurement: Measurement) -> None:
    os.kill(measurement.client.process.pid, signal.SIGKILL)
    measurement.client.process.wait(5)


def fail(error: type[BaseException], after: float) -> None:
    pause(after)
    raise error


def test_a_block_that_fails_has_its_measurement(client: NetnsVantage) -> None:
    with pytest.raises(AssertionError), client.watch(VIP, PORT) as measurement:
        fail(AssertionError, after=0.2)
    assert measurement.timeline.attempts


def test_an_interrupted_block_ends_at_once(client: NetnsVantage) -> None:
    with pytest.raises(KeyboardInterrupt), client.watch(VIP, PORT) as measurement:
        fail(KeyboardInterrupt, after=0.1)
    with pytest.raises(VantageError, match="still under way"):
        measurement.timeline  # noqa: B018 - reading it is what fails


def test_an_agent_that_dies_is_told_at_the_end(lan: Segment) -> None:
    with NetnsVantage(lan["client"].netns) as vantage:
        watching = vantage.watch(VIP, PORT)
        with pytest.raises(VantageError, match="agent of vantage netns:"), watching as measurement:
            kill(measurement)
        assert not measurement.timelines


def test_a_measurement_over_its_limit_says_so(client: NetnsVantage) -> None:
    with client.watch_all([Target(address=VIP, port=PORT)], at_most=0.3) as measurement:
        pause(0.6)
    assert measurement.timeline.truncated
    assert max(one.t for one in measurement.timeline.attempts) < 0.35


def test_an_agent_in_a_namespace_dies_with_its_controller(lan: Segment) -> None:
    program = (
        "import sys; from clusters.vantage import NetnsVantage\n"
        f"with NetnsVantage('{lan['client'].netns}') as place, place.watch('{VIP}', {PORT}) as measurement:\n"
        "    print(measurement.client.process.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as controller:
        assert controller.stdout is not None
        agent = psutil.Process(int(controller.stdout.readline()))
        controller.kill()
    gone, alive = psutil.wait_procs([agent], timeout=3)
    assert (len(gone), alive) == (1, [])


def test_an_agent_that_did_not_run_says_that_it_was_late(lan: Segment, client: NetnsVantage) -> None:
    with client.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        pause(0.3)
        agent = measurement.client.process.pid
        os.kill(agent, signal.SIGSTOP)
        pause(0.5)
        os.kill(agent, signal.SIGCONT)
        pause(0.3)
    timeline = measurement.timeline
    assert timeline.outages.count == 0  # the service was fine all along
    assert max(slip.late for slip in timeline.slips if slip.of == "probe") > 0.4
    assert sum(slip.skipped for slip in timeline.slips if slip.of == "probe") >= 20
