"""Every time limit stands in clusters/budgets.py, and nobody sleeps but `wait.pause`.

What is held: no `Budget` is made elsewhere, no `timeout=` or `within=` and no wait on a process, a thread, an event or
a socket is a number, and no module has a number under a name that says it is a limit. How often a probe asks is none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
#: These run by themselves with the standard library alone, started by path or sent through a pipe.
STANDALONE = ("clusters/vantage/agent", "clusters/lab/host_init.py", "clusters/lab/relay.py")
TABLE, PAUSE = "clusters/budgets.py", "clusters/wait.py"
_LIMITS = {"timeout", "within"}
_WAITS = {"wait", "join", "settimeout", "communicate"}
_CALLED_A_LIMIT = re.compile(r"_?([A-Z]+_)*(WITHIN|TIMEOUT|PATIENCE|LOCKED_FOR)")


def _modules() -> Iterator[tuple[str, str]]:
    for package in ("clusters", "suites", "reports", "metallb_conformance"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith((*STANDALONE, TABLE)):
                yield name, path.read_text(encoding="utf-8")


def _is_number(node: ast.AST | None) -> bool:
    """Whether this is seconds from a literal; 0 is none: it says not to wait."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        and node.value != 0
    )


def _private(module: str, text: str) -> Iterator[str]:
    """What of a module takes seconds from somewhere else than the table, or sleeps."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            numbers = [word for word in node.keywords if word.arg in _LIMITS and _is_number(word.value)]
            waits = called.rpartition(".")[2] in _WAITS and any(map(_is_number, node.args))
            sleeps = called.endswith(("time.sleep", "Event().wait")) and module != PAUSE
            if called.rpartition(".")[2] == "Budget" or numbers or waits or sleeps:
                yield f"{module}:{node.lineno} {ast.unparse(node)[:80]}"
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [each.id for each in targets if isinstance(each, ast.Name)]
        if any(map(_CALLED_A_LIMIT.fullmatch, names)) and _is_number(getattr(node, "value", None)):
            yield f"{module}:{node.lineno} {ast.unparse(node)[:80]}"


def test_nothing_takes_seconds_from_a_literal() -> None:
    assert [found for module, text in _modules() for found in _private(module, text)] == []


@pytest.mark.parametrize(
    "line",
    [
        "LATE = Budget(name='late', within=limit, every=limit, reason='')",
        "LATE = budgets.Budget(name='late', within=limit, every=limit, reason='')",
        "process.wait(timeout=5)",
        "vantage.learned(addresses, within=0.3)",
        "thread.join(10)",
        "connection.settimeout(2.0)",
        "threading.Event().wait(LINGER)",
        "time.sleep(pause)",
        "_ANSWER_WITHIN = 5.0",
        "READ_TIMEOUT: Final = 30",
    ],
)
def test_a_private_limit_is_seen(line: str) -> None:
    assert list(_private("clusters/x.py", line)) != []


@pytest.mark.parametrize(
    "line",
    [
        "process.wait(timeout=budgets.seconds(budgets.PROGRAM_ENDED))",
        "lock.acquire(timeout=0)",
        '", ".join(names)',
        "PORT = 7472",
        "self.stop.wait(pause)",
        "poll.settimeout(0)",
    ],
)
def test_what_is_none_is_left_alone(line: str) -> None:
    assert list(_private("clusters/x.py", line)) == []
