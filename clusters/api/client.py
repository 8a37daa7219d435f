"""The one door to the API server: plain dicts in, plain dicts out, one typed error for each way to fail."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json

from clusters.api import errors, forwarding, resources
from clusters.api.answers import Asked
from clusters.api.kubeconfig import log_in
from clusters.api.resources import NAMESPACES, PODS, Resource
from clusters.api.transport import PATCH_TYPES, Request, Stats, Transport
from clusters.api.watching import Watcher, WatchEvent
from clusters.checks.access import Access

Json = dict[str, Any]
Objects = list[Json]
Operations = list[Any]

PAGE = 500
FIELD_MANAGER = "metallb-conformance"
#: https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api:
    """One cluster's API server, as one user. Threads may share it.

    Every method raises a subclass of `clusters.api.errors.ApiError` for a request that did not succeed.
    `namespace=None` means all namespaces for `list` and `watch`, and is right for cluster-wide objects.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    def connect(cls, kubeconfig: Path | None, context: str | None) -> Api:
        """Ready to ask as the user of `context`; nothing is sent yet.

        `kubeconfig` None means KUBECONFIG or ~/.kube/config, `context` None the current one of that file.
        """
        return cls(Transport(log_in(kubeconfig, context)))

    @property
    def transport(self) -> Transport:
        """The connections to the API server, for a door that asks in another way."""
        return self._transport

    @property
    def stats(self) -> Stats:
        """Requests made and bytes read so far."""
        return self._transport.stats

    @property
    def endpoint(self) -> str:
        """Host and port of the API server."""
        return self._transport.endpoint

    @property
    def context(self) -> str:
        """The kubeconfig's context in use."""
        return self._transport.login.context

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig in use, absolute; the first one where there are several."""
        return self._transport.login.files[0].absolute()

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Json:
        """One object."""
        return self._json(Request(asked=_asked("get", res, namespace, name)))

    def list(
        self, res: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Objects:
        """All objects, each with its `apiVersion` and `kind`, one consistent state of the collection."""
        return self._list_all(res, namespace, _selectors(labels, fields))[0]

    def list_raw(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        page: int = PAGE,
        metadata_only: bool = False,
    ) -> Iterator[Json]:
        """The pages of a list as the server sends them; `page` 0 asks for one page with everything.

        With `metadata_only` the server sends of each object only its metadata: of a Secret no data leaves it.
        Raises Expired in the middle where paging took longer than the server keeps the position (5 minutes);
        `list` then begins again.
        """
        query = _selectors(labels, fields)
        asked = _asked("list", res, namespace)
        accept = METADATA_ONLY if metadata_only else "application/json"
        token = ""
        while True:
            paging = ({"limit": str(page)} if page else {}) | ({"continue": token} if token else {})
            found = self._json(Request(asked=asked, query=query | paging, accept=accept))
            yield found
            token = found.get("metadata", {}).get("continue") or ""
            if not token:
                return

    def _list_all(self, res: Resource, namespace: str | None, query: dict[str, str]) -> tuple[Objects, str]:
        """Every object, and the version that the list is of."""
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        for page in (PAGE, PAGE, 0):
            try:
                pages = list(self.list_raw(res, namespace, labels=labels, fields=fields, page=page))
            except errors.Expired:
                continue
            items = [item for part in pages for item in part.get("items") or []]
            for item in items:
                item.setdefault("apiVersion", res.api_version)
                item.setdefault("kind", res.kind)
            return items, pages[-1]["metadata"].get("resourceVersion", "")
        raise errors.Expired(f"The list of {res.qualified} became too old three times while it was read.")

    def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        stop: Event,
    ) -> Iterator[WatchEvent]:
        """What is there as ADDED, then every change, until `stop` is set (from another thread, as a rule).

        It resumes by itself; see `clusters.api.watching.Watcher`.
        """
        query = _selectors(labels, fields)
        watcher = Watcher(
            transport=self._transport,
            asked=_asked("watch", res, namespace),
            query=query,
            list_all=lambda: self._list_all(res, namespace, query),
            stop=stop,
        )
        return watcher.events()

    def create(self, obj: Json, *, dry_run: bool = False) -> Json:
        """Create `obj`; AlreadyExists where there is one of that name. A dry run stores nothing."""
        res, name, namespace = self._identity(obj)
        asked = replace(_asked("create", res, namespace, name), path=res.path(namespace))
        return self._json(Request(asked=asked, method="POST", query=_writing(dry_run=dry_run), body=obj))

    def apply(self, obj: Json, *, dry_run: bool = False, force: bool = False) -> Json:
        """Server-side apply as field manager "metallb-conformance"; `force` takes others' fields over."""
        res, name, namespace = self._identity(obj)
        query = _writing(dry_run=dry_run) | ({"force": "true"} if force else {})
        return self._json(
            Request(
                asked=_asked("patch", res, namespace, name),
                method="PATCH",
                query=query,
                body=obj,
                content_type=PATCH_TYPES["apply"],
            )
        )

    def patch(
        self,
        res: Resource,
        name: str,
        patch: Json | Operations,
        namespace: str | None = None,
        *,
        kind: str = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Change one object; `kind` is merge, json or strategic, `subresource` for instance "status"."""
        return self._json(
            Request(
                asked=_asked("patch", res, namespace, name, subresource=subresource),
                method="PATCH",
                query=_writing(dry_run=dry_run),
                body=patch,
                content_type=PATCH_TYPES[kind],
            )
        )

    def delete(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        grace: int | None = None,
        uid: str = "",
    ) -> None:
        """Ask for one object's deletion; finalizers and grace may keep it a while.

        `grace` is in seconds (0 kills at once). With `uid`: Conflict where that object is not the one there.
        """
        if not name:
            raise ValueError("an object's name is empty: that would delete the whole collection")
        options: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        self._json(Request(asked=_asked("delete", res, namespace, name), method="DELETE", body=options))

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        tail: int | None = None,
        since: float | None = None,
        previous: bool = False,
    ) -> str:
        """A container's log: the last `tail` lines, or those of the last `since` seconds (rounded up)."""
        query = {"container": container} if container else {}
        query |= {"tailLines": str(tail)} if tail is not None else {}
        query |= {"sinceSeconds": str(max(1, math.ceil(since)))} if since is not None else {}
        query |= {"previous": "true"} if previous else {}
        asked = _asked("get", PODS, namespace, pod, subresource="log")
        return self._text(Request(asked=asked, query=query, accept="*/*"))

    def pod_http(self, namespace: str, pod: str, port: int, path: str, *, https: bool = False) -> str:
        """GET `path` on a pod's port, through the API server's proxy."""
        target = quote(f"{'https:' if https else ''}{pod}:{port}", safe=":")
        url = f"{PODS.path(namespace)}/{target}/proxy/{path.lstrip('/')}"
        asked = Asked(verb="get", path=url, resource=PODS, namespace=namespace, name=pod)
        return self._text(Request(asked=asked, accept="*/*"))

    def pod_https(self, namespace: str, pod: str, port: int, path: str) -> str:
        """GET `path` on a pod's port over TLS with this login's token, by a port-forward (not the proxy)."""
        asked = Asked(verb="get", path=path, resource=PODS, namespace=namespace, name=pod)
        self.stats.add("get")
        return forwarding.https_get(self._transport.login, asked, port=port, path=path)

    def raw(self, path: str) -> str:
        """GET any path of the API server, for instance "/readyz?verbose"."""
        return self._text(Request(asked=Asked(verb="get", path=path), accept="*/*"))

    def can_i(self, use: Access, metallb_namespace: str = "") -> bool:
        """Whether this login has a permission. The review for it stores nothing."""
        if use.is_path:
            about: Json = {"nonResourceAttributes": {"path": use.resource, "verb": use.verb}}
        else:
            names = {"group": use.group, "resource": use.plural, "subresource": use.subresource}
            names |= {"namespace": use.namespace(metallb_namespace), "name": "".join(use.names[:1])}
            about = {"resourceAttributes": {"verb": use.verb, **names}}
        kind, version = "SelfSubjectAccessReview", "authorization.k8s.io/v1"
        asked = Asked(verb="create", path=f"/apis/{version}/selfsubjectaccessreviews")
        body = {"apiVersion": version, "kind": kind, "spec": about}
        answer = self._json(Request(asked=asked, method="POST", body=body))
        return bool(answer["status"].get("allowed"))

    def version(self) -> str:
        """Kubernetes' version as the API server says it: "v1.34.4"."""
        return str(json.loads(self.raw("/version"))["gitVersion"])

    def clock_ahead(self) -> float:
        """Seconds by which the API server's clock is ahead of this machine's, 0.0 where they may be the same.

        Its Date header tells whole seconds, so what is given is the least that it can be.
        """
        before = time.time()
        date = self._transport.date(Request(asked=Asked(verb="get", path="/version"), accept="*/*"))
        after = time.time()
        least, most = date - after, date + 1 - before
        return least if least > 0 else min(most, 0.0)

    def uid(self) -> str:
        """What tells this cluster from every other: the UID of its namespace kube-system."""
        return str(self.get(NAMESPACES, "kube-system")["metadata"]["uid"])

    def resource_for(self, obj: Json) -> Resource:
        """The resource of any object, listed here or asked for; NoSuchResource where the cluster has none."""
        api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
        known = resources.for_kind(api_version, kind)
        if known is not None:
            return known
        group, _, version = api_version.rpartition("/")
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            served = json.loads(self.raw(path))["resources"]
        except errors.NotFound:
            served = []
        for entry in served:
            if entry["kind"] == kind and "/" not in entry["name"]:
                return Resource(group, version, entry["name"], kind, entry["namespaced"])
        raise errors.NoSuchResource(f"The cluster has no kind {kind!r} in {api_version!r}.")

    def _identity(self, obj: Json) -> tuple[Resource, str, str | None]:
        res = self.resource_for(obj)
        metadata = obj["metadata"]
        return res, str(metadata.get("name") or ""), (metadata.get("namespace") if res.namespaced else None)

    def _json(self, request: Request) -> Json:
        # Half of what collecting takes is to read JSON, and this reader is a third faster than `json`.
        try:
            return from_json(self._transport.send(request), cache_strings="keys")  # type: ignore[no-any-return]  # an object, by the API
        except ValueError:
            raise errors.ApiError(
                f"The API server at {self.endpoint} did not answer as one: {request.asked.what}."
            ) from None

    def _text(self, request: Request) -> str:
        return self._transport.send(request).decode(errors="replace")


def _asked(
    verb: str, res: Resource, namespace: str | None, name: str = "", *, subresource: str = ""
) -> Asked:
    path = res.path(namespace, name, subresource)
    return Asked(verb=verb, path=path, resource=res, namespace=namespace or "", name=name)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _writing(*, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
