"""A new user's way in: a machine with Python alone, the wheel by pip, and the first three commands against a lab.

Nobody's checkout, kubectl, git or root is there. Slow, for Debian's releases are fetched: `make way-in` runs it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import yaml

from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.providers.lab_cluster import metrics_answer
from tests.empty_root import HOME, RELEASES, ROOT, EmptyRoot, installed

pytestmark = pytest.mark.full

OBSERVATION = ROOT / "tests" / "unit" / "diagnosis" / "observations" / "pool-exhausted.json.gz"
API_PORT = 6443


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.fail("needs root, to make an empty root and a lab: run it with sudo")
    name = f"er{os.getpid()}"
    try:
        made = life.up(LabOptions(name=name))
        metrics_answer(made, "metallb-system", pods=len(made.nodes) + 1)
        yield made
    finally:
        life.down(name)


@pytest.fixture(scope="module", params=RELEASES)
def machine(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> EmptyRoot:
    """A machine on the lab's network segment, with a kubeconfig where kubectl would look for one."""
    through = ("nsenter", f"--net=/run/netns/{lab.client.netns}", "--")
    made = installed(tmp_path_factory.mktemp("machine"), release=request.param, through=through)
    content = json.loads(lab.kubeconfig.read_text(encoding="utf-8"))
    content["clusters"][0]["cluster"]["server"] = f"https://{lab.nodes[0].addresses[0]}:{API_PORT}"
    (made.home / ".kube").mkdir()
    (made.home / ".kube" / "config").write_text(json.dumps(content), encoding="utf-8")
    (made.home / "saved.json.gz").write_bytes(OBSERVATION.read_bytes())
    return made


@pytest.fixture(scope="module")
def profile(machine: EmptyRoot, lab: Lab) -> str:
    """The profile as `init` prints it: nobody writes a word into it."""
    done = machine("mlc", "init", "--context", lab.name)
    assert done.returncode == ExitCode.PASSED, done.stderr
    (machine.home / "lab.yaml").write_text(done.stdout, encoding="utf-8")
    found = yaml.safe_load(done.stdout)
    assert found["vantage"] == "host"  # it stands on the segment of the addresses
    assert found["pools"] == [{"name": "metallb-pool", "addresses": ["172.30.0.200-172.30.0.220"]}]
    return "lab.yaml"


def outcomes(machine: EmptyRoot, folder: str) -> dict[str, str]:
    results = json.loads((machine.home / folder / "results.json").read_text(encoding="utf-8"))
    return {check["id"]: check["outcome"] for check in results["checks"]}


def test_it_is_the_python_that_was_meant_and_nothing_of_the_checkout(machine: EmptyRoot) -> None:
    assert machine.ok("python", "--version").split()[1].startswith(f"{machine.python}.")
    where = machine.ok("python", "-c", "import clusters, suites; print(clusters.__file__, suites.__file__)")
    assert all(each.startswith(f"{HOME}/venv/") for each in where.split())
    for absent in ("kubectl", "git", "helm", "ssh"):
        assert machine("sh", "-c", f"command -v {absent}").returncode != 0


def test_nothing_it_loads_is_on_its_way_out(machine: EmptyRoot) -> None:
    """What a newer Python would refuse is an error here, in our modules and those that a run imports."""
    every = (
        "import importlib, pkgutil, clusters, suites, reports, metallb_conformance as m\n"
        "optional = ('clusters.lab', 'clusters.providers.lab', 'clusters.faults', 'clusters.providers.kind')\n"
        "found = [one.name for package in (clusters, suites, reports, m)\n"
        "         for one in pkgutil.walk_packages(package.__path__, package.__name__ + '.')\n"
        "         if '__main__' not in one.name and not one.name.startswith(optional)]\n"
        "for name in found: importlib.import_module(name)\n"
        "print(len(found))"
    )
    assert int(machine.ok("python", "-W", "error", "-X", "dev", "-c", every)) > 200


def test_doctor_says_what_this_machine_lacks_and_what_it_has(machine: EmptyRoot, profile: str) -> None:
    here = machine.ok("mlc", "doctor")
    assert f"yes  python        {machine.python}." in here
    assert "NO   kubectl" in here

    asked = machine("mlc", "doctor", profile)
    assert "yes  cluster" in asked.stdout, asked.stdout + asked.stderr
    assert "arp, capture" in next(line for line in asked.stdout.splitlines() if " vantage " in line)
    assert "yes  vantage" in machine("mlc", "doctor", profile, user=0).stdout


def test_a_run_without_raw_sockets_leaves_one_check_undecided(machine: EmptyRoot, profile: str) -> None:
    done = machine("mlc", "run", profile)

    assert done.returncode == ExitCode.INCOMPLETE, done.stdout[-4000:] + done.stderr[-1000:]
    found = outcomes(machine, "reports/out/latest")
    assert [name for name, how in found.items() if how not in {"passed", "not_supported"}] == [
        "traffic.single-announcer"
    ]
    assert (machine.home / "reports" / "out" / "latest" / "report.html").exists()


def test_a_run_with_the_profile_of_init_passes_for_root(machine: EmptyRoot, profile: str) -> None:
    done = machine("mlc", "run", profile, "--report-dir", "as-root", user=0)

    assert done.returncode == ExitCode.PASSED, done.stdout[-4000:] + done.stderr[-1000:]
    found = outcomes(machine, "as-root")
    assert set(found.values()) <= {"passed", "not_supported"}
    assert found["traffic.single-announcer"] == "passed"


def test_why_what_if_and_explain_answer(machine: EmptyRoot, profile: str) -> None:
    assert "verdict: no link is broken" in machine.ok("mlc", "why", profile, "shop/web", user=0)
    assert machine.ok("mlc", "why", profile, user=0) == "No service is in trouble.\n"
    assert "moves" in machine.ok("mlc", "what-if", profile, "--without-node", "node1")
    assert "pending.free-address" in machine.ok("mlc", "explain", "pending.free-address")

    saved = machine("mlc", "why", "lab", "--snapshot", "saved.json.gz")
    assert saved.returncode == ExitCode.FAILED
    assert "verdict: pool-exhausted: " in saved.stdout


def test_what_is_asked_for_and_not_installed_says_how_to_have_it(machine: EmptyRoot) -> None:
    done = machine("mlc", "lab", "up")

    assert done.returncode == ExitCode.USAGE
    assert "error: The lab needs the extra [lab]" in done.stderr
    assert "Traceback" not in done.stderr
