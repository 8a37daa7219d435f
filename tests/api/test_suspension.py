"""What applies the repository, read from a real API server, and suspended for a drill: also by a run that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters import budgets, profile, sweep, wait
from clusters.api import Api, ApiError
from clusters.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource
from clusters.budgets import Budget
from clusters.changes import Changes
from clusters.errors import ExitCode, Inconclusive
from clusters.gitops import reconcilers
from clusters.gitops.kustomize import Render
from clusters.gitops.reconcilers import APPLICATIONS, KUSTOMIZATIONS, Reconciler
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.journal import STATE_VARIABLE, Journal
from clusters.profile import Profile
from suites.plugin.record import Record
from suites.scenes.suspension import RESTS, Suspension, suspended
from tests.api.server import Server

Json = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]
SERVED = Budget(
    name="test.served", within=30, every=0.1, reason="A definition is served a moment after it is made."
)
COMMIT = "0123456789" * 4


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture(scope="module")
def engines(api: Api) -> Iterator[None]:
    """The definitions of Flux and Argo CD, as small as they can be."""
    for resource in (KUSTOMIZATIONS, APPLICATIONS, reconcilers.HELM_RELEASES, reconcilers.GIT_REPOSITORIES):
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {
            "name": resource.version,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": schema},
        }
        api.create(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": resource.qualified},
                "spec": {
                    "group": resource.group,
                    "names": {"plural": resource.plural, "kind": resource.kind},
                    "scope": "Namespaced",
                    "versions": [version],
                },
            }
        )
        wait.until(
            f"{resource.qualified} is served",
            read=lambda resource=resource: len(api.list(resource)),
            accept=lambda _: True,
            budget=SERVED,
            tolerate=(ApiError,),
        )
    yield
    for resource in (KUSTOMIZATIONS, APPLICATIONS, reconcilers.HELM_RELEASES, reconcilers.GIT_REPOSITORIES):
        api.delete(CUSTOM_RESOURCE_DEFINITIONS, resource.qualified)


def kustomization(namespace: str, name: str, *, by: str = "", **spec: Any) -> Json:
    labels = (
        {f"{KUSTOMIZATIONS.group}/name": by, f"{KUSTOMIZATIONS.group}/namespace": namespace} if by else {}
    )
    return {
        "apiVersion": KUSTOMIZATIONS.api_version,
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"path": "./metallb", "sourceRef": {"kind": "GitRepository", "name": "platform"}, **spec},
        "status": {"lastAppliedRevision": f"main@sha1:{COMMIT}"},
    }


def application(namespace: str, **spec: Any) -> Json:
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": "Application",
        "metadata": {"name": "metallb", "namespace": namespace},
        "spec": {"syncPolicy": {"automated": {"prune": True}}, **spec},
        "status": {"sync": {"status": "Synced", "revision": COMMIT}},
    }


def read(api: Api, *marks: str) -> tuple[Reconciler, ...]:
    return reconcilers.read(api, dict.fromkeys(marks, True))


def behind(*found: Reconciler) -> RepositorySnapshot:
    layout = Layout(overlay="metallb/overlays/lab")
    nothing = Render(overlay=layout.overlay)
    return RepositorySnapshot(
        taken_at="2026-11-30T12:00:00Z",
        root="/srv/platform",
        layout=layout,
        intended=nothing,
        reconcilers=found,
    )


def profile_of(server: Server, folder: Path, *, suspend: bool) -> Profile:
    path = folder / "edge.yaml"
    gitops = {"repository": str(folder), "overlay": "metallb/overlays/lab", "suspend": suspend}
    settings = {
        "name": "edge",
        "provider": "existing",
        "context": "loopback",
        "kubeconfig": str(server.admin),
    }
    path.write_text(json.dumps({**settings, "gitops": gitops}))
    return profile.load(str(path))


@dataclass(frozen=True)
class Scene:
    """A namespace with what applies the repository, and a run that changes it."""

    api: Api
    namespace: str
    server: Server
    folder: Path
    changes: Changes

    @property
    def record(self) -> Record:
        return Record(self.folder, "drill")

    def suspended(self, *found: Reconciler) -> AbstractContextManager[Suspension]:
        return suspended(self.api, self.changes, behind(*found), self.profile(suspend=True), self.record)

    def profile(self, *, suspend: bool) -> Profile:
        return profile_of(self.server, self.folder, suspend=suspend)

    def spec(self, name: str = "metallb", kind: Resource = KUSTOMIZATIONS) -> Json:
        found: Json = self.api.get(kind, name, self.namespace)["spec"]
        return found


@pytest.fixture
def scene(api: Api, namespace: str, server: Server, tmp_path: Path) -> Iterator[Scene]:
    made = Changes(api, Journal.for_run(namespace, cluster="edge"), namespace)
    yield Scene(api, namespace, server, tmp_path, made)
    made.undo_all()


def test_an_application_that_is_being_synchronized_is_busy_and_no_failure() -> None:
    made = application("argocd")
    made["status"] = {"sync": {"status": "OutOfSync"}, "operationState": {"phase": "Running"}}

    under_way = reconcilers.of(made)
    made["status"]["operationState"] = {"phase": "Succeeded"}
    at_rest = reconcilers.of(made)

    assert (under_way.busy, under_way.failing) == (True, "")
    assert (at_rest.busy, "OutOfSync" in at_rest.failing) == (False, True)


@pytest.mark.usefixtures("engines")
class TestReading:
    def test_what_applies_what_applies_it_is_followed(self, api: Api, namespace: str) -> None:
        api.create(kustomization(namespace, "metallb", by="root"))
        api.create(kustomization(namespace, "root"))

        found = read(api, f"Kustomization {namespace}/metallb")

        assert [each.key for each in found] == [
            f"Kustomization {namespace}/metallb", f"Kustomization {namespace}/root",
        ]  # fmt: skip
        assert reconcilers.deployed(found)[0] == COMMIT

    def test_one_that_only_the_repository_names_is_none(self, api: Api, namespace: str) -> None:
        assert read(api, f"Kustomization {namespace}/gone", "HelmRepository x/y") == ()

    def test_two_that_applied_different_commits_name_none(self, api: Api, namespace: str) -> None:
        api.create(kustomization(namespace, "metallb"))
        other = application(namespace)
        other["status"]["sync"]["revision"] = "9" * 40
        api.create(other)

        found = read(api, f"Kustomization {namespace}/metallb", f"Application {namespace}/metallb")

        assert reconcilers.deployed(found) == ("", ())


@pytest.mark.usefixtures("engines")
class TestSuspension:
    def test_all_that_acts_is_suspended_from_the_outermost_on_and_resumed(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb", by="root", interval="10m"))
        scene.api.create(kustomization(scene.namespace, "root"))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")
        record = scene.record

        with suspended(scene.api, scene.changes, behind(*found), scene.profile(suspend=True), record):
            during = [scene.spec(each.name).get("suspend") for each in found]
            order = [entry.change for entry in scene.changes._journal.pending()]

        assert during == [True, True]
        assert [f"{scene.namespace}/metallb" in order[0], f"{scene.namespace}/root" in order[1]] == [
            True,
            True,
        ]
        assert ["suspend" in scene.spec(each.name) for each in found] == [False, False]
        assert "was suspended for the drill, and resumed after it" in record.evidence[0]

    def test_an_application_is_not_synchronized_by_itself_meanwhile(self, scene: Scene) -> None:
        scene.api.create(application(scene.namespace))
        found = read(scene.api, f"Application {scene.namespace}/metallb")

        with suspended(scene.api, scene.changes, behind(*found), scene.profile(suspend=True), scene.record):
            during = scene.spec(kind=APPLICATIONS)

        assert "automated" not in (during.get("syncPolicy") or {})
        assert scene.spec(kind=APPLICATIONS)["syncPolicy"] == {"automated": {"prune": True}}

    def test_without_leave_nothing_is_changed_and_it_is_said_what_to_allow(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb"))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")
        asked = suspended(
            scene.api, scene.changes, behind(*found), scene.profile(suspend=False), scene.record
        )

        with pytest.raises(Inconclusive, match="would bring back what a drill takes away") as told, asked:
            pytest.fail("the drill began")

        assert "suspend: true under gitops" in told.value.remedy
        assert scene.changes.pending == 0

    @pytest.mark.parametrize("acting", [False, True])
    def test_one_that_is_suspended_already_is_left_alone(self, scene: Scene, *, acting: bool) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb", suspend=not acting))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")

        with suspended(scene.api, scene.changes, behind(*found), scene.profile(suspend=True), scene.record):
            assert scene.changes.pending == int(acting)

        assert scene.spec()["suspend"] is not acting

    def test_what_one_had_begun_is_waited_for_before_anything_is_taken_away(self, scene: Scene) -> None:
        under_way = {"type": "Reconciling", "status": "True", "reason": "Progressing"}
        made = kustomization(scene.namespace, "metallb")
        scene.api.create({**made, "status": {"conditions": [under_way]}})
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")
        ended: list[float] = []

        def end() -> None:
            seen = scene.spec().get("suspend")
            scene.api.patch(KUSTOMIZATIONS, "metallb", {"status": {"conditions": []}}, scene.namespace)
            ended.extend([time.monotonic()] if seen else [])

        timer = threading.Timer(1.5, end)
        timer.start()
        with scene.suspended(*found):
            begun = time.monotonic()
        timer.join()

        assert ended, "it ended before it was suspended"
        assert begun - ended[0] > RESTS - 0.5

    def test_one_that_goes_on_applying_is_named_and_resumed(
        self, scene: Scene, request: pytest.FixtureRequest
    ) -> None:
        request.addfinalizer(lambda: budgets.override({}))
        budgets.override({"reconciler_rests": 1.0})
        scene.api.create({**application(scene.namespace), "operation": {"sync": {"revision": COMMIT}}})
        found = read(scene.api, f"Application {scene.namespace}/metallb")

        with (
            pytest.raises(Inconclusive, match="still applying what it had begun") as told,
            scene.suspended(*found),
        ):
            pytest.fail("the drill began")

        assert f"kubectl -n {scene.namespace} get applications.argoproj.io metallb" in told.value.remedy
        assert scene.spec(kind=APPLICATIONS)["syncPolicy"] == {"automated": {"prune": True}}

    def test_one_that_somebody_resumes_makes_what_came_back_doubtful(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb"))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")

        with scene.suspended(*found) as suspension:
            suspension.stands()
            scene.api.patch(KUSTOMIZATIONS, "metallb", {"spec": {"suspend": False}}, scene.namespace)
            with pytest.raises(Inconclusive, match="acts again, so that what came back may be its work"):
                suspension.stands()

    @pytest.mark.parametrize(("resumed", "told"), [(True, Inconclusive), (False, AssertionError)])
    def test_a_failure_counts_only_while_it_stays_suspended(
        self, scene: Scene, *, resumed: bool, told: type[Exception]
    ) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb"))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")

        with scene.suspended(*found) as suspension:
            if resumed:
                scene.api.patch(KUSTOMIZATIONS, "metallb", {"spec": {"suspend": False}}, scene.namespace)
            with pytest.raises(told), suspension.watched():
                raise AssertionError("not true within 45s")

    def test_one_that_was_resumed_since_the_run_began_is_suspended_too(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb", suspend=True))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")
        scene.api.patch(KUSTOMIZATIONS, "metallb", {"spec": {"suspend": False}}, scene.namespace)

        with scene.suspended(*found):
            assert scene.spec()["suspend"] is True

        assert scene.spec()["suspend"] is False

    def test_a_login_that_may_not_is_told_which_right_it_lacks(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb"))
        found = read(scene.api, f"Kustomization {scene.namespace}/metallb")
        poor = Api.connect(scene.server.kubeconfig_for(f"poor-{scene.namespace}"), None)
        made = Changes(poor, Journal.for_run(f"poor-{scene.namespace}", cluster="edge"), "poor")
        blind = suspended(poor, made, behind(*found), scene.profile(suspend=True), scene.record)
        with (
            pytest.raises(Inconclusive, match="may apply the repository while the drill runs") as told,
            blind,
        ):
            pytest.fail("the drill began")
        assert "Allow this login to get kustomizations" in told.value.remedy

        asked = suspended(scene.api, made, behind(*found), scene.profile(suspend=True), scene.record)
        with pytest.raises(Inconclusive, match="cannot be suspended") as told, asked:
            pytest.fail("the drill began")

        assert "kustomizations.kustomize.toolkit.fluxcd.io" in told.value.remedy
        assert "suspend" not in scene.spec()

    def test_a_run_that_was_killed_meanwhile_is_swept_and_it_is_resumed(self, scene: Scene) -> None:
        scene.api.create(kustomization(scene.namespace, "metallb"))
        scene.profile(suspend=True)
        arguments = (str(scene.server.admin), scene.namespace, str(scene.folder))
        command = [sys.executable, "-m", "tests.api.test_suspension", *arguments]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert scene.spec()["suspend"] is True

        assert sweep.main(["--cluster", str(scene.folder / "edge.yaml")]) == ExitCode.PASSED

        assert "suspend" not in scene.spec()


def die_suspended(kubeconfig: str, namespace: str, folder: str) -> None:
    """A run that is killed in the middle of a drill."""
    api, place = Api.connect(Path(kubeconfig), None), Path(folder)
    path = str(place / "edge.yaml")
    made = Changes(api, Journal.for_run("killed", cluster="edge", profile=path), "killed")
    found = read(api, f"Kustomization {namespace}/metallb")
    with suspended(api, made, behind(*found), profile.load(path), Record(place, "drill")):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_suspended(*sys.argv[1:])
