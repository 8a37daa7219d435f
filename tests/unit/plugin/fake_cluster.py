"""A pytest plugin that puts a cluster in the place of every real one; files in the project say what it does.

cluster-boot-fails: opening it raises. cluster-refuses: preflight refuses. cluster-undo-fails: the undo at the
end raises. cluster-lease-lost: another run has taken it. cluster-vantage: it has one. cluster-objects: what it
holds, by plural, as JSON. cluster-says: what its pods log.
Every other file's text is the error's. What was done is in cluster-log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters import api, changes, preflight, providers
from clusters.api import NotFound
from clusters.errors import CleanupFailed, Refused
from clusters.providers import Cluster

_PATCH = pytest.MonkeyPatch()


def _told(what: str) -> str:
    path = Path(f"cluster-{what}")
    return path.read_text() if path.exists() else ""


def _log(line: str) -> None:
    with Path("cluster-log").open("a") as log:
        log.write(f"{line}\n")


@contextmanager
def _open(profile: Any) -> Iterator[Cluster]:
    if text := _told("boot-fails"):
        raise Refused(text)
    if text := _told("boot-breaks"):
        raise RuntimeError(text)
    _log(f"opened {profile.kubeconfig}" if profile.kubeconfig else "opened")
    vantage: Any = SimpleNamespace(name="netns:client") if _told("vantage") else None
    try:
        yield Cluster(
            name=profile.name,
            provider="existing",
            kubeconfig=Path("kubeconfig"),
            context="nowhere",
            vantage=vantage,
        )
    finally:
        _log("closed")


class _Api:
    context = "nowhere"

    def version(self) -> str:
        return "v1.34.4"

    def create(self, *_: object, **__: object) -> dict[str, Any]:
        return {}

    def list_raw(self, resource: Any, *_: object, **__: object) -> Iterator[dict[str, Any]]:
        yield {"items": json.loads(_told("objects") or "{}").get(resource.plural, [])}

    def list(self, resource: Any, namespace: str | None = None, **_: str) -> list[dict[str, Any]]:
        if text := _told("objects"):
            return list(json.loads(text).get(resource.plural, []))
        if resource.plural == "pods":
            metadata = {"name": "controller-1", "managedFields": [1]}
            return [{"metadata": metadata, "spec": {"containers": [{"name": "controller"}]}}]
        return []

    def can_i(self, *_: object) -> bool:
        return True

    def get(self, *_: object) -> dict[str, Any]:
        raise NotFound("There is no such object.")

    def logs(self, *_: object, **__: object) -> str:
        return _told("says") or "caller=main.go msg=hello token=hunter2hunter2\n"


class _Changes:
    def __init__(self, *_: object, **__: object) -> None:
        self.made: list[str] = []
        self.notes: list[str] = []

    @property
    def pending(self) -> int:
        return len(self.made)

    def join(self, namespace: str) -> None:
        pass

    @contextmanager
    def scope(self) -> Iterator[None]:
        yield
        if self.made:
            _log(f"undone {self.made.pop()}")

    def take_lease(self, namespace: str, level: str) -> SimpleNamespace:
        _log(f"held {namespace} at {level}")
        return SimpleNamespace(lost=_told("lease-lost"), note="")

    def undo_all(self) -> None:
        _log("undone all")
        if text := _told("undo-fails"):
            raise CleanupFailed(text)


def _preflight(*_: object, **__: object) -> Any:
    if text := _told("refuses"):
        raise Refused(text)
    return SimpleNamespace(
        kubernetes_version="v1.34.4", metallb_version=_told("version") or "0.15.2", notes=()
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    _PATCH.setattr(providers, "open_cluster", _open)
    _PATCH.setattr(api.Api, "connect", lambda *_: _Api())
    _PATCH.setattr(changes, "Changes", _Changes)
    _PATCH.setattr(preflight, "check", _preflight)
    _PATCH.setattr(preflight, "versions_of", _preflight)
    _PATCH.setattr(preflight, "undo_former_parts", lambda *_: None)


def pytest_unconfigure() -> None:
    _PATCH.undo()
