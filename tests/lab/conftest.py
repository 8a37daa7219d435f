"""One lab for the whole run, shared by the tests that leave it as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests import signals
from tests.lab.tools import Kubectl

signals.restore()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "variants: boots a lab of its own for one combination of options")


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    """Nothing here works without root; saying so once is enough."""
    if os.geteuid() != 0:
        pytest.skip("needs root: run it with sudo")


@pytest.fixture(scope="session")
def lab(as_root: None) -> Iterator[Lab]:
    """A lab with the default options, under a name that no other run uses."""
    name = f"t{os.getpid()}"
    try:
        yield life.up(LabOptions(name=name))
    finally:
        life.down(name)


@pytest.fixture(scope="session")
def kubectl(lab: Lab) -> Kubectl:
    """The shared lab's kubectl."""
    return Kubectl(lab)


@pytest.fixture
def lab_name(as_root: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """A name for a lab of the test's own; whatever the test leaves of it is removed."""
    name = f"t{os.getpid()}-{abs(hash(request.node.nodeid)) % 10_000:04d}"
    try:
        yield name
    finally:
        life.down(name)
