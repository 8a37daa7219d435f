"""The pytest plugin that runs checks, and what their authors import: `check` and its levels."""

from suites.plugin.declare import BEYOND, CREATE, DISRUPT, OBSERVE, check
from suites.plugin.record import Findings, Record

__all__ = ["BEYOND", "CREATE", "DISRUPT", "OBSERVE", "Findings", "Record", "check"]
