"""From a kubeconfig and a context to a connection, with what is wrong in one sentence.

The kubernetes client does the work (certificates, tokens, exec plugins and their renewal); it is imported
inside the functions, because that takes a quarter of a second which most commands do not need.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from clusters.api import service_account
from clusters.api.errors import KubeconfigInvalid, Unauthorized

_POOL_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where a kubeconfig leads and as whom. `client` is the kubernetes package's ApiClient for it."""

    files: tuple[Path, ...]
    context: str
    user: str
    server: str
    certificate: bytes = field(repr=False)
    client: Any = field(repr=False)


def files_for(kubeconfig: Path | None) -> tuple[Path, ...]:
    """The files to read: the one given, else those of KUBECONFIG, else ~/.kube/config, as kubectl does.

    In a pod where there is none of these, it is the login of the pod's service account, context `in-cluster`.
    """
    if kubeconfig is not None:
        return (kubeconfig.expanduser(),)
    listed = [Path(part).expanduser() for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return tuple(listed)
    usual = Path("~/.kube/config").expanduser()
    own = None if usual.exists() else service_account.kubeconfig()
    return (own or usual,)


def log_in(kubeconfig: Path | None, context: str | None) -> Login:
    """The login for `context` (the current one where None).

    Raises KubeconfigInvalid where a file is missing or unusable or the context is not in it, and
    Unauthorized where the login command that it names gives no credentials.
    """
    files = files_for(kubeconfig)
    merged = _read(files)
    chosen = _context(merged, context, files)
    named = _section(merged, "contexts", chosen, files).get("context") or {}
    cluster = _section(merged, "clusters", str(named.get("cluster")), files).get("cluster") or {}
    user = _section(merged, "users", str(named.get("user")), files).get("user") or {}
    _check_login_command(user, files)
    configuration = _configuration(files, chosen)
    _check_credentials(configuration, user, files)
    return Login(
        files=files,
        context=chosen,
        user=str(named.get("user")),
        server=str(cluster.get("server", "")),
        certificate=_certificate(configuration.cert_file),
        client=_client(configuration),
    )


def _read(files: tuple[Path, ...]) -> dict[str, list[dict[str, Any]] | str]:
    present = [path for path in files if path.exists()]
    if not present:
        names = ", ".join(str(path) for path in files)
        raise KubeconfigInvalid(
            f"There is no kubeconfig at {names}.", remedy="Name one in the profile or in KUBECONFIG."
        )
    merged: dict[str, Any] = {"contexts": [], "clusters": [], "users": [], "current-context": ""}
    for path in present:
        found = _parse(path)
        for key in ("contexts", "clusters", "users"):
            merged[key] += [entry for entry in found.get(key) or [] if isinstance(entry, dict)]
        merged["current-context"] = merged["current-context"] or found.get("current-context") or ""
    return merged


def _parse(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise KubeconfigInvalid(f"The kubeconfig {path}{line} is not YAML.") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise KubeconfigInvalid(f"The kubeconfig {path} cannot be read: {why}.") from error
    if not isinstance(found, dict) or "contexts" not in found:
        raise KubeconfigInvalid(f"The file {path} is not a kubeconfig: it has no contexts.")
    return found


def _context(merged: dict[str, Any], wanted: str | None, files: tuple[Path, ...]) -> str:
    names = sorted(str(entry.get("name")) for entry in merged["contexts"])
    where = ", ".join(str(path) for path in files)
    chosen = wanted or str(merged["current-context"])
    listing = f"It has: {', '.join(names)}." if names else "It has none at all."
    if not chosen:
        raise KubeconfigInvalid(f"The kubeconfig {where} has no current context.", remedy=listing)
    if chosen not in names:
        raise KubeconfigInvalid(f"The kubeconfig {where} has no context {chosen!r}.", remedy=listing)
    return chosen


def _section(merged: dict[str, Any], key: str, name: str, files: tuple[Path, ...]) -> dict[str, Any]:
    for entry in merged[key]:
        if entry.get("name") == name:
            return dict(entry)
    where = ", ".join(str(path) for path in files)
    raise KubeconfigInvalid(f"The kubeconfig {where} names {name!r}, which is not among its {key}.")


def _check_login_command(user: dict[str, Any], files: tuple[Path, ...]) -> None:
    """The commonest fault with login commands: they are not installed here."""
    command = (user.get("exec") or {}).get("command", "")
    beside = files[0].parent / command if command else None
    if command and shutil.which(command) is None and not (beside and beside.is_file()):
        raise KubeconfigInvalid(
            f"The kubeconfig {files[0]} logs in with the command {command!r}, which is not installed here.",
            remedy=str((user["exec"]).get("installHint") or "Install it, or put it on the PATH."),
        )


def _configuration(files: tuple[Path, ...], context: str) -> Any:
    from kubernetes.client import Configuration  # noqa: PLC0415 - slow to import, see the module's docstring
    from kubernetes.config import (  # noqa: PLC0415 - as above
        ConfigException,
        load_kube_config,
    )

    configuration = Configuration()
    names = os.pathsep.join(str(path) for path in files)
    try:
        with _plugin_complaints() as complaints:
            load: Any = load_kube_config
            load(config_file=names, context=context, client_configuration=configuration)
    except (ConfigException, ValueError, OSError, KeyError, TypeError) as error:
        raise KubeconfigInvalid(f"The kubeconfig {names} cannot be used: {error}.") from error
    configuration.said = " ".join(complaints)
    configuration.connection_pool_maxsize = _POOL_SIZE
    if _is_loopback(configuration.host):
        configuration.proxy = None  # as kubectl: what is on this machine is never asked for by a proxy
    return configuration


@contextmanager
def _plugin_complaints() -> Iterator[list[str]]:
    """What the kubernetes client logs about a failed login command; it raises nothing for it."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler = Keep(level=logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        yield said
    finally:
        logging.getLogger().removeHandler(handler)


def _check_credentials(configuration: Any, user: dict[str, Any], files: tuple[Path, ...]) -> None:
    if "exec" in user and not configuration.api_key and not configuration.cert_file:
        said = f": {configuration.said.strip().rstrip('.')}" if configuration.said else ""
        raise Unauthorized(
            f"The login command {user['exec'].get('command')!r} of {files[0]} gave no credentials{said}.",
            remedy="Run it by hand, or log in again.",
        )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _certificate(path: str | None) -> bytes:
    """The client certificate in PEM, to name its end when it is refused; b"" where there is none."""
    return Path(path).read_bytes() if path else b""


def _client(configuration: Any) -> Any:
    from kubernetes.client import ApiClient  # noqa: PLC0415 - slow to import, see the module's docstring

    return ApiClient(configuration)


def token_of(login: Login) -> str:
    """The value of the Authorization header, renewed where the login is past its end; "" for none."""
    settings = login.client.configuration.auth_settings().get("BearerToken")
    return str(settings["value"]) if settings else ""


def holder_of(kubeconfig: Path | None, context: str) -> Path:
    """The one file, of those that `files_for` gives, that has `context`. Raises KubeconfigInvalid."""
    files = files_for(kubeconfig)
    _context(_read(files), context, files)
    for path in files:
        if path.exists() and any(
            entry.get("name") == context for entry in _parse(path).get("contexts") or []
        ):
            return path.absolute()
    raise AssertionError("a context that was found is in one of the files")
