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

from clusters import bounds, budgets, wait
from clusters.api import answers, errors
from clusters.api.answers import Asked, Refusal, error_for
from clusters.api.login import Login, Session
from clusters.api.metering import Meter

_PIECE = 1 << 16
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
    """What to send. `body` becomes JSON; `asked` says what it is for, also in errors.

    The answer may have `limit` bytes (`bounds.ANSWER`) and take `within` seconds (the budget `api_answer`).
    """

    asked: Asked
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    read_timeout: float | None = None
    limit: int | None = None
    within: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A success whose body is still to be read. Whoever has it closes it."""

    response: urllib3.BaseHTTPResponse
    meter: Meter

    def piece(self) -> bytes:
        """What has arrived of the body, b"" at its end."""
        with self.meter.running():
            return self.response.read1(_PIECE, decode_content=False)

    def body(self) -> bytes:
        """All of it."""
        self.meter.expect(self.response.headers.get("Content-Length", ""))
        return b"".join(iter(self.piece, b""))

    def close(self) -> None:
        """Give up what was not read, with the connection; one that was read to its end is kept for the next."""
        self.response.close()


class Transport:
    """The connections to one API server. Threads may share it; each uses a connection of the pool."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.stats = Stats()
        self.reader = answers.Reader(self.endpoint)

    @property
    def endpoint(self) -> str:
        """Host and port of the API server, as a sentence names it."""
        parts = urlsplit(self.login.server)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    def send(self, request: Request) -> bytes:
        """The whole answer's body; an `ApiError` for every other end.

        Only what cannot do harm is sent twice: a GET whose connection broke (an idle connection that the
        server closed looks like that), and anything that the server turned away unread (429), when it says.
        """
        budget = budgets.get(budgets.API_BUSY)
        return wait.bear(
            lambda: self._send_soon(request),
            passes=lambda fault: isinstance(fault, errors.Overloaded) and fault.retry_after <= budget.within,
            pause=lambda fault: fault.retry_after if isinstance(fault, errors.Overloaded) else 0.0,
            budget=budget,
        )

    def _send_soon(self, request: Request) -> bytes:
        again = (_Broken,) if request.method == "GET" else ()
        return wait.retry(lambda: self._send_once(request), on=again, attempts=4, pause=0.1)

    def _send_once(self, request: Request) -> bytes:
        answer = self.open(request)
        try:
            body = answer.body()
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(request.asked, error) from error
        finally:
            answer.close()
        self.stats.add(request.asked.verb, len(body), calls=0)
        return body

    def date(self, request: Request) -> float:
        """When the API server says that it answered, in whole seconds of the epoch; ApiError where it does not."""
        answer = self.open(request)
        answer.close()
        try:
            return parsedate_to_datetime(answer.response.headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError, OverflowError):
            raise errors.ApiError(f"The API server at {self.endpoint} does not tell its time.") from None

    def open(self, request: Request) -> Answer:
        """The answer with its body unread, for streams; the caller closes it. Errors as `send`.

        A login that is not accepted is made anew once: what was asked for was not begun with.
        """
        session = self.login.session()
        try:
            return self._exchange(request, session)
        except errors.Unauthorized:
            fresh = self.login.renewed(session)
            if fresh is None:
                raise
        return self._exchange(request, fresh)

    def _exchange(self, request: Request, session: Session) -> Answer:
        self.stats.add(request.asked.verb)
        within = request.within or budgets.seconds(budgets.API_ANSWER)
        meter = Meter(request.asked.what, limit=request.limit or bounds.ANSWER_BYTES, within=within)
        query = f"?{urlencode(request.query)}" if request.query else ""
        try:
            with meter.running():
                response = session.pool.urlopen(
                    request.method,
                    session.base + request.asked.path + query,
                    body=None if request.body is None else json.dumps(request.body).encode(),
                    headers=_headers(request, session),
                    timeout=urllib3.Timeout(
                        connect=budgets.seconds(budgets.API_CONNECTED),
                        read=request.read_timeout or budgets.seconds(budgets.API_SILENT),
                    ),
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    preload_content=False,
                    decode_content=False,
                )
        except urllib3.exceptions.HTTPError as error:
            raise self._broken(request.asked, error) from error
        if response.status >= 300:
            raise self._refused(request.asked, Answer(response, meter), session)
        return Answer(response, meter)

    def _refused(self, asked: Asked, answer: Answer, session: Session) -> errors.ApiError:
        response = answer.response
        if response.status < 400:
            answer.close()
            return self._redirected(asked, response)
        body = b""
        try:
            while len(body) < bounds.REFUSAL_BYTES and (piece := answer.piece()):
                body += piece
        except urllib3.exceptions.HTTPError as broken:
            return self._broken(asked, broken)
        finally:
            answer.close()
        refused = error_for(asked, Refusal.read(response.status, body, response.headers))
        if isinstance(refused, errors.Unauthorized):
            refused.remedy = self._login_remedy(session, refused.remedy)
        return refused

    def _redirected(self, asked: Asked, response: urllib3.BaseHTTPResponse) -> errors.AnswerInvalid:
        """Never followed: the login is for this server alone."""
        where = answers.gist(response.headers.get("Location", "").encode())
        return errors.AnswerInvalid(
            f"The API server at {self.endpoint} answered to {asked.what} with a redirect ({response.status}) to "
            f"{where or 'nowhere'}, which was not followed.",
            remedy="Is a proxy or a login page in between, or is this not the API server's address?",
            status=response.status,
        )

    def _login_remedy(self, session: Session, usual: str) -> str:
        """What to do about a 401; the server does not say so, but the client certificate may have ended."""
        if not session.credentials.certificate:
            return usual
        from cryptography import x509  # noqa: PLC0415 - slow to import, and wanted in this one case only

        try:
            end = x509.load_pem_x509_certificate(session.credentials.certificate).not_valid_after_utc
        except ValueError:  # OpenSSL takes more for a certificate than this library does
            return usual
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
            return self._unreachable(
                f"no answer to a connection attempt in {budgets.seconds(budgets.API_CONNECTED):g} s"
            )
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


def _headers(request: Request, session: Session) -> urllib3.HTTPHeaderDict:
    """One line for each group that is impersonated: joined they would be one group of another name."""
    headers = urllib3.HTTPHeaderDict({"Accept": request.accept, "User-Agent": "metallb-conformance"})
    if request.body is not None:
        headers["Content-Type"] = request.content_type
    for name, value in (*request.headers.items(), *session.headers):
        headers.add(name, value)
    return headers


class _Broken(errors.Unreachable):
    """A connection that broke after the request was sent: what it asked for may have happened."""

    sent = True
