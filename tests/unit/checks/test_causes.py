"""The registry of causes is complete, and everything in it can be typed."""

from __future__ import annotations

import shlex
import string
from dataclasses import replace
from typing import get_type_hints

import pytest

from clusters.cause_ids import CauseId
from clusters.checks import causes
from clusters.checks.causes import CAUSES, FIELDS, Cause, Effect, having
from clusters.checks.spec import ALLOCATION, ELECTION
from clusters.observation.snapshot import Objects, Snapshot
from suites.plugin.declare import registry
from tests.faults.catalogue_judging import observe_checks

ALL = pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.id)


def test_the_registry_loses_no_cause() -> None:
    assert len(CAUSES) >= 78


def test_every_cause_is_reported_by_a_check_that_declares_it() -> None:
    observe_checks()
    checks = registry()

    assert {cause.id for cause in CAUSES.values() if not cause.reported_by} == {"over-budget", "unexplained"}
    for cause in CAUSES.values():
        assert not cause.reported_by or cause.id in checks[cause.reported_by].spec.causes


def test_of_several_causes_with_one_effect_the_nearest_to_the_ground_is_first() -> None:
    assert having(Effect.SPLITS) == (
        "memberlist-key-mismatch",
        "memberlist-partition",
        "api-unreachable",
        "node-not-ready",
        "strict-arp-off",
    )


def test_no_two_causes_with_one_effect_have_one_rank() -> None:
    for effect in Effect:
        ranks = [causes.get(each).rank for each in having(effect)]
        assert len(set(ranks)) == len(ranks) > 0


def test_a_rank_without_an_effect_is_refused() -> None:
    with pytest.raises(ValueError, match="moon needs a rank if it has effects"):
        replace(causes.get("pool-missing"), id="moon", rank=3)


def test_every_id_has_its_record() -> None:
    assert set(CauseId) == set(CAUSES)


def test_unknown_cause_is_named() -> None:
    with pytest.raises(KeyError, match="moon-phase"):
        causes.get("moon-phase")


@ALL
def test_words_are_complete_sentences(cause: Cause) -> None:
    assert cause.title
    assert not cause.title.endswith(".")
    for sentence in (cause.meaning, cause.remedy, cause.proven_by, cause.excluded_by):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "\n" not in sentence


@ALL
def test_every_command_renders_and_is_one_shell_line(cause: Cause) -> None:
    fields = {name: name.replace("_", "-") for name in FIELDS}

    rendered = cause.render(**fields)

    assert rendered
    for command in rendered:
        assert "\n" not in command
        assert shlex.split(command)


@ALL
def test_templates_use_only_known_fields(cause: Cause) -> None:
    for template in cause.commands:
        used = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        assert used <= set(FIELDS)


def test_missing_fields_stay_visible_and_defaults_hold() -> None:
    commands = causes.get("pool-autoassign-off").render(service="web")

    assert "kubectl -n <namespace> annotate svc web metallb.io/address-pool=<pool>" in commands
    assert "kubectl -n metallb-system get ipaddresspool <pool> -o yaml" in commands


def test_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="moon"):
        causes.get("pool-exhausted").render(moon="full")


def test_json_in_a_command_survives_rendering() -> None:
    commands = causes.get("requested-twice").render(namespace="default", service="web")

    assert """-p='[{"op":"remove","path":"/spec/loadBalancerIP"}]'""" in commands[1]


def test_a_helm_release_is_named_where_it_differs() -> None:
    commands = causes.get("memberlist-disabled").render(speaker="daemonset/metallb-speaker")

    assert all("daemonset/metallb-speaker" in each for each in commands)


def test_what_a_cause_rests_on_is_a_list_of_the_observation() -> None:
    lists = {name for name, kind in get_type_hints(Snapshot).items() if kind is Objects}

    assert {name for cause in CAUSES.values() for name in cause.rests_on} <= lists
    assert set(ELECTION) | set(ALLOCATION) <= lists
