"""From one rendering to another: what is sent, and nothing else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clusters.gitops.pool_objects import dropped, merge_patch, steps

VALUES = st.recursive(
    st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386's own algorithm."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(OBJECTS, OBJECTS)
def test_a_patch_makes_the_later_of_the_earlier(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged(old, merge_patch(old, new)) == new
    assert bool(merge_patch(old, new)) == (old != new)


@given(OBJECTS, OBJECTS)
def test_a_patch_leaves_what_others_added(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged({**old, "theirs": 1}, merge_patch(old, new)) == {**new, "theirs": 1}


def thing(name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name, "namespace": "x"}, "data": spec}


def test_new_objects_are_sent_whole_changed_ones_as_a_patch_and_equal_ones_not_at_all() -> None:
    found = steps([thing("a", k=1), thing("b", k=1, gone=1)], [thing("c"), thing("a", k=1), thing("b", k=2)])

    assert [(step.obj["metadata"]["name"], step.patch) for step in found] == [
        ("c", None),
        ("b", {"data": {"gone": None, "k": 2}}),
    ]


def test_what_is_rendered_no_more_is_named() -> None:
    assert dropped([thing("a"), thing("b")], [thing("b")]) == ["ConfigMap x/a"]
