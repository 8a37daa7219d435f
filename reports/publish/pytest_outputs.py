"""pytest's own files of a run, JUnit's and pytest-html's: one that cannot be written keeps nothing else from it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from clusters.errors import ExitCode

#: The modules whose plugins write a file when a session ends, and what that is called.
_WRITERS = {"_pytest.junitxml": "The JUnit file", "pytest_html.selfcontained_report": "pytest-html's page",
            "pytest_html.report": "pytest-html's page"}  # fmt: skip


class PytestFiles:
    """A pytest plugin. The run's verdict and its summary are said all the same, and it ends with exit code 3."""

    def __init__(self) -> None:
        self._faults: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Stand before each of the writers; they are registered by now."""
        manager = session.config.pluginmanager
        for plugin in list(manager.get_plugins()):
            name = _WRITERS.get(type(plugin).__module__, "")
            if name and hasattr(plugin, "pytest_sessionfinish"):
                own = manager.get_name(plugin)
                manager.unregister(plugin)
                plugin.pytest_sessionfinish = self._guarded(plugin.pytest_sessionfinish, name, session)
                if hasattr(plugin, "pytest_terminal_summary"):
                    plugin.pytest_terminal_summary = self._where(plugin.pytest_terminal_summary, name)
                manager.register(plugin, own)

    def _guarded(self, write: Callable[..., None], name: str, session: pytest.Session) -> Callable[..., None]:
        @functools.wraps(write)
        def guarded(*arguments: Any, **options: Any) -> None:
            try:
                write(*arguments, **options)
            except OSError as error:
                self._faults[name] = f"{name} could not be written: {error.strerror or error}."
                if session.exitstatus != ExitCode.CLEANUP_FAILED:
                    session.exitstatus = ExitCode.INTERNAL_ERROR

        return guarded

    def _where(self, say: Callable[..., None], name: str) -> Callable[..., None]:
        @functools.wraps(say)
        def where(*arguments: Any, **options: Any) -> None:
            if name not in self._faults:
                say(*arguments, **options)

        return where

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what could not be written."""
        for fault in self._faults.values():
            terminalreporter.write_line(f"error: {fault}", red=True)
