"""Which fields a change touches and what puts exactly these back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.changes.changed_fields import Field, differences, restoring, storable, without_numbers

Json = dict[str, Any]


def merged(obj: Any, patch: Any) -> Any:
    """RFC 7386, as its own text gives it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def put_back(current: Json, before: Json, after: Json) -> Json:
    return merged(current, restoring(current, differences(before, after))[0])


def test_only_what_differs_is_a_change_and_not_what_the_server_writes() -> None:
    before = {
        "metadata": {"resourceVersion": "1", "labels": {"a": "1"}},
        "spec": {"x": 1},
        "status": {"s": 1},
    }
    after = {"metadata": {"resourceVersion": "2", "labels": {"a": "2"}}, "spec": {"x": 1}, "status": {"s": 2}}

    assert [field.path for field in differences(before, after)] == [("metadata", "labels", "a")]
    assert ("status", "s") in [field.path for field in differences(before, after, status=True)]


def test_others_changes_to_other_fields_are_kept() -> None:
    before, after = {"spec": {"x": 1, "y": 1}}, {"spec": {"x": 2, "y": 1}}

    assert put_back({"spec": {"x": 2, "y": 7, "z": 9}}, before, after) == {"spec": {"x": 1, "y": 7, "z": 9}}


def test_a_field_that_another_has_decided_about_since_is_left_and_named() -> None:
    fields = differences({"spec": {"x": 1}}, {"spec": {"x": 2}})

    assert restoring({"spec": {"x": 3}}, fields) == ({}, ["spec.x"])


def test_a_field_that_is_back_already_needs_nothing() -> None:
    assert restoring({"spec": {"x": 1}}, differences({"spec": {"x": 1}}, {"spec": {"x": 2}})) == ({}, [])


def test_labels_that_were_none_are_none_again() -> None:
    before: Json = {"metadata": {}}

    assert (
        put_back({"metadata": {"labels": {"k": "v"}}}, before, {"metadata": {"labels": {"k": "v"}}}) == before
    )


def test_of_labels_that_were_none_only_the_added_one_goes_when_another_came() -> None:
    after = {"metadata": {"labels": {"k": "v"}}}

    assert put_back({"metadata": {"labels": {"k": "v", "theirs": "1"}}}, {"metadata": {}}, after) == {
        "metadata": {"labels": {"theirs": "1"}}
    }


def test_a_taint_that_came_meanwhile_stays_when_ours_goes() -> None:
    ours, theirs, old = {"key": "ours"}, {"key": "theirs"}, {"key": "old"}

    assert put_back({"taints": [old, ours, theirs]}, {"taints": [old]}, {"taints": [old, ours]}) == {
        "taints": [old, theirs]
    }
    assert put_back({"taints": [ours, theirs]}, {}, {"taints": [ours]}) == {"taints": [theirs]}
    assert put_back({"taints": [ours]}, {}, {"taints": [ours]}) == {}


def test_an_element_that_was_taken_out_comes_back_beside_a_new_one() -> None:
    assert put_back({"l": ["b", "c"]}, {"l": ["a", "b"]}, {"l": ["b"]}) == {"l": ["b", "c", "a"]}


def test_an_object_that_became_a_text_is_an_object_again() -> None:
    assert put_back({"x": "text"}, {"x": {"a": 1, "b": {"c": 2}}}, {"x": "text"}) == {
        "x": {"a": 1, "b": {"c": 2}}
    }


def test_what_is_stored_of_an_object_can_be_created_again() -> None:
    obj = {
        "kind": "Service",
        "metadata": {
            "name": "web",
            "uid": "u",
            "resourceVersion": "7",
            "creationTimestamp": "t",
            "managedFields": [],
            "annotations": {"a": "b"},
        },
        "spec": {"clusterIP": "10.96.0.7"},
        "status": {"loadBalancer": {}},
    }

    assert storable(obj) == {
        "kind": "Service",
        "metadata": {"name": "web", "annotations": {"a": "b"}},
        "spec": {"clusterIP": "10.96.0.7"},
    }


def test_a_service_without_the_numbers_it_was_given() -> None:
    spec = {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.7",
        "clusterIPs": ["10.96.0.7"],
        "healthCheckNodePort": 31000,
        "ports": [{"port": 80, "nodePort": 30080}],
    }

    assert without_numbers({"kind": "Service", "spec": spec}) == {
        "kind": "Service",
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    for kept in ({"kind": "Service", "spec": {"clusterIP": "None"}}, {"kind": "Pod", "spec": spec}):
        assert without_numbers(kept) == kept


scalars = st.integers(0, 3) | st.sampled_from("ab") | st.booleans()
values = st.recursive(
    scalars | st.lists(scalars, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("kmn"), inner, max_size=3),
)
objects = st.dictionaries(st.sampled_from(["spec", "data", "x"]), values, max_size=3)


@given(before=objects, after=objects)
def test_any_change_that_nobody_touched_is_undone_exactly(before: Json, after: Json) -> None:
    assert put_back(copy.deepcopy(after), before, after) == before


@given(before=objects, after=objects)
def test_fields_survive_the_journal(before: Json, after: Json) -> None:
    fields = differences(before, after)

    assert [Field.from_json(field.as_json()) for field in fields] == fields


@pytest.mark.parametrize("current", [{}, {"spec": {}}, {"spec": None}])
def test_an_object_that_lost_the_whole_part_is_left_alone_or_completed(current: Json) -> None:
    patch, _ = restoring(current, differences({"spec": {"x": 1}}, {"spec": {}}))

    assert merged(current, patch) in ({"spec": {"x": 1}}, current)
