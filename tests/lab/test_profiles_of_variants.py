"""On every kind of lab the profile that init prints makes a run that passes, once the vantage is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.providers.lab_cluster import metrics_answer
from tests.lab.tools import Kubectl

pytestmark = pytest.mark.variants
NAMESPACE, CLASS = ("-n", "metallb-system"), "example.org/metallb"


def as_it_is(lab: Lab) -> None:
    """Nothing is otherwise than the lab makes it."""


def with_a_class_of_its_own(lab: Lab) -> None:
    """MetalLB serves one class, and the services ask for it."""
    kubectl = Kubectl(lab)
    services = kubectl.json("get", "services", "--all-namespaces")["items"]
    for kind, name in (("deployment", "controller"), ("daemonset", "speaker")):
        more = [
            {
                "op": "add",
                "path": "/spec/template/spec/containers/0/args/-",
                "value": "--lb-class=example.org/metallb",
            }
        ]
        kubectl.ok("patch", kind, name, *NAMESPACE, "--type", "json", "-p", json.dumps(more))
    for each in services:
        if each["spec"]["type"] == "LoadBalancer":
            _again(kubectl, each)
    for kind, name in (("deployment", "controller"), ("daemonset", "speaker")):
        kubectl.ok("rollout", "status", f"{kind}/{name}", *NAMESPACE, "--timeout", "50s")
    _served(lab)


def _again(kubectl: Kubectl, service: dict[str, Any]) -> None:
    """The class of a service is for ever, so it is made again with it."""
    about, spec = service["metadata"], service["spec"]
    kept = {key: about[key] for key in ("name", "namespace", "labels", "annotations") if key in about}
    for made in ("clusterIP", "clusterIPs"):
        spec.pop(made, None)
    again = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": kept,
        "spec": spec | {"loadBalancerClass": "example.org/metallb"},
    }
    kubectl.ok("delete", "service", about["name"], "-n", about["namespace"])
    kubectl.ok("apply", "-f", "-", given=json.dumps(again))


def with_another_announcer(lab: Lab) -> None:
    """MetalLB gives addresses out, and a node announces them without it."""
    kubectl = Kubectl(lab)
    kubectl.ok("delete", "daemonset", "speaker", *NAMESPACE)
    kubectl.ok("delete", "l2advertisements", "--all", *NAMESPACE)
    addresses = [
        given["ip"]
        for each in kubectl.json("get", "services", "--all-namespaces")["items"]
        for given in each["status"].get("loadBalancer", {}).get("ingress", ())
    ]
    for address in addresses:
        lab.run("node1", ["ip", "address", "add", f"{address}/32", "dev", "eth0"])
    kubectl.ok(
        "wait", "pod", "--for=delete", "-l", "app=metallb,component=speaker", *NAMESPACE, "--timeout", "50s"
    )
    _served(lab)


def _served(lab: Lab) -> None:
    lab.run(
        "client",
        ["curl", "-s", "-m", "5", "--retry", "20", "--retry-all-errors", "http://172.30.0.210/hostname"],
    )


VARIANTS: dict[str, tuple[LabOptions, Callable[[Lab], None]]] = {
    "one node": (LabOptions(nodes=1), as_it_is),
    "dual stack, two cards, nftables": (
        LabOptions(nodes=2, families="dual", nics=2, proxy="nftables"),
        as_it_is,
    ),
    "IPv6": (LabOptions(nodes=2, families="ipv6"), as_it_is),
    "0.15.2": (LabOptions(nodes=2, metallb="0.15.2"), as_it_is),
    "by helm": (LabOptions(nodes=2, metallb="0.16.2", install="helm"), as_it_is),
    "a class of its own": (LabOptions(nodes=2), with_a_class_of_its_own),
    "announced by something else": (LabOptions(nodes=2), with_another_announcer),
}
CHEAP = {"dual stack, two cards, nftables"}


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=() if name in CHEAP else pytest.mark.full) for name in VARIANTS]
)
def test_a_run_with_the_profile_that_init_prints_passes(variant: str, lab_name: str, tmp_path: Path) -> None:
    options, change = VARIANTS[variant]
    lab = life.up(LabOptions.from_dict(options.as_dict() | {"name": lab_name}))
    metrics_answer(lab, "metallb-system", pods=len(lab.nodes) + 1)
    change(lab)

    printed = _command("init", "--kubeconfig", lab.kubeconfig, "--context", lab.name)
    assert printed.returncode == ExitCode.PASSED, printed.stderr
    assert printed.stderr == ""
    (profile := tmp_path / "profile.yaml").write_text(
        f"{printed.stdout}\nvantage: netns:{lab.client.netns}\n"
    )
    done = _command("run", profile, "--report-dir", tmp_path / "run")

    results = json.loads((tmp_path / "run" / "results.json").read_text())
    told = {
        each["id"]: each.get("reason")
        for each in results["checks"]
        if each["outcome"] not in {"passed", "not_supported"}
    }
    assert (done.returncode, told) == (ExitCode.PASSED, {}), done.stdout[-3000:] + printed.stdout
    assert yaml.safe_load(printed.stdout)["consumers"]


def _command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "metallb_conformance", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
