"""Wires the two plugins, which do not know each other, into pytest; pytester is for their own tests."""

from __future__ import annotations

pytest_plugins = ("suites.plugin.registration", "reports.plugin", "pytester")
