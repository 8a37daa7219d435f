"""One real API server for all tests of this folder; each test has a namespace of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from clusters.api import Api
from clusters.api.resources import NAMESPACES
from tests.api.server import Server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@pytest.fixture(scope="session")
def api(server: Server) -> Api:
    return server.api()


@pytest.fixture
def namespace(api: Api) -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    api.delete(NAMESPACES, name)
