"""What a run of level observe takes from every place: `python benchmarks/observe_places.py [--runs 3] [--kind]`.

One lab; in each round the suites run once from each place, one after the other, so that all see the same machine;
every second round goes the other way. What counts are the ratios to provider lab in the same round. With --kind
there is a cluster of kind beside the lab, with the same addresses, overlay and consumers, on a Docker of the
benchmark's own. Checks of the repository are left out everywhere. Figures are of the whole process: interpreter,
preflight, observation, judgement, reports.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import told

from clusters import profile
from clusters.lab import life, parts
from clusters.lab.lab import Lab
from clusters.lab.parts import system
from clusters.lab.plan import LabOptions
from tests.kind import alike
from tests.kind.stage import METALLB, Stage, staged
from tests.lab.test_vantages import NOBODY, kubeconfig
from tests.wire import sshd

_ROOT = Path(__file__).resolve().parents[1]
_NAME = f"bench{os.getpid() % 10000}"
_LAB, _KIND = "provider lab", "provider kind"
Figures = dict[str, float]


@dataclass(frozen=True)
class Place:
    """Where a run starts (`prefix` is put before its command), and the fields of its profile."""

    name: str
    profile: Mapping[str, Any]
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path) -> Figures:
        """Run the suites once: seconds on the clock and of processor, and how many checks decided."""
        file, report = folder / f"{self.profile['name']}.yaml", folder / "report"
        file.write_text(yaml.safe_dump(dict(self.profile)), encoding="utf-8")
        file.chmod(0o644)
        command = [
            *(*self.prefix, sys.executable, "-m", "pytest", "suites", "-p", "no:cacheprovider"),
            *("--cluster", str(file), "--report-dir", str(report), "--history", str(folder / "history.db")),
        ]
        began, used = time.monotonic(), _processor()
        done = subprocess.run(
            command,
            cwd=_ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, used = time.monotonic() - began, _processor() - used
        if done.returncode not in (0, 8):
            raise SystemExit(f"{self.name}: {done.stdout}{done.stderr}")
        found = json.loads((report / "results.json").read_text(encoding="utf-8"))
        passed = sum(one["outcome"] == "passed" for one in found["checks"])
        return {"seconds": seconds, "processor": used, "passed": passed}


def main() -> int:
    """Run the rounds, print the table, and write the JSON where it was asked for."""
    options = _arguments()
    if options.hold:
        _hold(options.hold)
        return 0
    parts.ensure()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp")))
        folder.chmod(0o777)  # one of the places is an ordinary user's
        places = [*_on_lab(stack, folder), *(_on_kind(stack, folder) if options.kind else ())]
        conditions = _conditions()
        rounds = [_round(places[:: -1 if number % 2 else 1]) for number in range(options.runs)]
    report = {"conditions": conditions, "rounds": rounds, "summary": _summary(rounds)}
    told.tell(report, _table(report), options.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = told.options(__doc__, runs=3)
    parser.add_argument("--kind", action="store_true", help="also on kind: needs what make kind needs")
    parser.add_argument("--hold", type=Path, help=argparse.SUPPRESS)  # keep a kind cluster until stdin ends
    return parser.parse_args()


def _on_lab(stack: ExitStack, folder: Path) -> Iterator[Place]:
    """Every way to look at one lab: its own provider, and as at any cluster, from all vantages."""
    stack.callback(life.down, _NAME)
    lab = life.up(LabOptions(name=_NAME, metallb=METALLB))
    inside = ("nsenter", f"--net=/run/netns/{lab.client.netns}")
    nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")
    search = (
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    )  # this Python may be in root's folder
    own = {"HOME": str(folder), "METALLB_CONFORMANCE_STATE": str(folder / "state")}
    near = {**_existing(lab), "kubeconfig": str(kubeconfig(lab, folder)), "vantage": "host"}
    netns = f"netns:{lab.client.netns}"
    yield Place(_LAB, {**_shared(), "name": lab.name, "provider": "lab"})
    yield Place("existing, namespace of this machine", {**_existing(lab), "vantage": netns})
    yield Place("existing, this machine with raw sockets", near, inside)
    yield Place("existing, this machine without any right", near, (*inside, *nobody, *search), own)
    with_ssh = stack.enter_context(_ssh(lab))
    yield Place("existing, ssh", {**_existing(lab), "vantage": f"ssh:{sshd.HOST}"}, environment=with_ssh)
    routed = {**_existing(lab), "vantage": netns, "routed_vantage": f"netns:{lab.remote.netns}"}
    yield Place("existing, a second place behind a router", routed)


def _shared() -> dict[str, Any]:
    """The lab's shipped profile without what is the lab's alone, and without the repository."""
    shipped = yaml.safe_load((_ROOT / "clusters/profiles/lab.yaml").read_text(encoding="utf-8"))
    return {key: shipped[key] for key in ("pools", "spare_addresses", "consumers")}


def _existing(lab: Lab) -> dict[str, Any]:
    given = {"name": "there", "provider": "existing", "context": lab.name, "kubeconfig": str(lab.kubeconfig)}
    return {**_shared(), **given}


@contextmanager
def _ssh(lab: Lab) -> Iterator[Mapping[str, str]]:
    """A server on the lab's client, and the environment by which OpenSSH's client finds it."""
    with tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp") as text:
        folder = Path(text)
        folder.chmod(0o755)
        with sshd.running(folder, system.fetch("sshd"), lab.client.netns) as server:
            programs = folder / "client"
            programs.mkdir()
            client = shutil.which("ssh")
            (programs / "ssh").write_text(f'#!/bin/sh\nexec {client} -F {server.config} "$@"\n')
            (programs / "ssh").chmod(0o755)
            path = os.pathsep.join([str(programs), os.environ["PATH"]])
            yield {"PATH": path, "XDG_RUNTIME_DIR": str(folder)}


def _on_kind(stack: ExitStack, folder: Path) -> Iterator[Place]:
    """The cluster of kind that another process keeps, where Docker's network is."""
    stage: Stage = stack.enter_context(staged())
    settings = {**alike.settings(stage)}
    del settings["gitops"]
    held = folder / "held.yaml"
    held.write_text(yaml.safe_dump(alike.settings(stage)), encoding="utf-8")
    stack.enter_context(_held(stage, held))
    yield Place(_KIND, settings, stage.docker.inside(), alike.environment(stage))


@contextmanager
def _held(stage: Stage, file: Path) -> Iterator[None]:
    command = stage.docker.inside(sys.executable, __file__, "--hold", file)
    with subprocess.Popen(
        command, env=alike.environment(stage), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if not process.stdout.readline():
            raise SystemExit("kind did not come up")
        yield
        process.stdin.close()


def _hold(file: Path) -> None:
    with alike.opened(profile.load(file)):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


def _round(places: Sequence[Place]) -> dict[str, Figures]:
    found = {}
    for place in places:
        with tempfile.TemporaryDirectory(prefix="mlb", dir="/tmp") as text:
            Path(text).chmod(0o777)
            found[place.name] = place.run(Path(text))
            sys.stderr.write(f"{place.name}: {found[place.name]['seconds']:.1f} s\n")
    return found


def _processor() -> float:
    """Processor seconds of every process that this one has waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _conditions() -> dict[str, Any]:
    return {
        "nodes": 3,
        "metallb": METALLB,
        **told.machine(),
    }


def _summary(rounds: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "best": min(one[name]["seconds"] for one in rounds),
            "median": statistics.median(one[name]["seconds"] for one in rounds),
            "worst": max(one[name]["seconds"] for one in rounds),
            "to lab": statistics.median(one[name]["seconds"] / one[_LAB]["seconds"] for one in rounds),
            "processor": statistics.median(one[name]["processor"] for one in rounds),
            "passed": min(one[name]["passed"] for one in rounds),
        }
        for name in rounds[0]
    }


def _table(report: Mapping[str, Any]) -> str:
    lines = [
        f"{len(report['rounds'])} rounds, "
        + ", ".join(f"{name} {value}" for name, value in report["conditions"].items()),
        "| place | best, s | median, s | worst, s | to provider lab | processor, s | checks passed |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in report["summary"].items():
        figures = (f"{one[key]:.1f}" for key in ("best", "median", "worst"))
        cells = (name, *figures, f"{one['to lab']:.2f}", f"{one['processor']:.1f}", f"{one['passed']:.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
