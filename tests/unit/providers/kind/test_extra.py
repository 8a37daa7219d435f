"""Without the extra, provider kind says what to install; nothing else notices."""

from __future__ import annotations

import sys

import pytest

from clusters import providers
from clusters.errors import UsageError
from clusters.profile import Profile, Provider
from tests.unit.providers.kind.conftest import Bench


def test_without_pytest_kind_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("clusters.providers.kind.kind_cluster", "clusters.providers.kind.creation"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pytest_kind", None)

    with pytest.raises(UsageError) as caught:
        providers.open_cluster(Profile(name="local", provider=Provider.KIND))

    assert str(caught.value) == (
        "Provider kind of profile local needs the extra [kind], which is not installed. "
        "Install it: pip install --require-hashes -r requirements/kind.txt"
    )


def test_another_missing_module_is_not_blamed_on_the_extra(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "clusters.providers.kind.kind_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "clusters.vantage.launch", None)

    with pytest.raises(ModuleNotFoundError):
        providers.open_cluster(Profile(name="local", provider=Provider.KIND))
