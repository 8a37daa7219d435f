"""Label selectors match as Kubernetes' do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.metallb import selectors
from clusters.metallb.selectors import SelectorError

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xyz"))


@given(LABELS)
def test_an_empty_selector_selects_everything(labels: dict[str, str]) -> None:
    assert selectors.parse({}).matches(labels)


@given(LABELS, LABELS)
def test_match_labels_is_a_subset_test(wanted: dict[str, str], labels: dict[str, str]) -> None:
    assert selectors.parse({"matchLabels": wanted}).matches(labels) is (wanted.items() <= labels.items())


@given(LABELS, st.lists(st.sampled_from("xyz"), min_size=1, unique=True))
def test_operators_come_in_opposites(labels: dict[str, str], values: list[str]) -> None:
    def chosen(operator: str, of: list[str]) -> bool:
        term = {"key": "a", "operator": operator, "values": of}
        return selectors.parse({"matchExpressions": [term]}).matches(labels)

    assert chosen("In", values) is (labels.get("a") in values)
    assert chosen("NotIn", values) is not chosen("In", values)
    assert chosen("Exists", []) is ("a" in labels)
    assert chosen("DoesNotExist", []) is not chosen("Exists", [])


@pytest.mark.parametrize(
    "term",
    [
        {"key": "a", "operator": "Near"},
        {"key": "a", "operator": "In", "values": []},
        {"key": "a", "operator": "Exists", "values": ["x"]},
    ],
)
def test_what_kubernetes_refuses_is_an_error(term: dict[str, object]) -> None:
    with pytest.raises(SelectorError, match="'a'"):
        selectors.parse({"matchExpressions": [term]})


def test_no_selector_selects_nothing() -> None:
    assert not selectors.any_matches((), {"a": "x"})


def test_text_reads_like_kubectl() -> None:
    raw = {
        "matchLabels": {"a": "x"},
        "matchExpressions": [
            {"key": "b", "operator": "NotIn", "values": ["z", "y"]},
            {"key": "c", "operator": "DoesNotExist"},
        ],
    }

    assert str(selectors.parse(raw)) == "a=x,b notin (y,z),!c"
