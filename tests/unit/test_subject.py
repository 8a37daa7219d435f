"""What a finding is about: a text that knows its parts, however it was made."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.checks import Finding
from clusters.subject import CLUSTER, Subject


@pytest.mark.parametrize(
    ("subject", "text", "parts"),
    [
        (Subject.node("w1"), "node w1", ("node", "", "w1")),
        (Subject.pool("edge"), "pool edge", ("pool", "", "edge")),
        (Subject.service("shop/web"), "service shop/web", ("service", "shop", "web")),
        (Subject("secret", "memberlist", namespace="metallb-system"), "secret metallb-system/memberlist",
         ("secret", "metallb-system", "memberlist")),
        (CLUSTER, "cluster", ("cluster", "", "")),
    ],
)  # fmt: skip
def test_it_is_its_text_and_knows_its_parts(subject: Subject, text: str, parts: tuple[str, str, str]) -> None:
    again = Subject.read(text)

    assert subject == text == again
    assert (subject.kind, subject.namespace, subject.name) == parts
    assert (again.kind, again.namespace, again.name) == parts


@given(st.text(max_size=30))
def test_what_is_read_stays_as_it_was_written(text: str) -> None:
    assert Subject.read(text) == text


@given(st.text(max_size=10), st.text(max_size=10), st.text(max_size=10))
def test_copies_have_the_same_parts(kind: str, namespace: str, name: str) -> None:
    made = Subject(kind, name, namespace=namespace)

    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again == made
        assert (again.kind, again.namespace, again.name) == (kind, namespace, name)


def test_a_finding_is_written_as_before() -> None:
    found = Finding(cause="speaker-down", subject=Subject.node("w1"), summary="It is down.")

    assert json.loads(json.dumps(asdict(found)))["subject"] == "node w1"


def test_only_a_node_is_one_of_some_nodes() -> None:
    assert Subject.node("w1").is_node_of({"w1", "w2"})
    assert not Subject.node("w3").is_node_of({"w1"})
    assert not Subject.pool("w1").is_node_of({"w1"})
