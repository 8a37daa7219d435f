"""Wires the two plugins, which do not know each other, into pytest; pytester is for their own tests."""

from __future__ import annotations

import pytest

# A check imports it as well as naming it as a plugin.
pytest.register_assert_rewrite("suites.target")
pytest_plugins = ("suites.plugin.main", "reports.plugin", "pytester")
