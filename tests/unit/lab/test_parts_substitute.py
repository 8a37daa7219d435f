"""A module that cannot be downloaded is stood in for only where that is known to work, and never silently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters.lab.parts import substitute
from clusters.lab.parts.errors import PartError
from clusters.lab.parts.table import PARTS

PART = next(part for part in PARTS if part.needs)
FORBIDDEN = f"{PART.needs}: reading https://proxy.example: 403 Forbidden"
SUM = "h1:Pr6nljsj7AtoRqPCkj2WJXcoxS43jhYa8mxmx6hlOUc="
TYPES = """package v1beta1

type Advertise struct {
\tPrefixesWithCommunity []CommunityPrefixes `json:"withCommunity,omitempty"`
}
"""
GoJson = Callable[[Sequence[str], Path], dict[str, Any]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "go.mod").write_text("module lab.invalid/x\n", encoding="utf-8")
    return folder


@pytest.fixture
def downloads(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What Go answers for each module: the exact one is missing, the one before it is there."""
    types = tmp_path / "v0.0.26" / "api" / "v1beta1"
    types.mkdir(parents=True)
    (types / "frrconfiguration_types.go").write_text(TYPES, encoding="utf-8")
    (types / "doc.go").write_text("package v1beta1\n", encoding="utf-8")
    mod = tmp_path / "v0.0.27.mod"
    mod.write_text("module github.com/metallb/frr-k8s\n\ngo 1.26.0\n", encoding="utf-8")
    return {
        PART.needs: {"Error": FORBIDDEN, "GoMod": str(mod)},
        "github.com/metallb/frr-k8s@v0.0.26": {"Dir": str(tmp_path / "v0.0.26"), "Sum": SUM},
    }


def _go(downloads: dict[str, dict[str, Any]]) -> GoJson:
    def go(arguments: Sequence[str], work: Path) -> dict[str, Any]:
        assert list(arguments[:3]) == ["mod", "download", "-json"]
        return downloads[arguments[3]]

    return go


def test_the_exact_module_is_taken_where_it_can_be_had(work: Path) -> None:
    assert substitute.apply(PART, work, _go({PART.needs: {"Dir": "/mod/cache"}})) == ""
    assert (work / "go.mod").read_text(encoding="utf-8") == "module lab.invalid/x\n"


def test_a_missing_one_is_replaced_by_the_other_types_with_its_own_requirements(
    work: Path, downloads: dict[str, dict[str, Any]]
) -> None:
    sentence = substitute.apply(PART, work, _go(downloads))
    stand_in = work / "stand-in"
    types = (stand_in / "api/v1beta1/frrconfiguration_types.go").read_text(encoding="utf-8")
    assert "v0.0.27" in sentence
    assert "v0.0.26" in sentence
    assert "replace github.com/metallb/frr-k8s => ./stand-in" in (work / "go.mod").read_text(encoding="utf-8")
    assert "go 1.26.0" in (stand_in / "go.mod").read_text(encoding="utf-8")
    assert types.index("PrefixesWithAsPathPrepend []AsPathPrependPrefixes") < types.index(
        "}\n\ntype AsPathPrepend"
    )
    assert (stand_in / "api/v1beta1/doc.go").is_file()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"Error": "dial tcp: lookup proxy.example: no such host"}, id="no network"),
        pytest.param({"GoMod": ""}, id="not even its go.mod"),
    ],
)
def test_nothing_stands_in_for_what_was_not_looked_for(
    work: Path, downloads: dict[str, dict[str, Any]], change: dict[str, str]
) -> None:
    downloads[PART.needs].update(change)
    with pytest.raises(PartError, match=f"{PART.needs} cannot be downloaded") as failed:
        substitute.apply(PART, work, _go(downloads))
    assert failed.value.output == (str(downloads[PART.needs]["Error"]),)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"Error": "404 Not Found"}, id="missing too"),
        pytest.param({"Dir": "/somewhere", "Sum": "h1:other"}, id="not the known one"),
    ],
)
def test_only_the_known_module_stands_in(
    work: Path, downloads: dict[str, dict[str, Any]], answer: dict[str, str]
) -> None:
    downloads["github.com/metallb/frr-k8s@v0.0.26"] = answer
    with pytest.raises(PartError) as failed:
        substitute.apply(PART, work, _go(downloads))
    assert failed.value.output[0] == FORBIDDEN
    assert len(failed.value.output) == 2


def test_types_that_are_not_as_expected_are_not_patched(
    work: Path, downloads: dict[str, dict[str, Any]]
) -> None:
    types = (
        Path(downloads["github.com/metallb/frr-k8s@v0.0.26"]["Dir"]) / "api/v1beta1/frrconfiguration_types.go"
    )
    types.write_text("package v1beta1\n", encoding="utf-8")
    with pytest.raises(PartError, match="cannot be downloaded"):
        substitute.apply(PART, work, _go(downloads))
