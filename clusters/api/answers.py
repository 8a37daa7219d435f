"""What an API server answers: its objects, or the error that says in one sentence why there are none."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

from pydantic_core import from_json

from clusters import bounds
from clusters.api import errors
from clusters.api.resources import Resource
from clusters.objects import Object

_PAGE = (b"<!doctype", b"<html", b"<?xml")
_BETWEEN = "Is a proxy or a login page in between?"

E = TypeVar("E", bound=errors.ApiError)

# "pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "shop"" is what
# Kubernetes' authorizer says (k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go).
_CANNOT = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) '
    r'(?:resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"|path "(?P<path>[^"]*)")'
    r'(?: in the namespace "(?P<namespace>[^"]*)")?'
)
# Both texts are in k8s.io/apiserver/pkg/admission/plugin/webhook (errors/statuserror.go, generic/webhook.go).
_DENIED = re.compile(
    r'admission webhook "(?P<webhook>[^"]*)" denied the request(?: without explanation)?:?\s*'
)
_FAILED = re.compile(r'failed calling webhook "(?P<webhook>[^"]*)"')
_SECONDS = re.compile(r"[0-9]{1,9}")
#: What the API server's priority and fairness asks for (k8s.io/apiserver, priority-and-fairness.go), in seconds.
_USUAL_PAUSE = 1.0
_LOGIN = "Log in again, or renew the certificate or token of this kubeconfig's user."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request was for, in Kubernetes' words, to say so when it fails."""

    verb: str
    path: str
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""

    @property
    def what(self) -> str:
        """The request as the middle of a sentence: "get service shop/web", "list nodes", "GET /healthz"."""
        if self.resource is None:
            return f"{'POST' if self.verb == 'create' else 'GET'} {self.path}"
        if self.name:
            return f"{self.verb} {self.resource.describe(self.name, self.namespace)}"
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource.qualified}{where}"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer with an HTTP status of 400 or above, as far as it could be read."""

    code: int
    reason: str
    message: str
    details: Mapping[str, Any]
    retry_after: float

    @classmethod
    def read(cls, code: int, body: bytes, headers: Mapping[str, str]) -> Refusal:
        """From an HTTP answer; not every one has a Status in it."""
        try:
            status = from_json(body)
        except ValueError:
            status = {}
        if not isinstance(status, dict) or status.get("kind") != "Status":
            status = {"message": gist(body)}
        return cls.of(code, status, headers)

    @classmethod
    def of(cls, code: int, status: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Refusal:
        """From a Status object, each of whose fields may be anything."""
        details = status.get("details")
        return cls(
            code=code,
            reason=str(status.get("reason") or "")[: bounds.LONGEST_EXCERPT],
            message=str(status.get("message") or "")[: bounds.LONGEST_MESSAGE],
            details=details if isinstance(details, dict) else {},
            retry_after=_retry_after(headers or {}),
        )


def _retry_after(headers: Mapping[str, str]) -> float:
    """The pause in seconds that an answer asks for, in either of the two forms of RFC 9110, 10.2.3."""
    asked = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return float(asked)
    try:
        # By the server's own clock, where it says what that is: only the difference is meant.
        now = _moment(headers["Date"]) if "Date" in headers else time.time()
        return max(0.0, _moment(asked) - now)
    except (ValueError, TypeError, OverflowError):
        return _USUAL_PAUSE


def _moment(text: str) -> float:
    return parsedate_to_datetime(text).timestamp()


def error_for(asked: Asked, refusal: Refusal) -> errors.ApiError:
    """The typed error for an answer that was not what `asked` wanted."""
    if found := _FAILED.search(refusal.message):
        return _webhook_failed(asked, refusal, found["webhook"])
    if found := _DENIED.search(refusal.message):
        return _denied(asked, refusal, found)
    build = _BY_CODE.get(refusal.code, _server_fault if refusal.code >= 500 else _rejected)
    return build(asked, refusal)


def _make(kind: type[E], refusal: Refusal, text: str, remedy: str = "") -> E:
    return kind(text, remedy=remedy, status=refusal.code, reason=refusal.reason, message=refusal.message)


def _unauthorized(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"The API server did not accept the login (401) for: {asked.what}."
    return _make(errors.Unauthorized, refusal, text, _LOGIN)


def _forbidden(asked: Asked, refusal: Refusal) -> errors.ApiError:
    found = _CANNOT.search(refusal.message)
    if found is None and refusal.message:
        return _rejected(asked, refusal)
    verb, resource, namespace, user = _permission(asked, found)
    where = f" in namespace {namespace}" if namespace else ""
    remedy = f"Give it a role that allows {verb} on {resource}{where}."
    error = _make(errors.Forbidden, refusal, f"{user} may not {verb} {resource}{where} (403).", remedy)
    error.verb, error.resource, error.namespace = verb, resource, namespace
    return error


def _permission(asked: Asked, found: re.Match[str] | None) -> tuple[str, str, str, str]:
    if found is None:
        resource = asked.resource.qualified if asked.resource else asked.path
        return asked.verb, resource, asked.namespace, "This login"
    plural = found["resource"] or found["path"]
    resource = f"{plural}.{found['group']}" if found["group"] else plural
    return found["verb"], resource, found["namespace"] or "", f"User {found['user']!r}"


def _not_found(asked: Asked, refusal: Refusal) -> errors.ApiError:
    if asked.resource is not None and not refusal.details.get("name"):
        text = f"The cluster has no {asked.resource.qualified} in version {asked.resource.version}."
        return _make(errors.NoSuchResource, refusal, text)
    what = (
        asked.resource.describe(asked.name, asked.namespace) if asked.resource and asked.name else asked.path
    )
    missing = f"{refusal.details.get('kind', '')} {refusal.details.get('name', '')}".strip()
    text = f"There is no {what} in the cluster."
    if asked.verb in {"create", "list"} and missing:
        text = f"Cannot {asked.what}: there is no {missing}."
    return _make(errors.NotFound, refusal, text)


def _conflict(asked: Asked, refusal: Refusal) -> errors.ApiError:
    if refusal.reason == "AlreadyExists":
        text = f"Cannot {asked.what}: it exists already."
        return _make(errors.AlreadyExists, refusal, text)
    text = f"Cannot {asked.what}: {refusal.message or 'it was changed meanwhile'}"
    return _make(errors.Conflict, refusal, text)


def _expired(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"Cannot go on to {asked.what}: {refusal.message or 'the position is too old'}"
    return _make(errors.Expired, refusal, text)


def _rejected(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"The API server refused to {asked.what} ({refusal.code}): {refusal.message or 'no reason given'}"
    return _make(errors.Invalid, refusal, text)


def _denied(asked: Asked, refusal: Refusal, found: re.Match[str]) -> errors.ApiError:
    said = refusal.message[found.end() :].strip() or "it gave no explanation"
    text = f"Cannot {asked.what}: the admission webhook {found['webhook']} said no: {said}"
    error = _make(errors.Invalid, refusal, text)
    error.webhook = found["webhook"]
    return error


def _webhook_failed(asked: Asked, refusal: Refusal, webhook: str) -> errors.ApiError:
    why = refusal.message.partition(f'"{webhook}": ')[2] or refusal.message
    text = f"Cannot {asked.what}: the admission webhook {webhook} could not be asked: {why}"
    remedy = "Look at the pods behind the webhook's service and at the certificate in its configuration."
    error = _make(errors.WebhookFailed, refusal, text, remedy)
    error.webhook = webhook
    return error


def _timed_out(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"The API server gave up on {asked.what} ({refusal.code}): {refusal.message or 'timeout'}"
    return _make(errors.TimedOut, refusal, text)


def _overloaded(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"The API server is too busy to {asked.what} (429)."
    remedy = f"It asks to come back in {refusal.retry_after:g} s."
    error = _make(errors.Overloaded, refusal, text, remedy)
    error.retry_after = refusal.retry_after
    return error


def _server_fault(asked: Asked, refusal: Refusal) -> errors.ApiError:
    text = f"The API server failed to {asked.what} ({refusal.code}): {refusal.message or 'no reason given'}"
    return _make(errors.ServerFault, refusal, text)


_BY_CODE: dict[int, Callable[[Asked, Refusal], errors.ApiError]] = {
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    408: _timed_out,
    409: _conflict,
    410: _expired,
    429: _overloaded,
    504: _timed_out,
}


class Reader:
    """Reads the answers of one API server, whose host and port a sentence names."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def json(self, body: bytes, asked: Asked) -> Object:
        """A JSON object. Raises AnswerInvalid for anything else."""
        try:
            # Half of what collecting takes is to read JSON, and this reader is a third faster than `json`.
            # Names and words stand in thousands of objects: each is kept once.
            found = from_json(body, allow_inf_nan=False, cache_strings="all")
        except ValueError:
            self.refuse(asked, "an HTML page" if _is_page(body) else "something that is no JSON")
        if not isinstance(found, dict):
            self.refuse(asked, "JSON that is no object")
        return found

    def object(self, body: bytes, asked: Asked) -> Object:
        """An object of the API: its metadata has a name."""
        found = self.json(body, asked)
        if not _is_named(found):
            self.refuse(asked, "an object that has no name")
        return found

    def page(self, body: bytes, asked: Asked) -> Object:
        """A list, or a part of one, whose items are objects of the API."""
        found = self.json(body, asked)
        items, metadata = found.get("items") or [], found.get("metadata")
        if not isinstance(items, list) or not isinstance(metadata, dict):
            self.refuse(asked, "an object that is no list")
        for number, item in enumerate(items, 1):
            if not _is_named(item):
                self.refuse(asked, f"a list whose item {number} is no object with a name")
        for field in ("continue", "resourceVersion"):
            if not isinstance(metadata.get(field, ""), str | None):
                self.refuse(asked, f"a list whose {field!r} is no text")
        return found

    def text(self, found: Object, field: str, asked: Asked) -> str:
        """A field of an answer that must be text."""
        value = found.get(field)
        if not isinstance(value, str):
            self.refuse(asked, f"an object whose field {field!r} is no text")
        return value[: bounds.LONGEST_EXCERPT]

    def mapping(self, found: Object, field: str, asked: Asked) -> Object:
        """A field of an answer that must be an object."""
        value = found.get(field)
        if not isinstance(value, dict):
            self.refuse(asked, f"an object whose field {field!r} is no object")
        return value

    def change(self, line: bytes, asked: Asked) -> tuple[str, Object]:
        """One event of a watch: its type, and its object with all that a watcher tells changes by."""
        event = self.json(line, asked)
        kind, item = self.text(event, "type", asked), self.mapping(event, "object", asked)
        if kind == "ERROR":
            return kind, item
        metadata = self.mapping(item, "metadata", asked)
        wanted = ("resourceVersion",) if kind == "BOOKMARK" else ("resourceVersion", "name", "uid")
        if not all(isinstance(metadata.get(field), str) for field in wanted):
            self.refuse(asked, "an event about something that has no name, UID and version")
        return kind, item

    def refuse(self, asked: Asked, found: str) -> NoReturn:
        """Raises AnswerInvalid; `found` is what was answered."""
        text = f"The API server at {self._endpoint} answered to {asked.what} with {found}."
        raise errors.AnswerInvalid(text, remedy=_BETWEEN)


def gist(body: bytes) -> str:
    """What a text in place of an answer says, short enough for a sentence."""
    if _is_page(body):
        return "an HTML page"
    text = " ".join(body[: 4 * bounds.LONGEST_EXCERPT].decode(errors="replace").split())
    return text if len(text) <= bounds.LONGEST_EXCERPT else f"{text[: bounds.LONGEST_EXCERPT]}…"


def _is_page(body: bytes) -> bool:
    return body[: bounds.KIB].lstrip().lower().startswith(_PAGE)


def _is_named(item: object) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
