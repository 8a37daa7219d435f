"""Flux and Argo CD at work on a lab: what applies the repository again and again, as their objects say.

Neither is installed. Each class does what its model does with one object: it reads it from the API server, renders the
last commit of the repository by kustomize, applies it to the cluster with server-side apply and marks it as its own,
honours interval, suspension and automatic synchronisation, and writes the status that its model writes. Pruning and
health checks are left out: no drill takes anything out of the repository.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from clusters.api import Api, ApiError
from clusters.api.resources import Resource
from clusters.gitops import release_manifests
from clusters.gitops.kustomize import Kustomize
from clusters.gitops.reconcilers import APPLICATIONS, KUSTOMIZATIONS
from clusters.lab.lab import Lab

Json = dict[str, Any]
OVERLAY = "metallb/overlays/lab"
#: How often an object is looked at; a controller is told of a change sooner than that, but not before it happened.
_LOOKS = 0.1
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Reconciler(ABC):
    """One of them at work. `rounds` are the times at which it began and had ended to apply the repository.

    `slow` are the seconds that a round takes before anything is applied; a `restless` one begins the next at once.
    """

    lab: Lab
    repository: Path
    slow: float = 0.0
    restless: bool = False
    rounds: list[tuple[float, float]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _seen: int = 0
    _next: float = 0.0

    resource: ClassVar[Resource]
    namespace: ClassVar[str]
    manager: ClassVar[str]

    def __post_init__(self) -> None:
        self.api = Api.connect(self.lab.kubeconfig, self.lab.name)

    @abstractmethod
    def acts(self, spec: Json) -> bool:
        """Whether its object lets it apply anything by itself."""

    @abstractmethod
    def every(self, spec: Json) -> float:
        """After so many seconds it applies the repository again though nothing changed."""

    @abstractmethod
    def marked(self, obj: Json) -> Json:
        """A rendered object with the marks of whose it is."""

    @abstractmethod
    def path(self, spec: Json) -> str:
        """The folder that its object names."""

    @abstractmethod
    def begun(self, generation: int) -> Json:
        """The status while it applies."""

    @abstractmethod
    def done(self, commit: str, generation: int) -> Json:
        """The status when it has applied."""

    def found(self) -> Json:
        """Its object, as it is now."""
        return self.api.get(self.resource, "metallb", self.namespace)

    def work(self) -> None:
        """Until it is stopped: read the object, and apply the repository where that is due."""
        while not self._stop.wait(_LOOKS):
            try:
                self._look()
            except (ApiError, AssertionError, subprocess.SubprocessError) as error:
                # As its models: one that failed tries again, and the test reads of it.
                self.trouble.append(f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """Let it end what it is at."""
        self._stop.set()

    def _look(self) -> None:
        found = self.found()
        generation = found["metadata"]["generation"]
        if not self.acts(found["spec"]):
            self._seen = 0
            return
        if generation == self._seen and time.monotonic() < self._next:
            return
        self._seen = generation
        begun = time.monotonic()
        self._says(self.begun(generation))
        self._stop.wait(self.slow)
        self._apply(self.path(found["spec"]))
        self._says(self.done(self._head(), generation))
        self.rounds.append((begun, time.monotonic()))
        self._next = time.monotonic() + (0.0 if self.restless else self.every(found["spec"]))

    def _says(self, status: Json) -> None:
        with suppress(ApiError):
            self.api.patch(self.resource, "metallb", {"status": status}, self.namespace, subresource="status")

    def unmark(self) -> None:
        """Take its marks from what it applied, as if it had never been there."""
        for obj in self._rendered(OVERLAY):
            res, metadata = self.api.resource_for(obj), obj["metadata"]
            now = self.api.get(res, metadata["name"], metadata.get("namespace"))["metadata"]
            marks = {
                part: {name: None for name in now.get(part) or {} if self.resource.group in name}
                for part in ("labels", "annotations")
            }
            if any(marks.values()):
                self.api.patch(res, metadata["name"], {"metadata": marks}, metadata.get("namespace"))

    def _rendered(self, path: str) -> list[Json]:
        found = Kustomize(self.lab.kubectl, release_manifests.of_lab_parts()).render(self.repository, path)
        # Secrets of the overlay are MetalLB's own: it goes on with those that it has.
        return [dict(obj) for obj in found.objects if obj["kind"] != "Secret"]

    def _apply(self, path: str) -> None:
        items = [self.marked(obj) for obj in self._rendered(path)]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        manager = f"--field-manager={self.manager}"
        command = [str(self.lab.kubectl), "--kubeconfig", str(self.lab.kubeconfig), "apply", "--server-side"]
        done = subprocess.run(
            [*command, "--force-conflicts", manager, "-f", "-"],
            input=text, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def _head(self) -> str:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=self.repository, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


class Flux(Reconciler):
    """kustomize-controller, with a Kustomization of Flux's."""

    resource, namespace, manager = KUSTOMIZATIONS, "flux-system", "kustomize-controller"

    def acts(self, spec: Json) -> bool:
        return spec.get("suspend") is not True

    def every(self, spec: Json) -> float:
        number, unit = re.fullmatch(r"(\d+)([smh])", spec["interval"]).groups()  # type: ignore[union-attr]  # it has one
        return float(number) * _SECONDS[unit]

    def path(self, spec: Json) -> str:
        return str(spec["path"]).removeprefix("./")

    def marked(self, obj: Json) -> Json:
        own = {f"{KUSTOMIZATIONS.group}/name": "metallb", f"{KUSTOMIZATIONS.group}/namespace": self.namespace}
        metadata = obj["metadata"]
        return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **own}}}

    def begun(self, generation: int) -> Json:
        under_way = {"type": "Reconciling", "status": "True", "reason": "Progressing"}
        return {"conditions": [_since({**under_way, "message": "Reconciliation in progress"})]}

    def done(self, commit: str, generation: int) -> Json:
        ready = {"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "Applied"}
        return {
            "conditions": [_since(ready)],
            "lastAppliedRevision": f"main@sha1:{commit}",
            "observedGeneration": generation,
        }


class ArgoCd(Reconciler):
    """Argo CD's application controller, with an Application that heals itself."""

    resource, namespace, manager = APPLICATIONS, "argocd", "argocd-controller"

    def acts(self, spec: Json) -> bool:
        automatic = (spec.get("syncPolicy") or {}).get("automated")
        return isinstance(automatic, dict) and bool(automatic.get("selfHeal"))

    def every(self, spec: Json) -> float:
        return 2.0

    def path(self, spec: Json) -> str:
        return str(spec["source"]["path"])

    def marked(self, obj: Json) -> Json:
        metadata, group = obj["metadata"], obj["apiVersion"].rpartition("/")[0]
        of = f"metallb:{group}/{obj['kind']}:{metadata.get('namespace', 'metallb-system')}/{metadata['name']}"
        own = {"argocd.argoproj.io/tracking-id": of}
        return {
            **obj,
            "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **own}},
        }

    def begun(self, generation: int) -> Json:
        return {"operationState": {"phase": "Running"}, "sync": {"status": "OutOfSync"}}

    def done(self, commit: str, generation: int) -> Json:
        return {
            "operationState": {"phase": "Succeeded", "syncResult": {"revision": commit}},
            "sync": {"status": "Synced", "revision": commit},
        }


def _since(condition: Json) -> Json:
    return {**condition, "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def object_of(kind: type[Reconciler]) -> Json:
    """The object that its user writes."""
    if kind is Flux:
        return {
            "apiVersion": KUSTOMIZATIONS.api_version,
            "kind": KUSTOMIZATIONS.kind,
            "metadata": {"name": "metallb", "namespace": Flux.namespace},
            "spec": {
                "interval": "2s",
                "path": f"./{OVERLAY}",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": "platform"},
            },
        }
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"name": "metallb", "namespace": ArgoCd.namespace},
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "metallb-system"},
            "source": {"repoURL": "https://git.example.org/platform.git", "path": OVERLAY},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }


@contextmanager
def at_work(reconciler: Reconciler) -> Iterator[Reconciler]:
    """It works in the block, beside whatever else there is."""
    thread = threading.Thread(target=reconciler.work, name="reconciler", daemon=True)
    thread.start()
    try:
        yield reconciler
    finally:
        reconciler.stop()
        thread.join(150)
