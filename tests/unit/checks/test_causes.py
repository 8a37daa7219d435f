"""The registry of causes is complete, and everything in it can be typed."""

from __future__ import annotations

import shlex
import string

import pytest

from clusters.checks import causes
from clusters.checks.causes import CAUSES, FIELDS, Cause

EXPECTED = frozenset(
    (
        "pool-exhausted",
        "pool-missing",
        "pool-not-advertised",
        "advertisement-unknown-pool",
        "advertisement-selects-nothing",
        "advertisement-interface-missing",
        "pool-overlap",
        "pool-range-invalid",
        "pool-holds-node-address",
        "pool-holds-gateway-address",
        "pool-autoassign-off",
        "pool-restricted",
        "requested-outside-pools",
        "requested-taken",
        "requested-twice",
        "requested-wrong-pool",
        "family-unavailable",
        "sharing-refused",
        "class-mismatch",
        "deprecated-annotation",
        "overlay-drift",
        "overlay-invalid",
        "legacy-diverged",
        "version-skew",
        "crd-outdated",
        "change-undocumented",
        "change-unplanned",
        "address-not-intended",
        "controller-down",
        "controller-crashing",
        "controller-cpu-bound",
        "speaker-down",
        "speaker-crashing",
        "speaker-unschedulable",
        "speaker-missing-on-node",
        "node-not-ready",
        "node-excluded",
        "node-network-unavailable",
        "memberlist-partition",
        "memberlist-key-mismatch",
        "memberlist-disabled",
        "memberlist-secret-missing",
        "webhook-unreachable",
        "config-rejected",
        "api-unreachable",
        "duplicate-announcer",
        "strict-arp-off",
        "foreign-responder",
        "nobody-answers",
        "owner-disagreement",
        "wrong-segment",
        "vantage-not-on-segment",
        "no-endpoints",
        "endpoints-unready",
        "local-policy-no-endpoint-on-announcer",
        "rival-controller",
        "backend-refuses",
        "permission-missing",
        "follow-up-missing",
        "validation-stale",
        "page-outdated",
    )
)

ALL = pytest.mark.parametrize("cause", CAUSES.values(), ids=lambda cause: cause.id)


def test_registry_holds_every_known_cause() -> None:
    assert not EXPECTED - CAUSES.keys()


def test_unknown_cause_is_named() -> None:
    with pytest.raises(KeyError, match="moon-phase"):
        causes.get("moon-phase")


@ALL
def test_words_are_complete_sentences(cause: Cause) -> None:
    assert cause.title
    assert not cause.title.endswith(".")
    for sentence in (cause.meaning, cause.remedy):
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
        assert shlex.split(command.replace("<", "").replace(">", "").replace("other node's", "other"))


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
