"""Where a run's page is opened: below the address of the folder of runs, whatever the run's folder is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import UsageError
from reports.report_url import base_of, page_url, place

BASE = "https://reports.example/metallb"


@pytest.mark.parametrize(
    ("folder", "link"),
    [
        ("/runs/night-1", f"{BASE}/night-1/report.html"),
        ("/runs/a b#c?d", f"{BASE}/a%20b%23c%3Fd/report.html"),
        ("/runs/__all__", f"{BASE}/%5F%5Fall%5F%5F/report.html"),
        ("/runs/größe", f"{BASE}/gr%C3%B6%C3%9Fe/report.html"),
        ("/runs/javascript:alert(1)", f"{BASE}/javascript%3Aalert%281%29/report.html"),
    ],
)
def test_the_link_is_one_in_any_chat(folder: str, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METALLB_CONFORMANCE_IN_FLEET", raising=False)

    assert page_url(BASE, Path(folder)) == link == place(BASE, Path(folder))


def test_a_run_of_a_fleet_is_found_in_the_folder_of_its_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_CONFORMANCE_IN_FLEET", "4711")

    assert page_url(BASE, Path("/runs/fleet-7/homelab")) == f"{BASE}/fleet-7/homelab/report.html"


def test_without_an_address_the_file_and_its_host_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METALLB_CONFORMANCE_REPORT_URL", raising=False)

    assert base_of(None) == ""
    assert page_url("", Path("/runs/a")) == ""
    assert place("", Path("/runs/a")).startswith("/runs/a/report.html on ")


def test_the_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_CONFORMANCE_REPORT_URL", "https://other.example")

    assert base_of(f"{BASE}/") == BASE
    assert base_of(None) == "https://other.example"


@pytest.mark.parametrize(
    "text",
    ["ftp://host", "https://", "https://user:word@host", "https://host/?q", "https://host/#f", "https://host/a b",
     "https://host/<x>", "//host", "https://host/\u202e", "https://host\n"],
)  # fmt: skip
def test_what_no_message_can_link_to_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METALLB_CONFORMANCE_REPORT_URL", text)

    with pytest.raises(UsageError, match="METALLB_CONFORMANCE_REPORT_URL is not an address"):
        base_of(None)
