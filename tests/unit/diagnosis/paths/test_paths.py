"""The paths of services in trouble, read from observations of a real lab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as File

import pytest

from clusters.checks import LinkReading, Reading, ServicePath
from clusters.checks.causes import get
from clusters.checks.path_links import Link, Path
from clusters.diagnosis import Diagnosis, paths
from clusters.observation import Objects, Snapshot, Status, load

FOLDER = File(__file__).parents[1] / "observations"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))


def observed(name: str) -> Snapshot:
    return load(FOLDER / f"{name}.json.gz")


def read(seen: Snapshot, service: str) -> dict[Path, ServicePath]:
    return {one.path: one for one in paths.of_service(Diagnosis(seen), service)}


def link(found: ServicePath, link: Link) -> LinkReading:
    return next(one for one in found.links if one.link is link)


@pytest.mark.parametrize("name", NAMES)
def test_every_link_of_both_paths_is_read_in_order_and_a_broken_one_is_proved(name: str) -> None:
    diagnosis = Diagnosis(observed(name))

    for key in diagnosis.facts.services:
        for found in paths.of_service(diagnosis, key):
            assert [one.link for one in found.links] == [each for each in Link if each.path is found.path]
            for one in found.links:
                assert one.proof
                assert one.reading != Reading.BROKEN or get(one.cause).link is one.link


@pytest.mark.parametrize("name", NAMES)
def test_services_with_an_explanation_are_in_trouble_and_no_others(name: str) -> None:
    diagnosis = Diagnosis(observed(name))

    told = {one.service for one in paths.in_trouble(diagnosis)}

    assert told == diagnosis.troubled
    assert all(diagnosis.explanations(key) or key in str(diagnosis.known_causes) for key in told)


@pytest.mark.parametrize(
    ("name", "service", "path", "broken"),
    [
        ("class-mismatch", "shop/late", Path.ASSIGNMENT, Link.CLASS),
        ("controller-down", "shop/late", Path.ASSIGNMENT, Link.CONTROLLER),
        ("requested-twice", "shop/late", Path.ASSIGNMENT, Link.REQUEST),
        ("pool-restricted", "default/late", Path.ASSIGNMENT, Link.POOL),
        ("pool-exhausted", "shop/late", Path.ASSIGNMENT, Link.FREE),
        ("rival-controller", "shop/web", Path.ASSIGNMENT, Link.WRITTEN),
        ("wrong-segment", "shop/late", Path.TRAFFIC, Link.ROUTE),
        ("pool-not-advertised", "shop/web", Path.TRAFFIC, Link.ADVERTISED),
        ("node-excluded", "shop/web", Path.TRAFFIC, Link.ANNOUNCER),
        ("strict-arp-off", "shop/web", Path.TRAFFIC, Link.ANSWER),
        ("backend-refuses", "shop/late", Path.TRAFFIC, Link.BACKEND),
    ],
)
def test_the_first_broken_link_is_where_the_fault_was_made(
    name: str, service: str, path: Path, broken: Link
) -> None:
    first = read(observed(name), service)[path].broken

    assert first is not None
    assert first.link is broken


def test_of_a_healthy_service_nothing_is_broken_and_what_was_seen_is_told() -> None:
    found = read(observed("healthy"), "shop/web")

    assert found[Path.ASSIGNMENT].broken is found[Path.TRAFFIC].broken is None
    assert {one.link for one in found[Path.ASSIGNMENT].links if one.reading == Reading.OK} >= {
        Link.CLASS, Link.CONTROLLER, Link.CONFIGURATION, Link.REQUEST, Link.POOL, Link.FREE
    }  # fmt: skip
    assert "alone replies for 172.30.0.200" in link(found[Path.TRAFFIC], Link.ANSWER).proof[0]
    assert link(found[Path.TRAFFIC], Link.AFAR).reading == Reading.NOT_APPLICABLE


def test_a_service_of_another_class_needs_nothing_of_metallb() -> None:
    found = read(observed("foreign-class"), "shop/late")

    assert {one.reading for one in found[Path.ASSIGNMENT].links[3:6]} == {Reading.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("part", "link_", "path"),
    [
        ("pods", Link.CONTROLLER, Path.ASSIGNMENT),
        ("ip_address_pools", Link.POOL, Path.ASSIGNMENT),
        ("l2_advertisements", Link.ADVERTISED, Path.TRAFFIC),
        ("nodes", Link.ANNOUNCER, Path.TRAFFIC),
    ],
)
def test_what_was_not_read_leaves_its_link_open(part: str, link_: Link, path: Path) -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource=part, detail="no")

    found = read(replace(observed("healthy"), **{part: refused}), "shop/web")

    assert link(found[path], link_).reading == Reading.UNKNOWN


def test_a_broken_link_without_proof_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="nothing proves it"):
        LinkReading(link=Link.POOL, reading=Reading.BROKEN, cause="pool-exhausted")
    with pytest.raises(ValueError, match="names the cause"):
        LinkReading(link=Link.POOL, reading=Reading.OK, cause="pool-exhausted", proof=("x",))
