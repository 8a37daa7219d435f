"""From kubeconfigs and a context to the way to one cluster and the user there, by kubectl's rules.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel

from clusters.api.errors import KubeconfigInvalid
from clusters.api.kubeconfig_file import Cluster, Context, File, User

Record = TypeVar("Record", bound=BaseModel)

#: The context of a pod's own login, and where the kubelet mounts what it is made of
#: (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
IN_CLUSTER = "in-cluster"
MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a context stands for. `cluster_file` and `user_file` have the records; paths in them begin there."""

    files: tuple[Path, ...]
    context: str
    user_name: str
    cluster: Cluster
    user: User
    cluster_file: Path
    user_file: Path

    @property
    def server(self) -> SplitResult:
        """The API server's URL."""
        return urlsplit(self.cluster.server)

    @property
    def of_user(self) -> str:
        """The beginning of a sentence about the user."""
        return f"The kubeconfig {self.user_file}, user {self.user_name!r}"

    @property
    def of_cluster(self) -> str:
        """The beginning of a sentence about the cluster."""
        return f"The kubeconfig {self.cluster_file}, context {self.context!r}"


def files_for(kubeconfig: Path | None) -> tuple[Path, ...]:
    """The files to read: the one given, else those of KUBECONFIG, else ~/.kube/config, as kubectl does.

    In a pod where there is none of these, it is the login of the pod's service account, context `in-cluster`.
    """
    if kubeconfig is not None:
        return (_expanded(kubeconfig),)
    listed = [_expanded(Path(part)) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return tuple(listed)
    usual = _expanded(Path("~/.kube/config"))
    own = None if _exists(usual) else service_account_kubeconfig()
    return (own or usual,)


def find(kubeconfig: Path | None, context: str | None) -> Entry:
    """What `context` (the current one where None) stands for. Raises KubeconfigInvalid."""
    paths = files_for(kubeconfig)
    files = _read(paths)
    chosen = _context(files, context, paths)
    named, _ = _record(files, "contexts", chosen, Context)
    cluster, cluster_file = _record(files, "clusters", named.cluster, Cluster)
    user, user_file = _record(files, "users", named.user, User) if named.user else (User(), paths[0])
    entry = Entry(
        files=paths, context=chosen, user_name=named.user, cluster=cluster, user=user,
        cluster_file=cluster_file, user_file=user_file,
    )  # fmt: skip
    _check_server(entry)
    return entry


def holder_of(kubeconfig: Path | None, context: str) -> Path:
    """The one file, of those that `files_for` gives, that has `context`. Raises KubeconfigInvalid."""
    paths = files_for(kubeconfig)
    files = _read(paths)
    _context(files, context, paths)
    return next(file.path for file in files if context in file.sections["contexts"]).absolute()


def contexts(kubeconfig: Path | None) -> list[str]:
    """The names of all contexts in the files that `files_for` gives. Raises KubeconfigInvalid."""
    return _names(_read(files_for(kubeconfig)))


def _names(files: list[File]) -> list[str]:
    return sorted({name for file in files for name in file.sections["contexts"]})


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise KubeconfigInvalid(
            f"There is no kubeconfig at {path}: nobody knows that home directory.",
            remedy="Name one in the profile or in KUBECONFIG.",
        ) from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that the system cannot hold
        return False


def _read(paths: tuple[Path, ...]) -> list[File]:
    """Those of the files that are there; of several, one that is empty counts as not there, as for kubectl."""
    present = [path for path in paths if _exists(path)]
    if len(paths) > 1:
        present = [path for path in present if path.is_dir() or path.stat().st_size] or present
    if not present:
        raise KubeconfigInvalid(
            f"There is no kubeconfig at {_listed(paths)}.", remedy="Name one in the profile or in KUBECONFIG."
        )
    return [File.read(path) for path in present]


def _listed(paths: tuple[Path, ...]) -> str:
    return ", ".join(str(path) for path in paths)


def _context(files: list[File], wanted: str | None, paths: tuple[Path, ...]) -> str:
    names = _names(files)
    chosen = wanted or next((file.current for file in files if file.current), "")
    listing = f"It has: {', '.join(names)}." if names else "It has none at all."
    if not chosen:
        raise KubeconfigInvalid(f"The kubeconfig {_listed(paths)} has no current context.", remedy=listing)
    if chosen not in names:
        raise KubeconfigInvalid(f"The kubeconfig {_listed(paths)} has no context {chosen!r}.", remedy=listing)
    return chosen


def _record(files: list[File], section: str, name: str, kind: type[Record]) -> tuple[Record, Path]:
    """The entry of that name in the first file that has one, and that file."""
    for file in files:
        if name in file.sections[section]:
            return file.record(section, name, kind), file.path
    where = _listed(tuple(file.path for file in files))
    raise KubeconfigInvalid(f"The kubeconfig {where} names {name!r}, which is not among its {section}.")


def _check_server(entry: Entry) -> None:
    """Nothing is guessed about where a login is sent."""
    for url, field, schemes in (
        (entry.cluster.server, "server", ("https", "http")),
        (entry.cluster.proxy, "proxy-url", ("http", "https", "")),
    ):
        if why := _why_no_url(url, schemes):
            raise KubeconfigInvalid(
                f"{entry.of_cluster}: {field} {why}.", remedy="It looks like https://192.0.2.1:6443."
            )
    if urlsplit(entry.cluster.server).username is not None:
        raise KubeconfigInvalid(f"{entry.of_cluster}: server must not hold a user name.")
    if entry.cluster.insecure and (entry.cluster.authority or entry.cluster.authority_data):
        raise KubeconfigInvalid(
            f"{entry.of_cluster}: certificate-authority and insecure-skip-tls-verify exclude each other.",
            remedy="Remove insecure-skip-tls-verify.",
        )


def _why_no_url(url: str, schemes: tuple[str, ...]) -> str:
    """Why a URL cannot be gone to, "" where it can; "" among the schemes allows none at all."""
    if not url and "" in schemes:
        return ""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:  # UnicodeError is one
        return "is no URL with a host and a port that can be"
    if parts.scheme not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes if scheme)
        return f"must begin with {known}"
    if not host or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        return "is no URL with a host and a port that can be"
    if parts.query or parts.fragment:
        return "must not have anything after its path"
    return ""


def service_account_kubeconfig(mounted: Path = MOUNTED) -> Path | None:
    """A kubeconfig for the pod that this process runs in, or None outside of a pod.

    It names the files of the token and of the authority, so that a renewed token is read anew.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not (host and port and (mounted / "token").is_file()):
        return None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return _kubeconfig_written(server, mounted)


@cache
def _kubeconfig_written(server: str, mounted: Path) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": IN_CLUSTER,
        "clusters": [
            {
                "name": IN_CLUSTER,
                "cluster": {"server": server, "certificate-authority": str(mounted / "ca.crt")},
            }
        ],
        "users": [{"name": "service-account", "user": {"tokenFile": str(mounted / "token")}}],
        "contexts": [{"name": IN_CLUSTER, "context": {"cluster": IN_CLUSTER, "user": "service-account"}}],
    }
    # JSON is YAML. A name of our own in a folder that others may write to is never followed, but made.
    path = Path(tempfile.mkdtemp(prefix="metallb-conformance-")) / "kubeconfig"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
