"""The programs, which `make test` has got."""

from __future__ import annotations

import pytest

from tests.monitoring import programs


@pytest.fixture(scope="session", autouse=True)
def unpacked() -> None:
    """Have them, wherever the tests are started from."""
    programs.ensure()
