"""The pytest plugin that writes a run's files. It hears of the run by hooks alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import UsageError
from reports.outlets.asked import add_options, asked

#: What -r is where nobody asked for it: pytest's default, and with this project's -ra.
_DEFAULT_REPORTCHARS = frozenset({"fE", "fEa", "a"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options that say where else a run's outcome goes."""
    add_options(parser)


@pytest.hookimpl(optionalhook=True)
def pytest_conformance_configure(config: pytest.Config, directory: Path) -> None:
    """Send pytest's own JUnit file and pytest-html's page to the run's directory, unless told elsewhere."""
    try:
        outlets = asked(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--report-dir {directory} cannot be used: {error.strerror}.") from None
    option = config.option
    option.xmlpath = option.xmlpath or str(directory / "junit.xml")
    if hasattr(option, "htmlpath") and not option.htmlpath:
        option.htmlpath = str(directory / "pytest-html.html")
        option.self_contained_html = True
    if option.reportchars in _DEFAULT_REPORTCHARS:
        option.reportchars = "N"
    # Imported now: pytest loads this plugin for the project's own tests too, which write no report.
    from reports.files import Files  # noqa: PLC0415
    from reports.pytesthtml import FamiliarView  # noqa: PLC0415

    config.pluginmanager.register(Files(config, directory), "conformance-files")
    config.pluginmanager.register(FamiliarView(config), "conformance-familiar-view")
    if outlets:
        from reports.history import DEFAULT  # noqa: PLC0415 - as above
        from reports.outlets.delivering import Delivering  # noqa: PLC0415 - as above

        history = (getattr(option, "history", None) or config.rootpath / DEFAULT).absolute()
        config.pluginmanager.register(Delivering(outlets, directory, history=history), "conformance-outlets")
