"""The row of links: what is broken or open is seen with its proof and commands, without a script or an open fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import Candidate, LinkReading, Reading, RunResult, ServicePath
from clusters.checks.path_links import Link
from clusters.checks.path_links import Path as Way
from clusters.commands import Command
from reports.pages.page import page, path_rows
from tests.unit.reports.dom import Element, parsed

OPEN = LinkReading(
    link=Link.FORWARD,
    reading=Reading.UNKNOWN,
    proof=("<b>nothing</b> comes back",),
    candidates=(Candidate(cause="kube-proxy-stale", command=Command("kubectl -n kube-system get pods")),),
)
BROKEN = LinkReading(link=Link.BACKEND, reading=Reading.BROKEN, proof=("refused",), cause="backend-refuses")
FINE = LinkReading(link=Link.ROUTE, reading=Reading.OK, proof=("on the segment",))


def path(service: str, *links: LinkReading, way: Way = Way.TRAFFIC, port: int = 80) -> ServicePath:
    return ServicePath(service=service, address="172.30.0.200", port=port, path=way, links=links)


def shown(run: RunResult, directory: Path, *paths: ServicePath) -> Element:
    return parsed(page(replace(run, paths=paths), directory=directory))


def test_a_path_is_a_row_of_links_with_a_sign_and_a_word_each(run: RunResult, tmp_path: Path) -> None:
    found = shown(run, tmp_path, path("shop/web", FINE, OPEN, BROKEN))

    (row,) = found.all("ol", of_class="links")
    assert [one.text.split() for one in row.all("li")] == [
        ["✓", "route", "ok"],
        ["?", "forward", "not", "known"],
        ["✕", "backend", "broken"],
    ]


def test_what_is_broken_or_open_is_told_with_what_decides(run: RunResult, tmp_path: Path) -> None:
    text = shown(run, tmp_path, path("shop/web", FINE, OPEN, BROKEN)).text

    assert "backend-refuses" in text
    assert "kubectl -n kube-system get pods" in text
    assert "<b>nothing</b> comes back" in text  # as words


def test_what_holds_stands_in_the_fold_with_its_question(run: RunResult, tmp_path: Path) -> None:
    found = shown(run, tmp_path, path("shop/web", FINE))

    assert "Does the vantage have a way to the address? ok: on the segment" in " ".join(found.text.split())


def test_without_trouble_there_is_no_such_section(run: RunResult, tmp_path: Path) -> None:
    assert "Paths of services" not in shown(run, tmp_path).text


def test_paths_in_which_something_is_broken_stand_first() -> None:
    found = path_rows([path("a/a", FINE, way=Way.ASSIGNMENT, port=0), path("b/b", BROKEN)])

    assert [(one.service, one.way) for one in found] == [
        ("b/b", "traffic, 172.30.0.200 port 80"),
        ("a/a", "assignment, 172.30.0.200"),
    ]


@pytest.mark.parametrize("reading", list(Reading))
def test_every_reading_has_a_sign_and_a_word(reading: Reading) -> None:
    cause = "backend-refuses" if reading is Reading.BROKEN else ""
    one = LinkReading(link=Link.BACKEND, reading=reading, proof=("x",), cause=cause)

    (row,) = path_rows([path("a/a", one)])

    assert row.links[0].sign
    assert row.links[0].word != reading or reading in {Reading.OK, Reading.BROKEN}
