"""What may be called to undo a change outside the API server, against the code that asks for it."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from clusters.changes.undo_forms import ACTIONS, FORMER, action_fault, call
from clusters.errors import CleanupFailed
from clusters.providers.kind import containers

CLUSTERS = Path(__file__).parents[3] / "clusters"
RIGHT: dict[str, Any] = {
    "lab": "lab", "host": "node1", "node": "kind-worker", "name": "kube-scheduler", "nic": 0, "index": 7,
    "other": "lan1", "family": "inet", "address": "fd00::1", "gateway": "172.30.0.1",
}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
def test_the_table_fits_the_function(action: str) -> None:
    module, _, name = action.partition(":")
    function = getattr(importlib.import_module(module), name)

    assert set(inspect.signature(function).parameters) == set(ACTIONS[action])
    assert action_fault(action, {key: RIGHT[key] for key in ACTIONS[action]}) == ""


def test_whatever_asks_for_an_undo_finds_it_in_the_table() -> None:
    asked = {
        action
        for path in CLUSTERS.rglob("*.py")
        for action in re.findall(r'action="(clusters\.[^"]+)"', path.read_text(encoding="utf-8"))
    }

    assert asked == set(ACTIONS)


def test_every_name_of_an_earlier_release_leads_to_a_function_of_today() -> None:
    assert set(FORMER.values()) <= set(ACTIONS)
    assert not set(FORMER) & set(ACTIONS)


def test_what_an_earlier_release_wrote_is_called_by_its_name_of_today(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"index": 7, "node": "kind-worker"}
    done: list[dict[str, Any]] = []
    monkeypatch.setattr(containers, "plug_in", lambda **given: done.append(given))

    call("clusters.kind.machines:plug_in", asked)

    assert done == [asked]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lab": "../../etc"}, "does not take lab '../../etc'"),
        ({"lab": ["lab"]}, "does not take lab \"['lab']\""),
        ({"nic": True}, "does not take nic 'True'"),
        ({"nic": -1}, "does not take nic '-1'"),
        ({"more": 1}, "does not take these arguments"),
    ],
)
def test_arguments_that_no_run_writes_are_not_passed_on(changed: dict[str, Any], told: str) -> None:
    args = {"lab": "lab", "host": "node1", "nic": 0} | changed

    with pytest.raises(CleanupFailed, match="asks for what no run of this project wrote") as caught:
        call("clusters.faults.lab_hosts:plug_in", args)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "action", ["os:system", "clusters.sweep:main", "clusters.faults.lab_hosts:unplugged", 5, None]
)
def test_nothing_else_is_called(action: object) -> None:
    with pytest.raises(CleanupFailed, match="is none of this project's functions for undoing"):
        call(action, {})
