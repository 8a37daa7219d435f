"""No made-up secret of the corpus passes the boundary, and nothing harmless is changed by it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import outbound
from clusters.check_ids import CheckId
from clusters.checks.causes import CAUSES
from clusters.outbound.secret_names import SIGNS, Holds, held_by
from tests.unit.outbound import corpus

ROOT = Path(__file__).parents[3]
TEXTS, OBJECTS = corpus.texts(), corpus.objects()


def leaves(secret: str) -> list[str]:
    """A secret and those of its words that nobody may read either."""
    return [
        secret,
        *(word for word in secret.split() if len(word) > 4 and word not in corpus.PEM.split()[:3]),
    ]


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(TEXTS) + len(OBJECTS) >= 280
    assert len(set(corpus.HARMLESS)) >= 110


@pytest.mark.parametrize(("text", "secret"), TEXTS)
def test_no_secret_stays_in_a_text(text: str, secret: str) -> None:
    kept = outbound.text(text)

    assert not [each for each in leaves(secret) if each in kept]
    assert outbound.text(kept) == kept


@pytest.mark.parametrize(("text", "secret"), TEXTS)
def test_no_secret_stays_in_a_text_within_other_texts(text: str, secret: str) -> None:
    lines = f"a line before\n{text}\na line after"
    in_json = json.dumps({"message": text, "level": "error"})
    twice = json.dumps({"log": in_json, "stream": "stdout"})

    for kept in (
        outbound.text(lines),
        outbound.text(in_json),
        outbound.text(twice),
        str(outbound.value([text])),
    ):
        assert not [each for each in leaves(secret) if each in kept]


@pytest.mark.parametrize(("found", "secret"), OBJECTS)
def test_no_secret_stays_in_an_object(found: Any, secret: str) -> None:
    before = json.dumps(found)

    kept = outbound.value(found)

    assert not [each for each in leaves(secret) if each in json.dumps(kept)]
    assert outbound.value(kept) == kept
    assert json.dumps(found) == before


@pytest.mark.parametrize(("found", "secret"), OBJECTS)
def test_no_secret_stays_in_an_object_that_is_written_in_a_text(found: Any, secret: str) -> None:
    in_yaml = yaml.safe_dump(found)

    assert not [each for each in leaves(secret) if each in outbound.text(json.dumps(found))]
    if not corpus.by_structure(found):
        assert not [each for each in leaves(secret) if each in outbound.text(in_yaml)]


@pytest.mark.parametrize("text", corpus.HARMLESS)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert outbound.text(text) == text
    assert outbound.value({"message": text, "items": [text]}) == {"message": text, "items": [text]}


def test_what_this_project_says_of_causes_stays_as_it_is() -> None:
    said = [text for cause in CAUSES.values() for text in _texts(asdict(cause))]

    assert [text for text in said if outbound.text(text) != text] == []
    assert {held_by(cause) for cause in CAUSES} <= {Holds.NOTHING}


def test_a_check_that_is_named_before_its_cause_hides_neither() -> None:
    said = [f"{check}: {cause}: node1 is down." for check in CheckId for cause in CAUSES]

    assert [line for line in said if outbound.text(line) != line] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_a_page_of_documentation_stays_as_it_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert outbound.text(text) == text


def test_what_metallb_logs_stays_as_it_is() -> None:
    for path in sorted((ROOT / "tests/unit/metallb/data").glob("*.log")):
        text = path.read_text(encoding="utf-8")
        assert outbound.secretless(text) == text


@pytest.mark.parametrize(
    "name",
    ["password", "DB_PASS", "apiKey", "api-key", "APIKEY", "clientSecret", "x-auth-token", "AUTH", "tls.key", "kubeadm_token",  # noqa: E501 - as it is found
     "ca_bundle", "caBundle", "certificate-authority-data", "client-key-data", "PGPASSWORD", "sshKey", "dsn", "session"],  # noqa: E501 - as it is found
)  # fmt: skip
def test_a_text_with_a_name_of_a_secret_is_looked_through(name: str) -> None:
    assert held_by(name) is not Holds.NOTHING
    assert any(sign in name.lower() for sign in SIGNS)


def _texts(found: Any) -> list[str]:
    if isinstance(found, str):
        return [found]
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list | tuple) else ()
    return [text for part in parts for text in _texts(part)]
