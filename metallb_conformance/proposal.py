"""`init --context NAME`: reads a cluster and prints a commented profile for it on standard output.

Only reads are made, as by a run at level observe; what could not be seen is said on standard error.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from clusters.api import Api, ApiError, Forbidden
from clusters.api import resources as res
from clusters.api.resources import Resource
from clusters.errors import ConformanceError, ExitCode, Parser
from clusters.gitops.documents import listing, mapping
from clusters.metallb import install
from clusters.objects import metadata_of, spec_of, status_of
from clusters.outbound import say
from metallb_conformance.command import NAME

if TYPE_CHECKING:
    from clusters.diagnosis import Diagnosis
    from clusters.metallb.services import Service

Json = Mapping[str, Any]
#: Where MetalLB's own manifests put it.
_USUAL_NAMESPACE = "metallb-system"
_FLUX = Resource("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", "Kustomization")
_FLUX_SOURCES = Resource("source.toolkit.fluxcd.io", "v1", "gitrepositories", "GitRepository")
_ARGO = Resource("argoproj.io", "v1alpha1", "applications", "Application")
_HTTPS, _HTTP = 443, 80


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a GitOps controller says that MetalLB's configuration comes from."""

    said_by: str
    repository: str
    path: str


def main(arguments: Sequence[str]) -> int:
    """Run the command: 0 and the profile on standard output, or the reason why there is none."""
    parser = Parser(prog=f"{NAME} init", description=__doc__)
    parser.add_argument(
        "--context", metavar="NAME", required=True, help="of the kubeconfig; there is no default"
    )
    parser.add_argument(
        "--kubeconfig", metavar="FILE", type=Path, help="default: KUBECONFIG, or ~/.kube/config"
    )
    parser.add_argument(
        "--namespace", metavar="NAME", default="", help="MetalLB's (default: where its pods are)"
    )
    parser.add_argument("--name", metavar="NAME", default="", help="what the cluster is to be called")
    given = parser.parse_args(list(arguments))
    api = Api.connect(given.kubeconfig, given.context)
    unseen: list[str] = []
    text = "\n".join(_profile(api, given, unseen))
    _checked(text)
    say(text)
    for each in unseen:
        say(f"not seen: {each}", error=True)
    return int(ExitCode.PASSED)


def _profile(api: Api, given: argparse.Namespace, unseen: list[str]) -> Iterator[str]:
    """The lines of the profile; `unseen` is filled with what could not be read."""
    found = given.namespace or _namespace(api, unseen)
    diagnosis = _looked_at(api, found)
    unseen += _not_read(diagnosis)
    yield f"# Of context {_plain(api.context)}, as it is now: read it, and correct what is not meant."
    yield _field("name", given.name or _slug(api.context))
    yield "provider: existing"
    yield _field("context", api.context)
    if given.kubeconfig is not None:
        yield _field("kubeconfig", str(given.kubeconfig.expanduser().resolve()))
    yield from _uid(api, unseen)
    yield ""
    yield "# The most that any run may do here, whatever its command line says: observe, create or disrupt."
    yield "allow: observe"
    yield _field("namespace", found)
    lb_class = diagnosis.facts.components.lb_class
    if lb_class:
        yield f"# MetalLB serves only services of the class {_plain(lb_class)} here."
    yield ""
    yield from _vantage(diagnosis)
    yield ""
    yield from _pools(diagnosis)
    yield from _announcers(diagnosis)
    yield ""
    yield from _consumers(diagnosis)
    yield ""
    yield from _gitops(api, found, unseen)


def _checked(text: str) -> None:
    """Raise UsageError where the profile could not be used: a mistake of this command, and not of its user."""
    from clusters.profile.models import Profile  # noqa: PLC0415 - brings the whole model, for one look at the end

    Profile.model_validate_json(_json(text))


def _json(text: str) -> str:
    import json  # noqa: PLC0415 - as above

    return json.dumps(yaml.safe_load(text), default=str)


def _namespace(api: Api, unseen: list[str]) -> str:
    """Where MetalLB's controller is, by the Deployments of all namespaces; its usual place where nothing says."""
    try:
        found = [
            each["metadata"]["namespace"]
            for each in api.list(res.DEPLOYMENTS)
            if install.component_of({**each, "metadata": _labelled(each)}) is not None
        ]
    except ApiError as error:
        unseen.append(f"in which namespace MetalLB is ({_reason(error)}); {_USUAL_NAMESPACE} is assumed")
        return _USUAL_NAMESPACE
    if not found:
        unseen.append(f"a Deployment of MetalLB's controller; {_USUAL_NAMESPACE} is assumed")
    elif len(set(found)) > 1:
        unseen.append(
            f"which MetalLB is meant: there is one in {', '.join(sorted(set(found)))}; see --namespace"
        )
    return min(found, default=_USUAL_NAMESPACE)


def _labelled(deployment: Json) -> Json:
    """The metadata with the labels of the pods, which some charts set and the Deployment lacks."""
    template = ((deployment.get("spec") or {}).get("template") or {}).get("metadata") or {}
    about = deployment["metadata"]
    return {**about, "labels": {**(template.get("labels") or {}), **(about.get("labels") or {})}}


def _looked_at(api: Api, namespace: str) -> Diagnosis:
    from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - after the arguments were read
    from clusters.observation.collecting import collect  # noqa: PLC0415 - see above

    return Diagnosis(collect(api, namespace=namespace))


def _not_read(diagnosis: Diagnosis) -> list[str]:
    seen = diagnosis.snapshot
    parts = {
        "nodes": seen.nodes,
        "services": seen.services,
        "IPAddressPools": seen.ip_address_pools,
        "L2Advertisements": seen.l2_advertisements,
        "DaemonSets": seen.daemon_sets,
    }
    return [f"{name} ({part.detail or part.status})" for name, part in parts.items() if not part.known]


def _uid(api: Api, unseen: list[str]) -> Iterator[str]:
    try:
        yield f"{_field('uid', api.uid())}   # of the namespace kube-system: no other cluster is taken for this one"
    except ApiError as error:
        unseen.append(f"the cluster's uid ({_reason(error)})")


def _vantage(diagnosis: Diagnosis) -> Iterator[str]:
    """The vantage that was tried: this machine, where it is on the segment of every pool."""
    why = _this_machine(diagnosis)
    if not why:
        yield "vantage: host               # tried: this machine is on the addresses' network"
        return
    yield f"# vantage: ssh:HOST         # this machine does not do: {_plain(why)}"
    yield "#                           # doctor PROFILE says what a host that you name here can do"


def _this_machine(diagnosis: Diagnosis) -> str:
    """Why this machine is no vantage for the pools; empty where it is."""
    from clusters.vantage import open_vantage  # noqa: PLC0415 - brings the packet library

    pools = [pool for pool in diagnosis.facts.pools if pool.ranges]
    if not pools:
        return "no pool says which addresses it would have to reach"
    nodes = {str(address) for node in diagnosis.facts.nodes.values() for address in node.addresses}
    try:
        with open_vantage("host") as vantage:
            for pool in pools:
                address = pool.ranges[0].middle
                found = vantage.interface_for(address)
                if found.source in nodes:
                    return "it is a node of the cluster"
                if not found.on_link:
                    return f"it reaches {address} of pool {pool.name} through {found.gateway}"
    except ConformanceError as error:
        return str(error.args[0]).rstrip(".")
    return ""


def _pools(diagnosis: Diagnosis) -> Iterator[str]:
    if not diagnosis.facts.pools:
        yield "# pools:                    # there is no IPAddressPool"
        return
    yield "pools:                      # as they are; a run tells where the cluster has others"
    for pool in diagnosis.facts.pools:
        yield _field("  - name", pool.name)
        yield f"    addresses: [{', '.join(str(each) for each in pool.ranges)}]"
        if sum(each.size for each in pool.ranges) == 1:
            yield "    single_address: true"


def _announcers(diagnosis: Diagnosis) -> Iterator[str]:
    """The nodes that run a speaker, where those are not all."""
    speakers, nodes = set(diagnosis.facts.components.speakers), set(diagnosis.facts.nodes)
    if not nodes or not diagnosis.snapshot.pods.known:
        return
    if diagnosis.facts.components.daemon_set is None:
        yield "# There is no speaker DaemonSet: the addresses are announced by something else, or by nobody."
    elif speakers and speakers != nodes:
        yield "announcers:                 # the other nodes run no speaker"
        yield f"  nodes: [{', '.join(map(_scalar, sorted(speakers)))}]"


def _consumers(diagnosis: Diagnosis) -> Iterator[str]:
    """Ingress controllers and gateways that hold an address, with a probe by their ports; they are what people use."""
    from clusters.diagnosis import consumers  # noqa: PLC0415 - after the arguments were read

    found = [service for service, _ in consumers.ingress_controllers(diagnosis.facts)]
    if not found:
        yield "# consumers:                # no ingress controller or gateway was found that holds an address"
        return
    yield "consumers:                  # found by their labels; a run tells where one has another address, or is silent"
    for service in found:
        yield _field("  - service", service.key)
        if len(service.ingress) == 1:
            yield _field("    address", str(service.ingress[0]))
        else:
            known = ", ".join(f'"{each}"' for each in service.ingress)
            yield f"    address: [{known}]"
        if probe := _probe(service):
            yield f"    probe: {probe}"


def _probe(service: Service) -> str:
    ports = {port.number for port in service.ports if port.protocol == "TCP"}
    if _HTTPS in ports:
        return (
            f"{{protocol: tcp, port: {_HTTPS}}}   # protocol https with a host asks for the certificate too"
        )
    if _HTTP in ports:
        return f"{{protocol: tcp, port: {_HTTP}}}   # protocol http with host, path and status asks for an answer"
    return f"{{protocol: tcp, port: {min(ports)}}}" if ports else ""


def _gitops(api: Api, namespace: str, unseen: list[str]) -> Iterator[str]:
    """Where Flux or Argo CD takes MetalLB's configuration from, as a comment: a clone on this disk is what is read."""
    found = [*_flux(api, namespace, unseen), *_argo(api, namespace, unseen)]
    if not found:
        yield "# gitops:                   # the repository that this cluster is configured from, if there is one"
        yield "#   repository: ~/src/platform"
        yield "#   overlay: metallb/overlays/NAME"
        return
    for source in found:
        yield f"# gitops:                   # {source.said_by} says so"
        yield f"#   repository: …           # a clone of {source.repository}"
        # Whoever takes the # away means this path, whatever it is called.
        yield f"#   overlay: {_scalar(source.path)}"


def _flux(api: Api, namespace: str, unseen: list[str]) -> Iterator[Source]:
    sources = {
        (_text(metadata_of(each), "namespace"), _text(metadata_of(each), "name")): _text(spec_of(each), "url")
        for each in _listed(api, _FLUX_SOURCES, unseen)
    }
    for each in _listed(api, _FLUX, unseen):
        about, spec = metadata_of(each), spec_of(each)
        entries = _mappings(mapping(status_of(each).get("inventory")).get("entries"))
        if not any(_text(entry, "id").startswith(f"{namespace}_") for entry in entries):
            continue
        ref, own = mapping(spec.get("sourceRef")), _text(about, "namespace")
        url = sources.get((_text(ref, "namespace") or own, _text(ref, "name")), "")
        yield Source(
            said_by=_plain(f"Flux's Kustomization {own}/{_text(about, 'name')}"),
            repository=_plain(url or f"its source {_text(ref, 'name')}"),
            path=_plain(_text(spec, "path").removeprefix("./")),
        )


def _argo(api: Api, namespace: str, unseen: list[str]) -> Iterator[Source]:
    for each in _listed(api, _ARGO, unseen):
        about, spec = metadata_of(each), spec_of(each)
        if not any(
            entry.get("namespace") == namespace for entry in _mappings(status_of(each).get("resources"))
        ):
            continue
        for source in _mappings(spec.get("sources")) or [mapping(spec.get("source"))]:
            yield Source(
                said_by=_plain(f"Argo CD's Application {_text(about, 'namespace')}/{_text(about, 'name')}"),
                repository=_plain(_text(source, "repoURL")),
                path=_plain(_text(source, "path") or f"(chart {_text(source, 'chart')})"),
            )


# Whoever installed these kinds chose what their objects may hold: any field can be anything.


def _mappings(value: Any) -> list[Json]:
    return [each for each in listing(value) if isinstance(each, dict)]


def _text(found: Json, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _listed(api: Api, of: Resource, unseen: list[str]) -> list[dict[str, Any]]:
    """The objects of a kind that a cluster may not have; what may not be read is noted."""
    try:
        return list(api.list(of))
    except Forbidden as error:
        unseen.append(f"{of.qualified} ({_reason(error)})")
    except ApiError:
        pass  # there is no such kind here
    return []


def _reason(error: ApiError) -> str:
    return str(error.args[0]).rstrip(".")


def _slug(context: str) -> str:
    """A name that a profile may have, out of a context's."""
    return re.sub(r"[^a-z0-9.-]+", "-", context.lower()).strip("-.")[:60] or "cluster"


def _field(name: str, value: str) -> str:
    """One line of YAML, quoted where the value asks for it."""
    return f"{name}: {_scalar(value)}"


def _scalar(value: str) -> str:
    """A text as YAML has it inside a list too, quoted where it would be something else."""
    return yaml.safe_dump([value], default_flow_style=True, width=1 << 16).strip()[1:-1]


def _plain(text: str) -> str:
    """A text for a comment: one line, printable, and without a password in a URL."""
    from clusters import outbound  # noqa: PLC0415 - only where something was found

    return " ".join(outbound.text(text).split())[:200]
