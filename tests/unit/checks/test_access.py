"""Permissions as data: what a role, a question and a sentence are made of."""

from __future__ import annotations

import pytest

from clusters.checks import Access, Place, may
from clusters.observation.cluster_part import OBSERVATION


def test_every_verb_on_every_resource() -> None:
    found = may("get list", "pods", "services", place=Place.METALLB)

    assert [(each.verb, each.resource) for each in found] == [
        ("get", "pods"),
        ("list", "pods"),
        ("get", "services"),
        ("list", "services"),
    ]
    assert {each.describe("metallb-system") for each in found[:1]} == {"pods in namespace metallb-system"}


@pytest.mark.parametrize(
    ("resource", "plural", "group", "subresource"),
    [
        ("pods", "pods", "", ""),
        ("pods/log", "pods", "", "log"),
        ("ipaddresspools.metallb.io", "ipaddresspools", "metallb.io", ""),
        ("leases.coordination.k8s.io", "leases", "coordination.k8s.io", ""),
    ],
)
def test_a_resource_is_taken_apart(resource: str, plural: str, group: str, subresource: str) -> None:
    access = Access(resource=resource, verb="get")

    assert (access.plural, access.group, access.subresource) == (plural, group, subresource)


def test_an_observation_only_reads_and_lists_no_secrets() -> None:
    assert not [each for each in OBSERVATION if each.writes]
    assert not [each for each in OBSERVATION if each.plural == "secrets"]
    assert any(each.place is Place.NODE_LEASES for each in OBSERVATION)
