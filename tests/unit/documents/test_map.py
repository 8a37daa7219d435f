"""The map leads from each link of a path to where its causes are recorded, and to where its faults are made."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from clusters.checks.causes import CAUSES
from clusters.checks.path_links import Link

ROOT = Path(__file__).parents[3]
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([a-z, ]+) \| ((?:`\w+_causes\.py`(?:, )?)+) \| .* \| ([^|]*) \|$", re.MULTILINE)


def row(link: Link) -> tuple[set[str], set[str]]:
    """The modules that the map's row for a link names: of records, and of faults; none for a link without a row."""
    found = [(records, faults) for links, records, faults in ROW.findall(MAP) if link in links.split(", ")]
    assert len(found) <= 1
    records, faults = found[0] if found else ("", "")
    return set(re.findall(r"`(\w+)\.py`", records)), set(re.findall(r"`(\w+)\.py`", faults))


def of_link(package: str, name: str, table: str, link: Link) -> set[str]:
    """The modules of a package in whose table a cause of this link stands."""
    found = set()
    for path in (ROOT / package).glob(name):
        module = importlib.import_module(f"{package.replace('/', '.')}.{path.stem}")
        causes = [getattr(each, "cause", None) or each.id for each in getattr(module, table, ())]
        if any(CAUSES[cause].link is link for cause in causes):
            found.add(path.stem)
    return found


@pytest.mark.parametrize("link", list(Link))
def test_the_map_names_the_records_and_the_faults_of_each_link(link: Link) -> None:
    records, faults = row(link)

    assert of_link("clusters/checks/causes", "*_causes.py", "CAUSES", link) <= records
    assert of_link("tests/faults", "catalogue_*.py", "FAULTS", link) <= faults
