"""Profiles that a person could write, and that nobody would: settings, or a sentence with file, line and field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters import profile
from clusters.errors import UsageError
from tests.fuzz import mutator
from tests.fuzz.tally import judged

_RIGHT = """\
name: edge
provider: existing
context: edge
kubeconfig: keys/edge.yaml
allow: create
disposable: false
namespace: metallb-system
reserve: 2
pools:
  - name: metallb-pool
    addresses: [192.0.2.10-192.0.2.20, 192.0.2.32/28]
  - {name: public, addresses: [203.0.113.9/32], single_address: true}
spare_addresses: [192.0.2.200-192.0.2.210]
announcers: {nodes: [w1, w2]}
consumers:
  - service: traefik/traefik
    address: 192.0.2.10
    probe: {protocol: http, port: 80, path: /}
gitops: {repository: ../platform, overlay: metallb/overlays/edge, base: metallb/base, changelog: CHANGELOG.md}
lab: {nodes: 3, families: dual, metallb: "0.15.2"}
kind: {image: "kindest/node:v1.34.0", keep: true, binary: bin/kind}
vantage: ssh:probe.example
routed_vantage: netns:far
budgets: {pods_ready: 120, assigned: 2.5}
waivers:
  - {check: maintenance.legacy-version, reason: retired in spring, expires: 2027-03-31}
"""
TEXTS = (
    _RIGHT,
    *(path.read_text(encoding="utf-8") for path in sorted(profile.profile_file.SHIPPED.glob("*.yaml"))),
)
_SPOILS = (
    "\x00", "\x1b", "\t", "\x85", "\ufeff", "\u2028", "*a", "&a ", "<<: *a", "!!bool ", "!!int ", "!!timestamp ",
    "!!binary ", "? ", "- ", ": ", "{", "}", "[", "]", "[" * 2000, "{a: " * 500, "|\n", ">-\n", "'", '"', "%", "@", "`",
    "~", "~nouser/x", ".inf", "-.inf", ".nan", "1" * 5000, "2027-02-30", "2027-99-99", "0x", "1_000", "1:99", "---\n",
    "...\n", "\n", "#", "null",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file to be read is."""
    return tmp_path_factory.mktemp("profile") / "edge.yaml"


def _read(place: Path, data: bytes) -> str:
    place.write_bytes(data)
    try:
        found = profile.load(place)
    except UsageError as error:
        first = str(error).partition("\n")[0]
        assert place.name in first
        assert re.search(r"line \d+|mistakes:|cannot be read|and this is not", first), first
        raise
    assert all(0 < within < float("inf") for within in found.budgets.values())
    return "loaded"


@st.composite
def trees(draw: st.DrawFn) -> bytes:
    """A profile with a few of its values changed."""
    tree = yaml.safe_load(draw(st.sampled_from(TEXTS)))
    return mutator.Input(
        yaml.safe_dump(draw(mutator.mutations(tree)), allow_unicode=True).encode("utf-8", "surrogatepass")
    )


@st.composite
def values(draw: st.DrawFn) -> bytes:
    """A profile with one field set to anything that YAML can say."""
    tree: dict[str, Any] = yaml.safe_load(_RIGHT)
    path = draw(st.sampled_from([each for each in mutator.paths(tree) if each]))
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.dates()
        | st.datetimes()
        | st.binary(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text() | st.dates() | st.integers(), inner, max_size=3)
        ),
        max_leaves=5,
    )
    return mutator.Input(
        yaml.safe_dump(mutator.put(tree, path, draw(anything))).encode("utf-8", "surrogatepass")
    )


@st.composite
def edits(draw: st.DrawFn) -> bytes:
    """A profile's text with a few edits: letters dropped, doubled, typed in."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        typed = draw(st.sampled_from(_SPOILS) | st.text(max_size=5) | st.just(text[start:end] * 2))
        text = text[:start] + typed + text[end:]
    return mutator.Input(text.encode("utf-8", "surrogatepass"))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A profile's bytes, spoilt."""
    return draw(mutator.spoilt_texts(draw(st.sampled_from(TEXTS)).encode()))


@given(data=trees())
def test_changed_values_load_or_are_one_sentence_each(place: Path, data: bytes) -> None:
    judged("profiles", lambda: _read(place, data))


@given(data=values())
def test_any_value_of_a_field_loads_or_is_one_sentence(place: Path, data: bytes) -> None:
    judged("profiles, any value", lambda: _read(place, data))


@given(data=edits())
def test_edits_load_or_are_one_sentence(place: Path, data: bytes) -> None:
    judged("profiles, edited", lambda: _read(place, data))


@given(data=spoilt())
def test_spoilt_bytes_load_or_are_one_sentence(place: Path, data: bytes) -> None:
    judged("profiles, as bytes", lambda: _read(place, data))


@given(
    wanted=st.text(max_size=40)
    | st.sampled_from(("~nouser/x.yaml", "\x00.yaml", "x" * 5000 + ".yaml", "/", ".", "a/b\x00"))
)
def test_any_name_is_a_profile_or_one_sentence(wanted: str) -> None:
    judged("profiles, names", lambda: str(type(profile.load(wanted)).__name__).lower())
