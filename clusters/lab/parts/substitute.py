"""What to do where a module that a part needs cannot be downloaded, or only by some module proxies.

One may or may not be there: MetalLB 0.16.2 needs the API types of github.com/metallb/frr-k8s v0.0.27, and some module
proxies have that version's go.mod but not its files. The version before has the same types but for one field; a copy of
them with that field added takes its place then, and what was built says so. Only MetalLB's FRR-K8s mode, in which it
hands its configuration to another program as an object of these types, could tell the difference, and the lab does
not run it.

Others are replaced wherever the part is built, by folders beside its go.mod (`StandIn`), so that it is the same
everywhere: Traefik's DNS providers with the modules that each brings, which only a certificate by ACME's DNS challenge
asks for, and its fork of a module for passwords, which no route of the lab has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clusters.lab.parts.cache import NETWORK, PartError
from clusters.lab.parts.part_table import Part

#: Part of the content key of the parts that may be substituted: changes with this module.
RECIPE = 1

_MODULE = "github.com/metallb/frr-k8s"
_MISSING = f"{_MODULE}@v0.0.27"
_STANDS_IN = f"{_MODULE}@v0.0.26"
_STANDS_IN_SUM = "h1:Pr6nljsj7AtoRqPCkj2WJXcoxS43jhYa8mxmx6hlOUc="
_PACKAGE = "api/v1beta1"
_TYPES = "frrconfiguration_types.go"
_LAST_FIELD = '\tPrefixesWithCommunity []CommunityPrefixes `json:"withCommunity,omitempty"`\n'
_ADDED_FIELD = '\tPrefixesWithAsPathPrepend []AsPathPrependPrefixes `json:"withAsPathPrepend,omitempty"`\n'
_ADDED_TYPE = """
type AsPathPrependPrefixes struct {
\tPrefixes      []string `json:"prefixes,omitempty"`
\tAsPathPrepend uint8    `json:"asPathPrepend,omitempty"`
}
"""

#: Calls Go with arguments in a folder, and gives its JSON answer, which may be one with an Error in it.
GoJson = Callable[[Sequence[str], Path], dict[str, Any]]


def apply(part: Part, work: Path, go: GoJson) -> str:
    """Make the copy of the part's module in `work` one that builds; a sentence if it is not the exact one then.

    A proxy that was not reached is no proxy that lacks the module. Raises PartError there, and where the version
    that stands in cannot be had or is not the one this was written for.
    """
    exact = go(["mod", "download", "-json", part.needs], work)
    why = str(exact.get("Error", ""))
    if not why:
        return ""
    if NETWORK.search(why) or part.needs != _MISSING or not exact.get("GoMod"):
        raise _unavailable(part, why)
    stand_in = go(["mod", "download", "-json", _STANDS_IN], work)
    if stand_in.get("Sum") != _STANDS_IN_SUM:
        raise _unavailable(
            part, f"{why}\n{stand_in.get('Error', f'{_STANDS_IN} is not the one that is known.')}"
        )
    _lay_out(part, Path(stand_in["Dir"]) / _PACKAGE, Path(exact["GoMod"]), target=work / "stand-in")
    with (work / "go.mod").open("a", encoding="utf-8") as mod:
        mod.write(f"\nreplace {_MODULE} => ./stand-in\n")
    return f"{_MISSING} cannot be downloaded; {_STANDS_IN} with one field added stands in for it"


def complete(part: Part, work: Path, go: GoJson) -> str:
    """Copy into the part's stand-ins, in `work`, what they keep of the modules that they stand for; a sentence on them.

    Raises PartError where one of those cannot be had, or is not the one this was written for.
    """
    for each in part.stand_ins:
        if not each.copied:
            continue
        found = go(["mod", "download", "-json", each.copied], work)
        if found.get("Sum") != each.sum:
            why = str(found.get("Error", f"{each.copied} is not the one that is known."))
            raise _unavailable(part, why, wanted=each.copied)
        root, target = Path(found["Dir"]), work / each.folder
        for path in sorted({path for pattern in each.kept for path in root.glob(pattern)}):
            copy = target / path.relative_to(root)
            if not path.name.endswith("_test.go") and not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    names = ", ".join(Path(each.folder).name for each in part.stand_ins)
    return f"{names} are not as they are published: see {part.source.name}/go.mod" if names else ""


def _lay_out(part: Part, types: Path, mod: Path, *, target: Path) -> None:
    """Make a module of the missing version's go.mod and the other version's package, patched."""
    package = target / _PACKAGE
    package.mkdir(parents=True)
    shutil.copyfile(mod, target / "go.mod")
    for path in types.glob("*.go"):
        shutil.copyfile(path, package / path.name)
    text = (package / _TYPES).read_text(encoding="utf-8")
    if text.count(_LAST_FIELD) != 1:
        raise _unavailable(part, f"{_TYPES} of {_STANDS_IN} has no such line:\n{_LAST_FIELD}")
    (package / _TYPES).write_text(
        text.replace(_LAST_FIELD, _LAST_FIELD + _ADDED_FIELD) + _ADDED_TYPE, "utf-8"
    )


def _unavailable(part: Part, output: str, *, wanted: str = "") -> PartError:
    return PartError(
        part.name,
        f"The part {part.name} cannot be built: {wanted or part.needs} cannot be downloaded.",
        remedy="See to the network or GOPROXY, and run it again.",
        output=output,
    )
