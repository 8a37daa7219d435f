"""The two paths of a service, read link by link: from its object to its address, and from the vantage to a backend.

A link that something proves broken has the root that breaks it. Of every other link it is read what is known of it, so
that a reader sees what was ruled out and what nobody could see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusters.checks import LinkReading, ServicePath
from clusters.checks.path_links import Link, Path
from clusters.diagnosis.paths import assignment_links, traffic_links
from clusters.diagnosis.paths.path_case import Case, broken

if TYPE_CHECKING:
    from clusters.diagnosis.diagnosis import Diagnosis

#: Of so many services in trouble the paths are kept: more are alike, and nobody reads them one by one.
MOST_SERVICES = 100


def in_trouble(diagnosis: Diagnosis) -> tuple[ServicePath, ...]:
    """Both paths of each service in trouble, in the order of their names; of a service without address the first."""
    found = sorted(diagnosis.troubled)[:MOST_SERVICES]
    return tuple(path for key in found for path in of_service(diagnosis, key))


def of_service(diagnosis: Diagnosis, key: str) -> tuple[ServicePath, ...]:
    """The paths of one service ("namespace/name"), well or not. A service that is not there has none."""
    service = diagnosis.facts.services.get(key)
    if service is None:
        return ()
    case = Case.of(diagnosis, service)
    paths = [Path.ASSIGNMENT, Path.TRAFFIC] if service.ingress else [Path.ASSIGNMENT]
    return tuple(
        ServicePath(
            service=key,
            address=case.address,
            port=case.port if path is Path.TRAFFIC else 0,
            path=path,
            links=tuple(_read(case, link) for link in Link if link.path is path),
        )
        for path in paths
    )


_LINKS = assignment_links.LINKS | traffic_links.LINKS


def _read(case: Case, link: Link) -> LinkReading:
    root = case.roots.get(link)
    return broken(link, root) if root else _LINKS[link](case)
