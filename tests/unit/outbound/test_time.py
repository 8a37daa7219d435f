"""The time that a text takes grows with its length alone, whatever somebody writes into it."""

from __future__ import annotations

import time

import pytest

from clusters import outbound

#: Half of what is tried, in characters; a whole megabyte takes about eight times as long.
_HALF = 60_000
#: Seconds of the processor for a megabyte, generous: the slowest of these takes one here.
_MOST = 8.0

HOSTILE = (
    "eyJ", "eyJ.", "a", "A", "aA1", "aA1/", "=", "=a", "password", "password=", "password: ", 'password="',
    "password='", 'password=\\"', "\\", '\\"', '"', "'", "password:\n", "password: |\n ", "tokens:\n- ", "- ",
    "-----BEGIN A-----", "-----", "-", "://", "a://b:", "a://b:c@", "a://", "@", "a:b@", "%3a%2f%2f", "Bearer ",
    "bearer x ", "basic YQ== ", "QRUV", "LS0tLS1CRUdJTi", "neighbor ", "neighbor x password ", "password ", "md5 ",
    "-u ", "-u a:b ", "--password ", "mysql -p", "docker login -p ", "<a>", "<password>", "<", "|",
    "| password | x |\n", "name: password value: x ", "\x1b[0m", "\x1b[", "\u202e", "{", "[", '{"a":', "{}\n",
    '{"env":1}\n', "a.0123456789abcdef", "key ", "pass: ", "&quot;", 'password&quot;:&quot;', "token=[",
    "map[token:[", "htpasswd -b ", "=api key", "- auth=", "\x1bauth=-u ", "{- tokens:\n", "\n", "\r\n", " ", "\\n",
    "password is ", "password is a1", "echo a ", "echo  ", "echo a | sudo ", "<key>password</key><string>", "<key>",
    "('password', '", "kind: Secret\n", "kind: Secret\ndata:\n a: b\n", "password = <<E\n", "PWD=", "\\u0022password",
    "api key: ", "password: \\n", "value=name=password ", "$1$", "\ud800", "A1b2", "0123456789abcdef",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_twice_the_text_takes_twice_the_time(piece: str) -> None:
    whole = piece * (2 * _HALF // len(piece))

    half_took, whole_took = took(whole[:_HALF]), took(whole)

    assert whole_took * 1_000_000 / len(whole) < _MOST
    # What takes no time has none that could be doubled: four times as long would be a square.
    assert whole_took < 0.02 or whole_took / half_took < 3.2


def test_an_annotation_of_half_tokens_is_as_quick_as_any() -> None:
    assert took("eyJ" * 40_000) < 1.0


def test_a_deep_object_costs_only_itself() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]

    assert outbound.value(deep) == outbound.REDACTED


def took(text: str) -> float:
    """Seconds of the processor, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        outbound.text(text)
        best = min(best, time.process_time() - began)
    return best
