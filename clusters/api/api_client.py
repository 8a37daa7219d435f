"""The one door to the API server: plain dicts in, plain dicts out, one typed error for each way to fail."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from clusters import bounds, budgets
from clusters.api import errors, port_forward, resources
from clusters.api.account_tokens import AccountTokens
from clusters.api.answers import Asked, Reader
from clusters.api.login import log_in
from clusters.api.resources import NAMESPACES, PODS, Resource
from clusters.api.transport import PATCH_TYPES, Request, Stats, Transport
from clusters.api.watching import Watcher, WatchEvent
from clusters.objects import Object

Objects = list[Object]
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
        self._tokens = AccountTokens(transport)

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

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return self._object(Request(asked=_asked("get", res, namespace, name)))

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
    ) -> Iterator[Object]:
        """The pages of a list as the server sends them; `page` 0 asks for one page with everything.

        With `metadata_only` the server sends of each object only its metadata: of a Secret no data leaves it.
        Raises Expired in the middle where paging took longer than the server keeps the position (5 minutes);
        `list` then begins again.
        """
        query = _selectors(labels, fields)
        asked = _asked("list", res, namespace)
        accept = METADATA_ONLY if metadata_only else "application/json"
        reading = _Paging(asked, self._transport.reader)
        token = ""
        while True:
            paging = ({"limit": str(page)} if page else {}) | ({"continue": token} if token else {})
            limit = bounds.ANSWER_BYTES if page else bounds.LIST_BYTES
            request = Request(asked=asked, query=query | paging, accept=accept, limit=limit)
            found, token = reading.take(self._transport.send(request))
            yield found
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
            return items, pages[-1]["metadata"].get("resourceVersion") or ""
        raise errors.Expired(f"The list of {res.qualified} became too old three times while it was read.")

    def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        stop: Event,
    ) -> Generator[WatchEvent, None, None]:
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

    def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        """Create `obj`; AlreadyExists where there is one of that name. A dry run stores nothing."""
        res, name, namespace = self._identity(obj)
        asked = replace(_asked("create", res, namespace, name), path=res.path(namespace))
        return self._object(Request(asked=asked, method="POST", query=_writing(dry_run=dry_run), body=obj))

    def apply(self, obj: Object, *, dry_run: bool = False, force: bool = False) -> Object:
        """Server-side apply as field manager "metallb-conformance"; `force` takes others' fields over."""
        res, name, namespace = self._identity(obj)
        query = _writing(dry_run=dry_run) | ({"force": "true"} if force else {})
        return self._object(
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
        patch: Object | Operations,
        namespace: str | None = None,
        *,
        kind: str = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Change one object; `kind` is merge, json or strategic, `subresource` for instance "status"."""
        return self._object(
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
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
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
        query |= {"limitBytes": str(bounds.LOG_BYTES)}
        asked = _asked("get", PODS, namespace, pod, subresource="log")
        return self._text(Request(asked=asked, query=query, accept="*/*", limit=bounds.LOG_BYTES))

    def pod_http(self, namespace: str, pod: str, port: int, path: str, *, https: bool = False) -> str:
        """GET `path` on a pod's port, through the API server's proxy."""
        target = quote(f"{'https:' if https else ''}{pod}:{port}", safe=":")
        url = f"{PODS.path(namespace)}/{target}/proxy/{path.lstrip('/')}"
        asked = Asked(verb="get", path=url, resource=PODS, namespace=namespace, name=pod)
        within = budgets.get(budgets.POD_ANSWER).within
        return self._text(Request(asked=asked, accept="*/*", limit=bounds.POD_ANSWER_BYTES, within=within))

    def pod_https(self, namespace: str, pod: str, port: int, path: str, *, token: str) -> str:
        """GET `path` on a pod's port over TLS with `token`, by a port-forward (not the proxy).

        Whoever runs the pod gets the token: it must be one that may do nothing else, never a login of the user's.
        """
        asked = _asked("get", PODS, namespace, pod, subresource="portforward")
        return port_forward.https_get(self._transport, asked, port=port, path=path, token=token)

    def account_token(self, namespace: str, name: str) -> str:
        """A token of a service account that ends in minutes; see `clusters.api.account_tokens`."""
        return self._tokens.get(namespace, name)

    def raw(self, path: str) -> str:
        """GET any path of the API server, for instance "/readyz?verbose"."""
        return self._text(
            Request(asked=Asked(verb="get", path=path), accept="*/*", limit=bounds.PATH_ANSWER_BYTES)
        )

    def can_i(self, verb: str, resource: str, *, namespace: str = "", name: str = "") -> bool:
        """Whether this login may do so with a resource as roles name it: "pods/log", "ipaddresspools.metallb.io".

        A resource that begins with a slash is a path of the server. The review for it stores nothing.
        """
        if resource.startswith("/"):
            about: Object = {"nonResourceAttributes": {"path": resource, "verb": verb}}
        else:
            qualified, _, subresource = resource.partition("/")
            plural, _, group = qualified.partition(".")
            names = {"group": group, "resource": plural, "subresource": subresource}
            about = {"resourceAttributes": {"verb": verb, **names, "namespace": namespace, "name": name}}
        kind, version = "SelfSubjectAccessReview", "authorization.k8s.io/v1"
        asked = Asked(verb="create", path=f"/apis/{version}/selfsubjectaccessreviews")
        body = {"apiVersion": version, "kind": kind, "spec": about}
        answer = self._json(Request(asked=asked, method="POST", body=body))
        return self._transport.reader.mapping(answer, "status", asked).get("allowed") is True

    def version(self) -> str:
        """Kubernetes' version as the API server says it: "v1.35.4"."""
        asked = Asked(verb="get", path="/version")
        found = self._json(Request(asked=asked, accept="*/*", limit=bounds.PATH_ANSWER_BYTES))
        return self._transport.reader.text(found, "gitVersion", asked)

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
        asked = _asked("get", NAMESPACES, None, "kube-system")
        found = self._object(Request(asked=asked))
        return self._transport.reader.text(found["metadata"], "uid", asked)

    def resource_for(self, obj: Object) -> Resource:
        """The resource of any object, listed here or asked for; NoSuchResource where the cluster has none."""
        api_version, kind = str(obj.get("apiVersion", "")), str(obj.get("kind", ""))
        known = resources.for_kind(api_version, kind)
        if known is not None:
            return known
        group, _, version = api_version.rpartition("/")
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        for served in self._served(path):
            if served.kind == kind:
                return Resource(group, version, served.name, kind, served.namespaced)
        raise errors.NoSuchResource(f"The cluster has no kind {kind!r} in {api_version!r}.")

    def _identity(self, obj: Object) -> tuple[Resource, str, str | None]:
        res = self.resource_for(obj)
        metadata = obj["metadata"]
        return res, str(metadata.get("name") or ""), (metadata.get("namespace") if res.namespaced else None)

    def _served(self, path: str) -> Sequence[_Served]:
        """The kinds of one group, without their subresources."""
        asked = Asked(verb="get", path=path)
        try:
            found = self._json(Request(asked=asked, limit=bounds.PATH_ANSWER_BYTES))
            return [each for each in _Discovery.model_validate(found).resources if "/" not in each.name]
        except errors.NotFound:
            return []
        except ValidationError:
            self._transport.reader.refuse(asked, "an object that is no list of resources")

    def _json(self, request: Request) -> Object:
        return self._transport.reader.json(self._transport.send(request), request.asked)

    def _object(self, request: Request) -> Object:
        return self._transport.reader.object(self._transport.send(request), request.asked)

    def _text(self, request: Request) -> str:
        return self._transport.send(request).decode(errors="replace")


class _Served(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    kind: str
    namespaced: bool


class _Discovery(BaseModel):
    """What is served of one group (kubernetes.io/docs/reference/using-api/api-concepts, unaggregated discovery)."""

    model_config = ConfigDict(strict=True)

    resources: list[_Served]


class _Paging:
    """The pages of one list as they come, and that they end: in size, in number, in time."""

    def __init__(self, asked: Asked, reader: Reader) -> None:
        self._asked, self._reader = asked, reader
        self._within = budgets.get(budgets.API_LIST).within
        self._began = time.monotonic()
        self._size, self._tokens = 0, set[str]()

    def take(self, body: bytes) -> tuple[Object, str]:
        """One page, and the token for the next one, "" where it was the last."""
        self._size += len(body)
        found = self._reader.page(body, self._asked)
        token = found["metadata"].get("continue") or ""
        if token in self._tokens:
            self._reader.refuse(self._asked, "the same page again: its list never ends")
        if token:
            self._tokens.add(token)
            self._check()
        return found, token

    def _check(self) -> None:
        what = f"The answer to {self._asked.what}"
        if self._size > bounds.LIST_BYTES or len(self._tokens) >= bounds.LIST_PAGES:
            most = f"{bounds.size(bounds.LIST_BYTES)} or {bounds.LIST_PAGES} pages"
            raise errors.AnswerTooLarge(f"{what} has more than {most}; it was not read any further.")
        if time.monotonic() - self._began > self._within:
            raise errors.TimedOut(f"{what} took longer than {self._within:g} s, page after page.")


def _asked(
    verb: str, res: Resource, namespace: str | None, name: str = "", *, subresource: str = ""
) -> Asked:
    path = res.path(namespace, name, subresource)
    return Asked(verb=verb, path=path, resource=res, namespace=namespace or "", name=name)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _writing(*, dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
