"""`what-if PROFILE …`: which addresses would move, stay without an announcer, or be lost; nothing is changed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clusters.confinement import LARGEST_READ
from clusters.errors import ExitCode, Inconclusive, Parser, UsageError
from clusters.outbound import say
from metallb_conformance.command import NAME
from metallb_conformance.why import looking

if TYPE_CHECKING:
    from clusters.diagnosis import Diagnosis
    from clusters.diagnosis.consequences import Consequences, Fate, Proposal

_SHOWN = 40
_KUSTOMIZATION = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def main(arguments: Sequence[str]) -> int:
    """Run the command: 0 where every address stays served, 1 where one would be lost, replaced or left alone."""
    from clusters.diagnosis import consequences  # noqa: PLC0415 - after the arguments were read

    given = _parser().parse_args(list(arguments))
    proposal = _proposal(given)
    with looking(given.profile, given.snapshot, wire=False) as look:
        diagnosis = look()
    _known(diagnosis, proposal)
    found = consequences.of_proposal(diagnosis, proposal)
    if given.json:
        say(json.dumps(asdict(found), indent=2))
    else:
        for line in _lines(found, given):
            say(line)
    return int(ExitCode.FAILED if found.harmful or found.rejected else ExitCode.PASSED)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=f"{NAME} what-if", description=__doc__)
    add = parser.add_argument
    add("profile", metavar="PROFILE", help="the cluster: a shipped profile's name, or a file")
    add(
        "--without-node",
        metavar="N",
        action="append",
        default=[],
        help="this node is gone, with all that runs on it",
    )
    add("--without-speaker", metavar="N", action="append", default=[], help="this node runs no speaker")
    add(
        "--drain",
        metavar="N",
        action="append",
        default=[],
        help="this node is drained: no endpoint, still a speaker",
    )
    add(
        "--exclude",
        metavar="N",
        action="append",
        default=[],
        help="this node is labelled out of load balancing",
    )
    add(
        "--pool",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="pools or advertisements are applied",
    )
    add(
        "--apply",
        metavar="DIR",
        action="append",
        default=[],
        type=Path,
        help="all of a folder's manifests are applied",
    )
    add("--snapshot", metavar="FILE", type=Path, help="a saved observation, in place of the cluster")
    add("--json", action="store_true", help="one JSON object")
    return parser


def _proposal(given: argparse.Namespace) -> Proposal:
    from clusters.diagnosis.consequences import Proposal  # noqa: PLC0415 - see above

    files = {**{file: [file] for file in given.pool}, **{folder: _files(folder) for folder in given.apply}}
    found = Proposal(
        removed=frozenset(given.without_node),
        speakerless=frozenset(given.without_speaker),
        drained=frozenset(given.drain),
        excluded=frozenset(given.exclude),
        objects=tuple(_objects(files)),
    )
    if not (found.nodes or given.pool or given.apply):
        raise UsageError(
            "what-if needs something that would be different.",
            remedy="Give --without-node, --without-speaker, --drain, --exclude, --pool or --apply.",
        )
    return found


def _files(folder: Path) -> list[Path]:
    """The manifests of a folder; one that has to be rendered first is refused, with how."""
    if not folder.is_dir():
        raise UsageError(f"--apply {folder} is no folder.", remedy="Give a single file with --pool.")
    if any((folder / name).is_file() for name in _KUSTOMIZATION):
        raise UsageError(
            f"--apply {folder} is a kustomization, and what counts is what it renders.",
            remedy=f"Render it (kubectl kustomize {folder} > rendered.yaml) and give that file with --pool.",
        )
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and not path.is_dir())


def _objects(given: Mapping[Path, Sequence[Path]]) -> Iterator[dict[str, Any]]:
    """The objects of MetalLB and others that decide, of the files or folders that were given, each with its files."""
    from clusters.diagnosis.consequences import LISTS  # noqa: PLC0415 - see above
    from clusters.observation.decoding import Gate  # noqa: PLC0415 - see above

    gates = {kind: Gate(field) for kind, field in LISTS.items()}
    for place, files in given.items():
        taken = 0
        for one in (one for file in files for one in _documents(file)):
            gate = gates.get(str(one.get("kind")))
            if gate is not None:
                gate.take(one, trim=dict)
                taken += 1
        if not taken:
            raise UsageError(
                f"{place} has no object that decides about addresses.",
                remedy=f"Give manifests of {', '.join(sorted(LISTS))}.",
            )
    for kind, gate in gates.items():
        found = gate.objects()
        if found.unreadable:
            raise UsageError(str(found.unreadable[0]), remedy="Correct the file.")
        yield from ({**one, "kind": kind} for one in found.items)


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file; those in a List, as `kubectl get -o yaml` prints them, one by one."""
    from clusters import bounds  # noqa: PLC0415 - see above
    from clusters.gitops import documents  # noqa: PLC0415 - see above

    if file.exists() and not file.is_file():  # a pipe would be waited for
        raise UsageError(f"{file} cannot be read: it is no file.")
    try:
        text = bounds.content(file, most=LARGEST_READ).decode("utf-8")
    except (OSError, UnicodeDecodeError, bounds.Unusable) as error:
        why = error if isinstance(error, bounds.Unusable) else getattr(error, "strerror", None)
        raise UsageError(f"{file} cannot be read: {why or 'it is no text'}.") from None
    for document in documents.mappings(text, str(file)):
        data = document.data
        if str(data.get("kind", "")).endswith("List") and "items" in data:
            yield from (each for each in documents.listing(data["items"]) if isinstance(each, dict))
        else:
            yield data


def _known(diagnosis: Diagnosis, proposal: Proposal) -> None:
    """Raise UsageError for a node that is not there, Inconclusive where the election cannot be foretold."""
    facts = diagnosis.facts
    if not facts.election_known:
        raise Inconclusive(
            "What decides who announces could not all be read: nodes, pods, endpoints, pools or advertisements.",
            remedy="Give the login the role of deploy/rbac/observe.yaml.",
        )
    for node in sorted(proposal.nodes - set(facts.nodes)):
        raise UsageError(
            f"There is no node {node!r}.", remedy=f"The nodes are: {', '.join(sorted(facts.nodes))}."
        )


def _lines(found: Consequences, given: argparse.Namespace) -> Iterator[str]:
    from clusters.diagnosis.consequences import Fate  # noqa: PLC0415 - see above

    if found.rejected:
        yield "MetalLB would reject this configuration and keep using the present one:"
        yield from (f"  {each}" for each in found.rejected)
        return
    for fate in Fate:
        yield from _of(found, fate)
    stay = len(found.of(Fate.STAYS))
    yield f"{stay} of {len(found.services)} addresses stay as they are."
    if given.drain:
        yield "The pods of a drained node start again elsewhere; where, nothing foretells."


def _of(found: Consequences, fate: Fate) -> Iterator[str]:
    from clusters.diagnosis.consequences import Fate  # noqa: PLC0415 - see above

    services = found.of(fate)
    if not services or fate is Fate.STAYS:
        return
    yield f"{fate} ({len(services)}):"
    for each in services[:_SHOWN]:
        step = f": {each.before or '-'} -> {each.after or '-'}"
        because = f"  {each.because}" if each.because else ""
        yield f"  {each.service} {each.address}{step}{because}"
    if len(services) > _SHOWN:
        yield f"  and {len(services) - _SHOWN} more (--json has all)"
