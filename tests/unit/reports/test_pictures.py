"""The pictures: what is measured is drawn at its place, of any size, and told in words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import Outcome, RunResult
from clusters.observation import load, save
from clusters.observation.field_types import Purpose
from clusters.observation.snapshot import Heard, Objects, Snapshot, Status, WireView
from reports.pages.address_map import AddressMap, Seen, seen
from reports.pages.drawings import SHOWN, SLOTS, announcers, grid, strip, trend
from reports.pages.page import page
from reports.pages.timeline_picture import LEFT, PATTERNS, RIGHT, drawing
from tests.unit.reports.dom import parsed
from tests.unit.reports.timelines import FIRST, SECOND, timeline

OBSERVATIONS = Path(__file__).parents[1] / "diagnosis" / "observations"


def observed(name: str, directory: Path) -> AddressMap:
    shutil.copyfile(OBSERVATIONS / f"{name}.json.gz", directory / "snapshot.json")
    found = seen(directory).map
    assert found is not None
    return found


def made(tmp_path: Path, *, ranges: list[str], held: dict[str, str], heard: dict[str, str]) -> AddressMap:
    """The map of one pool with services on some of its addresses, and hosts answering for others."""
    services = [_service(name, address) for address, name in held.items()]
    pool = {"metadata": {"name": "edge", "namespace": "metallb-system"}, "spec": {"addresses": ranges}}
    wire = WireView(
        status=Status.OK,
        control_ok=True,
        heard=tuple(
            Heard(address=at, purpose=Purpose.FREE, macs=(mac,), pool="edge") for at, mac in heard.items()
        ),
    )
    save(
        Snapshot(
            taken_at="2026-01-01T00:00:00.0Z",
            ip_address_pools=Objects(status=Status.OK, items=(pool,)),
            services=Objects(status=Status.OK, items=tuple(services)),
            wire=wire,
        ),
        tmp_path / "snapshot.json",
    )
    found = seen(tmp_path).map
    assert found is not None
    return found


def _service(name: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


class TestTimeline:
    def test_the_axis_begins_with_the_fault(self) -> None:
        drawn = drawing(timeline(), {})

        fault = next(one for one in drawn.marks if one.label == "fault")
        assert next(one.x for one in drawn.ticks if one.label == "0") == fault.x
        assert drawn.outages[0].x == fault.x

    def test_who_answers_is_named_where_the_node_is_known(self) -> None:
        drawn = drawing(timeline(), {SECOND: "node2"})

        assert [one.label for one in drawn.answering] == [FIRST, f"node2 ({SECOND})"]
        assert [one.letter for one in drawn.answering] == ["A", "B"]
        assert drawn.legend == (f"A = {FIRST}", f"B = node2 ({SECOND})")
        assert len({one.kind for one in drawn.answering}) == 2

    def test_the_quiet_rest_is_left_out(self) -> None:
        drawn = drawing(timeline(ended=120.0, shift=60.0), {})

        outage = drawn.outages[0]
        assert outage.width > 0.1 * (RIGHT - LEFT)
        assert all(LEFT <= one.x <= one.x + one.width <= RIGHT + 2 for one in (*drawn.answering, outage))

    def test_a_bar_is_cut_where_no_host_answers(self) -> None:
        quiet = replace(timeline(), answers=tuple(one for one in timeline().answers if not 5 < one.t < 8))

        drawn = drawing(quiet, {})

        assert [one.letter for one in drawn.answering] == ["A", "B", "B"]
        (silence,) = drawn.silences
        assert drawn.answering[1].x + drawn.answering[1].width <= silence.x + 0.2
        assert drawn.answering[2].x >= silence.x + silence.width - 0.2

    def test_thousands_of_requests_stay_small(self) -> None:
        drawn = drawing(timeline(ended=3000.0), {})

        assert len(drawn.served) + len(drawn.failed) < 12_000

    def test_every_moment_is_in_the_list_in_order(self) -> None:
        drawn = drawing(timeline(), {SECOND: "node2"})

        times = [float(when.removesuffix(" s")) for when, _ in drawn.moments]
        assert times == sorted(times)
        what = [text for _, text in drawn.moments]
        assert {one.label for one in drawn.marks} < set(what)
        pictured = (
            drawn.marks,
            drawn.answering,
            drawn.outages,
            drawn.silences,
            drawn.overlaps,
            drawn.gratuitous,
        )
        assert len(what) == sum(map(len, pictured))

    def test_a_timeline_in_which_nothing_happened(self) -> None:
        empty = timeline().between(0.0, 1.0)

        assert drawing(empty, {}).text.startswith("172.30.0.10 over 1.0 s. No request failed.")


class TestAddresses:
    def test_a_free_address_that_is_answered_is_seen_in_its_place(self, tmp_path: Path) -> None:
        (pool,) = observed("foreign-responder-free", tmp_path).pools

        kinds = {one.first: one.kind for one in pool.stretches[0].cells}
        assert kinds["172.30.0.200"] == "assigned"
        assert kinds["172.30.0.215"] == "answered"
        assert kinds["172.30.0.220"] == "free"
        assert pool.answered == (("172.30.0.215", "MAC 2a:91:42:ea:83:f3"),)

    def test_a_healthy_cluster_has_one_announcer_an_address(self, tmp_path: Path) -> None:
        found = observed("healthy", tmp_path)

        assert found.rows
        assert all(len(row.by_node) == 1 and not row.unknown_macs for row in found.rows)
        assert "More than one" not in announcers(found).text

    def test_two_announcers_are_named(self, tmp_path: Path) -> None:
        found = observed("memberlist-partition", tmp_path)

        assert "More than one host is named for " in announcers(found).text

    def test_a_mac_of_no_known_node_has_a_column(self, tmp_path: Path) -> None:
        drawn = announcers(observed("foreign-responder-assigned", tmp_path))

        assert [name for _, name in drawn.columns][-1] == "no known node"
        assert any(
            "wire names 2a:91:42:ea:83:f3" in one.title or "wire names" in one.title for one in drawn.marks
        )

    def test_an_address_of_no_pool_is_outside(self, tmp_path: Path) -> None:
        found = made(tmp_path, ranges=["10.0.0.1-10.0.0.3"], held={"10.9.9.9": "old"}, heard={})

        assert found.outside == (("10.9.9.9", "shop/old"),)

    @pytest.mark.parametrize(
        ("written", "held", "cells"),
        [
            ("10.0.0.0/8", "10.200.0.7", ["13,107,207 free", "7", "3,670,008 free"]),
            ("2001:db8::/32", "2001:db8::1", ["1 free", "1", "7.9e+28 free"]),
            ("fd00::10-fd00::12", "fd00::11", ["10", "11", "12"]),
        ],
    )
    def test_ranges_of_any_size_are_drawn(
        self, tmp_path: Path, written: str, held: str, cells: list[str]
    ) -> None:
        (pool,) = made(tmp_path, ranges=[written], held={held: "web"}, heard={}).pools

        drawn = grid(pool.stretches[0])
        marks = [one.mark for one in drawn.cells]
        assert marks[-1] == cells[-1]
        assert [one.kind for one in drawn.cells].count("assigned") == 1
        assert len(marks) < 50

    def test_ten_thousand_assigned_addresses_are_counted_not_drawn(self, tmp_path: Path) -> None:
        held = {str(ip_address("10.0.0.0") + number): f"s{number}" for number in range(10_000)}

        (pool,) = made(tmp_path, ranges=["10.0.0.0/16"], held=held, heard={}).pools

        assert len(pool.stretches[0].cells) + pool.stretches[0].not_drawn == 10_001
        assert len(pool.stretches[0].cells) <= 600
        assert len(pool.assigned) == 10_000

    def test_avoided_addresses_are_not_free(self, tmp_path: Path) -> None:
        snapshot = tmp_path / "snapshot.json"
        made(tmp_path, ranges=["10.0.0.254-10.0.1.1"], held={}, heard={})
        kept = load(snapshot)
        kept.ip_address_pools.items[0]["spec"]["avoidBuggyIPs"] = True
        save(kept, snapshot)
        found = seen(tmp_path).map
        assert found is not None

        kinds = [one.kind for one in found.pools[0].stretches[0].cells]
        assert kinds == ["free", "avoided", "avoided", "free"]

    def test_lines_of_the_map_stay_on_the_page(self, tmp_path: Path) -> None:
        found = made(
            tmp_path, ranges=["10.0.0.1-10.0.0.40"], held={}, heard={"10.0.0.9": "02:00:00:00:00:09"}
        )

        drawn = grid(found.pools[0].stretches[0])
        assert drawn.width <= SLOTS * 32
        assert len({(one.x, one.y) for one in drawn.cells}) == 40
        assert [one.mark for one in drawn.cells if one.kind == "answered"] == ["!9"]

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{}",
            '{"snapshot_version": 99}',
            "[]",
            '{"taken_at": "x", "snapshot_version": 1, "services": {"status": "ok", "items": [{"kind": "Service"}]}}',
        ],
    )
    def test_a_broken_observation_costs_the_map_and_is_told(
        self, run: RunResult, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "snapshot.json").write_text(content)

        found = parsed(page(run, directory=tmp_path))

        assert found.all("svg", of_class="map") == []
        warning = found.one("p", of_class="warning").text
        assert warning.startswith("There is no map of addresses: ")
        assert "snapshot" in warning

    def test_without_an_observation_there_is_no_map(self, tmp_path: Path) -> None:
        assert seen(tmp_path) == Seen()

    def test_a_hundred_full_pools_stay_small(self, run: RunResult, tmp_path: Path) -> None:
        held = {str(ip_address("10.0.0.0") + number): f"s{number}" for number in range(25_600)}
        made(tmp_path, ranges=[f"10.0.{number}.0/24" for number in range(100)], held=held, heard={})

        text = page(run, directory=tmp_path)

        assert len(text.encode()) < 1_000_000
        assert "25600 assigned, 0 free" in parsed(text).text

    def test_a_name_that_acts_is_shown(self, tmp_path: Path) -> None:
        kept = load(OBSERVATIONS / "healthy.json.gz")
        (pool, *pools) = kept.ip_address_pools.items
        named = {**pool, "metadata": {**pool["metadata"], "name": "pool\u202e\x1b"}}
        save(
            replace(kept, ip_address_pools=replace(kept.ip_address_pools, items=(named, *pools))),
            tmp_path / "snapshot.json",
        )

        found = seen(tmp_path).map

        assert found is not None
        assert "pool\\u202e\\x1b" in [each.name for each in found.pools]

    def test_of_a_large_cluster_only_announcing_nodes_are_drawn(self, tmp_path: Path) -> None:
        kept = load(OBSERVATIONS / "healthy.json.gz")
        more = [
            {"metadata": {"name": f"idle{number}", "labels": {}}, "spec": {}, "status": {}}
            for number in range(200)
        ]
        save(
            replace(kept, nodes=replace(kept.nodes, items=(*kept.nodes.items, *more))),
            tmp_path / "snapshot.json",
        )

        found = seen(tmp_path).map

        assert found is not None
        assert found.nodes
        assert not [name for name in found.nodes if name.startswith("idle")]


class TestTrend:
    def test_no_earlier_value_gives_no_trend(self) -> None:
        assert trend((), 1.0, 2.0) is None
        assert trend((None, None), 1.0, 2.0) is None

    def test_a_trend_keeps_to_its_picture(self) -> None:
        found = trend(tuple(float(number) for number in range(100)), 500.0, 50.0)

        assert found is not None
        assert found.runs == SHOWN
        assert found.usual == (70.0, 99.0)
        assert 0 <= found.last[1] <= 16
        assert found.budget is not None
        assert found.budget > found.last[1]

    def test_figures_of_zero_are_drawn(self) -> None:
        assert trend((0.0, 0.0), 0.0, None) is not None

    def test_a_strip_of_one_run_says_so(self) -> None:
        assert strip((), None).text == "no earlier run is known"


class TestWithoutColour:
    """What colours say apart, shapes say apart as well."""

    def test_every_outcome_has_a_mark_of_its_own(self) -> None:
        decided = (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.WAIVED, None)

        marks = [strip((), one).paths[0][1] for one in decided]

        assert len(set(marks)) == len(decided)

    def test_everyone_who_answers_has_a_pattern_of_their_own(self, run: RunResult, tmp_path: Path) -> None:
        found = parsed(page(run, directory=tmp_path))

        patterns = {
            one.attributes["id"]: tuple((part.tag, part.attributes.get("d")) for part in one.walk())
            for one in found.all("pattern")
        }
        assert {f"p{number}" for number in range(PATTERNS)} < set(patterns)
        assert len(set(patterns.values())) == len(patterns)
