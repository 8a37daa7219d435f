"""Which node a MAC belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from clusters.vantage import Answers, MacTable, Reply, Vantage, mac

A, B, C = (mac(f"02:00:00:00:00:0{digit}") for digit in "abc")


class Segment:
    """A vantage that only knows who answers."""

    def __init__(self, **answers: str) -> None:
        self.answers, self.capabilities = answers, frozenset({"arp"})

    def who_answers_all(self, addresses: Iterable[str], **_: Any) -> dict[str, Answers]:
        return {
            address: Answers(
                address=address,
                rounds=1,
                replies=tuple(
                    Reply(t=0.0, mac=mac(one), round=0) for one in self.answers.get(address, "").split()
                ),
            )
            for address in addresses
        }


def learn(answers: dict[str, str], nodes: dict[str, list[str]], **static: str) -> MacTable:
    return MacTable.learn(cast("Vantage", Segment(**answers)), nodes, static=static)


def test_macs_are_learnt_from_all_own_addresses() -> None:
    table = learn(
        {"10.0.0.1": A, "10.1.0.1": B, "10.0.0.2": C}, {"w1": ["10.0.0.1", "10.1.0.1"], "w2": ["10.0.0.2"]}
    )
    assert (table.node_of(A), table.node_of(B), table.node_of(C)) == ("w1", "w1", "w2")
    assert (table.silent, table.shared) == ((), {})


def test_any_notation_of_a_mac_is_found() -> None:
    assert learn({"10.0.0.1": A}, {"w1": ["10.0.0.1"]}).node_of(A.upper().replace(":", "-")) == "w1"


def test_strangers_belong_to_no_node() -> None:
    table = learn({"10.0.0.1": A}, {"w1": ["10.0.0.1"]})
    assert (table.node_of(B), table.node_of(None)) == (None, None)
    assert (table.named(A), table.named(B)) == (f"w1 ({A})", f"unknown host ({B})")


def test_silent_nodes_are_named() -> None:
    assert learn({"10.0.0.1": A}, {"w1": ["10.0.0.1"], "w2": ["10.0.0.2"]}).silent == ("w2",)


def test_a_mac_of_two_nodes_proves_neither() -> None:
    table = learn({"10.0.0.1": A, "10.0.0.2": A}, {"w1": ["10.0.0.1"], "w2": ["10.0.0.2"]})
    assert (table.node_of(A), dict(table.shared)) == (None, {A: ("w1", "w2")})


def test_known_nics_count_without_an_answer() -> None:
    table = learn({}, {"w1": []}, **{"02-00-00-00-00-0C": "w1"})
    assert (table.node_of(C), table.silent) == ("w1", ())
