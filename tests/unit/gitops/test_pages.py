"""Reading pages as people write them."""

from __future__ import annotations

import pytest

from clusters.gitops import pages
from clusters.metallb import ranges


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from 10.0.0.1-10.0.0.9 on", ["10.0.0.1-10.0.0.9"]),
        ("10.0.0.1 – 10.0.0.9", ["10.0.0.1-10.0.0.9"]),
        ("10.0.0.1 to 10.0.0.9", ["10.0.0.1-10.0.0.9"]),
        ("10.0.0.1-9", ["10.0.0.1-10.0.0.9"]),
        ("10.0.0.0/29, and 10.0.0.9.", ["10.0.0.0-10.0.0.7", "10.0.0.9-10.0.0.9"]),
        ("fd00::1-fd00::f and fd00:1::/64", ["fd00::1-fd00::f", "fd00:1::-fd00:1::ffff:ffff:ffff:ffff"]),
        ("at 12:30 version 0.16.2 of 2026-11-24", []),
        ("999.1.1.1 and 10.0.0.9-10.0.0.1", []),
    ],
)
def test_ranges_are_found_in_prose(text: str, found: list[str]) -> None:
    assert [f"{each.first}-{each.last}" for each in pages.written_ranges(text)] == found


def test_a_table_of_clusters_is_read_by_its_headings() -> None:
    page = """\
# Service

| Cluster | Pool | IP range | Version | Subnet | Gateway |
| --- | --- | --- | --- | --- | --- |
| `lab` | edge | 10.0.0.1-10.0.0.9, 10.0.1.0/30 | v0.16.2 | 10.0.0.0/16 | 10.0.0.254 |
| attic | | none yet | | | |
"""
    lab, attic = pages.clusters(page)

    assert (lab.cluster, lab.pool, lab.version, lab.line) == ("lab", "edge", "0.16.2", 5)
    assert [str(each.first) for each in lab.ranges] == ["10.0.0.1", "10.0.1.0"]
    assert (str(lab.network), str(lab.gateway)) == ("10.0.0.0/16", "10.0.0.254")
    assert (attic.ranges, attic.version, attic.network, attic.gateway) == ((), "", None, None)


def test_a_table_of_consumers_is_no_table_of_clusters() -> None:
    page = "| Cluster | Service | Address |\n| - | - | - |\n| lab | traefik/traefik | 10.0.0.1 |\n"

    assert pages.clusters(page) == ()
    (row,) = pages.consumers(page)
    assert (row.cluster, row.service, [str(each) for each in row.addresses]) == (
        "lab",
        "traefik/traefik",
        ["10.0.0.1"],
    )


def test_an_entry_is_named_by_its_own_words_and_its_headings() -> None:
    first, second = pages.entries(
        "# Log\n\n## homelab\n\n- `edge` is 10.0.0.1-10.0.0.9\n- lab-ipv6: nothing\n"
    )

    assert first.names("homelab")
    assert first.names("edge")
    assert not second.names("lab")
    assert first.mentions(ranges.parse("10.0.0.1-10.0.0.9"))
    assert not first.mentions(ranges.parse("10.0.0.1-10.0.0.8"))


def test_rows_of_a_list_of_work_are_entries() -> None:
    page = "| Id | What |\n| - | - |\n| 7 | bring legacy/prod along |\n"

    (row,) = pages.follow_ups([("follow-ups.md", page), ("other.md", "- prod\n")], whole="follow-ups.md")

    assert row.names("legacy/prod")


def test_a_page_keeps_its_lines_and_sections() -> None:
    pieces, tables = pages.parse("# A\n\n## B\n\ntext **bold** [link](x)\n\n# C\n\n1. one\n   - two\n")

    assert [(piece.text, piece.line, piece.section) for piece in pieces] == [
        ("text bold link", 5, ("A", "B")),
        ("one", 9, ("C",)),
        ("two", 10, ("C",)),
    ]
    assert tables == ()


def test_an_empty_page_says_nothing() -> None:
    assert pages.parse("") == ((), ())
