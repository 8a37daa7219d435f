"""`why PROFILE [NAMESPACE/SERVICE]`: the two paths of a service, link by link, and what breaks the first broken one."""

from __future__ import annotations

import argparse
import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clusters import budgets, wait
from clusters.checks import LinkReading, Reading, ServicePath
from clusters.checks.causes import get
from clusters.checks.path_links import Link
from clusters.checks.serialise import path_to_dict
from clusters.errors import ExitCode, Parser, UsageError
from clusters.outbound import say
from metallb_conformance.command import NAME

if TYPE_CHECKING:
    from clusters.diagnosis import Diagnosis
    from clusters.observation import Snapshot
    from clusters.profile import Profile


Look = Callable[[], "Diagnosis"]

_MARKS = {
    Reading.OK: "ok",
    Reading.BROKEN: "BROKEN",
    Reading.UNKNOWN: "unknown",
    Reading.NOT_APPLICABLE: "-",
}
_PROOFS = 3


def main(arguments: Sequence[str]) -> int:
    """Run the command: 0 where all that was asked for is well, 1 where it is in trouble, 8 where nobody can tell."""
    given = _parser().parse_args(list(arguments))
    if given.watch and given.snapshot:
        raise UsageError(
            "--watch looks again and again, and --snapshot stays as it is.", remedy="Give one of the two."
        )
    one = given.service or given.address
    shown = _Shown(given) if one and not (given.watch or given.json) else None
    with looking(
        given.profile, given.snapshot, wire=True, about=one, read=shown.read if shown else None
    ) as look:
        if given.watch:
            return _watched(look, given)
        return _told(look(), given, shown)


class _Shown:
    """What is shown of one service before the wire has been asked, which takes longest: how it got its address.

    None of those links is read off the wire; where one is another all the same, the path is shown again.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._path: ServicePath | None = None

    def read(self, snapshot: Snapshot) -> None:
        """Show the first path. Raises UsageError where there is no such service."""
        from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - after the arguments were read

        first = _asked_for(Diagnosis(snapshot), self._given)[0]
        if not self.holds(first):
            if self._path is not None:
                say("meanwhile it has changed:")
            self._path = first
            for line in _of_path(first):
                say(line)

    def holds(self, path: ServicePath) -> bool:
        """Whether this path was shown as it is."""
        shown = self._path
        return shown is not None and (shown.service, shown.path, shown.links) == (
            path.service,
            path.path,
            path.links,
        )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{NAME} why", description=__doc__)
    parser.add_argument("profile", metavar="PROFILE", help="the cluster: a shipped profile's name, or a file")
    parser.add_argument(
        "service", metavar="NAMESPACE/SERVICE", nargs="?", default="", help="default: those in trouble"
    )
    parser.add_argument("--address", metavar="A", default="", help="the service that holds this address")
    parser.add_argument(
        "--snapshot", metavar="FILE", type=Path, help="a saved observation, in place of the cluster"
    )
    parser.add_argument("--json", action="store_true", help="the paths as results.json has them")
    parser.add_argument(
        "--watch", action="store_true", help="look again until all is well, and say what changed"
    )
    return parser


def _told(diagnosis: Diagnosis, given: argparse.Namespace, shown: _Shown | None = None) -> int:
    paths = _asked_for(diagnosis, given)
    if given.json:
        say(json.dumps([path_to_dict(path) for path in paths], indent=2))
    else:
        for line in _lines(diagnosis, paths, one=bool(given.service or given.address), shown=shown):
            say(line)
    # Nothing in trouble means something only where it was looked for on the wire too.
    if not paths and not diagnosis.facts.wire_index.asked:
        return int(ExitCode.INCOMPLETE)
    return _code(paths)


def _watched(look: Look, given: argparse.Namespace) -> int:
    """Look until nothing is broken; each time that something is otherwise than before it is shown."""
    before: tuple[ServicePath, ...] | None = None
    while True:
        diagnosis = look()
        paths = _asked_for(diagnosis, given)
        if paths != before:
            say(f"{diagnosis.snapshot.taken_at}")
            code = _told(diagnosis, given)
            if code == ExitCode.PASSED:
                return code
        before = paths
        wait.pause(budgets.get(budgets.LOOKED_AGAIN))


def _asked_for(diagnosis: Diagnosis, given: argparse.Namespace) -> tuple[ServicePath, ...]:
    from clusters.diagnosis import paths  # noqa: PLC0415 - brings the whole diagnosis, after the arguments were read

    if not (given.service or given.address):
        return paths.in_trouble(diagnosis)
    key = given.service or _holder(diagnosis, given.address)
    found = paths.of_service(diagnosis, key)
    if not found:
        raise UsageError(
            f"There is no service {key!r} of type LoadBalancer in this cluster.",
            remedy="kubectl get services --all-namespaces shows those there are.",
        )
    return found


def _holder(diagnosis: Diagnosis, text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"--address {text!r} is not an IP address.") from None
    holders = [key for key, service in diagnosis.facts.services.items() if address in service.ingress]
    if not holders:
        pool = diagnosis.facts.pool_of(address)
        where = f"It is an address of pool {pool.name}." if pool else "No pool holds it either."
        raise UsageError(f"No service holds {address}. {where}", remedy="Name the service.")
    return min(holders)


def _lines(
    diagnosis: Diagnosis, paths: Sequence[ServicePath], *, one: bool, shown: _Shown | None = None
) -> Iterator[str]:
    if not paths:
        yield "No service is in trouble."
    if not diagnosis.facts.wire_index.asked:
        yield f"No ARP probe was made and no port was tried: {_why_not_asked(diagnosis)}."
    for service in dict.fromkeys(path.service for path in paths):
        chosen = [path for path in paths if path.service == service]
        for path in chosen:
            if not (shown and shown.holds(path)):
                yield from _of_path(path)
        yield from _verdict(diagnosis, chosen)
        yield ""
    if paths and not one:
        roots = {(root.cause, root.subject): root for root in diagnosis.root_causes}
        yield f"{len(roots)} root cause{'s' if len(roots) != 1 else ''} in this cluster:"
        for root in roots.values():
            yield f"  {root.cause}: {root.summary}"


def _why_not_asked(diagnosis: Diagnosis) -> str:
    wire = diagnosis.snapshot.wire
    return (wire.detail or str(wire.status)).rstrip(".")


def _of_path(path: ServicePath) -> Iterator[str]:
    where = f" {path.address}" if path.address else ""
    port = f" port {path.port}" if path.port else ""
    yield f"service {path.service}{where}{port}, {path.path}:"
    for link in path.links:
        proof = link.proof[0] if link.proof else ""
        yield f"  {_MARKS[link.reading]:8} {link.link:15} {proof}".rstrip()
        if link.reading is Reading.BROKEN:
            for more in link.proof[1:_PROOFS]:
                yield f"  {'':24} {more}"


def _verdict(diagnosis: Diagnosis, paths: Sequence[ServicePath]) -> Iterator[str]:
    broken = next((path.broken for path in paths if path.broken), None)
    if broken is not None:
        yield f"verdict: {broken.cause}: {broken.proof[0]}"
        for explained in diagnosis.explanations(paths[0].service):
            if explained.root.cause == broken.cause:
                found = explained.finding("")
                yield f"remedy: {found.remedy}"
                yield from (f"  $ {command}" for command in found.commands)
                break
        else:
            yield f"remedy: {get(broken.cause).remedy}"
    opened = [link for path in paths for link in path.links if link.candidates]
    for link in opened:
        yield f"what may break the link {link.link}, and what decides:"
        for candidate in link.candidates:
            yield f"  {candidate.cause}"
            yield f"    $ {candidate.command}"
    if broken is None and not opened:
        yield "verdict: no link is broken" + _unread(paths)


def _unread(paths: Iterable[ServicePath]) -> str:
    unknown = [link.link for path in paths for link in path.links if link.reading is Reading.UNKNOWN]
    return f"; not known: {', '.join(unknown)}" if unknown else ""


def _code(paths: Sequence[ServicePath]) -> int:
    links: list[LinkReading] = [link for path in paths for link in path.links]
    if any(link.reading is Reading.BROKEN or link.candidates for link in links):
        return int(ExitCode.FAILED)
    # A backend that answers is the end of the path: what was not looked at on the way there held.
    served = {path.service for path in paths for link in path.links if _serves(link)}
    return int(ExitCode.PASSED if served == {path.service for path in paths} else ExitCode.INCOMPLETE)


def _serves(link: LinkReading) -> bool:
    return link.link is Link.BACKEND and link.reading is Reading.OK


@contextmanager
def looking(
    name: str,
    snapshot: Path | None,
    *,
    wire: bool,
    about: str = "",
    read: Callable[[Snapshot], None] | None = None,
) -> Iterator[Look]:
    """What gives a diagnosis each time it is called: of the saved observation, or of the profile's cluster as it is.

    With `wire` the addresses are also asked for from the profile's vantage, and where it is `about` one service no more
    of them than it needs; `read` is told before they are. Raises ConformanceError.
    """
    if snapshot is not None:
        yield lambda: _saved(snapshot)
        return
    from clusters import profile, providers  # noqa: PLC0415 - a saved observation needs no cluster
    from clusters.api import Api  # noqa: PLC0415 - see above
    from clusters.diagnosis import observed  # noqa: PLC0415 - see above
    from clusters.observation.collecting import Course, collect  # noqa: PLC0415 - see above

    chosen = _without_vantage(profile.load(name), wire=wire)
    with providers.open_cluster(chosen) as cluster:
        api = Api.connect(cluster.kubeconfig, cluster.context)

        def look() -> Snapshot:
            return collect(
                api,
                namespace=chosen.namespace,
                vantage=cluster.vantage if wire else None,
                routed=cluster.routed if wire else None,
                profile=chosen,
                course=Course(about=about, read=read),
            )

        yield lambda: observed(look)


def _saved(path: Path) -> Diagnosis:
    from clusters.diagnosis import Diagnosis  # noqa: PLC0415 - see above
    from clusters.observation import load  # noqa: PLC0415 - see above

    return Diagnosis(load(path))


def _without_vantage(chosen: Profile, *, wire: bool) -> Profile:
    return chosen if wire else chosen.model_copy(update={"vantage": "", "routed_vantage": ""})
