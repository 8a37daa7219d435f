"""As whom requests are made: the headers and certificate of a kubeconfig's user, made anew when they end or change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import urllib3

from clusters.api import kubeconfig, kubeconfig_file
from clusters.api.connections import base_of, pool_for
from clusters.api.credentials import (
    Credentials,
    Headers,
    as_whom,
    check_user,
    files_of,
    gather,
    headers_for,
    uses_command,
)
from clusters.api.errors import ApiError, KubeconfigInvalid
from clusters.api.kubeconfig import Entry

#: Files are looked at before each request, and read again after so long where they look the same, as client-go does.
_READ_AGAIN = 60.0
#: A fresh login that is refused is not made once more for every other request that is refused meanwhile.
_RENEWED_AGAIN = 10.0


@dataclass(frozen=True, kw_only=True)
class Session:
    """One state of a login. `pool` has connections with its certificate, `headers` go with every request.

    `base` is what stands before the API's own paths in a request's line.
    """

    number: int
    credentials: Credentials
    headers: Headers = field(repr=False)
    pool: urllib3.HTTPConnectionPool = field(repr=False)
    base: str


class Login:
    """Where a kubeconfig leads and as whom. Threads may share it; one of them renews it for all."""

    def __init__(self, entry: Entry, again: Callable[[], Entry]) -> None:
        self._entry, self._again = entry, again
        self._renewing = threading.Lock()
        self._watched = files_of(entry)
        self._seen = kubeconfig_file.signature(self._watched)
        self._read_at = time.monotonic()
        self._refused_at = float("-inf")
        self._session = self._make(gather(entry), number=1)

    @property
    def files(self) -> tuple[Path, ...]:
        """The kubeconfigs that were read."""
        return self._entry.files

    @property
    def context(self) -> str:
        """The kubeconfig's context."""
        return self._entry.context

    @property
    def user(self) -> str:
        """The kubeconfig's name for the user."""
        return self._entry.user_name

    @property
    def server(self) -> str:
        """The API server's URL, without a slash at its end."""
        return self._entry.cluster.server.rstrip("/")

    def session(self) -> Session:
        """The login as it is now: with files that changed, and a login command's answer that has not ended.

        Raises Unauthorized where a login command gives no credentials any more.
        """
        with self._renewing:
            ends = self._session.credentials.ends
            if ends is not None and ends <= time.time():
                self._take(gather(self._entry))
            elif not uses_command(self._entry.user):
                self._look_at_files()
            return self._session

    def renewed(self, refused: Session) -> Session | None:
        """Another login after `refused` was not accepted, None where everything is as it was.

        All is read again, the kubeconfig included: only its credentials are taken, and only while it leads to
        the same cluster in the same way. Raises Unauthorized as `session` does.
        """
        with self._renewing:
            if self._session.number != refused.number:
                return self._session
            if time.monotonic() - self._refused_at < _RENEWED_AGAIN:
                return None
            self._refused_at = time.monotonic()
            self._entry = self._fresh_entry()
            self._watched = files_of(self._entry)
            with suppress(KubeconfigInvalid):  # as in _look_at_files
                self._take(gather(self._entry))
            return self._session if self._session.number != refused.number else None

    def _fresh_entry(self) -> Entry:
        try:
            found = self._again()
        except ApiError:
            return self._entry
        same = as_whom(found.user) == as_whom(self._entry.user)
        return found if same and found.cluster == self._entry.cluster else self._entry

    def _look_at_files(self) -> None:
        seen = kubeconfig_file.signature(self._watched)
        if seen == self._seen and time.monotonic() - self._read_at < _READ_AGAIN:
            return
        try:
            self._take(gather(self._entry))
        except KubeconfigInvalid:
            return  # in the middle of a rotation: what was read before still holds, and this is looked at again
        self._seen, self._read_at = seen, time.monotonic()

    def _take(self, credentials: Credentials) -> None:
        before = self._session.credentials
        if credentials != before:
            self._session = self._make(credentials, number=self._session.number + 1)
        else:
            self._session = replace(self._session, credentials=credentials)

    def _make(self, credentials: Credentials, *, number: int) -> Session:
        headers = headers_for(self._entry, credentials)
        before = self._session.credentials if number > 1 else None
        if before and replace(credentials, authorization=before.authorization) == before:
            pool = self._session.pool  # the same certificate: its connections are as good as new ones
        else:
            pool = pool_for(self._entry, credentials)
        base = base_of(self._entry, pool)
        return Session(number=number, credentials=credentials, headers=headers, pool=pool, base=base)


def log_in(kubeconfig_file: Path | None, context: str | None) -> Login:
    """The login for `context` (the current one where None).

    Raises KubeconfigInvalid where a file is missing or unusable or the context is not in it, and
    Unauthorized where the login command that it names gives no credentials.
    """
    entry = kubeconfig.find(kubeconfig_file, context)
    check_user(entry)
    return Login(entry, lambda: kubeconfig.find(kubeconfig_file, entry.context))
