"""The parser of the project's command lines: a complaint of it ends as every other wrong usage does."""

from __future__ import annotations

import argparse
from typing import NoReturn

from clusters.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError in place of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's own sentence."""
        raise UsageError(f"{message}.", remedy=f"See {self.prog} --help.")
