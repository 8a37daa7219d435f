"""`doctor [PROFILE]`: what this machine can and cannot do for a run, and the command that gives what is missing."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clusters import extras
from clusters.errors import ConformanceError, ExitCode, Parser
from clusters.outbound import say
from metallb_conformance.command import NAME

if TYPE_CHECKING:
    from clusters.profile import Profile

_ALL_OF_A_VANTAGE = frozenset({"tcp", "udp", "http", "neighbours", "arp", "capture"})


@dataclass(frozen=True, kw_only=True)
class Ability:
    """Something a run may need: whether it is there, what it is for, and the command that gives it.

    `needed` says whether the run that was asked about would leave something untested without it.
    """

    what: str
    there: bool
    said: str
    gives: str = ""
    needed: bool = True


def main(arguments: Sequence[str]) -> int:
    """Run the command: 0 where nothing is missing, 8 where a run would leave something out, 6 where none starts."""
    parser = Parser(prog=f"{NAME} doctor", description=__doc__)
    parser.add_argument(
        "profile", metavar="PROFILE", nargs="?", default="", help="also what a run on it would meet"
    )
    given = parser.parse_args(list(arguments))
    chosen = _chosen(given.profile) if given.profile else None
    found = [*_here(chosen), *(_of_profile(chosen) if chosen else ())]
    refused = any(not each.there for each in found if each.what == "cluster")
    width = max(len(each.what) for each in found)
    for each in found:
        say(f"{'yes' if each.there else 'NO ':3}  {each.what:{width}}  {each.said}")
        if not each.there and each.gives:
            say(f"     {'':{width}}  $ {each.gives}")
    if refused:
        return int(ExitCode.REFUSED)
    return int(
        ExitCode.PASSED if all(each.there or not each.needed for each in found) else ExitCode.INCOMPLETE
    )


def _chosen(name: str) -> Profile:
    from clusters import profile  # noqa: PLC0415 - without a profile nothing of this is needed

    return profile.load(name)


def _here(chosen: Profile | None) -> Iterator[Ability]:
    """What this machine has, whatever the cluster; what a run with this profile needs of it counts."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Ability(
        what="python", there=sys.version_info >= (3, 11), said=f"{version}; 3.11 or newer is needed"
    )
    yield _raw_sockets()
    repository = chosen is not None and chosen.gitops is not None
    remote = chosen is not None and "ssh:" in f"{chosen.vantage} {chosen.routed_vantage}"
    for program, use, needed, gives in (
        ("kubectl", "renders overlays", repository, "see kubernetes.io/docs/tasks/tools"),
        ("git", "reads the history of a GitOps repository", repository, "apt-get install git"),
        ("ssh", "measures from another host (vantage ssh:HOST)", remote, "apt-get install openssh-client"),
    ):
        place = shutil.which(program)
        said = f"{use}: {place}" if place else use
        yield Ability(what=program, there=bool(place), said=said, gives=gives, needed=needed)
    provider = chosen.provider if chosen is not None else ""
    for extra, use in (
        ("kind", "makes kind clusters (provider kind)"),
        ("lab", "boots clusters on this machine (provider lab; Linux, root)"),
        ("notify", "sends messages (--notify)"),
    ):
        there = all(importlib.util.find_spec(name) for name in extras.NAMES[extra])
        gives = extras.installing(extra)
        yield Ability(what=f"extra {extra}", there=there, said=use, gives=gives, needed=provider == extra)


def _raw_sockets() -> Ability:
    said = "asks the segment who answers, and captures; without, the kernel's own table tells one responder an address"
    gives = f"sudo setcap cap_net_raw+ep {Path(sys.executable).resolve()}"
    family = getattr(socket, "AF_PACKET", None)
    if family is None:
        return Ability(
            what="raw sockets",
            there=False,
            said=f"{said} (Linux only)",
            gives="vantage: ssh:HOST, a Linux host",
            needed=False,
        )
    try:
        socket.socket(family, socket.SOCK_RAW, 0).close()
    except OSError:
        return Ability(what="raw sockets", there=False, said=said, gives=gives, needed=False)
    return Ability(what="raw sockets", there=True, said=said)


def _of_profile(chosen: Profile) -> Iterator[Ability]:
    """What a run with this profile would meet: the API server, the clock, the vantages, the repository."""
    yield from _cluster(chosen)
    for place, use in ((chosen.outside, "vantage"), (chosen.routed_vantage, "routed vantage")):
        if place:
            yield _vantage(place, use)
    if not chosen.outside:
        yield Ability(what="vantage", there=False, said=f"nothing on the wire is tested: {chosen.unseen}")
    if chosen.gitops is not None:
        folder = chosen.gitops.repository
        there = (folder / ".git").exists()
        yield Ability(what="repository", there=there, said=str(folder), gives=f"git clone … {folder}")


def _cluster(chosen: Profile) -> Iterator[Ability]:
    from clusters.api import Api  # noqa: PLC0415 - see above
    from clusters.profile import Provider  # noqa: PLC0415 - see above

    if chosen.provider is not Provider.EXISTING:
        yield Ability(
            what=f"provider {chosen.provider}", there=True, said="a run makes the cluster, or finds it"
        )
        return
    try:
        api = Api.connect(chosen.kubeconfig, chosen.context or None)
        version = api.version()
        ahead = api.clock_ahead()
    except ConformanceError as error:
        yield Ability(what="cluster", there=False, said=str(error.args[0]), gives=_asks(chosen))
        return
    yield Ability(
        what="cluster", there=True, said=f"{api.endpoint} of context {api.context}, Kubernetes {version}"
    )
    from clusters import budgets  # noqa: PLC0415 - see above

    limit = budgets.get(budgets.CLOCK_SKEW).within
    yield Ability(
        what="clock",
        there=abs(ahead) <= limit,
        said=f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the API server's; {limit:g} s are allowed",
        gives="timedatectl set-ntp true",
    )


def _asks(chosen: Profile) -> str:
    return f"kubectl --context {shlex.quote(chosen.context)} version"


def _vantage(place: str, use: str) -> Ability:
    from clusters.vantage import open_vantage  # noqa: PLC0415 - brings the packet library

    try:
        with open_vantage(place) as vantage:
            missing = sorted(_ALL_OF_A_VANTAGE - vantage.capabilities)
            said = f"{place} can do {', '.join(sorted(vantage.capabilities))}"
    except ConformanceError as error:
        return Ability(
            what=use,
            there=False,
            said=f"{place}: {error.args[0]}",
            gives=f"ssh {place.partition(':')[2]} true" if place.startswith("ssh:") else "",
        )
    if missing:
        return Ability(
            what=use,
            there=False,
            said=f"{said}; not: {', '.join(missing)}",
            gives="run as root, or give Python CAP_NET_RAW there",
        )
    return Ability(what=use, there=True, said=said)
