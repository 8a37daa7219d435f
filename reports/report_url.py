"""Where people open a run's report: `--report-url BASE`, the address under which the folder of runs is served.

BASE/RUN/report.html is then the page of a run, in whatever folder RUN the run wrote; of one run of a fleet
BASE/FLEET/CLUSTER/report.html. Without an address messages name the host and the folder.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from urllib.parse import quote

from clusters.errors import UsageError
from reports.markup import for_chat

VARIABLE = "METALLB_CONFORMANCE_REPORT_URL"
PAGE = "report.html"
#: Set for each run of a fleet, by the runner: such a run's folder lies in that of the fleet.
_IN_FLEET = "METALLB_CONFORMANCE_IN_FLEET"
#: It goes into messages as it is, so that they link to it: nothing in it may end a link, or mark text in a chat.
_FORM = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:/[A-Za-z0-9._%/-]*)?")


def base_of(option: str | None) -> str:
    """The address of --report-url, or else of METALLB_CONFORMANCE_REPORT_URL; "" for none. Raises UsageError."""
    text, where = (option, "--report-url") if option else (os.environ.get(VARIABLE, ""), VARIABLE)
    if text and not _FORM.fullmatch(text):
        raise UsageError(
            f"{where} is not an address that a message can link to.",
            remedy="Write it like https://reports.example/metallb: no user, no password, no query.",
        )
    return text.rstrip("/")


def page_url(base: str, directory: Path) -> str:
    """Where the page in a run's directory is opened; "" without an address."""
    if not base:
        return ""
    parts = directory.absolute().parts[-2 if os.environ.get(_IN_FLEET) else -1 :]
    # What is legal in an address and a mark in a chat is written as its code.
    folders = (quote(part, safe="").replace("_", "%5F").replace("~", "%7E") for part in parts)
    return "/".join((base, *folders, PAGE))


def place(base: str, directory: Path) -> str:
    """The same for a message, as a link that stays one; else the file and its host."""
    return page_url(base, directory) or for_chat(f"{directory / PAGE} on {platform.node()}")
