"""Waits until a booting lab does what it is for, and says which component died when it never will."""

from __future__ import annotations

import functools
import http.client
import itertools
import json
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from clusters import budgets, wait
from clusters.budgets import Budget
from clusters.lab import netns
from clusters.lab.hosts import HostControl, LabFailed
from clusters.lab.lab_state import BootProgress
from clusters.lab.plan import Plan
from clusters.lab.rest import Refusal, RestClient, collection_path
from clusters.objects import Object, status_of

T = TypeVar("T")

# Asking every host whether its components run costs a millisecond each; readings of a claim come faster.
_LOOKS_AFTER = 8
#: What reading from a cluster that is coming up may meet.
FAULTS = (OSError, http.client.HTTPException, Refusal)

Controls = Collection[HostControl]
#: What a service is asked until it answers, each question with its URL.
Questions = Callable[[Object], Iterable[tuple[str, Callable[[], object]]]]


def dead_components(controls: Controls) -> list[str]:
    """A sentence for every component that has ended, over all hosts."""
    return [sentence for control in controls for sentence in control.dead()]


def claim(
    text: str,
    *,
    read: Callable[[], T],
    accept: Callable[[T], bool],
    controls: Controls,
    budget: Budget | None = None,
) -> T:
    """Wait for a claim about the lab.

    Raises `LabFailed` when it does not become true, and at once, with its name, when a component has died.
    """
    reads = itertools.count(1)

    def read_or_die() -> T:
        if next(reads) % _LOOKS_AFTER == 0:
            require_alive(controls)
        return read()

    try:
        return wait.until(
            text,
            read=read_or_die,
            accept=accept,
            budget=budget or budgets.get(budgets.LAB_SERVED),
            tolerate=FAULTS,
        )
    except wait.NotWithinBudget as error:
        raise LabFailed(f"The lab did not come up: {error}") from error


def require_alive(controls: Controls) -> None:
    """Raises `LabFailed` that names every component that has ended, with the end of its log."""
    dead = dead_components(controls)
    if dead:
        raise LabFailed(f"The lab cannot come up: {'; '.join(dead)}")


def api_answers(client: RestClient, controls: Controls) -> None:
    """Wait for the API server's first answers; roles and priority classes may be missing still."""
    _answers(client, "/livez/ping", "the API server answers", controls)


def api_ready(client: RestClient, controls: Controls) -> None:
    """Wait for the API server's own readiness, which includes its bootstrap of roles."""
    _answers(client, "/readyz", "the API server is ready", controls)


def _answers(client: RestClient, path: str, text: str, controls: Controls) -> None:
    claim(
        text,
        read=lambda: client.ask("GET", path).status,
        accept=lambda status: status == 200,
        controls=controls,
        budget=budgets.get(budgets.LAB_STARTED),
    )


def wait_for_all(
    client: RestClient,
    plan: Plan,
    *,
    controls: Mapping[str, HostControl],
    progress: BootProgress,
    asked: Mapping[str, Questions] = MappingProxyType({}),
) -> None:
    """MetalLB rolled out, its webhook deciding, and every consumer answering from the client.

    `asked` gives, by namespace/name, the questions to a service that does not answer as Kubernetes' test server does.
    """
    everyone = list(controls.values())
    check = functools.partial(claim, controls=everyone)
    check("every LoadBalancer service has an address", read=lambda: services(client), accept=_all_assigned)
    progress.mark("addresses assigned")
    usual = functools.partial(_questions, plan)
    for service in services(client):
        name = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for url, question in asked.get(name, usual)(service):
            check(f"{url} answers the client", read=question, accept=bool)
    progress.mark("services answer")
    check("MetalLB is rolled out", read=lambda: unfinished(client), accept=lambda left: not left)
    progress.mark("MetalLB rolled out")
    check("MetalLB's webhook decides", read=lambda: webhook_decides(client), accept=bool)
    progress.mark("webhook decides")


def nodes_ready(client: RestClient, plan: Plan, *, controls: Controls) -> None:
    """Wait until every node is Ready and takes pods.

    A node that has just become Ready keeps its not-ready taint until the node lifecycle controller takes it
    away; until then the scheduler gives all pods to the nodes that were faster.
    """
    names = {host.name for host in plan.nodes}
    claim(
        "every node is Ready and takes pods",
        read=lambda: ready_nodes(client),
        accept=lambda ready: ready == names,
        controls=controls,
    )


def ready_nodes(client: RestClient) -> set[str]:
    """Names of the nodes that are Ready and have no taint."""
    return {
        item["metadata"]["name"]
        for item in client.get("/api/v1/nodes")["items"]
        if _condition(item, "Ready") and not item["spec"].get("taints")
    }


def services(client: RestClient) -> list[Object]:
    """Every LoadBalancer service."""
    items: list[Object] = client.get("/api/v1/services")["items"]
    return [item for item in items if item["spec"]["type"] == "LoadBalancer"]


def unfinished(client: RestClient, namespace: str = "metallb-system") -> list[str]:
    """MetalLB's workloads that are not rolled out, each as a line of text."""
    lines = []
    for item in client.get(collection_path("apps/v1", "Deployment", namespace))["items"]:
        status, wanted = status_of(item), item["spec"].get("replicas", 1)
        if status.get("availableReplicas", 0) < wanted or status.get("updatedReplicas", 0) < wanted:
            lines.append(
                f"deployment {item['metadata']['name']}: {status.get('availableReplicas', 0)} of {wanted}"
            )
    for item in client.get(collection_path("apps/v1", "DaemonSet", namespace))["items"]:
        status = status_of(item)
        wanted = status.get("desiredNumberScheduled", 0)
        if not wanted or status.get("numberAvailable", 0) < wanted:
            lines.append(
                f"daemonset {item['metadata']['name']}: {status.get('numberAvailable', 0)} of {wanted}"
            )
    return lines


def webhook_decides(client: RestClient) -> bool:
    """Whether MetalLB's webhook refuses a pool that overlaps an existing one (asked as a dry run)."""
    pools = client.get(collection_path("metallb.io/v1beta1", "IPAddressPool", "metallb-system"))["items"]
    if not pools:
        return True
    twin = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "overlap-probe", "namespace": "metallb-system"},
        "spec": {"addresses": pools[0]["spec"]["addresses"]},
    }
    return "overlaps" in client.try_apply(twin, dry_run=True).message


def ask(plan: Plan, protocol: str, *, address: str, port: int) -> str:
    """One question to a consumer from the client host; the name of the pod that answered, or empty."""
    return netns.inside(
        plan.client.netns, lambda: _http(address, port) if protocol == "tcp" else _udp(address, port)
    )


def _http(address: str, port: int) -> str:
    connection = http.client.HTTPConnection(
        address, port, timeout=budgets.seconds(budgets.LAB_COMPONENT_ANSWERED)
    )
    try:
        connection.request("GET", "/hostname")
        response = connection.getresponse()
        return response.read().decode() if response.status == 200 else ""
    finally:
        connection.close()


def _udp(address: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as end:
        end.settimeout(budgets.seconds(budgets.LAB_COMPONENT_ANSWERED))
        end.sendto(b"hostname", (address, port))
        return end.recv(512).decode()


def _questions(plan: Plan, service: Object) -> Iterator[tuple[str, Callable[[], object]]]:
    ports = [(port.get("protocol", "TCP").lower(), port["port"]) for port in service["spec"]["ports"]]
    for address in addresses(service):
        for protocol, port in ports:
            question = functools.partial(ask, plan, protocol, address=address, port=port)
            yield f"{protocol}://{address}:{port}", question


def addresses(service: Object) -> list[str]:
    """The addresses that a service holds."""
    return [ingress["ip"] for ingress in service["status"]["loadBalancer"]["ingress"]]


def _all_assigned(found: list[Object]) -> bool:
    return all(status_of(service).get("loadBalancer", {}).get("ingress") for service in found)


def _condition(item: Object, kind: str) -> bool:
    conditions = status_of(item).get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def cluster_version(client: RestClient) -> str:
    """Kubernetes' version as the API server gives it, for example `v1.35.4`."""
    return str(json.loads(client.ask("GET", "/version").body)["gitVersion"])
