"""JSON, YAML and files that somebody else wrote: read, or refused with the reason."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from clusters import json_text, yaml_text
from clusters.bounds import LONGEST_SENTENCE, MIB, Unusable, content
from clusters.errors import UsageError

#: Each line is 49 levels on top of those before it.
TOWER = "\n".join(
    [f"a: &a {'[' * 49}{']' * 49}", *(f"{b}: &{b} {'[' * 49}*{a}{']' * 49}" for a, b in ("ab", "bc"))]
)
BOMB = (
    "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
)


def test_json_is_read_as_python_reads_it() -> None:
    assert json_text.parsed(b'{"a": [1, -2.5, true, null, "\\u00e9"]}') == {"a": [1, -2.5, True, None, "é"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "it is nested more than 200 deep"),
        ('{"a":' * 300 + "1" + "}" * 300, "it is nested more than 200 deep"),
        ('{"a": NaN}', "expected value"),
        ('{"a": Infinity}', "expected value"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": ' + "1" * 5000 + "}", "number out of range"),
        ('{"a": 9223372036854775808}', "the number 9223372036854775808 is too large"),
        ('{"a": 1, "a": 2}', "the name 'a' stands twice in one object"),
        ('{"a": "\\ud800"}', "unexpected end of hex escape"),
        (b'{"a": "\xff"}', "invalid unicode code point"),
        ('{"a": 1', "EOF while parsing"),
        ("", "EOF while parsing"),
        ("{}{}", "trailing characters"),
    ],
)
def test_json_that_nobody_should_read_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(json_text.NotJson, match=reason):
        json_text.parsed(text)


@pytest.mark.parametrize(
    ("text", "line", "field", "reason"),
    [
        ("a: 1\nb:\n  - expires: 2027-02-30\n", 3, "b.0.expires", "'2027-02-30' is no date"),
        ("a: " + "1" * 5000, 1, "", "it holds a number of 5000 digits"),
        ("a: !!bool maybe", 1, "a", "'maybe' is no yes or no"),
        ('a: !!int ""', 1, "a", "'' is no number that can be read"),
        ("a: 1\nb: !!timestamp soon", 2, "b", "'soon' is no date"),
        ("a: &x [*x]", 1, "", "it has an alias to what it stands in"),
        (BOMB, 5, "", "it holds more than 100000 values, its aliases written out"),
        ("[" * 2000, 1, "", "it is nested more than 100 deep"),
        (TOWER, 3, "", "it is nested more than 100 deep"),
        ("a: 0x" + "f" * 5000, 1, "", "it holds a number of 5002 digits"),
        ("a: 1\nb: \x07", 2, "", r"the character '\\x07' has no place in YAML"),
        ("? [1]\n: 2", 1, "", "found unhashable key"),
        ("a: 1\n---\nb: 2", 2, "", "but found another document"),
        ("a: !!python/object:os.system x", 1, "", "could not determine a constructor"),
    ],
)
def test_yaml_that_nobody_should_read_is_refused(text: str, line: int, field: str, reason: str) -> None:
    with pytest.raises(yaml_text.NotYaml, match=reason) as raised:
        yaml_text.parsed(text)

    assert (raised.value.line, raised.value.field) == (line, field)


def test_yaml_is_read_with_its_aliases_and_an_empty_text_is_nothing() -> None:
    assert yaml_text.parsed("a: &x [1]\nb: *x\n2026-01-01: c") == yaml_text.parsed(
        "{a: [1], b: [1], 2026-01-01: c}"
    )
    assert yaml_text.parsed("") is None


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x" * 1000)
    (tmp_path / "packed").write_bytes(gzip.compress(b"x" * 1000))

    for name in ("plain", "packed"):
        assert content(tmp_path / name, most=1000) == b"x" * 1000
        with pytest.raises(Unusable, match="it holds more than 0 KiB"):
            content(tmp_path / name, most=999)


def test_no_more_than_the_bound_is_ever_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(MIB)) * 64)

    tracemalloc.start()
    try:
        with pytest.raises(Unusable, match="it holds more than 1 MiB"):
            content(tmp_path / "bomb", most=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * MIB


@pytest.mark.parametrize(
    "data", [b"\x1f\x8b", b"\x1f\x8b\x08junk-that-is-none", gzip.compress(b"x" * 99, mtime=0)[:-9]]
)
def test_damaged_compressed_data_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "packed").write_bytes(data)

    with pytest.raises(Unusable, match="its compressed data ends early or is damaged"):
        content(tmp_path / "packed", most=1000)


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(Unusable, match="no file can have such a name"):
        content(Path("a\x00b"), most=1)


def test_no_error_is_longer_than_somebody_reads() -> None:
    error = UsageError(f"There is no context {'x' * 70_000}.", remedy="y" * 70_000)

    assert len(str(error)) < 2 * LONGEST_SENTENCE + 10
    assert str(error).startswith("There is no context xxx")
