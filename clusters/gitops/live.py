"""Reading the live counterparts of what an overlay renders, one request for each object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from clusters.api.errors import ApiError, Forbidden, NotFound
from clusters.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource, for_kind
from clusters.checks.spec import Place, may
from clusters.gitops import field_comparison
from clusters.gitops.defaults import schemas_in
from clusters.gitops.pool_objects import is_configuration, key
from clusters.gitops.repository_snapshot import LiveObject
from clusters.objects import Object, metadata_of

#: What is read of what an overlay of MetalLB renders.
READS = (
    *may(
        "get",
        *("namespaces", "configmaps", "services", "serviceaccounts", "deployments.apps", "daemonsets.apps"),
        *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
        *("ipaddresspools.metallb.io", "l2advertisements.metallb.io", "communities.metallb.io"),
        *("bgpadvertisements.metallb.io", "bgppeers.metallb.io", "bfdprofiles.metallb.io"),
        place=Place.METALLB,
    ),
    *may(
        "get",
        *("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"),
        "customresourcedefinitions.apiextensions.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ),
)
_AT_ONCE = 8
#: CRDs are named by plural; these are MetalLB's whose plural is not the kind with an s.
_PLURALS = {"Community": "communities"}


class Reader(Protocol):
    """What is needed of `clusters.api.Api`."""

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """One object. Raises ApiError."""


def counterparts(reader: Reader, rendered: Iterable[Object]) -> tuple[LiveObject, ...]:
    """The live object of each rendered one. Secrets are not read: what they hold is nobody's business."""
    wanted = [found for found in rendered if found.get("kind") != "Secret"]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(pool.map(lambda found: _counterpart(reader, found), wanted))


def _counterpart(reader: Reader, rendered: Object) -> LiveObject:
    name = key(rendered)
    resource = for_kind(str(rendered.get("apiVersion", "")), str(rendered.get("kind", "")))
    if resource is None:
        return LiveObject(key=name, unreadable=f"{name} is of a kind that this suite does not read.")
    metadata = metadata_of(rendered)
    try:
        found = reader.get(resource, metadata.get("name", ""), metadata.get("namespace"))
    except NotFound:
        return LiveObject(key=name)
    except Forbidden as error:
        return LiveObject(key=name, unreadable=str(error.args[0]), verb=error.verb, resource=error.resource)
    except ApiError as error:
        return LiveObject(key=name, unreadable=str(error.args[0]))
    return LiveObject(key=name, found=field_comparison.kept(bare(found), rendered))


def schemas(reader: Reader, rendered: Sequence[Object]) -> dict[str, Object]:
    """The installed schemas of the configuration kinds that were rendered, by kind and version.

    A kind whose CRD is not installed, or may not be read, is not in it.
    """
    kinds = sorted({str(found["kind"]) for found in rendered if is_configuration(found)})
    found: dict[str, Object] = {}
    for kind in kinds:
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        try:
            definition = reader.get(CUSTOM_RESOURCE_DEFINITIONS, f"{plural}.metallb.io")
        except ApiError:
            continue
        found |= schemas_in([bare(definition)])
    return found


def bare(found: Object) -> Object:
    """An object without the prose in a CRD's schemas, which is half of its size and never matters."""
    if found.get("kind") != "CustomResourceDefinition":
        return found
    stripped: Object = _without_prose(found)
    return stripped


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        # A property may itself be called "description"; its value is then a schema, not text.
        return {
            name: _without_prose(inner)
            for name, inner in value.items()
            if not (name == "description" and isinstance(inner, str))
        }
    if isinstance(value, list):
        return [_without_prose(inner) for inner in value]
    return value
