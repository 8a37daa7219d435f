"""The catalogue of faults is complete: every cause is made, or it is said why not."""

from __future__ import annotations

from clusters.checks.causes import CAUSES
from tests.faults.catalogue import AT_TRAEFIK, EVERY_FAULT, FAULTS, IN_THE_CLUSTER, IN_THE_REPOSITORY
from tests.faults.catalogue_elsewhere import ELSEWHERE
from tests.faults.catalogue_fault import SUMMARIES
from tests.faults.catalogue_healthy import HEALTHY
from tests.faults.catalogue_judging import observe_checks
from tests.faults.catalogue_traefik import HEALTHY as TRAEFIK_WELL


def test_every_cause_is_made_or_it_is_said_why_not() -> None:
    made = {fault.cause for fault in FAULTS}

    assert made | set(ELSEWHERE) == set(CAUSES)
    assert not made & set(ELSEWHERE)


def test_every_fault_is_made_in_one_place_and_shows_in_known_checks() -> None:
    assert all(fault.make and not fault.edit for fault in (*IN_THE_CLUSTER, *AT_TRAEFIK))
    assert all(fault.edit and not fault.make for fault in IN_THE_REPOSITORY)
    assert {check for fault in EVERY_FAULT for check in fault.shows} <= set(observe_checks()) - SUMMARIES | {
        "recovery.incident-scope"  # some faults of nodes are at home in it
    }


def test_names_tell_faults_and_variants_apart() -> None:
    names = [*(fault.name for fault in EVERY_FAULT), *(shape.name for shape in (*HEALTHY, *TRAEFIK_WELL))]

    assert len(names) == len(set(names))


def test_what_is_seen_less_of_without_raw_sockets_is_told_with_its_reason() -> None:
    declared = [(fault, fault.less) for fault in FAULTS if fault.less]

    assert declared
    for fault, less in declared:
        assert less.why
        assert set(less.shows) <= set(observe_checks())
        assert (less.cause or fault.cause) in CAUSES
