"""`python -m clusters.sweep` after runs that were killed, against a real API server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters import sweep, workloads
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS, NODES, SERVICES
from clusters.changes import Changes
from clusters.changes.fields import storable
from clusters.errors import ExitCode
from clusters.journal import STATE_VARIABLE, Journal
from tests.api import victim
from tests.api.objects import config_map, node, service
from tests.api.server import Server, free_port, write_kubeconfig

CHECKOUT = Path(__file__).resolve().parents[2]
MOMENTS = 10


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@dataclass(frozen=True)
class Scene:
    """A namespace of the test's API server, a profile that leads there, and the folder of the journals."""

    api: Api
    namespace: str
    profile: str
    state: Path

    def names(self) -> set[str]:
        return {each["metadata"]["name"] for each in self.api.list(CONFIG_MAPS, self.namespace)}

    def sweep(self, *options: str) -> int:
        return sweep.main(["--cluster", self.profile, *options])

    def dead_run(self, **header: Any) -> Journal:
        """A run that made one object and ended without a word; `header` changes what its journal says of it."""
        journal = Journal.for_run("dead", cluster="edge")
        Changes(self.api, journal, "dead").create(config_map("left", self.namespace), foreign="test")
        journal.close()
        first, *rest = journal.path.read_text().splitlines()
        found = json.loads(first)
        found["journal"] |= {"started": 0.0} | header
        journal.path.write_text("\n".join([json.dumps(found), *rest, ""]))
        return journal


@pytest.fixture
def scene(server: Server, api: Api, namespace: str, tmp_path: Path) -> Scene:
    path = tmp_path / "edge.yaml"
    path.write_text(
        json.dumps(
            {"name": "edge", "provider": "existing", "context": "loopback", "kubeconfig": str(server.admin)}
        )
    )
    return Scene(api, namespace, str(path), tmp_path / "state")


def test_nothing_to_do_is_said(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.sweep() == 0
    assert capsys.readouterr().out == "nothing to undo for edge\n"


def test_what_a_dead_run_left_is_undone_and_told(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.dead_run()

    assert scene.sweep("--list") == 0
    assert "left" in scene.names()
    assert scene.sweep() == 0

    assert "left" not in scene.names()
    assert capsys.readouterr().out.splitlines() == [
        "run dead: 1 to undo",
        f"  create configMap {scene.namespace}/left",
        "run dead: 1 to undo",
        f"  undone: create configMap {scene.namespace}/left",
    ]
    assert list(scene.state.rglob("*.jsonl")) == []


def test_a_run_that_is_alive_is_left_alone(scene: Scene) -> None:
    changes = Changes(scene.api, Journal.for_run("alive", cluster="edge"), "alive")
    changes.create(config_map("left", scene.namespace), foreign="test")

    assert scene.sweep() == 0
    assert "left" in scene.names()
    changes.undo_all()


def test_what_cannot_be_undone_is_named_and_stays_in_the_journal(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = scene.dead_run()

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no")

    with monkeypatch.context() as broken:
        broken.setattr(Api, "delete", refuse)
        assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert f"create configMap {scene.namespace}/left: ValueError: no" in capsys.readouterr().err
    assert journal.path.exists()

    assert scene.sweep() == 0
    assert not journal.path.exists()


def test_another_cluster_behind_the_same_context_is_not_touched(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.dead_run(uid="another")

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "now leads to cluster" in capsys.readouterr().err
    assert "left" in scene.names()


def test_a_cluster_that_is_away_keeps_its_journal(
    scene: Scene, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = write_kubeconfig(tmp_path / "away", f"https://127.0.0.1:{free_port()}", server.authority, "admin")
    journal = scene.dead_run(kubeconfig=str(away))

    assert scene.sweep() == ExitCode.CLEANUP_FAILED
    assert "cannot be reached" in capsys.readouterr().err
    assert journal.path.exists()


@pytest.mark.parametrize("change", [{"kubeconfig": "/gone"}, {"uid": "an-earlier-lab"}])
def test_a_lab_that_is_no_more_took_everything_with_it(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str]
) -> None:
    journal = scene.dead_run(**change)
    profile = tmp_path / "lab.yaml"
    profile.write_text("name: edge\nprovider: lab\ndisposable: true\n")

    assert sweep.main(["--cluster", str(profile)]) == 0
    assert capsys.readouterr().out == "run dead: its cluster is gone, and what was left to undo with it\n"
    assert not journal.path.exists()


def test_a_mistake_on_the_command_line_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["--cluster", "nowhere"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("error: There is no profile named 'nowhere'")


@pytest.fixture
def everything(
    api: Api, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], dict[str, Any]]:
    """Objects for the victim to work on, and a way to see all that it may change."""
    monkeypatch.setattr(workloads, "lower", victim.lower, raising=False)
    api.create(config_map("kept", namespace, k="0", theirs="1"))
    api.create(config_map("gone", namespace, k="0"))
    api.create(service("theirs", namespace, type="LoadBalancer"))
    api.create(node(namespace))

    def look() -> dict[str, Any]:
        found = api.list(CONFIG_MAPS, namespace) + api.list(SERVICES, namespace)
        seen = {f"{each['kind']}/{each['metadata']['name']}": storable(each) for each in found}
        seen["labels"] = api.get(NODES, namespace)["metadata"]["labels"]
        seen["flag"] = (tmp_path / "flag").exists()
        return seen

    return look


def run_and_kill(server: Server, namespace: str, flag: Path, after: float) -> None:
    command = [sys.executable, "-m", "tests.api.victim", str(server.admin), namespace, str(flag)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, env={**os.environ})
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        threading.Event().wait(after)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_after_a_kill_at_any_moment_a_sweep_leaves_everything_as_it_was(
    server: Server, scene: Scene, everything: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    before = everything()
    rng = random.Random(7)
    dirty = 0
    for _ in range(MOMENTS):
        run_and_kill(server, scene.namespace, tmp_path / "flag", after=rng.uniform(0, 0.8))
        dirty += everything() != before

        assert scene.sweep() == 0
        assert everything() == before
        assert list(scene.state.rglob("*.jsonl")) == []
    assert dirty > 0, "no kill came in the middle of a change, so nothing was shown"
