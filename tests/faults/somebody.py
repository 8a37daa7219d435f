"""Somebody else at work on the lab's MetalLB: an upgrade with kubectl, and its way back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from clusters.lab import rendering
from clusters.lab.parts import ensure
from clusters.lab.rest import FIELD_MANAGER
from tests.faults.bench import ROOT, Bench


@contextmanager
def upgraded(bench: Bench, version: str) -> Iterator[None]:
    """MetalLB runs another version in the block, rolled out by whoever rolled out the first one."""
    try:
        _roll_out(bench, version)
        yield
    finally:
        _roll_out(bench, bench.lab.metallb_version)


def _roll_out(bench: Bench, version: str) -> None:
    rendered = rendering.render(
        ROOT / "examples/platform/metallb/overlays/lab",
        metallb_version=version,
        manifest=ensure().manifest(version),
        kubectl=bench.lab.kubectl,
    )
    # The secrets are MetalLB's own: it goes on with those that it has.
    items = [obj for obj in rendered if obj["kind"] != "Secret"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    manager = f"--field-manager={FIELD_MANAGER}"
    _kubectl(bench, "apply", "--server-side", "--force-conflicts", manager, "-f", "-", given=text)
    for name in ("deployment/controller", "daemonset/speaker"):
        _kubectl(bench, "-n", "metallb-system", "rollout", "status", name, "--timeout=180s")


def _kubectl(bench: Bench, *arguments: str, given: str = "") -> None:
    command = [str(bench.lab.kubectl), "--kubeconfig", str(bench.lab.kubeconfig), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
