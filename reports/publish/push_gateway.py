"""Pushing a run's metrics to a push gateway: one group a cluster, replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from clusters.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

VARIABLE = "METALLB_CONFORMANCE_PUSH_GATEWAY"
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
    text, where = (option, "--push-gateway") if option else (os.environ.get(VARIABLE, ""), VARIABLE)
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
            remedy=f"Give the URL in {VARIABLE}.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = f"{host}:{port}" if port else host
    return Gateway(
        url=f"{parts.scheme}://{place}{parts.path}",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
