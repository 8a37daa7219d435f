"""Observations that nobody should have written: a sentence, or a judgement of what can be read of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from clusters.diagnosis import Diagnosis, consequences, paths
from clusters.observation import Snapshot, consumer_probes, load, node_macs, reaching
from clusters.observation.limits import DEFAULT
from clusters.observation.wire import _Look
from clusters.upgrade.decision import decide
from clusters.upgrade.rule import Situation
from reports.history.comparison import moves, reconfigured
from reports.pages import address_map
from suites.plugin import chosen_profile
from tests.answers import all_answered
from tests.fuzz import mutator, observations
from tests.fuzz.tally import judged


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file to be read is; one place for all of them."""
    return tmp_path_factory.mktemp("observed") / "snapshot.json"


class Blind:
    """A vantage that nobody asks anything."""

    name, capabilities = "nowhere", frozenset[str]()


@cache
def _healthy() -> Snapshot:
    return load(observations.FOLDER / "healthy.json.gz")


def _compared(seen: Snapshot) -> None:
    """What a report says of what moved and was configured otherwise since another observation."""
    whole = _healthy()
    for before, after in ((whole, seen), (seen, whole)):
        list(moves(before, after))
        list(reconfigured(before, after))


def _read(place: Path, data: bytes) -> str:
    place.write_bytes(data)
    seen = load(place)
    chosen_profile.of_snapshot(seen)  # which a run judges it by where none is named
    all_answered(seen)
    decide(Situation(seen, target=Version("0.16.2"), manifest=())).record.as_json()
    _compared(seen)
    address_map.seen(place.parent)
    with ThreadPoolExecutor(1) as beside:
        _Look(seen, Blind(), DEFAULT, beside)._free(set())  # type: ignore[arg-type]  # it sees nothing
    reaching.chosen(seen, DEFAULT)
    node_macs.learn(seen)
    list(consumer_probes._wanted(seen))
    diagnosis = Diagnosis(seen)
    for key in diagnosis.facts.services:
        paths.of_service(diagnosis, key)
    consequences.of_proposal(
        diagnosis, consequences.Proposal(removed=frozenset({"node2"}), drained=frozenset({"node1"}))
    )
    return "judged in part" if seen.unreadable else "judged"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A recorded observation with a few changes anywhere."""
    name = draw(st.sampled_from(observations.NAMES))
    return mutator.as_json(draw(mutator.mutations(observations.tree(name))))


@given(data=mutated())
def test_a_changed_observation_is_judged_or_refused(place: Path, data: bytes) -> None:
    judged("observations", lambda: _read(place, data))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """The text of one, spoilt."""
    return draw(mutator.spoilt_texts(observations.recorded(draw(st.sampled_from(observations.NAMES)))))


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """The gzipped file of one, spoilt."""
    return draw(mutator.spoilt_texts(observations.archive(draw(st.sampled_from(observations.NAMES)))))


@given(data=texts())
def test_a_spoilt_file_is_judged_or_refused(place: Path, data: bytes) -> None:
    judged("observations, as text", lambda: _read(place, data))


@given(data=archives())
def test_a_spoilt_archive_is_judged_or_refused(place: Path, data: bytes) -> None:
    judged("observations, gzipped", lambda: _read(place, data))
