# ruff: noqa: N818 - errors here are named by what happened ("NotFound"), as in clusters.errors
"""What can go wrong between here and a cluster's API server: one class, one sentence, each."""

from __future__ import annotations

from clusters.errors import ConformanceError


class ApiError(ConformanceError):
    """A request to the API server that was not answered as asked.

    `status` is the HTTP status, 0 where none came. `reason` is Kubernetes' own word for it ("NotFound",
    "AlreadyExists", "Expired"), "" where there is none. `message` is the API server's text as it was given.
    """

    def __init__(
        self, text: str, *, remedy: str = "", status: int = 0, reason: str = "", message: str = ""
    ) -> None:
        super().__init__(text, remedy=remedy)
        self.status, self.reason, self.message = status, reason, message


class KubeconfigInvalid(ApiError):
    """The kubeconfig is missing, is not one, or does not have what was asked of it."""


class Unreachable(ApiError):
    """Nothing answered at the API server's host and port, or the connection broke. The text names both.

    `sent` says whether the request may have reached the API server all the same.
    """

    sent: bool = False


class TimedOut(ApiError):
    """The API server took the connection but did not answer in time; what was asked may have happened."""


class AnswerTooLarge(ApiError):
    """An answer was larger than its limit in `clusters.bounds`, and was not read to its end."""


class AnswerInvalid(ApiError):
    """A success that is not what the Kubernetes API answers: no JSON, no object, a list that does not end."""


class CertificateInvalid(ApiError):
    """The API server's certificate, or the client's own, is not valid; the text says why."""


class Unauthorized(ApiError):
    """401: the API server does not know who this is, after a fresh login too. Nothing was carried out."""


class Forbidden(ApiError):
    """403: known, but not allowed. `verb`, `resource` (qualified) and `namespace` name what is missing."""

    verb: str = ""
    resource: str = ""
    namespace: str = ""


class NotFound(ApiError):
    """404: there is no such object."""


class NoSuchResource(NotFound):
    """404: the cluster does not have that kind of object at all, for instance because its CRD is missing."""


class Conflict(ApiError):
    """409: the object changed meanwhile, exists already, or is another one than the caller meant."""


class AlreadyExists(Conflict):
    """409 to a create: an object of that name is there."""


class Expired(ApiError):
    """410: the list or watch position is too old; one begins again with a new list."""


class Invalid(ApiError):
    """The object was rejected, by the API server's validation or by an admission webhook.

    `webhook` names the webhook that said no, "" where it was the API server itself; `message` has its text.
    """

    webhook: str = ""


class WebhookFailed(ApiError):
    """An admission webhook, `webhook`, could not be asked, so nothing was decided about the object."""

    webhook: str = ""


class Overloaded(ApiError):
    """429: the API server asks to come back later, and has not begun with the request.

    `retry_after` is the pause that it asks for, in seconds. Every request was repeated for the budget `api_busy`
    before this is raised, or asks for a pause that is longer; repeating it once more does no harm.
    """

    retry_after: float = 1.0


class ServerFault(ApiError):
    """5xx: the API server, or what stands behind it (metrics-server, a pod, etcd), failed."""
