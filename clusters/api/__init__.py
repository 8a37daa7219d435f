"""The one door to a cluster's API server: a client of our own over urllib3, which nothing else imports."""

from clusters.api.api_client import Api
from clusters.api.errors import (
    AlreadyExists,
    AnswerInvalid,
    AnswerTooLarge,
    ApiError,
    CertificateInvalid,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeconfigInvalid,
    NoSuchResource,
    NotFound,
    Overloaded,
    ServerFault,
    TimedOut,
    Unauthorized,
    Unreachable,
    WebhookFailed,
)
from clusters.api.resources import Resource
from clusters.api.watching import WatchEvent

__all__ = [
    "AlreadyExists",
    "AnswerInvalid",
    "AnswerTooLarge",
    "Api",
    "ApiError",
    "CertificateInvalid",
    "Conflict",
    "Expired",
    "Forbidden",
    "Invalid",
    "KubeconfigInvalid",
    "NoSuchResource",
    "NotFound",
    "Overloaded",
    "Resource",
    "ServerFault",
    "TimedOut",
    "Unauthorized",
    "Unreachable",
    "WatchEvent",
    "WebhookFailed",
]
