"""Free addresses: those that a create run needs for a while, and those that stay free for others meanwhile."""

from __future__ import annotations

from clusters.api import Api, ApiError, Forbidden, NoSuchResource
from clusters.api import resources as res
from clusters.metallb import pools, ranges, services
from clusters.metallb.selectors import SelectorError
from clusters.preflight.problems import Problem, problem_of
from clusters.profile import Profile

#: The most that the checks hold of the cluster's own pools at once. They run one after another; those that
#: need several addresses make a pool of their own from the profile's spare ones.
NEEDED = 1


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
