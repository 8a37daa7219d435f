"""Where a digest goes: apprise URLs. They hold secrets, so a receiver is only ever named by its place and scheme."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clusters.errors import UsageError

if TYPE_CHECKING:
    from apprise import Apprise

VARIABLE = "METALLB_CONFORMANCE_NOTIFY"


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One receiver. `name` is for people: "line 3 of sinks.txt (mailtos)"; its URL shows nowhere."""

    name: str
    service: Apprise = field(repr=False)

    def send(self, title: str, body: str) -> str:
        """Deliver one message; why that did not succeed, or an empty text."""
        taken = self.service.notify(body=body, title=title, body_format="text")
        return "" if taken else "it refused the message or could not be reached"


def receivers(file: Path | None) -> tuple[Receiver, ...]:
    """The receivers of a file (a URL a line, # begins a comment), or else those of METALLB_CONFORMANCE_NOTIFY.

    Raises UsageError for a file that cannot be read, and for a URL that apprise does not accept.
    """
    found = []
    for name, url in _of_file(file) if file else _of_environment():
        service = _service(url)
        if service is None:
            raise UsageError(
                f"{name} is not a URL that apprise accepts.",
                remedy="It looks like json://host/path or mailtos://user:password@host; see apprise's manual.",
            )
        found.append(Receiver(name=name, service=service))
    return tuple(found)


def _of_file(file: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"--notify {file} cannot be read: {why}.") from None
    for number, line in enumerate(lines, start=1):
        if (url := line.strip()) and not url.startswith("#"):
            yield f"line {number} of {file}{_kind(url)}", url


def _of_environment() -> Iterator[tuple[str, str]]:
    for number, url in enumerate(os.environ.get(VARIABLE, "").split(), start=1):
        yield f"URL {number} of {VARIABLE}{_kind(url)}", url


def _kind(url: str) -> str:
    scheme, mark, _ = url.partition("://")
    return f" ({scheme})" if mark and scheme.isalnum() else ""


def _service(url: str) -> Apprise | None:
    """The one receiver of a URL, or None where apprise accepts none of that form."""
    with warnings.catch_warnings():
        # A service that uses what Python will drop one day is no reason to refuse a run.
        warnings.simplefilter("ignore")
        # Imported only where something is to be sent: it brings a hundred services with it.
        import apprise  # noqa: PLC0415

        # What apprise logs names receivers. It has a time limit of its own, kept by a thread pool whose
        # threads the interpreter's end would wait for; ours is kept elsewhere.
        logging.getLogger("apprise").addHandler(logging.NullHandler())
        logging.getLogger("apprise").propagate = False
        one = apprise.Apprise(asset=apprise.AppriseAsset(service_timeout=0))
        return one if one.add(url) else None
