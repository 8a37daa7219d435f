"""The field `metrics`: nothing, no, or the account whose token may be sent to MetalLB's pods."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters import profile
from clusters.errors import UsageError

USUAL = "metallb-conformance-metrics"


def written(folder: Path, *lines: str, provider: str = "existing") -> Path:
    path = folder / "edge.yaml"
    path.write_text("\n".join(["name: edge", f"provider: {provider}", "context: edge", *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("lines", "allowed", "account"),
    [
        ((), True, ""),
        (("metrics: no",), False, ""),
        (("metrics: 'no'",), False, ""),
        (("metrics: token-request",), True, f"metallb-system/{USUAL}"),
        (("metrics: token-request", "namespace: lb"), True, f"lb/{USUAL}"),
        (("metrics: {token-request: scraper}",), True, "metallb-system/scraper"),
        (("metrics: {token-request: monitoring/scraper}",), True, "monitoring/scraper"),
    ],
)
def test_each_form_says_what_a_run_may_do(
    tmp_path: Path, lines: tuple[str, ...], *, allowed: bool, account: str
) -> None:
    found = profile.load(written(tmp_path, *lines)).scraping

    assert (found.allowed, found.account) == (allowed, account)


@pytest.mark.parametrize("provider", ["lab", "kind"])
def test_a_cluster_of_the_run_s_own_has_the_account_and_uses_it(tmp_path: Path, provider: str) -> None:
    by_default = profile.load(written(tmp_path, provider=provider))
    refused = profile.load(written(tmp_path, "metrics: no", provider=provider))

    assert by_default.scraping.account == f"metallb-system/{USUAL}"
    assert (refused.scraping.allowed, refused.scraping.account) == (False, "")


@pytest.mark.parametrize(
    "value",
    [
        *("yes", "7", "token", "[token-request]", "{token-request: }", "{token-request: a/b/c}"),
        *("{token-request: x, more: y}", "{token-request: '../x'}", "{token-request: 'a b'}"),
    ],
)
def test_any_other_form_is_one_sentence_with_its_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        profile.load(written(tmp_path, f"metrics: {value}"))

    assert "line 4: metrics: give no, token-request, or {token-request: NAME}" in str(caught.value)
