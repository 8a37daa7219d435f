"""The options that say what leaves the run's directory, checked before anything is run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clusters.errors import UsageError
from reports.publish.push_gateway import VARIABLE as GATEWAY_VARIABLE
from reports.publish.push_gateway import Gateway, gateway
from reports.publish.receivers import VARIABLE as NOTIFY_VARIABLE
from reports.publish.receivers import Receiver, receivers

if TYPE_CHECKING:
    from reports.publish.summary_configmap import SummaryConfigMap


@dataclass(frozen=True, kw_only=True)
class Outlets:
    """Where a run's outcome is to go beside its own directory."""

    textfiles: Path | None = None
    gateway: Gateway | None = None
    receivers: tuple[Receiver, ...] = ()
    configmap: SummaryConfigMap | None = None

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
        "--summary-configmap",
        metavar="NAMESPACE/NAME",
        help="in a pod: put the summary and the results into this ConfigMap, which must exist",
    )


def outlets_of(config: pytest.Config) -> Outlets:
    """What the options and the environment ask for. Raises UsageError for what cannot be used.

    Nothing leaves a run that is not a whole run of a cluster: a shard, or a saved observation judged again.
    """
    option = config.option
    for partial in ("shard", "snapshot"):
        if getattr(option, partial, None):
            _refuse_outlets(option, partial)
            return Outlets()
    return Outlets(
        textfiles=_folder(option.textfile_dir),
        gateway=gateway(option.push_gateway),
        receivers=receivers(option.notify),
        configmap=_configmap(option.summary_configmap),
    )


def _refuse_outlets(option: Any, partial: str) -> None:
    outlets = ("textfile_dir", "push_gateway", "notify", "summary_configmap")
    given = [f"--{name.replace('_', '-')}" for name in outlets if getattr(option, name)]
    if given:
        raise UsageError(
            f"{given[0]} does not go with --{partial}: it would be taken for a whole run of the cluster.",
            remedy=f"Leave out {' and '.join(given)}.",
        )


def _configmap(option: str | None) -> SummaryConfigMap | None:
    if not option:
        return None
    # Only a run in a pod needs it, and pytest loads this module always.
    from reports.publish.summary_configmap import configmap_of  # noqa: PLC0415

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
