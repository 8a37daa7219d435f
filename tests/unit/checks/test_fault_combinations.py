"""Faults are spread over kinds of clusters so that each pair of properties occurs, and what is named wrongly shows."""

from __future__ import annotations

from clusters.checks.causes import CAUSES
from clusters.checks.path_links import Link
from clusters.diagnosis import Diagnosis
from tests.faults.catalogue import AT_TRAEFIK, FAULTS
from tests.faults.catalogue_healthy import HEALTHY
from tests.faults.catalogue_traefik import HEALTHY as TRAEFIK_WELL
from tests.faults.combinations import COMBINATIONS, FACTORS, OPPOSITES, kinds_for, spread, uncovered
from tests.faults.confusion import Case, section, stretches
from tests.faults.report import Run, arguments_of
from tests.unit.diagnosis.recorded import TROUBLE, observed


def test_every_pair_of_properties_is_on_one_kind_of_cluster() -> None:
    assert uncovered() == []
    assert all(uncovered(set(COMBINATIONS) - {each}) for each in COMBINATIONS)  # and none is there in vain


def test_faults_are_made_only_where_they_can_be_and_every_turn_elsewhere() -> None:
    turns = [spread(FAULTS, turn=turn) for turn in range(len(COMBINATIONS))]

    assert all(kind.fits(fault.where) for turn in turns for kind, fault in turn)
    for place, fault in enumerate(FAULTS):
        kinds = {turn[place][0] for turn in turns}
        assert kinds == {each for each in COMBINATIONS if each.fits(fault.where)}


def test_a_healthy_set_up_is_made_on_two_kinds_that_have_everything_between_them_or_on_every_one() -> None:
    first, second = OPPOSITES
    for factor, levels in FACTORS.items():
        assert all(first.fits({factor: level}) != second.fits({factor: level}) for level in levels)
    for one in HEALTHY:
        fitting = [each for each in COMBINATIONS if each.fits(one.where)]
        assert kinds_for(one, everywhere=True) == fitting
        assert kinds_for(one) == [each for each in fitting if each in OPPOSITES]


def test_no_kind_of_cluster_goes_without_faults() -> None:
    made = [kind for kind, _ in spread(FAULTS)]

    assert all(made.count(each) > len(FAULTS) / 10 for each in COMBINATIONS)


def test_a_property_that_is_asked_for_is_one_that_clusters_have() -> None:
    for asked in (*(fault.where for fault in FAULTS), *(shape.where for shape in HEALTHY)):
        assert all(level in FACTORS[factor] for factor, level in asked.items())
        assert any(kind.fits(asked) for kind in COMBINATIONS)


def test_a_cause_that_leaves_open_what_it_is_says_why_no_more_can_be_proved() -> None:
    for fault in FAULTS:
        assert bool(fault.neutral) == CAUSES[fault.cause].last_resort, fault.name


def test_the_recorded_faults_are_on_the_diagonal() -> None:
    cases = [
        Case(one.fault.cause, frozenset(root.cause for root in Diagnosis(observed(name)).root_causes))
        for name, one in TROUBLE.items()
    ]

    found = stretches(cases)
    assert len(found) > 8
    assert sum(each.made.total() for each in found) == len(TROUBLE)
    assert [(each.link, each.confused, each.missed) for each in found] == [
        (each.link, 0, 0) for each in found
    ]


def test_a_wrong_cause_is_off_the_diagonal_wherever_it_belongs() -> None:
    own, near, far = "nobody-answers", "strict-arp-off", "pool-missing"
    (found,) = stretches(
        (
            Case(own, frozenset({own})),
            Case(own, frozenset({near})),
            Case(near, frozenset({near, far})),
            Case(near, frozenset()),
        )
    )

    assert (found.link, found.confused, found.missed) == (Link.ANSWER, 2, 2)
    assert list(found.lines()) == [
        "|  | made | times | 1 | 2 | `pool-missing` |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 1 | `nobody-answers` | 2 | 1 | 1 | · |",
        "| 2 | `strict-arp-off` | 2 | · | 1 | 1 |",
    ]


def test_what_is_declared_as_a_consequence_is_counted_apart() -> None:
    text = list(
        section(
            [Case("pool-missing", frozenset({"pool-missing", "overlay-drift"}), frozenset({"overlay-drift"}))]
        )
    )

    assert f"### pool: {Link.POOL.question}" in text
    assert "| 1 | `pool-missing` | 1 | 1 |" in text
    assert "| `pool-missing` | `overlay-drift` | 1 |" in text


def test_what_goes_wrong_at_traefik_is_made_where_there_is_one_and_nothing_else() -> None:
    run = Run()
    run.plan(arguments_of([]))

    (work,) = (each for each in run.works if each.options.consumer == "traefik")
    made = {name.partition(": ")[2] for name, _ in work.tasks}
    assert made == {fault.name for fault in AT_TRAEFIK} | {shape.name for shape in TRAEFIK_WELL}
    others = {name.partition(": ")[2] for each in run.works if each != work for name, _ in each.tasks}
    assert not others & made
