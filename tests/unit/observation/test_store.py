"""A kept observation comes back as it was; a file that is none is told so in one sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from clusters.errors import UsageError
from clusters.observation import Objects, Snapshot, Status, load, save

BEGIN = b'{"snapshot_version": 1, "taken_at": "2026-04-17T10:00:00Z", '
SEEN = Snapshot(
    taken_at="2026-04-17T10:00:00.000+00:00",
    nodes=Objects(status=Status.OK, items=({"metadata": {"name": "w1"}, "spec": {}, "status": {}},)),
    pods=Objects(status=Status.NOT_PERMITTED, verb="list", resource="pods"),
)


@pytest.mark.parametrize("name", ["seen.json", "seen.json.gz"])
def test_a_snapshot_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    save(SEEN, tmp_path / "deep" / name)

    assert load(tmp_path / "deep" / name) == SEEN


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"snapshot_version": 1, "taken_at": "20', "is truncated"),
        (b"hello", "is not JSON that can be read"),
        (b'{"kind": "List"}', "is not a snapshot of this project"),
        (b"[1]", "is not a snapshot of this project"),
        (b'{"snapshot_version": 99}', "is a snapshot of version 99"),
        (b'{"snapshot_version": 1}', "damaged snapshot: taken_at"),
        (b"\x1f\x8b\x08", "its compressed data ends early"),
        (b'{"snapshot_version": 1, "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested more than 200 deep"),
        (gzip.compress(b" " * 2**20, mtime=0) * 129, "it holds more than 128 MiB"),
        (b'{"snapshot_version": 0}', "damaged snapshot: snapshot_version: '0' is no version"),
        (b'{"snapshot_version": -5}', "'-5' is no version"),
        (b'{"snapshot_version": true}', "'True' is no version"),
        (b'{"snapshot_version": 1.0}', "'1.0' is no version"),
        (b'{"snapshot_version": 1, "snapshot_version": 1}', "the name 'snapshot_version' stands twice"),
        (b'{"snapshot_version": 1, "taken_at": "yesterday"}', "taken_at: .*'yesterday' is no RFC 3339 time"),
        (b'{"snapshot_version": 1, "taken_at": "2026-01-01"}', "taken_at: .*is no time of this century"),
        (
            b'{"snapshot_version": 1, "taken_at": "0001-01-01T00:00:00Z"}',
            "taken_at: .*is no time of this century",
        ),
        (BEGIN + b'"nodes": 5}', "nodes: it must be an object"),
        (BEGIN + b'"nodes": {"status": "fine"}}', "nodes.status: "),
        (BEGIN + b'"nodes": {"items": 5}}', "nodes.items: it must be a list"),
        (BEGIN + b'"cluster": "a b"}', "cluster: it does not have the form"),
        (BEGIN + b'"logs": [{"pod": 5}]}', "logs.0.pod: it must be a text"),
        (
            BEGIN + b'"metrics": [{"pod": "a", "samples": [{"name": "x", "labels": {}, "value": NaN}]}]}',
            "is not JSON",
        ),
        (
            BEGIN + b'"wire": {"heard": [{"address": "x", "purpose": "free"}]}}',
            "wire.heard.0.address: .*is not an IP",
        ),
        (BEGIN + b'"wire": {"heard": [{"address": "192.0.2.1", "purpose": "x"}]}}', "wire.heard.0.purpose: "),
        (BEGIN + b'"wire": {"routes": [{"address": "192.0.2.1", "gateway": "x"}]}}', "wire.routes.0.gateway"),
        (
            BEGIN + b'"expectations": {"consumers": [{"namespace": "a", "name": "b", "port": 99999}]}}',
            "consumers.0.port",
        ),
        (BEGIN + b'"expectations": {"budgets": {"assigned": -1}}}', "expectations.budgets.assigned"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=sentence) as raised:
        load(path)

    assert str(path) in str(raised.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "nothing.json")


def test_the_file_says_its_version(tmp_path: Path) -> None:
    save(SEEN, tmp_path / "seen.json")

    assert json.loads((tmp_path / "seen.json").read_text())["snapshot_version"] == 1
