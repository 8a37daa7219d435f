"""One HTTP request to the API server: sent, timed, counted, repeated only where safe, and explained."""

from __future__ import annotations

import datetime as dt
import json
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3

from clusters import budgets, wait
from clusters.api import errors
from clusters.api.answers import Asked, Refusal, error_for
from clusters.api.kubeconfig import Login, token_of

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
_MERGE, _JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_STRANGER = "no authority that the kubeconfig names has signed it"
#: OpenSSL's codes for a chain that ends nowhere (x509_vfy.h: 18 to 21), whose words few would understand.
_PLAINLY = dict.fromkeys((18, 19, 20, 21), _STRANGER)
PATCH_TYPES = {
    "merge": _MERGE,
    "json": _JSON_PATCH,
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass
class Stats:
    """How much has been asked of the API server so far: requests by verb, and bytes of answers read."""

    calls: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def count(self) -> int:
        """All requests together."""
        return sum(self.calls.values())

    def add(self, verb: str, size: int = 0, *, calls: int = 1) -> None:
        """Count `calls` requests of `verb` and `size` bytes."""
        with self._lock:
            self.calls[verb] = self.calls.get(verb, 0) + calls
            self.bytes_read += size


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to send. `body` becomes JSON; `asked` says what it is for, also in errors."""

    asked: Asked
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    read_timeout: float = READ_TIMEOUT


class Transport:
    """The connections to one API server. Threads may share it; each uses a connection of the pool."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.stats = Stats()
        self._pool = login.client.rest_client.pool_manager
        self._base = str(login.client.configuration.host).rstrip("/")
        self._renewing = threading.Lock()

    @property
    def endpoint(self) -> str:
        """Host and port of the API server, as a sentence names it."""
        parts = urlsplit(self._base)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    def send(self, request: Request) -> bytes:
        """The whole answer's body; an `ApiError` for every other end.

        Only what cannot do harm is sent twice: a GET whose connection broke (an idle connection that the
        server closed looks like that), and anything that the server turned away unread (429), when it says.
        """
        return wait.retry_after(
            lambda: self._send_soon(request),
            on=(errors.Overloaded,),
            pause=lambda fault: fault.retry_after if isinstance(fault, errors.Overloaded) else 0.0,
            budget=budgets.get("api_busy"),
        )

    def _send_soon(self, request: Request) -> bytes:
        again = (_Broken,) if request.method == "GET" else ()
        return wait.retry(lambda: self._send_once(request), on=again, attempts=4, pause=0.1)

    def date(self, request: Request) -> float:
        """When the API server says that it answered, in whole seconds of the epoch; ApiError where it does not."""
        response = self.open(request)
        try:
            response.read()
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(request.asked, error) from error
        finally:
            response.release_conn()
        try:
            return parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            raise errors.ApiError(f"The API server at {self.endpoint} does not tell its time.") from None

    def _send_once(self, request: Request) -> bytes:
        response = self.open(request)
        try:
            body = bytes(response.read())
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(request.asked, error) from error
        finally:
            response.release_conn()
        self.stats.add(request.asked.verb, len(body), calls=0)
        return body

    def open(self, request: Request) -> urllib3.BaseHTTPResponse:
        """The answer with its body unread, for streams; the caller closes it. Errors as `send`."""
        self.stats.add(request.asked.verb)
        headers = {"Accept": request.accept, "User-Agent": "metallb-conformance"}
        if authorization := self._authorization():
            headers["Authorization"] = authorization
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        url = self._base + request.asked.path + (f"?{urlencode(request.query)}" if request.query else "")
        try:
            response: urllib3.BaseHTTPResponse = self._pool.request(
                request.method,
                url,
                body=None if request.body is None else json.dumps(request.body).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=request.read_timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(request.asked, error) from error
        if response.status >= 300:
            raise self._refused(request.asked, response)
        return response

    def _authorization(self) -> str:
        with self._renewing:
            return token_of(self.login)

    def _refused(self, asked: Asked, response: urllib3.BaseHTTPResponse) -> errors.ApiError:
        try:
            body = bytes(response.read())
        except urllib3.exceptions.HTTPError as broken:
            return self._broken(asked, broken)
        finally:
            response.release_conn()
        refused = error_for(asked, Refusal.read(response.status, body, response.headers))
        if isinstance(refused, errors.Unauthorized):
            refused.remedy = self._login_remedy(refused.remedy)
        return refused

    def _login_remedy(self, usual: str) -> str:
        """What to do about a 401; the server does not say so, but the client certificate may have ended."""
        if not self.login.certificate:
            return usual
        from cryptography import x509  # noqa: PLC0415 - slow to import, and wanted in this one case only

        end = x509.load_pem_x509_certificate(self.login.certificate).not_valid_after_utc
        if end > dt.datetime.now(dt.UTC):
            return usual
        return (
            f"The client certificate of user {self.login.user!r} ended on {end:%Y-%m-%d %H:%M} UTC; renew it."
        )

    def _broken(self, asked: Asked, error: urllib3.exceptions.HTTPError) -> errors.ApiError:
        """The sentence for a request that got no whole answer."""
        if isinstance(error, urllib3.exceptions.SSLError) and not _is_cut(error):
            return self._bad_certificate(error)
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            return self._unreachable(_ERRNO.sub("", str(error).rpartition(": ")[2]))
        if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
            return self._unreachable(f"no answer to a connection attempt in {CONNECT_TIMEOUT:g} s")
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return errors.TimedOut(f"The API server at {self.endpoint} did not answer in time: {asked.what}.")
        if isinstance(error, urllib3.exceptions.ProxyError):
            return self._unreachable(f"the proxy did not let it through ({error})")
        return _Broken(f"The connection to the API server at {self.endpoint} broke: {error}.")

    def _unreachable(self, why: str) -> errors.Unreachable:
        return errors.Unreachable(
            f"The API server at {self.endpoint} cannot be reached: {why}.",
            remedy=f"Is the cluster of context {self.login.context!r} running, and is this the way to it?",
        )

    def _bad_certificate(self, error: urllib3.exceptions.SSLError) -> errors.CertificateInvalid:
        cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return errors.CertificateInvalid(
                f"The certificate of the API server at {self.endpoint} is not valid: "
                f"{_PLAINLY.get(cause.verify_code, cause.verify_message)}.",
                remedy="Does the kubeconfig belong to this cluster, and has its certificate been renewed?",
            )
        why = getattr(cause, "reason", "") or str(cause)
        return errors.CertificateInvalid(f"No TLS connection to the API server at {self.endpoint}: {why}.")


def _is_cut(error: urllib3.exceptions.SSLError) -> bool:
    """Whether the connection ended in the middle of TLS: that says nothing about certificates."""
    return bool(error.args) and isinstance(error.args[0], ssl.SSLEOFError | ssl.SSLZeroReturnError)


class _Broken(errors.Unreachable):
    """A connection that broke after the request was sent: what it asked for may have happened."""

    sent = True
