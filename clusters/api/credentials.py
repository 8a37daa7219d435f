"""What a kubeconfig's user shows to the API server: a token, a certificate, a name to act as, read or asked for now."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from clusters.api import kubeconfig_file, login_command
from clusters.api.errors import KubeconfigInvalid
from clusters.api.kubeconfig import Entry
from clusters.api.kubeconfig_file import User

#: What may stand in a token: RFC 6750, and whatever else is visible, as proxies want it.
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What tells the API server who asks: `authorization` is the header's value, the rest is in PEM.

    `ends` is a time of the epoch, None where nothing says so.
    """

    authorization: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    authority: bytes = field(default=b"", repr=False)
    ends: float | None = field(default=None, compare=False)


def check_user(entry: Entry) -> None:
    """Refuse by name what would make another login than the one that is meant."""
    user = entry.user
    if user.auth_provider is not None:
        raise KubeconfigInvalid(
            f"{entry.of_user} logs in by auth-provider, which this suite does not do.",
            remedy="Use a login command (exec) in its place, as the provider's own documentation says.",
        )
    if user.token and (user.username or user.password):
        raise KubeconfigInvalid(f"{entry.of_user} has both a token and a user name; only one can be meant.")
    if not user.impersonate and as_whom(user) != ("", "", (), ()):
        raise KubeconfigInvalid(
            f"{entry.of_user} has as-uid, as-groups or as-user-extra, and no as to go with them."
        )
    if bool(user.certificate or user.certificate_data) != bool(user.key or user.key_data):
        raise KubeconfigInvalid(f"{entry.of_user} has only one of client-certificate and client-key.")
    if user.login_command is not None:
        login_command.check(entry, user.login_command)
    _impersonation(entry)


def uses_command(user: User) -> bool:
    """A login command is for those who have nothing else, as for kubectl."""
    said = (
        user.token,
        user.token_file,
        user.username,
        user.password,
        user.certificate,
        user.certificate_data,
    )
    return user.login_command is not None and not any(said)


def as_whom(user: User) -> tuple[object, ...]:
    """Whom the user acts as, to be compared."""
    extra = user.impersonate_extra or {}
    groups = tuple(user.impersonate_groups or ())
    return (
        user.impersonate,
        user.impersonate_uid,
        groups,
        tuple((key, tuple(extra[key])) for key in sorted(extra)),
    )


def gather(entry: Entry) -> Credentials:
    """All that the entry stands for, read or asked for now."""
    user, cluster = entry.user, entry.cluster
    authority = _pem(entry, cluster.authority_data, cluster.authority, "certificate-authority")
    if user.login_command is not None and uses_command(user):
        given = login_command.run(entry, user.login_command, login_command.cluster_info(entry, authority))
        authorization = _bearer(entry, given.token) if given.token else ""
        return Credentials(
            authorization=authorization, certificate=given.certificate, key=given.key, authority=authority,
            ends=given.ends,
        )  # fmt: skip
    return Credentials(
        authorization=_authorization(entry),
        certificate=_pem(entry, user.certificate_data, user.certificate, "client-certificate"),
        key=_pem(entry, user.key_data, user.key, "client-key"),
        authority=authority,
    )


def _authorization(entry: Entry) -> str:
    user = entry.user
    if user.token_file:
        path = _beside(entry.user_file, user.token_file)
        return _bearer(entry, _read(entry, path, "tokenFile").decode(errors="replace").strip())
    if user.token:
        return _bearer(entry, user.token)
    if user.username or user.password:
        pair = f"{user.username}:{user.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return ""


def _bearer(entry: Entry, token: str) -> str:
    if not token or not _VISIBLE.issuperset(token):
        what = "is empty" if not token else "has a character that no token has (a blank, a line's end)"
        raise KubeconfigInvalid(f"{entry.of_user}: its token {what}.")
    return f"Bearer {token}"


def headers_for(entry: Entry, credentials: Credentials) -> Headers:
    """What goes with every request. Raises KubeconfigInvalid for what no header can hold."""
    authorization = credentials.authorization
    return ((("Authorization", authorization),) if authorization else ()) + _impersonation(entry)


def _impersonation(entry: Entry) -> Headers:
    """The headers of kubernetes.io/docs/reference/access-authn-authz/user-impersonation."""
    user = entry.user
    if not user.impersonate:
        return ()
    headers = [("Impersonate-User", user.impersonate)]
    headers += [("Impersonate-Uid", user.impersonate_uid)] if user.impersonate_uid else []
    headers += [("Impersonate-Group", group) for group in user.impersonate_groups or []]
    for key, values in (user.impersonate_extra or {}).items():
        # As client-go: what a header's name cannot hold is written like in a URL.
        name = f"Impersonate-Extra-{quote(key, safe='!#$&*+^`|~')}"
        headers += [(name, value) for value in values]
    for name, value in headers:
        if not value or not value.isprintable() or value != value.strip():
            raise KubeconfigInvalid(f"{entry.of_user}: {value!r} cannot be sent as {name}.")
    # HTTP's headers are bytes; Kubernetes takes them for UTF-8, the library writes them as Latin-1.
    return tuple((name, value.encode().decode("latin-1")) for name, value in headers)


def _beside(file: Path, name: str) -> Path:
    """A path of a kubeconfig, which begins where that file lies."""
    return file.absolute().parent / name


def files_of(entry: Entry) -> tuple[Path, ...]:
    """The files that the login is made of, besides the kubeconfig."""
    cluster, user = entry.cluster, entry.user
    named = [(entry.cluster_file, "" if cluster.authority_data else cluster.authority)]
    if not uses_command(user):
        named += [
            (entry.user_file, user.token_file),
            (entry.user_file, "" if user.certificate_data else user.certificate),
            (entry.user_file, "" if user.key_data else user.key),
        ]
    return tuple(_beside(file, name) for file, name in named if name)


def _pem(entry: Entry, data: str, name: str, what: str) -> bytes:
    """A certificate, key or authority: `data` in base64 before the file `name`, as kubectl chooses."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise KubeconfigInvalid(f"{_owner(entry, what)}: {what}-data is not base64.") from None
    file = entry.cluster_file if what == "certificate-authority" else entry.user_file
    return _read(entry, _beside(file, name), what) if name else b""


def _read(entry: Entry, path: Path, what: str) -> bytes:
    try:
        return kubeconfig_file.read_credential(path)
    except (OSError, ValueError) as error:
        why = kubeconfig_file.why_unreadable(error)
        raise KubeconfigInvalid(f"{_owner(entry, what)}: its {what} {path} cannot be read: {why}.") from None


def _owner(entry: Entry, what: str) -> str:
    return entry.of_cluster if what == "certificate-authority" else entry.of_user
