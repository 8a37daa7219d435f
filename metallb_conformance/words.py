"""The command line of the commands that this package has of its own: one parser, one form of help and of mistakes."""

from __future__ import annotations

import argparse
from typing import NoReturn

from clusters.errors import UsageError
from metallb_conformance.command import NAME


class Parser(argparse.ArgumentParser):
    """A parser whose complaints end as every other wrong usage of this project does."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"{NAME} {command}", description=description)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError in place of leaving the process."""
        raise UsageError(f"{message}.", remedy=f"See {self.prog} --help.")
