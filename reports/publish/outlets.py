"""Where a run's outcome goes beside its own directory: the options that say so, checked before anything is run.

Receivers of messages are apprise URLs, which hold secrets: one is only ever named by its place and its scheme.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

import pytest

from clusters import extras
from clusters.errors import UsageError
from reports import report_url

if TYPE_CHECKING:
    from apprise import Apprise
    from prometheus_client import CollectorRegistry

    from clusters.profile.hours import Hours
    from reports.publish.summary import SummaryConfigMap


#: No reminder comes later than a quarter of a year after the last message.
_MOST_HOURS = 24 * 92


@dataclass(frozen=True, kw_only=True)
class Outlets:
    """Where a run's outcome is to go beside its own directory."""

    textfiles: Path | None = None
    gateway: Gateway | None = None
    receivers: tuple[Receiver, ...] = ()
    configmap: SummaryConfigMap | None = None
    #: How long after the last message a cluster that is still not well gets a reminder; None for never.
    remind_after: timedelta | None = None
    #: Hours in which messages are held back.
    quiet: Hours | None = None
    #: Where reports are opened; "" where they are not served.
    report_url: str = ""

    def __bool__(self) -> bool:
        return bool(self.textfiles or self.gateway or self.receivers or self.configmap)


def add_options(parser: pytest.Parser) -> None:
    """Register the options."""
    add = parser.getgroup("conformance", "MetalLB conformance").addoption
    add(
        "--textfile-dir",
        metavar="DIR",
        type=Path,
        help="also write the metrics to DIR, which the node exporter's textfile collector reads",
    )
    add(
        "--push-gateway",
        metavar="URL",
        help=f"push the metrics there; with a password in {GATEWAY_VARIABLE} instead",
    )
    add(
        "--notify",
        metavar="FILE",
        type=Path,
        help=f"send what changed to the apprise URLs in FILE, in one message; or to those in {NOTIFY_VARIABLE}",
    )
    add(
        "--remind-after",
        metavar="HOURS",
        type=float,
        help="while a cluster is not well and nothing changes: send a reminder this long after the last message "
        "(default: none)",
    )
    add(
        "--quiet-hours",
        metavar="HOURS",
        help='hold messages back in these hours, "22:00-07:00 Europe/Berlin" for instance; the first run after them, '
        "or `python -m reports deliver`, sends them",
    )
    add(
        "--report-url",
        metavar="URL",
        help="the address under which the folder of runs is served, for links in messages and pages; or in "
        f"{report_url.VARIABLE}",
    )
    add(
        "--summary-configmap",
        metavar="NAMESPACE/NAME",
        help="in a pod: put the summary and the results into this ConfigMap, which must exist",
    )


def outlets_of(config: pytest.Config) -> Outlets:
    """What the options and the environment ask for. Raises UsageError for what cannot be used.

    Nothing leaves a run that is not a whole run of a cluster: a shard, or a saved observation judged again.
    """
    option = config.option
    for part in ("shard", "snapshot"):
        if getattr(option, part, None):
            _refuse_outlets(option, part)
            return Outlets()
    return Outlets(
        textfiles=_folder(option.textfile_dir),
        gateway=gateway(option.push_gateway),
        receivers=receivers(option.notify),
        configmap=_configmap(option.summary_configmap),
        remind_after=_reminding(option.remind_after),
        quiet=_quiet(option.quiet_hours),
        report_url=report_url.base_of(option.report_url),
    )


def _refuse_outlets(option: Any, partial: str) -> None:
    outlets = ("textfile_dir", "push_gateway", "notify", "summary_configmap")
    given = [f"--{name.replace('_', '-')}" for name in outlets if getattr(option, name)]
    if given:
        raise UsageError(
            f"{given[0]} does not go with --{partial}: it would be taken for a whole run of the cluster.",
            remedy=f"Leave out {' and '.join(given)}.",
        )


def _reminding(hours: float | None) -> timedelta | None:
    if hours is None:
        return None
    if not 1 <= hours <= _MOST_HOURS:
        raise UsageError(f"--remind-after {hours:g} is not a number of hours from 1 to {_MOST_HOURS}.")
    return timedelta(hours=hours)


def _quiet(text: str | None) -> Hours | None:
    # Imported where it is asked for: pytest loads this module always.
    from clusters.profile.hours import parse  # noqa: PLC0415

    try:
        return parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--quiet-hours: {error}.") from None


def _configmap(option: str | None) -> SummaryConfigMap | None:
    if not option:
        return None
    # Only a run in a pod needs it, and pytest loads this module always.
    from reports.publish.summary import configmap_of  # noqa: PLC0415

    return configmap_of(option)


def _folder(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise UsageError(
            f"--textfile-dir {folder} is not a directory.",
            remedy="Name the one that the node exporter was started with.",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"--textfile-dir {folder} cannot be written to.", remedy="Give this user write permission on it."
        )
    return folder.absolute()


GATEWAY_VARIABLE = "METALLB_CONFORMANCE_PUSH_GATEWAY"
JOB = "metallb-conformance"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A push gateway: its URL without credentials, and those, which show nowhere."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    def push(self, registry: CollectorRegistry, *, cluster: str, timeout: float) -> str:
        """Replace the cluster's group; why that did not succeed, or an empty text."""
        # Imported where something is pushed: pytest loads this module always, for its option.
        from prometheus_client import push_to_gateway  # noqa: PLC0415
        from prometheus_client.exposition import basic_auth_handler, default_handler  # noqa: PLC0415

        handler: Callable[..., Any] = default_handler
        if self.user:
            handler = partial(basic_auth_handler, username=self.user, password=self.password)
        group = {"cluster": cluster}
        try:
            push_to_gateway(self.url, JOB, registry, grouping_key=group, timeout=timeout, handler=handler)
        except HTTPError as error:
            return f"it answered {error.code} {error.reason}"
        except URLError as error:
            return f"it cannot be reached: {error.reason}"
        except OSError as error:
            return f"it cannot be reached: {error.strerror or type(error).__name__}"
        return ""


def gateway(option: str | None) -> Gateway | None:
    """The gateway of --push-gateway, or else of METALLB_CONFORMANCE_PUSH_GATEWAY, which may hold a password.

    Raises UsageError for what is not an http URL, and for a password on the command line, where everybody sees it.
    """
    text, where = (
        (option, "--push-gateway") if option else (os.environ.get(GATEWAY_VARIABLE, ""), GATEWAY_VARIABLE)
    )
    if not text:
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{where} is not an http or https URL.", remedy="Write it like http://host:9091.")
    if option and "@" in parts.netloc:
        raise UsageError(
            "--push-gateway holds a user or password, and a command line is visible to everybody.",
            remedy=f"Give the URL in {GATEWAY_VARIABLE}.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port else host
    return Gateway(
        url=f"{parts.scheme}://{place}{parts.path}",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


NOTIFY_VARIABLE = "METALLB_CONFORMANCE_NOTIFY"


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
    for number, url in enumerate(os.environ.get(NOTIFY_VARIABLE, "").split(), start=1):
        yield f"URL {number} of {NOTIFY_VARIABLE}{_kind(url)}", url


def _kind(url: str) -> str:
    scheme, mark, _ = url.partition("://")
    return f" ({scheme})" if mark and scheme.isalnum() else ""


def _service(url: str) -> Apprise | None:
    """The one receiver of a URL, or None where apprise accepts none of that form."""
    with warnings.catch_warnings():
        # A service that uses what Python will drop one day is no reason to refuse a run.
        warnings.simplefilter("ignore")
        # Imported only where something is to be sent: it brings a hundred services with it.
        with extras.needed("notify", "Sending messages to apprise URLs"):
            import apprise  # noqa: PLC0415

        # What apprise logs names receivers. It has a time limit of its own, kept by a thread pool whose
        # threads the interpreter's end would wait for; ours is kept elsewhere.
        logging.getLogger("apprise").addHandler(logging.NullHandler())
        logging.getLogger("apprise").propagate = False
        one = apprise.Apprise(asset=apprise.AppriseAsset(service_timeout=0))
        return one if one.add(url) else None
