"""Looks at the machine before a lab is started, and says everything that is missing in one message."""

from __future__ import annotations

import os

from clusters.errors import Refused
from clusters.lab.options import LabOptions


def check(options: LabOptions) -> None:
    """Raises `Refused` with everything that the machine lacks."""
    if os.geteuid() != 0:
        raise Refused("A lab needs root.", remedy="Run the command as root.")
