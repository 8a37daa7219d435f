"""An object that is not what it should be costs itself: it is named, and the others are there."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Resource
from clusters.observation import Objects, Status, load, save
from clusters.observation.cluster_part import listings, listings_before_an_upgrade
from clusters.observation.collecting import _Collection
from clusters.observation.decoding import Gate
from clusters.observation.limits import DEFAULT
from clusters.observation.object_records import RECORDS
from clusters.observation.snapshot import Snapshot
from clusters.profile.metrics import Metrics

SERVICE: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    found: Any = copy.deepcopy(SERVICE)
    at = found
    *outer, last = path.split(".")
    for step in outer:
        at = at[int(step) if step.isdigit() else step]
    at[int(last) if last.isdigit() else last] = value
    return dict(found)


def taken(part: str, *items: Any) -> Objects:
    gate = Gate(part)
    for item in items:
        gate.take(item, trim=dict)
    return gate.objects()


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (5, "Service without a name cannot be read: it must be an object."),
        (changed("metadata", []), "Service without a name cannot be read: metadata: it must be an object."),
        (changed("metadata.name", ""), "Service shop cannot be read: metadata.name: it must not be empty."),
        (
            changed("metadata.labels", {"a": 1}),
            "Service shop/web cannot be read: metadata.labels.a: it must be a text.",
        ),
        (changed("spec", "x"), "Service shop/web cannot be read: spec: it must be an object."),
        (
            changed("spec.ports.0.port", "80"),
            "Service shop/web cannot be read: spec.ports.0.port: it must be a whole number.",
        ),
        (
            changed("spec.ports.0.port", 8.5),
            "Service shop/web cannot be read: spec.ports.0.port: it must be a whole number.",
        ),
        (changed("spec.ports.0.port", 10**30), "Service shop/web cannot be read: spec.ports.0.port: "),
        (
            changed("status.loadBalancer.ingress", {"ip": 5}),
            "status.loadBalancer.ingress: it must be a list.",
        ),
        (
            changed("metadata.creationTimestamp", "yesterday"),
            "metadata.creationTimestamp: it does not have the form in which Kubernetes writes it.",
        ),
    ],
)
def test_an_object_that_does_not_fit_is_named_with_field_and_reason(odd: Any, told: str) -> None:
    found = taken("services", SERVICE, odd)

    assert found.items == (SERVICE,)
    assert found.status is Status.FAILED
    assert told in str(found.unreadable[0])
    assert found.detail == str(found.unreadable[0])


def test_null_is_absent_and_objects_are_sorted() -> None:
    other = changed("metadata.name", "api")

    found = taken("services", changed("metadata.deletionTimestamp", None), other)

    assert found.status is Status.OK
    assert [each["metadata"]["name"] for each in found.items] == ["api", "web"]
    assert "deletionTimestamp" not in found.items[1]["metadata"]


def test_the_same_object_twice_counts_once_and_two_of_one_name_do_not() -> None:
    assert taken("services", SERVICE, copy.deepcopy(SERVICE)).items == (SERVICE,)

    found = taken("services", SERVICE, changed("spec.ports", []))

    assert [each.why for each in found.unreadable] == ["its name stands twice in the list"]


def test_several_are_counted_and_all_are_listed() -> None:
    found = taken("services", *(changed("spec", number) for number in range(3)))

    assert len(found.unreadable) == 3
    assert found.detail.endswith("spec: it must be an object. And 2 more cannot be read.")


def test_every_list_has_a_record() -> None:
    fields = {name for name, part in vars(Snapshot(taken_at="x")).items() if isinstance(part, Objects)}

    assert set(RECORDS) == fields
    assert {each.field for each in (*listings(), *listings_before_an_upgrade())} <= fields


class Hostile:
    """An API server that answers a list with anything."""

    context = "edge"

    def __init__(self, items: Any) -> None:
        self.items = items

    def list_raw(self, res: Resource, namespace: str | None = None, **_: Any) -> list[dict[str, Any]]:
        return [{"items": self.items}]


ODD: tuple[Any, ...] = (
    None, 5, "x", [], {}, {"metadata": None}, {"metadata": {"name": 5}},
    {"metadata": {"name": "a"}, "spec": 5, "status": []},
    {"metadata": {"name": "a", "namespace": "b", "annotations": 5, "managedFields": 5}, "spec": {"containers": 5}},
    {"metadata": {"name": "a", "annotations": {"x": 5}}, "spec": {"containers": [5]}, "endpoints": [5], "webhooks": 5},
    {"metadata": {"name": "config-kube-proxy.metallb.io"}, "rules": 5, "data": 5, "webhooks": [{"rules": 5}]},
    {"metadata": {"name": "memberlist"}, "source": 5, "involvedObject": 5, "rules": [5], "data": {"a": 5}},
)  # fmt: skip


@pytest.mark.parametrize("items", [list(ODD), {"a": 1}, "abc", 5])
def test_no_list_falls_with_what_is_in_it(items: Any) -> None:
    collection = _Collection(Hostile(items), "metallb-system", DEFAULT, scraping=Metrics(), upgrade=True)  # type: ignore[arg-type]

    for wanted in collection.wanted:
        found = collection._listed(wanted)
        assert found.status is Status.FAILED or not found.unreadable
        assert len(found.items) + len(found.unreadable) <= len(ODD) * len(wanted.labels)


def test_what_is_unreadable_is_kept_in_the_file(tmp_path: Path) -> None:
    seen = Snapshot(
        taken_at="2026-04-17T10:00:00+00:00", services=taken("services", SERVICE, changed("spec", 5))
    )

    save(seen, tmp_path / "seen.json")

    assert load(tmp_path / "seen.json") == seen
    assert [each.name for each in seen.unreadable] == ["shop/web"]


def test_an_older_file_without_the_field_is_read_and_its_odd_objects_are_found(tmp_path: Path) -> None:
    raw = {
        "snapshot_version": 1,
        "taken_at": "2026-04-17T10:00:00+00:00",
        "services": {"status": "ok", "items": [SERVICE, changed("metadata.name", "x") | {"spec": 7}]},
    }
    (tmp_path / "old.json").write_text(json.dumps(raw))

    found = load(tmp_path / "old.json").services

    assert found.items == (SERVICE,)
    assert (found.status, found.unreadable[0].name) == (Status.FAILED, "shop/x")
