"""What is known about a lab, as one JSON object."""

from __future__ import annotations

import http.client
from typing import Any

from clusters.lab import netns, serving
from clusters.lab.hosts import LabFailed
from clusters.lab.lab import Lab
from clusters.lab.lab_state import LabState
from clusters.lab.plan import Host
from clusters.lab.rest import RestClient

_UNFINISHED = "The lab has not finished booting, or the command that booted it was ended."


def of(name: str) -> dict[str, Any]:
    """The status of a lab of that name; `running` is false where there is none, or something of it has died.

    Keys: name, running, problems (a sentence each), options, kubeconfig, kubectl, kubernetes_version,
    metallb_version, nodes, client, remote, subnet, subnets, phases (seconds that the boot took to each).
    """
    found = LabState.load(name)
    if found is None:
        return {"name": name, "running": False, "problems": [], "nodes": []}
    lab = Lab(found)
    problems = [*([] if found.ready else [_UNFINISHED]), *lab.problems()]
    version = "" if problems else _version(lab, problems)
    return {
        "name": name,
        "running": not problems,
        "problems": problems,
        "options": found.options.as_dict(),
        "kubeconfig": str(lab.kubeconfig),
        "kubectl": str(lab.kubectl),
        "kubernetes_version": version,
        "metallb_version": lab.metallb_version,
        "nodes": [_host(host) for host in lab.nodes],
        "client": _host(lab.client),
        "remote": _host(lab.remote),
        "subnet": str(lab.plan.subnets[0]),
        "subnets": [str(subnet) for subnet in lab.plan.subnets],
        "phases": found.phases,
    }


def _host(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": host.address,
        "addresses": list(host.addresses),
        "mac": host.mac,
        "netns": host.netns,
        "netns_path": str(netns.path(host.netns)),
        "interfaces": [
            {"name": one.name, "mac": one.mac, "addresses": [str(address) for address in one.addresses]}
            for one in host.interfaces
        ],
    }


def _version(lab: Lab, problems: list[str]) -> str:
    try:
        with RestClient(lab.kubeconfig) as client:
            return serving.cluster_version(client)
    except (OSError, http.client.HTTPException, LabFailed) as error:
        problems.append(f"The API server does not answer: {error}")
        return ""
