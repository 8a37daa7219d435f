"""Four ways to learn the same of a cluster, each measured in a process of its own: ours, raw, parsed, typed.

`ours` collects and judges as a run does; `raw` only fetches what `ours` asked for, `parsed` also reads it as JSON;
`typed` turns the same lists into the models of the kubernetes package. The last line of output is one JSON object.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clusters.api import Api
from clusters.api.transport import Request, Transport
from clusters.observation import limits, save
from clusters.observation.collecting import collect
from clusters.observation.snapshot import Objects, Snapshot
from tests.answers import all_answered, questions

Figures = dict[str, Any]
#: Of each list that has models: the API class of the kubernetes package, and what its methods call one object.
_MODELS = {
    "configmaps": ("CoreV1Api", "config_map"),
    "customresourcedefinitions": ("ApiextensionsV1Api", "custom_resource_definition"),
    "daemonsets": ("AppsV1Api", "daemon_set"),
    "deployments": ("AppsV1Api", "deployment"),
    "endpointslices": ("DiscoveryV1Api", "endpoint_slice"),
    "events": ("CoreV1Api", "event"),
    "leases": ("CoordinationV1Api", "lease"),
    "namespaces": ("CoreV1Api", "namespace"),
    "nodes": ("CoreV1Api", "node"),
    "pods": ("CoreV1Api", "pod"),
    "secrets": ("CoreV1Api", "secret"),
    "services": ("CoreV1Api", "service"),
    "validatingwebhookconfigurations": ("AdmissionregistrationV1Api", "validating_webhook_configuration"),
}
_LIST = re.compile(
    r"/apis?(?:/(?P<group>[^/]+\.[^/]+|apps))?/(?P<version>v[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
)


def main() -> int:
    """`observe_ways.py WAY KUBECONFIG`, with the requests to repeat on standard input for all but ours."""
    way, kubeconfig = sys.argv[1], Path(sys.argv[2])
    figures = {"ours": ours, "raw": raw, "parsed": parsed, "typed": typed}[way](kubeconfig)
    figures.setdefault("peak_mib", _peak())
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def _peak() -> float:
    """The most that this process has taken so far, in MiB; everything that was imported is in it."""
    return round(
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
    )  # kibibytes on Linux, getrusage(2)


def ours(kubeconfig: Path) -> Figures:
    """Collect, judge, and keep; and judge once more with every advertisement gone, so that all is in trouble."""
    asked: list[list[Any]] = []
    sent = Transport.send

    def noted(self: Transport, request: Request) -> bytes:
        if request.method == "GET":
            asked.append([request.asked.path, dict(request.query), request.accept])
        return sent(self, request)

    Transport.send = noted  # type: ignore[method-assign]  # only here, to know what was asked
    api = Api.connect(kubeconfig, None)
    questions()  # finding the checks is the suite's start, and no part of judging
    before = _peak()
    began = time.perf_counter(), time.process_time()
    snapshot = collect(api)
    collected = time.perf_counter(), time.process_time()
    verdicts = judge(snapshot)
    judged = time.perf_counter(), time.process_time()
    peak = _peak()
    save(snapshot, Path(sys.argv[3]) / "snapshot.json")
    kept = time.perf_counter()
    broken = judge(replace(snapshot, l2_advertisements=replace(snapshot.l2_advertisements, items=())))
    return {
        "seconds": judged[0] - began[0],
        "processor": judged[1] - began[1],
        "collect": collected[0] - began[0],
        "judge": judged[0] - collected[0],
        "keep": kept - judged[0],
        "judge_all_broken": time.perf_counter() - kept,
        "calls": api.stats.count,
        "bytes": api.stats.bytes_read,
        "objects": sum(len(one.items) for one in vars(snapshot).values() if isinstance(one, Objects)),
        "findings": verdicts,
        "imported_mib": before,
        "peak_mib": peak,
        "findings_all_broken": broken,
        "asked": asked,
    }


def judge(snapshot: Snapshot) -> int:
    """The answers to every check that an observation decides; how many findings there are."""
    return sum(len(told.findings) for told in all_answered(snapshot).values())


def raw(kubeconfig: Path) -> Figures:
    """The bytes of the same lists, as many at a time, page after page; nothing is made of them."""
    return _fetched(kubeconfig, len)


def parsed(kubeconfig: Path) -> Figures:
    """The same as plain dictionaries, each page dropped when it has been read."""
    return _fetched(kubeconfig, lambda body: len(json.loads(body)) and len(body))


def _fetched(kubeconfig: Path, use: Callable[[bytes], int]) -> Figures:
    asked, transport = _asked(), Api.connect(kubeconfig, None)._transport  # noqa: SLF001 - the same connections

    def fetch(one: list[list[Any]]) -> int:
        from clusters.api.answers import Asked  # noqa: PLC0415 - beside its use

        size = 0
        for path, query, accept in one:
            request = Request(asked=Asked(verb="list", path=path), query=query, accept=accept)
            try:
                size += use(transport.send(request))
            except Exception:  # noqa: BLE001, S112 - what the other way was refused is refused here as well
                continue
        return size

    return _timed(lambda: _side_by_side(fetch, asked))


def typed(kubeconfig: Path) -> Figures:
    """The same lists as models of the kubernetes package where it has some, else as its dictionaries."""
    from kubernetes import client, config  # noqa: PLC0415 - only this way pays for it

    asked = _asked()
    shared = config.new_client_from_config(str(kubeconfig))

    def fetch(one: list[list[Any]]) -> int:
        for path, query, _ in one:
            try:
                _modelled(client, shared, path, query)
            except client.exceptions.ApiException:
                continue
        return 0

    return _timed(lambda: _side_by_side(fetch, asked))


def _modelled(client: Any, shared: Any, path: str, query: dict[str, str]) -> None:
    """One page of a list as the package's own methods give it."""
    found = _LIST.fullmatch(path)
    if found is None:
        return
    names = {
        "limit": "limit",
        "continue": "_continue",
        "fieldSelector": "field_selector",
        "labelSelector": "label_selector",
    }
    given: dict[str, Any] = {names[name]: value for name, value in query.items()}
    given |= {"limit": int(given["limit"])} if "limit" in given else {}
    namespace, plural = found["namespace"], found["plural"]
    if plural not in _MODELS or (found["group"] or "").endswith("metrics.k8s.io"):
        custom = client.CustomObjectsApi(shared)
        where = (found["group"], found["version"])
        if namespace:
            custom.list_namespaced_custom_object(*where, namespace, plural, **given)
        else:
            custom.list_cluster_custom_object(*where, plural, **given)
        return
    group, noun = _MODELS[plural]
    api = getattr(client, group)(shared)
    if namespace:
        getattr(api, f"list_namespaced_{noun}")(namespace, **given)
        return
    everywhere = getattr(api, f"list_{noun}_for_all_namespaces", None) or getattr(api, f"list_{noun}")
    everywhere(**given)


def _asked() -> list[list[list[Any]]]:
    """The requests of `ours`, the pages of one list together and in their order."""
    lists: dict[str, list[list[Any]]] = {}
    for path, query, accept in json.load(sys.stdin):
        selected = sorted((key, value) for key, value in query.items() if key not in {"limit", "continue"})
        lists.setdefault(f"{path} {selected} {accept}", []).append([path, query, accept])
    return sorted(lists.values(), key=len, reverse=True)


def _side_by_side(fetch: Callable[[list[list[Any]]], int], asked: list[list[list[Any]]]) -> int:
    with ThreadPoolExecutor(limits.DEFAULT.workers) as pool:
        return sum(pool.map(fetch, asked))


def _timed(act: Callable[[], int]) -> Figures:
    began = time.perf_counter(), time.process_time()
    size = act()
    return {
        "seconds": time.perf_counter() - began[0],
        "processor": time.process_time() - began[1],
        "bytes": size,
    }


if __name__ == "__main__":
    raise SystemExit(main())
