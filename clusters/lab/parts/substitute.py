"""What to do where a module that a part needs is pinned by its sums but cannot be downloaded.

One case is known: MetalLB 0.16.2 needs the API types of github.com/metallb/frr-k8s v0.0.27, and some module proxies have
that version's go.mod but not its files. The version before has the same types but for one field; a copy of them with
that field added takes its place then, and what was built says so. Only MetalLB's FRR-K8s mode, in which it hands its
configuration to another program as an object of these types, could tell the difference, and the lab does not run it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clusters.lab.parts.errors import PartError
from clusters.lab.parts.table import Part

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

#: Calls Go with arguments in a folder, and gives its JSON answer.
GoJson = Callable[[Sequence[str], Path], dict[str, Any]]


def apply(part: Part, work: Path, go: GoJson) -> str:
    """Make the copy of the part's module in `work` one that can be built; a sentence if it is not the exact one now.

    Raises PartError where the version that stands in cannot be had either, or is not the one this was written for.
    """
    exact = go(["mod", "download", "-json", part.needs], work)
    if not exact.get("Error"):
        return ""
    stand_in = go(["mod", "download", "-json", _STANDS_IN], work) if part.needs == _MISSING else {}
    if stand_in.get("Sum") != _STANDS_IN_SUM or not exact.get("GoMod"):
        raise PartError(
            part.name,
            f"The part {part.name} cannot be built: {part.needs} cannot be downloaded, nor what could stand in for it.",
            remedy="See to the network or GOPROXY, and run it again.",
            output=str(stand_in.get("Error") or exact["Error"]),
        )
    _copy_types(part, Path(stand_in["Dir"]), work / "stand-in", Path(exact["GoMod"]))
    with (work / "go.mod").open("a", encoding="utf-8") as mod:
        mod.write(f"\nreplace {_MODULE} => ./stand-in\n")
    return f"{_MISSING} cannot be downloaded here: {_STANDS_IN} with the field PrefixesWithAsPathPrepend stands in."


def _copy_types(part: Part, source: Path, target: Path, mod: Path) -> None:
    """Lay out a module: the go.mod of the missing version, and the package of the one that stands in, patched."""
    package = target / _PACKAGE
    package.mkdir(parents=True)
    shutil.copyfile(mod, target / "go.mod")
    for path in (source / _PACKAGE).glob("*.go"):
        shutil.copyfile(path, package / path.name)
    text = (package / _TYPES).read_text(encoding="utf-8")
    if text.count(_LAST_FIELD) != 1:
        raise PartError(
            part.name,
            f"The part {part.name} cannot be built: {_TYPES} of {_STANDS_IN} is not as expected.",
            remedy="See clusters/lab/parts/substitute.py.",
        )
    patched = text.replace(_LAST_FIELD, _LAST_FIELD + _ADDED_FIELD) + _ADDED_TYPE
    (package / _TYPES).write_text(patched, encoding="utf-8")
