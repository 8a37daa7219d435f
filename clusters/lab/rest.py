"""A small client of the API server for the lab's boot: plain HTTP over kept connections.

Loading the kubernetes client would take a second of the two processors that everything else needs to start,
so booting does without it. Everything else in the project goes through `clusters.api`.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Self

from clusters import budgets
from clusters.lab.hosts import LabFailed

FIELD_MANAGER = "metallb-lab"
# Plurals that are not the lower-case kind with an s.
_PLURALS = {"NetworkPolicy": "networkpolicies", "IngressClass": "ingressclasses"}
_CLUSTER_WIDE = {
    "Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "APIService",
    "StorageClass", "PriorityClass", "IngressClass", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
}  # fmt: skip


class Refusal(LabFailed):
    """The API server said no, in words that the text carries."""


class Answer(NamedTuple):
    """A status and a body. `message` is what the API server says about a refusal."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as data."""
        data: dict[str, Any] = json.loads(self.body)
        return data

    @property
    def message(self) -> str:
        """The refusal in the API server's words, or the body's start."""
        try:
            return str(json.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            return self.body[:300].decode("utf-8", "replace")


class RestClient:
    """Requests to one API server as the kubeconfig's user. Threads may share it; closing is for the last one."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._address = cluster["server"].removeprefix("https://")
        self._tls = ssl.create_default_context(cadata=_text(cluster["certificate-authority-data"]))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(_text(user["client-certificate-data"]) + _text(user["client-key-data"]))
            file.flush()
            self._tls.load_cert_chain(file.name)
        self._idle: list[http.client.HTTPSConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().close()

    def ask(self, method: str, path: str, *, body: object = None, kind: str = "application/json") -> Answer:
        """One request. Raises OSError or http.client.HTTPException when there is no answer."""
        try:
            connection = self._idle.pop()
        except IndexError:
            new = http.client.HTTPSConnection
            connection = new(
                self._address, context=self._tls, timeout=budgets.seconds(budgets.LAB_API_ANSWERED)
            )
        data = None if body is None else json.dumps(body)
        try:
            connection.request(
                method, path, body=data, headers={"Content-Type": kind, "Accept": "application/json"}
            )
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """The object or list at `path`. Raises `Refusal` with the API server's words when it is refused."""
        answer = self.ask("GET", path)
        if answer.status != 200:
            raise Refusal(f"The lab's API server answered {answer.status} to {path}: {answer.message}")
        return answer.json()

    def try_apply(self, thing: dict[str, Any], *, dry_run: bool = False) -> Answer:
        """Server-side apply, whatever comes of it."""
        query = f"?fieldManager={FIELD_MANAGER}&force=true" + ("&dryRun=All" if dry_run else "")
        return self.ask("PATCH", object_path(thing) + query, body=thing, kind="application/apply-patch+yaml")

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        """A merge patch. Raises `Refusal` with the API server's words when it is refused."""
        answer = self.ask("PATCH", path, body=patch, kind="application/merge-patch+json")
        if answer.status != 200:
            raise Refusal(f"The lab's API server refused to change {path}: {answer.message}")


def collection_path(api_version: str, kind: str, namespace: str = "") -> str:
    """Where objects of a kind are, for example `/apis/apps/v1/namespaces/x/deployments`."""
    prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    lower = kind.lower()
    plural = _PLURALS.get(kind) or (lower + "es" if lower.endswith(("s", "x")) else lower + "s")
    return f"{prefix}/namespaces/{namespace}/{plural}" if namespace else f"{prefix}/{plural}"


def object_path(thing: dict[str, Any]) -> str:
    """Where one object is."""
    meta = thing["metadata"]
    namespace = "" if thing["kind"] in _CLUSTER_WIDE else meta.get("namespace", "default")
    return f"{collection_path(thing['apiVersion'], thing['kind'], namespace)}/{meta['name']}"


def _text(data: str) -> str:
    return base64.b64decode(data).decode()
