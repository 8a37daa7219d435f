"""What acts on a terminal, or turns the direction of writing, is shown; what is text stays."""

from __future__ import annotations

import json

import pytest

from clusters import outbound

SHOWN = {
    "\x00": "\\x00", "\x07": "\\x07", "\x08": "\\x08", "\x1b": "\\x1b", "\r": "\\x0d", "\x7f": "\\x7f", "\x9b": "\\x9b",
    "\u202a": "\\u202a", "\u202e": "\\u202e", "\u2066": "\\u2066", "\u2069": "\\u2069", "\u200e": "\\u200e",
    "\u200f": "\\u200f", "\u061c": "\\u061c", "\u2028": "\\u2028", "\u2029": "\\u2029", "\u200b": "\\u200b",
    "\u2060": "\\u2060", "\ufeff": "\\ufeff", "\x85": "\\x85", "\ud800": "\\ud800", "\U000e0041": "\\U000e0041",
    "\u00ad": "\\xad",
}  # fmt: skip


@pytest.mark.parametrize(("character", "shown"), SHOWN.items(), ids=list(SHOWN.values()))
def test_a_character_that_acts_is_shown(character: str, shown: str) -> None:
    assert outbound.text(f"before{character}after") == f"before{shown}after"
    assert outbound.text(f"before{shown}after") == f"before{shown}after"


@pytest.mark.parametrize(
    "text", ["a\tb\nc", "Grüße aus Köln", "東京", "Ω≈ç√", "naïve – “quoted”…", "✗ → ✓", "🙂", "שלום"]
)
def test_a_text_of_any_language_stays(text: str) -> None:
    assert outbound.text(text) == text


def test_a_line_of_another_system_ends_in_a_newline() -> None:
    assert outbound.text("one\r\ntwo\r\n") == "one\ntwo\n"


@pytest.mark.parametrize("character", [*SHOWN, "🙂", "ü"])
def test_json_means_the_same_and_has_no_such_character(character: str) -> None:
    written = json.dumps({"a": f"x{character}y", "\x7f": 1}, ensure_ascii=False)

    shown = outbound.shown_in_json(written)

    assert json.loads(shown) == {"a": f"x{character}y", "\x7f": 1}
    assert not set(shown) & set(SHOWN)


def test_indented_json_keeps_its_lines() -> None:
    written = json.dumps({"a": "ü", "b": [1]}, indent=1, ensure_ascii=False)

    assert outbound.shown_in_json(written) == written
