"""What there is to run on: versions of Kubernetes and MetalLB that the checks know, and enough free addresses."""

from __future__ import annotations

import re

from packaging.version import Version

from clusters.api import Api, ApiError, Forbidden, NoSuchResource
from clusters.api import resources as res
from clusters.metallb import pools, ranges, services, versions
from clusters.metallb.selectors import SelectorError
from clusters.objects import Object
from clusters.preflight.problems import Problem, problem_of
from clusters.profile import Profile

#: The first Kubernetes with everything that is asked of it: subresources by patch and apply (1.24).
OLDEST_KUBERNETES = Version("1.24")
#: What has been tested. What stands in its v1 groups stays, so a newer one is no reason to refuse.
NEWEST_KUBERNETES = Version("1.35")
#: The most that the checks hold of the cluster's own pools at once. They run one after another; those that
#: need several addresses make a pool of their own from the profile's spare ones.
NEEDED = 1
_SELECTORS = (
    "component=controller,app=metallb",
    "app.kubernetes.io/component=controller,app.kubernetes.io/name=metallb",
)


def metallb(api: Api, namespace: str) -> tuple[str, list[Problem]]:
    """MetalLB's version, "" where unknown, and what is wrong with it as a whole."""
    try:
        found = _controllers(api, namespace)
    except Forbidden:
        return "", []  # the permission that is missing is named where permissions are looked at
    except ApiError as error:
        return "", [problem_of(error)]
    if not found:
        remedy = "Set the profile's namespace to MetalLB's, or install MetalLB."
        return "", [
            Problem(sentence=f"There is no MetalLB controller in namespace {namespace}.", remedy=remedy)
        ]
    images = [each["image"] for each in found[0]["spec"]["template"]["spec"]["containers"]]
    tagged = next((known for known in map(versions.of_image, images) if known is not None), None)
    version = tagged or versions.of_labels(found[0]["metadata"].get("labels") or {})
    return str(version or ""), _about(version) if version is not None else []


def _about(version: Version) -> list[Problem]:
    if version < versions.OLDEST:
        sentence = f"MetalLB {version} is older than {versions.OLDEST}, the oldest that the checks know."
        return [Problem(sentence=sentence, remedy="Upgrade MetalLB.")]
    if Version(version.base_version) >= versions.FIRST_UNKNOWN:
        known = f"{versions.NEWEST.major}.{versions.NEWEST.minor}"
        sentence = f"MetalLB {version} is newer than {known}, the newest that the checks know."
        return [Problem(sentence=sentence, remedy="Use a newer release of this suite.")]
    return []


def kubernetes(version: str) -> tuple[list[Problem], list[str]]:
    """What is wrong with a Kubernetes version ("v1.35.4", "v1.30.3-gke.100"), and what is to be noted of it."""
    found = re.match(r"v?(\d+\.\d+)", version)
    minor = Version(found[1]) if found else None
    if minor is None:
        return [], [f"Kubernetes reports {version!r} as its version, which is no version number"]
    if minor < OLDEST_KUBERNETES:
        sentence = f"Kubernetes {version} is older than {OLDEST_KUBERNETES}, the oldest that the checks know."
        return [Problem(sentence=sentence, remedy="Upgrade Kubernetes.")], []
    newer = minor > NEWEST_KUBERNETES
    return [], [f"Kubernetes {version} is newer than {NEWEST_KUBERNETES}, the newest tested"] if newer else []


def _controllers(api: Api, namespace: str) -> list[Object]:
    for selector in _SELECTORS:
        found = api.list(res.DEPLOYMENTS, namespace, labels=selector)
        if found:
            return found
    return []


def shortage(api: Api, profile: Profile) -> list[Problem]:
    """A problem where the pools that give to any new service have too few free addresses left."""
    try:
        free = _free(api, profile.namespace)
    except (Forbidden, NoSuchResource):
        return []  # said where permissions are looked at, or by the checks of the installation
    except ApiError as error:
        return [problem_of(error)]
    if free >= NEEDED + profile.reserve:
        return []
    left = f"{free} free address{'' if free == 1 else 'es'}"
    return [
        Problem(
            sentence=f"The pools have {left} left for new services; this level takes up to {NEEDED} for a while "
            f"and keeps {profile.reserve} in reserve.",
            remedy="Free an address, widen a pool, or lower the profile's reserve.",
        )
    ]


def _free(api: Api, namespace: str) -> int:
    """Of IPv4 where any such pool has IPv4, for that is what the checks' services ask for; else of IPv6."""
    taken: set[ranges.Address] = set()
    for raw in api.list(res.SERVICES):
        service = services.parse(raw)
        taken.update(service.ingress)
        taken.update(services.request(service).addresses)
    giving = []
    for raw in api.list(res.IP_ADDRESS_POOLS, namespace):
        try:
            pool = pools.parse(raw)
        except SelectorError:
            continue
        if pool.auto_assign and pool.allocation is None:
            giving.append(pool)
    families = {version for pool in giving for version in pool.versions}
    version = min(families, default=4)
    return sum(
        pool.usable(version)
        - sum(1 for address in taken if address.version == version and pool.gives(address))
        for pool in giving
    )
